"""Settings: every one comes from the template, and a missing one is an error."""

import pytest

from drs_orchestrator.settings import Settings
from tests.helpers.orchestrator import environment

COMPLETE = environment("") | {"STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:recovery"}


def test_the_template_gives_every_setting() -> None:
    settings = Settings.from_environment(COMPLETE)

    assert (settings.intervals.pending, settings.intervals.transition, settings.intervals.progress) == (45, 15, 30)
    assert (settings.limits.server_timeout, settings.limits.launch_actions) == (1800, 3600)
    assert settings.drs_endpoint_url is None


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_a_missing_setting_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        Settings.from_environment({key: value for key, value in COMPLETE.items() if key != name})


def test_a_number_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="soon"):
        Settings.from_environment(COMPLETE | {"PENDING_INTERVAL_SECONDS": "soon"})
