"""The one logger: structured JSON, one line per event, never a request body, token or credential.

A line about an execution carries `execution_id` and `plan_id`, and `wave` and `job_id` where it is about one; a key is
absent where there is nothing to name. Operators' free text stays out of the log: it stands in the execution's history.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger

from drs_orchestrator.adapters.metrics import Metrics
from drs_orchestrator.domain.records import Execution

logger = Logger(service="drs-orchestrator")


def about(execution: Execution, wave: str | None = None, job_id: str | None = None) -> dict[str, Any]:
    """The keys of a line about this execution, or about this wave or DRS job of it; None is left out of the line."""
    return {"execution_id": execution.execution_id, "plan_id": execution.plan_id, "wave": wave, "job_id": job_id}


@contextmanager
def invocation(metrics: Metrics, **keys: str) -> Iterator[None]:
    """One invocation of a function: `keys` on each line it logs, a failure named with them, its metrics written at the
    end whatever becomes of it."""
    try:
        with logger.append_context_keys(**keys):
            try:
                yield
            except Exception:
                logger.exception("the task failed")
                raise
    finally:
        metrics.flush()
