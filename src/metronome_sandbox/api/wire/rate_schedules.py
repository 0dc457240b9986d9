"""Reading rates, on the wire. Source: schema ``RateSchedule``."""

from __future__ import annotations

from datetime import datetime

from metronome_sandbox.api.wire.common import (
    JsonObject,
    WireType,
    decode,
    decoder,
    present,
    time,
    time_or_none,
    utc,
    utc_or_none,
)
from metronome_sandbox.api.wire.prices import render_price, render_rate
from metronome_sandbox.api.wire.rates import billing_frequency_of, render_group_values
from metronome_sandbox.domain.ids import GroupValues, ProductId, RateCardId, group_values
from metronome_sandbox.services.rate_schedules import RateRow, RateScheduleQuery, RateSelector, RatesQuery


class WireSelector(WireType):
    """Conditions on a row."""

    product_id: str | None = None
    billing_frequency: str | None = None
    pricing_group_values: dict[str, str] | None = None
    partial_pricing_group_values: dict[str, str] | None = None


class WireTaggedSelector(WireSelector):
    """Conditions on a row, of which one is about the product's tags. ``getRateSchedule`` does not have that one."""

    product_tags: tuple[str, ...] = ()


class GetRates(WireType):
    """Body of ``getRates-v1``."""

    rate_card_id: str
    at: datetime
    selectors: tuple[WireTaggedSelector, ...] = ()


class GetRateSchedule(WireType):
    """Body of ``getRateSchedule-v1``."""

    rate_card_id: str
    starting_at: datetime
    ending_before: datetime | None = None
    selectors: tuple[WireSelector, ...] = ()


_GET_RATES = decoder(GetRates)
_GET_RATE_SCHEDULE = decoder(GetRateSchedule)


def parse_get_rates(body: bytes) -> RatesQuery:
    """Return the question."""
    wire = decode(_GET_RATES, body)
    return RatesQuery(
        rate_card_id=RateCardId(wire.rate_card_id.lower()),
        at=utc(wire.at),
        selectors=tuple(tagged_selector(one) for one in wire.selectors),
    )


def parse_get_rate_schedule(body: bytes) -> RateScheduleQuery:
    """Return the question."""
    wire = decode(_GET_RATE_SCHEDULE, body)
    return RateScheduleQuery(
        rate_card_id=RateCardId(wire.rate_card_id.lower()),
        starting_at=utc(wire.starting_at),
        ending_before=utc_or_none(wire.ending_before),
        selectors=tuple(_selector(one) for one in wire.selectors),
    )


def tagged_selector(wire: WireTaggedSelector) -> RateSelector:
    """Return a selector; an empty list of tags asks for nothing."""
    return _selector(wire, wire.product_tags or None)


def _selector(wire: WireSelector, product_tags: tuple[str, ...] | None = None) -> RateSelector:
    return RateSelector(
        product_id=None if wire.product_id is None else ProductId(wire.product_id.lower()),
        product_tags=product_tags,
        billing_frequency=billing_frequency_of(wire.billing_frequency),
        pricing_group_values=_wanted(wire.pricing_group_values),
        partial_pricing_group_values=_wanted(wire.partial_pricing_group_values),
    )


def render_row(row: RateRow) -> JsonObject:
    """Return a row: schema ``RateSchedule``."""
    rate, product, frequency = row.segment.rate, row.product, row.key.billing_frequency
    return present(
        product_id=product.id,
        product_name=product.name,
        product_tags=list(product.tags),
        product_custom_fields=product.custom_fields,
        pricing_group_values=render_group_values(row.key.pricing_group_values),
        starting_at=time(row.segment.starting_at),
        ending_before=time_or_none(row.segment.ending_before),
        entitled=rate.is_entitled,
        rate=render_rate(rate.price, row.credit_type),
        commit_rate=None if rate.commit_price is None else render_price(rate.commit_price),
        billing_frequency=frequency,
    )


def _wanted(values: dict[str, str] | None) -> GroupValues | None:
    return None if values is None else group_values(values)
