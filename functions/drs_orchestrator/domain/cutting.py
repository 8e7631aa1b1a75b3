"""Cutting the words of AWS's services, which may be as long as they like, to what fits where many are kept together."""

_MORE = "…"


def cut(text: str, size: int) -> str:
    """The text in at most `size` bytes of UTF-8, by which DynamoDB and EventBridge measure; one that was longer ends
    with `…`, so that nobody takes it for all."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    return encoded[: size - len(_MORE.encode())].decode(errors="ignore") + _MORE
