"""The history of one customer: it signs, uses, is billed, renews or leaves.

Every month is worked out from the months before it and from draws of its own, so a longer history begins with the
shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from metronome_sandbox.generator.amounts import ZERO, tidied
from metronome_sandbox.generator.contracts import TERM_MONTHS, Deal, contract_of
from metronome_sandbox.generator.customers import customer_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Profile, Segment
from metronome_sandbox.generator.rating import (
    Ladder,
    cost,
    in_spending_order,
    multiplied,
    multiplier_in_force,
    payments,
)
from metronome_sandbox.generator.sizes import segment_at, spend_at
from metronome_sandbox.generator.streams import Stream, normal_quantiles, spread_evenly
from metronome_sandbox.generator.usage import Appetite, appetite_of, used_in
from metronome_sandbox.generator.world import Balance, Contract, History, Invoice, Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

THERE_FROM_THE_START = 0.6
LAST_TO_SIGN = 18
"""Months after the start in which the last customer signs."""
ISSUED_AFTER = timedelta(days=2)
LEAST_GROWTH, MOST_GROWTH = 0.1, 12.0


def history_of(profile: Profile, seed: int, number: int, start: date, months: int) -> History:
    """Return what happened to a customer in so many months from the first day of ``start``'s month on."""
    stream = Stream(seed, profile.name, number)
    share = spread_evenly(seed, profile.name, number)
    segment = segment_at(profile, share)
    first = _first_month(stream)
    start = start.replace(day=1)
    begin = months_after(start, first)
    notice = 3 + int(stream.unit("notice") * 18)
    customer = customer_of(stream, number, segment.name, begin - timedelta(days=notice))
    account = Account(profile, stream, segment, customer.key, spend_at(profile, share), first == 0)
    contracts, invoices = [], []
    for contract, billed in account.contracts(begin, months - first):
        contracts.append(contract)
        invoices.extend(billed)
    return History(customer, tuple(contracts), tuple(invoices))


def _first_month(stream: Stream) -> int:
    already, later = stream.units("signs", 2)
    return 0 if already < THERE_FROM_THE_START else 1 + int(later * LAST_TO_SIGN)


@lru_cache
def _normal() -> tuple[float, ...]:
    return normal_quantiles(256)


@dataclass(slots=True)
class Account:
    """A customer while its history is worked out, month by month."""

    profile: Profile
    stream: Stream
    segment: Segment
    customer: str
    size: float
    """Cents a month at list prices and full usage."""
    is_old: bool
    """Whether it was a customer before the months that are generated."""
    grown: float = 1.0
    spent: list[int] = field(default_factory=list)
    """Cents in each month so far. Whole ones: sums of floats differ between versions of Python."""
    appetite: Appetite = field(init=False)

    def __post_init__(self) -> None:
        self.appetite = appetite_of(self.profile, self.stream, self.segment.lines, self.size)

    def contracts(self, begin: date, months: int) -> Iterator[tuple[Contract, list[Invoice]]]:
        """Yield each contract that starts within ``months`` from ``begin``, with its invoices until then."""
        term, renews = 0, None
        while len(self.spent) < months:
            deal = Deal(
                self.customer,
                term,
                months_after(begin, len(self.spent)),
                self._term_months(term),
                self._expected_spend(),
                renews,
            )
            contract = contract_of(self.profile, self.stream, self.segment, self.appetite, deal)
            bills = Bills(self.profile, self.stream, self.appetite, contract)
            invoices: list[Invoice] = []
            for month in range(min(deal.months, months - len(self.spent))):
                starting_at = months_after(deal.starting_at, month)
                issued = bills.of_month(starting_at, len(self.spent), self._level())
                self.spent.append(int(sum(line.amount for line in issued[-1].lines)))
                invoices += issued
            yield contract, invoices
            term, renews = term + 1, contract.key
            if self._leaves(term):
                return

    def _term_months(self, term: int) -> int:
        """Return how long a contract runs; the first ones of old customers end at any time of the year."""
        if term or not self.is_old:
            return TERM_MONTHS
        return 3 + self.stream.integers("term", 1)[0] % 10

    def _expected_spend(self) -> float:
        """Return what the customer thinks it will spend a month: at first a guess, then what it has spent."""
        if not self.spent:
            return self.size * (0.6 + 0.5 * self.stream.unit("guess"))
        recent = self.spent[-3:]
        return sum(recent) / len(recent)

    def _level(self) -> float:
        """Return the factor on ordinary usage of the month that comes next."""
        number = len(self.spent)
        ramp = self.profile.ramp_months
        begun = ramp if self.is_old else min(number + 1, ramp)
        own, noise = self.stream.units("growth", 1)[0], self.stream.unit(f"growth/{number}")
        drawn = _normal()
        monthly = self.profile.growth + self.profile.growth_spread * drawn[int(own * len(drawn))]
        shaken = drawn[int(noise * len(drawn))] * 30
        if number:
            self.grown = min(max(self.grown * (1000 + monthly + shaken) / 1000, LEAST_GROWTH), MOST_GROWTH)
        return self.grown * begun / ramp

    def _leaves(self, term: int) -> bool:
        """Whether the customer does not renew. One that uses less than it did is twice as ready to go."""
        recent, before = self.spent[-3:], self.spent[-TERM_MONTHS:-3]
        declined = bool(before) and sum(recent) / len(recent) < 0.7 * sum(before) / len(before)
        drawn = self.stream.integers(f"churn/{term}", 1)[0] % 1000
        return drawn < self.segment.churn * (2 if declined else 1)


