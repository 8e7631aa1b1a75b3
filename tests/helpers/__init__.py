"""What the tests of a deployed stack work with; every name here works on the embedded stack and, where AWS's own
services let it, on one in an AWS account."""

from tests.helpers.drs import advance_drs_phase, mock_drs_jobs, mock_drs_progression, mock_drs_throttling
from tests.helpers.executions import (
    get_execution_from_dynamodb,
    query_status_index,
    start_test_execution,
    wait_for,
    wait_for_final_status,
    wait_for_status,
)
from tests.helpers.schedule import disable_eventbridge_rule, enable_eventbridge_rule
from tests.helpers.test_data import create_test_execution, create_test_plan_with_servers, source_server_id

__all__ = [
    "advance_drs_phase",
    "create_test_execution",
    "create_test_plan_with_servers",
    "disable_eventbridge_rule",
    "enable_eventbridge_rule",
    "get_execution_from_dynamodb",
    "mock_drs_jobs",
    "mock_drs_progression",
    "mock_drs_throttling",
    "query_status_index",
    "source_server_id",
    "start_test_execution",
    "wait_for",
    "wait_for_final_status",
    "wait_for_status",
]
