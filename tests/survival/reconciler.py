"""The deployed reconciler: switched off, or invoked as its schedule invokes it, as often as a test likes."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import boto3
from botocore.config import Config

from tests.helpers import disable_eventbridge_rule, enable_eventbridge_rule

# Real seconds that one second of a Wait takes while something is broken on the shared stack.
WAIT_SCALE = 0.05

RULES = ("execution-poller", "driver-ended")

# The engine runs a few Lambdas at a time and refuses the others, as AWS does; they are sent again until they run.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 30}, read_timeout=120)


@contextmanager
def nothing_reconciles() -> Iterator[None]:
    """Neither the schedule nor the end of a driver starts the reconciler."""
    for rule in RULES:
        disable_eventbridge_rule(rule)
    try:
        yield
    finally:
        for rule in RULES:
            enable_eventbridge_rule(rule)


def reconcile_at_once(count: int, ended: Sequence[str] = ()) -> Counter[str]:
    """Invoke the reconciler so many times at the same moment, every other time as the end of one of these drivers does,
    else as the schedule does; all their verdicts together."""
    functions = boto3.client("lambda", config=_PATIENT)
    ready = Barrier(count)

    def reconcile(number: int) -> Counter[str]:
        event = {"detail": {"name": ended[number // 2 % len(ended)]}} if ended and number % 2 == 0 else {}
        ready.wait()
        answer = functions.invoke(FunctionName=os.environ["RECONCILER_FUNCTION_NAME"], Payload=json.dumps(event))
        verdicts = json.load(answer["Payload"])
        assert "FunctionError" not in answer, verdicts
        return Counter(verdicts)

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(reconcile, range(count)), Counter())
