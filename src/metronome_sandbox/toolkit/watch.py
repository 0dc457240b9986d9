"""What is noted about a client and its API while calls go by.

A validator looks at one message. Some faults show in several only: a list whose next page nobody asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from metronome_sandbox.spec.bodies import UNKNOWN, Bodies, unknown_parameters
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.toolkit.contract import Call, Contract, Known, packaged
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent, header, is_json, parsed

KEY_HEADER = "idempotency-key"
KEY_FIELD = "uniqueness_key"
PAGE_FIELDS = ("next_page", "cursor")

HARMLESS = ("set", "archive", "update", "disable", "void", "release", "move", "addRate", "ingest")
"""How the id of a write begins that may be repeated without a key: what it says is a state and no step. A rate that is
added twice replaces itself; events that are ingested carry a key of their own, ``transaction_id``."""

CLOSED = ("additionalProperties", "falseSchema")
"""How a validator calls a property that a closed object does not have."""

NO_KEY, NO_PAGES, NOT_JSON, UNCHECKED = "no-key", "unread-pages", "not-json", "unchecked"


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding, and the call it was first seen in.

    Attributes:
        side: ``request``, ``answer``, or ``client`` for what shows in several calls.
        call: The operation's id, or method and path.
        number: Of the call, from 1.
    """

    side: str
    call: str
    number: int
    finding: Finding

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two of them the same: items of a list are not told apart."""
        return self.side, self.call, self.finding.rule, re.sub(r"\[[0-9]+\]", "[]", self.finding.where)

    def __str__(self) -> str:
        return f"{self.call} {self.side}: {self.finding}"


class Reader:
    """Holds single exchanges to the contract."""

    def __init__(self, contract: Contract | None = None) -> None:
        self.contract = contract or packaged()
        self._bodies: dict[str, Bodies] = {}

    def call(self, exchange: Exchange) -> Call:
        """Return what a call is of."""
        return self.contract.call(exchange.sent.method, exchange.sent.path)

    def of_request(self, call: Call, sent: Sent) -> list[Finding]:
        """Return what is to be said about a request."""
        known = call.known
        if known is None:
            return [] if call.is_named else [self._unknown_path(sent)]
        operation = known.operation
        _, query = operation.read_query(sent.query.encode())
        found = [
            *operation.path_findings(call.values),
            *query,
            *unknown_parameters(sent.query, operation.query_parameters),
            *_deprecated_parameters(known, sent.query),
        ]
        if operation.takes_body and sent.is_whole:
            found += self._of_body(known, sent)
        elif not sent.is_whole:
            found.append(
                Finding("", UNCHECKED, "too long, or packed in an unknown way; passed on, neither checked nor kept")
            )
        found += _near_headers(sent)
        if sent.is_whole and not known.is_read and _needs_key(known, sent):
            found.append(_no_key(known))
        return found

    def _of_body(self, known: Known, sent: Sent) -> list[Finding]:
        operation = known.operation
        if not sent.body:
            return [Finding("", "required", "required, but missing")] if operation.body_required else []
        try:
            tree = parsed(sent.body)
        except ValueError as error:
            return [Finding("", NOT_JSON, f"expected JSON: {error}")]
        schema = _schema_of(known)
        if schema is None:
            return []
        # What a closed body refuses is told by the walk, which knows the name that was meant.
        found = [one for one in operation.body_findings(tree) if one.rule not in CLOSED]
        return found + self._bodies_of(known).findings(sent.body, schema)

    def _bodies_of(self, known: Known) -> Bodies:
        title = known.document.title
        if title not in self._bodies:
            self._bodies[title] = Bodies(known.document)
        return self._bodies[title]

    def of_answer(self, call: Call, answered: Answered) -> list[Finding]:
        """Return where an answer and the document disagree."""
        known = call.known
        if known is None or not answered.is_whole:
            return []
        if not answered.body:
            return [] if not _promises_json(known, answered.status) else [_no_json("nothing")]
        try:
            data = parsed(answered.body)
        except ValueError:
            if not _promises_json(known, answered.status):
                return []
            return [_no_json((header(answered.headers, "content-type") or "something without a type").split(";")[0])]
        if not is_json(answered.headers):
            kind = header(answered.headers, "content-type") or "none"
            return [Finding("content-type", NOT_JSON, "expected application/json", kind)]
        return known.operation.response_findings(answered.status, data)

    def _unknown_path(self, sent: Sent) -> Finding:
        near = self.contract.near(sent.path)
        hint = f"; did you mean {near}?" if near else ""
        return Finding("path", UNKNOWN, f"the document has no such operation{hint}", f"{sent.method} {sent.path}")


class Watch:
    """Notes what many exchanges of one client show.

    Args:
        say: Called with each finding when it is seen for the first time.
    """

    def __init__(self, say: Callable[[Noted], None] | None = None, reader: Reader | None = None) -> None:
        self.reader = reader or Reader()
        self.calls = 0
        self.operations: Counter[str] = Counter()
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        self.noted: dict[tuple[str, str, str, str], Noted] = {}
        self.started_at = datetime.now(UTC)
        self._say = say
        self._pages: dict[str, tuple[str, int]] = {}  # a page that was offered, and the call that was offered it

    def see(self, exchange: Exchange) -> None:
        """Take note of an exchange; secrets have to be out of it."""
        self.calls += 1
        call = self.reader.call(exchange)
        self.operations[call.name] += 1
        self.note(call.name, "request", self.reader.of_request(call, exchange.sent))
        self.note(call.name, "answer", self.reader.of_answer(call, exchange.answered))
        if call.known is not None:
            self._turn_pages(call, exchange)

    def note(self, call: str, side: str, findings: Iterable[Finding]) -> None:
        """Add findings; each is said once and counted every time."""
        for finding in findings:
            self._add(Noted(side, call, self.calls, finding))

    def _add(self, noted: Noted, count: int = 1) -> None:
        self.counts[noted.key] += count
        if noted.key not in self.noted:
            self.noted[noted.key] = noted
            if self._say is not None:
                self._say(noted)

    def _turn_pages(self, call: Call, exchange: Exchange) -> None:
        sent, answered = exchange.sent, exchange.answered
        asked = dict(parse_qsl(sent.query))
        body = _object_of(sent.body)
        for field in PAGE_FIELDS:
            for token in (asked.get(field), body.get(field)):
                if isinstance(token, str):
                    self._pages.pop(f"{call.path} {token}", None)
        if answered.status != 200 or str(asked.get("limit", body.get("limit"))) == "1":
            return  # whoever asks for one item wants the first
        answer = _object_of(answered.body)
        for field in PAGE_FIELDS:
            token = answer.get(field)
            if isinstance(token, str) and token:
                self._pages[f"{call.path} {token}"] = (call.name, self.calls)

    def finish(self) -> None:
        """Note what shows only when nothing more comes: pages that nobody asked for."""
        for name, number in self._pages.values():
            expected = "the answer has a next page that was never asked for, so the list was read in part"
            self._add(Noted("client", name, number, Finding("next_page", NO_PAGES, expected)))
        self._pages.clear()

    def report(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "version": 1,
            "started_at": self.started_at.isoformat(),
            "calls": self.calls,
            "operations": dict(sorted(self.operations.items())),
            "findings": [
                {
                    "call": one.call,
                    "side": one.side,
                    "where": one.finding.where,
                    "rule": one.finding.rule,
                    "expected": one.finding.expected,
                    "received": one.finding.received,
                    "first_call": one.number,
                    "count": self.counts[key],
                }
                for key, one in self.noted.items()
            ],
        }


def _object_of(body: bytes) -> dict[str, Any]:
    try:
        value = parsed(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _schema_of(known: Known) -> Any:
    body = known.document.resolve(known.described.node.get("requestBody")) or {}
    return body.get("content", {}).get("application/json", {}).get("schema")


def _promises_json(known: Known, status: int) -> bool:
    """Whether an answer of this status has a JSON body. Each error has one, whether the document lists it or not."""
    if status >= 400:
        return True
    declared = known.document.resolve(known.described.node.get("responses", {}).get(str(status))) or {}
    return bool(declared.get("content", {}).get("application/json", {}).get("schema"))


def _no_json(received: str) -> Finding:
    return Finding("", NOT_JSON, "expected JSON; is this the billing API?", received)


def _deprecated_parameters(known: Known, query: str) -> list[Finding]:
    marked = {one["name"] for one in known.described.parameters if one["in"] == "query" and one.get("deprecated")}
    return [
        Finding(f"query parameter {name}", "deprecated", "deprecated, move away from it")
        for name in dict.fromkeys(name for name, _ in parse_qsl(query, keep_blank_values=True))
        if name in marked
    ]


def _near_headers(sent: Sent) -> list[Finding]:
    """Return headers that were meant to be ``Idempotency-Key``, which an API takes for nothing."""
    return [
        Finding(f"header {name}", UNKNOWN, "unknown here and ignored by the API; did you mean Idempotency-Key?")
        for name, _ in sent.headers
        if name.lower() != KEY_HEADER and re.fullmatch(r"(?:x)?idempoten(?:t|cy)(?:key|id|token)?", _letters(name))
    ]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _needs_key(known: Known, sent: Sent) -> bool:
    operation = known.operation
    if (
        operation.method != "POST"
        or operation.operation_id.startswith(HARMLESS)
        or operation.path.startswith("/sandbox")
    ):
        return False
    body = _object_of(sent.body)
    return not (header(sent.headers, KEY_HEADER) or body.get(KEY_FIELD) or body.get("preview") is True)


def _no_key(known: Known) -> Finding:
    schema = known.document.resolve(_schema_of(known)) or {}
    field = f"{KEY_FIELD} or " if KEY_FIELD in schema.get("properties", {}) else ""
    return Finding(
        KEY_FIELD if field else "header Idempotency-Key",
        NO_KEY,
        f"a repeated call is executed again: send {field}the header Idempotency-Key",
    )
