"""HTTP requests in, HTTP responses out, both held to botocore's model of the service.

The protocol is rest-json: an operation is a method and a path, its input the JSON body (tags: path and query too), an
error is named in the header ``x-amzn-ErrorType``. Account and Region are those the request was signed for.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, Shape, StructureShape

from drs_simulator import ids
from drs_simulator.calls import Call
from drs_simulator.errors import DrsError, internal, invalid
from drs_simulator.operations import OPERATIONS
from drs_simulator.shapes import Fault, faults_of
from drs_simulator.simulator import Caller, Outcome, Simulator

CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/[^/]+/aws4_request")
logger = logging.getLogger(__name__)

TAGS_PATH = "/tags/"
# Errors of AWS's front door: no shapes of the service model.
FRONT_DOOR_STATUS = {"MissingAuthenticationTokenException": 403, "IncompleteSignatureException": 403}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; `path` is still percent-encoded, header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response to be sent `delay` seconds from now; `dropped` means: cut the connection instead."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    dropped: bool = False


class ModelBreach(Exception):
    """An answer of ours does not fit the service model."""


class Wire:
    """The DRS endpoint of a simulator. `account_of` maps an access key id to its account."""

    def __init__(self, simulator: Simulator, account_of: Callable[[str], str]) -> None:
        self._simulator = simulator
        self._account_of = account_of
        self._answered = 0
        self._model = botocore.session.get_session().get_service_model("drs")
        self._operations: dict[tuple[str, str], OperationModel] = {}
        for name in self._model.operation_names:
            model = self._model.operation_model(name)
            path = TAGS_PATH if model.http["requestUri"].startswith(TAGS_PATH) else model.http["requestUri"]
            self._operations[model.http["method"], path] = model

    def respond(self, request: Request) -> Response:
        """Answer one request and record it."""
        now = self._simulator.now()
        model = self._find(request)
        operation = model.name if model else f"{request.method} {request.path}"
        params: dict[str, Any] = {}
        caller = Caller()
        try:
            caller = self._caller(request)
            if model is None or model.name not in OPERATIONS:
                raise invalid(f"The simulator does not know the operation {operation}", "unknownOperation")
            params = self._parse(model, request)
            outcome = self._simulator.perform(model.name, params, caller)
        except DrsError as error:
            outcome = Outcome(error=error)
        try:
            response = self._encode(model, outcome)
        except ModelBreach as breach:
            logger.exception("an answer does not fit the service model")
            outcome.error = internal(f"The simulator's own answer does not fit the service model: {breach}")
            response = self._encode_error(outcome.error, outcome.delay)
        self._simulator.calls.add(
            Call(
                operation=operation,
                time=now,
                account=caller.account,
                region=caller.region,
                status=None if response.dropped else response.status,
                request=params,
                error_code=outcome.error.name if outcome.error and not response.dropped else None,
                faults=tuple(outcome.faults),
                took_effect=outcome.took_effect,
            )
        )
        return response

    def _find(self, request: Request) -> OperationModel | None:
        path = TAGS_PATH if request.path.startswith(TAGS_PATH) else request.path.rstrip("/")
        return self._operations.get((request.method, path))

    def _caller(self, request: Request) -> Caller:
        authorization = request.headers.get("authorization")
        if not authorization:
            raise DrsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        match = CREDENTIAL.search(authorization)
        if not match:
            raise DrsError("IncompleteSignatureException", "Authorization header requires a 'Credential' parameter")
        return Caller(self._account_of(match["key"]), match["region"])

    def _parse(self, model: OperationModel, request: Request) -> dict[str, Any]:
        params = self._body(request)
        shape = model.input_shape
        if not isinstance(shape, StructureShape):
            return {}
        if request.path.startswith(TAGS_PATH):
            params["resourceArn"] = unquote(request.path.removeprefix(TAGS_PATH))
            query = parse_qs(request.query, keep_blank_values=True)
            if "tagKeys" in query:
                params["tagKeys"] = query["tagKeys"]
        if found := faults_of(params, shape, strict=True):
            raise _validation_error(found)
        return {name: value for name, value in params.items() if name in shape.members and value is not None}

    def _body(self, request: Request) -> dict[str, Any]:
        if not request.body:
            return {}
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise invalid("Could not parse the request body as JSON", "cannotParse") from error
        if not isinstance(body, dict):
            raise invalid("The request body must be a JSON object", "cannotParse")
        return body

    def _encode(self, model: OperationModel | None, outcome: Outcome) -> Response:
        if outcome.dropped:
            return Response(delay=outcome.delay, dropped=True)
        if outcome.error:
            return self._encode_error(outcome.error, outcome.delay)
        document = outcome.document or {}
        if model is None or model.output_shape is None:
            status = model.http.get("responseCode", 200) if model else 200
            return Response(status, self._headers(), b"" if status == 204 else b"{}", outcome.delay)
        _must_fit(document, model.output_shape)
        return Response(model.http.get("responseCode", 200), self._headers(), _json(document), outcome.delay)

    def _headers(self) -> dict[str, str]:
        self._answered += 1
        request_id = ids.uuid4(f"{self._simulator.seed}/request", self._answered)
        return {"content-type": "application/json", "x-amzn-RequestId": request_id}

    def _encode_error(self, error: DrsError, delay: float) -> Response:
        headers = {**self._headers(), "x-amzn-ErrorType": error.name}
        shape = next((known for known in self._model.error_shapes if known.name == error.name), None)
        if not isinstance(shape, StructureShape):
            return Response(FRONT_DOOR_STATUS.get(error.name, 400), headers, _json(error.members), delay)
        members = {name: value for name, value in error.members.items() if value is not None}
        _must_fit(members, shape)
        body: dict[str, Any] = {}
        for name, value in members.items():
            serialization = shape.members[name].serialization
            if serialization.get("location") == "header":
                headers[serialization.get("name", name)] = str(value)
            else:
                body[name] = value
        return Response(shape.metadata["error"]["httpStatusCode"], headers, _json(body), delay)


def _must_fit(document: dict[str, Any], shape: Shape) -> None:
    if found := faults_of(document, shape, strict=False):
        raise ModelBreach(f"{shape.name}: {'; '.join(f'{fault.path}: {fault.message}' for fault in found[:5])}")


def _validation_error(found: list[Fault]) -> DrsError:
    """The service's own wording: how many errors, and for each the member's path and the constraint it breaks."""
    details = "; ".join(f"Value at '{fault.path}' failed to satisfy constraint: {fault.message}" for fault in found)
    errors = "error" if len(found) == 1 else "errors"
    return invalid(
        f"{len(found)} validation {errors} detected: {details}",
        "cannotParse" if any(fault.wrong_type for fault in found) else "fieldValidationFailed",
        [{"name": fault.path.lstrip("/").replace("/", "."), "message": fault.message} for fault in found],
    )


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
