"""Products that change from an instant on: what is billed, what is shown, and which changes are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import utc
from worlds import World

from metronome_sandbox.domain.catalog import (
    AggregationType,
    ProductType,
    PropertyFilter,
    QuantityConversion,
    QuantityRounding,
    ValueFilter,
)
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId, ProductId, group_values
from metronome_sandbox.services import billable_metrics, products, rate_schedules
from metronome_sandbox.services.billable_metrics import NewBillableMetric
from metronome_sandbox.services.products import NewProduct


@pytest.fixture
def world() -> World:
    """A product P at 100 cents, on a contract since August."""
    world = World("2024-08-15")
    world.product("P", "100", tags=("old",))
    world.contract(starting_at="2024-08-01")
    return world


def august(world: World) -> list[str]:
    return world.lines(world.invoice("2024-08"))


def refused(world: World, starting_at: str = "2024-08-10", product: str = "P", **changes: Any) -> InvalidRequest:
    before = world.dump()
    with pytest.raises(InvalidRequest) as caught:
        world.update(product, starting_at, **changes)
    assert world.dump() == before
    return caught.value


def test_a_change_in_the_past_reaches_the_draft_at_once(world: World) -> None:
    world.use("P", "2024-08-09T23:00", "3")
    world.use("P", "2024-08-10T00:00", "4")

    world.update("P", "2024-08-10", name="Q")

    assert august(world) == [
        "(2024-08-01..2024-08-10) P 3 @ 100 = 300",
        "(2024-08-10..2024-09-01) Q 4 @ 100 = 400",
    ]


def test_a_change_ahead_waits_and_what_is_final_stands(world: World) -> None:
    world.use("P", "2024-08-05", "3")
    world.update("P", "2024-09-11", name="Q")
    assert august(world) == ["P 3 @ 100 = 300"]

    world.travel("2024-10-10")
    world.update("P", "2024-08-01", name="R")

    assert august(world) == ["P 3 @ 100 = 300"]  # final since September 2
    # October's draft: of the changes that have begun, the one made last names it.
    assert world.lines(world.invoice("2024-10")) == ["R 0 @ 100 = 0"]


def test_a_regenerated_invoice_meets_products_as_they_are_by_then(world: World) -> None:
    world.use("P", "2024-08-05", "3")
    world.travel("2024-09-03")
    final = world.invoice("2024-08")

    world.update("P", "2024-08-01", name="Q")

    assert world.lines(world.regenerate(world.void(final))) == ["Q 3 @ 100 = 300"]


def test_an_import_meets_the_product_of_its_time(world: World) -> None:
    world.update("P", "2024-06-16", name="Q")
    world.contract("old", starting_at="2024-06-01", generation="2024-08-01")
    whole = world.historical("2024-06", {"P": "7"}, contract="old")
    (priced,) = world.preview(whole)
    assert world.lines(priced) == ["P 7 @ 100 = 700"]  # all of it at the start of its line

    days = [world.line("P", {"2024-06-15": "3", "2024-06-16": "4"}, "2024-06")]
    (priced,) = world.preview(world.historical("2024-06", days, contract="old", granularity="DAY"))

    assert world.lines(priced) == [
        "(2024-06-01..2024-06-16) P 3 @ 100 = 300",
        "(2024-06-16..2024-07-01) Q 4 @ 100 = 400",
    ]


def test_a_change_of_the_conversion_converts_what_is_used_from_then_on(world: World) -> None:
    world.use("P", "2024-08-05", "3000")
    world.use("P", "2024-08-12", "3500")

    world.update(
        "P",
        "2024-08-10",
        quantity_conversion=QuantityConversion("DIVIDE", Decimal(1000)),
        quantity_rounding=QuantityRounding("ROUND_UP", 0),
    )

    assert august(world) == [
        "(2024-08-01..2024-08-10) P 3000 @ 100 = 300000",
        "(2024-08-10..2024-09-01) P 4 @ 100 = 400",  # 3500 / 1000 = 3.5, rounded up
    ]


def test_null_takes_a_conversion_away(world: World) -> None:
    world.update("P", "2024-08-01", quantity_conversion=QuantityConversion("DIVIDE", Decimal(1000)))
    world.use("P", "2024-08-05", "3000")
    world.use("P", "2024-08-12", "3000")

    world.update("P", "2024-08-10", quantity_conversion=None)

    assert august(world) == [
        "(2024-08-01..2024-08-10) P 3 @ 100 = 300",  # 3000 / 1000
        "(2024-08-10..2024-09-01) P 3000 @ 100 = 300000",
    ]


def metric(world: World, aggregation: AggregationType, event_type: str, **others: Any) -> BillableMetricId:
    new = NewBillableMetric(
        event_type,
        aggregation_type=aggregation,
        aggregation_key=None if aggregation is AggregationType.COUNT else "quantity",
        event_type_filter=ValueFilter((event_type,)),
        property_filters=(PropertyFilter("quantity", exists=True), PropertyFilter("region", exists=True)),
        **others,
    )
    return billable_metrics.create_billable_metric(world.context, new).id


def test_another_metric_counts_from_its_hour_on(world: World) -> None:
    calls = metric(world, AggregationType.COUNT, "call")
    for day in ("05", "12", "13"):
        world.use("P", f"2024-08-{day}", "3")
        world.use("call", f"2024-08-{day}", "9", region="eu")

    world.update("P", "2024-08-10", billable_metric_id=calls)

    assert august(world) == [
        "(2024-08-01..2024-08-10) P 3 @ 100 = 300",  # the sum of quantities
        "(2024-08-10..2024-09-01) P 2 @ 100 = 200",  # two calls
    ]


def test_a_maximum_begins_anew_with_another_metric_and_goes_on_under_another_name(world: World) -> None:
    highest = metric(world, AggregationType.MAX, "gauge")
    world.products["G"] = products.create_product(
        world.context, NewProduct("G", ProductType.USAGE, billable_metric_id=highest)
    ).id
    world.rate("G", "10")
    for day, value in (("02", "5"), ("12", "8")):
        world.use("gauge", f"2024-08-{day}", value, region="eu")
    world.travel("2024-08-25")

    world.update("G", "2024-08-10", name="H")
    assert august(world)[1:] == [
        "(2024-08-01..2024-08-10) G 5 @ 10 = 50",
        "(2024-08-10..2024-09-01) H 3 @ 10 = 30",  # 8 is 3 more than 5
    ]

    world.update("G", "2024-08-20", billable_metric_id=metric(world, AggregationType.MAX, "gauge"))
    world.use("gauge", "2024-08-24", "6", region="eu")
    assert august(world)[1:] == [
        "(2024-08-01..2024-08-10) G 5 @ 10 = 50",
        "(2024-08-10..2024-08-20) H 3 @ 10 = 30",
        "(2024-08-20..2024-09-01) H 6 @ 10 = 60",  # by itself
    ]


def test_new_group_keys_split_usage_and_need_rates_of_their_own(world: World) -> None:
    by_region = metric(world, AggregationType.SUM, "P", group_keys=(("region",),))
    world.use("P", "2024-08-05", "3")

    world.update("P", "2024-08-10", billable_metric_id=by_region, pricing_group_key=("region",))
    world.use("P", "2024-08-12", "4", region="eu")
    world.use("P", "2024-08-13", "5", region="us")
    assert august(world) == ["(2024-08-01..2024-08-10) P 3 @ 100 = 300"]

    world.rate("P", "200", starting_at="2024-08-10", pricing={"region": "eu"})
    world.rate("P", "300", starting_at="2024-01-01", pricing={"region": "us"})  # it reaches into the new keys' time

    assert august(world) == [
        "(2024-08-01..2024-08-10) P 3 @ 100 = 300",
        "(2024-08-10..2024-09-01) P region=eu 4 @ 200 = 800",
        "(2024-08-10..2024-09-01) P region=us 5 @ 300 = 1500",
    ]


def test_a_rate_has_the_keys_that_its_product_has_at_some_time_of_the_rate(world: World) -> None:
    by_region = metric(world, AggregationType.SUM, "P", group_keys=(("region",),))
    world.update("P", "2024-08-10", billable_metric_id=by_region, pricing_group_key=("region",))

    with pytest.raises(InvalidRequest, match="not a pricing group key"):
        world.rate("P", "1", starting_at="2024-01-01", ending_before="2024-08-10", pricing={"region": "eu"})
    with pytest.raises(InvalidRequest, match="missing"):
        world.rate("P", "1", starting_at="2024-08-10")


def test_the_wording_for_a_start_off_the_hour_is_that_of_the_real_api(world: World) -> None:
    error = refused(world, "2024-08-10T00:30", name="Q")

    assert str(error) == "Product update effective at is required to be on an hour boundary"


def test_a_field_of_another_type_is_refused(world: World) -> None:
    assert refused(world, composite_tags=("a",)).path == "composite_tags"
    world.products["Fee"] = products.create_product(world.context, NewProduct("Fee", ProductType.FIXED)).id
    assert refused(world, product="Fee", pricing_group_key=("region",)).path == "pricing_group_key"
    assert refused(world, product="Fee", netsuite_overage_item_id="1").path == "netsuite_overage_item_id"


def test_group_keys_must_be_covered_by_the_metric_whenever_the_two_meet(world: World) -> None:
    by_region = metric(world, AggregationType.SUM, "P", group_keys=(("region",),))
    assert refused(world, pricing_group_key=("region",)).path == "pricing_group_key"

    world.update("P", "2024-08-20", billable_metric_id=by_region)
    world.update("P", "2024-08-20", pricing_group_key=("region",))

    # From August 12 to 20 the first metric would have the keys; and from the 20th on the old metric would have them.
    assert refused(world, "2024-08-12", presentation_group_key=("region",)).path == "presentation_group_key"
    plain = metric(world, AggregationType.SUM, "P")
    error = refused(world, "2024-08-12", billable_metric_id=plain)
    assert "from 2024-08-20" in error.problem


def test_an_update_names_what_exists_and_is_active(world: World) -> None:
    with pytest.raises(NotFound):
        world.update("P", "2024-08-10", billable_metric_id=BillableMetricId("nowhere"))
    world.composite("Support", "0.1", of=["P"])
    with pytest.raises(NotFound):
        world.update("Support", "2024-08-10", composite_product_ids=(ProductId("nowhere"),))
    assert refused(world, product="Support", composite_product_ids=()).path == "composite_product_ids"


def test_an_archived_product_is_billed_as_before_and_takes_no_new_rate(world: World) -> None:
    world.use("P", "2024-08-05", "3")

    archived = products.archive_product(world.context, world.products["P"])

    assert archived.archived_at == utc("2024-08-15")
    assert august(world) == ["P 3 @ 100 = 300"]
    with pytest.raises(NotAllowedNow):
        world.rate("P", "200")
    with pytest.raises(NotAllowedNow):
        world.update("P", "2024-08-10", name="Q")
    with pytest.raises(NotAllowedNow):
        products.archive_product(world.context, world.products["P"])


def test_rates_are_read_with_the_name_and_tags_of_their_time(world: World) -> None:
    world.update("P", "2024-08-10", name="Q", tags=("new",))
    selector = rate_schedules.RateSelector(product_tags=("new",))

    def at(instant: str) -> list[str]:
        query = rate_schedules.RatesQuery(world.card, utc(instant), (selector,))
        return [row.product.name for row in rate_schedules.get_rates(world.context, query)]

    assert (at("2024-08-09"), at("2024-08-10")) == ([], ["Q"])


def test_group_values_of_an_import_meet_the_rate_of_their_time(world: World) -> None:
    by_region = metric(world, AggregationType.SUM, "P", group_keys=(("region",),))
    world.update("P", "2024-07-01", billable_metric_id=by_region, pricing_group_key=("region",))
    world.rate("P", "200", starting_at="2024-07-01", pricing={"region": "eu"})
    world.contract("old", starting_at="2024-06-01", generation="2024-08-01")
    line = world.line("P", "2", "2024-07", pricing={"region": "eu"})

    june, july = world.preview(
        world.historical("2024-06", {"P": "1"}, contract="old"), world.historical("2024-07", [line], contract="old")
    )

    assert (june.total, july.total) == (100, 400)  # 1 * 100; 2 * 200
    assert july.lines[0].pricing_group_values == group_values({"region": "eu"})
