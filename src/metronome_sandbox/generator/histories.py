"""The history of one customer: it signs, uses, is billed, renews or leaves.

Every month is worked out from the months before it and from draws of its own, so a longer history begins with the
shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from metronome_sandbox.generator.billing import Bills
from metronome_sandbox.generator.contracts import TERM_MONTHS, Deal, contract_of
from metronome_sandbox.generator.customers import customer_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Profile, Segment
from metronome_sandbox.generator.sizes import segment_at, spend_at
from metronome_sandbox.generator.streams import Stream, normal_quantiles, spread_evenly
from metronome_sandbox.generator.usage import Appetite, Surprise, appetite_of, hours_of, spike, used_in
from metronome_sandbox.generator.world import Contract, History, Invoice

LAST_TO_SIGN = 18
"""Months after the start in which the last customer signs."""
LEAST_NOTICE_DAYS, MOST_NOTICE_DAYS = 3, 20
LEAST_GROWN, MOST_GROWN = 0.15, 6.0
"""No customer shrinks to less, or grows to more, than this many times its size."""
SHORTEST_FIRST_TERM = 3
RECENT_MONTHS = 3
LEAST_GUESS, MOST_GUESS = 0.6, 1.1
"""What a customer takes itself for when it signs, by what it is."""
DECLINED = 0.7
"""A customer that uses less than this part of what it did is twice as ready to leave."""
OUT_OF = 10_000
POINTS = 256
"""Of the normal distribution, that a growth may have."""


def history_of(profile: Profile, seed: int, number: int, start: date, months: int) -> History:
    """Return what happened to a customer in so many months, counted from the first day of ``start``'s month.

    One that has not signed by then has no contract yet.
    """
    stream = Stream(seed, profile.name, number)
    share = spread_evenly(seed, profile.name, number)
    segment = segment_at(profile, share)
    signs, later, notice = stream.integers("signs", 3)
    is_old = signs % 100 < profile.old_customers
    first = 0 if is_old else 1 + later % LAST_TO_SIGN
    begin = months_after(start.replace(day=1), first)
    days = LEAST_NOTICE_DAYS + notice % (MOST_NOTICE_DAYS + 1 - LEAST_NOTICE_DAYS)
    customer = customer_of(stream, number, segment.name, begin - timedelta(days=days))
    account = Account(profile, stream, segment, customer.key, spend_at(profile, share), is_old)
    contracts: list[Contract] = []
    invoices: list[Invoice] = []
    for contract, billed in account.contracts(begin, months - first):
        contracts.append(contract)
        invoices += billed
    return History(customer, tuple(contracts), tuple(invoices))


@dataclass(frozen=True, slots=True)
class Month:
    """What is drawn for a month.

    Attributes:
        level: Factor on the customer's ordinary usage.
        spike: A day on which something went wild, if there was one.
        mistake: What was wrong with the invoice, if anything was.
    """

    level: float
    spike: Surprise | None
    mistake: Surprise | None


@dataclass(slots=True)
class Account:
    """A customer while its history is worked out, term by term.

    Attributes:
        size: Cents a month at list prices and full usage.
        is_old: Whether it was a customer before the months that are generated.
        growth: Its own monthly growth, in thousandths.
        grown: Its size now by its first one.
        spent: Cents in each month so far; whole ones, since sums of floats differ between versions of Python.
    """

    profile: Profile
    stream: Stream
    segment: Segment
    customer: str
    size: float
    is_old: bool
    grown: float = 1.0
    spent: list[int] = field(default_factory=list)
    appetite: Appetite = field(init=False)
    growth: float = field(init=False)

    def __post_init__(self) -> None:
        drawn = _normal()[self.stream.integers("growth", 1)[0] % POINTS]
        self.growth = self.profile.growth + self.segment.growth_spread * drawn
        self.appetite = appetite_of(self.profile, self.stream, self.segment.lines, self.size)

    def contracts(self, begin: date, months: int) -> Iterator[tuple[Contract, list[Invoice]]]:
        """Yield each contract that starts within ``months`` from ``begin``, with its invoices until then."""
        term, renews = 0, None
        while len(self.spent) < months:
            starting_at = months_after(begin, len(self.spent))
            spend = self._expected_spend()
            deal = Deal(self.customer, term, starting_at, self._term_months(term), spend, renews)
            contract = contract_of(self.stream, self.segment, self.appetite, deal)
            yield contract, self._billed(contract, min(deal.months, months - len(self.spent)))
            term, renews = term + 1, contract.key
            if self._leaves(term):
                return

    def _billed(self, contract: Contract, months: int) -> list[Invoice]:
        """Return the invoices of the first months of a contract."""
        first = len(self.spent)
        drawn = [self._month(first + place) for place in range(months)]
        levels = [month.level for month in drawn]
        used = used_in(self.profile, self.stream, self.appetite, contract.starting_at, first, levels)
        for place, month in enumerate(drawn):
            if month.spike is not None:
                spike(used[place], month.spike)
        quantities = used.sum(axis=2).tolist()
        bills = Bills(self.appetite, contract, hours_of(self.profile, self.appetite))
        invoices: list[Invoice] = []
        for place, month in enumerate(drawn):
            starting_at = months_after(contract.starting_at, place)
            invoices += bills.of_month(starting_at, used[place], quantities[place], month.mistake)
            self.spent.append(int(sum(line.amount for line in invoices[-1].lines)))
        return invoices

    def _month(self, number: int) -> Month:
        """Return what is drawn for a month of the customer; to be asked for each month in turn."""
        profile, normal = self.profile, _normal()
        chance, noise, *draws = self.stream.integers(f"month/{number}", 5)
        if number:
            growth = self.growth + profile.growth_noise * normal[noise % POINTS]
            self.grown = min(max(self.grown * (1000 + growth) / 1000, LEAST_GROWN), MOST_GROWN)
        ramp = profile.ramp_months
        level = self.grown * (ramp if self.is_old else min(number + 1, ramp)) / ramp
        place = chance % OUT_OF
        if place < profile.zero_months and number:
            return Month(0.0, None, None)
        place -= profile.zero_months
        if 0 <= place < profile.spikes:
            return Month(level, Surprise(*draws), None)
        if 0 <= place - profile.spikes < profile.corrections:
            return Month(level, None, Surprise(*draws))
        return Month(level, None, None)

    def _term_months(self, term: int) -> int:
        """Return how long a contract runs; the first ones of old customers end at any time of the year."""
        if term or not self.is_old:
            return TERM_MONTHS
        return SHORTEST_FIRST_TERM + self.stream.integers("term", 1)[0] % (TERM_MONTHS + 1 - SHORTEST_FIRST_TERM)

    def _expected_spend(self) -> float:
        """Return what the customer thinks it will spend a month: at first a guess, then what it has spent."""
        if not self.spent:
            return self.size * (LEAST_GUESS + (MOST_GUESS - LEAST_GUESS) * self.stream.unit("guess"))
        recent = self.spent[-RECENT_MONTHS:]
        return sum(recent) / len(recent)

    def _leaves(self, term: int) -> bool:
        """Whether the customer does not renew."""
        recent, before = self.spent[-RECENT_MONTHS:], self.spent[-TERM_MONTHS:-RECENT_MONTHS]
        declined = bool(before) and sum(recent) / len(recent) < DECLINED * (sum(before) / len(before))
        drawn = self.stream.integers(f"churn/{term}", 1)[0] % 1000
        return drawn < self.segment.churn * (2 if declined else 1)


@cache
def _normal() -> tuple[float, ...]:
    return normal_quantiles(POINTS)
