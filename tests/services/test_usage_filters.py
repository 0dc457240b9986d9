"""Usage filters: which contract a customer's usage goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.catalog import AggregationType, ProductType, PropertyFilter, ValueFilter
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.services import billable_metrics, contract_edits, products
from metronome_sandbox.services.usage_filters import NewUsageFilter


@pytest.fixture
def projects() -> World:
    """P costs 1000 and its metric can be cut by project; on August 2 and 14 atlas used 1 and borealis 2."""
    world = World("2024-08-15")
    metric = billable_metrics.NewBillableMetric(
        "P",
        aggregation_type=AggregationType.SUM,
        aggregation_key="quantity",
        event_type_filter=ValueFilter(("P",)),
        property_filters=(PropertyFilter("quantity", exists=True), PropertyFilter("project", exists=True)),
        group_keys=(("project",),),
    )
    new = products.NewProduct(
        "P",
        ProductType.USAGE,
        billable_metric_id=billable_metrics.create_billable_metric(world.context, metric).id,
    )
    world.products["P"] = products.create_product(world.context, new).id
    world.rate("P", "1000")
    world.customer()
    for at in ("2024-08-02", "2024-08-14"):
        world.use("P", at, "1", project="atlas")
        world.use("P", at, "2", project="borealis")
    return world


def filter_on(*values: str, starting_at: str | None = None, key: str = "project") -> NewUsageFilter:
    return NewUsageFilter(key, values, None if starting_at is None else utc(starting_at))


def totals(world: World, names: Sequence[str]) -> Mapping[str, str]:
    by_contract = {one.contract_id: str(one.total) for one in world.invoices(type="USAGE")}
    return {name: by_contract[world.contracts[name]] for name in names}


def test_usage_filters_divide_a_customers_usage_between_contracts(projects: World) -> None:
    projects.contract("atlas", starting_at="2024-08-01", usage_filter=filter_on("atlas"))
    projects.contract("rest", starting_at="2024-08-01", usage_filter=filter_on("borealis", "castor"))
    projects.contract("all", starting_at="2024-08-01")

    assert totals(projects, ["atlas", "rest", "all"]) == {
        "atlas": "2000",  # 2 * 1 * 1000
        "rest": "4000",  # 2 * 2 * 1000
        "all": "6000",
    }


def test_a_filter_that_is_set_later_counts_from_its_start_on(projects: World) -> None:
    contract = projects.contract("shared", starting_at="2024-08-01", usage_filter=filter_on("atlas"))
    assert totals(projects, ["shared"]) == {"shared": "2000"}  # 1 + 1

    contract_edits.set_usage_filter(
        projects.context, contract.customer_id, contract.id, filter_on("atlas", "borealis", starting_at="2024-08-10")
    )

    assert totals(projects, ["shared"]) == {"shared": "4000"}  # 1, then 1 + 2
    (entry,) = contract_edits.get_edit_history(projects.context, contract.customer_id, contract.id)
    assert [one.group_values for one in entry.usage_filters] == [("atlas", "borealis")]


def test_final_invoices_keep_the_usage_they_had(projects: World) -> None:
    contract = projects.contract("shared", starting_at="2024-08-01")
    projects.travel("2024-09-05")

    contract_edits.set_usage_filter(
        projects.context, contract.customer_id, contract.id, filter_on("atlas", starting_at="2024-08-01")
    )

    august = projects.invoice("2024-08")
    assert headline(august) == "USAGE 2024-08 FINALIZED 2024-09-02 6000"
    assert headline(projects.regenerate(projects.void(august))) == "USAGE 2024-08 FINALIZED 2024-09-02 2000"


def test_a_filter_needs_values_a_group_key_and_a_start_in_the_contract(projects: World) -> None:
    for chosen, message in (
        (filter_on(), r"^usage_filter\.group_values: is empty"),
        (filter_on("eu", key="region"), r"^usage_filter\.group_key: metric 'P' of 'P' .* has no compound group key"),
        (filter_on("atlas", starting_at="2024-07-01"), r"^usage_filter\.starting_at: .* outside of the contract"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            projects.contract("refused", starting_at="2024-08-01", usage_filter=chosen)
