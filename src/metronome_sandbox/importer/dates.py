"""Dates of an old file, read in the forms that the mapping lists and in no other.

Billing periods of the API are days of UTC, those of the old system days of wherever it stood. So:

* Where rows are no hours, a date is a calendar day: 1 June is 2024-06-01T00:00Z whatever the zone, and a time of day
  only says, in the mapping's zone, which day it was. June stays June, on either side of the world.
* Where rows are hours, a date is an instant: what has no zone of its own is in the mapping's, and goes to UTC. An hour
  of a zone that is no whole hour from UTC has no place in the API, and is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from metronome_sandbox.importer.findings import Wrong

ISO, UNIX = "iso", "unix"
ALLOWED = frozenset("YymdbBHMSfpIz%")
"""Directives of ``strptime`` that are the same in every country."""

FIRST_YEAR, LAST_YEAR = 1990, 2199
HOUR, DAY = 3600, 86400
CACHED = 50_000

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_SECONDS = re.compile(r"\d{1,11}", re.ASCII)


class Moment(NamedTuple):
    """A date as a row has it, in seconds since 1970.

    Attributes:
        at: Where its day or hour begins.
        after: Where the next one does.
        has_time: Whether a time of day was given.
        is_last_minute: Whether that is the last minute of the day or hour: 23:59:59 is meant to include its day.
    """

    at: int
    after: int
    has_time: bool
    is_last_minute: bool


def is_zone(name: str) -> bool:
    """Whether the IANA database has a time zone."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError on some systems
        return False
    except KeyError:
        return False
    return True


def problem_of(formats: tuple[str, ...]) -> str | None:
    """Return why a list of forms cannot be used, None when it can."""
    for form in formats:
        if form in (ISO, UNIX):
            continue
        directives = _DIRECTIVE.findall(form)
        if not directives:
            return f"{form!r} is no form of a date: expected one such as %d.%m.%Y, iso or unix"
        unknown = [letter for letter in directives if letter not in ALLOWED]
        if unknown:
            return f"%{unknown[0]} in {form!r} is not known; known: {' '.join(f'%{one}' for one in sorted(ALLOWED))}"
        if not {"d"} <= set(directives) or not set("mbB") & set(directives) or not set("Yy") & set(directives):
            return f"{form!r} names no day: it needs %d, %m or %b, and %Y"
    shapes: dict[str, str] = {}
    for form in formats:
        shape = re.sub(r"%[dmyY]", "#", form)
        if "%" in form and shape in shapes and shapes[shape] != form:
            return f"{shapes[shape]!r} and {form!r} read the same text as different days; keep the one that is right"
        shapes[shape] = form
    return None


