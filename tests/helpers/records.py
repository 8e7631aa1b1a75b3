"""The records of executions for tests that read and write them themselves."""

from drs_orchestrator.adapters.execution_store import ExecutionStore
from drs_orchestrator.adapters.ledger import Ledger
from drs_orchestrator.domain.records import Execution
from drs_orchestrator.domain.statuses import ExecutionStatus, ExecutionType
from tests.helpers.orchestrator import EXECUTION_TABLE, START, create_tables

EXECUTION = Execution(
    execution_id="exec-1",
    plan_id="shop",
    plan_name="Web shop",
    execution_type=ExecutionType.DRILL,
    status=ExecutionStatus.PENDING,
    start_time=START,
    generation=1,
)


def new_store() -> ExecutionStore:
    """A store over new tables; inside `aws()` or with `no_aws`."""
    create_tables()
    return ExecutionStore(Ledger(EXECUTION_TABLE))
