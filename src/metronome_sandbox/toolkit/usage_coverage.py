"""Which part of the API a client uses: operations, fields, enum values and error codes that it sent and was answered.

What a client reads of an answer nobody can see from outside, so every field that an answer carried counts as read. No
value is kept but those that the document lists in an enum: a coverage file holds nothing of a customer.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from metronome_sandbox import __version__
from metronome_sandbox.client.asking import CannotAsk, Channel, message_of, value_of
from metronome_sandbox.spec.document import Described, Document
from metronome_sandbox.toolkit.schemas import CannotRead, Json, Shapes, json_schema, read_json, walk

FORMAT = "metronome-sandbox coverage 1"
JOURNAL_LIMIT = 1000
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
"""What an error code looks like; anything else that stands in its place is no code."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request and its answer.

    Attributes:
        path: Without the host; with its query, if any.
        request: The parsed body, None where there is none.
        response: The same of the answer.
        test: Which test made it; None where nobody knows.
    """

    method: str
    path: str
    status: int
    request: Any = None
    response: Any = None
    test: str | None = None


def of_journal(sender: Channel, test: str | None = None) -> list[Call]:
    """Return the calls that a sandbox remembers of a tenant, oldest first.

    Raises:
        CannotAsk: What answers keeps no journal.
    """
    answer = sender.send("GET", f"/sandbox/requests?limit={JOURNAL_LIMIT}")
    value = value_of(answer)
    if answer.status != 200 or not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise CannotAsk(
            f"no journal of a sandbox: GET /sandbox/requests answered {answer.status}: {message_of(answer)}"
        )
    return [
        Call(
            entry["method"],
            entry["path"],
            int(entry["status"]),
            entry["request_body"],
            entry["response_body"],
            test,
        )
        for entry in reversed(value["data"])
    ]


def of_har(file: Path, test: str | None = None) -> list[Call]:
    """Return the calls of a recording. The title of an entry's page is its test, unless one is given.

    Raises:
        CannotRead: It is none.
    """
    tree = read_json(file, "recording (HAR)")
    log = tree.get("log") if isinstance(tree, dict) else None
    if not isinstance(log, dict) or not isinstance(log.get("entries"), list):
        raise CannotRead(f"{file}: is no recording (HAR): log.entries is missing")
    pages = {one.get("id"): one.get("title") for one in log.get("pages") or () if isinstance(one, dict)}
    calls = []
    for place, entry in enumerate(log["entries"]):
        try:
            address = urlsplit(entry["request"]["url"])
            calls.append(
                Call(
                    entry["request"]["method"],
                    address.path + (f"?{address.query}" if address.query else ""),
                    int(entry["response"]["status"]),
                    _parsed((entry["request"].get("postData") or {}).get("text")),
                    _parsed(_content(entry["response"].get("content") or {})),
                    test or pages.get(entry.get("pageref")),
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CannotRead(f"{file}: log.entries[{place}] is no entry of a recording: {error!r}") from None
    return calls


def _content(content: Mapping[str, Any]) -> str | None:
    text = content.get("text")
    return b64decode(text).decode("utf-8", "replace") if text and content.get("encoding") == "base64" else text


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


# --- counting


@dataclass(slots=True)
class Used:
    """How often something was used, and by which tests."""

    times: int = 0
    tests: set[str] = field(default_factory=set)
    values: dict[str, Used] = field(default_factory=dict)

    def add(self, test: str | None, value: str | None = None) -> None:
        """Count one use."""
        self.times += 1
        if test is not None:
            self.tests.add(test)
        if value is not None:
            self.values.setdefault(value, Used()).add(test)

    def merge(self, tree: Mapping[str, Any]) -> None:
        """Add what a coverage file says."""
        self.times += tree["times"]
        self.tests.update(tree["tests"])
        _merge(self.values, tree.get("values", {}))

    def tree(self) -> Json:
        """Return what a coverage file says of it."""
        found: Json = {"times": self.times, "tests": sorted(self.tests)}
        if self.values:
            found["values"] = {name: used.tree() for name, used in sorted(self.values.items())}
        return found


@dataclass
class _Operation:
    described: Described
    calls: Used = field(default_factory=Used)
    statuses: dict[str, Used] = field(default_factory=dict)
    sent: dict[str, Used] = field(default_factory=dict)
    read: dict[str, dict[str, Used]] = field(default_factory=dict)
    unknown: dict[str, Used] = field(default_factory=dict)
    error_codes: dict[str, Used] = field(default_factory=dict)


class Coverage:
    """What a client used of a document; it grows by every call that is added.

    Args:
        document: The billing API's, the packaged one unless another is given.
    """

    def __init__(self, document: Document | None = None) -> None:
        self._document = document or Document.load()
        self._shapes = Shapes(self._document)
        self._operations = [_Operation(one) for one in self._document.operations()]
        self._literal = {(one.described.method, one.described.path): one for one in self._operations}
        self._templated = [
            (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(one.described.path))), one)
            for one in self._operations
            if "{" in one.described.path
        ]
        self.others: dict[str, int] = {}
        """Calls that no operation fits, by method: their paths may be anybody's."""
        self.unread = 0
        """Bodies that could not be counted: no JSON, or cut because a journal keeps 16 KiB of each."""

    def add(self, call: Call) -> None:
        """Count a call."""
        path, _, query = call.path.partition("?")
        operation = self._find(call.method.upper(), path)
        if operation is None:
            self.others[call.method.upper()] = self.others.get(call.method.upper(), 0) + 1
            return
        operation.calls.add(call.test)
        self._add_query(operation, query, call.test)
        self._add_body(operation, call)
        if call.status:  # in a recording none is 0: the connection ended before the answer
            operation.statuses.setdefault(str(call.status), Used()).add(call.test)
            self._add_answer(operation, call)

    def merge(self, tree: Mapping[str, Any]) -> None:
        """Count all that another coverage of the same document counted, as :meth:`tree` told it."""
        by_id = {one.described.operation_id: one for one in self._operations}
        for name, told in tree["operations"].items():
            operation = by_id[name]
            operation.calls.merge({"times": told["calls"], "tests": told["tests"]})
            _merge(operation.statuses, told["statuses"])
            _merge(operation.sent, told["sent"])
            for status, fields in told["read"].items():
                _merge(operation.read.setdefault(status, {}), fields)
            _merge(operation.unknown, told["unknown"])
            _merge(operation.error_codes, told["error_codes"])
        for method, times in tree["other_calls"].items():
            self.others[method] = self.others.get(method, 0) + times
        self.unread += tree["bodies_not_read"]

    def _find(self, method: str, path: str) -> _Operation | None:
        found = self._literal.get((method, path))
        if found is not None:
            return found
        for pattern, operation in self._templated:
            if operation.described.method == method and pattern.fullmatch(unquote(path)):
                return operation
        # A recording of a host may have a path that all calls begin with.
        _, version, rest = re.split(r"(/v[12]/)", path, maxsplit=1) if re.search(r"./v[12]/", path) else ("", "", "")
        return self._find(method, version + rest) if version and version + rest != path else None

    def _add_query(self, operation: _Operation, query: str, test: str | None) -> None:
        declared = {one["name"]: one for one in operation.described.parameters if one["in"] == "query"}
        for name, text in parse_qsl(query, keep_blank_values=True):
            plain = name.removesuffix("[]")
            if plain not in declared:
                operation.unknown.setdefault(f"query {_safe(plain)}", Used()).add(test)
                continue
            value = self._listed(declared[plain].get("schema"), text)
            operation.sent.setdefault(f"query {plain}", Used()).add(test, value)

    def _add_body(self, operation: _Operation, call: Call) -> None:
        schema = json_schema(self._document, operation.described.node.get("requestBody"))
        if call.request is None or isinstance(call.request, str):
            self.unread += call.request is not None
            return
        for path, value, of in walk(self._shapes, schema, call.request):
            if of is None:
                operation.unknown.setdefault(_safe(path), Used()).add(call.test)
            else:
                operation.sent.setdefault(path, Used()).add(call.test, self._listed(of, value))

    def _add_answer(self, operation: _Operation, call: Call) -> None:
        status = str(call.status)
        schema = json_schema(self._document, operation.described.node.get("responses", {}).get(status))
        if isinstance(call.response, dict) and call.status >= 400:
            code = call.response.get("code")
            if isinstance(code, str) and CODE.fullmatch(code):
                operation.error_codes.setdefault(code, Used()).add(call.test)
        if call.response is None or isinstance(call.response, str) or schema is None:
            self.unread += isinstance(call.response, str)
            return
        fields = operation.read.setdefault(status, {})
        for path, value, of in walk(self._shapes, schema, call.response):
            if of is not None:
                fields.setdefault(path, Used()).add(call.test, self._listed(of, value))

    def _listed(self, schema: Any, value: Any) -> str | None:
        """Return a value that the document lists; None for any other, which may be a customer's."""
        if not isinstance(schema, dict) or not isinstance(value, str):
            return None
        shape = self._shapes.of(schema)
        if shape.enum is not None:
            return value if value in shape.enum else None
        options = [schema for one in (shape.items,) if one is not None for schema in (one,)] + shape.choices
        return next((found for one in options if (found := self._listed(one, value)) is not None), None)

    # telling

    def tree(self) -> Json:
        """Return the coverage as JSON to be."""
        used = {one.described.operation_id: self._told(one) for one in self._operations if one.calls.times}
        return {
            "format": FORMAT,
            "version": __version__,
            "document": self._document.title,
            "summary": {
                "operations": {"used": len(used), "of": len(self._operations)},
                **_sums(used.values()),
            },
            "operations": used,
            "not_used": sorted(one.described.operation_id for one in self._operations if not one.calls.times),
            "other_calls": dict(sorted(self.others.items())),
            "bodies_not_read": self.unread,
        }

    def _told(self, operation: _Operation) -> Json:
        schema = json_schema(self._document, operation.described.node.get("requestBody"))
        fields, values = self._sendable(schema)
        for one in operation.described.parameters:
            if one["in"] == "query":
                fields.add(f"query {one['name']}")
                shape = self._shapes.of(one.get("schema") or {})
                values |= {(f"query {one['name']}", str(value)) for value in shape.enum or ()}
        sent = {path for path in operation.sent if path in fields}
        sent_values = {(path, value) for path, used in operation.sent.items() for value in used.values}
        return {
            "method": operation.described.method,
            "path": operation.described.path,
            "calls": operation.calls.times,
            "tests": sorted(operation.calls.tests),
            "statuses": _trees(operation.statuses),
            "sent": _trees(operation.sent),
            "read": {status: _trees(paths) for status, paths in sorted(operation.read.items())},
            "unknown": _trees(operation.unknown),
            "error_codes": _trees(operation.error_codes),
            "of": {"fields": len(fields), "values": len(values)},
            "used": {"fields": len(sent), "values": len(sent_values & values)},
            "never_sent": sorted(fields - sent),
            "values_never_sent": sorted(f"{path}: {value}" for path, value in values - sent_values),
        }

    def _sendable(self, schema: Json | None) -> tuple[set[str], set[tuple[str, str]]]:
        """Return the fields that a body can have, and the values that the document lists for them."""
        fields: set[str] = set()
        values: set[tuple[str, str]] = set()
        waiting: list[tuple[str, Json, int]] = [] if schema is None else [("", schema, 0)]
        while waiting:
            path, node, depth = waiting.pop()
            shape = self._shapes.of(node)
            if path and not path.endswith(("[]", "{}")):
                fields.add(path)
            values |= {(path, str(value)) for value in shape.enum or ()}
            if depth > 12:
                continue
            waiting += [(f"{path}.{name}" if path else name, one, depth + 1) for name, one in shape.properties.items()]
            waiting += [(path, one, depth + 1) for one in shape.choices]
            if shape.items is not None:
                waiting.append((f"{path}[]", shape.items, depth + 1))
            if shape.values is not None:
                waiting.append((f"{path}{{}}", shape.values, depth + 1))
        return fields, values


