"""Recordings as a target: an API that answers what it was seen to answer.

Problem: a recording that is played in its order breaks with the first test that runs alone, and one that looks at paths
only answers any body, so that a client may be wrong and its tests pass. Choice: a request is answered when one with the
same operation, path parameters, query and body was recorded, compared as values: ``10`` and ``10.0`` are the same, and
the order of properties is none. Requests that are the same get their answers in the order of the recording. When those
are used up, a read is answered as it was last; a write is refused, since a second one would have had another effect.

Headers are not compared, the token among them: a recording has none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from metronome_sandbox.listening import Receive, Scope, Send
from metronome_sandbox.spec.findings import json_path, shortened
from metronome_sandbox.toolkit import har
from metronome_sandbox.toolkit.contract import Call, Contract, packaged
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent
from metronome_sandbox.toolkit.har import BadRecording, Suite
from metronome_sandbox.toolkit.redaction import Redaction, tokens_of
from metronome_sandbox.toolkit.watch import Noted, Reader

__all__ = ["BadRecording", "Mutation", "MutationScore", "Recording", "ReplayApp", "load", "mutation_score"]

NO_ANSWER = 501
"""What a request gets that was never recorded: no status that a test may expect of the API."""

MAX_BODY = 64 * 1024 * 1024
MAX_DEPTH = 100

Key = tuple[str, str, str]
"""Operation with its path parameters, query, body: each in a form in which equal values are equal texts."""


# --- comparing


def canonical(value: Any) -> str:
    """Return a text that two JSON values share exactly when they are equal. Numbers have to be int or ``Decimal``."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{canonical(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(one) for one in value) + "]"
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return _canonical_number(Decimal(value))
    return json.dumps(value)


def _canonical_number(number: Decimal) -> str:
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text or not isinstance(exponent, int):
        return "0"
    short = text.rstrip("0")
    return f"{'-' if sign else ''}{short}e{exponent + len(text) - len(short)}"


def _tree(body: bytes) -> Any:
    """Return the value of a body with exact numbers; of one that is no JSON, or absurdly deep, the text."""
    if not body:
        return None
    with suppress(ValueError, RecursionError):
        tree = json.loads(body, parse_float=Decimal)
        if _depth(tree) <= MAX_DEPTH:
            return tree
    return {"not JSON": body.decode("latin-1")}


def _depth(tree: Any) -> int:
    depth, level = 0, [tree]
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for holder in inner for one in holder]
    return depth


def _body_form(body: bytes) -> str:
    return "" if not body else canonical(_tree(body))


def _query_form(call: Call, query: str) -> str:
    """Return a query as the operation understands it: converted, with its defaults; what it does not know as it is."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    if call.known is None:
        return json.dumps(pairs)
    values, findings = call.known.operation.read_query(query.encode())
    if findings:
        return json.dumps(pairs)
    unknown = [pair for pair in pairs if pair[0] not in call.known.operation.query_parameters]
    return json.dumps([values, unknown], sort_keys=True)


# --- a recording


class Recording:
    """Calls and their answers.

    Args:
        exchanges: In order.
        notes: What the reader of the file left out, in words.
        suite: Of a test run's recording.
        origin: Where the calls went, ``https://api.example.com``.
    """

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        notes: Iterable[str] = (),
        contract: Contract | None = None,
        suite: Suite | None = None,
        origin: str = "",
    ) -> None:
        self.exchanges = tuple(exchanges)
        self.notes = tuple(notes)
        self.suite = suite
        self.origin = origin
        self._contract = contract or packaged()
        self._answers: dict[Key, list[Exchange]] = {}
        for exchange in self.exchanges:
            self._answers.setdefault(self.key(exchange.sent), []).append(exchange)

    @cached_property
    def findings(self) -> tuple[Noted, ...]:
        """Where the recorded calls and today's document disagree."""
        return tuple(self._findings())

    def of_test(self, test: str) -> Recording:
        """Return the part that a test recorded; all of it where no calls know their tests."""
        if self.suite is None:
            return self
        name = named_by(test, {one.test for one in self.exchanges if one.test is not None})
        own = [] if name is None else [one for one in self.exchanges if one.test == name]
        return Recording(own, (), self._contract, self.suite)

    def call(self, sent: Sent) -> Call:
        """Return what a request is of."""
        return self._contract.call(sent.method, sent.path)

    def key(self, sent: Sent) -> Key:
        """Return what has to be equal for two requests to be the same."""
        call = self.call(sent)
        # What was recorded has no secrets any more; what is asked is compared without them.
        plain = Redaction(tokens_of(sent)).sent(sent)
        # An operation that the document only names has no parameters to be told apart.
        values = call.path if call.known is None else json.dumps(call.values, sort_keys=True)
        return f"{call.name} {values}", _query_form(call, plain.query), _body_form(plain.body)

    def answers(self, sent: Sent) -> list[Exchange]:
        """Return the recorded calls that are the same as a request, in order; empty when there is none."""
        return self._answers.get(self.key(sent), [])

    def __len__(self) -> int:
        return len(self.exchanges)

    def of_operation(self, call: Call) -> list[Exchange]:
        """Return the recorded calls of an operation."""
        return [one for one in self.exchanges if self.call(one.sent).name == call.name]

    def _findings(self) -> Iterator[Noted]:
        reader = Reader(self._contract)
        seen: set[tuple[str, str, str, str]] = set()
        for number, exchange in enumerate(self.exchanges, start=1):
            exchange = Redaction(tokens_of(exchange.sent)).exchange(exchange)  # a browser's archive may hold anything
            call = reader.call(exchange)
            # A request that was refused may be wrong: the API said so.
            of_request = [] if exchange.answered.status >= 400 else reader.of_request(call, exchange.sent)
            of_answer = [] if exchange.answered.is_dropped else reader.of_answer(call, exchange.answered)
            for side, findings in (("request", of_request), ("answer", of_answer)):
                for finding in findings:
                    noted = Noted(side, call.name, number, finding)
                    if noted.key not in seen:
                        seen.add(noted.key)
                        yield noted


