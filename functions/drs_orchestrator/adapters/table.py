"""DynamoDB's attribute values to plain Python and back, and the few calls both stores share."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 5})


def client() -> Any:
    return boto3.client("dynamodb", config=_CONFIG)


def pack(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as attribute values; fields that are None are left out, so that absent means absent."""
    return {name: _serializer.serialize(value) for name, value in record.items() if value is not None}


def unpack(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def query(table: Any, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Every item of every page."""
    for page in table.get_paginator("query").paginate(**arguments):
        for item in page["Items"]:
            yield unpack(item)


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


def _plain(value: Any) -> Any:
    """We store integers only; Decimal would not survive json."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
