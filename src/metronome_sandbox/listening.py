"""An ASGI application on a port: until the process is told to stop, or in a thread of somebody else's process."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from threading import Thread
from time import monotonic, sleep
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 5
SHUTDOWN_SECONDS = 3
KEEP_ALIVE_SECONDS = 3600
"""A test that thinks for a while finds its connection as it left it."""

CONNECTIONS_LOG = "uvicorn.error.sandbox"
UNFINISHED = "ASGI callable returned without completing response."
"""What uvicorn says of an answer that stays incomplete. A fault does that, as it was told to."""

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


class CannotServe(Exception):
    """The server did not start; the text is for the person who wanted it."""


class ConnectionDropped(ConnectionResetError):
    """A call in this process ended without a whole answer, where one over a port would see its connection close."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, which does not call it an error when a fault drops a connection. All else it logs as ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _CONNECTIONS


_CONNECTIONS = logging.getLogger(CONNECTIONS_LOG)
_CONNECTIONS.addFilter(lambda record: record.msg != UNFINISHED)


def server_of(app: Application, **how: Any) -> uvicorn.Server:
    """Return a server around an application; ``how`` is more for uvicorn's configuration."""
    usual = {
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing here asks who the client is, and looking costs every request
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    }
    return uvicorn.Server(uvicorn.Config(app, **{**usual, **how}))


def silent_server_of(app: Application) -> uvicorn.Server:
    """Return a server that writes no log: what there is to say, the application says itself."""
    return server_of(app, log_level="critical", date_header=False)


def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM comes, then return."""
    # uvicorn shuts down in good order and then raises the signal again, which is not to end the process here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _go_on)
    server.run(sockets=[listener])


def _go_on(_: int, __: FrameType | None) -> None:
    """Let the caller finish what it has to do."""


class Background:
    """A server in a thread of this process, on a free port of this machine.

    Attributes:
        url: Where it listens.

    Raises:
        CannotServe: It ended at once, or does not start.
    """

    def __init__(self, app: Application) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self._server = server_of(
            app,
            log_config=None,  # logging belongs to the process that we are a guest in
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
        self._thread = Thread(target=self._run, name="metronome-sandbox", daemon=True)
        self._thread.start()
        deadline = monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > deadline:
                self.stop()
                raise CannotServe("the server did not start in its thread")
            sleep(0.002)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """End the server. Calls that are under way are given a second."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._listener.close()
