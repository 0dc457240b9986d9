"""A caller who can send what no HTTP client would: raw paths, raw headers, a body in pieces, half a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from metronome_sandbox.api.app import SandboxApp, create_app
from metronome_sandbox.api.settings import Settings

TOKEN = "attacker"
AUTHORIZATION = (b"authorization", b"Bearer " + TOKEN.encode())
JSON_TYPE = (b"content-type", b"application/json")


class Answer(NamedTuple):
    """Status, headers and body as they left the application."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Sandbox:
    """One application in this process and one tenant of it, who holds the scenario ``acme``."""

    def __init__(self, scenario: str | None = "acme", **settings: Any) -> None:
        self.app: SandboxApp = create_app(Settings(scenario=scenario, **settings))

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] | None = None,
        pieces: Iterable[bytes] | None = None,
    ) -> Answer:
        """Send one request and return its answer. Nothing in the application waits, so no event loop is needed."""
        if headers is None:
            headers = (AUTHORIZATION, JSON_TYPE)
        parts = [body] if pieces is None else list(pieces)
        messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, start=1)
        ]
        waiting = iter(messages)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(waiting, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": query,
            "root_path": "",
            "headers": list(headers),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 4010),
        }
        running = self.app(scope, receive, send)  # type: ignore[arg-type]
        try:
            running.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("the application waits for something that nobody gives it")
        start = sent[0]
        names = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))

    def call(self, method: str, path: str, body: Any = None, *, query: str = "") -> Any:
        """Send JSON and return the JSON of an answer that has to be a 200."""
        raw = b"" if body is None else json.dumps(body).encode()
        answer = self.send(method, path, raw, query=query.encode())
        assert answer.status == 200, answer.body.decode()
        return answer.json

    def post(self, path: str, body: Any, *, query: str = "") -> Answer:
        """Send JSON by POST and return whatever is answered."""
        return self.send(
            "POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), query=query.encode()
        )

    def snapshot(self) -> bytes:
        """Everything the tenant has, as bytes."""
        answer = self.send("GET", "/sandbox/snapshot")
        assert answer.status == 200, answer.body.decode()
        return answer.body

    def refuses(self, method: str, path: str, body: bytes = b"", *, naming: str = "", **how: Any) -> Answer:
        """Send a request that has to be refused: a 4xx whose message names a field, and nothing has changed."""
        before = self.snapshot()
        answer = self.send(method, path, body, **how)
        assert 400 <= answer.status < 500, answer
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json) <= {"code", "message"}
        assert answer.message
        assert naming in answer.message
        assert self.snapshot() == before, "a refused request changed something"
        return answer

    def survives(self, method: str, path: str, body: bytes = b"", **how: Any) -> Answer:
        """Send a request that may be right or wrong: no 5xx but 501, and a refused one has changed nothing."""
        before = self.snapshot()
        answer = self.send(method, path, body, **how)
        assert answer.status < 500 or answer.status == 501, answer
        if answer.status >= 400:
            assert answer.message
            assert self.snapshot() == before, "a refused request changed something"
        return answer
