"""How commands speak: results go to standard output, what a person in trouble has to know to standard error."""

import json
import sys

from drctl.outcome import CliError
from drctl.wording import clean


def report(error: CliError, *, as_json: bool) -> None:
    if as_json:
        name = error.exit_code.name
        print_json({"error": name, "message": error.message, "details": error.details, "exitCode": error.exit_code})
    complain(error.message)
    for detail in error.details:
        message = clean(detail.get("message"))
        if message not in clean(error.message):
            print(f"  {clean(detail.get('pointer') or '/')}: {message}", file=sys.stderr)
        if detail.get("remedy"):
            print(f"    do: {clean(detail['remedy'])}", file=sys.stderr)
    if error.advice:
        hint(error.advice)


def complain(sentence: str) -> None:
    print(f"drctl: {clean(sentence)}", file=sys.stderr)


def hint(command: str) -> None:
    print(f"  try: {command}", file=sys.stderr)


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=True))
