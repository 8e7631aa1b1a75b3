"""Pages of a list. A token names the last item of its page, so items that appear meanwhile shift nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any

from drs_simulator.errors import invalid

MAX_PAGE_SIZE = 1000


def page[Item](
    items: Sequence[Item], key: Callable[[Item], str], params: dict[str, Any], operation: str, default_size: int
) -> tuple[Sequence[Item], dict[str, str]]:
    """One page of `items`, and ``{"nextToken": ...}`` if there are more; a token must come from the same operation."""
    size = min(params.get("maxResults") or default_size, MAX_PAGE_SIZE)
    start = 0
    if token := params.get("nextToken"):
        last = _read(token, operation)
        start = next((index + 1 for index, item in enumerate(items) if key(item) == last), -1)
        if start < 0:
            raise _bad_token()
    chosen = items[start : start + size]
    if start + size < len(items):
        return chosen, {"nextToken": _write(key(chosen[-1]), operation)}
    return chosen, {}


def _write(last: str, operation: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([operation, last]).encode()).decode()


def _read(token: str, operation: str) -> str:
    try:
        issued_for, last = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, binascii.Error) as error:
        raise _bad_token() from error
    if issued_for != operation:
        raise _bad_token()
    return str(last)


def _bad_token() -> Exception:
    return invalid("Invalid nextToken", "fieldValidationFailed", [{"name": "nextToken", "message": "Invalid token"}])
