"""How real a world looks, measured: the figures that a profile's bands are about, and what their plots show.

One customer is taken at a time. Of each, a few numbers are kept, so that a hundred thousand of them fit into memory.
These are measures and no money: floats.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Band, Profile
from metronome_sandbox.generator.sums import voided_in
from metronome_sandbox.generator.world import Balance, Contract, History, Invoice, Line

YEAR = 12
TENTH = 10
MONTH_END_DAYS = 2
RANKED_SHARE = 0.001
"""Of revenue: what is sold less is not on a price list's curve but on its fringe."""

RAMPED_UP = 6
"""Months after a customer's first one, when it is looked at again."""

SPIKE_FACTOR = 4
LEAST_MEDIAN = 5
HOURS = 24
Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of a world beside what its profile states.

    Attributes:
        name: As the profile's ``Bands`` have it, where it is defined.
        title: The same in words.
        value: None where there is nothing to measure it by.
        is_share: Whether people read it as per cent.
    """

    name: str
    title: str
    value: float | None
    band: Band
    is_share: bool

    @property
    def is_within(self) -> bool | None:
        """Whether it lies in its band; None where it is not known."""
        return None if self.value is None else self.band[0] <= self.value <= self.band[1]


TITLES = {
    "top_tenth_share": ("revenue from the greatest tenth of customers", True),
    "tail_exponent": ("exponent of the greatest tenth's tail", False),
    "ramp_up": ("seventh month of new customers by their first", False),
    "net_revenue_retention": ("net revenue retention, second year by first", True),
    "weekend_ratio": ("a weekend day by a weekday", True),
    "month_end_ratio": ("a day of a month's end by another day", True),
    "zipf_exponent": ("slope of revenue over rank of products", False),
    "renewal_rate": ("contracts renewed at their end", True),
    "upgrades": ("renewals that commit to more", True),
    "zero_months": ("invoices without usage", True),
    "corrections": ("invoices voided and imported anew", True),
    "covered_share": ("revenue that credits and commits paid", True),
    "exhausted_share": ("commits spent before their end", True),
    "spikes": ("invoices with an outlier", True),
}


@dataclass(slots=True)
class Realism:
    """Counts what histories show; amounts are line amounts in cents before balances, of what is billed in the end.

    Attributes:
        start: First day of the first month.
        revenue: Of each customer.
        by_segment: Revenue of each month, by segment.
        by_rank: Revenue of each product and its group values.
        by_day: Revenue of each day since ``start``.
        paid_by_credits, paid_by_commits: Of each month.
        first_customers: Revenue of each month from customers with an invoice for the first one.
        first_month, ramped_up: Revenue of new customers in their first month, and ``RAMPED_UP`` months later.
    """

    profile: Profile
    start: date
    months: int
    revenue: list[float] = field(default_factory=list)
    by_segment: dict[str, Curve] = field(default_factory=dict)
    by_rank: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_day: Curve = field(init=False)
    paid_by_credits: Curve = field(init=False)
    paid_by_commits: Curve = field(init=False)
    first_customers: Curve = field(init=False)
    first_month: float = 0.0
    ramped_up: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    end: date = field(init=False)

    def __post_init__(self) -> None:
        self.end = months_after(self.start, self.months)
        self.by_day = np.zeros((self.end - self.start).days)
        self.paid_by_credits, self.paid_by_commits, self.first_customers = (np.zeros(self.months) for _ in range(3))
        self.by_segment = {segment.name: np.zeros(self.months) for segment in self.profile.segments}

    def add(self, history: History) -> None:
        """Count one customer."""
        voided = voided_in(history)
        billed = [invoice for invoice in history.invoices if invoice.key not in voided]
        self.counts["corrected"] += len(voided)
        by_month = np.zeros(self.months)
        for invoice in billed:
            by_month[self._month(invoice.starting_at)] += self._add_invoice(invoice)
        self._add_balances(history, billed)
        self._add_contracts(history.contracts)
        self.revenue.append(float(by_month.sum()))
        self.by_segment[history.customer.segment] += by_month
        if billed and billed[0].starting_at == self.start:
            self.first_customers += by_month
        elif len(billed) > RAMPED_UP:
            first = self._month(billed[0].starting_at)
            self.first_month += float(by_month[first])
            self.ramped_up += float(by_month[first + RAMPED_UP])

    def _add_invoice(self, invoice: Invoice) -> float:
        self.counts["invoices"] += 1
        amount, has_spike = 0.0, False
        first_day = (invoice.starting_at - self.start).days
        for line in invoice.lines:
            total = line.quantity
            if not total:
                continue
            price, days = float(line.amount), _days(line, self.profile)
            amount += price
            self.by_rank["/".join((line.product, *(value for _, value in line.groups)))] += price
            self.by_day[first_day : first_day + len(days)] += days * (price / total)
            middle = float(np.median(days))
            has_spike = has_spike or (middle >= LEAST_MEDIAN and float(days.max()) >= SPIKE_FACTOR * middle)
        self.counts["zero"] += not any(line.quantity for line in invoice.lines)
        self.counts["with a spike"] += has_spike
        return amount

    def _add_balances(self, history: History, billed: Iterable[Invoice]) -> None:
        balances = {balance.key: balance for contract in history.contracts for balance in contract.balances}
        left = {key: balance.amount for key, balance in balances.items()}
        for invoice in billed:
            month = self._month(invoice.starting_at)
            for payment in invoice.payments:
                left[payment.balance] -= payment.amount
                paid = self.paid_by_credits if balances[payment.balance].is_credit else self.paid_by_commits
                paid[month] += float(payment.amount)
        for key, balance in balances.items():
            if not balance.is_credit and balance.ending_before <= self.end:
                self.counts["commits ended"] += 1
                self.counts["commits exhausted"] += not left[key]

    def _add_contracts(self, contracts: Iterable[Contract]) -> None:
        known = {contract.key: contract for contract in contracts}
        renewed = {contract.renews: contract for contract in known.values() if contract.renews}
        for key, contract in known.items():
            if contract.ending_before is None or contract.ending_before > months_after(self.start, self.months - 1):
                continue
            self.counts["contracts ended"] += 1
            next_one = renewed.get(key)
            if next_one is None:
                continue
            self.counts["contracts renewed"] += 1
            before, after = _committed(contract), _committed(next_one)
            if before and after:
                self.counts["commits renewed"] += 1
                self.counts["commits raised"] += after > before

    def _month(self, day: date) -> int:
        return (day.year - self.start.year) * YEAR + day.month - self.start.month

    @property
    def total(self) -> float:
        """Revenue of all."""
        return math.fsum(self.revenue)

    def lorenz(self) -> Curve:
        """Return the share of revenue of the greatest 0, 1, 2 ... customers."""
        return np.concatenate([[0.0], np.cumsum(sorted(self.revenue, reverse=True))]) / (self.total or 1)

    def ranked(self) -> Curve:
        """Return the revenue of products and groups, from the most to the least, without their fringe."""
        return np.array(
            sorted((one for one in self.by_rank.values() if one >= RANKED_SHARE * self.total), reverse=True)
        )

    def by_weekday(self) -> Curve:
        """Return the revenue of an average day, from Monday to Sunday, by that of any day."""
        days = (self.start.weekday() + np.arange(len(self.by_day))) % 7
        return np.array([self.by_day[days == day].mean() for day in range(7)]) / (self.by_day.mean() or 1)

    def figures(self) -> list[Figure]:
        """Return all measures in the order of the bands."""
        values = dict(self._values())
        return [
            Figure(name, title, values[name], getattr(self.profile.bands, name), is_share)
            for name, (title, is_share) in TITLES.items()
        ]

    def _values(self) -> Iterator[tuple[str, float | None]]:
        counts = self.counts
        lorenz = self.lorenz()
        yield "top_tenth_share", float(lorenz[len(self.revenue) // TENTH]) if len(self.revenue) >= TENTH else None
        yield "tail_exponent", self._tail_exponent()
        yield "ramp_up", _ratio(self.ramped_up, self.first_month)
        first, second = self.first_customers[:YEAR].sum(), self.first_customers[YEAR : 2 * YEAR].sum()
        yield "net_revenue_retention", _ratio(second, first) if self.months >= 2 * YEAR else None
        weekdays = self.by_weekday() if len(self.by_day) >= 7 else np.zeros(7)
        yield "weekend_ratio", _ratio(weekdays[5:].mean(), weekdays[:5].mean())
        is_end = np.array([(self._date(day + MONTH_END_DAYS)).day <= MONTH_END_DAYS for day in range(len(self.by_day))])
        yield "month_end_ratio", _ratio(self.by_day[is_end].mean(), self.by_day[~is_end].mean())
        yield "zipf_exponent", self._zipf_exponent()
        yield "renewal_rate", _ratio(counts["contracts renewed"], counts["contracts ended"])
        yield "upgrades", _ratio(counts["commits raised"], counts["commits renewed"])
        yield "zero_months", _ratio(counts["zero"], counts["invoices"])
        yield "corrections", _ratio(counts["corrected"], counts["invoices"])
        yield "covered_share", _ratio(float(self.paid_by_credits.sum() + self.paid_by_commits.sum()), self.total)
        yield "exhausted_share", _ratio(counts["commits exhausted"], counts["commits ended"])
        yield "spikes", _ratio(counts["with a spike"], counts["invoices"] - counts["zero"])

    def _tail_exponent(self) -> float | None:
        """Return Hill's estimate: the inverse of how much larger, in logarithms, the greatest are on average."""
        count = len(self.revenue) // TENTH
        greatest = sorted(self.revenue, reverse=True)[: count + 1]
        if not count or greatest[-1] <= 0:
            return None
        return _ratio(count, math.fsum(math.log(one / greatest[-1]) for one in greatest))

    def _zipf_exponent(self) -> float | None:
        ranked = self.ranked()
        if len(ranked) < 3:
            return None
        slope, _ = np.polyfit(np.log(np.arange(1, len(ranked) + 1)), np.log(ranked), 1)
        return -float(slope)

    def _date(self, day: int) -> date:
        return date.fromordinal(self.start.toordinal() + day)


def _days(line: Line, profile: Profile) -> NDArray[np.int64]:
    """Return the quantity of each day."""
    return line.quantities.reshape(-1, HOURS).sum(axis=1) if profile.granularity == "HOUR" else line.quantities


def _committed(contract: Contract) -> float:
    """Return what a contract commits to for each day, in cents."""
    commits: list[Balance] = [balance for balance in contract.balances if not balance.is_credit]
    if not commits or contract.ending_before is None:
        return 0.0
    return float(sum(commit.amount for commit in commits)) / (contract.ending_before - contract.starting_at).days


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
