"""Identifiers in the service's own forms. The n-th one depends only on the seed, so a dump needs only the count."""

import uuid
from random import Random


def hex17(prefix: str, seed: str, count: int) -> str:
    """`prefix` followed by 17 hexadecimal digits."""
    return f"{prefix}{_bits(seed, count, 68):017x}"


def uuid4(seed: str, count: int) -> str:
    """A UUID of version 4 in the usual notation."""
    return str(uuid.UUID(int=_bits(seed, count, 128), version=4))


def _bits(seed: str, count: int, width: int) -> int:
    return Random(f"{seed}/{count}").getrandbits(width)  # noqa: S311 - simulated ids, not secrets
