"""Servers of an embedded stack: who ends them, and who must not be hit. Real processes, no engine."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.processes import Server, tool

# A server with a worker of its own, as the engine has; both write their pids and then wait for a signal.
SERVER = """
import os, pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "worker").write_text(str(worker.pid))
(folder / "server.tmp").write_text(str(os.getpid()))
(folder / "server.tmp").rename(folder / "server")
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether `pid` runs; a process that has ended and waits for its parent to notice counts as gone."""
    if Path("/proc/self/stat").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
    else:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith(("Z", "X"))


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in ("server", "worker")]


def start(server: Server, folder: Path) -> None:
    server.start([sys.executable, "-c", SERVER, str(folder)], os.environ)
    server.wait_until((folder / "server").exists, 20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server("thing", tmp_path)
    yield server
    server.stop()


def test_stopping_a_server_ends_its_workers_too(server: Server, tmp_path: Path) -> None:
    start(server, tmp_path)
    assert server.is_running()
    assert all(alive(pid) for pid in pids(tmp_path))

    server.stop()

    assert not server.is_running()
    assert eventually(lambda: not any(alive(pid) for pid in pids(tmp_path)))


@pytest.mark.parametrize("released", [True, False])
def test_only_a_released_server_survives_an_owner_that_is_killed(tmp_path: Path, released: bool) -> None:
    owner = f"""
        import os, sys, time
        from pathlib import Path
        from embedded.processes import Server
        folder = Path(sys.argv[1])
        server = Server("thing", folder)
        server.start([sys.executable, "-c", {SERVER!r}, str(folder)], os.environ)
        server.wait_until((folder / "server").exists, 20)
        if {released}:
            server.release()
        os.kill(os.getpid(), {int(signal.SIGKILL)})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(owner), str(tmp_path)], check=False)
    left = Server("thing", tmp_path)
    try:
        if released:
            assert left.is_running()
        else:
            assert eventually(lambda: not left.is_running() and not any(alive(pid) for pid in pids(tmp_path)))
    finally:
        left.stop()
    assert eventually(lambda: not any(alive(pid) for pid in pids(tmp_path)))


def test_a_killed_server_is_gone_with_its_worker_and_can_be_started_again(server: Server, tmp_path: Path) -> None:
    start(server, tmp_path)
    killed = pids(tmp_path)
    server.kill()
    assert not server.is_running()
    assert eventually(lambda: not any(alive(pid) for pid in killed))

    (tmp_path / "server").unlink()
    start(server, tmp_path)
    assert server.is_running()
    server.kill()
    server.kill()
    assert not server.is_running()


def test_a_pid_that_belongs_to_somebody_else_by_now_is_not_signalled(server: Server) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        server.pid_file.write_text(str(bystander.pid))
        server.stop()
        assert not server.is_running()
        assert bystander.poll() is None


def test_a_server_that_cannot_start_says_why_from_its_log(server: Server) -> None:
    server.start([sys.executable, "-c", "raise SystemExit('port 80 is taken')"], os.environ)
    with pytest.raises(EmbeddedError, match=r"thing stopped while it was starting(.|\n)*port 80 is taken"):
        server.wait_until(lambda: False, 20)


def test_a_failing_tool_is_reported_with_the_end_of_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('wrong template'); raise SystemExit(3)"]
    with (
        pytest.raises(EmbeddedError, match=r"The deployment failed\.\n  \| wrong template"),
        tool(command, cwd=tmp_path, env=os.environ, log=tmp_path / "log", failure="The deployment failed."),
    ):
        pass


def test_a_tool_ends_with_its_workers_when_what_runs_beside_it_fails(tmp_path: Path) -> None:
    def interrupted() -> None:
        command = [sys.executable, "-c", SERVER, str(tmp_path)]
        with tool(command, cwd=tmp_path, env=os.environ, log=tmp_path / "log", failure="-"):
            assert eventually((tmp_path / "server").exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert eventually(lambda: not any(alive(pid) for pid in pids(tmp_path)))
