"""Composite products: a percentage of what other products cost, such as support at a tenth of all compute.

Their base is the rated spend, after the contract's overrides and before any commit or credit pays. A unit of a
composite product is a unit of spend, and its price is the fraction, so that tiers, overrides and balances work on it as
on usage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import CreditTypeId, ProductId
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import flat, slices
from metronome_sandbox.domain.rating import Part, PriceBook, Rank, cuts, list_price, on_offer, rate_usage
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.domain.targeting import Target, has_any
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, total


class CompositeOffer(msgspec.Struct, frozen=True, gc=False):
    """A composite product that a contract offers, with the stretches of the billing period in which it does."""

    product_id: ProductId
    stretches: tuple[BoundedPeriod, ...]


class Spend(msgspec.Struct, frozen=True, gc=False):
    """What some usage, subscription or composite product costs at an instant, whoever pays for it."""

    product: Product
    starting_at: datetime
    credit_type_id: CreditTypeId
    amount: Decimal


class RatedComposites(msgspec.Struct, frozen=True, gc=False):
    """Composite products as parts, and the spend behind them by window, for breakdowns."""

    parts: list[list[Part]]
    usage: tuple[UsageLine, ...]


def composites_on_offer(contract: Contract, book: PriceBook, period: BoundedPeriod) -> list[CompositeOffer]:
    """Return the composite products of a generated invoice, in the order of the card.

    Assumed: an import has none, for only what its request lists appears (import reference, section 1.4).
    [A-import-composites]
    """
    found: list[CompositeOffer] = []
    for product_id in book.product_ids:
        product = book.products[product_id]
        if product.type is ProductType.COMPOSITE:
            stretches = on_offer(contract, book, product, (), (), period)
            if stretches:
                found.append(CompositeOffer(product_id, tuple(stretches)))
    return found


def rate_composites(
    contract: Contract,
    book: PriceBook,
    offers: Sequence[CompositeOffer],
    usage: Sequence[UsageLine],
    others: Iterable[Sequence[Part]],
    candidates: Sequence[OpenSegment],
) -> RatedComposites:
    """Price composite products.

    Args:
        usage: What they may be a percentage of; spend falls into a stretch by the window of its usage.
        others: What else they may be a percentage of, rated already: subscriptions.
        candidates: Segments that may pay; a composite is cut where one of them begins or ends.

    Source: guide "Composite charges"; the reference, pricing sections 1.5 and 5.1 step 12.
    Assumed: the base is the spend after the contract's overrides and before balances (question 5). A product without
    spend adds nothing to it, so ``exclude_free_usage`` changes no figure (question 8). On invoices, quantity is the
    base and the unit price the fraction; a composite on offer has a line even where its base is zero (question 6).
    [A-composite-base]
    """
    if not offers:
        return RatedComposites([], ())
    spends = [*_spends_of_usage(contract, book, usage), *(spend for parts in others for spend in _spends(parts))]
    rated: dict[ProductId, RatedComposites] = {}
    for offer in _innermost_first(book, offers):
        mine = rated[offer.product_id] = _rate(contract, book, offer, spends, candidates)
        spends += (spend for parts in mine.parts for spend in _spends(parts))
    in_order = [rated[offer.product_id] for offer in offers]
    return RatedComposites(
        [parts for each in in_order for parts in each.parts], tuple(line for each in in_order for line in each.usage)
    )


def _spends(parts: Iterable[Part]) -> list[Spend]:
    return [Spend(part.target.product, part.starting_at, part.credit_type_id, part.amount) for part in parts]


def _spends_of_usage(contract: Contract, book: PriceBook, usage: Sequence[UsageLine]) -> list[Spend]:
    """Return what usage costs window by window, under the same prices and tiers as on its lines."""
    by_window = [
        msgspec.structs.replace(
            line, starting_at=window.starting_at, quantity=window.quantity, windows=(), keeps_zero=False
        )
        for line in usage
        for window in line.windows or (WindowQuantity(line.starting_at, line.quantity),)
    ]
    return [spend for parts in rate_usage(contract, book, by_window, ()) for spend in _spends(parts)]


def _innermost_first(book: PriceBook, offers: Sequence[CompositeOffer]) -> list[CompositeOffer]:
    """Return offers so that each comes after those that it is a percentage of.

    Assumed: where composites include each other in a circle, the first one on the card leaves the others out.
    [A-composite-circle]
    """
    waiting = list(offers)
    ordered: list[CompositeOffer] = []
    while waiting:
        free = (offer for offer in waiting if not any(_may_include(book, offer, inner) for inner in waiting))
        first = next(free, waiting[0])
        waiting.remove(first)
        ordered.append(first)
    return ordered


def _may_include(book: PriceBook, outer: CompositeOffer, inner: CompositeOffer) -> bool:
    """Whether one composite is part of another's base at any time of the period."""
    held, product = book.products[inner.product_id], book.products[outer.product_id]
    return any(
        includes(version, held.at(stretch.starting_at))
        for offered in outer.stretches
        for stretch, version in product.versions(offered)
    )


