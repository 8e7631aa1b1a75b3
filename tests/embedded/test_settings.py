"""What a stack is deployed with."""

from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.sam import Project
from embedded.stack import PROJECT_ROOT, THRESHOLDS, Settings

DEFAULTS = Project(PROJECT_ROOT).parameter_defaults()


def parameters(**settings: object) -> dict[str, str]:
    return Settings(**settings).template_parameters(DEFAULTS, "http://127.0.0.1:1")  # type: ignore[arg-type]


def test_thresholds_shrink_with_the_waits_and_never_below_a_second() -> None:
    assert DEFAULTS["ServerTimeoutSeconds"] == 1800
    assert parameters(wait_scale=0.1)["ServerTimeoutSeconds"] == "180"
    assert parameters(wait_scale=0.0001)["CompletionGraceSeconds"] == "1"


def test_every_threshold_is_one_of_the_template() -> None:
    assert set(THRESHOLDS) <= set(DEFAULTS)


def test_a_driver_is_given_the_time_of_a_cold_start_whatever_the_scale() -> None:
    assert int(parameters(wait_scale=0.001)["DriverSilenceSeconds"]) >= 10


def test_a_parameter_of_the_caller_replaces_the_scaled_one() -> None:
    own = {"MaxPollsPerDriver": "5", "ServerTimeoutSeconds": "9"}
    assert parameters(parameters=own) == {**parameters(), **own}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"wait_scale": 0}, "WAIT_SCALE is 0"),
        ({"speed": -1}, "SPEED is -1"),
        ({"drs_endpoint": "localhost:9999"}, "DRS_ENDPOINT is 'localhost:9999'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(EmbeddedError, match=sentence):
        Settings(**settings)  # type: ignore[arg-type]


def test_a_build_is_out_of_date_when_a_source_or_the_template_changes(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("a")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "one.py").write_text("1")
    before = Project(tmp_path).fingerprint("functions")

    (tmp_path / "functions" / "__pycache__").mkdir()
    (tmp_path / "functions" / "__pycache__" / "one.pyc").write_text("noise")
    assert Project(tmp_path).fingerprint("functions") == before

    (tmp_path / "functions" / "one.py").write_text("2")
    changed = Project(tmp_path).fingerprint("functions")
    assert changed != before
    (tmp_path / "template.yaml").write_text("b")
    assert Project(tmp_path).fingerprint("functions") != changed
