"""How long the parts of a launch take, as data.

The totals are those of real jobs (see docs/simulator.md for each figure's evidence); where only a job's total is known,
its split between the phases is ours and stays within the bounds that were observed. All values are seconds.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from drs_simulator.errors import ControlError

UNAUTHORIZED = (
    "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: "
    "You are not authorized to perform this operation."
)
SNAPSHOT_FAILED = "Failed to take snapshot"
CONVERSION_FAILED = "Conversion server launch failed"
LAUNCH_FAILED = "The EBS encryption key could not be found in this account"
NO_CAPACITY = (
    "An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation: "
    "We currently do not have sufficient capacity in the Availability Zone you requested."
)


@dataclass(frozen=True, slots=True)
class Span:
    """The fastest and the slowest server of a job; the others lie evenly between them."""

    fastest: float
    slowest: float

    def at(self, rank: float) -> float:
        """The duration of the server at `rank`, 0 being the fastest of the job and 1 the slowest."""
        return self.fastest + (self.slowest - self.fastest) * rank


@dataclass(frozen=True, slots=True)
class Failure:
    """One server's launch fails in `phase` (snapshot, conversion or launch), `delay` after that phase would have ended.

    `at_once` fails it as the phase begins. `text` becomes the log's rawError.
    """

    phase: str
    text: str
    delay: float = 0.0
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One recorded log event: `at` after the job's creation, of the server at position `server` of the job."""

    at: float
    event: str
    server: int | None = None
    raw_error: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """The timeline of a launch job. `conversion` None is the FAST recovery mode, which does not convert.

    `failure` hits every server of the job or, with `fails` "last", only the one given last.
    A `script` replays a recorded job event by event, for a job of the same number of servers.
    """

    name: str
    pending: float = 0.36
    snapshot_start: Span = Span(0.40, 0.43)
    snapshot: Span = Span(0.19, 0.19)
    conversion_start: Span = Span(51.97, 51.97)
    conversion: Span | None = Span(197.5, 197.5)
    launch_start: Span = Span(0.57, 0.70)
    launch: Span = Span(277.9, 279.3)
    completion: float = 2.8
    failure: Failure | None = None
    fails: str = "all"
    script: tuple[ScriptStep, ...] = field(default=())

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Profile":
        """Read a profile written as plain data (a scenario file, the control API)."""
        try:
            values = dict(document)
            for name in ("snapshot_start", "snapshot", "conversion_start", "conversion", "launch_start", "launch"):
                if values.get(name) is not None:
                    values[name] = _span(values[name])
            if values.get("failure") is not None:
                values["failure"] = Failure(**values["failure"])
            values["script"] = tuple(ScriptStep(**step) for step in values.get("script", ()))
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ControlError(f"profile {document.get('name', '')!r} is malformed: {error}") from error

    def to_document(self) -> dict[str, Any]:
        """The profile as plain data; ``from_document`` reads it back."""
        return asdict(self)


def _span(value: Any) -> Span:
    if isinstance(value, dict):
        return Span(**value)
    if isinstance(value, int | float):
        return Span(value, value)
    fastest, slowest = value
    return Span(fastest, slowest)


# Two Linux servers, seen twice: 533 s and 539 s. The figures are those of the first, event by event.
LINUX_2 = Profile(name="linux-2")

# Two Windows servers: 1,436 s in all, each phase at the slow end of what was observed.
WINDOWS_2 = Profile(
    name="windows-2",
    pending=5.0,
    conversion_start=Span(180.0, 190.0),
    conversion=Span(830.0, 845.0),
    launch=Span(370.0, 390.9),
    completion=3.8,
)

# One LAUNCHED, the other LAUNCH_FAILED ten minutes after it, the job COMPLETED only then: 1,861 s.
WINDOWS_LATE_FAILURE = Profile(
    name="windows-late-failure",
    pending=5.0,
    conversion_start=Span(120.0, 120.0),
    conversion=Span(738.0, 738.0),
    launch=Span(390.4, 390.4),
    completion=3.1,
    failure=Failure("launch", LAUNCH_FAILED, delay=603.3),
    fails="last",
)

# Twenty-five servers: 1,726 s. DRS works through them in a queue, hence the spread of the beginnings.
SERVERS_25 = Profile(
    name="servers-25",
    pending=8.0,
    snapshot_start=Span(0.4, 305.0),
    snapshot=Span(0.2, 0.9),
    conversion_start=Span(50.0, 186.0),
    conversion=Span(175.0, 842.0),
    launch=Span(278.0, 379.6),
    completion=3.8,
)

# FAST recovery mode: the same launch without a conversion.
FAST_MODE = Profile(name="fast-mode", conversion=None)

# The caller lacks an EC2 permission: seen to end after 204 s (the job converts and never launches) or after 1 s.
MISSING_PERMISSION = Profile(
    name="missing-permission",
    conversion_start=Span(50.0, 50.0),
    conversion=Span(149.7, 149.7),
    launch_start=Span(0.5, 0.5),
    launch=Span(0.1, 0.1),
    failure=Failure("launch", UNAUTHORIZED),
)
MISSING_PERMISSION_AT_ONCE = Profile(
    name="missing-permission-at-once",
    pending=0.1,
    snapshot_start=Span(0.2, 0.2),
    snapshot=Span(0.2, 0.2),
    completion=0.5,
    failure=Failure("snapshot", UNAUTHORIZED),
)

BUILT_IN = {
    profile.name: profile
    for profile in (
        LINUX_2,
        WINDOWS_2,
        WINDOWS_LATE_FAILURE,
        SERVERS_25,
        FAST_MODE,
        MISSING_PERMISSION,
        MISSING_PERMISSION_AT_ONCE,
    )
}


def from_log(name: str, created: float, ended: float, log: list[tuple[float, str, str | None, str | None]]) -> Profile:
    """Turn a recorded job into a profile that replays it.

    `log` holds (time, event, source server id, rawError) in order; times are epoch seconds like `created` and `ended`.
    Servers are numbered by their first appearance in the log.
    """
    order: list[str] = []
    for _, _, server, _ in log:
        if server and server not in order:
            order.append(server)
    steps = tuple(
        ScriptStep(at=at - created, event=event, server=order.index(server) if server else None, raw_error=raw_error)
        for at, event, server, raw_error in log
        if event != "JOB_END"
    )
    last = max((step.at for step in steps), default=0.0)
    return Profile(name=name, completion=ended - created - last, script=steps)
