"""The embedded engine with the promise AWS makes and it does not: what was acknowledged outlives a power cut.

ministack writes its state to disk only when it is asked to stop. Run as a program, this module starts it with two
services that are durable, as DynamoDB and Step Functions are: a write to a table, and the start or stop of a state
machine execution, is on disk before its caller is told. The deployment itself (functions, API, rules, the state
machine) is put there with the first item: nobody writes items before the product is deployed.

What a SIGKILL destroys is everything on its way: requests not answered yet, Lambdas in the middle of their work,
events not delivered yet, and the place each state machine execution had reached. ministack can't go on from there:
after a restart every execution that was RUNNING is FAILED with States.ServiceRestart, and no event says so. AWS
would go on; so this is worse than anything AWS announces.
"""

import os
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Read when ministack is imported.
os.environ["PERSIST_STATE"] = "1"

from ministack import app
from ministack.core.persistence import save_all
from ministack.services import dynamodb, stepfunctions

from embedded import serve

Handler = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]

STATE = Path(os.environ["STATE_DIR"])

_STORES = {dynamodb: "_tables", stepfunctions: "_executions"}
_WRITES = {
    dynamodb: ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"),
    stepfunctions: ("StartExecution", "StopExecution"),
}


def make_durable(service: ModuleType) -> None:
    """Let `service` answer a successful write only once what it wrote is on disk, and load that when it starts."""
    handle: Handler = service.handle_request
    load: Callable[[Any], None] = service.load_persisted_state

    async def handle_request(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
        answer = await handle(method, path, headers, *rest)
        if answer[0] == 200 and headers.get("x-amz-target", "").split(".")[-1] in _WRITES[service]:
            _save_deployment()
            _save(service)
        return answer

    def load_persisted_state(state: dict[str, Any]) -> None:
        if _file(service).exists():
            store = pickle.loads(_file(service).read_bytes())  # noqa: S301 - nobody else writes there
            state |= {_STORES[service].removeprefix("_"): store}
        load(state)

    service.handle_request = handle_request  # type: ignore[attr-defined]
    service.load_persisted_state = load_persisted_state  # type: ignore[attr-defined]


def _save_deployment() -> None:
    if not any(_file(service).exists() for service in _STORES):
        save_all(app._build_persistence_save_dict())


def _save(service: ModuleType) -> None:
    """ministack's own format copies and encodes too slowly to do it with every write."""
    while True:
        try:
            state = pickle.dumps(getattr(service, _STORES[service]))
        except RuntimeError:  # a state machine execution went on in its thread while it was being read
            continue
        break
    draft = _file(service).with_suffix(".draft")
    draft.write_bytes(state)
    draft.replace(_file(service))


def _file(service: ModuleType) -> Path:
    return STATE / f"{service.__name__}.pickle"


if __name__ == "__main__":
    for each in _STORES:
        make_durable(each)
    serve.main()
