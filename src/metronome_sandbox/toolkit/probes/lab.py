"""Where a probe works: things with names of their own, figures that are compared, and a broom for afterwards.

Most probes need no clock: an invoice of a past month is priced by the preview of an import, usage of the running month
by a preview of events. So the same calls work on an account of the vendor, whose time nobody can move.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metronome_sandbox.client.asking import Answer, CannotAsk, HeaderChannel, message_of, value_of

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
JUNE, JULY, AUGUST, SEPTEMBER, DECEMBER, YEAR_END = (
    f"{year}-{month:02}-01T00:00:00Z"
    for year, month in ((2024, 6), (2024, 7), (2024, 8), (2024, 9), (2024, 12), (2025, 1))
)
PAUSE_SECONDS = 3
LONG_AGO = "2024-01-01T00:00:00Z"

Json = dict[str, Any]


class Refused(Exception):
    """A call that only prepares was not answered with 200, so the question could not be asked."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        super().__init__(said(method, path, answer))


def said(method: str, path: str, answer: Answer) -> str:
    """Return a call and its answer in words."""
    return f"{method} {path} answered {answer.status}: {message_of(answer)}"


class Figure(NamedTuple):
    """One thing that a probe looked at.

    Attributes:
        what: Which figure, in words.
        expected: What our reading predicts.
        got: What the target says.
    """

    what: str
    expected: Any
    got: Any

    @property
    def agrees(self) -> bool:
        """Whether both are the same; of numbers the first 9 digits, since a target may count in floats."""
        return is_same(self.expected, self.got)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same, numbers to 9 digits."""
    if _is_number(one) and _is_number(other):
        left, right = Decimal(str(one)), Decimal(str(other))
        return abs(left - right) <= max(abs(left), abs(right)) * Decimal("1e-9")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


@dataclass
class Lab:
    """What the probes of one run share.

    Attributes:
        sender: Reaches the target.
        prefix: Begins every name that is made.
        now: The target's time.
        patience_seconds: How long the target may take to work through what it was sent.
    """

    sender: HeaderChannel
    prefix: str
    now: datetime
    patience_seconds: float = 0
    _number: int = 0
    _made: list[tuple[str, Json]] = field(default_factory=list)

    # asking

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that has to be a 200.

        Raises:
            Refused: It is not.
        """
        answer = self.sender.send(method, path, body)
        if answer.status != 200:
            raise Refused(method, path, answer)
        return value_of(answer)

    def post(self, path: str, body: Json) -> Any:
        """Return the JSON of a POST that has to be answered with 200."""
        return self.ask("POST", path, body)

    def eventually(self, expected: Any, read: Callable[[], Any]) -> Any:
        """Return what is read once it is as expected, or at the end of patience.

        For what follows from usage: a sandbox has it at once, an account of the vendor after a while.
        """
        end = time.monotonic() + self.patience_seconds
        while not is_same(expected, found := read()) and time.monotonic() < end:
            time.sleep(PAUSE_SECONDS)
        return found

    def status(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> int:
        """Return the status of a POST of which the status is the question.

        Raises:
            Refused: It is one that says nothing about any rule: not allowed, too many, not there, broken.
        """
        answer = self.sender.send("POST", path, body, headers)
        if answer.status in (401, 402, 403, 405, 408, 429) or answer.status >= 500:
            raise Refused("POST", path, answer)
        if answer.status == 200:
            self._note(path, body, value_of(answer))
        return answer.status

    def advance(self, to: str) -> None:
        """Let time pass; only for probes that need a clock."""
        self.post("/sandbox/clock/advance", {"to": to})

    # making

    def make(self, path: str, body: Json) -> str:
        """Make something; return its id."""
        answer = self.post(path, body)
        self._note(path, body, answer)
        return str(answer["data"]["id"])

    def name(self, of: str) -> str:
        """Return a name that nobody else has, ``of`` at its end."""
        self._number += 1
        return f"{self.prefix} {self._number} {of}"

    def _note(self, path: str, body: Json, answer: Any) -> None:
        """Remember what has to be archived, in the order of making."""
        archive = ARCHIVED_BY.get(path)
        if archive is None or not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            return
        target, name = archive
        sent: Json = {name: answer["data"].get("id")}
        if target == "/v1/contracts/archive":
            sent |= {"customer_id": body["customer_id"], "void_invoices": True}
        self._made.append((target, sent))

    def archive(self, made: str, **terms: Any) -> None:
        """Archive what was made under an id, where that is part of the question.

        Args:
            terms: Fields that are not as usual.
        """
        path, body = next(one for one in self._made if made in one[1].values())
        self.post(path, {**body, **terms})
        self._made.remove((path, body))

    def tidy(self) -> tuple[str, ...]:
        """Archive what was made, last first; return for each thing that could not be, why."""
        left: list[str] = []
        gone = ""
        while self._made:
            path, body = self._made.pop()
            try:
                answer = None if gone else self.sender.send("POST", path, body)
            except CannotAsk as error:
                answer, gone = None, str(error)  # who does not answer is not asked again
            if answer is None:
                left.append(gone)
            elif answer.status != 200:
                left.append(said("POST", path, answer))
        return tuple(left)


ARCHIVED_BY: Mapping[str, tuple[str, str]] = {
    "/v1/billable-metrics/create": ("/v1/billable-metrics/archive", "id"),
    "/v1/contract-pricing/products/create": ("/v1/contract-pricing/products/archive", "product_id"),
    "/v1/contract-pricing/rate-cards/create": ("/v1/contract-pricing/rate-cards/archive", "id"),
    "/v1/credit-types/create": ("/v1/credit-types/archive", "id"),
    "/v1/customers": ("/v1/customers/archive", "id"),
    "/v1/contracts/create": ("/v1/contracts/archive", "contract_id"),
    "/v1/packages/create": ("/v1/packages/archive", "package_id"),
}
"""What makes a thing that can be archived, what archives it, and by which name it takes the id."""
