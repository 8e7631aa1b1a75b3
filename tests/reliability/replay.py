"""Runs one crash or one history again, as a failing test names it:

python -m tests.reliability.replay crash 0 before:12,after:13 driver-dies
"""

import json
import sys

from tests.reliability.crash_points import SCENARIOS, Crash, run
from tests.reliability.histories import History
from tests.reliability.world import START, virtual_aws


def main(arguments: list[str]) -> int:
    """Exit code 1 when something is wrong with the history."""
    match arguments:
        case ["crash", number, kills, driver]:
            with virtual_aws():
                world, faults = run(SCENARIOS[int(number)], Crash.parse(kills, driver))
                documents = [world.show(execution_id) for execution_id in world.records.executions]
        case ["history", seed]:
            with virtual_aws():
                history = History(int(seed))
                faults = history.run()
                documents = [history.world.show(each.execution_id) for each in history.started()]
            for time, event in history.events:
                print(f"{time - START:9.1f}  {event}", file=sys.stderr)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(json.dumps(documents, indent=1))
    print("\n".join(faults) or "all is well")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
