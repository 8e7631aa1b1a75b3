"""Pages with console sessions in them: read, acted out, and written again with what was printed.

<!-- night: at 03:12 -->          what happens between two commands, for whoever acts the page out
```console
$ drctl list                      a command as it is typed, then what it printed
```
"""

import re
from collections.abc import Callable

_HAPPENS = re.compile(r"<!-- night: (.+) -->")
_BEGIN, _END, _PROMPT = "```console", "```", "$ "


def acted_out(page: str, happen: Callable[[str], None], run: Callable[[str], str]) -> str:
    """The page with every command's output as `run` gives it; `happen` is told, in between, what happens there."""
    lines: list[str] = []
    in_session = False
    for line in page.splitlines():
        if in_session and line.startswith(_PROMPT):
            lines += [line, *_printed(run(line.removeprefix(_PROMPT)))]
        elif in_session and line == _END:
            in_session = False
            lines.append(line)
        elif not in_session:
            in_session = line == _BEGIN
            lines.append(line)
            if found := _HAPPENS.fullmatch(line):
                happen(found[1])
    return "\n".join(lines) + "\n"


def commands(page: str) -> list[str]:
    """Everything that is typed on the page, in order."""
    sessions = re.findall(rf"^{_BEGIN}\n(.*?)^{_END}$", page, re.DOTALL | re.MULTILINE)
    typed = (line for session in sessions for line in session.splitlines() if line.startswith(_PROMPT))
    return [line.removeprefix(_PROMPT) for line in typed]


def _printed(output: str) -> list[str]:
    return [line.rstrip() for line in output.rstrip("\n").splitlines()]
