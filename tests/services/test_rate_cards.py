from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import utc

from metronome_sandbox.domain.amounts import USD_CENTS, CreditType
from metronome_sandbox.domain.catalog import AggregationType, Product, ProductType, PropertyFilter
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, ProductId, RateCardId, group_values
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateCard, RateCardAlias, RateKey, RateType, Tier
from metronome_sandbox.services import rate_cards, rate_schedules, rates
from metronome_sandbox.services.billable_metrics import NewBillableMetric, create_billable_metric
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.prices import NewPrice
from metronome_sandbox.services.products import NewProduct, create_product
from metronome_sandbox.services.rate_cards import NewRateCard
from metronome_sandbox.services.rate_schedules import RateRow, RateScheduleQuery, RateSelector, RatesQuery
from metronome_sandbox.services.rates import NewRate

CreateProduct = Callable[..., Product]


@pytest.fixture
def usage_product(context: Context) -> CreateProduct:
    """Makes a USAGE product, priced by some of ``cloud`` and ``region``."""
    metric = create_billable_metric(
        context,
        NewBillableMetric(
            "Calls",
            aggregation_type=AggregationType.COUNT,
            property_filters=(PropertyFilter("cloud", exists=True), PropertyFilter("region", exists=True)),
            group_keys=(("cloud", "region"),),
        ),
    )

    def make(name: str = "Calls", pricing: tuple[str, ...] = (), tags: tuple[str, ...] = ()) -> Product:
        new = NewProduct(name, ProductType.USAGE, tags, metric.id, pricing_group_key=pricing)
        return create_product(context, new)

    return make


@pytest.fixture
def card(context: Context) -> RateCard:
    return rate_cards.create_rate_card(context, NewRateCard("List prices"))


def flat(price: str | None) -> NewPrice:
    return NewPrice(RateType.FLAT, None if price is None else Decimal(price))


def tiered(*tiers: tuple[str | None, str]) -> NewPrice:
    """From (size, price) pairs."""
    return NewPrice(
        RateType.TIERED,
        tiers=tuple(Tier(Decimal(price), None if size is None else Decimal(size)) for size, price in tiers),
    )


def rate(
    product: Product,
    price: str | NewPrice | None = "10",
    starting_at: str = "2024-01-01",
    ending_before: str | None = None,
    groups: dict[str, str] | None = None,
    **changes: Any,
) -> NewRate:
    new = NewRate(
        product.id,
        utc(starting_at),
        is_entitled=True,
        price=price if isinstance(price, NewPrice) else flat(price),
        ending_before=None if ending_before is None else utc(ending_before),
        pricing_group_values=group_values(groups),
    )
    return msgspec.structs.replace(new, **changes)


def refused(context: Context, card: RateCard, new: NewRate) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        rates.add_rate(context, card.id, new)
    assert not len(context.store.rate_schedules)
    return caught.value


def shown(rows: Sequence[RateRow]) -> list[tuple[str, str, str | None, str]]:
    """Rows as (product, from, to, price of the first tier)."""
    return [
        (
            row.product.name,
            row.segment.starting_at.date().isoformat(),
            None if row.segment.ending_before is None else row.segment.ending_before.date().isoformat(),
            str(row.segment.rate.price.tiers[0].price),
        )
        for row in rows
    ]


# Cards and aliases ---------------------------------------------------------------------------------------------------


def test_a_card_counts_in_usd_unless_it_names_another_currency(context: Context, card: RateCard) -> None:
    euro = next(one.id for one in context.store.credit_types.values() if one.name == "EUR")

    assert card.fiat_credit_type_id == USD_CENTS
    in_euro = rate_cards.create_rate_card(context, NewRateCard("Euro", fiat_credit_type_id=euro))
    assert in_euro.fiat_credit_type_id == euro
    assert [one.name for one in rate_cards.list_rate_cards(context)] == ["List prices", "Euro"]


def test_the_currency_of_a_card_must_exist_and_be_one(context: Context) -> None:
    tokens = CreditType(CreditTypeId("tokens"), "Tokens", is_currency=False)
    with context.transaction():
        context.store.credit_types.put(tokens.id, tokens)

    with pytest.raises(NotFound, match="no credit type nowhere"):
        rate_cards.create_rate_card(context, NewRateCard("?", fiat_credit_type_id=CreditTypeId("nowhere")))
    with pytest.raises(InvalidRequest, match="fiat_credit_type_id: tokens is the pricing unit 'Tokens'"):
        rate_cards.create_rate_card(context, NewRateCard("?", fiat_credit_type_id=tokens.id))


