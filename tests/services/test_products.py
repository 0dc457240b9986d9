from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from metronome_sandbox.domain.catalog import (
    AggregationType,
    BillableMetric,
    ProductType,
    PropertyFilter,
    QuantityConversion,
    QuantityRounding,
)
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId, ProductId
from metronome_sandbox.services import products
from metronome_sandbox.services.billable_metrics import NewBillableMetric, create_billable_metric
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.products import ArchiveFilter, NewProduct

NAMES = ("region", "cluster", "tenant")


@pytest.fixture
def metric(context: Context) -> BillableMetric:
    """A count of calls by region and cluster, and by tenant."""
    return create_billable_metric(
        context,
        NewBillableMetric(
            "Calls",
            aggregation_type=AggregationType.COUNT,
            property_filters=tuple(PropertyFilter(name, exists=True) for name in NAMES),
            group_keys=(("region", "cluster"), ("tenant",)),
        ),
    )


def usage(metric: BillableMetric, **changes: Any) -> NewProduct:
    return NewProduct("Calls", ProductType.USAGE, billable_metric_id=metric.id, **changes)


def refused(context: Context, new: NewProduct) -> InvalidRequest:
    before = len(context.store.products)
    with pytest.raises(InvalidRequest) as caught:
        products.create_product(context, new)
    assert len(context.store.products) == before
    return caught.value


def test_a_usage_product_can_be_read_back(context: Context, metric: BillableMetric) -> None:
    new = usage(
        metric,
        tags=("compute",),
        pricing_group_key=("region",),
        presentation_group_key=("cluster",),
        quantity_conversion=QuantityConversion("DIVIDE", Decimal(1000), "thousands"),
        quantity_rounding=QuantityRounding("ROUND_UP", 0),
    )
    created = products.create_product(context, new)

    assert products.get_product(context, created.id) is created
    assert {name: getattr(created, name) for name in new.__struct_fields__} == msgspec.structs.asdict(new)


def test_a_usage_product_needs_a_metric(context: Context) -> None:
    assert refused(context, NewProduct("Calls", ProductType.USAGE)).path == "billable_metric_id"


def test_the_metric_must_exist(context: Context) -> None:
    with pytest.raises(NotFound, match="no billable metric nowhere"):
        products.create_product(
            context, NewProduct("Calls", ProductType.USAGE, billable_metric_id=BillableMetricId("nowhere"))
        )


def test_the_metric_must_not_be_archived(context: Context, metric: BillableMetric) -> None:
    with context.transaction():
        context.store.billable_metrics.put(metric.id, msgspec.structs.replace(metric, archived_at=context.now))

    error = refused(context, usage(metric))
    assert isinstance(error, NotAllowedNow)
    assert error.path == "billable_metric_id"


@pytest.mark.parametrize("type_", [ProductType.FIXED, ProductType.SUBSCRIPTION, ProductType.PRO_SERVICE])
def test_the_other_types_need_nothing_but_a_name(context: Context, type_: ProductType) -> None:
    assert products.create_product(context, NewProduct("Fee", type_)).type is type_


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("billable_metric_id", "some-metric"),
        ("pricing_group_key", ("region",)),
        ("presentation_group_key", ("region",)),
        ("quantity_conversion", QuantityConversion("MULTIPLY", Decimal(2))),
        ("quantity_rounding", QuantityRounding("ROUND_UP", 0)),
        ("composite_tags", ("compute",)),
        ("composite_scope", "CONTRACT"),
        ("exclude_free_usage", True),
    ],
)
def test_a_fixed_product_has_no_fields_of_other_types(context: Context, field: str, value: Any) -> None:
    error = refused(context, NewProduct("Fee", ProductType.FIXED, **{field: value}))

    assert error.path == field
    assert error.problem.startswith("FIXED products have none")


def test_a_default_that_is_written_out_is_no_field_of_another_type(context: Context) -> None:
    new = NewProduct("Fee", ProductType.FIXED, exclude_free_usage=False, include_composite_spend=False)

    assert products.create_product(context, new).exclude_free_usage is False


def test_one_group_key_of_the_metric_covers_both_keys_of_the_product(context: Context, metric: BillableMetric) -> None:
    both = usage(metric, pricing_group_key=("cluster",), presentation_group_key=("region", "cluster"))

    assert products.create_product(context, both).pricing_group_key == ("cluster",)


def test_keys_that_two_group_keys_of_the_metric_have_between_them_are_refused(
    context: Context, metric: BillableMetric
) -> None:
    error = refused(context, usage(metric, pricing_group_key=("region",), presentation_group_key=("tenant",)))

    assert error.path == "pricing_group_key"
    assert "together are [region, tenant]" in error.problem
    assert "it has [region, cluster]; [tenant]" in error.problem


def test_a_presentation_key_alone_is_named_in_the_refusal(context: Context, metric: BillableMetric) -> None:
    assert refused(context, usage(metric, presentation_group_key=("zone",))).path == "presentation_group_key"


def test_a_key_names_each_property_once(context: Context, metric: BillableMetric) -> None:
    assert refused(context, usage(metric, pricing_group_key=("region", "region"))).path == "pricing_group_key[1]"


def test_an_sql_metric_has_no_group_keys_to_be_held_to(context: Context) -> None:
    query = create_billable_metric(context, NewBillableMetric("Query", sql="SELECT region, COUNT(*) FROM events"))

    created = products.create_product(context, usage(query, pricing_group_key=("region",)))
    assert created.pricing_group_key == ("region",)


@pytest.mark.parametrize("factor", ["0", "-1"])
def test_a_conversion_factor_is_more_than_zero(context: Context, metric: BillableMetric, factor: str) -> None:
    error = refused(context, usage(metric, quantity_conversion=QuantityConversion("DIVIDE", Decimal(factor))))

    assert str(error) == f"quantity_conversion.conversion_factor: expected more than 0, received {factor}"


def test_a_composite_product_needs_products_or_tags(context: Context, metric: BillableMetric) -> None:
    part = products.create_product(context, usage(metric))

    assert refused(context, NewProduct("Support", ProductType.COMPOSITE)).path == "composite_product_ids"
    by_id = NewProduct("Support", ProductType.COMPOSITE, composite_product_ids=(part.id,))
    by_tag = NewProduct("Support", ProductType.COMPOSITE, composite_tags=("compute",))
    assert products.create_product(context, by_id).composite_product_ids == (part.id,)
    assert products.create_product(context, by_tag).composite_tags == ("compute",)


def test_the_parts_of_a_composite_product_must_exist(context: Context) -> None:
    with pytest.raises(NotFound, match="no product nowhere"):
        products.create_product(
            context, NewProduct("Support", ProductType.COMPOSITE, composite_product_ids=(ProductId("nowhere"),))
        )


def test_a_list_can_be_filtered_by_being_archived(context: Context) -> None:
    kept = products.create_product(context, NewProduct("kept", ProductType.FIXED))
    gone = products.create_product(context, NewProduct("gone", ProductType.FIXED))
    gone = msgspec.structs.replace(gone, archived_at=context.now)
    with context.transaction():
        context.store.products.put(gone.id, gone)

    assert products.list_products(context) == [kept]
    assert products.list_products(context, ArchiveFilter.ARCHIVED) == [gone]
    assert products.list_products(context, ArchiveFilter.ALL) == [kept, gone]
    assert products.get_product(context, gone.id) == gone
    with pytest.raises(NotAllowedNow):
        products.active_product(context, gone.id, "product_id")
