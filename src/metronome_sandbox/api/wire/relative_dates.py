"""Lengths of time on the wire. Source: schema ``RelativeDate``."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, WireType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit

LONGEST = {
    RelativeUnit.DAYS: 36525,
    RelativeUnit.WEEKS: 5218,
    RelativeUnit.MONTHS: 1200,
    RelativeUnit.YEARS: 100,
}
"""A hundred years. Ours; the vendor states no bound."""


class RelativeDateInput(WireType):
    """An offset or a duration."""

    value: int
    unit: str


def offset(wire: RelativeDateInput, path: str, least: int = 0) -> RelativeDate:
    """Return an offset from the contract's start.

    Assumed: none leads back before it, and a duration is at least one of its unit.  [A-package-offset]
    """
    unit = RelativeUnit(wire.unit)
    if not least <= wire.value <= LONGEST[unit]:
        raise InvalidRequest(
            f"{path}.value", f"{wire.value} is not from {least} to {LONGEST[unit]}, as {unit} must be here"
        )
    return RelativeDate(wire.value, unit)


def duration(wire: RelativeDateInput | None, path: str) -> RelativeDate | None:
    """Return a duration, if there is one."""
    return None if wire is None else offset(wire, path, 1)


def render_relative_date(date: RelativeDate) -> JsonObject:
    """Return an offset or a duration."""
    return {"value": date.value, "unit": date.unit.value}
