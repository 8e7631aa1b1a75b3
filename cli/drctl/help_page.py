"""docs/cli.md, written from the program's own --help: `python -m drctl.help_page` in the project's root."""

from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from drctl.main import app

PAGE = Path("docs/cli.md")

_HEAD = """# drctl

The orchestrator's command line. It talks to the API only and signs every request with your AWS credentials.

```sh
export API_URL=...                                # the stack's output ApiUrl; locally: . .local/env.sh
drctl plan check plans/three-tier.yaml            # needs no AWS access
drctl plan put plans/three-tier.yaml
drctl start three-tier --drill --watch
drctl approve EXECUTION_ID --reason "the database is consistent"
drctl history EXECUTION_ID
```

- Credentials and Region are those of the AWS session: environment, `AWS_PROFILE`, SSO, instance role. An API Gateway
  address names its Region itself.
- On a terminal `watch` and `start --watch` show a live screen; anywhere else they print one line per change. Ctrl-C
  stops the watching, never the execution.
- With `--json` standard output holds one JSON document: the API's answer, the final document of a watched execution,
  or `{"error", "message", "details", "exitCode"}`. Lists without `--json` are tab-separated when they go to a pipe.
- What an execution waits for stands in `status` and `watch`, with the command that answers it. Every decision stands in
  the execution's history ([history.md](history.md)) with your ARN and your reason.
- `start` always sends a client token. When its answer gets lost, the command that repeats it without starting twice
  is printed.
"""


def help_page() -> str:
    sections = [f"\n## {' '.join(path)}\n\n```text\n{_help(path)}```\n" for path in _commands()]
    return _HEAD + "".join(sections)


def _commands() -> Iterator[list[str]]:
    root = get_command(app)
    yield ["drctl"]
    for name, command in getattr(root, "commands", {}).items():
        yield ["drctl", name]
        for inner in getattr(command, "commands", {}):
            yield ["drctl", name, inner]


def _help(path: list[str]) -> str:
    # A terminal's width and an API_URL of whoever runs this would change the text.
    environment = {"COLUMNS": "120", "TERMINAL_WIDTH": "120", "API_URL": None}
    return CliRunner().invoke(app, [*path[1:], "--help"], prog_name="drctl", env=environment).stdout


if __name__ == "__main__":
    PAGE.write_text(help_page(), encoding="utf-8")