def named_by(test: str, names: Iterable[str]) -> str | None:
    """Return the name that a recording has for a test, which may have been recorded from another folder."""
    known = set(names)
    if test in known:
        return test
    near = [one for one in known if one.endswith(f"/{test}") or test.endswith(f"/{one}")]
    return near[0] if len(near) == 1 else None


def load(path: Path, contract: Contract | None = None) -> Recording:
    """Return the recording in a HAR file, whoever wrote it.

    A browser records whatever its page asks for: the host with most calls of the API is the API, others are left out.

    Raises:
        BadRecording: The file is no HAR, or nothing in it is a call of the API.
    """
    contract = contract or packaged()
    archive = har.read(path)
    entries = [one for one in archive.entries if one.exchange.sent.method != "OPTIONS"]  # a browser's own question
    calls: Counter[str] = Counter()
    for entry in entries:
        sent = entry.exchange.sent
        calls[entry.origin] += contract.call(sent.method, sent.path).is_named
    origin, count = calls.most_common(1)[0] if calls else ("", 0)
    if not count:
        raise BadRecording(f"{path} holds {len(entries)} calls, and none of them is a call of the billing API")
    notes = [
        f"{path}: left out {number} call{'' if number == 1 else 's'} of {other}"
        for other, number in Counter(entry.origin for entry in entries).items()
        if other != origin
    ]
    own = [entry.exchange for entry in entries if entry.origin == origin]
    cut = [one for one in own if not (one.sent.is_whole and one.answered.is_whole)]
    if cut:
        notes.append(f"{path}: left out {len(cut)} of its calls, whose bodies were not recorded")
    whole = [_rooted(one, contract) for one in own if one.sent.is_whole and one.answered.is_whole]
    return Recording(whole, notes, contract, archive.suite, origin)


def _rooted(exchange: Exchange, contract: Contract) -> Exchange:
    """Return an exchange whose path begins where the API begins, without the folder of a gateway."""
    path = contract.call(exchange.sent.method, exchange.sent.path).path
    return replace(exchange, sent=replace(exchange.sent, path=path))


# --- answering


class ReplayApp:
    """An ASGI application that answers from a recording. Each one begins with the first answers again.

    Args:
        say: Called with what was asked and never recorded, in words.

    Attributes:
        refused: All of it.
    """

    def __init__(self, recording: Recording, say: Callable[[str], None] | None = None) -> None:
        self.recording = recording
        self.refused: list[str] = []
        self._say = say
        self._used: Counter[Key] = Counter()

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY or not message.get("more_body", False):
                break
        raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path = raw_path.decode("ascii", "replace")
        query = scope["query_string"].decode("ascii", "replace")
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        answered = self.answer(Sent(scope["method"], path, query, headers, body))
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answered.headers]
        raw.append((b"content-length", b"%d" % (len(answered.body) or answered.is_dropped)))
        await send({"type": "http.response.start", "status": answered.status, "headers": raw})
        if answered.is_dropped:
            return  # the server below closes a connection whose answer stays incomplete
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answered.body})

    def answer(self, sent: Sent) -> Answered:
        """Return the answer to a request, without the headers that were about another connection."""
        same = self.recording.answers(sent)
        key = self.recording.key(sent)
        number = self._used[key]
        call = self.recording.call(sent)
        is_read = sent.method in ("GET", "HEAD") if call.known is None else call.known.is_read
        if not same or (number >= len(same) and not is_read):
            why = why_not(self.recording, sent) if not same else _used_up(call, len(same))
            self.refused.append(why)
            if self._say is not None:
                self._say(why)
            headers = (("content-type", "application/json"), ("x-should-retry", "false"))
            return Answered(NO_ANSWER, headers, json.dumps({"message": why}).encode())
        self._used[key] += 1
        answered = same[min(number, len(same) - 1)].answered
        # Cookies and the like are gone, and what was said about the connection is about another one.
        kept = tuple((name, value) for name, value in answered.headers if name.lower() not in _NOT_REPLAYED)
        return replace(answered, status=answered.status or 200, headers=kept)


