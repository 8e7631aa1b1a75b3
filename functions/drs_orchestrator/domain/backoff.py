"""How long to leave DRS alone after it throttled or failed: doubling, capped, with jitter, never less than it asked.

What it asks is capped, too: an execution waits for all its places, and one Region must not hide the others for long.
"""

FIRST_SECONDS = 15
LONGEST_SECONDS = 60
LONGEST_ASKED_SECONDS = 300


def retry_after(troubles: int, asked: int | None, share: float) -> int:
    """Seconds to wait after `troubles` (1 or more) failures in a row.

    `asked` is DRS's own retryAfterSeconds. `share`, from 0 to 1, is the draw that spreads executions which failed
    together: a wait lies between half of the doubled interval and all of it. The cap keeps the truth fresh: an
    execution asks at least once a minute, however long DRS is away.
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS << min(troubles - 1, 10))
    return max(_heeded(asked), round(longest * (0.5 + share / 2)), 1)


def spread(seconds: int, asked: int | None, share: float) -> int:
    """`seconds` give or take a quarter, never less than DRS asked: those who wait for the same thing come apart."""
    return max(_heeded(asked), round(seconds * (0.75 + share / 2)), 1)


def _heeded(asked: int | None) -> int:
    return min(asked or 0, LONGEST_ASKED_SECONDS)
