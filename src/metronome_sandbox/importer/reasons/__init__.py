"""Why an old invoice and its preview differ: what each likely cause would make of the figures, held to what they are.

A rule says what the old amount would be if its cause were true, and claims the cause only where that is the old amount
to the smallest coin. A rule that tries many numbers (any multiplier, any boundary) would hit a small amount by chance;
it claims nothing unless chance is out of the question (:func:`.case.is_telling`). ``unknown`` is an honest answer.

Rules stand in the order of how little they assume. All that fit are kept: which of them is told is decided when all
invoices are there, for a cause that fits many lines of a customer and product is likelier than one that fits a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext

from metronome_sandbox.importer.comparison import Comparison
from metronome_sandbox.importer.figures import DIGITS
from metronome_sandbox.importer.reasons.balances import after_balances
from metronome_sandbox.importer.reasons.case import Alternative, Case, Kind, PriceAt, Reason, Rule, Would, is_near
from metronome_sandbox.importer.reasons.periods import price_of_another_time, prorated
from metronome_sandbox.importer.reasons.prices import constant_ratio, list_price, missing_override
from metronome_sandbox.importer.reasons.rounding import rounded
from metronome_sandbox.importer.reasons.tiers import boundary, other_tiers, pooled
from metronome_sandbox.importer.reasons.totals import of_bare_total, of_sums
from metronome_sandbox.importer.reasons.units import conversions, counted, other_units
from metronome_sandbox.importer.reasons.usage import extra, fixed, missing, negative

__all__ = [
    "Case",
    "Kind",
    "PriceAt",
    "Reason",
    "extra",
    "is_near",
    "missing",
    "missing_override",
    "of_line",
    "of_total",
]

ALTERNATIVES: Sequence[Alternative] = (
    other_units,
    after_balances,
    list_price,
    price_of_another_time,
    other_tiers,
    conversions,
)
"""Causes that fix what the old amount would be, in the order in which they are tried."""


def _alternatives(case: Case) -> Iterator[Would]:
    for alternative in ALTERNATIVES:
        yield from alternative(case)


def _alternative(case: Case) -> Iterator[Reason]:
    for amount, reason in _alternatives(case):
        if is_near(case.legacy, amount, case.currency):
            yield reason()


RULES: Sequence[Rule] = (
    negative,
    fixed,
    counted,
    rounded,
    _alternative,
    pooled,
    prorated,
    constant_ratio,
    boundary,
)
"""What is tried on a line, in this order."""


def of_line(case: Case) -> list[Reason]:
    """Return the likely reasons of a line that both sides have, the likeliest first; none if nothing fits."""
    with localcontext(prec=DIGITS):
        return [reason for rule in RULES for reason in rule(case)]


def of_total(comparison: Comparison, explained: Decimal, price_at: PriceAt) -> list[Reason]:
    """Return the likely reasons of a total that its lines do not explain, the likeliest first; none if nothing fits.

    Args:
        explained: What the lines differ by together.
    """
    with localcontext(prec=DIGITS):
        if comparison.legacy_gross is None:
            return list(of_bare_total(comparison, price_at, of_line, _alternatives))
        return list(of_sums(comparison, explained))