_NOT_REPLAYED = har.PACKED | {"connection", "keep-alive", "set-cookie", "date", "server", "strict-transport-security"}


def _used_up(call: Call, times: int) -> str:
    return (
        f"the recording has this {call.name} {times} time{'' if times == 1 else 's'}, and this is one more; "
        "a write is not answered twice"
    )


def why_not(recording: Recording, sent: Sent) -> str:
    """Return in words what makes a request differ from the nearest one that was recorded."""
    call = recording.call(sent)
    same_operation = recording.of_operation(call)
    what = f"{sent.method} {sent.path}" if call.known is None else call.name
    if not same_operation:
        return f"the recording has no call of {what}"
    differences = [_differences(recording, sent, one.sent) for one in same_operation]
    nearest = min(differences, key=len)
    told = "; ".join(nearest[:3]) + ("; and more" if len(nearest) > 3 else "")
    return f"the recording has no such call of {what}; the nearest of {len(same_operation)} differs at {told}"


def _differences(recording: Recording, asked: Sent, recorded: Sent) -> list[str]:
    def told(where: str, was: Any, now: Any) -> str:
        return f"{where}: recorded {_shown(was)}, received {_shown(now)}"

    own, other = recording.call(recorded), recording.call(asked)
    found = [
        told(f"path parameter {name}", own.values.get(name), value)
        for name, value in other.values.items()
        if own.values.get(name) != value
    ]
    if own.known is not None:
        was, _ = own.known.operation.read_query(recorded.query.encode())
        now, _ = own.known.operation.read_query(asked.query.encode())
        was, now = {**dict(parse_qsl(recorded.query)), **was}, {**dict(parse_qsl(asked.query)), **now}
        found += [
            told(f"query parameter {name}", was.get(name), now.get(name))
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name)
        ]
    pairs = _different(_tree(recorded.body), _tree(asked.body), ())
    found += [told(json_path(steps) or "body", was, now) for steps, was, now in pairs]
    return found or ["its query"]


_MISSING = object()


