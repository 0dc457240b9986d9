"""Rate cards: price lists, the aliases that name them, and the rates on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.aliases import named_at, without_claim
from metronome_sandbox.domain.amounts import ONE, USD_CENTS, ZERO, CreditType, checked
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.domain.periods import BoundedPeriod, Period, require_hour
from metronome_sandbox.domain.rate_cards import (
    PERCENTAGES,
    BillingFrequency,
    CreditTypeConversion,
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
from metronome_sandbox.services.credit_types import active_credit_type, get_credit_type
from metronome_sandbox.services.products import active_product

# Cards ---------------------------------------------------------------------------------------------------------------


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
    currency = get_credit_type(context, new.fiat_credit_type_id)
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
        _refuse_composites_beside_units(context, card)
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
        _check_order(alias.starting_at, alias.ending_before, f"aliases[{index}].")


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


class ProductMove(msgspec.Struct, frozen=True):
    """Where a product goes in the order of a card; 0 is the first place."""

    product_id: ProductId
    position: int


def set_product_order(context: Context, rate_card_id: RateCardId, order: Sequence[ProductId]) -> RateCard:
    """Put products of a card first, in this order, which is the order of lines on invoices.

    Raises:
        NotFound: There is no such card.
        NotAllowedNow: The card is archived.
        InvalidRequest: A product has no rate on the card or is named twice.

    Assumed: products that are not named follow in the order they had (section 3.10).  [A-product-order]
    """
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    for index, product_id in enumerate(order):
        _require_on_card(card, product_id, f"product_order[{index}]")
        if product_id in order[:index]:
            raise InvalidRequest(f"product_order[{index}]", f"product {product_id} is there twice; name each once")
    rest = (product_id for product_id in card.product_ids if product_id not in order)
    return _with_order(context, card, (*order, *rest))


def move_products(context: Context, rate_card_id: RateCardId, moves: Sequence[ProductMove]) -> RateCard:
    """Move single products of a card to other places, one after the other.

    Raises:
        NotFound: There is no such card.
        NotAllowedNow: The card is archived.
        InvalidRequest: A product has no rate on the card.

    Assumed: a place is counted from 0 without the product that moves, and one beyond the end is the end (section
    3.10).  [A-product-moves]
    """
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    order = list(card.product_ids)
    for index, move in enumerate(moves):
        _require_on_card(card, move.product_id, f"product_moves[{index}].product_id")
        order.remove(move.product_id)
        order.insert(move.position, move.product_id)
    return _with_order(context, card, order)


def _require_on_card(card: RateCard, product_id: ProductId, path: str) -> None:
    if product_id not in card.product_ids:
        raise InvalidRequest(path, f"product {product_id} has no rate on rate card {card.id}; add one first")


def _with_order(context: Context, card: RateCard, order: Sequence[ProductId]) -> RateCard:
    changed = msgspec.structs.replace(card, product_ids=tuple(order))
    with context.transaction():
        context.store.rate_cards.put(card.id, changed)
    return changed


def _check_order(starting_at: datetime | None, ending_before: datetime | None, at: str) -> None:
    if starting_at is not None and ending_before is not None and ending_before <= starting_at:
        raise InvalidRequest(
            f"{at}ending_before",
            f"{ending_before.isoformat()} is not after starting_at, {starting_at.isoformat()}",
        )


def _take_over(context: Context, alias: RateCardAlias) -> None:
    """Take the time that a new alias claims from every card that holds the name."""
    cards = context.store.rate_cards
    for card in list(cards.values()):
        if any(held.name == alias.name for held in card.aliases):
            left = without_claim(card.aliases, alias, context.now)
            cards.put(card.id, msgspec.structs.replace(card, aliases=left))


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
    _check_order(new.starting_at, new.ending_before, at)


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
    asked = get_credit_type(context, new.credit_type_id or card.fiat_credit_type_id)
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


def _refuse_composites_beside_units(context: Context, card: RateCard) -> None:
    for key in context.store.rate_keys.ids(card.id):
        for rate in context.store.rate_schedules[key].rates:
            if rate.price.minimum is not None or rate.price.rate_type is RateType.TIERED_PERCENTAGE:
                raise NotImitated("add_credit_type_conversions", BESIDE_UNITS)


def _check_commit_price(product: Product, card: RateCard, price: Price, at: str) -> None:
    """Source: guide "Apply discounts on commits": only usage products have a commit rate."""
    if product.type is not ProductType.USAGE:
        raise InvalidRequest(
            at.removesuffix("."), f"product {product.id} is {product.type}; only USAGE products have one, leave it out"
        )
    check_price_of(product, card, price, at)


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
    return _rows(context, query.rate_card_id, query.selectors, lambda period: query.at in period, query.at)


def get_rate_schedule(context: Context, query: RateScheduleQuery) -> Sequence[RateRow]:
    """Return every stretch that overlaps a window, whole, by the order of the first rate and then by time.

    Raises:
        NotFound: There is no such card.
        InvalidRequest: The window ends before it starts.
    """
    _check_order(query.starting_at, query.ending_before, "")
    window = Period(query.starting_at, query.ending_before)
    return _rows(context, query.rate_card_id, query.selectors, window.overlaps, context.now)


def _rows(
    context: Context,
    rate_card_id: RateCardId,
    selectors: Sequence[RateSelector],
    shows: Callable[[Period], bool],
    instant: datetime,
) -> list[RateRow]:
    """Return the rows that any selector selects, or all without selectors; products are as they are at ``instant``."""
    store = context.store
    card = get_rate_card(context, rate_card_id)
    rows: list[RateRow] = []
    for key in store.rate_keys.ids(card.id):
        product = store.products[key.product_id].at(instant)
        if selectors and not any(selector.selects(key, product) for selector in selectors):
            continue
        rows += [
            RateRow(key, product, segment, store.credit_types[segment.rate.credit_type_id])
            for segment in store.rate_schedules[key].segments
            if shows(Period(segment.starting_at, segment.ending_before))
        ]
    return rows
