"""From quantities to priced parts: which price each unit has before any commit or credit pays for it.

A part is a stretch of one product's usage under one price: it never crosses a change of the rate, of an override, of
the entitlement or of what a balance may pay, nor the edge of a tier (guide "How invoicing works").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Protocol, TypeVar

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import OpenSegment
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.overrides import in_force, is_entitled, overridden, winner
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, Rate, RateKey, RateSchedule, TierSlice, slices
from metronome_sandbox.domain.targeting import Target
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, total

K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Lookup(Protocol[K_contra, V_co]):
    """Values by key: a dictionary, or a table of the store."""

    def get(self, key: K_contra, /) -> V_co | None:
        """Return the value, or None."""

    def __getitem__(self, key: K_contra, /) -> V_co: ...

    def values(self) -> Collection[V_co]:
        """Return all values."""


class PriceBook(msgspec.Struct, frozen=True):
    """What prices are looked up in.

    Attributes:
        rate_card_id: The contract's card; None on a contract without one, which prices nothing.
        product_ids: The card's products in the order of lines on an invoice.
    """

    rate_card_id: RateCardId | None
    product_ids: Sequence[ProductId]
    products: Lookup[ProductId, Product]
    schedules: Lookup[RateKey, RateSchedule]

    def schedule(self, product_id: ProductId, pricing_group_values: GroupValues) -> RateSchedule | None:
        """Return the rates for exactly these pricing group values, or None where the card has none."""
        if self.rate_card_id is None:
            return None
        return self.schedules.get(RateKey(self.rate_card_id, product_id, pricing_group_values))


class Part(msgspec.Struct, frozen=True):
    """A stretch of usage in one window, under one price and inside one tier.

    Attributes:
        starting_at: The window, which is also the time at which rates, overrides and balances are looked up.
        position: How many units of the same group the billing period had before this part.
        price: The whole ladder that ``tier`` is a part of.
    """

    target: Target
    starting_at: datetime
    ending_before: datetime
    rate: Rate
    price: Price
    position: Decimal
    tier: TierSlice

    @property
    def quantity(self) -> Decimal:
        """Units in this part."""
        return self.tier.quantity


def list_price(contract: Contract, target: Target, rate: Rate, instant: datetime) -> Price:
    """Return what a unit costs that no balance pays for: the rate after the winning contract-level override."""
    if not contract.overrides:
        return rate.price
    chosen = winner(in_force(contract.overrides, target, instant), contract.prioritization)
    return rate.price if chosen is None else overridden(rate.price, chosen)


def rate_usage(
    contract: Contract, book: PriceBook, lines: Sequence[UsageLine], candidates: Sequence[OpenSegment]
) -> list[list[Part]]:
    """Price usage: one list of parts, in the order of their tiers, for each product, group and window.

    Args:
        lines: In any order; parts come in the order of products on the card, then group values, then time.
        candidates: Segments that may pay; a line that is known by window is cut where one of them begins or ends.

    Raises:
        InvalidRequest: A line's product has no rate at the line's time; the path is ``[i].product_id``.

    Source: reference sections 1.4 and 2.7.
    Assumed: tiers are counted in order of time within the billing period, over changes of the rate.  [A-tier-position]
    """
    positions: dict[tuple[ProductId, GroupValues, GroupValues], Decimal] = {}
    rated: list[list[Part]] = []
    for index, line in _in_order(book, lines):
        target = Target(book.products[line.product_id], line.pricing_group_values, line.presentation_group_values)
        schedule = book.schedule(line.product_id, line.pricing_group_values)
        for starting_at, ending_before, quantity in _windows(contract, line, target, schedule, candidates):
            rate = schedule.at(starting_at) if schedule is not None else None
            if rate is None:
                raise InvalidRequest(f"[{index}].product_id", _no_rate(contract, target, starting_at))
            position = positions.get(line.group, ZERO)
            price = list_price(contract, target, rate, starting_at)
            parts: list[Part] = []
            for tier in slices(price, position, quantity):
                parts.append(Part(target, starting_at, ending_before, rate, price, position, tier))
                position += tier.quantity
            positions[line.group] = position
            rated.append(parts)
    return rated


def priceable(book: PriceBook, lines: Iterable[UsageLine]) -> list[UsageLine]:
    """Return what of these lines :func:`rate_usage` finds a rate for.

    Source: question 16 of the pricing reference: usage without a rate is not billed.
    """
    found: list[UsageLine] = []
    for line in lines:
        schedule = book.schedule(line.product_id, line.pricing_group_values)
        if schedule is None:
            continue
        windows = tuple(window for window in line.windows if schedule.at(window.starting_at) is not None)
        if windows:
            found.append(msgspec.structs.replace(line, windows=windows, quantity=total(windows)))
        elif not line.windows and schedule.at(line.starting_at) is not None:
            found.append(line)
    return found


def _in_order(book: PriceBook, lines: Sequence[UsageLine]) -> Iterable[tuple[int, UsageLine]]:
    if len(lines) == 1:
        return enumerate(lines)
    rank = {product_id: place for place, product_id in enumerate(book.product_ids)}
    return sorted(
        enumerate(lines),
        key=lambda item: (
            rank.get(item[1].product_id, len(rank)),
            _sortable(item[1].pricing_group_values),
            _sortable(item[1].presentation_group_values),
            item[1].starting_at,
            item[1].ending_before,
        ),
    )


def _sortable(values: GroupValues) -> tuple[tuple[str, bool, str], ...]:
    return tuple((key, value is not None, value or "") for key, value in values)


def _windows(
    contract: Contract,
    line: UsageLine,
    target: Target,
    schedule: RateSchedule | None,
    candidates: Sequence[OpenSegment],
) -> Iterable[tuple[datetime, datetime, Decimal]]:
    """Yield the windows that the line is cut into, with their quantities.

    Assumed: a quantity that is only known as a whole cannot be split in time; it is priced and paid for as if all of it
    was used at the start of its window.  [A-whole-quantity]
    """
    if not line.windows and not line.keeps_zero:
        return ((line.starting_at, line.ending_before, line.quantity),)
    cuts = _cuts(contract, line, target, schedule, candidates)
    if not cuts:
        return ((line.starting_at, line.ending_before, line.quantity),)
    edges = [line.starting_at, *cuts, line.ending_before]
    found: list[tuple[datetime, datetime, Decimal]] = []
    for start, end in pairwise(edges):
        inside = [window for window in line.windows if start <= window.starting_at < end]
        if inside or line.keeps_zero:
            found.append((start, end, total(inside)))
    return found


def _cuts(
    contract: Contract,
    line: UsageLine,
    target: Target,
    schedule: RateSchedule | None,
    candidates: Sequence[OpenSegment],
) -> list[datetime]:
    """Return the instants inside the line's window at which its price, or what may pay for it, changes."""
    instants = _price_changes(contract, target, schedule)
    units = {segment.rate.credit_type_id for segment in schedule.segments} if schedule is not None else set()
    for candidate in candidates:
        if candidate.balance.credit_type_id in units and candidate.balance.covers(target):
            instants |= {candidate.segment.starting_at, candidate.segment.ending_before}
    return sorted(instant for instant in instants if instant and line.starting_at < instant < line.ending_before)


