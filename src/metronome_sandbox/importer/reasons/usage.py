"""What is on one side alone, and what the old invoice charges although it is no usage."""

from __future__ import annotations

from collections.abc import Iterator

from metronome_sandbox.importer.comparison import ZERO, Currency, LineComparison
from metronome_sandbox.importer.figures import money, number
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason


def missing(line: LineComparison, currency: Currency) -> Reason:
    """Return why a line is on the old invoice alone."""
    amount = line.legacy_amount or ZERO
    return Reason(
        Kind.MISSING,
        "the preview has no line for it",
        f"legacy charges {money(amount, currency)} for {number(line.quantity)}, the preview nothing",
    )


def extra(line: LineComparison, currency: Currency) -> Reason:
    """Return why a line is in the preview alone."""
    return Reason(
        Kind.EXTRA,
        "only the preview charges for it",
        f"the preview charges {money(line.amount or ZERO, currency)} for {line.name}, which no old line names",
    )


def negative(case: Case) -> Iterator[Reason]:
    """A credit note or refund."""
    if case.legacy < 0 <= case.amount:
        yield Reason(
            Kind.CREDIT_NOTE,
            "the old line is negative: a credit note or refund is no usage, give it as a credit on the contract",
            f"legacy {case.says(case.legacy)} for {number(case.line.quantity)}; what usage costs is never negative",
        )


def fixed(case: Case) -> Iterator[Reason]:
    """A fee that no quantity makes."""
    if case.line.quantity == 0 and case.amount == 0 < case.legacy:
        yield Reason(
            Kind.FIXED,
            "legacy charges for a quantity of 0: a fixed fee belongs into the contract's scheduled charges",
            f"legacy {case.says(case.legacy)} for a quantity of 0",
        )
