"""Pieces of HTML and SVG. All text is somebody else's unless it is `Markup`, and is escaped on its way in."""

from html import escape
from itertools import chain

# HTML's elements without an end.
_VOID = frozenset({"meta", "br", "hr"})


class Markup(str):
    """Text that is HTML already, because it was made here."""

    __slots__ = ()


type Content = str | int | None


def element(name: str, /, *content: Content, **attributes: str | float | None) -> Markup:
    """An element; None is left out. An attribute's `_` stands for `-`, one at its end for nothing (`class_`)."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = joined(*content)
    return Markup(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{inner}</{name}>")


def joined(*content: Content) -> Markup:
    return Markup("".join(each if isinstance(each, Markup) else _text(each) for each in content if each is not None))


def separated(separator: str, *content: Content) -> Markup:
    """The pieces that are there, with text between them."""
    present = [each for each in content if each]
    return joined(*list(chain.from_iterable((separator, each) for each in present))[1:])


def _text(value: object) -> str:
    """Escaped, and without what is no visible character: control codes, and marks that turn the reading direction."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return escape("".join(char if char.isprintable() else " " for char in text))
