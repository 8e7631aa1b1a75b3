"""Is this JSON value a recovery plan? Used alike by the API and the command line."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

from drs_orchestrator.domain.plan import Fault, find_faults, suggestion

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MAX_FAULTS = 500
"""How many faults are listed: a megabyte of nonsense has more than anybody can read or a response can hold."""

_SHOWN_CHARACTERS = 64
_BITS_OF_A_NUMBER = 64
_DEPTH_OF_A_PLAN = 5
"""The depth of /Waves/0/Servers/0/SourceServerId; whatever lies deeper is an unknown field."""


def validate_plan(document: object) -> list[Fault]:
    """Every fault of a plan document, in the order of the document; an empty list means it is a plan.

    Takes whatever a JSON or YAML parser can give. Each message says what is expected at its JSON pointer.
    """
    shallow = _pruned(document)
    found = chain(
        _schema_faults(shallow),
        find_faults(shallow, MAX_FAULTS + 1) if isinstance(shallow, dict) else (),
        _unwritable_texts(shallow),
    )
    faults = [Fault(_writable(fault.pointer), _writable(fault.message)) for fault in islice(found, MAX_FAULTS + 1)]
    listed = sorted(dict.fromkeys(faults[:MAX_FAULTS]), key=_position)
    if len(faults) > MAX_FAULTS:
        listed.append(Fault("", f"there are more than {MAX_FAULTS} faults; only the first are listed"))
    return listed


@cache
def plan_schema() -> Mapping[str, Any]:
    """The JSON Schema (draft 2020-12) of a plan document."""
    text = files("drs_orchestrator").joinpath("schemas", "plan.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> "Validator":
    # Imported when a plan is there to be looked at: few calls of the API bring one, and each start would pay for it.
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def pattern(_: "Validator", pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
        # In a JSON Schema `$` is the end of the text; Python's would let one newline pass after it.
        if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
            yield ValidationError("")

    validator: type[Validator] = extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    return validator(plan_schema())


def _pruned(value: Any, depth: int = 0) -> Any:
    """The document without what jsonschema, which prints instances into its messages, would choke on."""
    match value:
        case dict() if depth <= _DEPTH_OF_A_PLAN:
            return {key: _pruned(item, depth + 1) for key, item in value.items()}
        case list() if depth <= _DEPTH_OF_A_PLAN:
            return [_pruned(item, depth + 1) for item in value]
        case dict() | list():
            return type(value)()
        case int() if value.bit_length() > _BITS_OF_A_NUMBER:
            return math.copysign(math.inf, value > 0 or -1)
        case _:
            return value


def _schema_faults(document: Any) -> Iterator[Fault]:
    for error in _validator().iter_errors(document):
        yield from _explain(error)


def _explain(error: "ValidationError") -> Iterator[Fault]:
    """jsonschema's own messages quote the whole instance; ours are built from the schema's descriptions."""
    pointer = "".join(f"/{_escaped(part)}" for part in error.absolute_path)
    schema = cast("Mapping[str, Any]", error.schema)
    instance: Any = error.instance
    expected: Any = error.validator_value
    match error.validator:
        case "required":
            for name in expected:
                if name not in instance:
                    yield Fault(f"{pointer}/{name}", f"is missing; expected {_description(schema, name)}")
        case "additionalProperties":
            known = schema["properties"]
            for name in instance:
                if name not in known:
                    yield Fault(
                        f"{pointer}/{_escaped(name)[:_SHOWN_CHARACTERS]}",
                        f"unknown field{suggestion(str(name), known)}",
                    )
        case "oneOf":
            if not isinstance(instance, dict):
                return  # whose wrong type is a fault of its own
            got = "both" if "Servers" in instance else "neither"
            yield Fault(pointer, f"expected {schema['description']}; got {got}")
        case _:
            advice = "; put it in quotes" if expected == "string" and _is_unquoted_scalar(instance) else ""
            yield Fault(pointer, f"expected {schema['description']}; got {_shown(instance)}{advice}")


def _description(schema: Mapping[str, Any], name: str) -> str:
    described = schema["properties"][name]
    if "$ref" in described:
        described = plan_schema()["$defs"][described["$ref"].rpartition("/")[2]]
    return str(described["description"])


def _shown(value: object) -> str:
    """What stands in the document, in a few words whatever its size."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value[:_SHOWN_CHARACTERS]
            size = f" ({len(value)} characters)" if cut != value else ""
            return f"{json.dumps(cut, ensure_ascii=False)}{size}"
        case int() | float():
            return f"the number {value}"
        case dict():
            return f"an object of {len(value)} fields" if value else "an empty object"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case _:
            return f"a {type(value).__name__}"


def _is_unquoted_scalar(value: object) -> bool:
    # YAML reads 012345678901 as a number and 2026-11-01 as a date.
    return value is not None and not isinstance(value, (dict, list))


def _unwritable_texts(value: object, pointer: str = "") -> Iterator[Fault]:
    """JSON can spell half of a surrogate pair; no database and no terminal can hold it."""
    match value:
        case str() if _writable(value) != value:
            yield Fault(pointer, f"expected whole Unicode characters; got {_shown(value)}")
        case list():
            for index, item in enumerate(value):
                yield from _unwritable_texts(item, f"{pointer}/{index}")
        case dict():
            for key, item in value.items():
                yield from _unwritable_texts(key, pointer)
                yield from _unwritable_texts(item, f"{pointer}/{_escaped(key)}")


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _position(fault: Fault) -> list[str]:
    # Zero-padded, so that the wave 10 comes after the wave 9.
    return [part.zfill(5) if part.isdecimal() else part for part in fault.pointer.split("/")]