def _different(was: Any, now: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Yield the places in which two trees differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _different(was.get(name, _MISSING), now.get(name, _MISSING), (*steps, name))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (old, new) in enumerate(zip(was, now, strict=True)):
            yield from _different(old, new, (*steps, index))
    elif was is _MISSING or now is _MISSING or canonical(was) != canonical(now):
        yield steps, was, now


def _shown(value: Any) -> str:
    if value is _MISSING or value is None:
        return "nothing"
    return str(value) if isinstance(value, Decimal) else shortened(value)


# --- what a recording proves


@dataclass(frozen=True, slots=True)
class Mutation:
    """A recorded request with one thing changed, and what that was, in words."""

    sent: Sent
    what: str


@dataclass(frozen=True, slots=True)
class MutationScore:
    """How many altered requests a recording would still have answered.

    Attributes:
        altered: Requests that were tried.
        answered: Of them, those that were answered; none is best.
        examples: Some of those of each operation, in words that begin with its name and a colon.
    """

    altered: int
    answered: int
    examples: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The part that was answered, from 0 to 1. A recording without requests accepts nothing and proves nothing."""
        return self.answered / self.altered if self.altered else 1.0

    def __str__(self) -> str:
        return f"{self.answered} of {self.altered} altered requests would still have been answered"


MUTATIONS_OF_ONE = 200
"""Of one request at most: a batch of a thousand events is not altered in a thousand places."""

BYTES_OF_ONE = 16 * 1024 * 1024
"""All alterations of a request together: a snapshot of a tenant is altered in a few places."""

EXAMPLES = 10
"""Of one operation."""

Step = str | int


def mutation_score(recording: Recording) -> MutationScore:
    """Alter each different request of a recording in every place, and count what is answered all the same.

    A value is changed, a property or parameter left out or added, a body taken away. An altered request that was
    recorded as well, the second page of a list for example, is no alteration and not counted.
    """
    altered, answered = 0, Counter[str]()
    examples: list[str] = []
    redaction = Redaction()  # two secrets are the same to a recording, which has none
    seen: set[tuple[Any, ...]] = set()
    literal = {_literal(one.sent, recording.call(one.sent)) for one in recording.exchanges}
    for exchange in recording.exchanges:
        call = recording.call(exchange.sent)
        if _literal(exchange.sent, call) in seen:
            continue
        seen.add(_literal(exchange.sent, call))
        most = min(MUTATIONS_OF_ONE, 1 + BYTES_OF_ONE // (1 + len(exchange.sent.body)))
        for mutation in islice(mutations(exchange.sent, call), most):
            if _literal(redaction.sent(mutation.sent), recording.call(mutation.sent)) in literal:
                continue
            altered += 1
            if recording.answers(mutation.sent):
                answered[call.name] += 1
                if answered[call.name] <= EXAMPLES:
                    examples.append(f"{call.name}: {mutation.what}")
    return MutationScore(altered, answered.total(), tuple(examples))


def _literal(sent: Sent, call: Call) -> tuple[str, str, str, str]:
    """Return a request as it was sent, so that the score does not lean on the comparison that it is to judge.

    A parameter that is left out stands for its default.
    """
    defaults = {} if call.known is None else call.known.operation.query_defaults
    pairs = parse_qsl(sent.query, keep_blank_values=True)
    given = {name for name, _ in pairs}
    pairs += [(name, json.dumps(value).strip('"')) for name, value in defaults.items() if name not in given]
    return sent.method, sent.path, json.dumps(sorted(pairs)), json.dumps(_tree(sent.body), sort_keys=True, default=str)


def mutations(sent: Sent, call: Call) -> Iterator[Mutation]:
    """Yield a request with one thing changed each time."""
    for name, value in call.values.items():
        path = sent.path.replace(quote(value, safe=""), quote(_other_text(value), safe=""), 1)
        if path != sent.path:
            yield Mutation(replace(sent, path=path), f"path parameter {name} changed")
    pairs = parse_qsl(sent.query, keep_blank_values=True)
    for index, (name, value) in enumerate(pairs):
        others = pairs[:index], pairs[index + 1 :]
        changed = [*others[0], (name, _other_text(value)), *others[1]]
        yield Mutation(replace(sent, query=_query(changed)), f"query parameter {name} changed")
        yield Mutation(replace(sent, query=_query([*others[0], *others[1]])), f"query parameter {name} left out")
    yield Mutation(replace(sent, query=_query([*pairs, ("unheard_of", "1")])), "a query parameter added")
    if not sent.body:
        yield Mutation(replace(sent, body=b'{"unheard_of":1}'), "a body added")
        return
    yield Mutation(replace(sent, body=b""), "the body left out")
    tree = _tree(sent.body)
    for what, changed in _changes(tree, ()):
        body = json.dumps(changed, default=_number).encode()
        yield Mutation(replace(sent, body=body), what)


def _query(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def _number(value: Decimal) -> float:
    return float(value)


def _changes(value: Any, steps: tuple[Step, ...]) -> Iterator[tuple[str, Any]]:
    """Yield what was changed, and a tree in which it is."""
    where = json_path(steps) or "the body"
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{json_path((*steps, name))} left out", {key: kept for key, kept in value.items() if key != name}
            for what, changed in _changes(one, (*steps, name)):
                yield what, {**value, name: changed}
        yield f"a property added to {where}", {**value, "unheard_of": 1}
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield f"{json_path((*steps, index))} left out", [*value[:index], *value[index + 1 :]]
            for what, changed in _changes(one, (*steps, index)):
                yield what, [*value[:index], changed, *value[index + 1 :]]
    elif isinstance(value, bool):
        yield f"{where} changed", not value
    elif isinstance(value, Decimal | int):
        yield f"{where} changed", value + 1
    elif isinstance(value, str):
        yield f"{where} changed", _other_text(value)
    else:
        yield f"{where} changed", "something"


def _other_text(text: str) -> str:
    """Return a text of the same kind, as far as a letter or a digit at its end can be another."""
    last = text[-1:]
    if last.isdigit():
        return text[:-1] + ("0" if last == "9" else chr(ord(last) + 1))
    if last in "abcdef" and last:
        return text[:-1] + ("a" if last == "f" else chr(ord(last) + 1))
    return text + "x"
