"""Customers after their creation: names and the aliases that usage goes by."""

from __future__ import annotations

import pytest
from worlds import World

from metronome_sandbox.domain.errors import CustomerNotFound, IngestAliasTaken, NotAllowedNow
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import billable_metrics, contracts, customers
from metronome_sandbox.services.billable_metrics import NewBillableMetric
from metronome_sandbox.services.customers import list_customers, set_customer_name, set_ingest_aliases


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")
    world.customer("Globex", "globex")
    return world


def test_a_name_is_changed_and_cut_where_it_is_too_long(world: World) -> None:
    renamed = set_customer_name(world.context, world.customers["Acme"], "A" * 200)

    assert customers.get_customer(world.context, renamed.id).name == "A" * 160


def test_an_alias_brings_the_usage_that_named_it_before(world: World) -> None:
    world.use("P", "2024-08-02", "3", name="acme-eu")
    assert world.invoice("2024-08").total == 0

    set_ingest_aliases(world.context, world.customers["Acme"], ["acme-eu", "acme-us", "acme-eu"])

    assert world.invoice("2024-08").total == 3000
    assert customers.get_customer(world.context, world.customers["Acme"]).ingest_aliases == ("acme-eu", "acme-us")


def test_an_alias_moves_when_it_is_taken_away_first(world: World) -> None:
    acme, globex = world.customers["Acme"], world.customers["Globex"]
    with pytest.raises(IngestAliasTaken):
        set_ingest_aliases(world.context, acme, ["globex"])

    set_ingest_aliases(world.context, globex, [])
    set_ingest_aliases(world.context, acme, ["globex"])

    assert [one.id for one in list_customers(world.context, ingest_alias="globex")] == [acme]
    with pytest.raises(IngestAliasTaken):
        set_ingest_aliases(world.context, globex, ["globex"])
    with pytest.raises(IngestAliasTaken):
        customers.create_customer(world.context, customers.NewCustomer("Third", ("globex",)))


def test_aliases_of_an_archived_customer_stay_taken(world: World) -> None:
    acme, globex = world.customers["Acme"], world.customers["Globex"]
    contracts.archive_customer(world.context, globex)

    with pytest.raises(NotAllowedNow):
        set_ingest_aliases(world.context, globex, [])
    with pytest.raises(NotAllowedNow):
        set_customer_name(world.context, globex, "Gone")
    with pytest.raises(IngestAliasTaken):
        set_ingest_aliases(world.context, acme, ["globex"])
    with pytest.raises(CustomerNotFound):
        set_ingest_aliases(world.context, CustomerId("nobody"), [])


def test_a_metric_is_archived_once_and_its_products_go_on(world: World) -> None:
    metric_id = world.store.products[world.products["P"]].billable_metric_id
    assert metric_id is not None
    world.use("P", "2024-08-02", "3")

    billable_metrics.archive_billable_metric(world.context, metric_id)

    assert world.invoice("2024-08").total == 3000
    assert billable_metrics.list_billable_metrics(world.context) == []
    with pytest.raises(NotAllowedNow):
        billable_metrics.archive_billable_metric(world.context, metric_id)
    another = billable_metrics.create_billable_metric(world.context, NewBillableMetric("SQL", sql="SELECT 1")).id
    with pytest.raises(NotAllowedNow):
        world.update("P", "2024-08-10", billable_metric_id=metric_id)
    assert world.update("P", "2024-08-10", billable_metric_id=another).updates
