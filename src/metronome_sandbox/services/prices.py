"""Prices, of a rate or of an override that replaces one: whether it is a price, and suits the product and the card."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO, checked
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.domain.rate_cards import (
    PERCENTAGES,
    Price,
    RateCard,
    RateKey,
    RateSchedule,
    RateType,
    Tier,
    flat,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import get_credit_type


class NewPrice(msgspec.Struct, frozen=True):
    """A price as it is asked for: what its rate type does not use may be there, what it needs may be missing."""

    rate_type: RateType
    price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    minimum: Decimal | None = None


def checked_price(new: NewPrice, at: str) -> Price:
    """Return a price that can be counted with, of a rate or of what replaces one. ``at`` stands before every path.

    Raises:
        InvalidRequest: What its rate type needs is missing, or a number is out of bounds.
        NotImitated: The rate type is not priced here yet.

    Assumed: what another rate type would use (a price beside tiers, tiers beside a price, quantity) is ignored, but a
    minimum, which would change what is billed, is refused (question 51).  [A-unused-price-fields]
    """
    make = _PRICES.get(new.rate_type)
    if make is None:
        raise NotImitated(f"{at}rate_type", f"rates of type {new.rate_type}")
    price = make(new, at)
    if new.minimum is None:
        return price
    if new.rate_type not in PERCENTAGES:
        raise InvalidRequest(
            f"{at}minimum_config", f"a {new.rate_type} rate has none, only percentage rates do; leave it out"
        )
    return msgspec.structs.replace(price, minimum=_not_negative(new.minimum, f"{at}minimum_config.minimum"))


def _flat_price(new: NewPrice, at: str) -> Price:
    if new.price is None:
        raise InvalidRequest(f"{at}price", "missing; a FLAT rate needs the price of one unit")
    return flat(_not_negative(new.price, f"{at}price"))


def _tiered_price(new: NewPrice, at: str) -> Price:
    """Source: schema ``Tier``: a size is the width of its tier, and the last one needs none."""
    if not new.tiers:
        raise InvalidRequest(f"{at}tiers", f"missing or empty; a {new.rate_type} rate needs at least one tier")
    for index, tier in enumerate(new.tiers):
        path = f"{at}tiers[{index}]"
        _not_negative(tier.price, f"{path}.price")
        if tier.size is not None:
            if checked(tier.size, f"{path}.size") <= ZERO:
                raise InvalidRequest(f"{path}.size", f"expected more than 0, received {tier.size}")
        elif index < len(new.tiers) - 1:
            raise InvalidRequest(f"{path}.size", "missing; only the last tier may be without a size")
    return Price(RateType.TIERED, new.tiers)


def _percentage(new: NewPrice, at: str) -> Price:
    if new.price is None:
        raise InvalidRequest(f"{at}price", "missing; a PERCENTAGE rate needs a fraction of the spend")
    return Price(RateType.PERCENTAGE, (Tier(_fraction(new.price, f"{at}price")),))


def _tiered_percentage(new: NewPrice, at: str) -> Price:
    tiers = _tiered_price(new, at).tiers
    for index, tier in enumerate(tiers):
        _fraction(tier.price, f"{at}tiers[{index}].price")
    return Price(RateType.TIERED_PERCENTAGE, tiers)


def _fraction(number: Decimal, path: str) -> Decimal:
    """Assumed: no percentage is above 100, as the schema says and a guide does not (question 4).  [A-percentage-cap]"""
    if not ZERO <= checked(number, path) <= ONE:
        raise InvalidRequest(path, f"expected a fraction from 0 to 1, received {number}; 0.1 is 10 percent")
    return number


_PRICES: dict[RateType, Callable[[NewPrice, str], Price]] = {
    RateType.FLAT: _flat_price,
    RateType.TIERED: _tiered_price,
    RateType.PERCENTAGE: _percentage,
    RateType.TIERED_PERCENTAGE: _tiered_percentage,
}


def _not_negative(number: Decimal, path: str) -> Decimal:
    if checked(number, path) < ZERO:
        raise InvalidRequest(path, f"expected at least 0, received {number}")
    return number


RATE_TYPES = {
    ProductType.USAGE: (RateType.FLAT, RateType.TIERED),
    ProductType.SUBSCRIPTION: (RateType.FLAT,),
    ProductType.COMPOSITE: (RateType.PERCENTAGE, RateType.TIERED_PERCENTAGE),
}
"""Which prices a type of product may have. Source: the reference, pricing section 3.4."""


def check_price_of(product: Product, card: RateCard, price: Price, at: str) -> None:
    """Hold a price, of a rate or of what replaces one, against the product and the card that it is for.

    Raises:
        InvalidRequest: Products of this type have no such rates.
        NotImitated: It depends on sums of spend in several units.
    """
    allowed = RATE_TYPES.get(product.type, ())
    if price.rate_type not in allowed:
        raise InvalidRequest(
            f"{at}rate_type",
            f"received {price.rate_type}, but product {product.id} is {product.type}; expected {' or '.join(allowed)}",
        )
    if card.conversions and (price.minimum is not None or price.rate_type is RateType.TIERED_PERCENTAGE):
        raise NotImitated(f"{at}rate_type", BESIDE_UNITS)


BESIDE_UNITS = "minimums and tiers of composite products on a rate card with custom pricing units"


def refuse_composites_beside_units(context: Context, card: RateCard) -> None:
    """Hold the prices on a card against units that are to be added to it.

    Raises:
        NotImitated: See :func:`check_price_of`.
    """
    for key in context.store.rate_keys.ids(card.id):
        for rate in context.store.rate_schedules[key].rates:
            if rate.price.minimum is not None or rate.price.rate_type is RateType.TIERED_PERCENTAGE:
                raise NotImitated("add_credit_type_conversions", BESIDE_UNITS)


def in_its_unit(context: Context, card: RateCard, override: Override) -> Override:
    """Return an override with the unit of the rate that it replaces. Paths are relative to the override.

    Raises:
        InvalidRequest: Its price is of another kind or unit than the product's rates.
        NotImitated: See :func:`check_price_of`.

    Assumed: a price that replaces another one counts in the same unit, which it need not say (section 2.1).
    [A-overwrite-unit]
    """
    price = override.overwrite_price
    if price is None:
        return override
    unit = override.overwrite_credit_type_id
    ids = (override.product_id, *(specifier.target.product_id for specifier in override.specifiers))
    named = [product_id for product_id in ids if product_id is not None]
    for product_id in named:
        check_price_of(context.store.products[product_id], card, price, "overwrite_rate.")
    for key in context.store.rate_keys.ids(card.id):
        if key.product_id in named and _is_named(override, key):
            unit = _unit_replaced(context, context.store.rate_schedules[key], unit)
    return msgspec.structs.replace(override, overwrite_credit_type_id=unit)


def _is_named(override: Override, key: RateKey) -> bool:
    values = [
        specifier.target.pricing_group_values
        for specifier in override.specifiers
        if specifier.target.product_id == key.product_id
        and specifier.billing_frequency in (None, key.billing_frequency)
    ]
    return not override.specifiers or any(set(wanted) <= set(key.pricing_group_values) for wanted in values)


def _unit_replaced(context: Context, schedule: RateSchedule, asked: CreditTypeId | None) -> CreditTypeId | None:
    """Return the unit of a schedule's rates, as it is the one that is asked for."""
    for rate in schedule.rates:
        if rate.price.rate_type in PERCENTAGES or asked == rate.credit_type_id:
            continue
        if asked is not None:
            held = get_credit_type(context, rate.credit_type_id)
            raise InvalidRequest(
                "overwrite_rate.credit_type_id",
                f"received {asked}, but the rate that it replaces counts in {held.name} ({held.id}); "
                "send this one or leave it out",
            )
        asked = rate.credit_type_id
    return asked
