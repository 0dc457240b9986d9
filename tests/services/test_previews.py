"""What usage would cost: drafts with other events, and nothing that stays. Cents."""

from __future__ import annotations

import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.errors import CustomerNotFound, InvalidRequest
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.services import billable_metrics, products
from metronome_sandbox.services.billable_metrics import NewBillableMetric
from metronome_sandbox.services.previews import PreviewMode, preview_events


@pytest.fixture
def world() -> World:
    """P at 1000, three units used on August 2."""
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-02", "3")
    return world


def event(world: World, quantity: str, at: str = "2024-08-10", name: str = "new") -> UsageEvent:
    customer = world.customers["Acme"]
    return UsageEvent(name, customer, "P", utc(at), {"quantity": quantity}, world.now)


def preview(world: World, *events: UsageEvent, mode: str = "replace") -> list[Invoice]:
    return preview_events(world.context, world.customers["Acme"], events, PreviewMode(mode))


def test_events_stand_alone_or_beside_the_usage_that_is_there(world: World) -> None:
    before = world.dump()

    (alone,) = preview(world, event(world, "2"))
    (merged,) = preview(world, event(world, "2"), mode="merge")

    assert headline(alone) == "USAGE 2024-08 DRAFT 2024-09-02 2000"
    assert headline(merged) == "USAGE 2024-08 DRAFT 2024-09-02 5000"  # 3000 + 2 * 1000
    assert world.dump() == before
    assert headline(world.invoice("2024-08")) == "USAGE 2024-08 DRAFT 2024-09-02 3000"


def test_a_preview_has_an_id_that_nothing_answers_to(world: World) -> None:
    (previewed,) = preview(world, event(world, "2"))

    assert previewed.id != world.invoice("2024-08").id


def test_an_event_that_is_known_already_is_left_out(world: World) -> None:
    (merged,) = preview(world, event(world, "2", name="event-1"), event(world, "4"), mode="merge")

    assert merged.total == 7000  # 3 + 4


def test_an_id_twice_or_a_time_that_no_draft_bills_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest) as refused:
        preview(world, event(world, "1"), event(world, "2"))
    assert refused.value.path == "events[1].transaction_id"
    with pytest.raises(InvalidRequest) as refused:
        preview(world, event(world, "1", "2024-07-31T23:00"))
    assert refused.value.path == "events[0].timestamp"
    with pytest.raises(CustomerNotFound):
        preview_events(world.context, CustomerId("nobody"), [], PreviewMode.REPLACE)


def test_balances_are_used_as_far_as_earlier_drafts_and_previews_leave_them(world: World) -> None:
    world = World("2024-08-01T12:00")
    world.product("P", "1000")
    world.contract(starting_at="2024-07-20")
    world.contract("second", starting_at="2024-08-01")
    world.customer_balance(world.credit("R", ("5000", "2024-07-01..2024-09-01")))
    world.use("P", "2024-07-25", "1")  # on the July draft, which is in its grace

    first, second = preview(world, event(world, "3", "2024-08-01T10:00"))

    # The first contract's July takes 1000, its August 3000; 1000 is left to the second contract.
    assert world.lines(first) == ["P 3 @ 1000 = 3000 [R]", "R applied -3000"]
    assert world.lines(second) == ["P 1 @ 1000 = 1000 [R]", "R applied -1000", "P 2 @ 1000 = 2000"]
    assert world.left("R") == "4000"


def test_a_customer_without_a_contract_in_force_has_no_preview(world: World) -> None:
    world.customer("Globex")

    assert preview_events(world.context, world.customers["Globex"], [event(world, "1")], PreviewMode.MERGE) == []


def test_an_sql_metric_cannot_be_previewed(world: World) -> None:
    sql = billable_metrics.create_billable_metric(world.context, NewBillableMetric("SQL", sql="SELECT 1 AS value")).id
    new = products.NewProduct("S", products.ProductType.USAGE, billable_metric_id=sql)
    world.products["S"] = products.create_product(world.context, new).id
    world.rate("S", "1")

    with pytest.raises(InvalidRequest, match="SQL metric"):
        preview(world, event(world, "1"))
