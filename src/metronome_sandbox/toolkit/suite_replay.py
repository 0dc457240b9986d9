"""``pytest --metronome-target FILE.har``: the same tests, answered by what an earlier run recorded.

Each test begins with the first answers of its own calls. A call that was not recorded is answered 501, and fails the
test also when its code takes that for an ordinary trouble.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from metronome_sandbox.listening import (
    Background,
    CannotServe,
    ConnectionDropped,
    Message,
    Receive,
    Scope,
    Send,
)
from metronome_sandbox.toolkit.recording import Recording, ReplayApp, load, named_by

MOST_SHOWN = 10


class Player:
    """A server that plays a recording to one test after the other.

    Args:
        path: Of the recording.

    Attributes:
        is_sandbox: Whether it was recorded at a sandbox, with what only a sandbox can do.

    Raises:
        BadRecording: It is none.
    """

    def __init__(self, path: Path) -> None:
        self.recording: Recording = load(path)
        suite = self.recording.suite
        calls = self.recording.exchanges
        self.is_sandbox = (
            any(one.sent.path.startswith("/sandbox/") for one in calls) if suite is None else suite.is_sandbox
        )
        self._path = path
        self._app = ReplayApp(Recording(()))
        self._server: Background | None = None

    @property
    def url(self) -> str:
        """Where it listens; from the first time on that somebody asks."""
        if self._server is None:
            self._server = Background(self)
        return self._server.url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the test that runs."""
        await self._app(scope, receive, send)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same without a port.

        Raises:
            ConnectionDropped: The recorded call ended before its answer was whole.
        """
        if scope["type"] != "http":
            raise CannotServe(f"this application answers HTTP requests only, received {scope['type']!r}")
        is_over = False

        async def tell(message: Message) -> None:
            nonlocal is_over
            is_over = message["type"] == "http.response.body"
            await send(message)

        await self(scope, receive, tell)
        if not is_over:
            raise ConnectionDropped("the connection was dropped before the recorded answer was whole")

    def forget(self, token: str) -> None:
        """Nothing: a recording has no tenants."""

    def begin(self, test: str) -> None:
        """Answer a test from now on."""
        self._app = ReplayApp(self.recording.of_test(test))

    def why_skipped(self, test: str) -> str | None:
        """Return why a test was not recorded, if the recording knows."""
        skipped = {} if self.recording.suite is None else self.recording.suite.skipped
        name = named_by(test, skipped)
        return None if name is None else skipped[name]

    def missing(self) -> str:
        """Return in words what the test asked for that the recording lacks; empty when that is nothing."""
        refused = self._app.refused
        if not refused:
            return ""
        count = "1 call" if len(refused) == 1 else f"{len(refused)} calls"
        told = [f"  {why}" for why in refused[:MOST_SHOWN]]
        if not len(self._app.recording):
            told = [f"  it holds no call of this test, which was not there, or failed, when {self._path} was recorded"]
        more = [f"  and {len(refused) - MOST_SHOWN} more"] if len(refused) > MOST_SHOWN else []
        return "\n".join(
            [
                f"{self._path} lacks {count} of this test:",
                *told,
                *more,
                f"If that is what the test should ask, record it again: --metronome-record {self._path}",
            ]
        )

    def told(self) -> Iterator[str]:
        """Yield what a person wants to know who plays this recording: what is in it, and whether it is of today."""
        yield f"{len(self.recording)} recorded calls"
        yield from self.recording.notes
        stale = [one for one in self.recording.findings if one.side == "answer"]
        if stale:
            number = "1 place" if len(stale) == 1 else f"{len(stale)} places"
            yield f"today's document disagrees with recorded answers in {number}, the first: {stale[0]}"

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()
