"""Another time: its price, or a share of a period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from decimal import Decimal
from functools import partial

from dateutil.relativedelta import relativedelta

from metronome_sandbox.importer.comparison import are_equal
from metronome_sandbox.importer.figures import day, number
from metronome_sandbox.importer.rates import cost
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason, Would, is_near, is_telling

SECOND = timedelta(seconds=1)
DAYS_CHECKED = 366


def price_of_another_time(case: Case) -> Iterator[Would]:
    """Yield what the price of the window's end and the one before the window would make."""
    line = case.line
    for instant, when in (
        (line.ending_before - SECOND, f"of its end, {day(line.ending_before)}"),
        (line.starting_at - SECOND, f"before {day(line.starting_at)}"),
    ):
        other = case.price_at(line, instant)
        if other is None:
            continue
        amount = cost(other.effective, line.quantity)
        if not are_equal(amount, case.amount):
            yield (
                amount,
                partial(
                    Reason,
                    Kind.PERIOD,
                    "legacy charges the price of another time: the price changes there",
                    f"{case.both}: {number(line.quantity)} cost {case.says(amount)} at the price {when}",
                ),
            )


def prorated(case: Case) -> Iterator[Reason]:
    """A share of days: of the line in its invoice, or of the invoice in its month."""
    line, invoice = case.line, case.comparison.invoice
    month = invoice.starting_at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    shares = (
        (line.ending_before - line.starting_at, invoice.ending_before - invoice.starting_at, "the invoice's period"),
        (invoice.ending_before - invoice.starting_at, month + relativedelta(months=1) - month, "the whole month"),
    )
    for part, whole, what in shares:
        if not timedelta(0) < part < whole <= timedelta(days=DAYS_CHECKED):
            continue
        share = Decimal(part // SECOND) / Decimal(whole // SECOND)
        for factor, told in ((share, "prorates"), (1 / share, "bills a whole period for")):
            if is_telling(case.amount, 4, case.currency) and is_near(case.legacy, case.amount * factor, case.currency):
                yield Reason(
                    Kind.PERIOD,
                    f"legacy {told} a part of {what}",
                    f"{case.both}: {part.days} of {whole.days} days",
                )
                return
