"""The whole system in one process and in virtual time: the shipped handlers and state machine, DynamoDB in memory,
Step Functions as walkers of the shipped definition, DRS by the simulator, EventBridge's schedule and event.

Nothing runs beside anything else, yet everything may happen in the middle of anything: while a call of one task is
under way (an `Interference` says so) time passes, and whatever is due in that time happens, other tasks included.
One thread and one seed, so the same history happens again when it is asked for.
"""

import heapq
import importlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any
from unittest import mock

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from drs_orchestrator.adapters.drs import START_RECOVERY_READ_SECONDS
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType
from drs_orchestrator.observability import logger
from drs_orchestrator.settings import Settings
from drs_simulator.calls import Call as DrsCall
from drs_simulator.clock import Clock
from drs_simulator.errors import ControlError
from drs_simulator.simulator import Caller, Simulator
from tests.helpers.dynamodb import DynamoDb, Item
from tests.helpers.resolved import ACCOUNT, REGION, STACK_NAME
from tests.helpers.template import PROJECT_ROOT, function_environment, template
from tests.reliability.asl_walker import Await, End, Invoke, Pause, TaskFailed, Walk, check_supported, walk
from tests.reliability.roles import EXECUTION_TABLE, PLAN_TABLE, Grant, grant_for, needs
from tests.statemachine.functions import functions

START = 1_800_000_000.0
STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{STACK_NAME}-recovery"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:NotificationTopic"
RECONCILER_SECONDS = 60
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"

# A server's statuses in the only order they may come.
RANK = {"PENDING": 0, "STARTED": 1, "IN_PROGRESS": 2, "LAUNCHED": 3, "SKIPPED": 4, "FAILED": 4}

_TABLES = {EXECUTION_TABLE: "ExecutionTable", PLAN_TABLE: "PlanTable"}
_READS = {("dynamodb", name) for name in ("GetItem", "Query", "Scan", "BatchGetItem")}
_DRS_STATUS = {"ConflictException": 409, "ServiceQuotaExceededException": 402, "ThrottlingException": 429}
_DRS_STATUS |= {"InternalServerException": 500, "AccessDeniedException": 403, "ResourceNotFoundException": 404}


class Killed(BaseException):
    """The task is dead, wherever it was; nothing in it may catch that."""


@dataclass(slots=True)
class Invocation:
    """One run of a function. Once killed, no call of it leaves any more, not even from another of its threads."""

    function: str
    # Who invoked it, if the state machine did, and until when Lambda lets it run.
    driver: "Driver | None" = None
    deadline: float = float("inf")
    killed: bool = False
    # The state machine has given it up and goes on without its result.
    abandoned: bool = False
    # The seconds that passed, and let other things happen, while its calls were under way.
    interrupted: float = 0.0
    # The execution its event is about, and when it began.
    execution_id: str = ""
    began: float = 0.0
    # The how many-th run of its function.
    number: int = 0
    # What DRS told it: (source server id, execution's tag, status in the record's words).
    told: list[tuple[str, str, str]] = field(default_factory=list)
    # And of the servers whose recovery instances it asked for: those that no drill launched and that live.
    living: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AwsCall:
    """A call as it leaves the task, in the name of `caller`. `point` numbers the side effects of a history; None for
    reads of the tables."""

    service: str
    operation: str
    params: dict[str, Any]
    caller: Caller
    invocation: Invocation | None
    point: int | None

    def __str__(self) -> str:
        function = self.invocation.function if self.invocation else "-"
        return f"{function}: {self.service} {self.operation}"


class Interference:
    """What happens to calls on their way: a subclass kills, delays, loses or repeats them."""

    def carry_out(self, call: AwsCall, perform: Callable[[], Any]) -> Any:
        return perform()

    def death_of_driver(self, world: "World", name: str) -> bool:
        """Asked when a task was killed: whether its state machine execution dies with it instead of retrying."""
        return False


