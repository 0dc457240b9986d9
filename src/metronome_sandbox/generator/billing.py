"""The invoices of one contract, month by month, and what they leave of its balances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

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
from metronome_sandbox.generator.usage import Appetite, by_hour
from metronome_sandbox.generator.world import Balance, Contract, Invoice, Line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ISSUED_AFTER = timedelta(days=2)
FOUND_AFTER = timedelta(days=5)
"""After an invoice was issued, the first time at which a mistake on it is found."""
LAST_WEEK = 7


@dataclass(frozen=True, slots=True)
class Mistake:
    """What was wrong with an invoice, as three draws: which mistake, where, and when it was found."""

    kind: int
    place: int
    found: int


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

    def of_month(self, month: date, used: NDArray[np.int64], mistake: Mistake | None) -> Iterator[Invoice]:
        """Yield the invoice of a month; when there was a mistake, the wrong one before it.

        Args:
            used: Quantities by rate and day.
        """
        if month in self._changes:
            self._ladders = self._in_force(month)
        key = f"{self.contract.key}-{month:%Y-%m}"
        ending_before = months_after(month, 1)
        used = used[:, : (ending_before - month).days]
        issued_at = datetime.combine(ending_before, time(), UTC) + ISSUED_AFTER
        if mistake is None or not used.any():
            yield self._invoice(key, month, ending_before, issued_at, used, None)
            return
        wrong = self._invoice(key, month, ending_before, issued_at, _mistaken(used, mistake), None)
        yield wrong
        for payment in wrong.payments:  # given back when it is voided
            self._left[payment.balance] += payment.amount
        found_at = issued_at + FOUND_AFTER + timedelta(hours=mistake.found % 400)
        yield self._invoice(f"{key}-corrected", month, ending_before, found_at, used, wrong.key)

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
        corrects: str | None,
    ) -> Invoice:
        """Return one invoice and take what balances pay for it from them."""
        rates, ladders = self.appetite.rates, self._ladders
        lines: list[Line] = []
        spend: dict[str, Decimal] = {}
        quantities = used.sum(axis=1).tolist()
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


def _mistaken(used: NDArray[np.int64], mistake: Mistake) -> NDArray[np.int64]:
    """Return the quantities as they were billed first: the last week missing, a day counted twice, a product lost."""
    wrong = used.copy()
    rates, days = used.shape
    if mistake.kind % 3 == 0:
        wrong[:, days - LAST_WEEK :] = 0
    elif mistake.kind % 3 == 1:
        wrong[:, mistake.place % days] *= 2
    else:
        wrong[mistake.place % rates] = 0
    return wrong
