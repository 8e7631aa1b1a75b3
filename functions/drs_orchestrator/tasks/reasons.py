"""Why somebody does something, in the words of whoever asks for it: shown, mailed and printed wherever it is told."""

import re

MAX_REASON_CHARACTERS = 500
REASON_FAULT = f"Reason must be a text of 1 to {MAX_REASON_CHARACTERS} characters on one line."

# One line without control characters; and no half of a surrogate pair, which no database can hold.
_REASON = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_REASON_CHARACTERS}}}")


def is_reason(value: object) -> bool:
    """Whether the value of a request's Reason is one."""
    return isinstance(value, str) and bool(_REASON.fullmatch(value) and value.strip())
