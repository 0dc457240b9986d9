"""``pytest --metronome-record FILE.har``: what the tests of a run ask and are answered, as one recording.

Problem: recordings of a whole run replay in its order only, and a test that failed has recorded a mistake. Choice: each
call carries the name of its test, and the calls of a test are kept when it passed. Workers of xdist write a file each,
and the run that started them puts these together when it ends: until then the recording of an earlier run stays.

Calls are noted where they are answered, before the client has the answer, so that no call of a test is late.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import IO, Any, NamedTuple

from metronome_sandbox.listening import Application, Message, Receive, Scope, Send
from metronome_sandbox.toolkit.exchanges import Answered, Copy, Exchange, Headers, Sent, header
from metronome_sandbox.toolkit.har import SUITE, entry_of, log
from metronome_sandbox.toolkit.redaction import Redaction, tokens_of

IN_PROCESS = "http://127.0.0.1:4010"
"""What stands in a recording for the sandbox of a test run, whose ports differ: the one of ``serve``."""


class Recorded(NamedTuple):
    """What a recording of a run holds."""

    tests: int
    calls: int


class Recorder:
    """Takes down the calls of one test after the other.

    Args:
        path: Of the whole recording.
        worker: Of xdist; empty without it.
        base_url: What the paths of the calls follow in the recording.
    """

    def __init__(self, path: Path, worker: str, base_url: str = IN_PROCESS) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{worker or 'main'}.part")
        self._base_url = base_url
        self._file: IO[str] | None = None
        self._lock = Lock()
        self._calls: list[Exchange] | None = None  # None while no test runs

    def around(self, app: Application) -> Application:
        """Return an application that does what another one does, and tells what that was."""
        return Tee(app, self._see)

    def begin(self) -> None:
        """Listen to a test."""
        with self._lock:
            self._calls = []

    def end(self) -> list[Exchange]:
        """Listen no longer; return what was heard."""
        with self._lock:
            calls, self._calls = self._calls or [], None
        return calls

    def _see(self, exchange: Exchange) -> None:
        with self._lock:
            if self._calls is not None:
                self._calls.append(exchange)

    def keep(self, test: str, calls: list[Exchange], token: str, *, is_sandbox: bool) -> None:
        """Write the calls of a test, without secrets.

        Args:
            token: Of the test, which is removed wherever it stands.
            is_sandbox: Whether a sandbox answered.

        Raises:
            OSError: The file cannot be written.
        """
        redaction = Redaction({token, *(one for call in calls for one in tokens_of(call.sent))})
        plain = (redaction.exchange(call) for call in calls)
        entries = [entry_of(call, self._base_url) | {"pageref": test} for call in plain]
        self._write({"test": test, "is_sandbox": is_sandbox, "started": _started(calls), "entries": entries})

    def skip(self, test: str, why: str) -> None:
        """Note that a test was not run.

        Raises:
            OSError: The file cannot be written.
        """
        self._write({"test": test, "skipped": why})

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            self._file = _open(self._part)
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()  # a worker that crashes loses the test that it ran, and no other

    def close(self) -> None:
        """Close the file of this process."""
        if self._file is not None:
            self._file.close()

    def finish(self) -> str:
        """Write the recording of the run; return in words what is in it."""
        try:
            tests, calls = put_together(self._path)
        except OSError as error:
            return f"{self._path} cannot be written: {error.strerror}"
        if not calls:
            return f"no test that passed made a call, so {self._path} was not written"
        return f"{_count(calls, 'call')} of {_count(tests, 'test')} that passed: {self._path}"

    def give_up(self) -> str:
        """Leave the recording of an earlier run as it is; return that in words."""
        with suppress(OSError):  # the next run says that it cannot
            drop_parts(self._path)
        return f"the run was not finished, so {self._path} was not written"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _started(calls: list[Exchange]) -> str:
    return (calls[0].started_at if calls else datetime.now(UTC)).isoformat()


def _open(path: Path) -> IO[str]:
    """Open a new file that its owner alone may read, since it holds customers' data."""
    return open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


class Tee:
    """An ASGI application around another one.

    Args:
        see: Called with each exchange when its answer is known, and before the client has all of it.
    """

    def __init__(self, app: Application, see: Callable[[Exchange], None]) -> None:
        self._app = app
        self._see = see

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, or what else the server below has to say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, started = datetime.now(UTC), monotonic()
        asked, answered = Copy(), Copy()
        status, is_over, promised = 0, False, ""
        headers: Headers = ()

        def exchange() -> Exchange:
            request_headers = _readable(scope["headers"])
            raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
            return Exchange(
                Sent(
                    scope["method"],
                    raw_path.decode("ascii", "replace"),
                    scope["query_string"].decode("ascii", "replace"),
                    request_headers,
                    *asked.body(request_headers),
                ),
                Answered(status, headers, *answered.body(headers))
                if is_over
                else Answered(status, headers, is_dropped=True),
                started_at,
                monotonic() - started,
            )

        async def hear() -> Message:
            message = await receive()
            asked.add(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            nonlocal status, headers, is_over, promised
            if message["type"] == "http.response.start":
                status, headers = message["status"], _readable(message.get("headers", ()))
                promised = header(headers, "content-length") or ""
            else:
                answered.add(message.get("body", b""))
                # The client knows it as soon as the bytes are there that were promised.
                is_last = not message.get("more_body", False) or str(answered.size) == promised
                if is_last and not is_over:
                    is_over = True
                    self._see(exchange())
            await send(message)

        try:
            await self._app(scope, hear, tell)
        finally:
            if not is_over:
                self._see(exchange())


def _readable(headers: Any) -> Headers:
    return tuple((bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers)


# --- the whole of a run


def parts(path: Path) -> list[Path]:
    """Return the files that the processes of a run wrote."""
    return sorted(path.parent.glob(f"{path.name}.*.part"))


def drop_parts(path: Path) -> None:
    """Take away what a run left behind."""
    for part in parts(path):
        part.unlink(missing_ok=True)


def put_together(path: Path) -> Recorded:
    """Write the recording of a run from its parts, in place of what is there; of nothing nothing is written.

    Raises:
        OSError: It cannot be written.
    """
    pages: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    calls, is_sandbox = 0, False
    whole = path.with_name(f"{path.name}.whole.part")
    with _open(whole) as file:
        file.write(json.dumps(log()).removesuffix("]}}"))
        for line in _lines(path, whole):
            test = line["test"]
            if "skipped" in line:
                skipped[test] = line["skipped"]
            elif test not in pages:  # two workers may have run it
                is_sandbox = is_sandbox or line["is_sandbox"]
                pages[test] = {"startedDateTime": line["started"], "id": test, "title": test, "pageTimings": {}}
                for entry in line["entries"]:
                    file.write(("," if calls else "") + "\n" + json.dumps(entry, ensure_ascii=False))
                    calls += 1
        suite = {"is_sandbox": is_sandbox, "skipped": {test: why for test, why in skipped.items() if test not in pages}}
        rest = {"pages": list(pages.values()), SUITE: suite}
        file.write("\n], " + json.dumps(rest, ensure_ascii=False).removeprefix("{") + "}\n")
    if calls:
        os.replace(whole, path)
    drop_parts(path)
    return Recorded(len(pages), calls)


def _lines(path: Path, but: Path) -> Iterator[dict[str, Any]]:
    for part in parts(path):
        if part != but:
            with part.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file if line.endswith("\n"))
