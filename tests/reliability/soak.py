"""How much of the reliability suite runs: a sample with every test run, all of it with SOAK=1 in the environment."""

import os
from collections.abc import Iterable
from itertools import islice

SOAK = os.environ.get("SOAK", "") not in ("", "0")


def sample[T](things: Iterable[T], every: int) -> Iterable[T]:
    """All of them when soaking, else each `every`th."""
    return things if SOAK else islice(things, 0, None, every)
