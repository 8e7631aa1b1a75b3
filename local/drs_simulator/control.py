"""The control API under ``/_sim/``: how people and tests steer the simulator. JSON in, JSON out."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from drs_simulator import scenarios, state, views
from drs_simulator.accounts import ACCOUNT, Accounts
from drs_simulator.errors import ControlError
from drs_simulator.simulator import DEFAULT_ACCOUNT, DEFAULT_REGION, Simulator

Document = dict[str, Any]
Handler = Callable[[Request], Awaitable[JSONResponse]]


class Control:
    """The control API of one simulator. Every mistake in a request is answered 400 with a sentence about it."""

    def __init__(self, simulator: Simulator, accounts: Accounts) -> None:
        self._simulator = simulator
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """The routes, relative to the API's prefix."""
        return [
            Route("/health", self._handler(self._health), methods=["GET"]),
            Route("/reset", self._handler(self._reset), methods=["POST"]),
            Route("/speed", self._handler(self._speed), methods=["POST"]),
            Route("/mode", self._handler(self._mode), methods=["POST"]),
            Route("/advance", self._handler(self._advance), methods=["POST"]),
            Route("/servers", self._handler(self._servers), methods=["POST"]),
            Route("/replication", self._handler(self._replication), methods=["POST"]),
            Route("/scenario", self._handler(self._scenario), methods=["POST"]),
            Route("/profile", self._handler(self._profile), methods=["POST"]),
            Route("/profiles", self._handler(self._profiles), methods=["GET"]),
            Route("/hold", self._handler(self._hold), methods=["POST"]),
            Route("/jobs/advance", self._handler(self._advance_jobs), methods=["POST"]),
            Route("/instances", self._handler(self._instances), methods=["POST"]),
            Route("/worlds", self._handler(self._worlds), methods=["POST"]),
            Route("/accounts", self._handler(self._map_accounts), methods=["POST"]),
            Route("/faults", self._handler(self._add_faults), methods=["POST"]),
            Route("/faults", self._handler(self._list_faults), methods=["GET"]),
            Route("/faults", self._handler(self._remove_faults), methods=["DELETE"]),
            Route("/faults/{rule_id}", self._handler(self._remove_faults), methods=["DELETE"]),
            Route("/switches", self._handler(self._set_switches), methods=["POST"]),
            Route("/switches", self._handler(self._list_switches), methods=["GET"]),
            Route("/calls", self._handler(self._list_calls), methods=["GET"]),
            Route("/calls", self._handler(self._clear_calls), methods=["DELETE"]),
            Route("/state", self._handler(self._dump), methods=["GET"]),
            Route("/state", self._handler(self._load), methods=["POST"]),
            Route("/events", self._handler(self._events), methods=["POST"]),
        ]

    def _handler(self, answer: Callable[[Request, Document], Document]) -> Handler:
        async def handle(request: Request) -> JSONResponse:
            try:
                return JSONResponse(answer(request, _body(await request.body())))
            except ControlError as error:
                return JSONResponse({"error": "BadRequest", "message": str(error)}, status_code=400)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                message = f"the request is malformed: {error!r}"
                return JSONResponse({"error": "BadRequest", "message": message}, status_code=400)

        return handle

    def _health(self, _request: Request, _body: Document) -> Document:
        clock = self._simulator.clock
        return {"status": "ok", "now": clock.now(), "speed": clock.speed, "mode": clock.mode}

    def _reset(self, request: Request, body: Document) -> Document:
        self._simulator.reset(body.get("seed"))
        if "speed" in body:
            self._simulator.clock.set_speed(_number(body, "speed"))
        if "profile" in body:
            self._simulator.use_profile(body["profile"])
        return self._health(request, body)

    def _speed(self, request: Request, body: Document) -> Document:
        self._simulator.settle()
        self._simulator.clock.set_speed(_number(body, "speed"))
        return self._health(request, body)

    def _mode(self, request: Request, body: Document) -> Document:
        self._simulator.settle()
        if body.get("mode") == "stepped":
            self._simulator.clock.step(_number(body, "now") if "now" in body else None)
        elif body.get("mode") == "running":
            self._simulator.clock.run()
        else:
            raise ControlError(f"mode must be stepped or running, got {body.get('mode')!r}")
        return self._health(request, body)

    def _advance(self, request: Request, body: Document) -> Document:
        self._simulator.clock.advance(_number(body, "seconds"))
        self._simulator.settle()
        return self._health(request, body)

    def _servers(self, _request: Request, body: Document) -> Document:
        account, region = _world_of(body)
        servers = self._simulator.add_servers(body.get("servers", []), account, region)
        world = self._simulator.world(account, region)
        now, shape = self._simulator.now(), self._simulator.switches.apiShape
        return {"servers": [views.source_server(world, server, now, shape) for server in servers]}

    def _replication(self, _request: Request, body: Document) -> Document:
        account, region = _world_of(body)
        changed = self._simulator.set_replication(
            account, region, _texts(body, "sourceServerIDs") or [], str(body.get("state", "")), body.get("lag")
        )
        return {"sourceServerIDs": [server.id for server in changed]}

    def _scenario(self, _request: Request, body: Document) -> Document:
        document = scenarios.load(str(body["file"])) if "file" in body else body
        return scenarios.apply(self._simulator, document)

    def _profile(self, _request: Request, body: Document) -> Document:
        if "profile" not in body:
            raise ControlError("profile is missing: name one, or give a profile document")
        return self._simulator.use_profile(body["profile"], _texts(body, "sourceServerIDs")).to_document()

    def _profiles(self, _request: Request, _body: Document) -> Document:
        listed = [profile.to_document() for profile in self._simulator.profiles.values()]
        return {"default": self._simulator.default_profile, "profiles": listed}

    def _hold(self, _request: Request, body: Document) -> Document:
        self._simulator.set_hold(_flag(body, "hold"))
        return {"hold": self._simulator.hold}

    def _advance_jobs(self, _request: Request, body: Document) -> Document:
        jobs = self._simulator.push_jobs(str(body.get("to")), _texts(body, "jobIDs"))
        return {"jobs": [{"jobID": job.id, "status": job.status[-1][1]} for job in jobs]}

    def _instances(self, _request: Request, body: Document) -> Document:
        protected = _flag(body, "terminationProtection")
        self._simulator.protect(str(body.get("recoveryInstanceID")), protected)
        return {"recoveryInstanceID": body["recoveryInstanceID"], "terminationProtection": protected}

    def _worlds(self, _request: Request, body: Document) -> Document:
        account, region = _world_of(body)
        world = self._simulator.world(account, region)
        world.initialized = _flag(body, "initialized")
        return {"account": account, "region": region, "initialized": world.initialized}

    def _map_accounts(self, _request: Request, body: Document) -> Document:
        for key, account in body.get("keys", {}).items():
            if not ACCOUNT.fullmatch(str(account)):
                raise ControlError(f"the account of access key {key} must have twelve digits, got {account!r}")
            self._accounts.keys[str(key)] = str(account)
        if "stsEndpoint" in body:
            self._accounts.sts_endpoint = body["stsEndpoint"]
        return {"keys": sorted(self._accounts.keys), "stsEndpoint": self._accounts.sts_endpoint}

    def _add_faults(self, _request: Request, body: Document) -> Document:
        return {"ids": [self._simulator.add_fault(rule).id for rule in body.get("rules", [])]}

    def _list_faults(self, _request: Request, _body: Document) -> Document:
        return {"rules": self._simulator.faults.to_document()}

    def _remove_faults(self, request: Request, _body: Document) -> Document:
        self._simulator.faults.remove(request.path_params.get("rule_id"))
        return {"rules": self._simulator.faults.to_document()}

    def _set_switches(self, _request: Request, body: Document) -> Document:
        return self._simulator.set_switches(body).to_document()

    def _list_switches(self, _request: Request, _body: Document) -> Document:
        return self._simulator.switches.to_document()

    def _list_calls(self, request: Request, _body: Document) -> Document:
        calls = self._simulator.calls.listed(request.query_params.get("operation"))
        return {"calls": [call.to_document() for call in calls]}

    def _clear_calls(self, _request: Request, _body: Document) -> Document:
        self._simulator.calls.clear()
        return {"calls": []}

    def _dump(self, _request: Request, _body: Document) -> Document:
        return state.dump(self._simulator)

    def _load(self, request: Request, body: Document) -> Document:
        state.load(self._simulator, body)
        return self._health(request, body)

    def _events(self, _request: Request, body: Document) -> Document:
        self._simulator.events.use(body.get("busEndpoint"), body.get("busName"))
        return {"on": self._simulator.events.is_on}


def _body(content: bytes) -> Document:
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise ControlError("the request body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the request body must be a JSON object")
    return body


def _world_of(body: Document) -> tuple[str, str]:
    account, region = str(body.get("account", DEFAULT_ACCOUNT)), str(body.get("region", DEFAULT_REGION))
    if not ACCOUNT.fullmatch(account):
        raise ControlError(f"account must have twelve digits, got {account!r}")
    return account, region


def _number(body: Document, name: str) -> float:
    value = body.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ControlError(f"{name} must be a number, got {value!r}")
    return float(value)


def _flag(body: Document, name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise ControlError(f"{name} must be true or false, got {value!r}")
    return value


def _texts(body: Document, name: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ControlError(f"{name} must be a list of texts")
    return value
