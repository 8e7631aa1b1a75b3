"""Pre-flight's answer, short enough for a Lambda to send: 6 MB, see "Lambda quotas" in its Developer Guide.

On a bad night every one of 3,000 servers has the same warnings. An ERROR, which decides, is never left out.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

_LISTED_WARNINGS = 200


def short_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a pre-flight or a dry run with the first 200 WARNINGs of a check; where there are more of one,
    `MoreWarnings` says how many, by check."""
    found = Counter[str]()
    findings = []
    for finding in document["Findings"]:
        is_warning = finding["Severity"] == "WARNING"
        found[finding["Check"]] += is_warning
        if not is_warning or found[finding["Check"]] <= _LISTED_WARNINGS:
            findings.append(finding)
    more = {check: count - _LISTED_WARNINGS for check, count in found.items() if count > _LISTED_WARNINGS}
    return {**document, "Findings": findings} | ({"MoreWarnings": more} if more else {})
