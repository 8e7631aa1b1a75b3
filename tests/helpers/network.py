"""What leaves the SDK: every request, with the endpoint that the SDK resolved; and accounts that can't be entered.

DRS's requests and EC2's are answered by the simulator, all others by moto.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import httpx
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointConnectionError
from moto.core.botocore_stubber import BotocoreStubber

from tests.helpers.orchestrator import requests_to_ec2
from tests.helpers.simulator import SimulatorControl

type Answer = tuple[int, dict[str, str], str | bytes]

OWN_ACCOUNT = "123456789012"

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_ACCESS_KEY = re.compile(r"<AccessKeyId>(.+?)</AccessKeyId>")
_FORWARDED = ("authorization", "content-type")

# As STS words it; which account is which has been changed.
_ACCESS_DENIED = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>AccessDenied</Code><Message>User: arn:aws:sts::{own}:assumed-role/orchestrator/function is not authorized "
    "to perform: sts:AssumeRole on resource: {role}</Message></Error></ErrorResponse>"
)
_EC2_TRUE = "<ModifyInstanceAttributeResponse><return>true</return></ModifyInstanceAttributeResponse>"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: the service and Region it was signed for, the host it went to, the account it was made in."""

    service: str
    region: str
    host: str
    account: str


class Network:
    """`sent`: every request; `assumed`: the parameters of every AssumeRole. With `regions`, no other can be reached."""

    def __init__(self, simulator: SimulatorControl, regions: Sequence[str] | None = None) -> None:
        self._simulator = simulator
        self._regions = regions
        self._accounts: dict[str, str] = {}
        self._closed: set[str] = set()
        self.sent: list[Sent] = []
        self.assumed: list[dict[str, str]] = []

    def close(self, account_id: str) -> None:
        """From now on the role in this account trusts nobody."""
        self._closed.add(account_id)

    def open(self, account_id: str) -> None:
        self._closed.remove(account_id)

    def answer(self, request: AWSPreparedRequest) -> Answer | None:
        """None where moto is to answer. Raises EndpointConnectionError for a Region that can't be reached."""
        host = urlsplit(request.url).hostname or ""
        scope = _SCOPE.search(_text(request.headers["Authorization"]))
        assert scope, f"not signed: {request.url}"
        account = self._accounts.get(scope["key"], OWN_ACCOUNT)
        self.sent.append(Sent(scope["service"], scope["region"], host, account))
        if self._regions is not None and not any(f".{region}." in host for region in self._regions):
            raise EndpointConnectionError(endpoint_url=request.url)
        match scope["service"]:
            case "drs":
                return self._ask_drs(request)
            case "ec2":
                self._simulator.protect(_form(request)["InstanceId"])
                return 200, {}, _EC2_TRUE
            case "sts":
                return self._assume(_form(request))
        return None

    def note_credentials(self, answer: Answer, account_id: str) -> None:
        """The access key in STS's answer is one of this account: the simulator has to know it, too."""
        found = _ACCESS_KEY.search(_text(answer[2]))
        assert found
        self._accounts[found[1]] = account_id
        self._simulator.map_accounts(self._accounts)

    def _assume(self, form: dict[str, str]) -> Answer | None:
        self.assumed.append(form)
        if _account_of(form["RoleArn"]) in self._closed:
            return 403, {}, _ACCESS_DENIED.format(own=OWN_ACCOUNT, role=form["RoleArn"])
        return None

    def _ask_drs(self, request: AWSPreparedRequest) -> Answer:
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() in _FORWARDED}
        path = urlsplit(request.url).path
        response = httpx.request(
            request.method, f"{self._simulator.url}{path}", headers=headers, content=request.body, trust_env=False
        )
        return response.status_code, dict(response.headers), response.content


@contextmanager
def network(simulator: SimulatorControl, regions: Sequence[str] | None = None) -> Iterator[Network]:
    """Whatever is sent from here on, by clients that exist already, too; to be used inside `aws()`."""
    seen = Network(simulator, regions)
    ask_moto = BotocoreStubber.process_request

    def answer(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Any:
        given = seen.answer(request)
        if given is None:
            given = ask_moto(stubber, request)
            if "//sts." in request.url:
                seen.note_credentials(given, _account_of(seen.assumed[-1]["RoleArn"]))
        return given

    with mock.patch.object(BotocoreStubber, "process_request", answer), requests_to_ec2():
        yield seen


def _form(request: AWSPreparedRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(_text(request.body)).items()}


def _account_of(role_arn: str) -> str:
    return role_arn.split(":")[4]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
