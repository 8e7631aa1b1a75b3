"""What nobody has documented about DRS, one named switch each.

Both settings of every switch are possible worlds; software that works on DRS has to be right in all of them.
The defaults are what was observed in real runs, or the less comfortable world where nothing was.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from drs_simulator.errors import ControlError

CLEANUP_PLACES = ("before-snapshot", "before-launch", "after-launch")
API_SHAPES = ("2022", "2024")
UNKNOWN_RESOURCE_ERRORS = ("ResourceNotFoundException", "ValidationException")
RUN_LISTINGS = ("together", "one-by-one")


@dataclass(frozen=True, slots=True)
class Switches:
    """The settings in force. Names are those of the control API."""

    # A job stays STARTED until the launch actions of its servers are over.
    completedWaitsForLaunchActions: bool = False  # noqa: N815
    # DescribeJobs carries participatingServers[].recoveryInstanceID once a server has launched.
    recoveryInstanceIdInJob: bool = False  # noqa: N815
    # The job log says LAUNCH_END, an event the SDK's model does not list.
    launchEndInLog: bool = True  # noqa: N815
    # Where a job removes the earlier recovery instances of its servers.
    cleanupPlace: str = "before-snapshot"  # noqa: N815
    # Seconds between the last server's end and the job's; None: as the profile says (2 to 4).
    completionGraceSeconds: float | None = None  # noqa: N815
    # A finished TERMINATE job no longer lists its servers.
    participatingServersEmptyAfterTerminate: bool = True  # noqa: N815
    # The fields of a job: "2022" has neither launchActionsStatus nor participatingResources.
    apiShape: str = "2024"  # noqa: N815
    # A job's tags hold its own ARN under the key resourceArn (seen once, cause unknown).
    resourceArnTag: bool = False  # noqa: N815
    # The error for a source server or recovery instance that does not exist.
    unknownResourceError: str = "ResourceNotFoundException"  # noqa: N815
    # launchActionsStatus.runs lists every action once the SSM agent was found, or each one as it starts.
    launchActionRuns: str = "together"  # noqa: N815
    # Seconds from a server's launch until its SSM agent is found and launch actions begin.
    ssmDiscoverySeconds: float = 20.0  # noqa: N815
    # How long StartRecovery takes to answer: seconds for each server (tens of seconds were seen for 25 and more).
    startRecoverySecondsPerServer: float = 0.0  # noqa: N815
    # Items in a page when the caller names no maxResults.
    defaultPageSize: int = 100  # noqa: N815
    # [requests per second, burst] of each operation in an account and Region; "*" stands for the others.
    requestRates: dict[str, list[float]] | None = None  # noqa: N815

    def changed(self, values: dict[str, Any]) -> "Switches":
        """These switches with some set anew; raises ControlError naming the one that is wrong."""
        known = {item.name for item in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ControlError(f"unknown switch {name!r}: choose from {', '.join(sorted(known))}")
            _check(name, value)
        return replace(self, **values)

    def to_document(self) -> dict[str, Any]:
        return asdict(self)


_CHOICES = {
    "cleanupPlace": CLEANUP_PLACES,
    "apiShape": API_SHAPES,
    "unknownResourceError": UNKNOWN_RESOURCE_ERRORS,
    "launchActionRuns": RUN_LISTINGS,
}
_FLAGS = {
    "completedWaitsForLaunchActions",
    "recoveryInstanceIdInJob",
    "launchEndInLog",
    "participatingServersEmptyAfterTerminate",
    "resourceArnTag",
}


def _check(name: str, value: Any) -> None:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ControlError(f"switch {name} must be one of {', '.join(_CHOICES[name])}, got {value!r}")
    elif name in _FLAGS:
        if not isinstance(value, bool):
            raise ControlError(f"switch {name} must be true or false, got {value!r}")
    elif name == "requestRates":
        if value is not None and not (isinstance(value, dict) and all(_is_rate(rate) for rate in value.values())):
            raise ControlError('switch requestRates must look like {"DescribeJobs": [requests per second, burst]}')
    elif name == "defaultPageSize":
        if not _is_number(value) or value != int(value) or not 1 <= value <= 1000:
            raise ControlError(f"switch defaultPageSize must be a whole number from 1 to 1000, got {value!r}")
    elif not (_is_number(value) and value >= 0) and not (value is None and name == "completionGraceSeconds"):
        raise ControlError(f"switch {name} must be a number of seconds, got {value!r}")


def _is_rate(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(n) and n > 0 for n in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
