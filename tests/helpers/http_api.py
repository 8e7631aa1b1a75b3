"""The API's function behind an HTTP server, as API Gateway puts it there, in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

from api.handler import handler
from tests.helpers.orchestrator import CALLER, Orchestrator

_STAGE = "/v1"


class HttpApi:
    """`before`: called with the method and path of every request before it is answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.before: Callable[[str, str], None] = lambda _method, _path: None


@contextmanager
def served(orchestrator: Orchestrator) -> Iterator[HttpApi]:
    """The API of this orchestrator; whoever asks is its CALLER."""

    class Gateway(BaseHTTPRequestHandler):
        def serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            event = _event(self.command, url.path.removeprefix(_STAGE), dict(parse_qsl(url.query)), body)
            api.before(event["httpMethod"], event["path"])
            answer = handler(event, None)
            content = answer["body"].encode()
            self.send_response(answer["statusCode"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 - the names are the base class's

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    api = HttpApi(f"http://127.0.0.1:{server.server_address[1]}{_STAGE}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    # What the functions print for CloudWatch would stand among what a command of this process prints.
    with (
        mock.patch("api.handler.app", return_value=orchestrator.app),
        mock.patch("drs_orchestrator.adapters.metrics.Metrics.flush"),
    ):
        yield api
    server.shutdown()
    server.server_close()
    thread.join()


def _event(method: str, path: str, query: dict[str, str], body: str) -> dict[str, Any]:
    """A REST API's proxy event."""
    return {
        "httpMethod": method,
        "path": unquote(path),
        "resource": path,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": None,
        "requestContext": {
            "path": path,
            "stage": "v1",
            "httpMethod": method,
            "requestId": "1",
            "identity": {"userArn": CALLER},
        },
        "body": body or None,
        "isBase64Encoded": False,
    }
