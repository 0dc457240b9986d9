"""What is judged, a line that differs with what is known around it, and how figures are held to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from metronome_sandbox.importer.comparison import Comparison, Currency, LineComparison, are_equal
from metronome_sandbox.importer.figures import money
from metronome_sandbox.importer.rates import Price, Tiers, cost

CHANCE = 40
"""A rule speaks when a random amount would fit it once in so many times, at most."""


class Kind(StrEnum):
    """What makes an old invoice and its preview differ."""

    ROUNDING = "rounding"
    CURRENCY = "currency unit"
    CONVERSION = "quantity conversion"
    TIER = "tier boundary"
    OVERRIDE = "override"
    BALANCE = "commit drawn"
    PERIOD = "period"
    CREDIT_NOTE = "credit note"
    FIXED = "fixed charge"
    MISSING = "missing line"
    EXTRA = "extra line"
    SUM = "sum of the old lines"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something differs.

    Args:
        cause: What is the same wherever the cause is: lines that share one are told once.
        evidence: The figures that speak for it here.
        multiplier: Legacy by preview, where the cause is a constant ratio.
    """

    kind: Kind
    cause: str
    evidence: str
    multiplier: Decimal | None = None


PriceAt = Callable[[LineComparison, datetime], Price | None]
"""What a line's product costs at an instant."""


@dataclass(frozen=True)
class Case:
    """A line that differs, with what is known around it.

    Args:
        legacy: What the old invoice says.
        amount: What the preview says.
    """

    comparison: Comparison
    line: LineComparison
    legacy: Decimal
    amount: Decimal
    price_at: PriceAt

    @property
    def currency(self) -> Currency:
        """Of the invoice."""
        return self.comparison.currency

    @cached_property
    def price(self) -> Price | None:
        """What the product costs where the line begins, if that is what the preview charges."""
        found = self.price_at(self.line, self.line.starting_at)
        if found is None or not are_equal(cost(found.effective, self.line.quantity), self.amount):
            return None
        return found

    @cached_property
    def tiers(self) -> Tiers | None:
        """The prices that the preview charges: the contract's, else what can be seen of them in the preview."""
        if self.price is not None:
            return self.price.effective
        seen = _seen(self.line)
        return seen if seen and are_equal(cost(seen, self.line.quantity), self.amount) else None

    def says(self, amount: Decimal) -> str:
        """Return an amount for people."""
        return money(amount, self.currency)

    @property
    def both(self) -> str:
        """The two figures."""
        return f"legacy {self.says(self.legacy)}, preview {self.says(self.amount)}"


Rule = Callable[[Case], Iterator[Reason]]
"""Yields the reasons that the figures speak for."""

Would = tuple[Decimal, Callable[[], Reason]]
"""What the old amount would be if a cause were true, and how it is told then."""

Alternative = Callable[[Case], Iterator[Would]]
"""Yields what causes would make of a line; whether one of them is so is seen by whoever asks."""


def _seen(line: LineComparison) -> Tiers | None:
    """Return the tiers that a preview reached, or its one price."""
    if line.price is not None:
        return ((None, line.price),) if all(part.tier is None for part in line.parts) else None
    levels: dict[Decimal, tuple[Decimal | None, Decimal]] = {}
    for part in line.parts:
        if part.tier is None or part.unit_price is None:
            return None
        found = (None if part.tier.size is None else Decimal(part.tier.size), part.unit_price)
        if levels.setdefault(part.tier.level, found) != found:
            return None
    if sorted(levels) != [Decimal(place) for place in range(1, len(levels) + 1)]:
        return None
    return tuple(levels[level] for level in sorted(levels))


def step_of(legacy: Decimal, currency: Currency) -> Decimal:
    """Return the smallest amount that an old figure tells apart: a coin, or less where it has more digits."""
    exponent = legacy.normalize().as_tuple().exponent
    return min(currency.coin, Decimal(1).scaleb(exponent)) if isinstance(exponent, int) else currency.coin


def is_near(legacy: Decimal, would_be: Decimal, currency: Currency) -> bool:
    """Whether an amount, rounded as the old figure is, is that figure."""
    return abs(legacy - would_be) * 2 <= step_of(legacy, currency) or are_equal(legacy, would_be)


def is_telling(amount: Decimal, candidates: int, currency: Currency) -> bool:
    """Whether an amount is so large that none of so many numbers would make it by chance."""
    return abs(amount) >= candidates * currency.coin * CHANCE
