"""Rate cards: price lists, the aliases that name them, and the rates on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO, CreditType, checked
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.periods import Period, require_hour
from metronome_sandbox.domain.rate_cards import (
    BillingFrequency,
    Price,
    Rate,
    RateCard,
    RateCardAlias,
    RateKey,
    RateSchedule,
    RateSegment,
    RateType,
    Tier,
    flat,
    with_rate,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import get_credit_type
from metronome_sandbox.services.products import active_product

# Cards ---------------------------------------------------------------------------------------------------------------


class NewRateCard(msgspec.Struct, frozen=True):
    """What ``createRateCard-v1`` asks for."""

    name: str
    description: str | None = None
    fiat_credit_type_id: CreditTypeId = USD_CENTS
    aliases: tuple[RateCardAlias, ...] = ()
    custom_fields: dict[str, str] = {}


def create_rate_card(context: Context, new: NewRateCard) -> RateCard:
    """Create a card without rates. Its aliases are taken from the cards that hold them.

    Raises:
        NotFound: The currency does not exist.
        InvalidRequest: It is no currency, or an alias ends before it starts.
    """
    currency = get_credit_type(context, new.fiat_credit_type_id)
    if not currency.is_currency:
        raise InvalidRequest(
            "fiat_credit_type_id", f"{currency.id} is the pricing unit {currency.name!r}; a card needs a currency"
        )
    for index, alias in enumerate(new.aliases):
        _check_order(alias.starting_at, alias.ending_before, f"aliases[{index}].")
    with context.transaction():
        for alias in new.aliases:
            _take_over(context, alias)
        card = RateCard(
            id=RateCardId(context.ids.next("rate_card")), created_at=context.now, **msgspec.structs.asdict(new)
        )
        context.store.rate_cards.put(card.id, card)
    return card


def _check_order(starting_at: datetime | None, ending_before: datetime | None, at: str) -> None:
    if starting_at is not None and ending_before is not None and ending_before <= starting_at:
        raise InvalidRequest(
            f"{at}ending_before",
            f"{ending_before.isoformat()} is not after starting_at, {starting_at.isoformat()}",
        )


def _take_over(context: Context, alias: RateCardAlias) -> None:
    """Take the time that a new alias claims from every card that holds the name.

    Source: operation ``createRateCard-v1``: an alias names one card at a time, and the newest assignment wins.
    Assumed: a new alias without start claims the time from now on and leaves the past to who held it; after the end of
    the new one the older one holds again (question 23).  [A-alias-takeover]
    """
    claim = Period(alias.starting_at or context.now, alias.ending_before)
    cards = context.store.rate_cards
    for card in list(cards.values()):
        if any(held.name == alias.name for held in card.aliases):
            left = tuple(
                part
                for held in card.aliases
                for part in (_left_of(held, claim) if held.name == alias.name else (held,))
            )
            cards.put(card.id, msgspec.structs.replace(card, aliases=left))


def _left_of(held: RateCardAlias, claim: Period) -> tuple[RateCardAlias, ...]:
    """Return what an alias keeps when ``claim`` is taken from it: the time before, the time after, both or neither."""
    start, end = held.starting_at, held.ending_before
    if claim.ending_before is not None and claim.ending_before <= claim.starting_at:
        return (held,)  # an alias that ended before now, without a start: it claims nothing
    left: list[RateCardAlias] = []
    if start is None or start < claim.starting_at:
        left.append(RateCardAlias(held.name, start, claim.starting_at if end is None else min(end, claim.starting_at)))
    if claim.ending_before is not None and (end is None or claim.ending_before < end):
        left.append(
            RateCardAlias(held.name, claim.ending_before if start is None else max(start, claim.ending_before), end)
        )
    return tuple(left)


def get_rate_card(context: Context, rate_card_id: RateCardId) -> RateCard:
    """Return a card, archived or not.

    Raises:
        NotFound: There is none.
    """
    card = context.store.rate_cards.get(rate_card_id)
    if card is None:
        raise NotFound("rate card", rate_card_id)
    return card


def active_rate_card(context: Context, rate_card_id: RateCardId, path: str) -> RateCard:
    """Return a card that something new can use. Source: operation ``archiveRateCard-v1``; for the 400, question 24."""
    card = get_rate_card(context, rate_card_id)
    if card.archived_at is not None:
        raise NotAllowedNow(path, f"rate card {rate_card_id} is archived; name an active one")
    return card


def rate_card_by_alias(context: Context, name: str, instant: datetime, path: str = "rate_card_alias") -> RateCard:
    """Return the active card that an alias names at ``instant``, which is a contract's start.

    Where two hold the name, one of them is without start and has taken it from the other: then the one that ends first,
    the older one, is meant.

    Raises:
        InvalidRequest: No card holds the alias then.

    Assumed: the answer is 400, not 404 (question 22).  [A-alias-unknown]
    """
    holding = [
        (alias, card)
        for card in context.store.rate_cards.values()
        for alias in card.aliases
        if card.archived_at is None and alias.name == name and alias.holds(instant)
    ]
    if not holding:
        raise InvalidRequest(path, f"no rate card has the alias {name!r} at {instant.isoformat()}")
    return min(holding, key=lambda row: (row[0].ending_before is None, row[0].ending_before or instant))[1]


def list_rate_cards(context: Context) -> Sequence[RateCard]:
    """Return cards in the order of creation.

    Assumed: archived ones too, for the list has no filter (question 38).  [A-archived-cards-listed]
    """
    return list(context.store.rate_cards.values())


# Adding rates --------------------------------------------------------------------------------------------------------


class NewPrice(msgspec.Struct, frozen=True):
    """A price as it is asked for: what its rate type does not use may be there, what it needs may be missing."""

    rate_type: RateType
    price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    minimum: Decimal | None = None


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
    _check_group_values(product, new.pricing_group_values, at)
    rate = Rate(
        starting_at=new.starting_at,
        ending_before=new.ending_before,
        is_entitled=new.is_entitled,
        price=checked_price(new.price, at),
        credit_type_id=_unit(context, card, new, at),
        commit_price=None if new.commit_price is None else checked_price(new.commit_price, f"{at}commit_rate."),
    )
    key = RateKey(card.id, product.id, new.pricing_group_values, new.billing_frequency)
    schedule = store.rate_schedules.get(key) or RateSchedule(key, len(store.rate_schedules) + 1)
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
            f"product {product.id} is {product.type}, which is priced on the contract; name a USAGE product",
        )
    if product.type is not ProductType.USAGE:
        raise NotImitated(f"{at}product_id", f"rates of {product.type} products")
    if new.billing_frequency is not None:
        raise InvalidRequest(
            f"{at}billing_frequency",
            f"received {new.billing_frequency}, but product {product.id} is USAGE and has none; leave it out",
        )
    return product


def _check_period(new: NewRate, at: str) -> None:
    """Assumed: a rate starts and ends on full hours, as most dates of contracts do (section 6.2).  [A-rate-hours]"""
    require_hour(new.starting_at, f"{at}starting_at")
    if new.ending_before is not None:
        require_hour(new.ending_before, f"{at}ending_before")
    _check_order(new.starting_at, new.ending_before, at)


def _check_group_values(product: Product, values: GroupValues, at: str) -> None:
    """A rate has one value for each pricing group key of its product, and no others. Source: ``pricing_group_values``.

    Assumed: so a product with a pricing group key has no rate for all groups (section 3.6).  [A-group-values-whole]
    """
    given = dict(values)
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


def _unit(context: Context, card: RateCard, new: NewRate, at: str) -> CreditTypeId:
    """Return the unit of a rate. Source: ``credit_type_conversions``: another unit needs a conversion on the card.

    Assumed: the default is the currency of the card, where the schema says USD (question 3).  [A-default-rate-unit]
    """
    if new.credit_type_id is None or new.credit_type_id == card.fiat_credit_type_id:
        return card.fiat_credit_type_id
    asked = get_credit_type(context, new.credit_type_id)
    own = get_credit_type(context, card.fiat_credit_type_id)
    raise InvalidRequest(
        f"{at}credit_type_id",
        f"received {asked.name} ({asked.id}), but the card counts in {own.name} and has no conversion; "
        f"send {own.id} or leave it out",
    )


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
    if new.minimum is not None:
        raise InvalidRequest(
            f"{at}minimum_config", f"a {new.rate_type} rate has none, only percentage rates do; leave it out"
        )
    return make(new, at)


def _flat_price(new: NewPrice, at: str) -> Price:
    if new.price is None:
        raise InvalidRequest(f"{at}price", "missing; a FLAT rate needs the price of one unit")
    return flat(_not_negative(new.price, f"{at}price"))


def _tiered_price(new: NewPrice, at: str) -> Price:
    """Source: schema ``Tier``: a size is the width of its tier, and the last one needs none."""
    if not new.tiers:
        raise InvalidRequest(f"{at}tiers", "missing or empty; a TIERED rate needs at least one tier")
    for index, tier in enumerate(new.tiers):
        path = f"{at}tiers[{index}]"
        _not_negative(tier.price, f"{path}.price")
        if tier.size is not None:
            if checked(tier.size, f"{path}.size") <= ZERO:
                raise InvalidRequest(f"{path}.size", f"expected more than 0, received {tier.size}")
        elif index < len(new.tiers) - 1:
            raise InvalidRequest(f"{path}.size", "missing; only the last tier may be without a size")
    return Price(RateType.TIERED, new.tiers)


_PRICES: dict[RateType, Callable[[NewPrice, str], Price]] = {
    RateType.FLAT: _flat_price,
    RateType.TIERED: _tiered_price,
}


def _not_negative(number: Decimal, path: str) -> Decimal:
    if checked(number, path) < ZERO:
        raise InvalidRequest(path, f"expected at least 0, received {number}")
    return number


# Reading rates -------------------------------------------------------------------------------------------------------


class RateSelector(msgspec.Struct, frozen=True):
    """Conditions on a row; what is None asks for nothing. Source: schema ``RateSelectorWithProductTags``.

    Attributes:
        product_tags: The product has one of them.
        pricing_group_values: The row has these and no others.
        partial_pricing_group_values: The row has these, and maybe others.
    """

    product_id: ProductId | None = None
    product_tags: tuple[str, ...] | None = None
    billing_frequency: BillingFrequency | None = None
    pricing_group_values: GroupValues | None = None
    partial_pricing_group_values: GroupValues | None = None

    def selects(self, key: RateKey, product: Product) -> bool:
        """Whether the row of ``key`` meets every condition.

        Assumed: conditions are joined by and; ``pricing_group_values`` are the whole of a row's (section 3.9).
        [A-rate-selectors]
        """
        values = key.pricing_group_values
        return (
            (self.product_id is None or self.product_id == key.product_id)
            and (self.product_tags is None or any(tag in product.tags for tag in self.product_tags))
            and (self.billing_frequency is None or self.billing_frequency is key.billing_frequency)
            and (self.pricing_group_values is None or self.pricing_group_values == values)
            and (self.partial_pricing_group_values is None or set(self.partial_pricing_group_values) <= set(values))
        )


class RateRow(msgspec.Struct, frozen=True):
    """A stretch of one rate, with what it takes to print it."""

    key: RateKey
    product: Product
    segment: RateSegment
    credit_type: CreditType


class RatesQuery(msgspec.Struct, frozen=True):
    """What ``getRates-v1`` asks for."""

    rate_card_id: RateCardId
    at: datetime
    selectors: tuple[RateSelector, ...] = ()


class RateScheduleQuery(msgspec.Struct, frozen=True):
    """What ``getRateSchedule-v1`` asks for."""

    rate_card_id: RateCardId
    starting_at: datetime
    ending_before: datetime | None = None
    selectors: tuple[RateSelector, ...] = ()


def get_rates(context: Context, query: RatesQuery) -> Sequence[RateRow]:
    """Return the rates of a card that are in force at an instant, entitled or not, in the order of their first rate.

    Raises:
        NotFound: There is no such card.
    """
    return _rows(context, query.rate_card_id, query.selectors, lambda period: query.at in period)


def get_rate_schedule(context: Context, query: RateScheduleQuery) -> Sequence[RateRow]:
    """Return every stretch that overlaps a window, whole, by the order of the first rate and then by time.

    Raises:
        NotFound: There is no such card.
        InvalidRequest: The window ends before it starts.
    """
    _check_order(query.starting_at, query.ending_before, "")
    window = Period(query.starting_at, query.ending_before)
    return _rows(context, query.rate_card_id, query.selectors, window.overlaps)


def _rows(
    context: Context, rate_card_id: RateCardId, selectors: Sequence[RateSelector], shows: Callable[[Period], bool]
) -> list[RateRow]:
    """Return the rows that any selector selects, or all without selectors."""
    store = context.store
    card = get_rate_card(context, rate_card_id)
    rows: list[RateRow] = []
    for key in store.rate_keys.ids(card.id):
        product = store.products[key.product_id]
        if selectors and not any(selector.selects(key, product) for selector in selectors):
            continue
        rows += [
            RateRow(key, product, segment, store.credit_types[segment.rate.credit_type_id])
            for segment in store.rate_schedules[key].segments
            if shows(Period(segment.starting_at, segment.ending_before))
        ]
    return rows
