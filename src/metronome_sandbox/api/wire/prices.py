"""Prices on the wire, of rates and of overrides. Source: schemas ``Rate`` and ``CommitRate``."""

from __future__ import annotations

from decimal import Decimal

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, present
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.domain.amounts import CreditType
from metronome_sandbox.domain.rate_cards import Price, RateType, Tier
from metronome_sandbox.services.prices import NewPrice


class WireTier(WireType):
    """A stretch of a graduated price."""

    price: Decimal
    size: Decimal | None = None


class WireMinimum(WireType):
    """The least that a composite product costs."""

    minimum: Decimal


class WirePrice(WireType, kw_only=True):
    """What a rate and a commit rate have in common."""

    rate_type: str
    price: Decimal | None = None
    tiers: tuple[WireTier, ...] = ()
    minimum_config: WireMinimum | None = None


def new_price(wire: WirePrice) -> NewPrice:
    """Return a price as it is asked for; ``services.prices.checked_price`` says whether it is one."""
    return NewPrice(
        rate_type=canonical(wire.rate_type, RateType),
        price=wire.price,
        tiers=tuple(Tier(tier.price, tier.size) for tier in wire.tiers),
        minimum=None if wire.minimum_config is None else wire.minimum_config.minimum,
    )


def render_rate(price: Price, credit_type: CreditType) -> JsonObject:
    """Return a price with its unit: schema ``Rate``."""
    return {**render_price(price), "credit_type": render_credit_type(credit_type)}


def render_price(price: Price) -> JsonObject:
    """Return a price without its unit: schema ``CommitRate``."""
    minimum = None if price.minimum is None else {"minimum": number(price.minimum)}
    if price.is_flat:
        return present(rate_type=price.rate_type, price=number(price.tiers[0].price), minimum_config=minimum)
    tiers = [
        present(size=None if tier.size is None else number(tier.size), price=number(tier.price)) for tier in price.tiers
    ]
    return present(rate_type=price.rate_type, tiers=tiers, minimum_config=minimum)
