"""Rate cards: price lists, what units are worth on them, and the aliases that name them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.aliases import named_at, without_claim
from metronome_sandbox.domain.amounts import USD_CENTS, ZERO, checked
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import CreditTypeId, RateCardId
from metronome_sandbox.domain.periods import require_order
from metronome_sandbox.domain.rate_cards import CreditTypeConversion, RateCard, RateCardAlias
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import active_credit_type, get_credit_type
from metronome_sandbox.services.prices import refuse_composites_beside_units


class NewRateCard(msgspec.Struct, frozen=True):
    """What ``createRateCard-v1`` asks for."""

    name: str
    description: str | None = None
    fiat_credit_type_id: CreditTypeId = USD_CENTS
    aliases: tuple[RateCardAlias, ...] = ()
    custom_fields: dict[str, str] = {}
    conversions: tuple[CreditTypeConversion, ...] = ()


class RateCardChange(msgspec.Struct, frozen=True):
    """What ``updateRateCard-v1`` asks for; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    aliases: tuple[RateCardAlias, ...] | None = None
    added_conversions: tuple[CreditTypeConversion, ...] = ()


def create_rate_card(context: Context, new: NewRateCard) -> RateCard:
    """Create a card without rates. Its aliases are taken from the cards that hold them.

    Raises:
        NotFound: The currency or a unit to convert does not exist.
        InvalidRequest: It is no currency, an alias ends before it starts, or a conversion breaks a rule.
    """
    currency = get_credit_type(context, new.fiat_credit_type_id, "fiat_credit_type_id")
    if not currency.is_currency:
        raise InvalidRequest(
            "fiat_credit_type_id", f"{currency.id} is the pricing unit {currency.name!r}; a card needs a currency"
        )
    _check_aliases(new.aliases)
    _check_conversions(context, (), new.conversions, "credit_type_conversions")
    with context.transaction():
        for alias in new.aliases:
            _take_over(context, alias)
        card = RateCard(
            id=RateCardId(context.ids.next("rate_card")), created_at=context.now, **msgspec.structs.asdict(new)
        )
        context.store.rate_cards.put(card.id, card)
    return card


def update_rate_card(context: Context, rate_card_id: RateCardId, change: RateCardChange) -> RateCard:
    """Change what a card is called, and add conversions. Rates and the contracts on it stay as they are.

    Raises:
        NotFound: There is no such card or unit.
        NotAllowedNow: The card is archived.
        InvalidRequest: An alias ends before it starts, or a conversion breaks a rule.

    Source: operation ``updateRateCard-v1``.
    Assumed: ``aliases`` takes the place of all that the card has (section 3.1).  [A-aliases-replaced]
    """
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    _check_aliases(change.aliases or ())
    _check_conversions(context, card.conversions, change.added_conversions, "add_credit_type_conversions")
    if change.added_conversions:
        refuse_composites_beside_units(context, card)
    cards = context.store.rate_cards
    with context.transaction():
        if change.aliases is not None:
            cards.put(card.id, msgspec.structs.replace(card, aliases=()))
            for alias in change.aliases:
                _take_over(context, alias)
        changed = msgspec.structs.replace(
            card,
            name=card.name if change.name is None else change.name,
            description=card.description if change.description is None else change.description,
            aliases=card.aliases if change.aliases is None else change.aliases,
            conversions=(*card.conversions, *change.added_conversions),
        )
        cards.put(card.id, changed)
    return changed


def _check_aliases(aliases: Sequence[RateCardAlias]) -> None:
    for index, alias in enumerate(aliases):
        require_order(alias.starting_at, alias.ending_before, f"aliases[{index}].")


def _check_conversions(
    context: Context, held: Sequence[CreditTypeConversion], new: Sequence[CreditTypeConversion], field: str
) -> None:
    """Source: schema ``CreditTypeConversionInput``; the SDK for a conversion that cannot be changed.

    Assumed: a custom unit is worth more than nothing (section 2.1).  [A-conversion-worth]
    """
    known = {conversion.custom_credit_type_id for conversion in held}
    for index, conversion in enumerate(new):
        path = f"{field}[{index}].custom_credit_type_id"
        unit = active_credit_type(context, conversion.custom_credit_type_id, path)
        if unit.is_currency:
            raise InvalidRequest(path, f"{unit.name} ({unit.id}) is a currency; name a custom pricing unit")
        if unit.id in known:
            raise InvalidRequest(path, f"{unit.name} ({unit.id}) has a conversion already, which cannot be changed")
        known.add(unit.id)
        path = f"{field}[{index}].fiat_per_custom_credit"
        if checked(conversion.fiat_per_custom_credit, path) <= ZERO:
            raise InvalidRequest(path, f"expected more than 0, received {conversion.fiat_per_custom_credit}")


def archive_rate_card(context: Context, rate_card_id: RateCardId) -> RateCard:
    """Archive a card: contracts that are on it keep their prices, new ones may not name it.

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is archived already (question 25).
    """
    card = get_rate_card(context, rate_card_id)
    if card.archived_at is not None:
        raise NotAllowedNow("id", f"rate card {rate_card_id} is archived already")
    archived = msgspec.structs.replace(card, archived_at=context.now)
    with context.transaction():
        context.store.rate_cards.put(rate_card_id, archived)
    return archived


def _take_over(context: Context, alias: RateCardAlias) -> None:
    """Take the time that a new alias claims from every card that holds the name."""
    cards = context.store.rate_cards
    for card in list(cards.values()):
        if any(held.name == alias.name for held in card.aliases):
            left = without_claim(card.aliases, alias, context.now)
            cards.put(card.id, msgspec.structs.replace(card, aliases=left))


def get_rate_card(context: Context, rate_card_id: RateCardId, path: str = "") -> RateCard:
    """Return a card, archived or not; ``path`` is that of the field that names it.

    Raises:
        NotFound: There is none.
    """
    card = context.store.rate_cards.get(rate_card_id)
    if card is None:
        raise NotFound("rate card", rate_card_id, path)
    return card


def active_rate_card(context: Context, rate_card_id: RateCardId, path: str) -> RateCard:
    """Return a card that something new can use. Source: operation ``archiveRateCard-v1``; for the 400, question 24."""
    card = get_rate_card(context, rate_card_id, path)
    if card.archived_at is not None:
        raise NotAllowedNow(path, f"rate card {rate_card_id} is archived; name an active one")
    return card


def rate_card_by_alias(context: Context, name: str, instant: datetime, path: str = "rate_card_alias") -> RateCard:
    """Return the active card that an alias names at ``instant``, which is a contract's start.

    Raises:
        InvalidRequest: No card holds the alias then.

    Assumed: the answer is 400, not 404 (question 22).  [A-alias-unknown]
    """
    named = (
        (alias, card) for card in context.store.rate_cards.values() for alias in card.aliases if not card.archived_at
    )
    card = named_at(named, name, instant)
    if card is None:
        raise InvalidRequest(path, f"no rate card has the alias {name!r} at {instant.isoformat()}")
    return card


def list_rate_cards(context: Context) -> Sequence[RateCard]:
    """Return cards in the order of creation.

    Assumed: archived ones too, for the list has no filter (question 38).  [A-archived-cards-listed]
    """
    return list(context.store.rate_cards.values())
