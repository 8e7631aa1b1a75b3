"""The servers a plan's tags select now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from drs_orchestrator.adapters.drs import DrsUnavailable
from drs_orchestrator.bootstrap import App
from drs_orchestrator.domain.facts import PlaceFacts
from drs_orchestrator.domain.plan import Plan, Server, Wave, find_faults, plan_to_document
from drs_orchestrator.domain.preflight import refused_place
from drs_orchestrator.errors import Conflict, ServiceBusy

# Somebody waits for the answer, which the API gives within 29 seconds, and pre-flight asks DRS after this.
_LISTING_SECONDS = 10.0

type _Place = tuple[str | None, str]


def resolve_tags(app: App, plan: Plan) -> Plan:
    """The plan with every server named. Raises Conflict when the tags select nothing, or no valid plan, or where DRS
    can't be asked before a person has changed something; ServiceBusy when it can't be asked now."""
    if not any(wave.server_tags for wave in plan.waves):
        return plan
    listing = _Listing(app, app.timer() + _LISTING_SECONDS)
    resolved = replace(plan, waves=tuple(_resolve(listing, index, wave) for index, wave in enumerate(plan.waves)))
    faults = find_faults(plan_to_document(resolved))
    if faults:
        details = [{"pointer": fault.pointer, "message": fault.message} for fault in faults]
        raise Conflict("The servers that the plan's tags select now don't make a valid plan.", details)
    return resolved


@dataclass
class _Listing:
    """The source servers of each account and Region, listed once however many waves choose from them."""

    app: App
    deadline: float
    tags: dict[_Place, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)

    def tags_at(self, account_id: str | None, region: str) -> Mapping[str, Mapping[str, str]]:
        """Source server id → its tags. Raises DrsUnavailable, also when the listing takes too long."""
        place = account_id, region
        if place not in self.tags:
            self.tags[place] = dict(self._list(place))
        return self.tags[place]

    def _list(self, place: _Place) -> Iterator[tuple[str, Mapping[str, str]]]:
        for server in self.app.drs.briefly_at(*place).source_servers():
            if self.app.timer() > self.deadline:
                raise DrsUnavailable(f"it has not listed its source servers within {_LISTING_SECONDS:.0f} seconds")
            yield server["id"], server["tags"]


def _resolve(listing: _Listing, index: int, wave: Wave) -> Wave:
    if not wave.server_tags:
        return wave
    wanted = wave.server_tags.items()
    try:
        tags = listing.tags_at(wave.account_id, wave.region)
    except DrsUnavailable as error:
        if error.refusal:
            raise _refused(listing.app, index, wave, error) from error
        raise ServiceBusy(f"DRS in {wave.region} could not be asked for wave {wave.name}'s servers: {error}") from error
    found = sorted(server_id for server_id, present in tags.items() if wanted <= present.items())
    if not found:
        message = f"ServerTags of wave {wave.name} select no source server in {wave.region}; correct tags or Region."
        raise Conflict(message, [{"pointer": f"/Waves/{index}/ServerTags", "message": message}])
    return replace(wave, server_tags=None, servers=tuple(Server(server_id) for server_id in found))


def _refused(app: App, index: int, wave: Wave, error: DrsUnavailable) -> Conflict:
    facts = PlaceFacts(wave.account_id, wave.region, {}, refusal=error.refusal, reason=str(error))
    _, message, remedy = refused_place(facts, app.target_role)
    details = [{"pointer": f"/Waves/{index}", "message": f"{message} {remedy}"}]
    return Conflict(f"The servers of wave {wave.name} can't be selected.", details)
