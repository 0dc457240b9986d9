"""How commits and credits pay for usage: which balance meets which part, in which order, and at which price.

Balances are the outer loop and parts the inner one (question Q1): a balance is spent before the next one is asked. The
parts of one product, group and window are met in the order of their tiers; such sets of parts compete by what they are
(usage, then subscriptions, then composites), their time, and their highest unit price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

import msgspec

from metronome_sandbox.domain.amounts import DUST, ZERO, quotient
from metronome_sandbox.domain.balances import Balance, Segment, SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import SegmentId
from metronome_sandbox.domain.overrides import (
    AT_COMMIT_RATE,
    Choice,
    OverrideTarget,
    commit_specific_in_force,
    overridden,
    winner,
)
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, TierSlice, slices
from metronome_sandbox.domain.rating import Part, PriceBook, Rank
from metronome_sandbox.domain.spending_order import OpenSegment, SpendingOrder, spending_order


class Cover(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a part that one segment pays for.

    Attributes:
        slice: Quantity, price and tier under the price that this balance gets.
        total: What is taken from the segment. The slice's quantity times its price, but for what a division cut off
            the quantity: a segment is spent to its last digit.
        choice: The overrides that competed for the price.
    """

    balance: Balance
    segment: Segment
    price: Price
    slice: TierSlice
    total: Decimal
    choice: Choice


class PaidPart:
    """A part with what pays for it so far. Mutable: it lives inside one call of :func:`draw_down`."""

    __slots__ = ("covered", "covers", "part")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.covered = ZERO
        self.covers: list[Cover] = []

    @property
    def uncovered(self) -> Decimal:
        """Units that nothing pays for."""
        return self.part.tier.quantity - self.covered

    @property
    def uncovered_cost(self) -> Decimal:
        """What they cost."""
        return self.cost(self.uncovered, self.part.tier.unit_price)

    def cost(self, quantity: Decimal, unit_price: Decimal) -> Decimal:
        """Return what the next ``quantity`` units cost.

        Where a cover at this price has a quantity from a division, the next one takes up what was cut off, so that all
        of them together cost exactly their quantity times the price.
        """
        cost = quantity * unit_price
        for cover in self.covers:
            if cover.slice.unit_price == unit_price:
                cost += cover.slice.quantity * unit_price - cover.total
        return cost


def in_spending_order(
    candidates: Sequence[OpenSegment], book: PriceBook, period: BoundedPeriod
) -> list[tuple[OpenSegment, SpendingOrder | None]]:
    """Return the candidates as they are spent, with the key that put each in its place; None where there is only one.

    Args:
        period: That is billed.

    Assumed: how many products a balance's tags name is counted as products are when the period ends.  [A-tags-counted]
    """
    if len(candidates) < 2:
        return [(candidate, None) for candidate in candidates]
    products = [product.versions(period)[-1][1] if product.updates else product for product in book.products.values()]
    ordered = [(spending_order(candidate, products), candidate) for candidate in candidates]
    return [(candidate, order) for order, candidate in sorted(ordered, key=itemgetter(0))]


def draw_down(
    contract: Contract, rated: Sequence[Sequence[Part]], candidates: Sequence[OpenSegment]
) -> list[list[PaidPart]]:
    """Let the candidates pay for the rated parts.

    Args:
        rated: Sets of parts as :func:`~metronome_sandbox.domain.rating.rate_usage` returns them.
        candidates: Segments that are open to the contract, with what is left of each; in the order of spending.

    Returns:
        The same sets in the same order, each part with its covers.

    Source: guides "Understand prioritization rules" and "Apply discounts on commits"; reference section 3.6.
    """
    paid = [[PaidPart(part) for part in parts] for parts in rated]
    if not candidates:
        return paid
    waiting = dict(enumerate(sorted(paid, key=_line_order) if len(paid) > 1 else paid))
    for candidate in candidates:
        remaining = candidate.remaining
        settled: list[int] = []
        for place, parts in waiting.items():
            if remaining <= 0:
                break
            if _may_pay(candidate, parts[0].part):
                for paid_part in parts:
                    remaining -= _pay(contract, candidate, paid_part, remaining)
                if not any(paid_part.uncovered > 0 for paid_part in parts):
                    settled.append(place)
        for place in settled:  # no other candidate is asked to pay for it
            del waiting[place]
        if not waiting:
            break
    return paid


