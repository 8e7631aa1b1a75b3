"""Markers and options every test of the project may use."""

from collections.abc import Iterator

import pytest

from embedded import Stack
from tests.helpers.orchestrator import Orchestrator, aws
from tests.helpers.simulator import SimulatorControl, running_simulator
from tests.helpers.stack import SHARED, control, named, named_stack

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
    parser.addoption("--real-drs-launch", metavar="SERVER_ID", help="also launch a drill of this source server on AWS")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.fixture(scope="session")
def real_drs(pytestconfig: pytest.Config) -> bool:
    """Whether this run was asked to talk to AWS's own DRS."""
    return bool(pytestconfig.getoption("--real-drs"))


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """A DRS simulator of this test process's own."""
    with running_simulator() as url:
        yield url


@pytest.fixture(scope="session")
def simulator_control(simulator_url: str) -> Iterator[SimulatorControl]:
    control = SimulatorControl(simulator_url)
    yield control
    control.close()


@pytest.fixture
def simulator(simulator_control: SimulatorControl) -> SimulatorControl:
    """The simulator as new: no servers, jobs, faults or calls; its clock runs."""
    simulator_control.reset()
    simulator_control.run()
    return simulator_control


@pytest.fixture
def no_aws() -> Iterator[None]:
    """An empty AWS account in this process; the environment's own is out of reach."""
    with aws():
        yield


@pytest.fixture
def orchestrator(no_aws: None, simulator: SimulatorControl) -> Orchestrator:
    """The orchestrator's tasks in this process, on tables in memory and the simulator; time passes when told to."""
    return Orchestrator(simulator)


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack of this test process.

    Whoever uses it is in xdist's group `stack`, which makes it the only one of a run. xdist 3.8 does not group with
    pytest 9.2: each process has a stack of its own then, which serves too.
    """
    with Stack(tmp_path_factory.mktemp("stack"), **SHARED) as stack:
        yield stack
        with named(stack):
            control().close()


@pytest.fixture
def deployed_stack(real_drs: bool, request: pytest.FixtureRequest) -> Iterator[None]:
    """The stack the tests of a deployed stack share, its parts named by the environment.

    The shared embedded one; with --real-drs the one the environment names already.
    """
    with named_stack() if real_drs else named(request.getfixturevalue("shared_stack")):
        yield


@pytest.fixture
def simulated_drs(deployed_stack: None) -> None:
    """For tests that tell DRS what to do: where it is AWS's own they are skipped before anything is launched."""
    control()
