"""The next step for a failure, in plain words."""

import pytest

from drs_orchestrator.domain.advice import next_step


@pytest.mark.parametrize(
    ("error", "mentions"),
    [
        ("You are not authorized to perform this operation.", "permission"),
        ("An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation", "permission"),
        ("The EBS encryption key could not be found in this account", "encryption key"),
        ("Conversion server launch failed", "staging subnet"),
        ("Failed to take snapshot", "RecoverySnapshotId"),
        ("DRS finished the job without launching it", "job's log"),
        ("DRS no longer knows this job (drsjob-1)", "DRS console"),
        ("launch action audit failed: disk is full", "Systems Manager"),
        ("UninitializedAccountException: account 1 is not initialized", "Initialise DRS"),
        ("DRS refused to start the launch: ValidationException: Invalid request provided: Tags", "no job"),
        ("We currently do not have sufficient capacity (InsufficientInstanceCapacity)", "instance type"),
    ],
)
def test_a_known_failure_has_a_next_step_of_its_own(error: str, mentions: str) -> None:
    assert mentions in next_step(error)


@pytest.mark.parametrize(
    "error", ["InsufficientInstanceCapacity", "finished the job without launching it", "refused to start", "unheard of"]
)
def test_what_failed_is_launched_again_by_a_retry_which_leaves_what_is_up_alone(error: str) -> None:
    assert "retry the execution" in next_step(error)


def test_an_unknown_failure_leads_to_the_job_log() -> None:
    assert "job's log" in next_step("something nobody has seen before")
