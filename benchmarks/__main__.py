"""Runs benchmarks and writes their sections of docs/performance.md; exit code 1 when one does not reach what is wanted.

python -m benchmarks                  # all of them
python -m benchmarks completion_lag   # some; the other sections stay as they are
"""

import argparse
import sys
from importlib import import_module

from benchmarks.page import Section, print_section, write

# In the order of the document. Each module's section() measures in full.
NAMES = (
    "completion_lag",
    "execution_cost",
    "growth",
    "status_index",
    "cold_start",
    "memory",
    "concurrency",
    "scaling",
    "simulator_rate",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none: all of them")
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}")
    codes = []
    for name in names:
        section: Section = import_module(f"benchmarks.{name}").section()
        codes.append(print_section(section))
        write([section], NAMES)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
