"""What is left of a total that its lines do not explain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from metronome_sandbox.importer.comparison import ZERO, Comparison, LineComparison
from metronome_sandbox.importer.figures import money, number, percent
from metronome_sandbox.importer.reasons.balances import paid_otherwise
from metronome_sandbox.importer.reasons.case import Alternative, Case, Kind, PriceAt, Reason, is_near, is_telling
from metronome_sandbox.importer.reasons.prices import missing_override, round_ratio
from metronome_sandbox.importer.reasons.rounding import coin_of, rounded_how
from metronome_sandbox.importer.reasons.units import UNITS


def of_sums(comparison: Comparison, explained: Decimal) -> Iterator[Reason]:
    """Read a total beside the old lines, all of which are known: what is left is what was paid, added or rounded."""
    legacy, total, currency = comparison.invoice.total, comparison.total, comparison.currency
    before, took = comparison.legacy_gross, comparison.legacy_paid
    if legacy is None or before is None or took is None:
        return

    def says(amount: Decimal) -> str:
        return money(amount, currency)

    paid = comparison.paid
    if legacy < 0:
        yield Reason(
            Kind.CREDIT_NOTE,
            "the old total is negative: a credit note, which no import of usage makes",
            f"legacy total {says(legacy)}, preview {says(total)}",
        )
        return
    how = rounded_how(before - paid, legacy, currency.coin) or rounded_how(before, legacy, currency.coin)
    if how is not None and abs(took - paid) < currency.coin:
        yield Reason(
            Kind.ROUNDING,
            f"legacy rounds the total to {coin_of(currency)}",
            f"its lines come to {says(before)}, its total to {says(legacy)}: {how}",
        )
        return
    yield from paid_otherwise(comparison, explained)


def of_bare_total(
    comparison: Comparison, price_at: PriceAt, of_line: Callable[[Case], list[Reason]], alternatives: Alternative
) -> Iterator[Reason]:
    """Read a total where the old lines say no amounts: hold every cause to the total.

    Args:
        of_line: Tells the reasons of the one line, where there is one.
        alternatives: What is tried on one line after the other, where there are more.
    """
    legacy, difference, currency = comparison.invoice.total, comparison.difference, comparison.currency
    if legacy is None or difference is None:
        return

    def says(amount: Decimal) -> str:
        return money(amount, currency)

    total, gross, paid = comparison.total, comparison.gross, comparison.paid
    told = f"legacy total {says(legacy)}, preview {says(total)}"
    lines = [line for line in comparison.lines if line.amount is not None]
    if legacy < 0 <= total:
        yield Reason(Kind.CREDIT_NOTE, "the old total is negative: a credit note, which no import of usage makes", told)
        return
    how = rounded_how(total, legacy, currency.coin)
    if how is not None:
        yield Reason(Kind.ROUNDING, f"legacy rounds the total to {coin_of(currency)}", f"{told}: {how}")
        return
    for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN):
        rounded = sum(((line.amount or ZERO).quantize(currency.coin, mode) for line in lines), ZERO)
        if len(lines) > 1 and rounded != gross and rounded - paid == legacy:
            yield Reason(
                Kind.ROUNDING,
                f"legacy rounds each line to {coin_of(currency)}",
                f"{told}: {len(lines)} lines, each rounded, come to {says(rounded)}",
            )
            return
    if paid >= currency.coin and is_near(legacy, gross, currency):
        yield Reason(
            Kind.BALANCE,
            "balances pay in the preview, and the old totals are before balances",
            f"{told}: balances pay {says(paid)}, which is the difference",
        )
    if len(lines) == 1 and len(comparison.lines) == 1 and abs(paid) < currency.coin:
        yield from of_line(Case(comparison, lines[0], legacy, total, price_at))
        return
    yield from _of_one_line(comparison, lines, price_at, alternatives)
    for amount, what in {gross: "total before balances", total: "total"}.items():
        for factor, cause in UNITS.items():
            if is_telling(amount, 4, currency) and is_near(legacy, amount * factor, currency):
                yield Reason(Kind.CURRENCY, cause, f"{told}: {number(factor)} times its {what}", factor)
        multiplier = round_ratio(legacy, amount, currency)
        if multiplier is not None:
            yield Reason(
                Kind.OVERRIDE,
                missing_override(multiplier),
                f"{told}: {percent(multiplier)} of its {what}",
                multiplier,
            )


def _of_one_line(
    comparison: Comparison, lines: Sequence[LineComparison], price_at: PriceAt, alternatives: Alternative
) -> Iterator[Reason]:
    """Find one line whose other amount, or whose absence, is the whole difference."""
    currency, difference = comparison.currency, comparison.difference or ZERO
    legacy = comparison.invoice.total or ZERO
    known = [line for line in lines if line.amount]
    for line in known:
        left_out = (comparison.total - (line.amount or ZERO), comparison.gross - (line.amount or ZERO))
        if any(is_near(legacy, rest, currency) for rest in left_out) and is_telling(
            difference, 2 * len(known), currency
        ):
            yield Reason(
                Kind.EXTRA,
                f"the old invoice leaves {line.name} out",
                f"the preview's line {line.name} is {money(line.amount or ZERO, currency)}, the difference",
            )
    if abs(comparison.paid) >= currency.coin or not is_telling(difference, 12 * len(known), currency):
        return
    for line in known:
        amount = line.amount or ZERO
        case = Case(comparison, line, amount - difference, amount, price_at)
        for would_be, reason in alternatives(case):
            if not is_near(case.legacy, would_be, currency):
                continue
            found = reason()
            if found.kind in (Kind.OVERRIDE, Kind.TIER, Kind.PERIOD):
                yield replace(found, evidence=f"{line.name}: {found.evidence}")
