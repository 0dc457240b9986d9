"""From quantities to priced parts: which price each unit has before any commit or credit pays for it.

A part is a stretch of one product's usage under one price: it never crosses a change of the rate, of an override, of
the entitlement or of what a balance may pay, nor the edge of a tier (guide "How invoicing works").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from itertools import pairwise

import msgspec

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO, CreditType
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.invoices import LineType
from metronome_sandbox.domain.lookups import Lookup
from metronome_sandbox.domain.overrides import AT_LIST_RATE, Choice, in_force, is_entitled, overridden, winner
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import (
    BillingFrequency,
    Price,
    Rate,
    RateKey,
    RateSchedule,
    TierSlice,
    slices,
)
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.domain.subscriptions import SubscribedPart
from metronome_sandbox.domain.targeting import Target
from metronome_sandbox.domain.trace import Unbilled, UnbilledUsage
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, total, windows_from


class UnitConversion(msgspec.Struct, frozen=True, gc=False):
    """What a custom pricing unit is worth in the currency of the card."""

    credit_type: CreditType
    fiat_per_custom_credit: Decimal


class PriceBook(msgspec.Struct, frozen=True, gc=False):
    """What prices are looked up in.

    Attributes:
        rate_card_id: The contract's card; None on a contract without one, which prices nothing.
        product_ids: The card's products in the order of lines on an invoice.
        products: As they are stored, with all their states in time.
        fiat_credit_type_id: The currency of the card, and of the invoice.
        conversions: Of each custom unit that a rate may count in.
    """

    rate_card_id: RateCardId | None
    product_ids: Sequence[ProductId]
    products: Lookup[ProductId, Product]
    schedules: Lookup[RateKey, RateSchedule]
    fiat_credit_type_id: CreditTypeId = USD_CENTS
    conversions: Mapping[CreditTypeId, UnitConversion] = {}

    def schedule(
        self,
        product_id: ProductId,
        pricing_group_values: GroupValues,
        billing_frequency: BillingFrequency | None = None,
    ) -> RateSchedule | None:
        """Return the rates for exactly these pricing group values, or None where the card has none."""
        if self.rate_card_id is None:
            return None
        return self.schedules.get(RateKey(self.rate_card_id, product_id, pricing_group_values, billing_frequency))


class Rank(IntEnum):
    """What a balance meets first. Source: guide "Understand prioritization rules", which knows no conversions; for them
    see :func:`~metronome_sandbox.domain.conversions.converted_parts`.
    """

    USAGE = 0
    SUBSCRIPTION = 1
    COMPOSITE = 2
    CONVERSION = 3


class Part(msgspec.Struct, frozen=True, gc=False):
    """A stretch of usage, or of whatever else a balance may pay for, in one window, under one price and one tier.

    Attributes:
        starting_at: The window, which is also the time at which rates, overrides and balances are looked up.
        rate: The entry of the card behind it; its unit is the part's.
        position: How many units of the same group the billing period had before this part.
        price: The whole ladder that ``tier`` is a part of.
        is_fixed: Whether its price is the same whoever pays: no override and no commit rate changes it any more.
        converted_credit_type_id: The custom unit that its units are, where they are converted into the currency.
        choice: The overrides that competed for the price.
        subscription: What it bills a part of the period of; None on usage and composite products.
    """

    target: Target
    starting_at: datetime
    ending_before: datetime
    rate: Rate
    price: Price
    position: Decimal
    tier: TierSlice
    rank: Rank = Rank.USAGE
    line_type: LineType = LineType.USAGE
    is_fixed: bool = False
    converted_credit_type_id: CreditTypeId | None = None
    choice: Choice = AT_LIST_RATE
    subscription: SubscribedPart | None = None

    @property
    def paid_at(self) -> datetime:
        """When a commit or credit has to be open to pay for it."""
        return self.starting_at if self.subscription is None else self.subscription.paid_at

    def priced(self, price: Price) -> Price:
        """Return what its units cost at another price of the product."""
        share = None if self.subscription is None else self.subscription.share
        return price if share is None else share.of(price)

    @property
    def quantity(self) -> Decimal:
        """Units in this part."""
        return self.tier.quantity

    @property
    def credit_type_id(self) -> CreditTypeId:
        """What its price is counted in."""
        return self.rate.credit_type_id

    @property
    def amount(self) -> Decimal:
        """What it costs that no balance pays for."""
        return self.tier.quantity * self.tier.unit_price


def list_price(contract: Contract, target: Target, rate: Rate, instant: datetime) -> tuple[Price, Choice]:
    """Return what a unit costs that no balance pays for: the rate after the winning contract-level override."""
    if not contract.overrides:
        return rate.price, AT_LIST_RATE
    considered = in_force(contract.overrides, target, instant)
    chosen = winner(considered, contract.prioritization)
    choice = Choice(considered=tuple(each.id for each in considered), winner=None if chosen is None else chosen.id)
    return rate.price if chosen is None else overridden(rate.price, chosen), choice


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
        schedule = book.schedule(line.product_id, line.pricing_group_values)
        for window, target, quantity in _windows(contract, book, line, schedule, candidates):
            starting_at, ending_before = window.starting_at, window.ending_before
            rate = schedule.at(starting_at) if schedule is not None else None
            if rate is None:
                raise InvalidRequest(f"[{index}].product_id", _no_rate(contract, target, starting_at))
            position = positions.get(line.group, ZERO)
            price, choice = list_price(contract, target, rate, starting_at)
            parts: list[Part] = []
            for tier in slices(price, position, quantity):
                parts.append(Part(target, starting_at, ending_before, rate, price, position, tier, choice=choice))
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
    book: PriceBook,
    line: UsageLine,
    schedule: RateSchedule | None,
    candidates: Sequence[OpenSegment],
) -> list[tuple[BoundedPeriod, Target, Decimal]]:
    """Return the windows that the line is cut into, with the product as it is in each, and their quantities.

    Assumed: a quantity that is only known as a whole cannot be split in time; it is priced and paid for as if all of it
    was used at the start of its window.  [A-whole-quantity]
    """
    product = book.products[line.product_id]
    span = BoundedPeriod(line.starting_at, line.ending_before)
    if not line.windows and not line.keeps_zero:
        return [(span, _target(line, product.at(line.starting_at)), line.quantity)]
    found: list[tuple[BoundedPeriod, Target, Decimal]] = []
    for stretch, version in product.versions(span):
        target = _target(line, version)
        edges = [
            stretch.starting_at,
            *cuts(contract, book, stretch, target, schedule, candidates),
            stretch.ending_before,
        ]
        if len(edges) == 2 and stretch == span:
            return [(span, target, line.quantity)]
        for start, end in pairwise(edges):
            inside = windows_from(line.windows, start, end)
            if inside or line.keeps_zero:
                found.append((BoundedPeriod(start, end), target, total(inside)))
    return found


def _target(line: UsageLine, product: Product) -> Target:
    return Target(product, line.pricing_group_values, line.presentation_group_values)


def cuts(
    contract: Contract,
    book: PriceBook,
    span: BoundedPeriod,
    target: Target,
    schedule: RateSchedule | None,
    candidates: Sequence[OpenSegment],
) -> list[datetime]:
    """Return the instants inside of ``span`` at which a price, or what may pay for it, changes."""
    instants = _price_changes(contract, target, schedule)
    units = {segment.rate.credit_type_id for segment in schedule.segments} if schedule is not None else set()
    if target.product.type is ProductType.COMPOSITE:
        units |= set(book.conversions)  # it counts in the units of what it is a percentage of
    if not units.isdisjoint(book.conversions):
        units.add(book.fiat_credit_type_id)
    for candidate in candidates:
        if candidate.balance.credit_type_id in units and candidate.covers(target):
            instants |= {candidate.segment.starting_at, candidate.segment.ending_before}
    return sorted(instant for instant in instants if instant and span.starting_at < instant < span.ending_before)


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


Metered = Mapping[tuple[ProductId, GroupValues, GroupValues], Sequence[WindowQuantity]]
"""What was used of each product, under each set of pricing and presentation group values, by hour."""


def metered_lines(contract: Contract, book: PriceBook, metered: Metered, period: BoundedPeriod) -> list[UsageLine]:
    """Return the usage lines of a generated invoice: what was metered, and a zero for each other product on offer.

    A product with pricing group keys appears only where it was used; usage without a rate or an entitlement does not
    appear at all. Source: guide "How invoicing works"; question 16 of the pricing reference for usage without a rate.
    """
    used: dict[ProductId, dict[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]]] = {}
    for (product_id, pricing, presentation), windows in metered.items():
        used.setdefault(product_id, {})[pricing, presentation] = windows
    lines: list[UsageLine] = []
    for product_id in book.product_ids:
        stored = book.products[product_id]
        if stored.type is not ProductType.USAGE:
            continue
        for stretch, keeps_zero in _by_group_keys(stored, period):
            for (pricing, presentation), windows in _groups_in(stretch, used.get(product_id, {}), keeps_zero).items():
                for offered in on_offer(contract, book, stored, pricing, presentation, stretch):
                    inside = tuple(windows_from(windows, offered.starting_at, offered.ending_before))
                    if inside or keeps_zero:
                        lines.append(
                            UsageLine(
                                product_id,
                                offered.starting_at,
                                offered.ending_before,
                                total(inside),
                                pricing,
                                presentation,
                                inside,
                                keeps_zero,
                            )
                        )
    return lines


def unbilled(
    book: PriceBook, metered: Metered, lines: Iterable[UsageLine], lost: Iterable[UnbilledUsage]
) -> tuple[UnbilledUsage, ...]:
    """Return what was metered and is on none of the lines, by product and pricing group values.

    Args:
        lost: What was found on the way to ``metered`` and is not in it.

    Source: question 16 of the pricing reference: usage without a rate has no line and shows in diagnostics.
    """
    billed: dict[tuple[ProductId, GroupValues, GroupValues], list[UsageLine]] = {}
    for line in lines:
        key = line.product_id, line.pricing_group_values, line.presentation_group_values
        billed.setdefault(key, []).append(line)
    sums: dict[tuple[Unbilled, ProductId, GroupValues], Decimal] = {}
    for key, windows in metered.items():
        own = billed.get(key, [])
        if sum(len(line.windows) for line in own) == len(windows):
            continue
        product_id, pricing, _ = key
        schedule = book.schedule(product_id, pricing)
        for window in windows:
            at = window.starting_at
            if not any(line.starting_at <= at < line.ending_before for line in own):
                has_rate = schedule is not None and schedule.at(at) is not None
                reason = Unbilled.NOT_ENTITLED if has_rate else Unbilled.NO_RATE
                sums[reason, product_id, pricing] = sums.get((reason, product_id, pricing), ZERO) + window.quantity
    for each in lost:
        group = each.reason, each.product_id, each.pricing_group_values
        sums[group] = sums.get(group, ZERO) + each.quantity
    return tuple(UnbilledUsage(*group, quantity) for group, quantity in sums.items() if quantity)


def _by_group_keys(product: Product, period: BoundedPeriod) -> list[tuple[BoundedPeriod, bool]]:
    """Return the stretches of a period with one set of group keys, and whether the product shows without usage."""
    versions = product.versions(period, by=Product.group_keys)
    return [(stretch, not version.pricing_group_key) for stretch, version in versions]


def _groups_in(
    stretch: BoundedPeriod,
    used: Mapping[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]],
    keeps_zero: bool,
) -> dict[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]]:
    groups: dict[tuple[GroupValues, GroupValues], Sequence[WindowQuantity]] = {
        group: inside
        for group, windows in used.items()
        if (inside := windows_from(windows, stretch.starting_at, stretch.ending_before))
    }
    return groups or ({((), ()): ()} if keeps_zero else {})


def on_offer(
    contract: Contract,
    book: PriceBook,
    product: Product,
    pricing_group_values: GroupValues,
    presentation_group_values: GroupValues,
    period: BoundedPeriod,
) -> list[BoundedPeriod]:
    """Return the stretches of a period in which the contract offers a product under these group values."""
    schedule = book.schedule(product.id, pricing_group_values)
    if schedule is None:
        return []
    offered: list[BoundedPeriod] = []
    for stretch, version in product.versions(period):
        target = Target(version, pricing_group_values, presentation_group_values)
        changes = _price_changes(contract, target, schedule)
        inside = (at for at in changes if at and stretch.starting_at < at < stretch.ending_before)
        for start, end in pairwise(sorted({stretch.starting_at, *inside, stretch.ending_before})):
            rate = schedule.at(start)
            if rate is None or not is_entitled(in_force(contract.overrides, target, start), rate.is_entitled):
                continue
            if offered and offered[-1].ending_before == start:
                start = offered.pop().starting_at
            offered.append(BoundedPeriod(start, end))
    return offered
