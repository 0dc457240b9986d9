"""What every tag's wire module uses: decoding, numbers, timestamps, spellings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context as DecimalContext
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import msgspec

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import GroupValues

JsonObject: TypeAlias = dict[str, Any]
ACTOR = "metronome-sandbox"
"""The ``created_by`` of everything, which names a token. Assumed: one name for all (question 54).  [A-created-by]"""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_FIFTEEN_DIGITS = DecimalContext(prec=15)
_AT_PATH = re.compile(r"^(?P<problem>.*?) - at `\$(?:\.(?P<path>.*))?`$")


class WireType(msgspec.Struct, gc=False):
    """Base of the types that a request body is decoded into. Fields that it does not name are ignored."""


def decoder(wire_type: type[T]) -> msgspec.json.Decoder[T]:
    """Return a decoder to be made once, for bodies that the gateway has already checked against the contract."""
    return msgspec.json.Decoder(wire_type)


def decode(reader: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return the body as its wire type.

    Raises:
        InvalidRequest: The contract lets it pass, but it cannot be held: a number of a million digits, the year 0.
    """
    try:
        return reader.decode(body)
    except (msgspec.ValidationError, ArithmeticError) as error:
        found = _AT_PATH.match(str(error))
        if found is None:
            raise InvalidRequest("", str(error) or "a number is out of range") from error
        raise InvalidRequest(found["path"] or "", found["problem"]) from error


def number(value: Decimal) -> int | Decimal:
    """Return a number as it goes out: whole ones without a point, others with up to 15 significant digits.

    Assumed: so that every client's double holds it; inside, nothing is rounded (question Q4).  [A-printed-digits]
    """
    if value == value.to_integral_value():
        return int(value)
    return _FIFTEEN_DIGITS.plus(value).normalize()


def utc(instant: datetime) -> datetime:
    """Return an aware instant in UTC."""
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def utc_or_none(instant: datetime | None) -> datetime | None:
    """Return an instant in UTC; None where there is none."""
    return None if instant is None else utc(instant)


def instant(text: str, path: str) -> datetime:
    """Return the instant of an RFC 3339 text, in UTC.

    Raises:
        InvalidRequest: There is no such instant: the year 0, or one that leaves the calendar in UTC.
    """
    try:
        return utc(msgspec.convert(text, datetime))
    except (msgspec.ValidationError, OverflowError):
        problem = f"{text!r} is no RFC 3339 date-time with an offset, of the years 1 to 9999"
        raise InvalidRequest(path, problem) from None


@lru_cache(maxsize=4096)
def invoice_time(instant: datetime) -> str:
    """Return an instant as invoices and ledgers print it: ``2024-07-01T00:00:00+00:00``. Source: samples in the
    guides.
    """
    return instant.isoformat()


@lru_cache(maxsize=4096)
def time(instant: datetime) -> str:
    """Return an instant as everything but invoices prints it: ``2024-07-01T00:00:00.000Z``."""
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def time_or_none(instant: datetime | None) -> str | None:
    """Return an instant as text; None where there is none."""
    return None if instant is None else time(instant)


def canonical(spelling: str, values: type[E]) -> E:
    """Return the enum member of any of the spellings that the contract lists."""
    return values(spelling.upper())


def present(**fields: Any) -> JsonObject:
    """Return the fields that have a value: an optional field without one is absent from an answer."""
    return {name: value for name, value in fields.items() if value is not None}


def scope(operation_id: str, query: JsonObject) -> str:
    """Return the name of a list for its cursors: the operation and every filter."""
    filters = sorted((name, str(value)) for name, value in query.items() if name not in ("limit", "next_page"))
    return f"{operation_id} {filters}"


def group_map(values: GroupValues) -> dict[str, str | None]:
    """Return group values as a JSON map."""
    return dict(values)
