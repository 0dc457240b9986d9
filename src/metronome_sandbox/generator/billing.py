"""The invoices of one contract, month by month, and what they leave of its balances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from metronome_sandbox.generator.amounts import ZERO, tidied
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.rating import (
    Ladder,
    cost,
    in_spending_order,
    multiplied,
    multiplier_in_force,
    payments,
)
from metronome_sandbox.generator.usage import Appetite, Surprise, by_hour
from metronome_sandbox.generator.world import Balance, Contract, Invoice, Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

ISSUED_AFTER = timedelta(days=2)
FOUND_AFTER = timedelta(days=5)
"""After an invoice was issued, the first time at which a mistake on it is found."""
HOURS_TO_FIND = 400
"""From then on; so it is corrected before the next one is issued."""
LAST_WEEK = 7


@dataclass(slots=True)
class Bills:
    """Writes the invoices of a contract in the order of its months.

    Args:
        hours: Weights of the hours of a day for each rate of the appetite, where quantities are told by hour.
    """

    appetite: Appetite
    contract: Contract
    hours: tuple[tuple[int, ...], ...] | None
    _left: dict[str, Decimal] = field(init=False)
    _queue: list[Balance] = field(init=False)
    _changes: set[date] = field(init=False)
    _ladders: list[Ladder] = field(init=False)

    def __post_init__(self) -> None:
        self._left = {balance.key: balance.amount for balance in self.contract.balances}
        self._queue = in_spending_order(self.contract)
        self._changes = {override.starting_at for override in self.contract.overrides} | {self.contract.starting_at}

    def of_month(
        self, month: date, used: NDArray[np.int64], quantities: Sequence[int], mistake: Surprise | None
    ) -> Iterator[Invoice]:
        """Yield the invoice of a month; when there was a mistake, the wrong one before it.

        Args:
            used: Quantities by rate and day.
            quantities: Their sums by rate.
        """
        if month in self._changes:
            self._ladders = self._in_force(month)
        name, ending_before, issued_at = _billing_dates(month)
        key = f"{self.contract.key}-{name}"
        used = used[:, : (ending_before - month).days]
        if mistake is None or not any(quantities):
            yield self._invoice(key, month, ending_before, issued_at, used, quantities, None)
            return
        mistaken = _mistaken(used, mistake)
        wrong = self._invoice(key, month, ending_before, issued_at, mistaken, mistaken.sum(axis=1).tolist(), None)
        yield wrong
        for payment in wrong.payments:  # given back when it is voided
            self._left[payment.balance] += payment.amount
        found_at = issued_at + FOUND_AFTER + timedelta(hours=mistake.when % HOURS_TO_FIND)
        yield self._invoice(f"{key}-corrected", month, ending_before, found_at, used, quantities, wrong.key)

    def _in_force(self, month: date) -> list[Ladder]:
        overrides = self.contract.overrides
        return [
            multiplied(rate.tiers, multiplier_in_force(overrides, rate.product, month)) for rate in self.appetite.rates
        ]

    def _invoice(
        self,
        key: str,
        month: date,
        ending_before: date,
        issued_at: datetime,
        used: NDArray[np.int64],
        quantities: Sequence[int],
        corrects: str | None,
    ) -> Invoice:
        """Return one invoice and take what balances pay for it from them."""
        rates, ladders = self.appetite.rates, self._ladders
        lines: list[Line] = []
        spend: dict[str, Decimal] = {}
        if not any(quantities):
            lines.append(Line(rates[0].product, rates[0].groups, self._by_window(used, 0), ZERO))
        for row, quantity in enumerate(quantities):
            if quantity:
                rate = rates[row]
                amount = tidied(cost(ladders[row], quantity))
                lines.append(Line(rate.product, rate.groups, self._by_window(used, row), amount))
                spend[rate.product] = spend.get(rate.product, ZERO) + amount
        paid = payments(self._queue, self._left, month, spend)
        total = sum(spend.values(), ZERO)
        for payment in paid:
            self._left[payment.balance] -= payment.amount
            total -= payment.amount
        contract = self.contract.key
        return Invoice(key, contract, month, ending_before, issued_at, tuple(lines), paid, tidied(total), corrects)

    def _by_window(self, used: NDArray[np.int64], row: int) -> NDArray[np.int64]:
        return used[row] if self.hours is None else by_hour(used[row], self.hours[row])


@lru_cache
def _billing_dates(month: date) -> tuple[str, date, datetime]:
    """Return the name of a month, the day after its end, and when it is billed."""
    ending_before = months_after(month, 1)
    return f"{month:%Y-%m}", ending_before, datetime.combine(ending_before, time(), UTC) + ISSUED_AFTER


def _mistaken(used: NDArray[np.int64], mistake: Surprise) -> NDArray[np.int64]:
    """Return the quantities as they were billed first: the last week missing, a day counted twice, a product lost."""
    wrong = used.copy()
    busy_rates, busy_days = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    if mistake.how % 3 == 0 and used[:, -LAST_WEEK:].any():
        wrong[:, -LAST_WEEK:] = 0
    elif mistake.how % 3 == 1:
        wrong[:, busy_days[mistake.where % len(busy_days)]] *= 2
    else:
        wrong[busy_rates[mistake.where % len(busy_rates)]] = 0
    return wrong