def _merge(table: dict[str, Used], trees: Mapping[str, Any]) -> None:
    for name, tree in trees.items():
        table.setdefault(name, Used()).merge(tree)


def _trees(table: Mapping[str, Used]) -> Json:
    return {name: used.tree() for name, used in sorted(table.items())}


def _sums(operations: Iterable[Mapping[str, Any]]) -> Json:
    found: Json = {}
    for what in ("fields", "values"):
        found[what] = {"used": 0, "of": 0}
    for operation in operations:
        for what in ("fields", "values"):
            found[what]["used"] += operation["used"][what]
            found[what]["of"] += operation["of"][what]
    return found


def _safe(path: str) -> str:
    """Return an unknown field's path, shortened: a client may have put anything there."""
    return "".join(letter for letter in path[:80] if letter.isprintable())


def load(file: Path) -> Json:
    """Return a coverage file.

    Raises:
        CannotRead: It is none.
    """
    tree = read_json(file, "coverage file")
    if not isinstance(tree, dict) or tree.get("format") != FORMAT or not isinstance(tree.get("operations"), dict):
        raise CannotRead(f"{file}: is no coverage file; `metronome-sandbox coverage` writes one")
    return tree


# --- a page


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid #8884; padding: .4rem; }
td, th { text-align: left; vertical-align: top; } summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""


