"""The embedded engine alone, on a free port: nothing is deployed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import engine
from embedded.processes import Server, free_port


@contextmanager
def running_engine(folder: Path) -> Iterator[str]:
    """The URL of an engine that keeps what it writes in `folder`; it ends with the block, whatever happens in it."""
    port = free_port()
    server, url = Server("engine", folder), f"http://127.0.0.1:{port}"
    (folder / "tmp").mkdir()
    server.start(engine.COMMAND, engine.environment(folder, port, wait_scale=1.0, lambda_concurrency=1))
    try:
        server.wait_until(lambda: engine.is_ready(url), engine.START_SECONDS)
        yield url
    finally:
        server.stop()
