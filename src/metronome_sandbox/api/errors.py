"""What an error of the domain looks like on the wire: one table from class to status.

v1 answers ``{"message"}``. Where an operation's contract declares a ``code`` for a status (``/v2/contracts/*`` and a
few others), the code goes with it if the contract lists it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from metronome_sandbox.domain import errors
from metronome_sandbox.spec.findings import json_path
from metronome_sandbox.spec.operations import Operation

STATUS: dict[type[errors.DomainError], int] = {
    errors.DomainError: 400,
    errors.InvalidRequest: 400,
    errors.NotAllowedNow: 400,
    errors.AlreadyArchived: 422,
    errors.NotFound: 404,
    errors.CustomerNotFound: 404,
    errors.ContractNotFound: 404,
    errors.ScenarioNotFound: 404,
    errors.Conflict: 409,
    errors.UniquenessKeyTaken: 409,
    errors.IngestAliasTaken: 409,
    errors.IdempotencyKeyReused: 409,
    errors.NotImitated: 501,
}
"""A class without a row of its own takes the row of its nearest ancestor; a test asks for a row all the same."""

GENERAL_CODES = ("BadRequest", "InvalidArgument")
"""Codes for any broken request, in the order we try them. Source: 400 of ``createNotificationConfig-v2`` and of
``getSubscriptionSeatsHistory-v1``."""


NOT_RETRIED = ((b"x-should-retry", b"false"),)
"""Keeps an SDK from trying again what will not change. Source: SDKs obey this header before anything else."""


class Refusal(Exception):
    """An answer that the HTTP edge gives on its own, before an operation is reached.

    Args:
        status: HTTP status.
        message: What the caller reads.
        headers: Further headers, lower-case names, bytes.
    """

    def __init__(self, status: int, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = tuple(headers)


def status_of(error: errors.DomainError) -> int:
    """Return the HTTP status of an error: the most specific row of :data:`STATUS`."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(operation: Operation, error: errors.DomainError) -> tuple[int, dict[str, str]]:
    """Return status and body of an error as ``operation`` declares it.

    A thing that is not found is a 400 with a code where the contract lists that code under 400, a 404 elsewhere.
    Source: 400 of the operations of ``/v2/contracts``.
    """
    usual = status_of(error)
    named = code_of(error)
    for status, code in ((400, named), (usual, named), *((usual, general) for general in GENERAL_CODES)):
        if code is not None and code in operation.error_codes.get(status, ()):
            return status, {"code": code, "message": str(error)}
    return usual, {"message": str(error)}


def code_of(error: errors.DomainError) -> str | None:
    """Return the code that names a missing thing, ``"CustomerNotFound"`` for a customer; None for other errors."""
    if isinstance(error, errors.NotFound):
        return "".join(word[:1].upper() + word[1:] for word in error.kind.replace("_", " ").split()) + "NotFound"
    return None


def from_overflow(body: bytes) -> errors.InvalidRequest:
    """Return what the caller did wrong when a date or a number of the body cannot be held.

    Called when it already went wrong, so it may take its time: it names the first date that leaves the calendar in UTC.
    """
    for steps, text in _texts(orjson.loads(body), ()):
        try:
            datetime.fromisoformat(text).astimezone(UTC)
        except OverflowError:
            problem = f"{text!r} is outside of the calendar once it is turned into UTC; send a year from 1 to 9999"
            return errors.InvalidRequest(json_path(steps), problem)
        except ValueError:
            continue
    return errors.InvalidRequest("", "a number or a date is too large or too small to be used")


def _texts(tree: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(tree, str):
        yield steps, tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield from _texts(value, (*steps, name))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _texts(value, (*steps, index))


def from_decoding(error: msgspec.DecodeError) -> errors.InvalidRequest:
    """Return what the caller did wrong when a wire type refuses what the schema let pass, a leap second for example.

    ``str(error)`` ends in "- at `$.invoices[0].issue_date`"; that path goes to the front, as everywhere else.
    """
    problem, _, where = str(error).partition(" - at `")
    return errors.InvalidRequest(where.rstrip("`").removeprefix("$").removeprefix("."), problem)