def page(tree: Mapping[str, Any]) -> str:
    """Return a coverage as HTML that needs no network."""
    counted = ", ".join(f"{one['used']} of {one['of']} {name}" for name, one in tree["summary"].items())
    rows = "\n".join(_rows(tree["operations"]))
    rest = "".join(f"<li>{escape(one)}</li>" for one in tree["not_used"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Coverage</title><style>{STYLE}</style></head>
<body><h1>What this client uses</h1>
<p>{escape(counted)}. Fields and values count where their operation was called.</p>
<table><thead><tr><th>Operation</th><th>Calls</th><th>Statuses</th><th>Fields sent</th><th>Values sent</th>
<th>Never sent</th><th>Sent, but unknown</th></tr></thead><tbody>
{rows}
</tbody></table>
<details><summary>{len(tree["not_used"])} operations without a call</summary><ul>{rest}</ul></details>
</body></html>
"""


def _rows(operations: Mapping[str, Any]) -> Iterator[str]:
    for name, one in operations.items():
        codes = "".join(f", {code}" for code in one["error_codes"])
        never = "<br>".join(escape(path) for path in (*one["never_sent"], *one["values_never_sent"]))
        yield (
            f"<tr><td>{escape(name)}</td><td>{one['calls']}</td>"
            f"<td>{escape(', '.join(one['statuses']) + codes)}</td>"
            f"<td>{one['used']['fields']} of {one['of']['fields']}</td>"
            f"<td>{one['used']['values']} of {one['of']['values']}</td>"
            f"<td><details><summary>{len(one['never_sent'])} fields, {len(one['values_never_sent'])} values</summary>"
            f"{never}</details></td><td>{'<br>'.join(map(escape, one['unknown']))}</td></tr>"
        )
