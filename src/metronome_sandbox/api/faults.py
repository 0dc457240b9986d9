"""Faults on purpose: what goes wrong between a client and an API, when a test asks for it.

A rule names the calls that it wants, by operation and by their number, or draws them; the gateway asks the rules of a
tenant about each call. A drawing depends on the seed and on the calls before it and on nothing else, so a run repeats.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random

import msgspec
import orjson

from metronome_sandbox.api.requests import Fault, Reply
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.spec.operations import Operation

MAX_RULES = 100
"""Of one tenant. Each call asks them all."""


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """The operation is not executed; an error is answered in its place."""

    DELAY = "delay"
    """Nothing but the wait. A client that gives up earlier does not stop the operation: it is executed afterwards."""

    DROP = "drop"
    """The connection ends before the operation is executed."""

    LOSE_ANSWER = "lose_answer"
    """The operation is executed, its answer kept for an idempotency key, and the connection ends without it."""

    BROKEN_JSON = "broken_json"
    """The operation is executed; of its answer only the first half of the bytes comes."""

    TRUNCATED_PAGE = "truncated_page"
    """The operation is executed; the second half of the list ``data`` is missing, and the cursor leads on behind it."""


class NewFault(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        operation_id: None for every operation of the billing API.
        call: The number of the first call it disturbs, of those that its operation gets from now on; from 1.
        count: How many it disturbs. None for no end.
        probability: Of each of these calls, that it is disturbed; None for certain.
        seed: Of the drawing.
        status, message: Of the answer, on STATUS.
        retry_after_seconds: A header ``Retry-After``; None for none.
        rate_limit_type: A header ``X-Metronome-Rate-Limit-Type``; None for none. Source: page "Status codes".
        delay_seconds: Before anything else, on every kind.
    """

    kind: FaultKind
    operation_id: str | None = None
    call: int = 1
    count: int | None = None
    probability: float | None = None
    seed: int = 0
    status: int = 500
    message: str = ""
    retry_after_seconds: int | None = None
    rate_limit_type: str | None = None
    delay_seconds: float = 0


class FaultRule:
    """A fault that was asked for, and how far it got.

    Attributes:
        id: Running number within the tenant, from 1.
        asked: What was asked for.
        seen: Calls of its operation so far.
        disturbed: Those of them that it disturbed.
    """

    __slots__ = ("_fault", "_random", "asked", "disturbed", "id", "seen")

    def __init__(self, rule_id: str, asked: NewFault) -> None:
        self.id = rule_id
        self.asked = asked
        self.seen = 0
        self.disturbed = 0
        self._random = Random(asked.seed)
        self._fault = _fault(rule_id, asked)

    def wants(self, operation_id: str) -> bool:
        """Count a call, and tell whether it is one to disturb."""
        asked = self.asked
        if asked.operation_id is not None and asked.operation_id != operation_id:
            return False
        self.seen += 1
        if self.seen < asked.call or self.disturbed == asked.count:
            return False
        return asked.probability is None or self._random.random() < asked.probability

    def disturb(self) -> Fault:
        """Count a disturbed call, and return what to do to it."""
        self.disturbed += 1
        return self._fault


class Faults:
    """The rules of one tenant, in the order in which they were made."""

    __slots__ = ("_last_id", "rules")

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self._last_id = 0

    def add(self, asked: NewFault) -> FaultRule:
        """Return a new rule.

        Raises:
            InvalidRequest: There are as many as a tenant may have.
        """
        if len(self.rules) >= MAX_RULES:
            raise InvalidRequest("", f"this tenant has {MAX_RULES} faults already; DELETE /sandbox/faults first")
        self._last_id += 1
        rule = FaultRule(str(self._last_id), asked)
        self.rules.append(rule)
        return rule

    def next(self, operation: Operation) -> Fault | None:
        """Return what to do to a call. Every rule counts it; the oldest one that wants it has it."""
        chosen: FaultRule | None = None
        for rule in self.rules:
            if rule.wants(operation.operation_id) and chosen is None:
                chosen = rule
        return None if chosen is None else chosen.disturb()

    def clear(self) -> int:
        """Forget every rule and return how many there were. Numbers go on, so that an id never stands for two."""
        cleared = len(self.rules)
        self.rules.clear()
        return cleared


def _fault(rule_id: str, asked: NewFault) -> Fault:
    kind = asked.kind
    fault = Fault(asked.delay_seconds, rule_id=rule_id, kind=kind.value)
    if kind is FaultKind.STATUS:
        fault.reply = _refusal(asked)
    elif kind is FaultKind.DROP:
        fault.drop = "before"
        # A client that reads no further than the status line must not take the call for a success.
        fault.reply = Reply({"message": "the connection is dropped by a fault"}, 503)
    elif kind is FaultKind.LOSE_ANSWER:
        fault.drop = "after"
    elif kind is FaultKind.BROKEN_JSON:
        fault.corrupt = _break
    elif kind is FaultKind.TRUNCATED_PAGE:
        fault.corrupt = _truncate
    return fault


def _refusal(asked: NewFault) -> Reply:
    headers: list[tuple[bytes, bytes]] = []
    if asked.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % asked.retry_after_seconds))
    if asked.rate_limit_type is not None:
        headers.append((b"x-metronome-rate-limit-type", asked.rate_limit_type.encode()))
    message = asked.message or f"status {asked.status} by a fault of the sandbox"
    return Reply({"message": message}, asked.status, headers=tuple(headers))


def _break(body: bytes) -> bytes:
    return body[: (len(body) + 1) // 2]


def _truncate(body: bytes) -> bytes:
    answer = orjson.loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return body
    items = answer["data"]
    return orjson.dumps({**answer, "data": items[: len(items) // 2]})
