"""What balances pay, of a line and of a total."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from metronome_sandbox.importer.comparison import Comparison
from metronome_sandbox.importer.figures import money, percent
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason, Would


def after_balances(case: Case) -> Iterator[Would]:
    """Yield what is left of the line after balances paid."""
    covered = case.line.covered
    if covered:
        yield (
            case.amount - covered,
            partial(
                Reason,
                Kind.BALANCE,
                "old lines are what is left after balances paid; a line's amount is what it costs before",
                f"{case.both}: balances pay {case.says(covered)} of it",
            ),
        )


def paid_otherwise(comparison: Comparison, explained: Decimal) -> Iterator[Reason]:
    """Hold what balances pay in the preview to what the old lines are more than their total, or less.

    Args:
        explained: What the lines differ by together.
    """
    legacy, before, took = comparison.invoice.total, comparison.legacy_gross, comparison.legacy_paid
    if legacy is None or before is None or took is None:
        return

    paid, currency = comparison.paid, comparison.currency

    def says(amount: Decimal) -> str:
        return money(amount, currency)

    left = took - paid
    if left * explained < 0 and abs(left) <= abs(explained) and paid > 0:
        yield Reason(
            Kind.BALANCE,
            "balances pay what the lines differ by, or a part of it",
            f"the lines differ by {says(explained)}; balances pay {says(paid)} in the preview and paid {says(took)} on "
            "the old invoice",
        )
        return
    nothing = abs(took) < currency.coin
    if paid > 0 and nothing:
        yield Reason(
            Kind.BALANCE,
            "balances pay in the preview, and the old totals are before balances",
            f"the lines come to {says(before)} on the old invoice and so does its total; in the preview balances pay "
            f"{says(paid)}",
        )
    elif took > 0 and abs(paid) < currency.coin:
        yield Reason(
            Kind.BALANCE,
            "the old totals are less than their lines, and no balance pays in the preview: a commit, credit or "
            "discount is missing on the contract",
            f"the old lines come to {says(before)} and their total is {says(legacy)}: {says(took)} less",
        )
    elif took > 0:
        yield Reason(
            Kind.BALANCE,
            "balances pay another amount than they did: their start or what was drawn before differs",
            f"balances pay {says(paid)} in the preview and paid {says(took)} on the old invoice",
        )
    elif took < 0:
        share = f" ({percent(round(-took / before, 4))} of them)" if before > 0 else ""
        yield Reason(
            Kind.SUM,
            "the old totals are more than their lines: a tax, fee or minimum is on no line",
            f"the old lines come to {says(before)} and their total is {says(legacy)}: {says(-took)} more{share}",
        )
