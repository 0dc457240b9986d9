"""Rate cards on the wire, without their rates. Source: schema ``RateCard``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    decode,
    decoder,
    number,
    present,
    time,
    time_or_none,
    utc_or_none,
)
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.domain.amounts import USD_CENTS, CreditType
from metronome_sandbox.domain.ids import CreditTypeId, RateCardId
from metronome_sandbox.domain.lookups import Lookup
from metronome_sandbox.domain.rate_cards import CreditTypeConversion, RateCard, RateCardAlias
from metronome_sandbox.services.rate_cards import NewRateCard, RateCardChange


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


class GetRateCard(WireType):
    """Body of ``getRateCard-v1``."""

    id: str


_CREATE = decoder(CreateRateCard)
_UPDATE = decoder(UpdateRateCard)
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
    return tuple(
        RateCardAlias(alias.name, utc_or_none(alias.starting_at), utc_or_none(alias.ending_before)) for alias in wire
    )


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
            present(
                name=alias.name,
                starting_at=time_or_none(alias.starting_at),
                ending_before=time_or_none(alias.ending_before),
            )
            for alias in card.aliases
        ],
        custom_fields=card.custom_fields,
        archived_at=time_or_none(card.archived_at),
    )
