"""A recovery plan: waves of servers, and the order in which the waves may be launched.

The shape of a plan document is defined by `schemas/plan.schema.json`; what a JSON Schema cannot say
(how waves refer to each other, what may stand only once in a whole plan) is checked here by `find_faults`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from itertools import batched, islice
from typing import Any

from drs_orchestrator.domain.choices import Impact, OnApprovalTimeout, OnFailure

MAX_SERVERS_PER_PLAN = 3000
MAX_SERVERS_PER_JOB = 100
"""AWS DRS quota: source servers in one job. The API's shape would allow 200."""

MAX_WAVES_PER_PLAN = 100
_MAX_NAME_CHARACTERS = 64
# Comparing names is slow work: whoever gets a hundred wrong is not told each time which one was meant.
_SUGGESTIONS = 100
_SHOWN_CHARACTERS = 64
# "3 of 5", as the schema has it: no number is read that a plan can't have.
_SOME_OF_ALL = re.compile(r"([1-9][0-9]{0,3}) of ([1-9][0-9]{0,3})")
_CLEANUP_MINUTES: Mapping[str, int | None] = {"MANUAL": None, "IMMEDIATE": 0}


@dataclass(frozen=True, slots=True)
class Server:
    """A DRS source server to launch; without `recovery_snapshot_id` from its most recent data.

    `skip_reason` stands only in an execution's own copy of the plan: why this server is SKIPPED and never launched.
    """

    source_server_id: str
    impact: Impact = Impact.CRITICAL
    recovery_snapshot_id: str | None = None
    skip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """Servers of one account and Region that are launched together.

    Either `servers` is filled, or `server_tags` says which source servers to look up when the plan is started.
    `account_id` None means the account the orchestrator runs in. `minimum_launched` is a number of servers, "3 of
    5", or a share of them such as "60%" (see `launches_needed`); None means every CRITICAL server has to be launched.
    """

    name: str
    depends_on: tuple[str, ...]
    region: str
    account_id: str | None = None
    servers: tuple[Server, ...] = ()
    server_tags: Mapping[str, str] | None = None
    approval_before: bool = False
    on_failure: OnFailure = OnFailure.STOP
    minimum_launched: int | str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan in which every wave says explicitly what it depends on.

    `rpo_minutes` and `rto_minutes` are what the business demands, None where it demands nothing.
    `termination_protection`: of the instances a RECOVERY launches. `cleanup_minutes`: how long after its end a DRILL's
    instances are terminated, 0 at once, None only by hand. `approval_timeout_minutes` None: an approval is waited for.
    """

    plan_id: str
    name: str
    description: str
    waves: tuple[Wave, ...]
    # How long a server's post-launch actions may take in a RECOVERY; None is the stack's own limit.
    launch_actions_timeout_minutes: int | None = None
    rpo_minutes: int | None = None
    rto_minutes: int | None = None
    termination_protection: bool = True
    cleanup_minutes: int | None = None
    approval_timeout_minutes: int | None = None
    on_approval_timeout: OnApprovalTimeout = OnApprovalTimeout.REJECT


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document: where (a JSON pointer, RFC 6901) and a sentence about it."""

    pointer: str
    message: str


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """Read a valid plan document. A wave without `DependsOn` depends on the wave before it."""
    documents: Sequence[Mapping[str, Any]] = document["Waves"]
    previous_names: list[tuple[str, ...]] = [(), *((wave["WaveName"],) for wave in documents)]
    cleanup = document.get("Cleanup", "MANUAL")
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
                approval_before=wave.get("ApprovalBefore", False),
                on_failure=OnFailure(wave.get("OnFailure", OnFailure.STOP)),
                minimum_launched=_whole(wave.get("MinimumLaunched")),
            )
            for wave, previous in zip(documents, previous_names, strict=False)
        ),
        launch_actions_timeout_minutes=_whole(document.get("LaunchActionsTimeoutMinutes")),
        rpo_minutes=_whole(document.get("RpoMinutes")),
        rto_minutes=_whole(document.get("RtoMinutes")),
        termination_protection=document.get("TerminationProtection", True),
        cleanup_minutes=_CLEANUP_MINUTES[cleanup] if isinstance(cleanup, str) else _whole(cleanup),
        approval_timeout_minutes=_whole(document.get("ApprovalTimeoutMinutes")),
        on_approval_timeout=OnApprovalTimeout(document.get("OnApprovalTimeout", OnApprovalTimeout.REJECT)),
    )


def _whole(number: Any) -> Any:
    """JSON Schema takes 10.0 for an integer; everything that stores numbers here takes whole ones only."""
    return int(number) if isinstance(number, float) else number


def _server_from_document(document: Mapping[str, Any]) -> Server:
    return Server(
        source_server_id=document["SourceServerId"],
        impact=Impact(document.get("Impact", Impact.CRITICAL)),
        recovery_snapshot_id=document.get("RecoverySnapshotId"),
        skip_reason=document.get("SkipReason"),
    )


def plan_to_document(plan: Plan) -> dict[str, Any]:
    """Write a plan as a document in which every default is spelled out; reading it gives the same plan."""
    document: dict[str, Any] = {"PlanId": plan.plan_id, "Name": plan.name}
    if plan.description:
        document["Description"] = plan.description
    if plan.launch_actions_timeout_minutes is not None:
        document["LaunchActionsTimeoutMinutes"] = plan.launch_actions_timeout_minutes
    if plan.rpo_minutes is not None:
        document["RpoMinutes"] = plan.rpo_minutes
    if plan.rto_minutes is not None:
        document["RtoMinutes"] = plan.rto_minutes
    document["TerminationProtection"] = plan.termination_protection
    words = {minutes: word for word, minutes in _CLEANUP_MINUTES.items()}
    document["Cleanup"] = words.get(plan.cleanup_minutes, plan.cleanup_minutes)
    if plan.approval_timeout_minutes is not None:
        document["ApprovalTimeoutMinutes"] = plan.approval_timeout_minutes
        document["OnApprovalTimeout"] = plan.on_approval_timeout.value
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
    document |= {"ApprovalBefore": wave.approval_before, "OnFailure": wave.on_failure.value}
    if wave.minimum_launched is not None:
        document["MinimumLaunched"] = wave.minimum_launched
    return document


