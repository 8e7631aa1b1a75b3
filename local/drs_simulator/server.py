"""The simulator on a socket: the DRS API on every path but ``/_sim/``, the control API there."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Mount, Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from drs_simulator.accounts import Accounts
from drs_simulator.control import Control
from drs_simulator.simulator import Simulator
from drs_simulator.wire import Request, Response, Wire

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
# Events go out as their time comes, so somebody has to look even while nobody calls.
TICK_SECONDS = 0.25
CONNECTION = "drs_simulator.connection"

logger = logging.getLogger(__name__)


class CuttableProtocol(HttpToolsProtocol):
    """Hands the connection to the application, so that a fault rule can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[CONNECTION] = self.transport


def create_app(simulator: Simulator, accounts: Accounts | None = None) -> Starlette:
    """The ASGI application of a simulator."""
    known_accounts = accounts or Accounts()
    wire = Wire(simulator, known_accounts.account_of)
    control = Control(simulator, known_accounts)

    async def drs(request: HttpRequest) -> HttpResponse:
        response = wire.respond(
            Request(
                method=request.method,
                path=request.scope["raw_path"].decode("ascii").partition("?")[0],
                query=request.url.query,
                headers=dict(request.headers),
                body=await request.body(),
            )
        )
        return await _deliver(request, response)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        ticker = asyncio.create_task(_tick(simulator))
        try:
            yield
        finally:
            ticker.cancel()

    return Starlette(
        routes=[Mount("/_sim", routes=control.routes()), Route("/{path:path}", drs, methods=METHODS)],
        exception_handlers={Exception: _own_mistake},
        lifespan=lifespan,
    )


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    # The protocol is named because asyncio switches Nagle's delay off only where it is: 40 ms an answer otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    # Whoever reads the URL may connect at once, before the server is quite up: the connection waits.
    listener.listen(1024)
    return listener


def make_server(simulator: Simulator, accounts: Accounts | None = None) -> uvicorn.Server:
    """A server to be run on a socket made by ``listen``."""
    config = uvicorn.Config(
        create_app(simulator, accounts),
        http=CuttableProtocol,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=60,
    )
    return uvicorn.Server(config)


async def _own_mistake(_request: HttpRequest, error: Exception) -> HttpResponse:
    """Even a mistake of the simulator is answered in the service's form; the server logs its traceback."""
    content = {"message": f"The simulator made a mistake: {error!r}"}
    return JSONResponse(content, 500, {"x-amzn-ErrorType": "InternalServerException"})


async def _deliver(request: HttpRequest, response: Response) -> HttpResponse:
    if response.delay:
        await asyncio.sleep(response.delay)
    if response.dropped:
        request.scope[CONNECTION].abort()
        # Nobody is left to read this; the server throws it away.
        return HttpResponse(status_code=500)
    return HttpResponse(response.body, response.status, response.headers)


async def _tick(simulator: Simulator) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if simulator.events.is_on:
            simulator.settle()
