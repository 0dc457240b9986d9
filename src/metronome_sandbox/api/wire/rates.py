"""Adding rates, on the wire. Source: schema ``RatePayload``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from metronome_sandbox.api.wire.common import (
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    group_map,
    present,
    utc,
    utc_or_none,
)
from metronome_sandbox.api.wire.prices import WirePrice, new_price, render_price, render_rate
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId, group_values
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.services.rates import AddedRate, NewRate


class WireRate(WirePrice, kw_only=True):
    """One of ``rates`` of ``addRates-v1``."""

    product_id: str
    starting_at: datetime
    ending_before: datetime | None = None
    entitled: bool
    credit_type_id: str | None = None
    pricing_group_values: dict[str, str] = {}
    billing_frequency: str | None = None
    commit_rate: WirePrice | None = None


class AddRate(WireRate, kw_only=True):
    """Body of ``addRate-v1``."""

    rate_card_id: str


class AddRates(WireType):
    """Body of ``addRates-v1``."""

    rate_card_id: str
    rates: tuple[WireRate, ...]


_ADD_RATE = decoder(AddRate)
_ADD_RATES = decoder(AddRates)


def parse_add_rate(body: bytes) -> tuple[RateCardId, NewRate]:
    """Return the card and the rate to be put on it."""
    wire = decode(_ADD_RATE, body)
    return RateCardId(wire.rate_card_id.lower()), _rate(wire)


def parse_add_rates(body: bytes) -> tuple[RateCardId, list[NewRate]]:
    """Return the card and the rates to be put on it."""
    wire = decode(_ADD_RATES, body)
    return RateCardId(wire.rate_card_id.lower()), [_rate(rate) for rate in wire.rates]


def _rate(wire: WireRate) -> NewRate:
    unit = wire.credit_type_id
    return NewRate(
        product_id=ProductId(wire.product_id.lower()),
        starting_at=utc(wire.starting_at),
        ending_before=utc_or_none(wire.ending_before),
        is_entitled=wire.entitled,
        price=new_price(wire),
        credit_type_id=None if unit is None else CreditTypeId(unit.lower()),
        pricing_group_values=group_values(wire.pricing_group_values),
        billing_frequency=billing_frequency_of(wire.billing_frequency),
        commit_price=None if wire.commit_rate is None else new_price(wire.commit_rate),
    )


def billing_frequency_of(spelling: str | None) -> BillingFrequency | None:
    """Return the frequency that a rate names, however it is spelt; None where it names none."""
    return None if spelling is None else canonical(spelling, BillingFrequency)


def render_added(added: AddedRate) -> JsonObject:
    """Return a rate just added. It has no id, and its schema has no place for a minimum."""
    rate = render_rate(msgspec.structs.replace(added.rate.price, minimum=None), added.credit_type)
    return present(
        **rate,
        pricing_group_values=render_group_values(added.pricing_group_values),
        commit_rate=None if added.rate.commit_price is None else render_price(added.rate.commit_price),
    )


def render_group_values(values: GroupValues) -> JsonObject | None:
    """Return the values of a row whose product has pricing group keys; nothing otherwise."""
    return group_map(values) if values else None
