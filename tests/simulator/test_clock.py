"""Timelines can be compressed or stepped; timestamps tell when things were seen to happen."""

import pytest

from drs_simulator import Simulator
from drs_simulator.clock import Clock
from drs_simulator.errors import ControlError


class Wall:
    """A wall clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_speed_compresses_timelines_while_timestamps_stay_on_the_wall_clock() -> None:
    wall = Wall()
    simulator = Simulator(clock=Clock(speed=60, wall=wall))
    (server,) = simulator.add_servers([{}])
    job_id = simulator.call("StartRecovery", {"sourceServers": [{"sourceServerID": server.id}]})["job"]["jobID"]

    wall.now += 10
    (job,) = simulator.call("DescribeJobs", {"filters": {"jobIDs": [job_id]}})["items"]

    # 533 s of job life pass in 8.9 s; the end is stamped with the wall clock's time of it.
    assert job["creationDateTime"] == "1970-01-01T00:16:40+00:00"
    assert job["status"] == "COMPLETED"
    assert "1970-01-01T00:16:48.8" < job["endDateTime"] < "1970-01-01T00:16:49"


def test_a_change_of_speed_does_not_move_what_has_happened() -> None:
    wall = Wall()
    clock = Clock(speed=10, wall=wall)
    wall.now += 5
    clock.set_speed(100)
    wall.now += 5

    assert clock.timeline() == 550
    assert clock.now_at(20) == 1002
    assert clock.now_at(150) == 1006


def test_stepped_time_moves_only_when_told_and_takes_timestamps_along() -> None:
    clock = Clock(speed=100)
    clock.step(5000)
    before = clock.timeline()
    clock.advance(90)

    assert clock.now() == 5090
    assert clock.timeline() == pytest.approx(before + 90)


def test_running_again_goes_on_where_the_timeline_stood() -> None:
    wall = Wall()
    clock = Clock(wall=wall)
    clock.step(99_000)
    clock.advance(30)
    clock.run()
    wall.now += 5

    assert clock.timeline() == 35
    assert clock.now() == 1005


def test_a_running_clock_cannot_be_advanced() -> None:
    with pytest.raises(ControlError, match="stepped"):
        Clock().advance(1)


def test_time_does_not_run_backwards() -> None:
    clock = Clock()
    clock.step()

    with pytest.raises(ControlError, match="negative"):
        clock.advance(-1)


@pytest.mark.parametrize("speed", [0, -1, 1e9])
def test_a_speed_must_make_sense(speed: float) -> None:
    with pytest.raises(ControlError, match="speed"):
        Clock(speed=speed)
