"""Rate cards and rates on the wire. Source: schemas ``RateCard``, ``RatePayload`` and ``RateSchedule``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

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
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId, group_values
from metronome_sandbox.domain.lookups import Lookup
from metronome_sandbox.domain.rate_cards import (
    BillingFrequency,
    CreditTypeConversion,
    Price,
    RateCard,
    RateCardAlias,
    RateType,
    Tier,
)
from metronome_sandbox.services.prices import NewPrice
from metronome_sandbox.services.product_order import ProductMove
from metronome_sandbox.services.rate_cards import NewRateCard, RateCardChange
from metronome_sandbox.services.rate_schedules import RateRow, RateScheduleQuery, RateSelector, RatesQuery
from metronome_sandbox.services.rates import AddedRate, NewRate

# Cards ---------------------------------------------------------------------------------------------------------------


class WireAlias(WireType):
    """A name for a card."""

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class WireConversion(WireType):
    """What a custom pricing unit is worth."""

    custom_credit_type_id: str
    fiat_per_custom_credit: Decimal


class CreateRateCard(WireType):
    """Body of ``createRateCard-v1``."""

    name: str
    description: str | None = None
    fiat_credit_type_id: str = USD_CENTS
    credit_type_conversions: tuple[WireConversion, ...] = ()
    aliases: tuple[WireAlias, ...] = ()
    custom_fields: dict[str, str] = {}


class UpdateRateCard(WireType):
    """Body of ``updateRateCard-v1``."""

    rate_card_id: str
    name: str | None = None
    description: str | None = None
    aliases: tuple[WireAlias, ...] | None = None
    add_credit_type_conversions: tuple[WireConversion, ...] = ()


class SetProductOrder(WireType):
    """Body of ``setRateCardProductsOrder-v1``."""

    rate_card_id: str
    product_order: tuple[str, ...]


class WireProductMove(WireType):
    """One of ``product_moves``."""

    product_id: str
    position: Decimal


class MoveProducts(WireType):
    """Body of ``moveRateCardProducts-v1``."""

    rate_card_id: str
    product_moves: tuple[WireProductMove, ...]


class GetRateCard(WireType):
    """Body of ``getRateCard-v1``."""

    id: str


_CREATE = decoder(CreateRateCard)
_UPDATE = decoder(UpdateRateCard)
_SET_ORDER = decoder(SetProductOrder)
_MOVE = decoder(MoveProducts)
_GET = decoder(GetRateCard)


def parse_create(body: bytes) -> NewRateCard:
    """Return the command."""
    wire = decode(_CREATE, body)
    return NewRateCard(
        name=wire.name,
        description=wire.description,
        fiat_credit_type_id=CreditTypeId(wire.fiat_credit_type_id.lower()),
        aliases=_aliases(wire.aliases),
        custom_fields=wire.custom_fields,
        conversions=_conversions(wire.credit_type_conversions),
    )


def _aliases(wire: tuple[WireAlias, ...]) -> tuple[RateCardAlias, ...]:
    return tuple(RateCardAlias(alias.name, _utc(alias.starting_at), _utc(alias.ending_before)) for alias in wire)


def _conversions(wire: tuple[WireConversion, ...]) -> tuple[CreditTypeConversion, ...]:
    return tuple(
        CreditTypeConversion(CreditTypeId(each.custom_credit_type_id.lower()), each.fiat_per_custom_credit)
        for each in wire
    )


def parse_update(body: bytes) -> tuple[RateCardId, RateCardChange]:
    """Return the card and how it changes."""
    wire = decode(_UPDATE, body)
    return RateCardId(wire.rate_card_id.lower()), RateCardChange(
        name=wire.name,
        description=wire.description,
        aliases=None if wire.aliases is None else _aliases(wire.aliases),
        added_conversions=_conversions(wire.add_credit_type_conversions),
    )


def parse_set_order(body: bytes) -> tuple[RateCardId, list[ProductId]]:
    """Return the card and the products that come first on it."""
    wire = decode(_SET_ORDER, body)
    return RateCardId(wire.rate_card_id.lower()), [ProductId(product_id.lower()) for product_id in wire.product_order]


def parse_move(body: bytes) -> tuple[RateCardId, list[ProductMove]]:
    """Return the card and the moves. A place far beyond the end is the end, however large the number."""
    wire = decode(_MOVE, body)
    return RateCardId(wire.rate_card_id.lower()), [
        ProductMove(ProductId(move.product_id.lower()), int(min(move.position, Decimal(MANY_PRODUCTS))))
        for move in wire.product_moves
    ]


MANY_PRODUCTS = 10**9
"""More than any card has."""


def parse_get(body: bytes) -> RateCardId:
    """Return the id."""
    return RateCardId(decode(_GET, body).id.lower())


def render(card: RateCard, units: Lookup[CreditTypeId, CreditType]) -> JsonObject:
    """Return a card, without its rates. What a unit is worth comes in as a number and goes out as text.

    Source: schema ``CreditTypeConversion``; ``archived_at`` was seen on the real API.
    """
    return present(
        id=card.id,
        name=card.name,
        created_at=time(card.created_at),
        created_by=ACTOR,
        description=card.description,
        fiat_credit_type=render_credit_type(units[card.fiat_credit_type_id]),
        credit_type_conversions=[
            {
                "custom_credit_type": render_credit_type(units[conversion.custom_credit_type_id]),
                "fiat_per_custom_credit": str(number(conversion.fiat_per_custom_credit)),
            }
            for conversion in card.conversions
        ],
        aliases=[
            present(name=alias.name, starting_at=_time(alias.starting_at), ending_before=_time(alias.ending_before))
            for alias in card.aliases
        ],
        custom_fields=card.custom_fields,
        archived_at=_time(card.archived_at),
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
    """Return a price as it is asked for; ``services.prices.checked_price`` says whether it is one."""
    return NewPrice(
        rate_type=canonical(wire.rate_type, RateType),
        price=wire.price,
        tiers=tuple(Tier(tier.price, tier.size) for tier in wire.tiers),
        minimum=None if wire.minimum_config is None else wire.minimum_config.minimum,
    )


def _frequency(spelling: str | None) -> BillingFrequency | None:
    return None if spelling is None else canonical(spelling, BillingFrequency)


def render_added(added: AddedRate) -> JsonObject:
    """Return a rate just added. It has no id, and its schema has no place for a minimum."""
    rate = render_rate(msgspec.structs.replace(added.rate.price, minimum=None), added.credit_type)
    return present(
        **rate,
        pricing_group_values=_group_values(added.pricing_group_values),
        commit_rate=None if added.rate.commit_price is None else render_price(added.rate.commit_price),
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
