"""What customers sign: the term, what is committed to or given, and at which prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from metronome_sandbox.generator.amounts import ZERO
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Segment
from metronome_sandbox.generator.streams import Stream
from metronome_sandbox.generator.usage import Appetite
from metronome_sandbox.generator.world import Balance, Contract, Override

TERM_MONTHS = 12
TRIAL_MONTHS = 3
ONBOARDED, ONBOARDING_MONTHS, ONBOARDING_SHARE = 0.3, 6, 0.4
"""How many of the larger customers get a credit to begin with, for how long, and as what share of a month's spend."""
NARROW_FIRST, FREE_NEXT, COMMITS_LAST = 1, 10, 100
"""Priorities. What goes to some products only comes before what goes to all: then it does not matter which lines a
balance pays for."""
QUARTERS = 4
PAID_BY_QUARTER = 0.25
"""How many of the largest customers commit to each quarter apart."""
DISCOUNTED, DEEPENED = 0.4, 0.25
"""How many products of a customer have a discount, and how many discounts become deeper in the middle of the term."""
VOLUME_DISCOUNTS = ((50_000_000, 12), (10_000_000, 8), (2_500_000, 5))
"""From so many cents of access on, so many hundredths are not charged."""


@dataclass(frozen=True, slots=True)
class Deal:
    """What is known when a contract is signed.

    Attributes:
        term: Number of the contract among the customer's, from 0.
        months: It is signed for.
        monthly_spend: Cents that the customer is expected to spend.
    """

    customer: str
    term: int
    starting_at: date
    months: int
    monthly_spend: float
    renews: str | None


def contract_of(stream: Stream, segment: Segment, appetite: Appetite, deal: Deal) -> Contract:
    """Return the contract that a customer signs."""
    key = f"{deal.customer}-contract-{deal.term + 1}"
    ending_before = months_after(deal.starting_at, deal.months)
    kind = "Pay as you go" if segment.commit_share is None else f"{segment.name.capitalize()} agreement"
    return Contract(
        key=key,
        customer=deal.customer,
        name=f"{kind} {deal.starting_at.year}",
        rate_card="list-prices",
        starting_at=deal.starting_at,
        ending_before=ending_before,
        renews=deal.renews,
        balances=(*_credits(stream, segment, appetite, deal, key), *_commits(stream, segment, deal, key)),
        overrides=_overrides(stream, segment, appetite, deal, ending_before),
    )


def _credits(stream: Stream, segment: Segment, appetite: Appetite, deal: Deal, key: str) -> list[Balance]:
    """Return what is given: to new customers for a start, to some of the larger ones for a product they begin with."""
    if deal.term:
        return []
    start = deal.starting_at
    until = min(TRIAL_MONTHS, deal.months)
    amount = rounded_cents(deal.monthly_spend * segment.trial_share)
    given = [
        Balance(f"{key}-trial", True, "Trial credit", amount, ZERO, start, months_after(start, until), FREE_NEXT, ())
    ]
    if segment.commit_share is not None and stream.unit("onboarding") < ONBOARDED:
        until = min(ONBOARDING_MONTHS, deal.months)
        product = appetite.rates[0].product
        given.append(
            Balance(
                f"{key}-onboarding",
                True,
                "Onboarding credit",
                rounded_cents(deal.monthly_spend * ONBOARDING_SHARE),
                ZERO,
                start,
                months_after(start, until),
                NARROW_FIRST,
                (product,),
            )
        )
    return given


def _commits(stream: Stream, segment: Segment, deal: Deal, key: str) -> list[Balance]:
    """Return what is paid ahead: for the whole term, or for some of the largest a part of it for each quarter."""
    if segment.commit_share is None:
        return []
    least, most = segment.commit_share
    share, quarterly = stream.units(f"commit/{deal.term}", 2)
    amount = rounded_cents(deal.monthly_spend * deal.months * (least + share * (most - least)))
    by_quarter = segment.name == "enterprise" and deal.months == TERM_MONTHS and quarterly < PAID_BY_QUARTER
    pieces = QUARTERS if by_quarter else 1
    each = deal.months // pieces
    return [
        Balance(
            f"{key}-commit-{piece + 1}",
            False,
            f"Prepaid commit, quarter {piece + 1}" if by_quarter else "Prepaid commit",
            amount / pieces,
            _price(amount, pieces),
            months_after(deal.starting_at, piece * each),
            months_after(deal.starting_at, (piece + 1) * each),
            COMMITS_LAST,
            (),
        )
        for piece in range(pieces)
    ]


def _price(amount: Decimal, pieces: int) -> Decimal:
    discount = next((discount for least, discount in VOLUME_DISCOUNTS if amount >= least), 0)
    return amount / pieces * (100 - discount) / 100


def _overrides(
    stream: Stream, segment: Segment, appetite: Appetite, deal: Deal, ending_before: date
) -> tuple[Override, ...]:
    """Return discounts on the products that the customer uses; some go down once more in the middle of the term."""
    if not segment.discounts:
        return ()
    products = list(dict.fromkeys(rate.product for rate in appetite.rates))
    draws = stream.units(f"overrides/{deal.term}", 3 * len(products))
    middle = months_after(deal.starting_at, deal.months // 2)
    found: list[Override] = []
    for place, product in enumerate(products):
        wants, depth, steps = draws[3 * place : 3 * place + 3]
        if wants >= DISCOUNTED:
            continue
        level = int(depth * len(segment.discounts))
        multiplier = segment.discounts[level]
        if steps < DEEPENED and level + 1 < len(segment.discounts) and deal.months > 1:
            found.append(Override(product, multiplier, deal.starting_at, middle))
            found.append(Override(product, segment.discounts[level + 1], middle, ending_before))
        else:
            found.append(Override(product, multiplier, deal.starting_at, ending_before))
    return tuple(found)


def rounded_cents(cents: float) -> Decimal:
    """Return an amount as people agree on one: two digits and zeros, in whole dollars, and at least five of them."""
    dollars = max(5, int(cents) // 100)
    unit = 10 ** max(0, len(str(dollars)) - 2)
    return Decimal(dollars // unit * unit * 100)
