"""Markers and options every test of the project may use."""

import pytest

MARKERS = {
    "integration": "runs against a deployed stack: the embedded one, or AWS with --real-drs",
    "load": "puts many executions on a stack at once; never part of `make test`",
    "slow": "takes more than half a minute",
    "docker": "needs a container engine; never part of `make test`",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-drs",
        action="store_true",
        help="run the integration tests against the AWS account of the environment instead of the embedded stack",
    )


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.fixture(scope="session")
def real_drs(pytestconfig: pytest.Config) -> bool:
    """Whether this run was asked to talk to AWS's own DRS."""
    return bool(pytestconfig.getoption("--real-drs"))
