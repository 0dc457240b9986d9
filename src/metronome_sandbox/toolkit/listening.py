"""A server around an ASGI application, until the process is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

import uvicorn

App = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

SHUTDOWN_SECONDS = 3


def server_of(app: App) -> uvicorn.Server:
    """Return a server that writes no log: what there is to say, the application says itself."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="critical",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def serve(app: App, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM comes, then return."""
    # uvicorn shuts down in good order and then raises the signal again, which is not to end the process here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _go_on)
    server_of(app).run(sockets=[listener])


def _go_on(_: int, __: FrameType | None) -> None:
    """Let the caller finish what it has to do."""
