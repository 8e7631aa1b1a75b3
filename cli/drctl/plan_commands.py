"""`drctl plan ...`: check, store, examine, read, list and delete plans."""

import sys
from typing import Any

import typer

from drctl.names import naming_plan
from drctl.options import ApiUrl, AsJson, Drill, PlanFile, PlanId, Recovery, checked_plan_id, chosen_type, connect
from drctl.outcome import ExitCode
from drctl.reporting import complain, hint, print_json
from drctl.wording import counted

app = typer.Typer(
    help="Check, store, examine, read and delete recovery plans.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("check")
def plan_check(file: PlanFile, as_json: AsJson = False) -> None:
    """Check a plan file without storing it; no AWS access is needed."""
    from drctl.plan_files import checked_plan
    from drs_orchestrator.domain.plan import launch_order, plan_from_document

    plan = plan_from_document(checked_plan(file, "drctl plan check"))
    order = launch_order(plan)
    if as_json:
        print_json({"PlanId": plan.plan_id, "Valid": True, "LaunchOrder": order})
        return
    servers = sum(len(wave.servers) for wave in plan.waves)
    by_tags = sum(wave.server_tags is not None for wave in plan.waves)
    chosen = f" and those of {counted(by_tags, 'wave')} chosen by tags" if by_tags else ""
    print(f"{file} is a valid plan: {counted(len(plan.waves), 'wave')}, {counted(servers, 'server')}{chosen}.")
    print("Launch order: " + " -> ".join(" + ".join(names) for names in order))


@app.command("put")
def plan_put(file: PlanFile, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Store a plan, or replace the stored one of the same PlanId."""
    from drctl.plan_files import checked_plan

    document = checked_plan(file, "drctl plan put")
    stored, is_new = connect(api_url).put_plan(document["PlanId"], document)
    if as_json:
        print_json(stored)
        return
    print(f"Plan {document['PlanId']} is {'stored' if is_new else 'replaced'}.")
    hint(f"drctl start {document['PlanId']} --drill --watch")


@app.command("get")
def plan_get(plan: PlanId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Print a stored plan as YAML, ready to be changed and put again."""
    api = connect(api_url)
    with naming_plan(api, checked_plan_id(plan), lambda near: f"drctl plan get {near}"):
        document = api.get_plan(plan)
    if as_json:
        print_json(document)
        return
    print(_as_yaml(document, sys.stdout.encoding), end="")


def _as_yaml(document: dict[str, Any], encoding: str) -> str:
    """In letters where the encoding has them all, else in YAML's own escapes: either is read back as the same plan."""
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=False))
    return text


@app.command("list")
def plan_list(api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """List the stored plans."""
    plans = sorted(connect(api_url).plans(), key=lambda plan: str(plan["PlanId"]))
    if as_json:
        print_json({"plans": plans})
        return
    from drctl.views import print_table
    from drctl.wording import moment

    rows = [
        [plan["PlanId"], plan["Name"], str(plan["WaveCount"]), str(plan["ServerCount"]), moment(plan["UpdatedTime"])]
        for plan in plans
    ]
    print_table(["Plan", "Name", "Waves", "Servers", "Updated"], rows, sys.stdout)
    if not plans:
        complain("No plan is stored yet.")
        hint("drctl plan put plans/three-tier.yaml")


@app.command("preflight")
def plan_preflight(
    plan: PlanId, drill: Drill = False, recovery: Recovery = False, api_url: ApiUrl = None, as_json: AsJson = False
) -> None:
    """Find what stands in the way of a start: servers, DRS, locks, quotas. Exit code 7 when an ERROR does."""
    from drctl.preflight_views import has_errors, print_preflight

    plan = checked_plan_id(plan)
    execution_type = chosen_type(drill, recovery, f"drctl plan preflight {plan} --drill")
    api = connect(api_url)
    with naming_plan(api, plan, lambda near: f"drctl plan preflight {near} --{execution_type.lower()}"):
        document = api.preflight(plan, execution_type.value)
    if as_json:
        print_json(document)
    else:
        print_preflight(document, sys.stdout)
    raise typer.Exit(ExitCode.CONFLICT if has_errors(document) else ExitCode.OK)


@app.command("delete")
def plan_delete(plan: PlanId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Delete a stored plan. Executions are not touched: each has its own copy."""
    api = connect(api_url)
    with naming_plan(api, checked_plan_id(plan), lambda near: f"drctl plan get {near}"):
        api.delete_plan(plan)
    if as_json:
        print_json({"PlanId": plan, "Deleted": True})
    else:
        print(f"Plan {plan} is deleted.")
