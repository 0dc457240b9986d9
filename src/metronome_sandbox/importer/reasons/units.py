"""Amounts and quantities in other units: dollars and cents, hours and seconds, thousands and ones."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from functools import partial

from metronome_sandbox.importer.comparison import are_equal
from metronome_sandbox.importer.figures import DIGITS, number
from metronome_sandbox.importer.rates import cost
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason, Would, is_telling

RATIOS = {
    Decimal(1000): "thousands",
    Decimal(1024): "units of 1,024",
    Decimal(60): "sixtieths (minutes and seconds)",
    Decimal(3600): "hours and seconds",
    Decimal(24): "days and hours",
    Decimal(1440): "days and minutes",
    Decimal(86400): "days and seconds",
    Decimal(10**6): "millions",
    Decimal(1024**2): "units of 1,024²",
    Decimal(10**9): "billions",
    Decimal(1024**3): "units of 1,024³",
    Decimal("1.024"): "units of 1,000 and of 1,024",
    Decimal("1.048576"): "millions and units of 1,024²",
    Decimal("1.073741824"): "billions and units of 1,024³ (GB and GiB)",
}
"""How far two units of a quantity are apart, and which they may be."""

FACTORS = {
    factor: (ratio, units) for ratio, units in RATIOS.items() for factor in (Context(DIGITS).divide(1, ratio), ratio)
}
"""What a quantity is multiplied by, for each way in which units may be mixed up."""

NEAR_ONE = Decimal("0.5")

UNITS = {
    Decimal("0.01"): "old amounts are a hundredth: dollars were read as cents; set the unit in the mapping",
    Decimal(100): "old amounts are a hundred times as much: cents were read as dollars; set the unit in the mapping",
}
"""What amounts are multiplied by when their unit is another one."""


def counted(case: Case) -> Iterator[Reason]:
    """A quantity that the target itself converts."""
    sent, counted = case.line.quantity, case.line.previewed_quantity
    if counted is None or not sent or are_equal(sent, counted):
        return
    ratio = counted / sent
    yield Reason(
        Kind.CONVERSION,
        f"the target bills another quantity than was sent: {number(ratio, 6)} times as much",
        f"sent {number(sent)}, the preview bills {number(counted)}",
    )


def other_units(case: Case) -> Iterator[Would]:
    """Yield what the line would be in cents where it is in dollars, and the other way round."""
    if is_telling(case.amount, 2, case.currency):
        for factor in UNITS:
            yield case.amount * factor, partial(_mixed_up, case, factor)


def _mixed_up(case: Case, factor: Decimal) -> Reason:
    return Reason(Kind.CURRENCY, UNITS[factor], f"{case.both}: {number(factor)} times as much", factor)


def conversions(case: Case) -> Iterator[Would]:
    """Yield what other units of the quantity would make: by the tiers where they are known, else by the ratio."""
    if case.line.quantity == 0:
        return
    for factor in FACTORS:
        amount = case.amount * factor if case.tiers is None else cost(case.tiers, case.line.quantity * factor)
        # Many factors are near 1, where amounts of any cause lie close together; far from it there is nothing else.
        candidates = len(FACTORS) if NEAR_ONE < factor < 1 / NEAR_ONE else 2
        if is_telling(min(amount, case.amount), candidates, case.currency):
            yield amount, partial(_converted, case, factor, amount)


def _converted(case: Case, factor: Decimal, amount: Decimal) -> Reason:
    ratio, units = FACTORS[factor]
    how = f"{'divided' if factor < 1 else 'multiplied'} by {number(ratio)}"
    return Reason(
        Kind.CONVERSION,
        f"legacy prices the quantity {how}: {units} are mixed up",
        f"{case.both}: {number(case.line.quantity)} {how} cost {case.says(amount)}",
        factor,
    )
