"""DynamoDB's attribute values to plain Python and back, and the few calls both stores share."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

_serializer = TypeSerializer()

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
