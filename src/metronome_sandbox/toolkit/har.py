"""HTTP Archives, version 1.2: written call by call, and read whoever wrote them.

A file that is being written is complete after each call, so that nothing is lost with the process.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

from metronome_sandbox import __version__
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Headers, Sent, header

JsonObject = dict[str, Any]

MAX_BYTES = 256 * 1024 * 1024
END = "\n]}}\n"
PACKED = {"content-encoding", "content-length", "transfer-encoding"}
"""Headers about the form a body had on the wire; a recording holds it unpacked."""

DROPPED, SUITE = "_dropped", "_suite"
"""Names of our own: of an answer that never came, and of what a test run says of itself."""


class BadRecording(Exception):
    """A file is no recording; the text is for the person who named it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A call of an archive and the origin it went to, ``https://api.example.com``."""

    origin: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Suite:
    """What the archive of a test run says of it.

    Attributes:
        is_sandbox: Whether a sandbox was recorded; the real API has no control plane.
        skipped: Tests that were not run, and why.
    """

    is_sandbox: bool
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file holds: the calls that were answered or broken off, in order, and whose they are.

    Attributes:
        suite: None where no test run wrote it; then no call knows its test.
    """

    entries: tuple[Entry, ...]
    suite: Suite | None = None


# --- writing


class HarFile:
    """An archive that is being written. What is in the file already is replaced.

    Args:
        path: Where; readable by its owner only, since it holds customers' data.
        base_url: What the paths of the calls follow.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._file: IO[str] = open(  # noqa: SIM115  closed by close()
            path, "w", encoding="utf-8", newline="\n", opener=lambda name, flags: os.open(name, flags, 0o600)
        )
        self._file.write(json.dumps(log()).removesuffix("]}}"))
        self._end = self._file.tell()
        self._separator = "\n"
        self._finish()

    def add(self, exchange: Exchange) -> None:
        """Append a call. Secrets have to be out of it."""
        self._file.seek(self._end)
        self._file.write(self._separator + json.dumps(entry_of(exchange, self._base_url), ensure_ascii=False))
        self._end = self._file.tell()
        self._separator = ",\n"
        self._finish()

    def _finish(self) -> None:
        self._file.write(END)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> HarFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def write(path: Path, exchanges: Iterable[Exchange], base_url: str) -> None:
    """Write an archive at once."""
    with HarFile(path, base_url) as file:
        for exchange in exchanges:
            file.add(exchange)


