"""Making DRS behave as a test needs it: through the simulator's control API, so that what answers is never a mock."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from tests.helpers.simulator import SimulatorControl
from tests.helpers.stack import control
from tests.helpers.test_data import source_server_id

STAGES = ("STARTED", "IN_PROGRESS", "LAUNCHED", "COMPLETED")

# How a job of the spec's words goes on at the simulator. A job itself never fails in DRS: a server's launch does.
_STUCK_IN = {"PENDING": "snapshot", "STARTED": "conversion", "IN_PROGRESS": "launch"}
_GOES_WELL = ("LAUNCHED", "COMPLETED")


def mock_drs_jobs(jobs: Sequence[Mapping[str, str]]) -> None:
    """Decide what becomes of servers: `{"server": "s-2", "status": "FAILED", "error": "..."}`.

    FAILED launches end with this error in the job log; COMPLETED and LAUNCHED go well; PENDING, STARTED and
    IN_PROGRESS never get any further. Holds for launches under way and to come.
    """
    simulator = control()
    for job in jobs:
        server, status = source_server_id(job["server"]), job["status"]
        if status == "FAILED":
            text = {"text": job["error"]} if "error" in job else {}
            simulator.add_fault("launch-failure", sourceServerIDs=[server], **text)
        elif status in _STUCK_IN:
            simulator.add_fault("stuck", sourceServerIDs=[server], phase=_STUCK_IN[status])
        elif status not in _GOES_WELL:
            raise ValueError(f"status {status} of {job['server']}: give FAILED, {', '.join((*_STUCK_IN, *_GOES_WELL))}")


class _Progression:
    """Keeps every job at the stage that was reached, those that begin later too."""

    def __init__(self, simulator: SimulatorControl) -> None:
        self._simulator = simulator
        self._stage: str | None = None
        self._over = Event()
        self._thread = Thread(target=self._keep_up, name="drs-progression")

    def __enter__(self) -> None:
        self._simulator.hold(True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._simulator.hold(False)

    def advance(self, stage: str) -> None:
        self._stage = stage
        self._simulator.push_jobs(stage)

    def _keep_up(self) -> None:
        while not self._over.wait(0.1):
            if self._stage:
                self._simulator.push_jobs(self._stage)


_progressions: list[_Progression] = []


@contextmanager
def mock_drs_progression(speed: float | None = None) -> Iterator[None]:
    """DRS's jobs stay PENDING until `advance_drs_phase`; with `speed` they run by themselves, so many times faster
    than life. Afterwards jobs run by themselves again."""
    simulator = control()
    if speed is not None:
        usual = simulator.health()["speed"]
        simulator.set_speed(speed)
        try:
            yield
        finally:
            simulator.set_speed(usual)
        return
    progression = _Progression(simulator)
    with progression:
        _progressions.append(progression)
        try:
            yield
        finally:
            _progressions.remove(progression)


def advance_drs_phase(phase: str) -> None:
    """Bring DRS's jobs to STARTED, IN_PROGRESS, LAUNCHED or COMPLETED now, and those that begin later, too."""
    if phase not in STAGES:
        raise ValueError(f"phase {phase}: give one of {', '.join(STAGES)}")
    if not _progressions:
        raise RuntimeError("advance_drs_phase works inside mock_drs_progression()")
    _progressions[-1].advance(phase)


@contextmanager
def mock_drs_throttling(duration: float = 60, operations: Sequence[str] | None = None) -> Iterator[None]:
    """DRS throttles every call (or these operations) for `duration` seconds, at most as long as the block lasts."""
    simulator = control()
    settings = {"operation": list(operations)} if operations else {}
    rule = simulator.add_fault("throttle", forSeconds=duration, **settings)
    try:
        yield
    finally:
        simulator.remove_faults(rule)