class DateReader:
    """Reads dates of one file.

    Args:
        formats: ``iso``, ``unix`` or forms of ``strptime``.
        time_zone: Of dates that say none.
        is_hourly: Whether dates are instants, and not days.
    """

    def __init__(self, formats: tuple[str, ...], time_zone: str, *, is_hourly: bool) -> None:
        self._formats = formats
        self._zone_name = time_zone
        self._zone: tzinfo = ZoneInfo(time_zone)
        self._is_hourly = is_hourly
        self._known: dict[str | Decimal, Moment] = {}

    def read(self, cell: str | Decimal) -> Moment:
        """Return what a cell says.

        Raises:
            Wrong: It has none of the forms, or its day or hour has no place in the API.
        """
        known = self._known.get(cell)
        if known is not None:
            return known
        moment = self._read(cell)
        if len(self._known) >= CACHED:
            self._known.clear()
        self._known[cell] = moment
        return moment

    def _read(self, cell: str | Decimal) -> Moment:
        said = self._unix(cell) if isinstance(cell, Decimal) else self._said(cell)
        year = said.year
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise Wrong(f"is in the year {year}; expected {FIRST_YEAR} to {LAST_YEAR}")
        if isinstance(said, datetime):
            return self._hour(said) if self._is_hourly else self._day_of(said)
        return self._midnight(said) if self._is_hourly else _day(said)

    def calendar(self, at: int, months: int) -> tuple[int, int]:
        """Return the calendar period of so many months (1, 3 or 12) that holds the second ``at``.

        It is the zone's calendar where dates are instants, and that of UTC where they are days.

        Returns:
            Where it begins, and where the next one does.

        Raises:
            Wrong: It begins at an hour that has no place in UTC.
        """
        zone = self._zone if self._is_hourly else UTC
        start, end = _months(datetime.fromtimestamp(at, zone).date(), months)
        if not self._is_hourly:
            return _day(start).at, _day(end).at
        return self._midnight(start).at, self._midnight(end).at

    def _said(self, text: str) -> date | datetime:
        for form in self._formats:
            if form == ISO:
                if _ISO.fullmatch(text):
                    try:
                        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
                    except ValueError:
                        raise Wrong("is no day or time of the calendar") from None
            elif form == UNIX:
                if _SECONDS.fullmatch(text):
                    return self._unix(Decimal(text))
            else:
                try:
                    found = datetime.strptime(text, form)
                except ValueError:
                    continue
                return found if set("HI") & set(_DIRECTIVE.findall(form)) else found.date()
        raise Wrong(f"is no date in the form {' or '.join(self._formats)}")

    def _unix(self, number: Decimal) -> datetime:
        if UNIX not in self._formats:
            raise Wrong(f"is a number; expected a date in the form {' or '.join(self._formats)}")
        if number != number.to_integral_value() or number.adjusted() > 11 or number < 0:
            raise Wrong("is no number of seconds since 1970")
        try:
            return datetime.fromtimestamp(int(number), UTC)
        except (ValueError, OverflowError, OSError):
            raise Wrong("is no number of seconds since 1970 that a calendar has") from None

    def _day_of(self, said: datetime) -> Moment:
        local = said if said.tzinfo is None else said.astimezone(self._zone)
        at, after, _, _ = _day(local.date())
        return Moment(at, after, True, (local.hour, local.minute) == (23, 59))

    def _hour(self, said: datetime) -> Moment:
        if said.tzinfo is None:
            said = self._in_zone(said)
        offset = said.utcoffset()
        if offset is None or offset.total_seconds() % HOUR:
            raise Wrong(f"is {offset} from UTC, so its hour is none of UTC; take the granularity day or none")
        seconds = int(said.timestamp())
        at = seconds - seconds % HOUR
        return Moment(at, at + HOUR, True, said.minute == 59)

    def _midnight(self, day: date) -> Moment:
        at, after = (self._hour(datetime.combine(one, time())).at for one in (day, day + timedelta(days=1)))
        return Moment(at, after, False, False)

    def _in_zone(self, said: datetime) -> datetime:
        first, second = said.replace(tzinfo=self._zone), said.replace(tzinfo=self._zone, fold=1)
        if first.utcoffset() != second.utcoffset():
            exists = first.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) == said
            what = "happened twice" if exists else "was left out"
            raise Wrong(f"{what} in {self._zone_name} when clocks changed; write it with its offset, such as +02:00")
        return first


def _day(day: date) -> Moment:
    at = (day.toordinal() - _EPOCH) * DAY
    return Moment(at, at + DAY, False, False)


_EPOCH = date(1970, 1, 1).toordinal()


def month_of(at: int) -> tuple[int, int]:
    """Return where the month of UTC begins that holds the second ``at``, and where the next one does."""
    start, end = _months(datetime.fromtimestamp(at, UTC).date(), 1)
    return _day(start).at, _day(end).at


def _months(day: date, months: int) -> tuple[date, date]:
    first = (day.month - 1) // months * months
    last = first + months
    return date(day.year, first + 1, 1), date(day.year + last // 12, last % 12 + 1, 1)
