"""Trouble by rule: what shall go wrong, for whom, how often and when.

A rule is a fault's name, conditions (all must hold) and the fault's own settings, as one flat document:
``{"fault": "throttle", "operation": "DescribeJobs", "count": 3, "retryAfterSeconds": 2}``. Call faults change how a
call is answered; launch faults change how a server's launch goes, also of a launch that is already running.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from drs_simulator.errors import ControlError, DrsError, internal, throttled
from drs_simulator.profiles import CONVERSION_FAILED, LAUNCH_FAILED, NO_CAPACITY, SNAPSHOT_FAILED, UNAUTHORIZED, Failure
from drs_simulator.timeline import (
    Twist,
    extra_event,
    fail,
    left_behind,
    odd_job_status,
    odd_status,
    snapshot_fallback,
    spoil_action,
    stuck,
)

Settings = dict[str, Any]

CALL_FAULTS: dict[str, Settings] = {
    "throttle": {"retryAfterSeconds": "1", "afterEffect": False},
    "server-error": {"message": "Internal server error", "retryAfterSeconds": 1, "afterEffect": False},
    "error": {"code": None, "message": "", "members": {}, "afterEffect": False},
    "reset-before": {},
    "reset-after": {},
    "slow": {"seconds": 5.0},
    "stale": {"seconds": 60.0},
    "empty": {},
}
LAUNCH_FAULTS: dict[str, Settings] = {
    "launch-failure": {"text": LAUNCH_FAILED},
    "late-failure": {"text": LAUNCH_FAILED, "seconds": 600.0},
    "conversion-failure": {"text": CONVERSION_FAILED},
    "snapshot-failure": {"text": SNAPSHOT_FAILED},
    "snapshot-fallback": {},
    "iam-failure": {"text": UNAUTHORIZED},
    "capacity": {"text": NO_CAPACITY},
    "stuck": {"phase": "launch"},
    "left-behind": {"status": "PENDING"},
    "unknown-event": {"event": "POST_LAUNCH_VERIFICATION"},
    "unknown-status": {"status": "VERIFYING"},
    "unknown-job-status": {"status": "FINALIZING"},
    "unknown-action-status": {"name": None, "status": "DEFERRED"},
    "launch-action": {"name": None, "status": "FAILED", "failureReason": "The command exited with code 1"},
}
# Launch actions go on after the launch, and so does what spoils them.
ACTION_FAULTS = frozenset({"launch-action", "unknown-action-status"})
_ALLOWED = {
    ("stuck", "phase"): ("snapshot", "conversion", "launch"),
    ("left-behind", "status"): ("PENDING", "IN_PROGRESS"),
    ("launch-action", "status"): ("FAILED", "SUCCEEDED", "NEVER"),
}
CONDITIONS: Settings = {
    "operation": None,
    "account": None,
    "region": None,
    "sourceServerIDs": None,
    "tags": None,
    "wave": None,
    "skip": 0,
    "count": None,
    "probability": 1.0,
    "afterSeconds": 0.0,
    "forSeconds": None,
}


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        ("skip", "count", "probability", "afterSeconds", "forSeconds", "seconds"),
        ("a number that is not negative", lambda value: _is_number(value) and value >= 0),
    ),
    "retryAfterSeconds": ("a whole number of seconds", lambda value: str(value).isdecimal()),
    "afterEffect": ("true or false", lambda value: isinstance(value, bool)),
    **dict.fromkeys(("tags", "members"), ("an object", lambda value: isinstance(value, dict))),
    **dict.fromkeys(
        ("operation", "sourceServerIDs"),
        ("a text or a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))),
    ),
}


def check_operations(named: Collection[str], known: Collection[str]) -> None:
    """Raise ControlError if one of the operations named is not among those known."""
    if unknown := sorted(set(named) - set(known)):
        raise ControlError(f"unknown operation {unknown[0]!r}: choose from {', '.join(sorted(known))}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _check(fault: str, key: str, value: Any, *, required: bool) -> None:
    """Raise ControlError unless `value` may stand for `key` in a rule; None may where it is not required."""
    if value is None and not required:
        return
    meant, fits = _KINDS.get(key, ("a text", _is_text))
    if not fits(value):
        raise ControlError(f"{key} of fault {fault} must be {meant}, got {value!r}")
    allowed = _ALLOWED.get((fault, key))
    if allowed and value not in allowed:
        raise ControlError(f"{key} of fault {fault} must be one of {', '.join(allowed)}, got {value!r}")


@dataclass(frozen=True, slots=True)
class Occasion:
    """Where a rule may strike: a call, or the launch of one server (then `servers` holds just it)."""

    account: str
    region: str
    operation: str
    servers: frozenset[str]
    tags: dict[str, str]


@dataclass(slots=True)
class Rule:
    """A rule in force. `met` counts the occasions whose conditions held, `struck` those it acted on."""

    id: str
    fault: str
    settings: Settings
    conditions: Settings
    since: float
    met: int = 0
    struck: int = 0

    def to_document(self) -> Settings:
        given = {name: value for name, value in self.conditions.items() if value != CONDITIONS[name]}
        return {"id": self.id, "fault": self.fault, **self.settings, **given, "struck": self.struck}

    def to_dump(self, now: float) -> Settings:
        """The document and how far the rule is; ``Faults.restore`` reads it back."""
        return {**self.to_document(), "met": self.met, "age": now - self.since}


@dataclass(slots=True)
class CallVerdict:
    """What the rules make of one call."""

    before: DrsError | None = None
    after: DrsError | None = None
    drop_before: bool = False
    drop_after: bool = False
    delay: float = 0.0
    stale_seconds: float = 0.0
    empty: bool = False
    rules: list[str] = field(default_factory=list)


class Faults:
    """The rules in force, in the order they were added."""

    def __init__(self, seed: str, now: Callable[[], float], operations: Collection[str]) -> None:
        self._seed = seed
        self._operations = operations
        self._now = now
        self._numbered = 0
        self.rules: dict[str, Rule] = {}

    def add(self, document: Settings) -> Rule:
        """Put a rule in force; raises ControlError naming what is wrong with it."""
        rule = self._parse(document)
        self.rules[rule.id] = rule
        return rule

    def restore(self, dumped: Settings) -> None:
        """Put a dumped rule in force where it stood: it goes on counting, and its window of time goes on."""
        document = dict(dumped)
        met, struck, age = document.pop("met"), document["struck"], document.pop("age")
        rule = self.add(document)
        rule.met, rule.struck, rule.since = met, struck, self._now() - age

    def remove(self, rule_id: str | None = None) -> None:
        """Lift one rule, or all of them. What a rule has already done to a launch stays done."""
        if rule_id is None:
            self.rules.clear()
        elif self.rules.pop(rule_id, None) is None:
            raise ControlError(f"no fault rule has the id {rule_id!r}")

    def verdict(self, occasion: Occasion) -> CallVerdict:
        """How a call is to be answered."""
        verdict = CallVerdict()
        for rule in self._striking(occasion, CALL_FAULTS):
            verdict.rules.append(rule.id)
            _judge(rule, verdict)
        return verdict

    def twists(self, occasion: Occasion, only: Rule | None = None) -> list[Twist]:
        """What happens to a server's launch; `only` asks about a single rule."""
        rules = self._striking(occasion, LAUNCH_FAULTS, [only] if only else None)
        return [_twist(rule) for rule in rules]

    def to_document(self) -> list[Settings]:
        return [rule.to_document() for rule in self.rules.values()]

    def to_dump(self) -> list[Settings]:
        """What ``restore`` puts in force again, rule by rule."""
        return [rule.to_dump(self._now()) for rule in self.rules.values()]

    def _parse(self, document: Settings) -> Rule:
        given = dict(document)
        name = given.pop("fault", None)
        defaults = CALL_FAULTS.get(name) if name in CALL_FAULTS else LAUNCH_FAULTS.get(str(name))
        if defaults is None:
            raise ControlError(f"unknown fault {name!r}: choose from {', '.join([*CALL_FAULTS, *LAUNCH_FAULTS])}")
        rule_id = str(given.pop("id", None) or self._new_id())
        given.pop("struck", None)
        if unknown := set(given) - set(defaults) - set(CONDITIONS):
            known = ", ".join([*defaults, *CONDITIONS])
            raise ControlError(f"fault {name} has no setting {sorted(unknown)[0]!r}: choose from {known}")
        settings = {key: given.get(key, default) for key, default in defaults.items()}
        conditions = {key: given.get(key, default) for key, default in CONDITIONS.items()}
        for key in ("operation", "sourceServerIDs"):
            if isinstance(conditions[key], str):
                conditions[key] = [conditions[key]]
        for key, value in {**settings, **conditions}.items():
            _check(str(name), key, value, required=(defaults | CONDITIONS)[key] is not None)
        check_operations(conditions["operation"] or (), self._operations)
        if name == "error" and not settings["code"]:
            raise ControlError("fault error needs a code, for instance AccessDeniedException")
        return Rule(rule_id, str(name), settings, conditions, self._now())

    def _new_id(self) -> str:
        self._numbered += 1
        while (rule_id := f"rule-{self._numbered}") in self.rules:
            self._numbered += 1
        return rule_id

    def _striking(
        self, occasion: Occasion, kinds: dict[str, Settings], rules: Sequence[Rule] | None = None
    ) -> Iterable[Rule]:
        for rule in self.rules.values() if rules is None else rules:
            if rule.fault in kinds and self._applies(rule, occasion):
                rule.struck += 1
                yield rule

    def _applies(self, rule: Rule, occasion: Occasion) -> bool:
        conditions = rule.conditions
        age = self._now() - rule.since - conditions["afterSeconds"]
        if age < 0 or (conditions["forSeconds"] is not None and age >= conditions["forSeconds"]):
            return False
        if not _concerns(conditions, occasion):
            return False
        rule.met += 1
        if rule.met <= conditions["skip"]:
            return False
        if conditions["count"] is not None and rule.struck >= conditions["count"]:
            return False
        chance = Random(f"{self._seed}/{rule.id}/{rule.met}").random()  # noqa: S311 - a reproducible draw, no secret
        return bool(chance < conditions["probability"])