def _server_to_document(server: Server) -> dict[str, Any]:
    document = {"SourceServerId": server.source_server_id, "Impact": server.impact.value}
    if server.recovery_snapshot_id is not None:
        document["RecoverySnapshotId"] = server.recovery_snapshot_id
    if server.skip_reason is not None:
        document["SkipReason"] = server.skip_reason
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


def launches_needed(minimum: int | str, servers: int) -> int:
    """How many of `servers` a `MinimumLaunched` asks for; a share such as "60%" is rounded up: 3 of 5, 2 of 3."""
    if isinstance(minimum, int):
        return minimum
    if counted := _SOME_OF_ALL.fullmatch(minimum):
        return int(counted[1])
    # Whole numbers only: 0.07 * 100 would already be more than 7.
    return -(-servers * int(minimum.removesuffix("%")) // 100)


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
    yield from _unreachable_minimums(waves)
    if "OnApprovalTimeout" in document and "ApprovalTimeoutMinutes" not in document:
        yield Fault(
            "/OnApprovalTimeout", "needs ApprovalTimeoutMinutes beside it: without a limit no approval comes too late"
        )


@dataclass(frozen=True, slots=True)
class _WaveOutline:
    """The well-formed parts of a wave document; `depends_on` None = left out."""

    pointer: str
    name: str | None
    depends_on: list[tuple[int, str]] | None
    servers: list[Any]
    minimum_launched: int | None
    # Of how many servers, where MinimumLaunched says that.
    minimum_of: int | None

    @classmethod
    def of(cls, index: int, wave: object) -> "_WaveOutline":
        fields = wave if isinstance(wave, Mapping) else {}
        name = fields.get("WaveName")
        minimum, of = _counted(fields.get("MinimumLaunched"))
        return cls(
            pointer=f"/Waves/{index}",
            name=name if isinstance(name, str) else None,
            depends_on=[item for item in enumerate(_list(fields["DependsOn"])) if isinstance(item[1], str)]
            if "DependsOn" in fields
            else None,
            servers=_list(fields.get("Servers")),
            minimum_launched=minimum,
            minimum_of=of,
        )


def _counted(minimum: Any) -> tuple[int | None, int | None]:
    """(3, None) for 3, (3, 5) for "3 of 5", else nothing that could be counted."""
    if _is_whole(minimum):
        return int(minimum), None
    counted = _SOME_OF_ALL.fullmatch(minimum) if isinstance(minimum, str) else None
    return (int(counted[1]), int(counted[2])) if counted else (None, None)


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


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
    wrong = 0
    for wave in waves:
        seen: set[str] = set()
        for index, name in wave.depends_on or ():
            pointer = f"{wave.pointer}/DependsOn/{index}"
            if name not in known:
                wrong += 1
                meant = suggestion(name, known) if wrong <= _SUGGESTIONS else ""
                yield Fault(pointer, f"this plan has no wave {_quoted(name)}{meant}")
            elif name in seen:
                yield Fault(pointer, f"the wave {_quoted(name)} is named twice; remove one of the two")
            seen.add(name)


def _cycles(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    if len(waves) > MAX_WAVES_PER_PLAN:
        return  # which the schema refuses; each circle costs a search through all waves
    known = {wave.name for wave in waves}
    graph: dict[str, set[str]] = {}
    pointers: dict[str, str] = {}
    previous: str | None = None
    for wave in waves:
        # A second wave of the same name is a fault of its own; joining the two would only invent circles.
        if wave.name is not None and wave.name not in graph:
            needs = [previous] if wave.depends_on is None else [name for _, name in wave.depends_on]
            graph[wave.name] = {name for name in needs if name is not None and name in known}
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


def _unreachable_minimums(waves: Sequence[_WaveOutline]) -> Iterator[Fault]:
    for wave in waves:
        # Servers chosen by tags are counted when an execution starts.
        if wave.minimum_launched is None or not wave.servers:
            continue
        count = len(wave.servers)
        servers = "1 server" if count == 1 else f"{count} servers"
        pointer = f"{wave.pointer}/MinimumLaunched"
        if wave.minimum_of not in (None, count):
            yield Fault(pointer, f"is out of {wave.minimum_of}; this wave has {servers}")
        elif wave.minimum_launched > count:
            yield Fault(pointer, f"asks for {wave.minimum_launched} launched servers; this wave has {servers}")


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """`; did you mean "x"?` where a known name is near, else the known names themselves."""
    names = list(known)
    # Neither with more names than a plan can have nor with longer ones: the time grows with the square of their length.
    compared = [each for each in names[:MAX_WAVES_PER_PLAN] if len(each) <= _MAX_NAME_CHARACTERS]
    if len(name) <= _MAX_NAME_CHARACTERS and (near := get_close_matches(name, compared, n=1)):
        return f"; did you mean {_quoted(near[0])}?"
    return f"; known here: {', '.join(map(_quoted, names[:10]))}{', ...' if len(names) > 10 else ''}" if names else ""


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN_CHARACTERS else f'"{text[:_SHOWN_CHARACTERS]}..."'