def left_after(candidates: Iterable[OpenSegment], paid: Iterable[Iterable[PaidPart]]) -> list[OpenSegment]:
    """Return the candidates with what is left of them after they paid for these parts."""
    spent: dict[SegmentId, Decimal] = {}
    for parts in paid:
        for paid_part in parts:
            for cover in paid_part.covers:
                spent[cover.segment.id] = spent.get(cover.segment.id, ZERO) + cover.total
    left = ((each, each.remaining - spent.get(each.segment.id, ZERO)) for each in candidates)
    return [OpenSegment(each.balance, each.segment, remaining) for each, remaining in left]


def _line_order(parts: Sequence[PaidPart]) -> tuple[Rank, datetime, Decimal, str]:
    """Return the key that sorts what one balance meets: by rank, then earlier first, then dearer, then by name.

    Source: guide "Understand prioritization rules".
    Assumed: the tiers of one product and window compete together, by their highest price.  [A-tiers-compete-together]
    """
    first = parts[0].part
    dearest = max(paid.part.tier.unit_price for paid in parts)
    return first.rank, first.starting_at, -dearest, first.target.product.name


def _may_pay(candidate: OpenSegment, part: Part) -> bool:
    balance, segment = candidate.balance, candidate.segment
    return (
        segment.starting_at <= part.paid_at < segment.ending_before
        and part.credit_type_id == balance.credit_type_id
        and candidate.covers(part.target)
    )


def _pay(contract: Contract, candidate: OpenSegment, paid: PaidPart, remaining: Decimal) -> Decimal:
    """Cover as much of the part as ``remaining`` pays for and return what that costs.

    Assumed: what costs nothing with and without the balance is not drawn and stays on the line without commit fields
    (Q13); what only the balance's own price makes free is covered and takes nothing from it.  [A-zero-price]
    """
    uncovered = paid.uncovered
    if uncovered <= 0 or remaining <= 0:
        return ZERO
    part, balance = paid.part, candidate.balance
    price, choice = balance_price(contract, part, balance)
    if price is part.price:
        pieces = [part.tier if not paid.covered else _resized(part.tier, uncovered)]
    else:
        pieces = slices(price, part.position + paid.covered, uncovered)
    spent = ZERO
    for piece in pieces:
        cost = paid.cost(piece.quantity, piece.unit_price)
        costs_nothing_anyway = not cost and not part.tier.unit_price and piece is pieces[-1]
        if cost < 0 or costs_nothing_anyway or spent >= remaining:
            break
        if cost > remaining - spent:
            cost = remaining - spent
            quantity = quotient(cost, piece.unit_price)
            # Two balances may buy a third and two thirds of a unit: what divisions cut off is no usage of its own.
            if piece.quantity - quantity > DUST:
                piece = _resized(piece, quantity)
        paid.covers.append(Cover(balance, candidate.segment, price, piece, cost, choice))
        paid.covered += piece.quantity
        spent += cost
    return spent


def _resized(tier: TierSlice, quantity: Decimal) -> TierSlice:
    return TierSlice(quantity, tier.unit_price, tier.level, tier.starting_at, tier.size)


def balance_price(contract: Contract, part: Part, balance: Balance) -> tuple[Price, Choice]:
    """Return what units of this part cost while this balance pays for them.

    A balance with rate type COMMIT_RATE pays the commit rate where there is one; only commit-specific overrides that
    target it change it. Otherwise it pays the list rate, after a commit-specific override if there is one, or else
    after the contract's.

    Source: guide "Apply discounts on commits".
    Assumed: an override that targets the list rate says nothing where the commit rate is paid.  [A-override-base]
    """
    if part.is_fixed:
        return part.price, part.choice
    rate = part.rate
    pays_commit_rate = balance.rate_type is SpendingRate.COMMIT_RATE and rate.commit_price is not None
    base = OverrideTarget.COMMIT_RATE if pays_commit_rate else OverrideTarget.LIST_RATE
    chosen = None
    choice = AT_COMMIT_RATE if pays_commit_rate else part.choice
    if contract.overrides:
        mine = commit_specific_in_force(contract.overrides, part.target, part.starting_at, balance.names, base)
        chosen = winner(mine, contract.prioritization)
        choice = Choice(
            base, (*choice.considered, *(each.id for each in mine)), choice.winner if chosen is None else chosen.id
        )
    if pays_commit_rate and rate.commit_price is not None:
        return rate.commit_price if chosen is None else overridden(rate.commit_price, chosen), choice
    return part.price if chosen is None else part.priced(overridden(rate.price, chosen)), choice