def _concerns(conditions: Settings, occasion: Occasion) -> bool:
    for name, value in (("account", occasion.account), ("region", occasion.region)):
        if conditions[name] is not None and conditions[name] != value:
            return False
    if conditions["operation"] is not None and occasion.operation not in conditions["operation"]:
        return False
    if conditions["sourceServerIDs"] is not None and not occasion.servers & set(conditions["sourceServerIDs"]):
        return False
    if conditions["tags"] is not None and not conditions["tags"].items() <= occasion.tags.items():
        return False
    # Orchestrators tag a job with the wave it belongs to; whose prefix stands before ":wave" does not matter here.
    waves = [value for key, value in occasion.tags.items() if key == "wave" or key.endswith(":wave")]
    return conditions["wave"] is None or conditions["wave"] in waves


def _judge(rule: Rule, verdict: CallVerdict) -> None:
    settings = rule.settings
    error: DrsError | None = None
    match rule.fault:
        case "throttle":
            error = throttled(str(settings["retryAfterSeconds"]))
        case "server-error":
            error = internal(settings["message"], int(settings["retryAfterSeconds"]))
        case "error":
            error = DrsError(settings["code"], settings["message"], **settings["members"])
        case "reset-before":
            verdict.drop_before = True
        case "reset-after":
            verdict.drop_after = True
        case "slow":
            verdict.delay += settings["seconds"]
        case "stale":
            verdict.stale_seconds = max(verdict.stale_seconds, settings["seconds"])
        case "empty":
            verdict.empty = True
    if error and settings["afterEffect"]:
        verdict.after = verdict.after or error
    elif error:
        verdict.before = verdict.before or error


def _twist(rule: Rule) -> Twist:
    settings = rule.settings
    match rule.fault:
        case "launch-failure":
            return fail(Failure("launch", settings["text"]))
        case "late-failure":
            return fail(Failure("launch", settings["text"], delay=settings["seconds"]))
        case "conversion-failure":
            return fail(Failure("conversion", settings["text"]))
        case "snapshot-failure":
            return fail(Failure("snapshot", settings["text"]))
        case "iam-failure" | "capacity":
            return fail(Failure("launch", settings["text"], at_once=True))
        case "snapshot-fallback":
            return snapshot_fallback
        case "stuck":
            return stuck(settings["phase"])
        case "left-behind":
            return left_behind(settings["status"])
        case "unknown-event":
            return extra_event(settings["event"])
        case "unknown-status":
            return odd_status(settings["status"])
        case "unknown-job-status":
            return odd_job_status(settings["status"])
        case "unknown-action-status":
            return spoil_action(settings["name"], settings["status"], None)
        case _:
            return spoil_action(settings["name"], settings["status"], settings["failureReason"])
