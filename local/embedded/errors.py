"""What can go wrong while a stack is started or stopped, as one sentence for a person."""

from pathlib import Path

TAIL_LINES = 15


class EmbeddedError(Exception):
    """A sentence that says what failed and what to do; `log` names the file whose last lines explain it."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence)
        # Read at once: the log is gone once the failed stack has been taken down.
        self.tail = _tail(log) if log else ""

    def __str__(self) -> str:
        sentence = super().__str__()
        return f"{sentence}\n{self.tail}" if self.tail else sentence


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(f"  | {line}" for line in lines[-TAIL_LINES:])
