"""A sandbox inside somebody else's process: the one place where what talks to a server can also start one.

A test run wants a server that starts once, costs nothing when nobody asks and ends with the process. A thread is
enough: requests are short, and an in-process application and a port can then share one world. Everything that touches
the server's state runs in its own event loop, so that a request stays atomic whichever way it came.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from threading import Thread
from time import monotonic, sleep
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 5
KEEP_ALIVE_SECONDS = 3600
"""A test that thinks for a while finds its connection as it left it."""

CONNECTIONS_LOG = "uvicorn.error.sandbox"
UNFINISHED = "ASGI callable returned without completing response."
"""What uvicorn says of an answer that stays incomplete. A fault does that, as it was told to."""

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


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


class BackgroundServer:
    """A server in a thread of this process, on a free port of this machine.

    Args:
        journal_size: Calls that are remembered for each tenant.

    Attributes:
        url: Where it listens.

    Raises:
        CannotServe: It ended at once, or does not start.
    """

    def __init__(self, journal_size: int = 200) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        settings = Settings(journal_size=journal_size, max_tenants=sys.maxsize)  # who starts it forgets them
        self._app = create_app(settings, on_start=[self._note_loop])
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,  # logging belongs to the process that we are a guest in
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = Thread(target=self._run, name="metronome-sandbox", daemon=True)
        self._thread.start()
        deadline = monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > deadline:
                self.stop()
                raise CannotServe("the sandbox did not start in its thread")
            sleep(0.002)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def _note_loop(self, _: object) -> None:
        self._loop = asyncio.get_running_loop()

    def forget(self, token: str) -> None:
        """Forget a tenant and everything that it has; its token would begin anew."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._app.server.tenants.forget, token)

    async def asgi(
        self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """The same server as an ASGI application, for a client that needs no port. Runs in the server's own loop.

        Raises:
            ConnectionDropped: A fault ended the call before its answer was whole.
        """
        if scope["type"] != "http" or self._loop is None:
            raise CannotServe(f"this application answers HTTP requests only, received {scope['type']!r}")
        asked = [message := await receive()]
        while message.get("more_body", False):
            asked.append(message := await receive())
        answered: list[Message] = []

        async def replay() -> Message:
            return asked.pop(0) if asked else {"type": "http.disconnect"}

        async def keep(message: Message) -> None:
            answered.append(message)

        async def run() -> None:
            await self._app(scope, replay, keep)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))
        if answered[-1]["type"] != "http.response.body":
            raise ConnectionDropped("the sandbox dropped the connection before its answer was whole")
        for message in answered:
            await send(message)

    def stop(self) -> None:
        """End the server. Calls that are under way are given a second."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._listener.close()
