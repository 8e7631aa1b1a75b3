"""The orchestrator in this process: its tasks on tables in memory, made from the template, and a DRS simulator.

Time stands still in both until a test lets it pass, so the template's own intervals and limits can be used: a drill
of nine minutes takes a fraction of a second.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from threading import RLock
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.client import BaseClient
from botocore.loaders import create_loader
from botocore.validate import validate_parameters
from moto import mock_aws

from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.settings import Home, Settings
from drs_orchestrator.tasks.check_drs import check_drs
from drs_orchestrator.tasks.clean_up_drill import clean_up_drill
from drs_orchestrator.tasks.finish_execution import finish_execution
from drs_orchestrator.tasks.launch_waves import launch_waves
from drs_orchestrator.tasks.manage_plans import put_plan
from drs_orchestrator.tasks.prepare_execution import prepare_execution
from drs_orchestrator.tasks.protect_instances import protect_instances
from drs_orchestrator.tasks.show_executions import show_execution
from drs_orchestrator.tasks.start_execution import start_execution
from drs_orchestrator.tasks.start_request import read_start_request
from tests.helpers.dynamodb import DynamoDb
from tests.helpers.ec2 import Ec2
from tests.helpers.simulator import SimulatorControl
from tests.helpers.template import PROJECT_ROOT, create_table, function_environment, template

EXECUTION_TABLE = "executions"
PLAN_TABLE = "plans"
EVENT_BUS = "announcements"
STATE_MACHINE = "recovery"
START = 1_800_000_000
REGION = "us-east-1"
HOME = Home("aws", REGION, "123456789012", "drs-orchestrator")
CALLER = "arn:aws:sts::123456789012:assumed-role/operator/jane"

# Whatever the developer's own AWS configuration says, these tests talk to nobody but moto and the simulator.
_ISOLATION = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_UNWANTED = ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DRS")


@contextmanager
def aws() -> Iterator[None]:
    """An empty AWS account in this process, whatever the environment says."""
    with mock.patch.dict(os.environ, _ISOLATION):
        for name in _UNWANTED:
            os.environ.pop(name, None)
        with (
            # moto makes thousands of patterns for what asks AWS without the SDK; here nothing does.
            mock.patch("moto.core.models.RESPONSES_METHODS", ()),
            mock_aws(),
            _one_call_at_a_time(),
            mock.patch("botocore.session.create_loader", _loader),
            # Here time passes when a test lets it: what the SDK waits for before it asks again is nobody's.
            mock.patch("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None)),
        ):
            try:
                yield
            finally:
                _instead_of_moto.clear()


# What answers a service's calls once there is an orchestrator: an EC2 that knows what the simulator launched, of which
# moto's own knows nothing, and a DynamoDB that is much faster than moto's.
_instead_of_moto: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {}


@contextmanager
def requests_to_ec2() -> Iterator[None]:
    """EC2's calls become requests as any other service's; whoever uses this answers them."""
    answer = _instead_of_moto.pop("ec2")
    try:
        yield
    finally:
        _instead_of_moto["ec2"] = answer


# Each test has a session of its own; what it reads from the SDK's service models is the same every time.
_loader = cache(create_loader)


@contextmanager
def _one_call_at_a_time() -> Iterator[None]:
    """DynamoDB carries out each call whole; moto's checks and writes of two threads would mix."""
    lock = RLock()
    make_api_call = BaseClient._make_api_call

    def whole(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        model = client.meta.service_model
        with lock:
            if answer := _instead_of_moto.get(model.service_name):
                validate_parameters(parameters, model.operation_model(operation).input_shape)
                return answer(operation, parameters)
            return make_api_call(client, operation, parameters)

    with mock.patch.object(BaseClient, "_make_api_call", whole):
        yield


_TABLES = {"ExecutionTable": EXECUTION_TABLE, "PlanTable": PLAN_TABLE}


def create_tables() -> None:
    """The template's tables at moto, for tests of what is said to DynamoDB."""
    dynamodb = boto3.client("dynamodb")
    for logical_id, name in _TABLES.items():
        create_table(dynamodb, logical_id, name)


def keep_tables_at_moto() -> None:
    """From now on what the orchestrator says to DynamoDB are requests; its tables are empty."""
    _instead_of_moto.pop("dynamodb", None)
    create_tables()


def keep_tables_in_memory() -> None:
    """From now on the template's tables are in memory, for tests of what the orchestrator does."""
    dynamodb = DynamoDb()
    for logical_id, name in _TABLES.items():
        dynamodb.create_table(name, template()["Resources"][logical_id]["Properties"])
    _instead_of_moto["dynamodb"] = dynamodb.call


def environment(drs_endpoint: str, **parameters: str) -> dict[str, str]:
    """What the template puts into each function's environment; `parameters` replace the template's defaults."""
    return function_environment(_TABLES | {"EventBus": EVENT_BUS}, DrsEndpointUrl=drs_endpoint, **parameters)


class Orchestrator:
    """The tasks of one deployment, called as its functions call them; to be used inside `aws()`.

    The state machine is moto's record of it: executions of it start and stop, nothing runs them. `drive` does.
    """

    def __init__(self, simulator: SimulatorControl, **parameters: str) -> None:
        self.simulator = simulator
        self.ec2 = Ec2(simulator)
        _instead_of_moto["ec2"] = self.ec2.call
        keep_tables_in_memory()
        self.now = START
        self.dynamodb = boto3.client("dynamodb")
        self.stepfunctions = boto3.client("stepfunctions")
        boto3.client("events").create_event_bus(Name=EVENT_BUS)
        self.environment = environment(simulator.url, **parameters) | {"STATE_MACHINE_ARN": self._state_machine()}
        self.app = self.another_app()
        simulator.step(self.now)

    def another_app(self) -> App:
        """The same deployment seen from another Lambda environment: nothing is shared but the tables and DRS. Waits are
        not spread, so that a test takes the same course every time."""
        return App(Settings.from_environment(self.environment), clock=lambda: self.now, draw=lambda: 0.5)

    def let_pass(self, seconds: int) -> None:
        """Let time pass, here and in DRS."""
        self.now += seconds
        self.simulator.advance(seconds)

    def add_servers(self, *servers: str, **fields: Any) -> None:
        """Create source servers in DRS, all with the same `fields`."""
        self.simulator.add_servers([{"sourceServerID": server, **fields} for server in servers])

    def oldest_point(self, server: str) -> tuple[str, int]:
        """The id and the time of the oldest recovery point DRS has of a server."""
        drs = boto3.client("drs", endpoint_url=self.simulator.url)
        point = drs.describe_recovery_snapshots(sourceServerID=server, order="ASC")["items"][0]
        return point["snapshotID"], int(datetime.fromisoformat(point["timestamp"]).timestamp())

    def start(self, plan: Mapping[str, Any], execution_type: str = "DRILL", **fields: Any) -> str:
        """Store the plan and start it; returns the execution's id. `fields` are further ones of the request."""
        put_plan(self.app, plan["PlanId"], dict(plan))
        return self.request(plan["PlanId"], execution_type, **fields)["executionId"]

    def request(self, plan_id: str, execution_type: str = "DRILL", **fields: Any) -> dict[str, str]:
        """Ask for a start of a stored plan; returns the answer."""
        request = read_start_request({"PlanId": plan_id, "ExecutionType": execution_type, **fields})
        return start_execution(self.app, request, CALLER)

    def prepare(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return prepare_execution(self.app, execution_id, generation)

    def launch(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return launch_waves(self.app, execution_id, generation)

    def check(self, execution_id: str, generation: int = 1, *, after: int = 0) -> dict[str, Any]:
        """One poll, `after` so many seconds."""
        if after:
            self.let_pass(after)
        return check_drs(self.app, execution_id, generation)

    def finish(self, execution_id: str, generation: int = 1) -> dict[str, Any]:
        return finish_execution(self.app, execution_id, generation)

    def begin(self, plan: Mapping[str, Any], execution_type: str = "DRILL") -> str:
        """Start the plan and launch its first waves."""
        execution_id = self.start(plan, execution_type)
        self.prepare(execution_id)
        self.launch(execution_id)
        return execution_id

    def drive(
        self, execution_id: str, generation: int = 1, *, every: int | None = 120, polls: int = 100
    ) -> dict[str, Any]:
        """Do what the state machine does until the execution has ended; returns its document.

        It polls `every` so many seconds, which shows each stage of a launch in few polls; None keeps to the
        template's intervals. Raises AssertionError when the execution has not ended after so many polls.
        """
        intervals = self.prepare(execution_id, generation)["intervals"]
        by_phase = {"PENDING": intervals["pending"], "STARTED": intervals["transition"]}
        launch = self.launch(execution_id, generation)
        waves_open, wait = launch["wavesOpen"], intervals["transition"]
        for _ in range(polls):
            if waves_open == 0:
                break
            check = self.check(execution_id, generation, after=every or wait)
            waves_open, wait = check["wavesOpen"], by_phase.get(check["phase"], intervals["progress"])
            if waves_open and (check["wavesReady"] or launch["jobsWaiting"]):
                launch = self.launch(execution_id, generation)
                waves_open = launch["wavesOpen"]
        else:
            raise AssertionError(f"still running after {polls} polls: {self.show(execution_id)}")
        self.protect(execution_id, generation)
        self.finish(execution_id, generation)
        return self.show(execution_id)

    def protect(self, execution_id: str, generation: int = 1, *, every: int = 15, rounds: int = 100) -> int:
        """Do what the state machine does before a RECOVERY ends, nothing for a DRILL; returns how many rounds it took.

        Raises AssertionError when it took more than `rounds`.
        """
        execution = self.app.executions.get(execution_id)
        if execution is None or execution.execution_type is not ExecutionType.RECOVERY:
            return 0
        for number in range(1, rounds + 1):
            if protect_instances(self.app, execution_id, generation)["instancesOpen"] == 0:
                return number
            self.let_pass(every)
        raise AssertionError(f"not protected after {rounds} rounds: {self.show(execution_id)}")

    def until_asked(self, execution_id: str, *, every: int = 120, polls: int = 20) -> dict[str, Any]:
        """Do what the state machine does until nothing can go on before an operator answers; returns the document.

        Raises AssertionError when nothing was asked after so many polls.
        """
        for _ in range(polls):
            if self.launch(execution_id)["awaitsDecision"]:
                return self.show(execution_id)
            self.check(execution_id, after=every)
        raise AssertionError(f"nothing is asked after {polls} polls: {self.show(execution_id)}")

    def clean_up(self, execution_id: str, generation: int = 1, *, every: int = 30, rounds: int = 200) -> dict[str, Any]:
        """Do what the state machine does once a clean-up is due; returns the last round's result."""
        for _ in range(rounds):
            result = clean_up_drill(self.app, execution_id, generation)
            if result["outcome"] != "CLEANING_UP":
                return result
            self.let_pass(every)
        raise AssertionError(f"still cleaning up after {rounds} rounds: {self.show(execution_id)['CleanUp']}")

    def show(self, execution_id: str) -> dict[str, Any]:
        return show_execution(self.app, execution_id)

    def server(self, execution_id: str, server_id: str) -> dict[str, Any]:
        """One server of the execution's document."""
        document = self.show(execution_id)
        servers = (server for wave in document["Waves"] for server in wave["Servers"])
        return next(server for server in servers if server["SourceServerId"] == server_id)

    def drivers(self) -> list[str]:
        """The names of the state machine executions that were started, oldest first."""
        arn = self.environment["STATE_MACHINE_ARN"]
        listed = self.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
        return [each["name"] for each in sorted(listed, key=lambda each: each["startDate"])]

    def _state_machine(self) -> str:
        answer = self.stepfunctions.create_state_machine(
            name=STATE_MACHINE,
            definition=(PROJECT_ROOT / "statemachine" / "recovery.asl.json").read_text(),
            roleArn="arn:aws:iam::123456789012:role/state-machine",
        )
        return str(answer["stateMachineArn"])


def server_id(number: int) -> str:
    return f"s-{number:017x}"


def plan(*waves: Mapping[str, Any], plan_id: str = "shop") -> dict[str, Any]:
    return {"PlanId": plan_id, "Name": "Web shop", "Waves": list(waves)}


def wave(name: str, *servers: str | Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A wave of servers given by id or as plan documents have them."""
    listed = [{"SourceServerId": each} if isinstance(each, str) else dict(each) for each in servers]
    return {"WaveName": name, "Region": REGION, "Servers": listed, **fields}
