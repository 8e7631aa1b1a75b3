"""The scenario bad-night: every kind of trouble at once, and the truth about every one of its servers."""

from typing import Any

from drs_orchestrator.tasks.check_drs import check_drs
from tests.helpers.orchestrator import Orchestrator, plan, wave
from tests.helpers.simulator import SimulatorControl


def ids(tier: int, count: int) -> list[str]:
    return [f"s-0bad{tier}{number:012x}" for number in range(1, count + 1)]


DATABASE, APPLICATION, WEB, LATE = ids(1, 12), ids(2, 24), ids(3, 8), ids(4, 4)
# No wave waits for another: each shall come to what it comes to.
NIGHT = plan(
    wave("database", *DATABASE),
    wave("application", *APPLICATION, DependsOn=[]),
    wave("web", *WEB, DependsOn=[]),
    # Pre-flight refuses a CRITICAL server without a recovery point, and leaves an OPTIONAL one out.
    wave("late", {"SourceServerId": LATE[0], "Impact": "OPTIONAL"}, *LATE[1:], DependsOn=[]),
)
STILL_SYNCING, STUCK = LATE[0], LATE[3]
KEY, LEFT_BEHIND = "EBS encryption key could not be found", "DRS finished the job without launching it"
FAILED = {
    DATABASE[0]: KEY,
    DATABASE[1]: "Conversion server launch failed",
    DATABASE[2]: "Failed to take snapshot",
    APPLICATION[0]: KEY,
    APPLICATION[1]: "UnauthorizedOperation",
    APPLICATION[2]: "InsufficientInstanceCapacity",
    APPLICATION[3]: LEFT_BEHIND,
    APPLICATION[4]: LEFT_BEHIND,
    WEB[0]: "launch action Check health failed",
    WEB[2]: "launch action Check health did not finish in time",
}
LAUNCHED_WITH_A_REMARK = {
    WEB[1]: "optional launch action Mount shares failed",
    WEB[3]: "optional launch action Mount shares did not finish in time (still DEFERRED)",
}


def test_every_server_of_a_bad_night_ends_as_it_really_did(
    orchestrator: Orchestrator, simulator: SimulatorControl
) -> None:
    simulator.load_scenario("bad-night")
    simulator.step(orchestrator.now)
    execution_id = orchestrator.begin(NIGHT, "RECOVERY")

    document = until_only_the_stuck_one_is_left(orchestrator, execution_id)

    servers = {server["SourceServerId"]: server for each in document["Waves"] for server in each["Servers"]}
    assert document["Status"] == "POLLING"
    assert (servers[STUCK]["Status"], servers[STUCK]["TimeoutDetected"]) == ("IN_PROGRESS", True)
    assert {server_id for server_id, server in servers.items() if server["Status"] == "FAILED"} == set(FAILED)
    for server_id, error in FAILED.items():
        assert error in servers[server_id]["Error"]
        assert servers[server_id]["NextStep"]
    assert servers[STILL_SYNCING]["Status"] == "SKIPPED"
    assert "no recovery point" in servers[STILL_SYNCING]["Error"]
    launched = set(servers) - set(FAILED) - {STUCK, STILL_SYNCING}
    assert {servers[server_id]["Status"] for server_id in launched} == {"LAUNCHED"}
    assert {s: servers[s]["Error"] for s in launched if "Error" in servers[s]}.keys() == LAUNCHED_WITH_A_REMARK.keys()
    for server_id, remark in LAUNCHED_WITH_A_REMARK.items():
        assert remark in servers[server_id]["Error"]
    words = {word["Kind"] for each in document["Waves"] for job in each["Jobs"] for word in job.get("UnknownWords", [])}
    assert words == {"LOG_EVENT", "LAUNCH_STATUS", "JOB_STATUS", "LAUNCH_ACTION_STATUS"}
    # Answers were lost after the call had taken effect, and still nothing was launched twice.
    assert len([call for call in simulator.calls("StartRecovery") if call["tookEffect"]]) == len(NIGHT["Waves"])


def until_only_the_stuck_one_is_left(orchestrator: Orchestrator, execution_id: str) -> dict[str, Any]:
    """Do what the state machine does, every five minutes."""
    for _ in range(40):
        orchestrator.let_pass(300)
        check = check_drs(orchestrator.app, execution_id, 1)
        orchestrator.launch(execution_id)
        if check["serversLaunching"] == 1 and check["serversInLaunchActions"] == 0:
            document = orchestrator.show(execution_id)
            if [each["Status"] for each in document["Waves"]].count("LAUNCHING") == 1:
                return document
    raise AssertionError(f"more than one server is not done: {orchestrator.show(execution_id)}")
