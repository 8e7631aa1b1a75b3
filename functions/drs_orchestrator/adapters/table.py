"""DynamoDB's attribute values to plain Python and back, and the few calls both stores share."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

from drs_orchestrator.errors import ServiceBusy

_serializer = TypeSerializer()

# What one BatchGetItem may ask for, see its page in the DynamoDB API Reference.
_KEYS_A_CALL = 100
# How often in a row a call may bring nothing before the caller has to be repeated, and the first pause, in seconds.
_EMPTY_CALLS = 5
_FIRST_PAUSE = 0.05

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 5})


def client() -> Any:
    return boto3.client("dynamodb", config=_CONFIG)


def pack(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as attribute values; fields that are None are left out, so that absent means absent."""
    return {name: _serializer.serialize(value) for name, value in record.items() if value is not None}


def unpack(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item's attribute values as a record: numbers as int, for we store no others, binaries as bytes."""
    return {name: _plain(value) for name, value in item.items()}


def query(table: Any, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Every item of every page."""
    more: dict[str, Any] = {}
    while True:
        page = table.query(**arguments, **more)
        for item in page["Items"]:
            yield unpack(item)
        if "LastEvaluatedKey" not in page:
            return
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def read_together(
    table: Any, table_name: str, keys: Iterable[Mapping[str, Any]], **arguments: Any
) -> Iterator[dict[str, Any]]:
    """The items of these keys that exist, in no order, a hundred in a call.

    What a throttled table leaves unread is asked for again after a pause that doubles while calls bring nothing. Raises
    ServiceBusy when several in a row have brought nothing.
    """
    left = [pack(key) for key in keys]
    empty = 0
    while left:
        batch, left = left[:_KEYS_A_CALL], left[_KEYS_A_CALL:]
        answer = table.batch_get_item(RequestItems={table_name: {"Keys": batch, **arguments}})
        for item in answer["Responses"].get(table_name, ()):
            yield unpack(item)
        unread = answer.get("UnprocessedKeys", {}).get(table_name, {}).get("Keys", [])
        empty = empty + 1 if len(unread) == len(batch) else 0
        if empty == _EMPTY_CALLS:
            raise ServiceBusy(f"DynamoDB throttles the reads of {table_name}; try again.")
        if unread:
            # Half of it is fixed, half drawn: those who are throttled together come apart.
            time.sleep(_FIRST_PAUSE * 2**empty * (0.5 + random.random() / 2))  # noqa: S311 - nothing secret
        left += unread


def succeeds(call: Callable[..., Any], **arguments: Any) -> Any:
    """The answer of a conditional call, or None when its condition did not hold."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return None
        raise


def put_if(table: Any, **arguments: Any) -> bool:
    """put_item with a condition; False when it did not hold."""
    return succeeds(table.put_item, **arguments) is not None


def _plain(value: Mapping[str, Any]) -> Any:
    [(kind, content)] = value.items()
    match kind:
        case "N":
            return int(content)
        case "M":
            return unpack(content)
        case "L":
            return [_plain(each) for each in content]
        case "SS":
            return set(content)
        case "NULL":
            return None
    return content
