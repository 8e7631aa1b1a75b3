"""Lets a boto3 client talk to a simulator without a socket: its own serialiser and parser, no network."""

from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from drs_simulator.accounts import Accounts
from drs_simulator.simulator import DEFAULT_ACCOUNT, DEFAULT_REGION, Simulator
from drs_simulator.wire import Request, Wire


def connect(
    simulator: Simulator, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION, attempts: int = 1
) -> Any:
    """A boto3 ``drs`` client of an account and Region whose calls the simulator answers, each tried `attempts` times.

    A slow answer does not make the caller wait.
    """
    client = boto3.client(
        "drs",
        region_name=region,
        endpoint_url="http://drs.invalid",
        aws_access_key_id=account,
        aws_secret_access_key="simulated",  # noqa: S106 - nobody checks it
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": attempts}),
    )
    wire = Wire(simulator, Accounts().account_of)

    def answer(request: AWSPreparedRequest, **_: Any) -> Any:
        parts = urlsplit(request.url)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body: Any = request.body or b""
        sent = Request(
            request.method, parts.path, parts.query, headers, body.encode() if isinstance(body, str) else body
        )
        response = wire.respond(sent)
        if response.dropped:
            raise ConnectionClosedError(endpoint_url=request.url)
        return AWSResponse(request.url, response.status, _headers(response.headers), _Body(response.body))

    client.meta.events.register("before-send.drs", answer)
    return client


def _headers(given: dict[str, str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in given.items():
        headers[name] = value
    return headers


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Body:
    """The part of a raw HTTP response that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self._content

    def read(self, *_: Any, **__: Any) -> bytes:
        return self._content
