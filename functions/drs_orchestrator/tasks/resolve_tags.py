"""The servers a plan's tags select now."""

from dataclasses import replace

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.facts import PlaceFacts
from drs_orchestrator.domain.plan import Plan, Server, Wave, find_faults, plan_to_document
from drs_orchestrator.domain.preflight import refused_place
from drs_orchestrator.errors import Conflict, ServiceBusy


def resolve_tags(app: App, plan: Plan) -> Plan:
    """The plan with every server named. Raises Conflict when the tags select nothing, or no valid plan, or where DRS
    can't be asked before a person has changed something; ServiceBusy when it can't be asked now."""
    if not any(wave.server_tags for wave in plan.waves):
        return plan
    resolved = replace(plan, waves=tuple(_resolve(app, index, wave) for index, wave in enumerate(plan.waves)))
    faults = find_faults(plan_to_document(resolved))
    if faults:
        details = [{"pointer": fault.pointer, "message": fault.message} for fault in faults]
        raise Conflict("The servers that the plan's tags select now don't make a valid plan.", details)
    return resolved


def _resolve(app: App, index: int, wave: Wave) -> Wave:
    if not wave.server_tags:
        return wave
    wanted = wave.server_tags.items()
    try:
        found = [
            server["id"]
            for server in app.drs.at(wave.account_id, wave.region).source_servers()
            if wanted <= server["tags"].items()
        ]
    except DrsUnavailable as error:
        if error.refusal:
            raise _refused(app, index, wave, error) from error
        raise ServiceBusy(f"DRS in {wave.region} could not be asked for wave {wave.name}'s servers: {error}") from error
    if not found:
        message = f"ServerTags of wave {wave.name} select no source server in {wave.region}; correct tags or Region."
        raise Conflict(message, [{"pointer": f"/Waves/{index}/ServerTags", "message": message}])
    return replace(wave, server_tags=None, servers=tuple(Server(server_id) for server_id in sorted(found)))


def _refused(app: App, index: int, wave: Wave, error: DrsUnavailable) -> Conflict:
    facts = PlaceFacts(wave.account_id, wave.region, {}, refusal=error.refusal, reason=str(error))
    _, message, remedy = refused_place(facts, app.target_role)
    details = [{"pointer": f"/Waves/{index}", "message": f"{message} {remedy}"}]
    return Conflict(f"The servers of wave {wave.name} can't be selected.", details)
