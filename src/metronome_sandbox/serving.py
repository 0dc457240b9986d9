"""A sandbox inside somebody else's process: the one place where what talks to a server can also start one.

A test run wants a server that starts once, costs nothing when nobody asks and ends with the process. A thread is
enough: requests are short, and an in-process application and a port can then share one world. Everything that touches
the server's state runs in its own event loop, so that a request stays atomic whichever way it came.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.listening import (
    Application,
    Background,
    CannotServe,
    ConnectionDropped,
    Message,
    Receive,
    Scope,
    Send,
)


class BackgroundServer(Background):
    """A sandbox in a thread of this process, on a free port of this machine.

    Args:
        journal_size: Calls that are remembered for each tenant.
        around: Returns what answers in the sandbox's place, and asks it.

    Attributes:
        url: Where it listens.

    Raises:
        CannotServe: It ended at once, or does not start.
    """

    def __init__(
        self, journal_size: int = 200, around: Callable[[Application], Application] = lambda sandbox: sandbox
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        settings = Settings(journal_size=journal_size, max_tenants=sys.maxsize)  # who starts it forgets them
        sandbox = create_app(settings, on_start=[self._note_loop])
        self._tenants = sandbox.server.tenants
        self._app = around(sandbox)
        super().__init__(self._app)

    def _note_loop(self, _: object) -> None:
        self._loop = asyncio.get_running_loop()

    def forget(self, token: str) -> None:
        """Forget a tenant and everything that it has; its token would begin anew."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._tenants.forget, token)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
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
