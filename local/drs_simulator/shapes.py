"""Checks documents against shapes of the botocore service model.

Requests are checked as the service does it: types, required members, lengths, ranges, enumerations and patterns.
Responses are checked for types, required members and lengths only, because the real service itself answers with values
its model does not list (the log event ``LAUNCH_END``, timestamps ending in ``+00:00``).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


@dataclass(frozen=True, slots=True)
class Fault:
    """One breach: the member's path (``/sourceServers/0/sourceServerID``), what is wrong, whether its type is."""

    path: str
    message: str
    wrong_type: bool = False


# Where in a document a value stands: the place it is in, and its name or number there. Written out for a fault only,
# because an answer about a hundred servers has thousands of members and nearly always none.
type Place = tuple["Place", str | int] | None
Check = Callable[[Any, Place, list[Fault]], None]


def faults_of(document: Any, shape: Shape, *, strict: bool) -> list[Fault]:
    """Every breach of `shape` in `document`; `strict` adds enumerations and patterns (requests)."""
    found: list[Fault] = []
    _check_for(_Key(shape), strict)(document, None, found)
    return found


class _Key:
    """Makes a shape usable as a cache key: the model hands out a new object on each access."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def __hash__(self) -> int:
        return hash(self.shape.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.shape.name == other.shape.name


@cache
def _check_for(key: _Key, strict: bool) -> Check:
    shape = key.shape
    if isinstance(shape, StructureShape):
        return _structure(shape, strict)
    if isinstance(shape, ListShape):
        return _list(shape, strict)
    if isinstance(shape, MapShape):
        return _map(shape, strict)
    if shape.type_name == "string":
        return _string(shape, strict)
    if shape.type_name == "boolean":
        return _typed(bool, "a boolean")
    if shape.type_name in ("integer", "long"):
        return _integer(shape)
    raise NotImplementedError(f"the service model uses a type this checker does not know: {shape.type_name}")


def _structure(shape: StructureShape, strict: bool) -> Check:
    required = tuple(shape.required_members)
    members = {name: _check_for(_Key(member), strict) for name, member in shape.members.items()}

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, dict):
            found.append(_wrong_type(place, "a structure"))
            return
        found += [_fault((place, name), "Member must not be null") for name in required if value.get(name) is None]
        for name, member in value.items():
            if member is None:
                continue
            check_member = members.get(name)
            if check_member:
                check_member(member, (place, name), found)
            elif not strict:
                # The service ignores unknown members of a request; in our own answer one is a mistake.
                found.append(_fault((place, name), "Member is not in the service model"))

    return check


def _list(shape: ListShape, strict: bool) -> Check:
    check_element = _check_for(_Key(shape.member), strict)
    check_length = _length(shape)

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, list):
            found.append(_wrong_type(place, "a list"))
            return
        if check_length:
            check_length(value, place, found)
        for index, element in enumerate(value):
            check_element(element, (place, index), found)

    return check


def _map(shape: MapShape, strict: bool) -> Check:
    check_key = _check_for(_Key(shape.key), strict)
    check_value = _check_for(_Key(shape.value), strict)
    check_length = _length(shape)

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, dict):
            found.append(_wrong_type(place, "a map"))
            return
        if check_length:
            check_length(value, place, found)
        for name, element in value.items():
            check_key(name, (place, name), found)
            check_value(element, (place, name), found)

    return check


def _string(shape: Shape, strict: bool) -> Check:
    check_length = _length(shape)
    allowed = shape.metadata.get("enum") if strict else None
    pattern = re.compile(shape.metadata["pattern"]) if strict and "pattern" in shape.metadata else None

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, str):
            found.append(_wrong_type(place, "a string"))
            return
        if check_length:
            check_length(value, place, found)
        if allowed and value not in allowed:
            found.append(_fault(place, f"Member must satisfy enum value set: [{', '.join(allowed)}]"))
        if pattern and not pattern.fullmatch(value):
            found.append(_fault(place, f"Member must satisfy regular expression pattern: {pattern.pattern}"))

    return check


def _integer(shape: Shape) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            found.append(_wrong_type(place, "an integer"))
            return
        if low is not None and value < low:
            found.append(_fault(place, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            found.append(_fault(place, f"Member must have value less than or equal to {high}"))

    return check


def _typed(expected: type, described: str) -> Check:
    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if not isinstance(value, expected):
            found.append(_wrong_type(place, described))

    return check


def _length(shape: Shape) -> Check | None:
    """The check of a text's or a collection's length; None where every length will do."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if not low and high is None:
        return None

    def check(value: Any, place: Place, found: list[Fault]) -> None:
        if low is not None and len(value) < low:
            found.append(_fault(place, f"Member must have length greater than or equal to {low}"))
        if high is not None and len(value) > high:
            found.append(_fault(place, f"Member must have length less than or equal to {high}"))

    return check


def _wrong_type(place: Place, described: str) -> Fault:
    return Fault(_path(place), f"Member must be {described}", wrong_type=True)


def _fault(place: Place, message: str) -> Fault:
    return Fault(_path(place), message)


def _path(place: Place) -> str:
    return f"{_path(place[0])}/{place[1]}" if place else ""
