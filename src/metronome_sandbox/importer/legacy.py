"""What all steps of an import hand to each other: old invoices, and what is wrong with what was read.

Amounts are in the unit of the API: cents for USD, whole units for any other currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Groups = tuple[tuple[str, str], ...]
"""Group values by key."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a file that cannot be used. All findings are reported together.

    Args:
        file: Name of the file, as the user gave it.
        line: Line of it, from 1; None where the whole file is meant.
        column: The column, or the path of a field in the mapping.
        value: What stands there, shortened.
        problem: What is wrong, and what would be right.
    """

    file: str
    line: int | None
    column: str | None
    value: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class Subtotal:
    """The quantity of one day or hour, ``[starting_at, ending_before)``."""

    starting_at: datetime
    ending_before: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class LegacyLine:
    """One product of an old invoice. Either it has subtotals, or its quantity stands alone."""

    product_id: str
    product_name: str
    starting_at: datetime
    ending_before: datetime
    quantity: Decimal
    subtotals: tuple[Subtotal, ...]
    pricing_group_values: Groups
    presentation_group_values: Groups
    amount: Decimal | None
    """What the old invoice said, None where it says nothing."""
    unit_price: Decimal | None
    rows: tuple[int, int]
    """First and last line of the file that it was read from."""


@dataclass(frozen=True, slots=True)
class LegacyInvoice:
    """An old invoice under one contract. ``number`` is its name in the file, or made of customer and period."""

    number: str
    customer_id: str
    customer_name: str
    contract_id: str
    credit_type_id: str
    starting_at: datetime
    ending_before: datetime
    issued_at: datetime
    granularity: str | None
    """HOUR or DAY where lines have subtotals."""
    lines: tuple[LegacyLine, ...]
    total: Decimal | None
    """What the old invoice said, or the sum of its lines' amounts; None without either."""


def sorted_groups(groups: Iterable[tuple[str, str | None]]) -> Groups:
    """Return group values by key; one that a preview or an invoice does not know (null) is none."""
    return tuple(sorted((key, value) for key, value in groups if value is not None))
