"""The DRS simulator's control API as a small client, and the simulator as a process of a test's own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

Document = dict[str, Any]


class SimulatorControl:
    """Steers a simulator at `url`. Raises AssertionError with the simulator's own sentence when it refuses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_sim", timeout=30.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def health(self) -> Document:
        return self._ask("GET", "/health")

    def reset(self, **settings: Any) -> None:
        """Forget everything but the clock; `seed`, `speed` and `profile` may be given."""
        self._ask("POST", "/reset", settings)

    def load_scenario(self, name: str) -> None:
        """Start over with a scenario of `local/scenarios/`."""
        self._ask("POST", "/scenario", {"file": name})

    # -- time ------------------------------------------------------------------------------------------------------

    def set_speed(self, speed: float) -> None:
        self._ask("POST", "/speed", {"speed": speed})

    def step(self, now: float) -> None:
        """Stand still at `now` (epoch seconds) until `advance`."""
        self._ask("POST", "/mode", {"mode": "stepped", "now": now})

    def run(self) -> None:
        self._ask("POST", "/mode", {"mode": "running"})

    def advance(self, seconds: float) -> None:
        self._ask("POST", "/advance", {"seconds": seconds})

    # -- servers and jobs ------------------------------------------------------------------------------------------

    def add_servers(self, servers: Sequence[Document], **world: str) -> list[Document]:
        """Create source servers, in another `account` or `region` if given; returns them as DRS shows them."""
        created: list[Document] = self._ask("POST", "/servers", {"servers": list(servers), **world})["servers"]
        return created

    def use_profile(self, profile: str | Document, servers: Sequence[str] | None = None) -> None:
        body: Document = {"profile": profile}
        if servers is not None:
            body["sourceServerIDs"] = list(servers)
        self._ask("POST", "/profile", body)

    def hold(self, held: bool) -> None:
        """With `held`, new jobs stay PENDING until they are pushed."""
        self._ask("POST", "/hold", {"hold": held})

    def replicate(self, servers: Sequence[str], state: str) -> None:
        """Change how source servers replicate."""
        self._ask("POST", "/replication", {"sourceServerIDs": list(servers), "state": state})

    def protect(self, instance_id: str, *, protected: bool = True) -> None:
        """Switch EC2's termination protection of a recovery instance on or off."""
        self._ask("POST", "/instances", {"recoveryInstanceID": instance_id, "terminationProtection": protected})

    def push_jobs(self, to: str, job_ids: Sequence[str] | None = None) -> list[Document]:
        body: Document = {"to": to}
        if job_ids is not None:
            body["jobIDs"] = list(job_ids)
        jobs: list[Document] = self._ask("POST", "/jobs/advance", body)["jobs"]
        return jobs

    def map_accounts(self, keys: dict[str, str]) -> None:
        """Tell whose access keys these are: access key id → account."""
        self._ask("POST", "/accounts", {"keys": keys})

    def initialize(self, initialized: bool, **world: str) -> None:
        """Whether DRS has been set up in an account and Region."""
        self._ask("POST", "/worlds", {"initialized": initialized, **world})

    # -- trouble ---------------------------------------------------------------------------------------------------

    def add_fault(self, fault: str, **settings: Any) -> str:
        """Put a fault rule in force; returns its id."""
        ids: list[str] = self._ask("POST", "/faults", {"rules": [{"fault": fault, **settings}]})["ids"]
        return ids[0]

    def remove_faults(self, rule_id: str | None = None) -> None:
        self._ask("DELETE", f"/faults/{rule_id}" if rule_id else "/faults")

    def switch(self, **values: Any) -> None:
        self._ask("POST", "/switches", values)

    # -- what was asked of it --------------------------------------------------------------------------------------

    def calls(self, operation: str | None = None) -> list[Document]:
        """The DRS calls received so far, in order, with their `request` and whether each `tookEffect`."""
        query = f"?operation={operation}" if operation else ""
        calls: list[Document] = self._ask("GET", f"/calls{query}")["calls"]
        return calls

    def clear_calls(self) -> None:
        self._ask("DELETE", "/calls")

    def _ask(self, method: str, path: str, body: Document | None = None) -> Document:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, f"the simulator refused {method} /_sim{path}: {answer.text}"
        document: Document = answer.json()
        return document


@contextmanager
def running_simulator(*arguments: str) -> Iterator[str]:
    """A simulator process on a free port; gives its URL. It ends with the block, whatever happens in it."""
    command = [sys.executable, "-m", "drs_simulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                _, problem = process.communicate(timeout=10)
                raise RuntimeError(f"the simulator did not start: {problem}")
            yield url
        finally:
            process.terminate()
            process.communicate(timeout=10)
