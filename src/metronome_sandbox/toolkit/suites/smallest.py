"""Makes a request that shows a finding smaller, for as long as it shows it still.

Generated bodies are large, and most of what is in them has nothing to do with what went wrong. One part after the other
is left out, the large ones first; what is left is a request of which every field matters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

from metronome_sandbox.spec.operations import Operation
from metronome_sandbox.toolkit.checks import RULES, Call, parsed
from metronome_sandbox.toolkit.exchanges import Exchange
from metronome_sandbox.toolkit.target import Target

MOST_TRIES = 150
SENT_AGAIN = frozenset(("content-type", "accept"))


def smallest(
    target: Target, operation: Operation, check: str, exchange: Exchange, begin_again: Callable[[], None]
) -> Exchange:
    """Return the smallest request found that shows the same, with its answer; the given one if it does not repeat.

    Args:
        check: Which the answer failed.
        begin_again: Puts the target back to what the request met.
    """
    shows = _Shows(target, operation, check, exchange, begin_again)
    body = _json(exchange.sent.body)
    query = parse_qsl(exchange.sent.query, keep_blank_values=True)
    best = shows(body, query)
    if best is None:
        return exchange
    is_smaller = True
    while is_smaller and shows.tries < MOST_TRIES:
        is_smaller = False
        for smaller_body, smaller_query in _smaller(body, query):
            if shows.tries >= MOST_TRIES:
                break
            found = shows(smaller_body, smaller_query)
            if found is not None:
                best, body, query, is_smaller = found, smaller_body, smaller_query, True
                break
    return best


Query = list[tuple[str, str]]


class _Shows:
    """Asks again and tells whether it shows what the first request showed."""

    def __init__(
        self, target: Target, operation: Operation, check: str, exchange: Exchange, begin_again: Callable[[], None]
    ) -> None:
        self.tries = 0
        self._target = target
        self._operation = operation
        self._check = check
        self._first = exchange.sent
        self._status = exchange.answered.status
        self._begin_again = begin_again
        self._is_wrong = self._differs(_json(exchange.sent.body))
        self._headers = {name: value for name, value in exchange.sent.headers if name.lower() in SENT_AGAIN}

    def __call__(self, body: Any, query: Query) -> Exchange | None:
        if self._differs(body) != self._is_wrong:
            return None  # it would show something else: that a right body is taken, for example
        self.tries += 1
        self._begin_again()
        raw = self._first.body if body is None else json.dumps(body).encode()
        path = self._first.path
        if query:
            path += "?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
        exchange = self._target.send(self._first.method, path, raw, headers=self._headers)
        return exchange if self._is_the_same(exchange, body, query) else None

    def _is_the_same(self, exchange: Exchange, body: Any, query: Query) -> bool:
        answer = exchange.answered
        if answer.status != self._status:
            return False
        if self._check == "response_schema_conformance":
            return bool(self._operation.response_findings(answer.status, answer.json))
        rule = RULES.get(self._check)
        if rule is None:
            return True  # a check of the status alone, or of the headers that come with it
        content_type = answer.header("content-type")
        name = self._operation.operation_id
        call = Call(name, {}, dict(query), body, answer.status, content_type, parsed(answer.body))
        return any(True for _ in rule(call))

    def _differs(self, body: Any) -> bool:
        return body is not None and bool(self._operation.body_findings(body, only_first=True))


def _smaller(body: Any, query: Query) -> Iterator[tuple[Any, Query]]:
    for number in range(len(query)):
        yield body, query[:number] + query[number + 1 :]
    parts = sorted(_parts(body), key=lambda part: -len(repr(part[1])))
    for path, _ in parts:
        yield _without(body, path), query
    for path, value in parts:
        if isinstance(value, str) and len(value) > 1 and not _has_a_form(value):
            yield _with(body, path, value[: len(value) // 2]), query


def _has_a_form(text: str) -> bool:
    """Whether half of a text would be none of its kind: an id, a time."""
    return text[:4].isalnum() and "-" in text and len(text) >= 10


Path = tuple[Any, ...]


def _parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value below a body with the way to it."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for step, part in inner:
        yield (*path, step), part
        yield from _parts(part, (*path, step))


def _without(body: Any, path: Path) -> Any:
    step, *rest = path
    if rest:
        changed = body.copy()
        changed[step] = _without(body[step], tuple(rest))
        return changed
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if name != step}
    return body[:step] + body[step + 1 :]


def _with(body: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    step, *rest = path
    changed = body.copy()
    changed[step] = _with(body[step], tuple(rest), value)
    return changed


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
