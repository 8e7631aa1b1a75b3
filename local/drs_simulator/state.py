"""Dump and load: the whole state as plain JSON, so that a rehearsal can be kept and continued."""

from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from drs_simulator.errors import ControlError
from drs_simulator.profiles import BUILT_IN, Profile
from drs_simulator.simulator import Simulator
from drs_simulator.worlds import World

VERSION = 3
_DERIVED = ("busy", "launched", "agenda")


def dump(simulator: Simulator) -> dict[str, Any]:
    """Everything but the record of calls, as it is now."""
    simulator.settle()
    worlds = [asdict(world) for world in simulator.worlds.values()]
    for world in worlds:
        for name in _DERIVED:
            del world[name]
    return {
        "version": VERSION,
        "seed": simulator.seed,
        "now": simulator.now(),
        "timeline": simulator.clock.timeline(),
        "hold": simulator.hold,
        "defaultProfile": simulator.default_profile,
        "profiles": [profile.to_document() for name, profile in simulator.profiles.items() if name not in BUILT_IN],
        "switches": simulator.switches.to_document(),
        "faults": simulator.faults.to_dump(),
        "worlds": worlds,
    }


def load(simulator: Simulator, document: dict[str, Any]) -> None:
    """Replace a simulator's state by a dumped one; its jobs go on where they stood."""
    if document.get("version") != VERSION:
        raise ControlError(f"this is no state of version {VERSION}: {document.get('version')!r}")
    worlds = [_read(World, world) for world in document["worlds"]]
    simulator.reset(document["seed"])
    simulator.clock.restore(document["now"], document["timeline"])
    for profile in document["profiles"]:
        simulator.profiles[profile["name"]] = Profile.from_document(profile)
    simulator.use_profile(document["defaultProfile"])
    simulator.set_switches(document["switches"])
    simulator.hold = document["hold"]
    for world in worlds:
        simulator.worlds[world.account, world.region] = world
        world.rebuild_derived()
    for rule in document["faults"]:
        # What the rule did before the dump stands in the worlds already: it must not strike a second time.
        simulator.faults.restore(rule)


def _read(kind: Any, value: Any) -> Any:
    """Build a value of `kind` (a dataclass, list, tuple, dict or plain type) from what JSON kept of it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else _read(next(item for item in arguments if item is not type(None)), value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        known = {item.name for item in fields(kind)}
        return kind(**{name: _read(hints[name], item) for name, item in value.items() if name in known})
    if origin is list:
        return [_read(arguments[0], item) for item in value]
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_read(item_kind, item) for item_kind, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {name: _read(arguments[1], item) for name, item in value.items()}
    return value