def includes(composite: Product, product: Product) -> bool:
    """Whether a product, as it is at some time, counts for a composite, as it is then.

    Source: fields ``composite_product_ids``, ``composite_tags`` and ``include_composite_spend`` of a product.
    Assumed: any of the tags is enough, and no composite counts for itself (section 1.2).  [A-composite-tags]
    """
    if product.id == composite.id or (product.type is ProductType.COMPOSITE and not composite.include_composite_spend):
        return False
    return has_any(product, composite.composite_product_ids, composite.composite_tags)


def _rate(
    contract: Contract,
    book: PriceBook,
    offer: CompositeOffer,
    spends: Sequence[Spend],
    candidates: Sequence[OpenSegment],
) -> RatedComposites:
    """Price one composite: a set of parts for each stretch under one price, and for each unit of its base.

    A percentage counts in the unit of what it is taken of (reference, pricing section 3.3: its own is ignored).
    """
    schedule = book.schedule(offer.product_id, ())
    positions: dict[CreditTypeId, Decimal] = {}
    rated: list[list[Part]] = []
    lines: list[UsageLine] = []
    minimum: Decimal | None = None
    for stretch, target in _stretches(contract, book, offer, candidates):
        rate = schedule.at(stretch.starting_at) if schedule is not None else None
        if rate is None:
            continue
        price, choice = list_price(contract, target, rate, stretch.starting_at)
        minimum = price.minimum
        mine = [
            spend
            for spend in spends
            if spend.amount and spend.starting_at in stretch and includes(target.product, spend.product)
        ]
        for unit in dict.fromkeys(spend.credit_type_id for spend in mine) or (book.fiat_credit_type_id,):
            in_unit = [spend for spend in mine if spend.credit_type_id == unit]
            base = sum((spend.amount for spend in in_unit), ZERO)
            position = positions.get(unit, ZERO)
            parts: list[Part] = []
            for tier in slices(price, position, base):
                parts.append(
                    Part(
                        target,
                        stretch.starting_at,
                        stretch.ending_before,
                        msgspec.structs.replace(rate, credit_type_id=unit),
                        price,
                        position,
                        tier,
                        Rank.COMPOSITE,
                        choice=choice,
                    )
                )
                position += tier.quantity
            positions[unit] = position
            rated.append(parts)
            lines.append(_line(offer.product_id, stretch, _by_window(in_unit)))
    if minimum is not None and rated and sum((part.amount for parts in rated for part in parts), ZERO) < minimum:
        return _at_minimum(rated, minimum)
    return RatedComposites(rated, tuple(lines))


def _stretches(
    contract: Contract, book: PriceBook, offer: CompositeOffer, candidates: Sequence[OpenSegment]
) -> list[tuple[BoundedPeriod, Target]]:
    """Return the stretches in which nothing about a composite changes: price, product, or what may pay for it."""
    product, schedule = book.products[offer.product_id], book.schedule(offer.product_id, ())
    found: list[tuple[BoundedPeriod, Target]] = []
    for offered in offer.stretches:
        for stretch, version in product.versions(offered):
            target = Target(version)
            inside = cuts(contract, book, stretch, target, schedule, candidates)
            for start, end in pairwise([stretch.starting_at, *inside, stretch.ending_before]):
                found.append((BoundedPeriod(start, end), target))
    return found


def _line(product_id: ProductId, stretch: BoundedPeriod, windows: tuple[WindowQuantity, ...]) -> UsageLine:
    return UsageLine(product_id, stretch.starting_at, stretch.ending_before, total(windows), windows=windows)


def _by_window(spends: Iterable[Spend]) -> tuple[WindowQuantity, ...]:
    sums: dict[datetime, Decimal] = {}
    for spend in spends:
        sums[spend.starting_at] = sums.get(spend.starting_at, ZERO) + spend.amount
    return tuple(WindowQuantity(start, amount) for start, amount in sorted(sums.items()))


LAST_WINDOW = timedelta(hours=1)


def _at_minimum(rated: Sequence[Sequence[Part]], minimum: Decimal) -> RatedComposites:
    """Return the one part of a composite whose percentages come to less than its minimum.

    Source: guide "Composite charges": the charge is the larger of the two.
    Assumed: the minimum is one for each billing period, that in force last; it is not prorated, and breakdowns have it
    in the period's last window (questions 6 and 7).  [A-composite-minimum]
    """
    first, last = rated[0][0], rated[-1][0]
    window = BoundedPeriod(first.starting_at, last.ending_before)
    price = flat(minimum)
    (tier,) = slices(price, ZERO, ONE)
    part = Part(
        last.target,
        window.starting_at,
        window.ending_before,
        last.rate,
        price,
        ZERO,
        tier,
        Rank.COMPOSITE,
        is_fixed=True,
        choice=last.choice,
    )
    at_the_end = (WindowQuantity(window.ending_before - LAST_WINDOW, ONE),)
    return RatedComposites([[part]], (_line(last.target.product.id, window, at_the_end),))