def test_an_unknown_card_is_not_found(context: Context) -> None:
    with pytest.raises(NotFound, match="no rate card nowhere"):
        rate_cards.get_rate_card(context, RateCardId("nowhere"))


def aliased(context: Context, name: str, start: str | None = None, end: str | None = None) -> RateCard:
    alias = RateCardAlias("standard", start and utc(start), end and utc(end))  # type: ignore[arg-type]
    return rate_cards.create_rate_card(context, NewRateCard(name, aliases=(alias,)))


def windows(context: Context, card: RateCard) -> list[tuple[str | None, str | None]]:
    return [
        (
            None if alias.starting_at is None else alias.starting_at.date().isoformat(),
            None if alias.ending_before is None else alias.ending_before.date().isoformat(),
        )
        for alias in rate_cards.get_rate_card(context, card.id).aliases
    ]


def named(context: Context, instant: str) -> str:
    return rate_cards.rate_card_by_alias(context, "standard", utc(instant)).name


def test_a_newer_card_ends_the_alias_of_the_older_one_at_its_own_start(context: Context) -> None:
    old = aliased(context, "2024", "2024-01-01")
    new = aliased(context, "2025", "2025-01-01")

    assert windows(context, old) == [("2024-01-01", "2025-01-01")]
    assert windows(context, new) == [("2025-01-01", None)]
    assert named(context, "2024-12-31T23:00") == "2024"
    assert named(context, "2025-01-01") == "2025"


def test_an_alias_without_dates_is_taken_over_now_and_leaves_the_past_to_the_older_card(
    context: Context, clock: Clock
) -> None:
    old = aliased(context, "old", "2024-01-01")
    aliased(context, "new")

    assert windows(context, old) == [("2024-01-01", "2024-08-15")]
    assert named(context, "2023-06-01") == "new"  # nobody else held it then
    assert named(context, "2024-06-01") == "old"
    assert named(context, "2024-08-15") == "new"

    clock.freeze(utc("2024-10-01"))
    aliased(context, "newest")

    assert [named(context, day) for day in ("2024-06-01", "2024-09-01", "2024-10-01")] == ["old", "new", "newest"]


def test_an_alias_that_ends_gives_its_name_back(context: Context) -> None:
    old = aliased(context, "old")
    aliased(context, "sale", "2024-11-01", "2024-12-01")

    assert windows(context, old) == [(None, "2024-11-01"), ("2024-12-01", None)]
    assert [named(context, day) for day in ("2024-10-31", "2024-11-15", "2024-12-01")] == ["old", "sale", "old"]


def test_an_alias_that_is_covered_as_a_whole_is_gone(context: Context) -> None:
    old = aliased(context, "old", "2025-01-01", "2025-06-01")
    aliased(context, "new", "2024-12-01")

    assert windows(context, old) == []


def test_an_alias_of_another_name_or_time_is_left_alone(context: Context) -> None:
    first = aliased(context, "first", "2023-01-01", "2024-01-01")
    second = rate_cards.create_rate_card(context, NewRateCard("second", aliases=(RateCardAlias("other"),)))
    aliased(context, "third", "2024-01-01")

    assert windows(context, first) == [("2023-01-01", "2024-01-01")]
    assert windows(context, second) == [(None, None)]


def test_an_alias_that_nobody_holds_then_is_refused(context: Context) -> None:
    aliased(context, "2024", "2024-01-01")

    with pytest.raises(InvalidRequest, match="rate_card_alias: no rate card has the alias 'standard' at 2023-12-31"):
        named(context, "2023-12-31")


def test_an_alias_ends_after_it_starts(context: Context) -> None:
    with pytest.raises(InvalidRequest) as caught:
        aliased(context, "never", "2024-01-01", "2024-01-01")

    assert caught.value.path == "aliases[0].ending_before"


# Adding rates --------------------------------------------------------------------------------------------------------


def test_a_rate_is_in_the_currency_of_its_card(context: Context, usage_product: CreateProduct) -> None:
    euro = next(one.id for one in context.store.credit_types.values() if one.name == "EUR")
    card = rate_cards.create_rate_card(context, NewRateCard("Euro", fiat_credit_type_id=euro))

    added = rates.add_rate(context, card.id, rate(usage_product()))

    assert (added.rate.credit_type_id, added.credit_type.name) == (euro, "EUR")


def test_a_rate_in_another_currency_is_refused(context: Context, card: RateCard, usage_product: CreateProduct) -> None:
    euro = next(one.id for one in context.store.credit_types.values() if one.name == "EUR")

    assert refused(context, card, rate(usage_product(), credit_type_id=euro)).path == "credit_type_id"


