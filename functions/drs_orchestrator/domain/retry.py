"""A plan once more, for those of its servers that are not up: the same waves in the same order. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from drs_orchestrator.domain.plan import Plan, Wave, launches_needed


def retry_plan(plan: Plan, launched: Collection[str]) -> Plan | None:
    """The plan without the servers that are `launched`; None when none is left.

    A wave of which nothing is left goes, and what depended on it depends on what it depended on. What a wave's
    MinimumLaunched asked for is asked of what is left of it, less what is up already.
    """
    waves = {wave.name: wave for wave in plan.waves}
    kept = {name: _rest(wave, launched) for name, wave in waves.items()}
    kept = {name: wave for name, wave in kept.items() if wave.servers}
    if not kept:
        return None
    return replace(
        plan, waves=tuple(replace(wave, depends_on=_dependencies(wave, waves, kept)) for wave in kept.values())
    )


def _rest(wave: Wave, launched: Collection[str]) -> Wave:
    servers = tuple(
        replace(server, skip_reason=None) for server in wave.servers if server.source_server_id not in launched
    )
    minimum = None
    if wave.minimum_launched is not None:
        up = len(wave.servers) - len(servers)
        # When enough of it is up already, the rest is asked for like any other server.
        minimum = max(0, launches_needed(wave.minimum_launched, len(wave.servers)) - up) or None
    return replace(wave, servers=servers, server_tags=None, minimum_launched=minimum)


def _dependencies(wave: Wave, waves: Mapping[str, Wave], kept: Mapping[str, Wave]) -> tuple[str, ...]:
    """The waves it has to wait for among those that are kept, each once, in order of the plan."""
    wanted: set[str] = set()
    seen: set[str] = set()
    open_names = list(wave.depends_on)
    while open_names:
        name = open_names.pop()
        if name in kept:
            wanted.add(name)
        elif name not in seen:
            seen.add(name)
            open_names += waves[name].depends_on
    return tuple(name for name in waves if name in wanted)
