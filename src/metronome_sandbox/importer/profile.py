"""What the columns of a file look like: kinds of values, by which a mapping is proposed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from metronome_sandbox.importer.dates import ISO, UNIX, DateReader, Moment
from metronome_sandbox.importer.findings import Wrong
from metronome_sandbox.importer.row import Cell, Row, text

MAX_DISTINCT = 500
SOME = 200
DAY_FIRST, MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"
FORMS = (
    *(ISO, "%d.%m.%Y", "%d.%m.%y", DAY_FIRST, MONTH_FIRST, "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%d %B %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%Y%m%d", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"),
)
"""Forms of dates that are tried, besides seconds since 1970."""

FIRST_SECOND, END_SECOND = 946_684_800, 4_102_444_800
"""Of the years 2000 to 2099: a number among them may be a time."""

_NUMBER = re.compile(r"[+-]?\d[\d.,' ]*", re.ASCII)
_DECIMALS = re.compile(r"[.,](\d+)$", re.ASCII)


@dataclass(slots=True)
class Column:
    """A column of a sample.

    Attributes:
        values: The cells that hold something, in order.
        distinct: Different texts, in the order in which they come; as many as are worth looking at.
    """

    name: str
    values: list[str | Decimal] = field(default_factory=list)
    distinct: dict[str, None] = field(default_factory=dict)
    empty: int = 0

    def take(self, cell: Cell) -> None:
        """Look at a cell."""
        value = cell.strip() if isinstance(cell, str) else cell  # a number stays one
        if value is None or value == "":
            self.empty += 1
            return
        self.values.append(value)
        if len(self.distinct) < MAX_DISTINCT:
            self.distinct[text(value)] = None

    @property
    def numbers(self) -> int:
        """How many values are numbers, however they are marked."""
        return sum(isinstance(value, Decimal) or _NUMBER.fullmatch(value) is not None for value in self.values)

    @property
    def is_number(self) -> bool:
        """Whether most values are numbers: the few that are none are what validation is for."""
        return 2 * self.numbers > len(self.values)

    @property
    def is_dated(self) -> bool:
        """Whether most values are dates, perhaps not all in one form."""
        some = self.values[:SOME]
        return 2 * sum(any(_reads(form, value) for form in FORMS) for value in some) > len(some)

    @property
    def has_fractions(self) -> bool:
        """Whether some number is not whole, as far as its marks tell."""
        return any(
            value != value.to_integral_value()
            if isinstance(value, Decimal)
            else (found := _DECIMALS.search(value)) is not None and len(found[1]) != 3
            for value in self.values
        )

    def forms(self) -> list[str]:
        """Return the forms in which all values can be read as dates."""
        if not self.values:
            return []
        if all(isinstance(value, Decimal) or (value.isascii() and value.isdigit()) for value in self.values):
            if all(_is_second(Decimal(value)) for value in self.values):
                return [UNIX]
            if any(isinstance(value, Decimal) for value in self.values):
                return []
        return [form for form in FORMS if all(_reads(form, value) for value in self.values)]

    def moments(self, form: str) -> list[Moment]:
        """Return what the values say in one form, as days."""
        reader = DateReader((form,), "UTC", is_hourly=False)
        return [reader.read(value) for value in self.values]


def _is_second(number: Decimal) -> bool:
    return number.is_finite() and FIRST_SECOND <= number < END_SECOND and number == number.to_integral_value()


def _reads(form: str, value: str | Decimal) -> bool:
    if not isinstance(value, str):
        return False
    try:
        _READERS[form].read(value)
    except Wrong:
        return False
    return True


_READERS = {form: DateReader((form,), "UTC", is_hourly=False) for form in FORMS}


def columns_of(rows: Sequence[Row]) -> dict[str, Column]:
    """Return the columns of some rows by name, in the order of the file."""
    columns: dict[str, Column] = {}
    for row in rows:
        for name, cell in row.cells.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = Column(name)
            column.take(cell)
    return columns


def marks_of(columns: Iterable[Column]) -> tuple[str | None, str | None, bool]:
    """Return which marks the numbers of some columns have.

    Returns:
        The decimal mark and what separates thousands, None for none; and whether both readings are possible, so that
        nobody can tell.
    """
    decimal: set[str] = set()
    thousands: set[str] = set()
    unclear: set[str] = set()
    for column in columns:
        for value in column.values:
            if isinstance(value, str):
                _note_marks(value, decimal, thousands, unclear)
    for mark in unclear - decimal - thousands:
        if decimal and mark not in decimal:
            thousands.add(mark)
        else:
            return None, None, True
    if len(decimal) > 1 or len(thousands) > 1 or decimal & thousands:
        return None, None, True
    return next(iter(decimal), None), next(iter(thousands), None), False


def _note_marks(number: str, decimal: set[str], thousands: set[str], unclear: set[str]) -> None:
    used = [letter for letter in number if letter in ".,"]
    thousands.update(letter for letter in number.strip() if letter in "' ")
    if len(set(used)) == 2:
        decimal.add(used[-1])
        thousands.add(used[0])
    elif len(used) > 1:
        thousands.add(used[0])
    elif used:
        whole, _, fraction = number.lstrip("+-").partition(used[0])
        if len(fraction) == 3 and len(whole) <= 3 and whole != "0":
            unclear.add(used[0])
        else:
            decimal.add(used[0])
