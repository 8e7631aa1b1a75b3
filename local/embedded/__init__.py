"""The whole product on one machine: an AWS engine, a DRS simulator and the real template, without AWS or containers."""

from embedded.errors import EmbeddedError
from embedded.stack import Stack, down, up

__all__ = ["EmbeddedError", "Stack", "down", "up"]
