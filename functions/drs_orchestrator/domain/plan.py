"""A recovery plan: waves of servers, and the order in which the waves may be launched.

The shape of a plan document is defined by `schemas/plan.schema.json`; what a JSON Schema cannot say
(how waves refer to each other, what may stand only once in a whole plan) is checked here by `find_faults`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from itertools import batched, islice
from typing import Any

MAX_SERVERS_PER_PLAN = 3000
MAX_SERVERS_PER_JOB = 100
"""AWS DRS quota: source servers in one job. The API's shape would allow 200."""

_SHOWN_CHARACTERS = 64


class Impact(StrEnum):
    """What the failure of a server means for its plan."""

    CRITICAL = "CRITICAL"
    OPTIONAL = "OPTIONAL"


@dataclass(frozen=True, slots=True)
class Server:
    """A DRS source server to launch; without `recovery_snapshot_id` from its most recent data."""

    source_server_id: str
    impact: Impact = Impact.CRITICAL
    recovery_snapshot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """Servers of one account and Region that are launched together.

    Either `servers` is filled, or `server_tags` says which source servers to look up when the plan is started.
    `account_id` None means the account the orchestrator runs in.
    """

    name: str
    depends_on: tuple[str, ...]
    region: str
    account_id: str | None = None
    servers: tuple[Server, ...] = ()
    server_tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan in which every wave says explicitly what it depends on."""

    plan_id: str
    name: str
    description: str
    waves: tuple[Wave, ...]
    # How long a server's post-launch actions may take in a RECOVERY; None is the stack's own limit.
    launch_actions_timeout_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document: where (a JSON pointer, RFC 6901) and a sentence about it."""

    pointer: str
    message: str


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """Read a valid plan document. A wave without `DependsOn` depends on the wave before it."""
    documents: Sequence[Mapping[str, Any]] = document["Waves"]
    previous_names: list[tuple[str, ...]] = [(), *((wave["WaveName"],) for wave in documents)]
    return Plan(
        plan_id=document["PlanId"],
        name=document["Name"],
        description=document.get("Description", ""),
        waves=tuple(
            Wave(
                name=wave["WaveName"],
                depends_on=tuple(wave.get("DependsOn", previous)),
                region=wave["Region"],
                account_id=wave.get("AccountId"),
                servers=tuple(_server_from_document(server) for server in wave.get("Servers", ())),
                server_tags=wave.get("ServerTags"),
            )
            for wave, previous in zip(documents, previous_names, strict=False)
        ),
        launch_actions_timeout_minutes=document.get("LaunchActionsTimeoutMinutes"),
    )


def _server_from_document(document: Mapping[str, Any]) -> Server:
    return Server(
        source_server_id=document["SourceServerId"],
        impact=Impact(document.get("Impact", Impact.CRITICAL)),
        recovery_snapshot_id=document.get("RecoverySnapshotId"),
    )


def plan_to_document(plan: Plan) -> dict[str, Any]:
    """Write a plan as a document in which every default is spelled out; reading it gives the same plan."""
    document: dict[str, Any] = {"PlanId": plan.plan_id, "Name": plan.name}
    if plan.description:
        document["Description"] = plan.description
    if plan.launch_actions_timeout_minutes is not None:
        document["LaunchActionsTimeoutMinutes"] = plan.launch_actions_timeout_minutes
    document["Waves"] = [_wave_to_document(wave) for wave in plan.waves]
    return document


def _wave_to_document(wave: Wave) -> dict[str, Any]:
    document: dict[str, Any] = {"WaveName": wave.name, "DependsOn": list(wave.depends_on), "Region": wave.region}
    if wave.account_id is not None:
        document["AccountId"] = wave.account_id
    if wave.server_tags is not None:
        document["ServerTags"] = dict(wave.server_tags)
    else:
        document["Servers"] = [_server_to_document(server) for server in wave.servers]
    return document


def _server_to_document(server: Server) -> dict[str, Any]:
    document = {"SourceServerId": server.source_server_id, "Impact": server.impact.value}
    if server.recovery_snapshot_id is not None:
        document["RecoverySnapshotId"] = server.recovery_snapshot_id
    return document


def launch_order(plan: Plan) -> list[list[str]]:
    """The names of the waves in the order they become free, those that may run side by side in one list.

    Raises graphlib.CycleError for a plan that `find_faults` would refuse.
    """
    position = {wave.name: index for index, wave in enumerate(plan.waves)}
    sorter = TopologicalSorter({wave.name: wave.depends_on for wave in plan.waves})
    sorter.prepare()
    order: list[list[str]] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        sorter.done(*ready)
        order.append(ready)
    return order