def _price_changes(contract: Contract, target: Target, schedule: RateSchedule | None) -> set[datetime | None]:
    instants: set[datetime | None] = set()
    for segment in schedule.segments if schedule is not None else ():
        instants |= {segment.starting_at, segment.ending_before}
    for override in contract.overrides:
        if override.concerns(target):
            instants |= {override.starting_at, override.ending_before}
    return instants


def _no_rate(contract: Contract, target: Target, instant: datetime) -> str:
    values = dict(target.pricing_group_values)
    where = f" for pricing_group_values {values}" if values else ""
    return (
        f"No such product in rate card: {target.product.id} ({target.product.name}) has no rate{where} at "
        f"{instant.isoformat()} on contract {contract.id}; add one or correct the line"
    )


def metered_lines(
    contract: Contract,
    book: PriceBook,
    metered: Mapping[tuple[ProductId, GroupValues, GroupValues], Sequence[WindowQuantity]],
    period: BoundedPeriod,
) -> list[UsageLine]:
    """Return the usage lines of a generated invoice: what was metered, and a zero for each other product on offer.

    A product with pricing group keys appears only where it was used; usage without a rate or an entitlement does not
    appear at all. Source: guide "How invoicing works"; question 16 of the pricing reference for usage without a rate.
    """
    used: dict[ProductId, dict[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]]] = {}
    for (product_id, pricing, presentation), windows in metered.items():
        used.setdefault(product_id, {})[pricing, presentation] = windows
    lines: list[UsageLine] = []
    for product_id in book.product_ids:
        product = book.products[product_id]
        if product.type is not ProductType.USAGE:
            continue
        nothing: dict[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]] = {((), ()): ()}
        groups = used.get(product_id) or ({} if product.pricing_group_key else nothing)
        for (pricing, presentation), windows in groups.items():
            for start, end in _on_offer(contract, book, Target(product, pricing, presentation), period):
                inside = tuple(window for window in windows if start <= window.starting_at < end)
                if inside or not product.pricing_group_key:
                    lines.append(
                        UsageLine(
                            product_id,
                            start,
                            end,
                            total(inside),
                            pricing,
                            presentation,
                            inside,
                            keeps_zero=not product.pricing_group_key,
                        )
                    )
    return lines


def _on_offer(
    contract: Contract, book: PriceBook, target: Target, period: BoundedPeriod
) -> list[tuple[datetime, datetime]]:
    """Return the stretches of a period in which the contract offers this usage."""
    schedule = book.schedule(target.product.id, target.pricing_group_values)
    if schedule is None:
        return []
    starting_at, ending_before = period.starting_at, period.ending_before
    changes = _price_changes(contract, target, schedule)
    edges = sorted({starting_at, ending_before, *(at for at in changes if at and starting_at < at < ending_before)})
    offered: list[tuple[datetime, datetime]] = []
    for start, end in pairwise(edges):
        rate = schedule.at(start)
        if rate is None or not is_entitled(in_force(contract.overrides, target, start), rate.is_entitled):
            continue
        if offered and offered[-1][1] == start:
            start = offered.pop()[0]
        offered.append((start, end))
    return offered
