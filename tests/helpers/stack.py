"""The deployed stack a test works on, known by its environment: the embedded one, or one in an AWS account.

API_URL, EXECUTION_TABLE_NAME, STATE_MACHINE_ARN and RECONCILER_FUNCTION_NAME name its parts. DRS_SIMULATOR_URL is the
control API of its DRS simulator; without it the stack talks to AWS's own DRS, and nothing of that can be made to fail.
"""

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from embedded import Stack
from tests.helpers.simulator import SimulatorControl

TOO_MANY_REQUESTS = 429
_CALL_SECONDS = 60

OUTPUTS = (
    "API_URL",
    "EVENT_BUS_NAME",
    "EXECUTION_TABLE_NAME",
    "NOTIFICATION_TOPIC_ARN",
    "PLAN_TABLE_NAME",
    "RECONCILER_FUNCTION_NAME",
    "STATE_MACHINE_ARN",
)

# A drill of real servers takes twenty minutes and more; the embedded stack's clock runs hundreds of times faster.
REAL_PATIENCE = 60

# Source servers of the account that may be launched by tests, their ids separated by commas.
REAL_SERVERS = "DRS_TEST_SOURCE_SERVERS"

# What the embedded stack that tests share is started with.
SHARED: dict[str, Any] = {"wait_scale": 0.015, "speed": 300, "scenario": "three-tier"}


@contextmanager
def embedded_stack(folder: Path, **settings: Any) -> Iterator[Stack]:
    """An embedded stack of one's own in `folder`, named by the environment and by nothing else in it."""
    with Stack(folder, **settings) as stack, named(stack):
        yield stack
        control().close()


@contextmanager
def named(stack: Stack) -> Iterator[None]:
    """The environment names this embedded stack, and no other AWS."""
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(stack.env)
        with mock.patch.object(boto3, "DEFAULT_SESSION", _session(stack.env["AWS_ENDPOINT_URL"])):
            yield


@cache
def _session(_endpoint: str) -> boto3.Session:
    """The session of `boto3.client`. It reads its keys once, so the one of tests without a stack may have others."""
    return boto3.Session()


@contextmanager
def named_stack() -> Iterator[None]:
    """The stack in AWS that the environment names; its DRS is AWS's own."""
    missing = [name for name in OUTPUTS if not os.environ.get(name)]
    if missing:
        pytest.fail(f"--real-drs tests a deployed stack: set {', '.join(missing)} from the stack's outputs")
    with mock.patch.dict(os.environ):
        os.environ.pop("DRS_SIMULATOR_URL", None)
        yield


def is_real() -> bool:
    """Whether the stack talks to AWS's own DRS."""
    return not os.environ.get("DRS_SIMULATOR_URL")


def is_on_aws() -> bool:
    """Whether the stack runs in AWS and not in an engine on this machine."""
    return not os.environ.get("AWS_ENDPOINT_URL")


def patience(seconds: float) -> float:
    """How long to wait for what takes at most `seconds` on the embedded stack."""
    return seconds * REAL_PATIENCE if is_real() else seconds


def control() -> SimulatorControl:
    """The simulator's control API; a test that needs it is skipped where there is none."""
    if is_real():
        pytest.skip("AWS's own DRS can't be told what to do; this test needs the simulator")
    return _control(os.environ["DRS_SIMULATOR_URL"])


@cache
def _control(url: str) -> SimulatorControl:
    return SimulatorControl(url)


def region() -> str:
    return str(boto3.Session().region_name)


def client(service: str) -> Any:
    """A client of a service the stack is made of."""
    return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 5}))  # type: ignore[call-overload]


def call_api(method: str, path: str, body: object = None, *, query: dict[str, str] | None = None) -> httpx.Response:
    """A signed call of the orchestrator's API, as any client of it makes one."""
    deadline = time.monotonic() + _CALL_SECONDS
    while True:
        answer = _call_once(method, path, body, query)
        # Refused for want of capacity: it was not carried out, so any client sends it again.
        if answer.status_code != TOO_MANY_REQUESTS or time.monotonic() > deadline:
            return answer
        time.sleep(random.uniform(0.1, 0.5))


def _call_once(method: str, path: str, body: object, query: dict[str, str] | None) -> httpx.Response:
    url = httpx.URL(f"{os.environ['API_URL'].rstrip('/')}{path}", params=query)
    content = "" if body is None else json.dumps(body)
    request = AWSRequest(method, str(url), data=content, headers={"Content-Type": "application/json"})
    session = boto3.Session()
    SigV4Auth(session.get_credentials(), "execute-api", session.region_name).add_auth(request)
    return _http().request(method, url, content=content, headers=dict(request.headers))


@cache
def _http() -> httpx.Client:
    """One client for all calls: each would make a TLS context of its own, which takes longer than the call. No
    connection is used twice, so none can have been closed meanwhile."""
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=30.0, trust_env=False)


def driver_arn(execution_id: str, generation: int = 1) -> str:
    """The state machine execution that drives this generation of an execution."""
    arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    return f"{arn}:{execution_id}-g{generation}"


def start_recovery_calls(execution_id: str) -> list[dict[str, Any]]:
    """The StartRecovery calls DRS received for an execution, in order."""
    owner = "drs-orchestrator:execution-id"
    calls = control().calls("StartRecovery")
    return [call for call in calls if call["request"].get("tags", {}).get(owner) == execution_id]


def real_servers() -> list[str]:
    """The source servers tests may launch in a real account; without any the test is skipped."""
    given = [server.strip() for server in os.environ.get(REAL_SERVERS, "").split(",") if server.strip()]
    if not given:
        pytest.skip(f"{REAL_SERVERS} names no source servers that may be launched")
    return given


def too_few_real_servers(wanted: int, given: int) -> NoReturn:
    pytest.skip(f"this test launches {wanted} source servers, {REAL_SERVERS} names {given}")
