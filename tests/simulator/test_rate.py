"""The benchmark of the simulator's rate on a load of seconds: what it counts, not how long that takes."""

from benchmarks.simulator_rate import MIX, Load, measure, versions


def test_every_call_of_a_small_load_is_answered_and_every_server_launches() -> None:
    result = measure(Load(servers_a_world=10, calls_a_minute=3_000, seconds=4, flat_out=0.2, speed=3600))

    assert (result["servers"], result["servers launched"], result["jobs"]) == (60, 60, 6)
    assert result["calls offered"] == result["calls answered"] == 200
    assert result["calls by operation"] == {operation: 2 * share for operation, share in MIX.items()}
    assert result["highest rate, calls a minute"] > 0


def test_the_figures_come_with_what_they_hold_for() -> None:
    assert {"Python", "machine", "drs-orchestrator", "uvicorn"} <= set(versions())
