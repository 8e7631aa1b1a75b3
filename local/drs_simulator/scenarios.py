"""Scenario files: a fleet and its troubles, as YAML. Loading one replaces everything the simulator holds."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from drs_simulator.errors import ControlError
from drs_simulator.simulator import DEFAULT_ACCOUNT, DEFAULT_REGION, Simulator

FOLDER = Path(__file__).parent.parent / "scenarios"
SCHEMA = Path(__file__).parent / "scenario.schema.json"

Document = dict[str, Any]


def names() -> list[str]:
    """The scenarios that come with the simulator."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Document:
    """Read a scenario by its name, or from a path that ends in .yaml; raises ControlError if it is not one."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ControlError(f"there is no scenario {name!r}: choose from {', '.join(names())}")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ControlError(f"scenario {name} is not YAML: {error}") from error
    check(document)
    return dict(document)


def check(document: Any) -> None:
    """Hold a scenario to its schema; raises ControlError with every fault's place."""
    faults = sorted(_validator().iter_errors(document), key=lambda fault: fault.json_path)
    if faults:
        raise ControlError("; ".join(f"{fault.json_path}: {fault.message}" for fault in faults[:10]))


def apply(simulator: Simulator, document: Document) -> Document:
    """Start over with this scenario; returns its name and how many servers it has."""
    check(document)
    simulator.reset(document.get("seed"))
    for profile in document.get("profiles", []):
        simulator.use_profile(profile)
    simulator.use_profile(document.get("profile", "linux-2"))
    simulator.set_switches(document.get("switches", {}))
    if "speed" in document:
        simulator.clock.set_speed(document["speed"])
    count = 0
    for world in document["worlds"]:
        account, region = world.get("account", DEFAULT_ACCOUNT), world.get("region", DEFAULT_REGION)
        servers = [*world.get("servers", []), *_generated(world.get("fleets", []))]
        count += len(simulator.add_servers(servers, account, region))
    for rule in document.get("faults", []):
        simulator.add_fault(rule)
    return {"name": document["name"], "servers": count}


def _generated(fleets: list[Document]) -> list[Document]:
    """Servers by the hundred: ids count up in hexadecimal after a prefix, names in decimal."""
    servers = []
    for fleet in fleets:
        prefix = fleet["idPrefix"]
        common = {key: value for key, value in fleet.items() if key not in ("idPrefix", "namePrefix", "count")}
        for number in range(1, fleet["count"] + 1):
            server_id = f"{prefix}{number:0{19 - len(prefix)}x}"
            servers.append({**common, "sourceServerID": server_id, "name": f"{fleet['namePrefix']}-{number:04d}"})
    return servers


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