def chunk[T](servers: Sequence[T], size: int = MAX_SERVERS_PER_JOB) -> list[tuple[T, ...]]:
    """Cut the servers of a wave into lists that each fit one DRS job."""
    return list(batched(servers, size))


def find_faults(document: Mapping[str, Any], limit: int = 500) -> list[Fault]:
    """What is wrong with a plan document beyond its shape; the first `limit` faults of it.

    Parts that have the wrong shape are passed over, they are the schema's to refuse: so one look
    at a document finds every fault of both kinds.
    """
    return list(islice(_faults(document), limit))


def _faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    waves = [_WaveOutline.of(index, wave) for index, wave in enumerate(_list(document.get("Waves")))]
    yield from _repeated_wave_names(waves)
    yield from _wrong_references(waves)
    yield from _cycles(waves)
    yield from _repeated_servers(waves)
    yield from _too_many_servers(waves)


@dataclass(frozen=True, slots=True)
class _WaveOutline:
    """The well-formed parts of a wave document; `depends_on` None = left out."""

    pointer: str
    name: str | None
    depends_on: list[tuple[int, str]] | None
    servers: list[Any]

    @classmethod
    def of(cls, index: int, wave: object) -> "_WaveOutline":
        fields = wave if isinstance(wave, Mapping) else {}
        name = fields.get("WaveName")
        return cls(
            pointer=f"/Waves/{index}",
            name=name if isinstance(name, str) else None,
            depends_on=[item for item in enumerate(_list(fields["DependsOn"])) if isinstance(item[1], str)]
            if "DependsOn" in fields
            else None,
            servers=_list(fields.get("Servers")),
        )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _repeated_wave_names(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for wave in waves:
        if wave.name is not None and first.setdefault(wave.name, wave.pointer) != wave.pointer:
            yield Fault(
                f"{wave.pointer}/WaveName",
                f"the wave {first[wave.name]} is already called {_quoted(wave.name)}; give each wave its own name",
            )


def _wrong_references(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    known = {wave.name: None for wave in waves if wave.name is not None}
    for wave in waves:
        seen: set[str] = set()
        for index, name in wave.depends_on or ():
            pointer = f"{wave.pointer}/DependsOn/{index}"
            if name not in known:
                yield Fault(pointer, f"this plan has no wave {_quoted(name)}{suggestion(name, known)}")
            elif name in seen:
                yield Fault(pointer, f"the wave {_quoted(name)} is named twice; remove one of the two")
            seen.add(name)


def _cycles(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    graph: dict[str, set[str]] = {}
    pointers: dict[str, str] = {}
    previous: str | None = None
    for wave in waves:
        # A second wave of the same name is a fault of its own; joining the two would only invent circles.
        if wave.name is not None and wave.name not in graph:
            needs = [previous] if wave.depends_on is None else [name for _, name in wave.depends_on]
            graph[wave.name] = {name for name in needs if name is not None}
            pointers[wave.name] = wave.pointer
        previous = wave.name
    while cycle := _a_cycle(graph):
        # graphlib lists a cycle so that each wave is one the next depends on: read aloud, that is the launch order.
        chain = " -> ".join(_quoted(name) for name in cycle)
        yield Fault(f"{pointers[cycle[0]]}/DependsOn", f"these waves wait for each other: {chain}; break the circle")
        graph = {name: needs - set(cycle) for name, needs in graph.items() if name not in cycle}


def _a_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        # Sorted, so that the same document always gets the same sentence.
        TopologicalSorter({name: sorted(needs) for name, needs in graph.items()}).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def _repeated_servers(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for wave in waves:
        for index, server in enumerate(wave.servers):
            server_id = server.get("SourceServerId") if isinstance(server, Mapping) else None
            pointer = f"{wave.pointer}/Servers/{index}/SourceServerId"
            if isinstance(server_id, str) and first.setdefault(server_id, pointer) != pointer:
                first_pointer = first[server_id]
                yield Fault(
                    pointer, f"the server {_quoted(server_id)} stands at {first_pointer} already; name a server once"
                )


def _too_many_servers(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    count = sum(len(wave.servers) for wave in waves)
    if count > MAX_SERVERS_PER_PLAN:
        yield Fault("/Waves", f"expected at most {MAX_SERVERS_PER_PLAN} servers in all waves; got {count}")


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """`; did you mean "x"?` where a known name is near, else the known names themselves."""
    names = list(known)
    # Comparing is slow work: not with more names than a plan can have.
    if near := get_close_matches(name, names[:100], n=1):
        return f"; did you mean {_quoted(near[0])}?"
    return f"; known here: {', '.join(map(_quoted, names[:10]))}{', ...' if len(names) > 10 else ''}" if names else ""


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN_CHARACTERS else f'"{text[:_SHOWN_CHARACTERS]}..."'
