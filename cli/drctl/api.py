"""The orchestrator's API over HTTP, each request signed with the caller's AWS credentials (SigV4, execute-api).

botocore is imported on first use: it is most of a command's start-up time, and `--help` needs none of it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from drctl.outcome import CliError, ExitCode, PassingFailure
from drs_orchestrator.domain.routes import STARTS
from drs_orchestrator.domain.statuses import ExecutionType

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

_SERVICE: Final = "execute-api"
_CONNECT_SECONDS = 5
_READ_SECONDS = 35
"""API Gateway itself gives up after 29 s."""

_FIND_URL = (
    "export API_URL=$(aws cloudformation describe-stacks --stack-name STACK "
    "--query \"Stacks[0].Outputs[?OutputKey=='ApiUrl'].OutputValue\" --output text)"
)
_RENEW = "aws sso login   (or renew the keys of the profile in AWS_PROFILE), then aws sts get-caller-identity"

# What API Gateway says to a request it does not let through: words of it -> our sentence and advice.
_WHO_AM_I = "aws sts get-caller-identity"
_WRONG_KEYS = "AWS does not know your credentials."
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("expired", "Your AWS credentials have expired.", _RENEW),
    (
        "credential should be scoped",
        "The request was signed for {region}, but the API is in another Region.",
        "export AWS_REGION=<the API's Region>",
    ),
    ("missing authentication token", "The API has no such path: the API URL is probably not complete.", _FIND_URL),
    ("security token included in the request is invalid", _WRONG_KEYS, _RENEW),
    ("unrecognizedclient", _WRONG_KEYS, _RENEW),
    ("signature", "AWS refused the request's signature: the secret key is wrong or the clock is off.", _RENEW),
    ("forbidden", "There is no such API: its id, Region or stage in the API URL is probably wrong.", _FIND_URL),
    ("not authorized", "Your credentials may not {request}: execute-api:Invoke is missing.", _WHO_AM_I),
)


class Api:
    """`url` is the stage's address (the stack's output ApiUrl); raises CliError for every answer that is none."""

    def __init__(self, url: str, region: str, credentials: Any) -> None:
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        self._url = url.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._http = URLLib3Session(
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),  # type: ignore[arg-type]  # the stubs know one number only
            proxies=get_environ_proxies(url),
            verify=os.environ.get("AWS_CA_BUNDLE") or True,  # type: ignore[arg-type]  # and no path
        )

    @classmethod
    def connect(cls, url: str | None) -> "Api":
        """With the credentials and Region of the AWS session (environment, profile, SSO, instance role)."""
        address = _checked_url(url)
        import botocore.session

        with _usable_credentials():
            session = botocore.session.Session()
            credentials = session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
            region = region_named_in(address) or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        if frozen is None:
            raise CliError(
                "No AWS credentials were found.",
                ExitCode.NO_ANSWER,
                "aws configure   (or set AWS_PROFILE, or aws sso login)",
            )
        if not region:
            raise CliError(
                "No AWS Region is set, and the API URL does not name one.",
                ExitCode.NO_ANSWER,
                "export AWS_REGION=us-east-1   (the Region the API is in)",
            )
        return cls(address, region, credentials)

    def put_plan(self, plan_id: str, document: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """The stored document and whether it is new."""
        status, stored = self._call("PUT", f"/plans/{quote(plan_id, safe='')}", body=document)
        return stored, status == 201

    def get_plan(self, plan_id: str) -> dict[str, Any]:
        return self._call("GET", f"/plans/{quote(plan_id, safe='')}")[1]

    def delete_plan(self, plan_id: str) -> None:
        self._call("DELETE", f"/plans/{quote(plan_id, safe='')}")

    def plans(self) -> Iterator[dict[str, Any]]:
        """Every plan's summary, page by page."""
        return self._pages("/plans", "plans", {})

    def preflight(self, plan_id: str, execution_type: str) -> dict[str, Any]:
        path = f"/plans/{quote(plan_id, safe='')}/preflight"
        return self._call("POST", path, query={"type": execution_type})[1]

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`request` with PlanId and ExecutionType, as POST /executions and POST /recoveries take it; with DryRun the
        answer is what would be started."""
        return self._call("POST", STARTS[ExecutionType(request["ExecutionType"])], body=request)[1]

    def execution(self, execution_id: str) -> dict[str, Any]:
        return self._call("GET", f"/executions/{quote(execution_id, safe='')}")[1]

    def report(self, execution_id: str) -> dict[str, Any]:
        return self._call("GET", f"/executions/{quote(execution_id, safe='')}/report")[1]

    def report_page(self, execution_id: str) -> bytes:
        """The report as an HTML page."""
        path = f"/executions/{quote(execution_id, safe='')}/report"
        status, content = self._send("GET", path, query={"format": "html"})
        if status != 200:
            raise self._error(status, _json_object(content) or {}, f"GET {path}")
        if not content.startswith(b"<!doctype html>"):
            raise _stranger(self._url)
        return content

    def executions(self, status: str) -> Iterator[dict[str, Any]]:
        """Executions of one status, newest first, page by page."""
        return self._pages("/executions", "executions", {"status": status})

    def execution_type(self, execution_id: str) -> ExecutionType:
        """What says by which route an execution is changed."""
        return ExecutionType(self.execution(execution_id)["ExecutionType"])

    def change(
        self, execution_type: ExecutionType, execution_id: str, action: str, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`action`: approve, resume, reject, pause, cancel or skip-wave; the answer says what follows. Or retry, whose
        answer is that of a start."""
        path = f"{STARTS[execution_type]}/{quote(execution_id, safe='')}/{action}"
        return self._call("POST", path, body=request)[1]

    def clean_up(self, execution_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("POST", f"/executions/{quote(execution_id, safe='')}/cleanup", body=request)[1]

    def history(self, execution_id: str) -> Iterator[dict[str, Any]]:
        """Every entry, oldest first, page by page."""
        return self._pages(f"/executions/{quote(execution_id, safe='')}/history", "history", {"limit": "100"})

    def _pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        while True:
            page = self._call("GET", path, query=query)[1]
            yield from page.get(name, ())
            if not page.get("nextToken"):
                return
            query = {**query, "nextToken": page["nextToken"]}

    def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        status, content = self._send(method, path, body, query)
        answer = _json_object(content)
        if not 200 <= status < 300:
            raise self._error(status, answer or {}, f"{method} {path}")
        if answer is None and content:
            raise _stranger(self._url)
        return status, answer or {}

    def _send(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        request = AWSRequest(
            method,
            self._url + path,
            headers={"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"}),
            data=b"" if body is None else json.dumps(body).encode(),
            params=dict(query or {}),
        )
        with _usable_credentials():
            SigV4Auth(self._credentials.get_frozen_credentials(), _SERVICE, self._region).add_auth(request)
        try:
            response = self._http.send(request.prepare())
        except BotoCoreError as error:
            raise _unreachable(self._url, error) from error
        return response.status_code, response.content

    def _error(self, status: int, answer: dict[str, Any], request: str) -> CliError:
        message = str(answer.get("message") or answer.get("Message") or "no reason given")
        details = [detail for detail in answer.get("details") or () if isinstance(detail, dict)]
        match status:
            case 401 | 403:
                return _refusal(message, request, self._region)
            case 429:
                return PassingFailure(f"The API is busy: {message}", ExitCode.NO_ANSWER, "run the command again")
            case _ if status >= 500:
                return PassingFailure(
                    f"The API failed ({status}): {message}", ExitCode.NO_ANSWER, "run the command again"
                )
            case _ if "error" not in answer:
                return _stranger(self._url)
            case 404:
                return CliError(message, ExitCode.NOT_FOUND)
            case 409:
                return CliError(message, ExitCode.CONFLICT, details=details)
            case _:
                return CliError(message, ExitCode.REFUSED, details=details)


@contextmanager
def _usable_credentials() -> Iterator[None]:
    """Tells in a sentence whatever keeps botocore from getting credentials. Raises CliError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    # A role that can't be assumed is a ClientError. A credential_process that is missing is an OSError, what it says
    # and nobody can read a ValueError; credentials that are expired even when renewed are a RuntimeError.
    except (BotoCoreError, ClientError, OSError, ValueError, RuntimeError) as error:
        raise CliError(f"Your AWS credentials can't be used: {error}", ExitCode.NO_ANSWER, _RENEW) from error


def _checked_url(url: str | None) -> str:
    if not url:
        raise CliError(
            "Which API? Set API_URL or give --api-url.", ExitCode.USAGE, f". .local/env.sh   (local) or {_FIND_URL}"
        )
    if not _is_api_url(url):
        raise CliError(
            f'"{url}" is no API URL; expected something like https://abc123.execute-api.us-east-1.amazonaws.com/v1',
            ExitCode.USAGE,
            _FIND_URL,
        )
    return url


def _is_api_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is not closed
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.query and not parts.fragment


def region_named_in(url: str) -> str | None:
    """The Region an API Gateway address names: no request for it can be signed for a wrong one."""
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.(vpce\.)?(amazonaws\.|api\.aws)", urlsplit(url).netloc)
    return found[1] if found else None


def _unreachable(url: str, error: "BotoCoreError") -> PassingFailure:
    from urllib3.exceptions import NameResolutionError

    if isinstance(error.kwargs.get("error"), NameResolutionError):
        return PassingFailure(
            f"The host {urlsplit(url).hostname} can't be found: the API URL or the Region in it is wrong, the stack is "
            "gone, or there is no network.",
            ExitCode.NO_ANSWER,
            _FIND_URL,
        )
    return PassingFailure(
        f"The API can't be reached: {error}.",
        ExitCode.NO_ANSWER,
        "echo $API_URL   (is it right? local: make up && . .local/env.sh)",
    )


def _refusal(message: str, request: str, region: str) -> CliError:
    for words, sentence, advice in _REFUSALS:
        if words in message.lower():
            return CliError(sentence.format(region=region, request=request), ExitCode.NO_ANSWER, advice)
    return CliError(f"The API refused the request: {message}", ExitCode.NO_ANSWER, _WHO_AM_I)


def _stranger(url: str) -> CliError:
    return CliError(
        f"What answers at {url} is not the orchestrator's API; the URL is probably wrong.",
        ExitCode.NO_ANSWER,
        _FIND_URL,
    )


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