@dataclass(slots=True)
class Driver:
    """A state machine execution."""

    name: str
    state: dict[str, Any]
    walk: Walk
    status: str = "RUNNING"
    end: End | None = None
    # The callback token of its task; `awaited` once the task is over and the answer is what it waits for.
    token: str | None = None
    awaited: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asked of an execution, and the HTTP status of the answer; 599: nobody answered."""

    execution_id: str
    action: str
    status: int


@dataclass(slots=True)
class Records:
    """What was really written, noted at the table itself: the yardstick of the record's own story.

    By execution, and by the position of a wave or the key of a job (`0001#0000`) in it; all times are the world's.
    """

    servers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    executions: dict[str, list[str]] = field(default_factory=dict)
    # When each execution was recorded, and when its end was; when the request began that it comes from.
    lives: dict[str, list[float]] = field(default_factory=dict)
    # What was put on the event bus for each execution, in order: (number of the history's entry, detail-type, detail).
    announced: dict[str, list[tuple[int, str, dict[str, Any]]]] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    # When a server was written SKIPPED, and a wave LAUNCHING or its final status.
    skipped: dict[tuple[str, str], float] = field(default_factory=dict)
    begun_waves: dict[tuple[str, int], float] = field(default_factory=dict)
    ended_waves: dict[tuple[str, int], float] = field(default_factory=dict)
    # When StartRecovery was about to be called, each time.
    intents: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    # When operators' words took effect: a stop, a wave to be skipped, a pause (True) and its end.
    stops: dict[str, float] = field(default_factory=dict)
    skips: dict[tuple[str, int], float] = field(default_factory=dict)
    pauses: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    # Each entry of the history with the time at which it was really written.
    history: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    # Who locked a server (the lock's partition) from when on; None: nobody.
    locks: dict[str, list[tuple[float, str | None]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class World:
    """One history. `interference` stands between the tasks and every AWS call."""

    def __init__(self, interference: Interference | None = None, seed: int = 0, **parameters: str) -> None:
        self.now = START
        self.random = Random(f"world/{seed}")
        self.interference = interference or Interference()
        self.records = Records()
        self.dynamodb = DynamoDb(self._written, lambda: self.now)
        for name, logical_id in _TABLES.items():
            self.dynamodb.create_table(name, template()["Resources"][logical_id]["Properties"])
        clock = Clock(wall=lambda: START)
        clock.step(START)
        self.simulator = Simulator(seed=seed + 1, clock=clock)
        self.drivers: dict[str, Driver] = {}
        self.points: list[str] = []
        self.invocations: dict[str, int] = {}
        self._apps: dict[tuple[str, int], App] = {}
        # How often each driver entered each state.
        self.entered: Counter[tuple[str, str]] = Counter()
        self.invoked: list[Invocation] = []
        # What of the functions' roles was made use of.
        self.used: set[Grant] = set()
        self.reconciler_enabled = True
        self.status_events = True
        self.recorder: Callable[[str, dict[str, Any], Any], None] | None = None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        # Callback tokens nobody can answer any more.
        self._answered: set[str] = set()
        self._parameters = tuple(sorted(parameters.items()))
        self.at(RECONCILER_SECONDS, self._tick)

    # -- time ----------------------------------------------------------------------------------------------------------

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        """Let `what` happen so many seconds from now."""
        self._scheduled += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._scheduled, what))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass and everything happen that is due; True as soon as `until` holds."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            due, _, what = heapq.heappop(self._agenda)
            self._move_to(due)
            what()
            if until():
                return True
        self._move_to(end)
        return until()

    def _move_to(self, time: float) -> None:
        if time > self.now:
            self.simulator.clock.advance(time - self.now)
            self.now = time

    @property
    def app(self) -> App:
        """That of the function which runs now, in one of its two Lambda environments: they take turns, so that what one
        keeps in mind is never of the run just before."""
        running = self.invoked[-1]
        environment = (running.function, running.number % 2)
        if environment not in self._apps:
            settings = _settings(self._parameters)
            self._apps[environment] = App(
                settings,
                clock=lambda: int(self.now),
                draw=lambda: self.random.random(),
                timer=lambda: self.now,
            )
        return self._apps[environment]

    # -- functions -----------------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: dict[str, Any], invocation: Invocation | None = None) -> Any:
        """Run a function of the template by its logical id. Raises Killed, or what the handler raises."""
        invocation = invocation or Invocation(function)
        invocation.began, invocation.execution_id = self.now, event.get("executionId", "")
        invocation.deadline = self.now + _time_limits()[function]
        invocation.number = self.invocations[function] = self.invocations.get(function, 0) + 1
        self.invoked.append(invocation)
        try:
            with _current(self):
                result = _handlers()[function](json.loads(json.dumps(event)), None)
        finally:
            self.invoked.pop()
        if invocation.killed:
            raise Killed
        if function == "CheckDrsFunction" and result["outcome"] == "CHECKED" and not invocation.interrupted:
            self._compare_with_record(invocation)
        return result

    def _compare_with_record(self, invocation: Invocation) -> None:
        """Whatever DRS told a check that came to its end must stand in the servers' histories."""
        for server, execution_id, status in invocation.told:
            written = self.records.servers[execution_id, server]
            if status not in written and RANK[status] > RANK[written[-1]]:
                self.records.faults.append(f"{server} was seen {status} and recorded as {written}")

    def api(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> tuple[int, Any]:
        """One request to the API; (599, None) when its function was killed before it could answer."""
        status, answer = self._ask_api(method, path, body, query)
        match path.split("/"):
            case ["", "executions" | "recoveries", execution_id, action] if method == "POST":
                self.records.requests.append(Request(execution_id, action, status))
        return status, answer

    def path_of(self, execution_id: str, action: str) -> str:
        """By which route something is done to an execution."""
        header = self.dynamodb.tables[EXECUTION_TABLE].items[execution_id, "EXECUTION"]
        # There is a clean-up of drills only; who asks for another has to be refused.
        kind = ExecutionType.DRILL if action == "cleanup" else ExecutionType(header["ExecutionType"]["S"])
        return f"{STARTS[kind]}/{execution_id}/{action}"

    def _ask_api(self, method: str, path: str, body: object, query: dict[str, str] | None) -> tuple[int, Any]:
        event = {
            "httpMethod": method,
            "path": path,
            "resource": path,
            "headers": {},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": None,
            "requestContext": {
                "stage": "local",
                "path": path,
                "httpMethod": method,
                "identity": {"userArn": OPERATOR},
            },
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        try:
            answer = self.invoke("ApiFunction", event)
        except Killed:
            return 599, None
        return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None

    def show(self, execution_id: str) -> Any:
        """The execution's document, read without anything in the way."""
        with mock.patch.object(self, "interference", Interference()):
            status, document = self.api("GET", f"/executions/{execution_id}")
        assert status == 200, f"GET /executions/{execution_id} answered {status}: {document}"
        return document

    def history_of(self, execution_id: str) -> list[dict[str, Any]]:
        """The execution's history, page by page, read without anything in the way."""
        entries: list[dict[str, Any]] = []
        query = {"limit": "100"}
        with mock.patch.object(self, "interference", Interference()):
            while True:
                status, page = self.api("GET", f"/executions/{execution_id}/history", query=query)
                assert status == 200, f"the history of {execution_id} answered {status}: {page}"
                entries += page["history"]
                if "nextToken" not in page:
                    return entries
                query = {"limit": "100", "nextToken": page["nextToken"]}

    def ask[T](self, function: str, what: Callable[[App], T]) -> T:
        """What one of the function's adapters answers, as the function would hear it."""
        self.invoked.append(Invocation(function))
        try:
            with _current(self):
                return what(self.app)
        finally:
            self.invoked.pop()

    def try_invoke(self, function: str, event: dict[str, Any]) -> None:
        """An invocation whose outcome nobody asks for, as Lambda's asynchronous ones are."""
        try:
            self.invoke(function, event)
        except (Exception, Killed):  # noqa: BLE001 - whatever befalls it, the caller is not concerned
            self.invocations["failed"] = self.invocations.get("failed", 0) + 1

    def reconcile(self, event: dict[str, Any] | None = None) -> None:
        """One run of the reconciler; whatever befalls it, the next one comes."""
        self.try_invoke("ReconcilerFunction", event or {})

    def _tick(self) -> None:
        self.at(RECONCILER_SECONDS, self._tick)
        if self.reconciler_enabled:
            self.reconcile()

    # -- Step Functions ------------------------------------------------------------------------------------------------

    def stop_driver(self, name: str) -> None:
        """What an operator's StopExecution does."""
        self._end(self.drivers[name], "ABORTED")

    def start_driver(self, name: str, state: dict[str, Any]) -> None:
        """Run the state machine on this input."""
        steps = walk(_definition(), state, self.random.random, lambda entered: self._enter(name, entered), name)
        driver = Driver(name, state, steps)
        self.drivers[name] = driver
        self.at(0.1, lambda: self._go_on(driver, None))

    def _enter(self, driver: str, state: str) -> None:
        self.entered[driver, state] += 1

    def running_drivers(self) -> list[str]:
        return [driver.name for driver in self.drivers.values() if driver.status == "RUNNING"]

    def _start_execution(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["name"]
        if name in self.drivers:
            error = {"Code": "ExecutionAlreadyExists", "Message": f"Execution Already Exists: {name}"}
            raise ClientError({"Error": error}, "StartExecution")
        self.start_driver(name, json.loads(params["input"]))
        return {"executionArn": f"arn:{name}", "startDate": self.now}

    def _describe_execution(self, params: dict[str, Any]) -> dict[str, Any]:
        driver = self.drivers.get(params["executionArn"].rpartition(":")[2])
        if driver is None:
            raise ClientError(
                {"Error": {"Code": "ExecutionDoesNotExist", "Message": "Execution Does Not Exist"}}, "DescribeExecution"
            )
        return {"status": driver.status}

    def _stop_execution(self, params: dict[str, Any]) -> dict[str, Any]:
        """Only the reconciler asks for this; an operator's hand is `stop_driver`."""
        self.stop_driver(params["executionArn"].rpartition(":")[2])
        return {"stopDate": self.now}

    def _send_task_success(self, params: dict[str, Any]) -> dict[str, Any]:
        token = params["taskToken"]
        driver = self.drivers.get(token.rpartition("#")[0])
        if driver is None or driver.status != "RUNNING" or token != driver.token or token in self._answered:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": "Task Timed Out"}}, "SendTaskSuccess")
        self._answered.add(token)
        if driver.awaited == token:
            self.at(0.05, lambda: self._go_on(driver, json.loads(params["output"])))
        return {}

    def _wait_for_answer(self, driver: Driver, token: str, seconds: float) -> None:
        """An answer may have come while the task was still telling people its token."""
        if token in self._answered:
            self.at(0.05, lambda: self._go_on(driver, {}))
            return
        driver.awaited = token
        self.at(seconds, lambda: self._time_out(driver, token))

    def _time_out(self, driver: Driver, token: str) -> None:
        if token not in self._answered:
            self._answered.add(token)
            self._go_on(driver, TaskFailed("States.Timeout"))

    def _go_on(self, driver: Driver, answer: Any) -> None:
        if driver.status != "RUNNING":
            return
        driver.awaited = None
        try:
            step = driver.walk.throw(answer) if isinstance(answer, TaskFailed) else driver.walk.send(answer)
        except StopIteration as stop:
            driver.end = stop.value
            self._end(driver, "SUCCEEDED" if stop.value.succeeded else "FAILED")
            return
        match step:
            case Pause(seconds):
                self.at(seconds, lambda: self._go_on(driver, None))
            case Await(token, seconds):
                self._wait_for_answer(driver, token, seconds)
            case Invoke(function, payload):
                driver.token = payload.get("taskToken")
                invocation = Invocation(function, driver)
                outcome = self._task(driver, payload, invocation)
                if not invocation.abandoned:
                    self.at(0.05, lambda: self._go_on(driver, outcome))

    def give_up(self, invocation: Invocation) -> None:
        """Let the state machine time out on a task that goes on: it may try it once more beside the first."""
        driver = invocation.driver
        if driver and not invocation.abandoned:
            invocation.abandoned = True
            self.at(0.05, lambda: self._go_on(driver, TaskFailed("States.Timeout")))

    def _task(self, driver: Driver, payload: dict[str, Any], invocation: Invocation) -> Any:
        try:
            return self.invoke(invocation.function, payload, invocation)
        except Killed:
            if invocation.abandoned:
                return None
            if self.interference.death_of_driver(self, driver.name) and driver.status == "RUNNING":
                self._end(driver, "ABORTED")
            return TaskFailed("Sandbox.Timedout")
        except Exception as error:  # noqa: BLE001 - as Lambda does: whatever the handler raises is the task's error
            return TaskFailed(type(error).__name__)

    def _end(self, driver: Driver, status: str) -> None:
        if driver.status != "RUNNING":
            return
        driver.status = status
        if status != "SUCCEEDED" and self.status_events:
            event = {"source": "aws.states", "detail": {"name": driver.name, "status": status}}
            self.at(1.0, lambda: self.reconcile(event))

    # -- calls ---------------------------------------------------------------------------------------------------------

    def call(self, client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        """A boto3 client's call, on its way through the interference to the service."""
        service = client.meta.service_model.service_name
        invocation = self.invoked[-1] if self.invoked else None
        if invocation and self.now > invocation.deadline:
            invocation.killed = True
        if invocation and invocation.killed:
            raise Killed
        point = None
        if invocation and (service, operation) not in _READS:
            point = len(self.points)
            self.points.append("")
        caller = Caller(client._request_signer._credentials.access_key, client.meta.region_name)
        call = AwsCall(service, operation, params, caller, invocation, point)
        if point is not None:
            self.points[point] = str(call)
        answer = self.interference.carry_out(call, lambda: self._answer(call))
        if invocation and invocation.killed:
            raise Killed
        return answer

    def kill(self, call: AwsCall) -> None:
        """Kill the task that makes this call. Raises Killed."""
        if call.invocation:
            call.invocation.killed = True
        raise Killed

    def _authorise(self, function: str, call: AwsCall) -> None:
        """What IAM does for the function's role; another account's role is that account's affair. Raises ClientError,
        and it is a fault: the template gives each role all that its function needs."""
        for need in needs(call.service, call.operation, call.params, call.caller):
            grant = grant_for(function, need)
            if grant is None:
                self.records.faults.append(f"{function} may not {need.action} on {need.resource}")
                error: Any = {"Code": "AccessDeniedException", "Message": f"not allowed: {need.action}"}
                status: Any = {"HTTPStatusCode": 400}
                raise ClientError({"Error": error, "ResponseMetadata": status}, call.operation)
            self.used.add(grant)

    def _answer(self, call: AwsCall) -> Any:
        if call.invocation and call.caller.account == ACCOUNT:
            self._authorise(call.invocation.function, call)
        match call.service:
            case "dynamodb":
                return self._ask_dynamodb(call)
            case "stepfunctions":
                operations = {
                    "StartExecution": self._start_execution,
                    "DescribeExecution": self._describe_execution,
                    "StopExecution": self._stop_execution,
                    "SendTaskSuccess": self._send_task_success,
                }
                return operations[call.operation](call.params)
            case "drs":
                return self._ask_drs(call)
            case "events":
                return self._put_events(call.params)
            case "ec2":
                return self._protect(call)
            case "sns":
                return {"MessageId": "message"}
            case "sts":
                return _ask_sts(call)
        raise AssertionError(f"nobody answers {call}")

    def _put_events(self, params: dict[str, Any]) -> dict[str, Any]:
        for entry in params["Entries"]:
            detail = json.loads(entry["Detail"])
            execution_id, _, number = detail["id"].rpartition("/")
            self.records.announced.setdefault(execution_id, []).append((int(number), entry["DetailType"], detail))
        return {
            "FailedEntryCount": 0,
            "Entries": [{"EventId": str(number)} for number, _ in enumerate(params["Entries"])],
        }

    def _ask_dynamodb(self, call: AwsCall) -> Any:
        try:
            answer = self.dynamodb.call(call.operation, call.params)
        except ClientError as error:
            if self.recorder:
                self.recorder(call.operation, call.params, error)
            raise
        if self.recorder:
            self.recorder(call.operation, call.params, answer)
        return answer

    def _ask_drs(self, call: AwsCall) -> Any:
        if call.invocation:
            self.records.faults += _trespasses(self, call, call.invocation)
        outcome = self.simulator.perform(call.operation, call.params, call.caller)
        self.simulator.calls.add(
            DrsCall(
                operation=call.operation,
                time=self.now,
                account=call.caller.account,
                region=call.caller.region,
                status=None if outcome.dropped else 200,
                request=call.params,
                error_code=outcome.error.name if outcome.error else None,
                took_effect=outcome.took_effect,
            )
        )
        if outcome.delay:
            self.run(min(outcome.delay, START_RECOVERY_READ_SECONDS))
        if outcome.delay > START_RECOVERY_READ_SECONDS:
            raise ReadTimeoutError(endpoint_url="https://drs")
        if outcome.dropped:
            raise ConnectionClosedError(endpoint_url="https://drs")
        if outcome.error:
            name = outcome.error.name
            details = {"Code": name, "Message": str(outcome.error)}
            status = {"HTTPStatusCode": _DRS_STATUS.get(name, 400)}
            raise ClientError({"Error": details, "ResponseMetadata": status}, call.operation)  # type: ignore[typeddict-item]
        if call.invocation and outcome.document:
            if call.operation == "DescribeJobs":
                call.invocation.told += _told(outcome.document)
            elif call.operation == "DescribeRecoveryInstances":
                _note_living(call.invocation.living, call.params, outcome.document)
        return outcome.document

    def _protect(self, call: AwsCall) -> dict[str, Any]:
        """ModifyInstanceAttribute with DisableApiTermination, all that EC2 is ever asked for."""
        instance_id, wanted = call.params["InstanceId"], call.params["DisableApiTermination"]["Value"]
        try:
            self.simulator.protect(instance_id, wanted)
        except ControlError:
            details: Any = {"Code": "InvalidInstanceID.NotFound", "Message": f"The ID '{instance_id}' does not exist"}
            status: Any = {"HTTPStatusCode": 400}
            raise ClientError({"Error": details, "ResponseMetadata": status}, call.operation) from None
        return {}

    def _written(self, table: str, old: Item | None, new: Item | None) -> None:
        item = new or old
        if table != EXECUTION_TABLE or item is None:
            return
        execution_id, record = item["ExecutionId"]["S"], item["Record"]["S"]
        match record.partition("#")[0]:
            case "SERVER":
                key = (execution_id, item["SourceServerId"]["S"])
                if old is None and item["TransitionHistory"]["L"]:
                    # Before anything happened to it, it had no record.
                    self.records.servers.setdefault(key, ["PENDING"])
                self._note(self.records.servers, key, new)
                if item["Status"]["S"] == "SKIPPED":
                    self.records.skipped.setdefault(key, self.now)
            case "EXECUTION":
                self._note(self.records.executions, execution_id, new)
                if new:
                    self._header_written(execution_id, old, new)
            case "WAVE":
                self._wave_written((execution_id, int(record[5:])), item)
            case "JOB":
                called = item.get("CalledTime")
                if called and (old is None or old.get("CalledTime") != called):
                    self.records.intents.setdefault((execution_id, record[4:]), []).append(self.now)
            case "HISTORY":
                if old is not None:
                    self.records.faults.append(f"{execution_id}'s {record} was overwritten or removed")
                self.records.history.setdefault(execution_id, []).append((self.now, _plain(item)))
            case "CLEANUP" if record == "CLEANUP":
                status, left = item["Status"]["S"], _drill_instances(self, execution_id)
                if status == "CLEANED_UP" and left:
                    self.records.faults.append(f"{execution_id} is CLEANED_UP and {left} live")
                if status == "INSTANCES_LEFT" and not left:
                    self.records.faults.append(f"{execution_id} has INSTANCES_LEFT and none lives")
            case "LOCK":
                owner = new["Owner"]["S"] if new else None
                self.records.locks.setdefault(execution_id, []).append((self.now, owner))

    def _header_written(self, execution_id: str, old: Item | None, new: Item) -> None:
        if old is None or old["Status"] != new["Status"]:
            self.records.lives.setdefault(execution_id, []).append(self.now)
        if old is None:
            self.records.asked[execution_id] = self.invoked[-1].began
            return
        if old["Generation"] != new["Generation"]:
            self._driver_changed(old)
        if "Stop" in new:
            self.records.stops.setdefault(execution_id, self.now)
        if ("Pause" in old) is not ("Pause" in new):
            self.records.pauses.setdefault(execution_id, []).append((self.now, "Pause" in new))

    def _wave_written(self, key: tuple[str, int], item: Item) -> None:
        if "SkipReason" in item:
            self.records.skips.setdefault(key, self.now)
        if item["Status"]["S"] == "LAUNCHING":
            self.records.begun_waves.setdefault(key, self.now)
        elif item["Status"]["S"] not in ("PENDING", "QUEUED"):
            self.records.ended_waves.setdefault(key, self.now)

    def _driver_changed(self, old: Item) -> None:
        """The reconciler never starts a second driver beside one that runs."""
        name = f"{old['ExecutionId']['S']}-g{old['Generation']['N']}"
        by_reconciler = any(invocation.function == "ReconcilerFunction" for invocation in self.invoked[-1:])
        if by_reconciler and name in self.running_drivers():
            self.records.faults.append(f"{name} was running when the reconciler replaced it")

    def _note(self, statuses: dict[Any, list[str]], key: Any, new: Item | None) -> None:
        if new is None:
            self.records.faults.append(f"{key} was deleted")
            return
        seen = statuses.setdefault(key, [])
        if not seen or seen[-1] != new["Status"]["S"]:
            seen.append(new["Status"]["S"])


def _told(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for job in document["items"]:
        execution_id = job["tags"].get("drs-orchestrator:execution-id")
        for server in job["participatingServers"] if execution_id else ():
            status = server["launchStatus"]
            if status == "PENDING" and job["status"] != "PENDING":
                status = "STARTED"
            if status in RANK:
                yield server["sourceServerID"], execution_id, status


def _note_living(living: dict[str, set[str]], request: dict[str, Any], document: dict[str, Any]) -> None:
    """By server that was asked for: the instances that no drill launched, by the last answer."""
    for server in request["filters"]["sourceServerIDs"] if "nextToken" not in request else ():
        living[server] = set()
    for instance in document["items"]:
        if not instance["isDrill"]:
            living[instance["sourceServerID"]].add(instance["recoveryInstanceID"])


def _trespasses(world: World, call: AwsCall, invocation: Invocation) -> Iterator[str]:
    """What the orchestrator must never ask of DRS, whatever the hour: judged when it asks."""
    if call.operation == "StartRecovery":
        execution_id = call.params["tags"]["drs-orchestrator:execution-id"]
        header = world.dynamodb.tables[EXECUTION_TABLE].items[execution_id, "EXECUTION"]
        for server in (each["sourceServerID"] for each in call.params["sourceServers"]):
            if server not in invocation.living:
                yield f"{execution_id} launched {server} without asking whether it lives"
            elif invocation.living[server] and "ReplaceLive" not in header:
                yield f"{execution_id} launched {server} although {sorted(invocation.living[server])} lived"
    elif call.operation == "TerminateRecoveryInstances":
        there = world.simulator.world(call.caller.account, call.caller.region).instances
        own = _drill_instances(world, invocation.execution_id)
        for instance in set(call.params["recoveryInstanceIDs"]) & set(there) - set(own):
            yield f"{invocation.execution_id} had {instance} terminated, which is no instance of its drill"


def _drill_instances(world: World, execution_id: str) -> list[str]:
    """What lives of a drill, by DRS's own state."""
    world.simulator.settle()
    return [
        instance.id
        for place in world.simulator.worlds.values()
        for instance in place.instances.values()
        if instance.is_drill and place.jobs[instance.job_id].tags.get("drs-orchestrator:execution-id") == execution_id
    ]


def _plain(item: Item) -> dict[str, Any]:
    """A history's entry as the API shows it."""
    entry = {name: _value(value) for name, value in item.items()}
    beside = ("ExecutionId", "Record", "JobKey", "JobVersion")
    return {name: value for name, value in entry.items() if name not in beside}


def _value(value: dict[str, Any]) -> Any:
    (kind, inner), *_ = value.items()
    match kind:
        case "M":
            return {name: _value(each) for name, each in inner.items()}
        case "L":
            return [_value(each) for each in inner]
        case "N":
            return int(inner)
    return inner


def _ask_sts(call: AwsCall) -> dict[str, Any]:
    """An assumed role's access key is its account: what the simulator's accounts go by."""
    if call.operation == "GetCallerIdentity":
        return {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/orchestrator/function"}
    account = call.params["RoleArn"].split(":")[4]
    return {"Credentials": {"AccessKeyId": account, "SecretAccessKey": "secret", "SessionToken": "token"}}


@cache
def _definition() -> dict[str, Any]:
    definition: dict[str, Any] = json.loads((PROJECT_ROOT / "statemachine" / "recovery.asl.json").read_text())
    check_supported(definition)
    for state in definition["States"].values():
        if state["Type"] == "Task":
            # "${CheckDrsFunction}" is filled with that function's ARN; here the logical id is address enough.
            state["Parameters"]["FunctionName"] = state["Parameters"]["FunctionName"].strip("${}")
    return definition


@cache
def _handlers() -> dict[str, Callable[[Any, Any], Any]]:
    """The template's functions by logical id, each as Lambda would import it."""
    handlers = {}
    for logical_id, resource in template()["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            module, _, name = resource["Properties"]["Handler"].rpartition(".")
            handlers[logical_id] = getattr(importlib.import_module(module), name)
    return handlers


@cache
def _time_limits() -> dict[str, int]:
    """Seconds each function of the template may run."""
    return {name: each["Timeout"] for name, each in functions().items()}


@cache
def _settings(parameters: tuple[tuple[str, str], ...]) -> Settings:
    resources = {"ExecutionTable": EXECUTION_TABLE, "PlanTable": PLAN_TABLE, "NotificationTopic": TOPIC_ARN}
    environment = function_environment(resources, **dict(parameters)) | {"STATE_MACHINE_ARN": STATE_MACHINE_ARN}
    return Settings.from_environment(environment)


_worlds: list[World] = []


def _current_app() -> App:
    return _worlds[-1].app


@contextmanager
def _current(world: World) -> Iterator[None]:
    """Calls of boto3 clients reach this world. Worlds of nested invocations are the same one."""
    _worlds.append(world)
    try:
        yield
    finally:
        _worlds.pop()


class _OneThread:
    """A thread pool without threads: the same seed gives the same order of calls."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> "_OneThread":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], things: Any) -> Iterator[Any]:
        return iter([function(thing) for thing in things])

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - as a future does: raised where the result is asked for
            future.set_exception(error)
        return future


def _drop(_: object) -> None:
    """What becomes of the lines that would be metrics."""


@contextmanager
def virtual_aws() -> Iterator[None]:
    """Within it worlds may be made and run: boto3's clients, made once, reach the world that calls."""
    environment = {
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "STATE_MACHINE_ARN": STATE_MACHINE_ARN,
    }
    clients: dict[Any, Any] = {}
    make_client = boto3.Session.client

    def client(session: boto3.Session, service: str, **settings: Any) -> Any:
        # An assumed role's credentials are worth its account.
        key = (service, settings.get("region_name"), settings.get("aws_access_key_id"))
        if key not in clients:
            clients[key] = make_client(session, service, **settings)
        return clients[key]

    get_paginator = cache(BaseClient.get_paginator)

    def call(caller: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        return _worlds[-1].call(caller, operation, params)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DRS"):
            os.environ.pop(name, None)
        boto3.setup_default_session()
        stack.enter_context(mock.patch.object(boto3.Session, "client", client))
        stack.enter_context(mock.patch.object(BaseClient, "_make_api_call", call))
        # A client makes a class for each of its paginators, which takes longer than asking for its pages.
        stack.enter_context(mock.patch.object(BaseClient, "get_paginator", get_paginator))
        modules = [importlib.import_module(handler.__module__) for handler in _handlers().values()]
        for module in modules:
            stack.enter_context(mock.patch.object(module, "app", _current_app))
        for module in ("drs_survey", "ec2", "ledger", "server_locks"):
            stack.enter_context(mock.patch(f"drs_orchestrator.adapters.{module}.ThreadPoolExecutor", _OneThread))
        # Ids decide the order of executions that started in the same second: they come from the seed, too.
        token_hex = "drs_orchestrator.tasks.start_execution.secrets.token_hex"
        stack.enter_context(mock.patch(token_hex, lambda size: _worlds[-1].random.randbytes(size).hex()))
        stack.enter_context(mock.patch("drs_orchestrator.adapters.metrics._print", _drop))
        level = logger.log_level
        logger.setLevel("CRITICAL")
        try:
            yield
        finally:
            logger.setLevel(level)
            boto3.DEFAULT_SESSION = None