def test_products_stand_on_the_card_in_the_order_of_their_first_rate(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    first, second = usage_product("first"), usage_product("second")
    for product in (second, first, second):
        rates.add_rate(context, card.id, rate(product))

    assert rate_cards.get_rate_card(context, card.id).product_ids == (second.id, first.id)


def test_a_rate_with_the_same_start_replaces_the_earlier_one(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product()
    rates.add_rate(context, card.id, rate(product, "10"))
    rates.add_rate(context, card.id, rate(product, "12"))

    rows = rate_schedules.get_rate_schedule(context, RateScheduleQuery(card.id, utc("2024-01-01")))
    assert shown(rows) == [("Calls", "2024-01-01", None, "12")]


def test_the_group_values_are_exactly_those_of_the_product(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product(pricing=("cloud", "region"))

    missing = refused(context, card, rate(product, groups={"cloud": "AWS"}))
    assert missing.path == "pricing_group_values.region"
    assert missing.problem.startswith("missing")
    extra = refused(context, card, rate(product, groups={"cloud": "AWS", "region": "eu", "zone": "a"}))
    assert str(extra) == (
        f"pricing_group_values.zone: not a pricing group key of product {product.id}; it has cloud, region"
    )
    assert refused(context, card, rate(usage_product(), groups={"zone": "a"})).problem.endswith("it has none")

    rates.add_rate(context, card.id, rate(product, groups={"region": "eu", "cloud": "AWS"}))
    assert RateKey(card.id, product.id, (("cloud", "AWS"), ("region", "eu"))) in context.store.rate_schedules


def test_a_flat_rate_needs_a_price_of_at_least_nothing(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product()

    assert str(refused(context, card, rate(product, None))).startswith("price: missing; a FLAT rate needs the price")
    assert str(refused(context, card, rate(product, "-0.5"))) == "price: expected at least 0, received -0.5"
    assert refused(context, card, rate(product, "1E+16")).path == "price"
    assert rates.add_rate(context, card.id, rate(product, "0")).rate.price.tiers == (Tier(Decimal(0)),)


@pytest.mark.parametrize(
    ("tiers", "path"),
    [
        ((), "tiers"),
        ((("10", "5"), ("0", "4"), (None, "3")), "tiers[1].size"),
        ((("10", "5"), ("-1", "4"), (None, "3")), "tiers[1].size"),
        (((None, "5"), (None, "4")), "tiers[0].size"),
        ((("10", "5"), (None, "-3")), "tiers[1].price"),
    ],
)
def test_tiers_have_a_size_above_zero_and_only_the_last_may_be_without(
    context: Context,
    card: RateCard,
    usage_product: CreateProduct,
    tiers: tuple[tuple[str | None, str], ...],
    path: str,
) -> None:
    assert refused(context, card, rate(usage_product(), tiered(*tiers))).path == path


def test_a_commit_rate_is_checked_like_a_rate(context: Context, card: RateCard, usage_product: CreateProduct) -> None:
    product = usage_product()

    assert refused(context, card, rate(product, commit_price=flat(None))).path == "commit_rate.price"
    wrong = tiered((None, "5"), (None, "4"))
    assert refused(context, card, rate(product, commit_price=wrong)).path == "commit_rate.tiers[0].size"
    ladder = tiered(("100", "8"), (None, "6"))
    added = rates.add_rate(context, card.id, rate(product, commit_price=ladder))
    assert added.rate.commit_price is not None
    assert added.rate.commit_price.tiers == (Tier(Decimal(8), Decimal(100)), Tier(Decimal(6)))


def test_what_another_rate_type_uses_is_ignored_but_a_minimum_is_not(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product()
    minimum = NewPrice(RateType.FLAT, Decimal(10), minimum=Decimal(100))

    assert refused(context, card, rate(product, minimum)).path == "minimum_config"
    both = NewPrice(RateType.FLAT, Decimal(10), tiers=(Tier(Decimal(7)),))
    assert rates.add_rate(context, card.id, rate(product, both)).rate.price.tiers == (Tier(Decimal(10)),)


@pytest.mark.parametrize("rate_type", [RateType.SUBSCRIPTION, RateType.CUSTOM])
def test_a_rate_type_that_is_not_priced_yet_is_named(
    context: Context, card: RateCard, usage_product: CreateProduct, rate_type: RateType
) -> None:
    product = usage_product()

    with pytest.raises(NotImitated, match=f"^rate_type: .* rates of type {rate_type} yet"):
        rates.add_rate(context, card.id, rate(product, NewPrice(rate_type, Decimal("0.1"))))
    with pytest.raises(NotImitated, match=r"^commit_rate\.rate_type: "):
        rates.add_rate(context, card.id, rate(product, commit_price=NewPrice(rate_type, Decimal("0.1"))))


def test_a_subscription_has_a_rate_for_each_billing_frequency(context: Context, card: RateCard) -> None:
    product = create_product(context, NewProduct("Fee", ProductType.SUBSCRIPTION))

    assert refused(context, card, rate(product)).path == "billing_frequency"
    for frequency in BillingFrequency:
        rates.add_rate(context, card.id, rate(product, billing_frequency=frequency))
    keys = context.store.rate_keys.ids(card.id)
    assert [key.billing_frequency for key in keys if key.product_id == product.id] == list(BillingFrequency)


@pytest.mark.parametrize("type_", [ProductType.FIXED, ProductType.PRO_SERVICE])
def test_what_is_priced_on_contracts_has_no_rate(context: Context, card: RateCard, type_: ProductType) -> None:
    product = create_product(context, NewProduct("Fee", type_))

    assert refused(context, card, rate(product)).path == "product_id"


def test_a_usage_product_has_no_billing_frequency(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    new = rate(usage_product(), billing_frequency=BillingFrequency.MONTHLY)

    assert str(refused(context, card, new)).startswith("billing_frequency: received MONTHLY")


@pytest.mark.parametrize(
    ("starting_at", "ending_before", "path"),
    [
        ("2024-01-01T00:30", None, "starting_at"),
        ("2024-01-01", "2024-01-02T00:00:01", "ending_before"),
        ("2024-01-01", "2024-01-01", "ending_before"),
        ("2024-01-01", "2023-12-01", "ending_before"),
    ],
)
def test_a_rate_lies_on_full_hours_and_ends_after_it_starts(
    context: Context,
    card: RateCard,
    usage_product: CreateProduct,
    starting_at: str,
    ending_before: str | None,
    path: str,
) -> None:
    new = rate(usage_product(), starting_at=starting_at, ending_before=ending_before)

    assert refused(context, card, new).path == path


def test_unknown_and_archived_things_take_no_rate(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product()
    with pytest.raises(NotFound, match="no rate card nowhere"):
        rates.add_rate(context, RateCardId("nowhere"), rate(product))
    with pytest.raises(NotFound, match="no product nowhere"):
        rates.add_rate(context, card.id, rate(product, product_id=ProductId("nowhere")))
    with context.transaction():
        context.store.products.put(product.id, msgspec.structs.replace(product, archived_at=context.now))
    assert isinstance(refused(context, card, rate(product)), NotAllowedNow)
    with context.transaction():
        context.store.rate_cards.put(card.id, msgspec.structs.replace(card, archived_at=context.now))
    assert refused(context, card, rate(usage_product())).path == "rate_card_id"


def test_several_rates_are_added_together_or_not_at_all(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    first, second = usage_product("first"), usage_product("second")
    new = [rate(first), rate(second), rate(first, starting_at="2025-01-01"), rate(second, "-1")]
    with pytest.raises(InvalidRequest, match=r"^rates\[3\]\.price: expected at least 0, received -1$"):
        rates.add_rates(context, card.id, new)

    assert not len(context.store.rate_schedules)
    assert rate_cards.get_rate_card(context, card.id).product_ids == ()

    rates.add_rates(context, card.id, new[:3])

    schedules = list(context.store.rate_schedules.values())
    assert [(one.sequence, len(one.rates)) for one in schedules] == [(1, 2), (2, 1)]
    assert rate_cards.get_rate_card(context, card.id).product_ids == (first.id, second.id)


# Reading rates -------------------------------------------------------------------------------------------------------


@pytest.fixture
def priced(context: Context, card: RateCard, usage_product: CreateProduct) -> RateCard:
    """Calls: 10, from 2024-06 on 12, in July 11. Storage by cloud: AWS 20, GCP 21, both only in 2024."""
    calls = usage_product("Calls", tags=("api", "core"))
    storage = usage_product("Storage", pricing=("cloud",), tags=("core",))
    year = {"starting_at": "2024-01-01", "ending_before": "2025-01-01"}
    rates.add_rates(
        context,
        card.id,
        [
            rate(calls, "10", "2024-01-01"),
            rate(storage, "20", groups={"cloud": "AWS"}, **year),
            rate(storage, "21", groups={"cloud": "GCP"}, **year),
            rate(calls, "12", "2024-06-01"),
            rate(calls, "11", "2024-07-01", "2024-08-01"),
        ],
    )
    return card


@pytest.mark.parametrize(
    ("at", "calls"), [("2024-05-31T23:00", "10"), ("2024-06-01", "12"), ("2024-07-15", "11"), ("2024-08-01", "12")]
)
def test_the_rate_in_force_is_the_one_added_last(context: Context, priced: RateCard, at: str, calls: str) -> None:
    rows = rate_schedules.get_rates(context, RatesQuery(priced.id, utc(at)))

    assert [price for _, _, _, price in shown(rows)] == [calls, "20", "21"]


def test_nothing_is_in_force_before_the_first_rate_and_after_the_last(context: Context, priced: RateCard) -> None:
    assert rate_schedules.get_rates(context, RatesQuery(priced.id, utc("2023-12-31T23:00"))) == []
    rows = rate_schedules.get_rates(context, RatesQuery(priced.id, utc("2025-01-01")))
    assert shown(rows) == [("Calls", "2024-08-01", None, "12")]


def test_a_schedule_shows_whole_segments_that_overlap_the_window(context: Context, priced: RateCard) -> None:
    calls = RateSelector(product_tags=("api",))
    query = RateScheduleQuery(priced.id, utc("2024-06-15"), utc("2024-07-15"), (calls,))

    assert shown(rate_schedules.get_rate_schedule(context, query)) == [
        ("Calls", "2024-06-01", "2024-07-01", "12"),
        ("Calls", "2024-07-01", "2024-08-01", "11"),
    ]
    assert shown(rate_schedules.get_rate_schedule(context, msgspec.structs.replace(query, ending_before=None))) == [
        ("Calls", "2024-06-01", "2024-07-01", "12"),
        ("Calls", "2024-07-01", "2024-08-01", "11"),
        ("Calls", "2024-08-01", None, "12"),
    ]


def test_the_window_of_a_schedule_ends_after_it_starts(context: Context, priced: RateCard) -> None:
    with pytest.raises(InvalidRequest, match=r"^ending_before: "):
        rate_schedules.get_rate_schedule(context, RateScheduleQuery(priced.id, utc("2024-06-15"), utc("2024-06-15")))


AWS = (("cloud", "AWS"),)


@pytest.mark.parametrize(
    ("selectors", "prices"),
    [
        ((), ["12", "20", "21"]),
        ((RateSelector(),), ["12", "20", "21"]),
        ((RateSelector(product_tags=("api", "nothing")),), ["12"]),
        ((RateSelector(product_tags=("core",)),), ["12", "20", "21"]),
        ((RateSelector(pricing_group_values=AWS),), ["20"]),
        ((RateSelector(pricing_group_values=()),), ["12"]),
        ((RateSelector(partial_pricing_group_values=()),), ["12", "20", "21"]),
        ((RateSelector(pricing_group_values=(*AWS, ("region", "eu"))),), []),
        ((RateSelector(partial_pricing_group_values=AWS),), ["20"]),
        ((RateSelector(product_tags=("api",), pricing_group_values=AWS),), []),
        ((RateSelector(product_tags=("api",)), RateSelector(pricing_group_values=AWS)), ["12", "20"]),
        ((RateSelector(billing_frequency=BillingFrequency.MONTHLY),), []),
    ],
)
def test_a_row_is_shown_when_all_conditions_of_any_selector_hold(
    context: Context, priced: RateCard, selectors: tuple[RateSelector, ...], prices: list[str]
) -> None:
    rows = rate_schedules.get_rates(context, RatesQuery(priced.id, context.now, selectors))

    assert [price for _, _, _, price in shown(rows)] == prices


def test_a_partial_selector_finds_rows_that_have_more_values(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    product = usage_product(pricing=("cloud", "region"))
    for region, price in (("eu", "1"), ("us", "2")):
        rates.add_rate(context, card.id, rate(product, price, groups={"cloud": "AWS", "region": region}))

    partial = (RateSelector(partial_pricing_group_values=AWS),)
    assert len(rate_schedules.get_rates(context, RatesQuery(card.id, context.now, partial))) == 2
    whole = (RateSelector(pricing_group_values=AWS),)
    assert rate_schedules.get_rates(context, RatesQuery(card.id, context.now, whole)) == []


def test_a_rate_that_is_not_entitled_is_shown_too(
    context: Context, card: RateCard, usage_product: CreateProduct
) -> None:
    rates.add_rate(context, card.id, rate(usage_product(), is_entitled=False))

    (row,) = rate_schedules.get_rates(context, RatesQuery(card.id, context.now))
    assert row.segment.rate.is_entitled is False
