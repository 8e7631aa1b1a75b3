"""The functions of the template in this process: found by their logical id, given JSON, answering JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest import mock

from drs_orchestrator.bootstrap import App
from tests.helpers.template import template

Call = Callable[[str, Any], Any]

_CONTEXT = SimpleNamespace(
    function_name="function", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="request"
)


def functions() -> dict[str, dict[str, Any]]:
    """The properties of each function by logical id, with those that Globals gives all."""
    common = template()["Globals"]["Function"]
    resources = template()["Resources"].items()
    return {name: common | each["Properties"] for name, each in resources if each["Type"].endswith("::Function")}


def handler_module(logical_id: str) -> str:
    """The module the template names as the function's handler."""
    module: str = functions()[logical_id]["Handler"].rpartition(".")[0]
    return module


@contextmanager
def shipped_functions(app: App) -> Iterator[Call]:
    """`call(logical_id, event)` invokes the template's handler; all of them work with `app`.

    They are given it once, not call by call, because drivers of several generations may run at once.
    """
    with ExitStack() as stack:
        handlers = {}
        for name, properties in functions().items():
            module = import_module(handler_module(name))
            stack.enter_context(mock.patch.object(module, "app", return_value=app))
            handlers[name] = getattr(module, properties["Handler"].rpartition(".")[2])
        yield lambda name, event: json.loads(json.dumps(handlers[name](json.loads(json.dumps(event)), _CONTEXT)))
