"""Rate cards and rates on the wire. Source: schemas ``RateCard``, ``RatePayload`` and ``RateSchedule``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    group_map,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.domain.amounts import USD_CENTS, CreditType
from metronome_sandbox.domain.errors import NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId, group_values
from metronome_sandbox.domain.rate_cards import BillingFrequency, Price, RateCard, RateCardAlias, RateType, Tier
from metronome_sandbox.services.rate_cards import (
    AddedRate,
    NewPrice,
    NewRate,
    NewRateCard,
    RateRow,
    RateScheduleQuery,
    RateSelector,
    RatesQuery,
)

# Cards ---------------------------------------------------------------------------------------------------------------


class WireAlias(WireType):
    """A name for a card."""

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class CreateRateCard(WireType):
    """Body of ``createRateCard-v1``."""

    name: str
    description: str | None = None
    fiat_credit_type_id: str = USD_CENTS
    credit_type_conversions: list[Any] = []
    aliases: tuple[WireAlias, ...] = ()
    custom_fields: dict[str, str] = {}


class GetRateCard(WireType):
    """Body of ``getRateCard-v1``."""

    id: str


_CREATE = decoder(CreateRateCard)
_GET = decoder(GetRateCard)


def parse_create(body: bytes) -> NewRateCard:
    """Return the command."""
    wire = decode(_CREATE, body)
    if wire.credit_type_conversions:
        raise NotImitated("credit_type_conversions", "custom pricing units")
    return NewRateCard(
        name=wire.name,
        description=wire.description,
        fiat_credit_type_id=CreditTypeId(wire.fiat_credit_type_id.lower()),
        aliases=tuple(
            RateCardAlias(alias.name, _utc(alias.starting_at), _utc(alias.ending_before)) for alias in wire.aliases
        ),
        custom_fields=wire.custom_fields,
    )


def parse_get(body: bytes) -> RateCardId:
    """Return the id."""
    return RateCardId(decode(_GET, body).id.lower())


def render(card: RateCard, currency: CreditType) -> JsonObject:
    """Return a card, without its rates."""
    return present(
        id=card.id,
        name=card.name,
        created_at=time(card.created_at),
        created_by=ACTOR,
        description=card.description,
        fiat_credit_type=render_credit_type(currency),
        credit_type_conversions=[],
        aliases=[
            present(name=alias.name, starting_at=_time(alias.starting_at), ending_before=_time(alias.ending_before))
            for alias in card.aliases
        ],
        custom_fields=card.custom_fields,
    )


# Adding rates --------------------------------------------------------------------------------------------------------


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
        ending_before=_utc(wire.ending_before),
        is_entitled=wire.entitled,
        price=new_price(wire),
        credit_type_id=None if unit is None else CreditTypeId(unit.lower()),
        pricing_group_values=group_values(wire.pricing_group_values),
        billing_frequency=_frequency(wire.billing_frequency),
        commit_price=None if wire.commit_rate is None else new_price(wire.commit_rate),
    )


def new_price(wire: WirePrice) -> NewPrice:
    """Return a price as it is asked for; ``services.rate_cards.checked_price`` says whether it is one."""
    return NewPrice(
        rate_type=canonical(wire.rate_type, RateType),
        price=wire.price,
        tiers=tuple(Tier(tier.price, tier.size) for tier in wire.tiers),
        minimum=None if wire.minimum_config is None else wire.minimum_config.minimum,
    )


def _frequency(spelling: str | None) -> BillingFrequency | None:
    return None if spelling is None else canonical(spelling, BillingFrequency)


def render_added(added: AddedRate) -> JsonObject:
    """Return a rate just added. It has no id."""
    return present(
        **render_rate(added.rate.price, added.credit_type),
        pricing_group_values=_group_values(added.pricing_group_values),
        commit_rate=None if added.rate.commit_price is None else render_price(added.rate.commit_price),
    )


def render_rate(price: Price, credit_type: CreditType) -> JsonObject:
    """Return a price with its unit: schema ``Rate``."""
    return {**render_price(price), "credit_type": render_credit_type(credit_type)}


def render_price(price: Price) -> JsonObject:
    """Return a price without its unit: schema ``CommitRate``."""
    if price.is_flat:
        return {"rate_type": price.rate_type, "price": number(price.tiers[0].price)}
    tiers = [
        present(size=None if tier.size is None else number(tier.size), price=number(tier.price)) for tier in price.tiers
    ]
    return {"rate_type": price.rate_type, "tiers": tiers}


# Reading rates -------------------------------------------------------------------------------------------------------


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
        ending_before=_utc(wire.ending_before),
        selectors=tuple(_selector(one) for one in wire.selectors),
    )


def tagged_selector(wire: WireTaggedSelector) -> RateSelector:
    """Return a selector; an empty list of tags asks for nothing."""
    return _selector(wire, wire.product_tags or None)


def _selector(wire: WireSelector, product_tags: tuple[str, ...] | None = None) -> RateSelector:
    return RateSelector(
        product_id=None if wire.product_id is None else ProductId(wire.product_id.lower()),
        product_tags=product_tags,
        billing_frequency=_frequency(wire.billing_frequency),
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
        pricing_group_values=_group_values(row.key.pricing_group_values),
        starting_at=time(row.segment.starting_at),
        ending_before=_time(row.segment.ending_before),
        entitled=rate.is_entitled,
        rate=render_rate(rate.price, row.credit_type),
        commit_rate=None if rate.commit_price is None else render_price(rate.commit_price),
        billing_frequency=frequency,
    )


def _wanted(values: dict[str, str] | None) -> GroupValues | None:
    return None if values is None else group_values(values)


def _group_values(values: GroupValues) -> JsonObject | None:
    """Return the values of a row whose product has pricing group keys; nothing otherwise."""
    return group_map(values) if values else None


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else utc(instant)


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else time(instant)