def log(entries: Iterable[JsonObject] = ()) -> JsonObject:
    """Return an archive of entries."""
    creator = {"name": "metronome-sandbox", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": list(entries)}}


def entry_of(exchange: Exchange, base_url: str) -> JsonObject:
    """Return a call as an archive writes it."""
    sent, answered = exchange.sent, exchange.answered
    status = 0 if answered.is_dropped else answered.status  # as browsers write what got no answer
    milliseconds = round(exchange.seconds * 1000, 3)
    request: JsonObject = {
        "method": sent.method,
        "url": f"{base_url}{sent.path}" + (f"?{sent.query}" if sent.query else ""),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(sent.headers),
        "queryString": _pairs(parse_qsl(sent.query, keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": len(sent.body) if sent.is_whole else -1,
    }
    if sent.body:
        text, encoding = _text(sent.body)
        # The format has no place for bytes in a request; names of its readers' own begin with an underscore.
        request["postData"] = {"mimeType": header(sent.headers, "content-type") or "", "text": text} | (
            {} if encoding is None else {"_encoding": encoding}
        )
    text, encoding = _text(answered.body)
    content = {
        "size": len(answered.body),
        "mimeType": header(answered.headers, "content-type") or "",
        "text": text,
    } | ({} if encoding is None else {"encoding": encoding})
    if not answered.is_whole:
        content["comment"] = "not kept"
    page = {} if exchange.test is None else {"pageref": exchange.test}
    return page | {
        "startedDateTime": exchange.started_at.isoformat(),
        "time": milliseconds,
        "request": request,
        "response": {
            "status": status,
            "statusText": _phrase(status),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(answered.headers),
            "content": content,
            "redirectURL": header(answered.headers, "location") or "",
            "headersSize": -1,
            "bodySize": len(answered.body) if answered.is_whole else -1,
        }
        | ({DROPPED: True} if answered.is_dropped else {}),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[JsonObject]:
    return [{"name": name, "value": value} for name, value in pairs]


def _text(body: bytes) -> tuple[str, str | None]:
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def _phrase(status: int) -> str:
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return ""


# --- reading


def read(path: Path) -> Archive:
    """Return what an archive holds.

    Raises:
        BadRecording: It is none; the text says where and why.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadRecording(
                f"{path} has {size // 1024 // 1024} MB; a recording may have {MAX_BYTES // 1024 // 1024}"
            )
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise BadRecording(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise BadRecording(f"{path} is no HAR file, which is JSON: {error}") from None
    reading = _Reading(path)
    log = reading.field(reading.is_a(tree, dict, ""), "log", dict, "")
    entries = reading.field(log, "entries", list, "log")
    suite = reading.suite(log)
    return Archive(
        tuple(
            entry
            for index, one in enumerate(entries)
            for entry in reading.entry(one, f"log.entries[{index}]", knows_test=suite is not None)
        ),
        suite,
    )


_KINDS = {dict: "an object", list: "an array", str: "a string", int: "an integer"}


class _Reading:
    """Reads the tree of one file; what is wrong is told with its place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, where: str, expected: str, received: Any) -> BadRecording:
        shown = json.dumps(received)[:60] if not isinstance(received, dict | list) else type(received).__name__
        return BadRecording(
            f"{self._path} is no HAR file: {where or 'the file'}: expected {expected}, received {shown}"
        )

    def is_a(self, value: Any, kind: type, where: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(where, _KINDS[kind], value)
        return value

    def field(self, holder: JsonObject, name: str, kind: type, where: str) -> Any:
        return self.is_a(holder.get(name), kind, f"{where}.{name}" if where else name)

    def suite(self, log: JsonObject) -> Suite | None:
        own = log.get(SUITE)
        if own is None:
            return None
        self.is_a(own, dict, f"log.{SUITE}")
        skipped = self.is_a(own.get("skipped", {}), dict, f"log.{SUITE}.skipped")
        return Suite(own.get("is_sandbox") is True, {str(test): str(why) for test, why in skipped.items()})

    def entry(self, one: Any, where: str, *, knows_test: bool) -> Iterator[Entry]:
        holder = self.is_a(one, dict, where)
        request = self.field(holder, "request", dict, where)
        response = self.field(holder, "response", dict, where)
        method = self.field(request, "method", str, f"{where}.request").upper()
        url = self.field(request, "url", str, f"{where}.request")
        status = self.field(response, "status", int, f"{where}.response")
        try:
            parts = urlsplit(url)
            is_web = parts.scheme in ("http", "https") and parts.hostname is not None
        except ValueError:
            raise self.wrong(f"{where}.request.url", "a URL", url) from None
        is_dropped = status == 0 and response.get(DROPPED) is True
        if not is_web or not (100 <= status <= 599 or is_dropped):  # a page of the browser, a call that was given up
            return
        content = response.get("content", {})
        sent = Sent(
            method,
            parts.path or "/",
            parts.query,
            self._headers(request, f"{where}.request"),
            self._body(request.get("postData"), f"{where}.request.postData", "_encoding"),
            is_whole=request.get("bodySize") != -1 or "postData" in request or method in ("GET", "HEAD"),
        )
        answered = Answered(
            status,
            tuple(
                (name, value)
                for name, value in self._headers(response, f"{where}.response")
                if name.lower() not in PACKED
            ),
            self._body(content, f"{where}.response.content", "encoding"),
            is_whole=isinstance(content, dict) and ("text" in content or not content.get("size")),
            is_dropped=is_dropped,
        )
        test = holder.get("pageref") if knows_test else None
        yield Entry(
            f"{parts.scheme}://{parts.netloc}",
            Exchange(
                sent, answered, _time(holder), _seconds(holder.get("time")), test if isinstance(test, str) else None
            ),
        )

    def _headers(self, holder: JsonObject, where: str) -> Headers:
        pairs = self.is_a(holder.get("headers", []), list, f"{where}.headers")
        headers = []
        for index, pair in enumerate(pairs):
            place = f"{where}.headers[{index}]"
            self.is_a(pair, dict, place)
            headers.append((self.field(pair, "name", str, place), self.field(pair, "value", str, place)))
        return tuple((name, value) for name, value in headers if not name.startswith(":"))

    def _body(self, holder: Any, where: str, encoding: str) -> bytes:
        if holder is None:
            return b""
        text: str = self.is_a(self.is_a(holder, dict, where).get("text", ""), str, f"{where}.text")
        if holder.get(encoding) == "base64":
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise self.wrong(f"{where}.text", "base64", text) from None
        return text.encode("utf-8", "surrogatepass")


def _time(holder: JsonObject) -> datetime:
    with suppress(ValueError, TypeError):
        at = datetime.fromisoformat(holder.get("startedDateTime", ""))
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return datetime.fromtimestamp(0, UTC)


def _seconds(milliseconds: Any) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) and milliseconds >= 0 else 0.0
