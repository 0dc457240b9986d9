"""Adding rates to a card."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from metronome_sandbox.domain.amounts import CreditType
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.periods import BoundedPeriod, require_hour, require_order
from metronome_sandbox.domain.rate_cards import (
    BillingFrequency,
    Price,
    Rate,
    RateCard,
    RateKey,
    RateSchedule,
    with_rate,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import get_credit_type
from metronome_sandbox.services.prices import NewPrice, check_price_of, checked_price
from metronome_sandbox.services.products import active_product
from metronome_sandbox.services.rate_cards import active_rate_card


class NewRate(msgspec.Struct, frozen=True):
    """One rate of ``addRate-v1`` and ``addRates-v1``."""

    product_id: ProductId
    starting_at: datetime
    is_entitled: bool
    price: NewPrice
    ending_before: datetime | None = None
    credit_type_id: CreditTypeId | None = None
    pricing_group_values: GroupValues = ()
    billing_frequency: BillingFrequency | None = None
    commit_price: NewPrice | None = None


class AddedRate(msgspec.Struct, frozen=True):
    """A rate just added, with what it takes to print it."""

    rate: Rate
    pricing_group_values: GroupValues
    credit_type: CreditType


def add_rate(context: Context, rate_card_id: RateCardId, new: NewRate) -> AddedRate:
    """Put one rate on a card.

    Raises:
        NotFound: The card, the product or the credit type does not exist.
        InvalidRequest: The rate breaks a rule.
        NotImitated: The rate is of a kind that is not priced here yet.
    """
    with context.transaction():
        rate = _add(context, rate_card_id, new, "")
    return AddedRate(rate, new.pricing_group_values, context.store.credit_types[rate.credit_type_id])


def add_rates(context: Context, rate_card_id: RateCardId, new: Sequence[NewRate]) -> None:
    """Put several rates on a card, all of them or none. Raises as :func:`add_rate`; the path names the index."""
    with context.transaction():
        active_rate_card(context, rate_card_id, "rate_card_id")
        for index, rate in enumerate(new):
            _add(context, rate_card_id, rate, f"rates[{index}].")


def _add(context: Context, rate_card_id: RateCardId, new: NewRate, at: str) -> Rate:
    """Check a rate and put it on its card, inside a transaction. ``at`` stands before every path."""
    store = context.store
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    product = _priceable_product(context, new, at)
    _check_period(new, at)
    _check_group_values(product, new, at)
    key = RateKey(card.id, product.id, new.pricing_group_values, new.billing_frequency)
    schedule = store.rate_schedules.get(key) or RateSchedule(key, len(store.rate_schedules) + 1)
    price = checked_price(new.price, at)
    check_price_of(product, card, price, at)
    commit_price = None
    if new.commit_price is not None:
        commit_price = checked_price(new.commit_price, f"{at}commit_rate.")
        _check_commit_price(product, card, commit_price, f"{at}commit_rate.")
    rate = Rate(
        starting_at=new.starting_at,
        ending_before=new.ending_before,
        is_entitled=new.is_entitled,
        price=price,
        credit_type_id=_unit(context, card, schedule, product, new, at),
        commit_price=commit_price,
    )
    store.rate_schedules.put(key, with_rate(schedule, rate))
    if product.id not in card.product_ids:
        store.rate_cards.put(card.id, msgspec.structs.replace(card, product_ids=(*card.product_ids, product.id)))
    return rate


def _priceable_product(context: Context, new: NewRate, at: str) -> Product:
    """Return the product of a rate, as its type is priced on rate cards.

    Assumed: a billing frequency beside a USAGE product is refused (section 3.3).  [A-frequency-of-usage]
    """
    product = active_product(context, new.product_id, f"{at}product_id")
    if product.type in (ProductType.FIXED, ProductType.PRO_SERVICE):
        raise InvalidRequest(
            f"{at}product_id",
            f"product {product.id} is {product.type}, which is priced on the contract; name a USAGE, SUBSCRIPTION or "
            "COMPOSITE one",
        )
    if product.type is ProductType.SUBSCRIPTION:
        if new.billing_frequency is None:
            raise InvalidRequest(
                f"{at}billing_frequency",
                f"is missing; product {product.id} is {product.type}, send {', '.join(BillingFrequency)}",
            )
        return product
    if product.composite_scope == "CUSTOMER":
        raise NotImitated(f"{at}product_id", "composite products with composite_scope CUSTOMER")
    if new.billing_frequency is not None:
        raise InvalidRequest(
            f"{at}billing_frequency",
            f"received {new.billing_frequency}, but product {product.id} is {product.type} and has none; leave it out",
        )
    return product


def _check_period(new: NewRate, at: str) -> None:
    """Assumed: a rate starts and ends on full hours, as most dates of contracts do (section 6.2).  [A-rate-hours]"""
    require_hour(new.starting_at, f"{at}starting_at")
    if new.ending_before is not None:
        require_hour(new.ending_before, f"{at}ending_before")
    require_order(new.starting_at, new.ending_before, at)


def _check_group_values(product: Product, new: NewRate, at: str) -> None:
    """A rate has one value for each pricing group key of its product, and no others. Source: ``pricing_group_values``.

    Assumed: so a product with a pricing group key has no rate for all groups (section 3.6).  [A-group-values-whole]
    Assumed: where the keys change in time, those that the product has at any time of the rate are right.
    [A-rate-group-keys]
    """
    given = dict(new.pricing_group_values)
    ends = FOR_EVER if new.ending_before is None else new.ending_before
    versions = [version for _, version in product.versions(BoundedPeriod(new.starting_at, ends))]
    if any(set(version.pricing_group_key) == set(given) for version in versions):
        return
    product = versions[0]
    keys = ", ".join(product.pricing_group_key) or "none"
    for name in given:
        if name not in product.pricing_group_key:
            raise InvalidRequest(
                f"{at}pricing_group_values.{name}",
                f"not a pricing group key of product {product.id}; it has {keys}",
            )
    for name in product.pricing_group_key:
        if name not in given:
            raise InvalidRequest(
                f"{at}pricing_group_values.{name}",
                f"missing; product {product.id} needs one value for each pricing group key, it has {keys}",
            )


FOR_EVER = datetime.max.replace(tzinfo=UTC)


def _unit(
    context: Context, card: RateCard, schedule: RateSchedule, product: Product, new: NewRate, at: str
) -> CreditTypeId:
    """Return the unit of a rate.

    Source: field ``credit_type_conversions`` for another unit than the card's, which needs a conversion on it; guide
    "Use currency and custom pricing units" for the unit of a product's rate, which stays.

    Assumed: the default is the currency of the card, where the schema says USD (question 3).  [A-default-rate-unit]
    """
    if product.type is ProductType.COMPOSITE:
        return card.fiat_credit_type_id  # a percentage counts in the unit of what it is taken of
    asked = get_credit_type(context, new.credit_type_id or card.fiat_credit_type_id, f"{at}credit_type_id")
    if asked.id not in units_of(card):
        own = get_credit_type(context, card.fiat_credit_type_id)
        raise InvalidRequest(
            f"{at}credit_type_id",
            f"received {asked.name} ({asked.id}), but the card counts in {own.name} and has no conversion; "
            f"send {own.id} or leave it out",
        )
    for rate in schedule.rates:
        if rate.credit_type_id != asked.id:
            held = get_credit_type(context, rate.credit_type_id)
            raise InvalidRequest(
                f"{at}credit_type_id",
                f"received {asked.name} ({asked.id}), but the rate counts in {held.name} ({held.id}) already, and its "
                "unit cannot be changed",
            )
    return asked.id


def units_of(card: RateCard) -> set[CreditTypeId]:
    """Return the units that rates of a card may count in."""
    return {card.fiat_credit_type_id, *(conversion.custom_credit_type_id for conversion in card.conversions)}


def _check_commit_price(product: Product, card: RateCard, price: Price, at: str) -> None:
    """Source: guide "Apply discounts on commits": only usage products have a commit rate."""
    if product.type is not ProductType.USAGE:
        raise InvalidRequest(
            at.removesuffix("."), f"product {product.id} is {product.type}; only USAGE products have one, leave it out"
        )
    check_price_of(product, card, price, at)
