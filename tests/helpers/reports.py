"""Evidence reports of executions driven over the simulator, and the same with very many servers."""

from copy import deepcopy
from typing import Any

from drs_orchestrator.tasks.show_report import show_report
from drs_orchestrator.tasks.steer_execution import approve
from tests.helpers.orchestrator import CALLER, Orchestrator, plan, server_id, wave

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;\u202e\x1b[31m"
"""What somebody who may name a server or write a reason could try."""


def troubled_report(orchestrator: Orchestrator, text: str = "as planned") -> dict[str, Any]:
    """A recovery with launch actions, an approval, a failed server, a skipped wave and instances that EC2 does not
    protect; whatever a person, a plan, DRS or EC2 may write in it says `text`."""
    one, two, three, four = (server_id(number) for number in range(1, 5))
    actions = [{"name": "audit", "seconds": 300}]
    orchestrator.add_servers(one, two, three, four, name=text, launchActions=actions)
    orchestrator.simulator.add_fault("launch-failure", sourceServerIDs=[three], text=text)
    orchestrator.ec2.fail("UnauthorizedOperation", text, status=403)
    # Neither a plan's names nor a reason may hold a control character.
    line = "".join(char for char in text if char.isprintable())
    document = plan(
        wave(line[:64].strip(), one, two),
        wave("application", three, ApprovalBefore=True),
        wave("web", four),
    )
    document |= {"Name": line[:100].strip(), "RtoMinutes": 60, "RpoMinutes": 15}
    execution_id = orchestrator.start(document, "RECOVERY", Reason=line)
    orchestrator.prepare(execution_id)
    orchestrator.launch(execution_id)
    while "Question" not in orchestrator.show(execution_id):
        if orchestrator.check(execution_id, after=120)["wavesReady"]:
            orchestrator.launch(execution_id)
    orchestrator.let_pass(240)
    approve(orchestrator.app, execution_id, {"Reason": line}, CALLER)
    orchestrator.drive(execution_id)
    return show_report(orchestrator.app, execution_id)


def enlarged(report: dict[str, Any], count: int, **fields: Any) -> dict[str, Any]:
    """The report as if its waves had `count` servers together, each like one of its own but with `fields`; the failed
    and skipped ones stand among the failures with a sentence of their own."""
    large = deepcopy(report)
    waves = large["Waves"]
    troubles = {each["SourceServerId"]: each for each in [*report["Failures"], *report["Skipped"]]}
    large["Failures"], large["Skipped"] = [], []
    for position, each in enumerate(waves):
        share = count // len(waves) + (position < count % len(waves))
        models = each["Servers"]
        each["Servers"] = [
            models[number % len(models)] | {"SourceServerId": server_id(1000 * position + number), **fields}
            for number in range(share)
        ]
        each["Counts"] = {name: number * share // len(models) for name, number in each["Counts"].items()}
        for number, server in enumerate(each["Servers"]):
            if trouble := troubles.get(models[number % len(models)]["SourceServerId"]):
                told = trouble | server_fields(server) | {"Error": f"{number}: {trouble['Error']}"}
                large["Failures" if server["Status"] == "FAILED" else "Skipped"].append(told)
    large["Counts"] = {name: sum(each["Counts"][name] for each in waves) for name in large["Counts"]}
    return large


def server_fields(server: dict[str, Any]) -> dict[str, Any]:
    return {name: server[name] for name in ("SourceServerId", "Name") if name in server}
