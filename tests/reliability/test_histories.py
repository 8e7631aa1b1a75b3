"""Random histories end with the outcome the simulator's own state says they have."""

import os

import pytest

from tests.reliability.histories import History
from tests.reliability.soak import SOAK

# One test a batch, so that the batches can be spread over processes.
BATCHES = 40 if SOAK else 4
COUNT = int(os.environ.get("HISTORIES", "10000" if SOAK else "200"))
FIRST = int(os.environ.get("FIRST_SEED", "0"))


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.timeout(3600)
def test_every_history_ends_as_drs_says(batch: int) -> None:
    for seed in range(FIRST + batch, FIRST + COUNT, BATCHES):
        history = History(seed)
        if faults := history.run():
            story = "\n".join(f"{time - 1_800_000_000:9.1f}  {event}" for time, event in history.events)
            pytest.fail(f"{faults}\n{story}\nreplay: python -m tests.reliability.replay history {seed}")


def test_the_same_seed_gives_the_same_history() -> None:
    first, again = History(7), History(7)

    assert (first.run(), first.world.points, first.events) == (again.run(), again.world.points, again.events)