@dataclass(slots=True)
class Bills:
    """The invoices of one contract, month by month, and what they leave of its balances."""

    profile: Profile
    stream: Stream
    appetite: Appetite
    contract: Contract
    left: dict[str, Decimal] = field(init=False)
    queue: list[Balance] = field(init=False)

    def __post_init__(self) -> None:
        self.left = {balance.key: balance.amount for balance in self.contract.balances}
        self.queue = in_spending_order(self.contract)

    def of_month(self, month: date, number: int, level: float) -> list[Invoice]:
        """Return the invoice of a month, after the one that it corrects if there was a mistake.

        Args:
            number: Of the month, counted from the customer's first.
            level: Factor on ordinary usage.
        """
        chance, place, kind, day = self.stream.integers(f"month/{number}", 4)
        chance %= 10_000
        profile = self.profile
        quiet = profile.zero_months if number else 0
        used = used_in(profile, self.stream, self.appetite, month, number, level)
        key = f"{self.contract.key}-{month:%Y-%m}"
        issued_at = _midnight(months_after(month, 1)) + ISSUED_AFTER
        if chance < quiet:
            return [self._invoice(key, month, issued_at, np.zeros_like(used), None)]
        if chance < quiet + profile.spikes:
            _spike(used, place, kind, day)
        if chance >= 10_000 - profile.corrections and used.any():
            wrong = self._invoice(key, month, issued_at, _mistaken(used, place, kind), None)
            for payment in wrong.payments:  # given back when it is voided
                self.left[payment.balance] += payment.amount
            later = issued_at + timedelta(days=7 + day % 12, hours=9 + day % 8)
            return [wrong, self._invoice(f"{key}-corrected", month, later, used, wrong.key)]
        return [self._invoice(key, month, issued_at, used, None)]

    def _invoice(
        self, key: str, month: date, issued_at: datetime, used: NDArray[np.int64], corrects: str | None
    ) -> Invoice:
        """Return one invoice and take what balances pay for it from them."""
        totals = used.sum(axis=1).tolist()
        rows = [row for row, total in enumerate(totals) if total] or [0]
        lines: list[Line] = []
        spend: dict[str, Decimal] = {}
        for row in rows:
            rate = self.appetite.rates[row]
            multiplier = multiplier_in_force(self.contract.overrides, rate.product, month)
            amount = cost(_ladder(rate.tiers, multiplier), totals[row])
            lines.append(Line(rate.product, rate.groups, used[row], tidied(amount)))
            spend[rate.product] = spend.get(rate.product, ZERO) + amount
        paid = payments(self.queue, self.left, month, spend)
        total = sum(spend.values(), ZERO)
        for payment in paid:
            self.left[payment.balance] -= payment.amount
            total -= payment.amount
        return Invoice(
            key,
            self.contract.key,
            month,
            months_after(month, 1),
            issued_at,
            tuple(lines),
            paid,
            tidied(total),
            corrects,
        )


@cache
def _ladder(tiers: Ladder, multiplier: Decimal) -> Ladder:
    return multiplied(tiers, multiplier)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _spike(used: NDArray[np.int64], place: int, kind: int, day: int) -> None:
    """Let one product go wild for a day."""
    used[place % used.shape[0], day % used.shape[1]] *= 4 + kind % 9


def _mistaken(used: NDArray[np.int64], place: int, kind: int) -> NDArray[np.int64]:
    """Return the quantities as they were billed first: the last week missing, a day counted twice, a product lost."""
    wrong = used.copy()
    if kind % 3 == 0:
        wrong[:, -7:] = 0
    elif kind % 3 == 1:
        wrong[:, place % used.shape[1]] *= 2
    else:
        wrong[place % used.shape[0]] = 0
    return wrong
