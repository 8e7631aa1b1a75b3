"""placeholder"""

from collections.abc import Callable


def run(say: Callable[[str], None]) -> int:
    return 0
