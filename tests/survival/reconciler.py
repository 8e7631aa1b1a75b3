"""The deployed reconciler, invoked as its schedule invokes it, only sooner and as often as a test likes."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import boto3
from botocore.config import Config

# The engine runs a few Lambdas at a time and refuses the others, as AWS does; they are sent again until they run.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 30}, read_timeout=120)


def reconcile_at_once(count: int) -> Counter[str]:
    """Invoke the reconciler so many times at the same moment; all their verdicts together."""
    functions = boto3.client("lambda", config=_PATIENT)
    ready = Barrier(count)

    def reconcile(_: int) -> Counter[str]:
        ready.wait()
        answer = functions.invoke(FunctionName=os.environ["RECONCILER_FUNCTION_NAME"], Payload=b"{}")
        verdicts = json.load(answer["Payload"])
        assert "FunctionError" not in answer, verdicts
        return Counter(verdicts)

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(reconcile, range(count)), Counter())
