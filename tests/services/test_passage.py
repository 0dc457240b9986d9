"""What time does: what becomes final when, and what a journey tells about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from builders import utc
from worlds import World, headline, shown_time

from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.invoices import InvoiceStatus, InvoiceType
from metronome_sandbox.services import contracts, drafts, passage
from metronome_sandbox.services.charges import scheduled_ahead
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.transitions import NewTransition


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    return world


def told(events: list[passage.Event]) -> list[str]:
    return [f"{shown_time(event.timestamp)} {event.type}" for event in events]


def finalized(world: World, **conditions: Any) -> list[str]:
    return [headline(one) for one in world.invoices(status=InvoiceStatus.FINALIZED, **conditions)]


# Usage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grace_hours", "draft_until", "final_at"),
    [(24, "2024-09-01T23:59", "2024-09-02"), (0, "2024-08-31T23:59", "2024-09-01")],
)
def test_a_usage_invoice_is_final_when_its_grace_period_is_over(
    grace_hours: int, draft_until: str, final_at: str
) -> None:
    world = World("2024-08-15", grace_hours=grace_hours)
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")

    assert told(world.travel(draft_until))[-1:] in ([], ["2024-09-01 invoice.draft_created"])
    assert finalized(world) == []
    assert f"{final_at} invoice.finalized" in told(world.travel(final_at))

    assert finalized(world) == [f"USAGE 2024-08 FINALIZED {final_at} 0"]


def test_it_becomes_final_as_its_draft_stood(world: World) -> None:
    world.contract(starting_at="2024-08-01", credits=[world.credit("R", ("2000", "2024-08"))])
    world.use("P", "2024-08-02", "3")
    world.travel("2024-09-01T23:59")
    draft = world.invoice("2024-08")

    world.travel("2024-09-02")

    final = msgspec.structs.replace(draft, status=InvoiceStatus.FINALIZED, sequence=1)
    assert world.invoice("2024-08") == final


def test_what_is_final_does_not_change_with_prices_usage_and_balances(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-12", "3")
    world.travel("2024-09-02")
    final = world.invoice("2024-08")

    world.rate("P", "5", starting_at="2024-08-01")
    world.use("P", "2024-08-12", "9")
    world.customer_balance(world.credit("R", ("100", "2024-08")))

    assert world.invoice("2024-08") == final
    assert world.lines(final) == ["P 3 @ 1000 = 3000"]


def test_months_that_went_by_are_made_one_after_the_other(world: World) -> None:
    world.contract(starting_at="2024-08-01", credits=[world.credit("R", ("5000", "2024-08-01..2025-08-01"))])
    world.use("P", "2024-08-02", "4")

    events = world.travel("2024-11-03")

    assert told(events) == [
        "2024-09-01 invoice.draft_created",
        "2024-09-02 invoice.finalized",
        "2024-10-01 invoice.draft_created",
        "2024-10-02 invoice.finalized",
        "2024-11-01 invoice.draft_created",
        "2024-11-02 invoice.finalized",
    ]
    assert [event.invoice_id for event in events[1::2]] == [one.id for one in world.invoices()][:3]
    assert world.left("R") == "1000"


def test_nothing_is_written_when_nothing_is_due(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    revision = world.store.revision

    assert world.travel("2024-09-01T23:00")
    assert passage.pass_time(world.context) == []

    assert world.store.revision == revision
    assert not passage.is_behind(world.context)


def test_a_contract_that_ends_has_no_more_invoices(world: World) -> None:
    world.contract(starting_at="2024-08-01", ending_before="2024-09-16")

    events = world.travel("2025-09-01")

    assert told(events) == [
        "2024-09-01 invoice.draft_created",
        "2024-09-02 invoice.finalized",
        "2024-09-16 contract.end",
        "2024-09-17 invoice.finalized",
    ]


def test_a_contract_that_begins_later_says_so(world: World) -> None:
    world.contract(starting_at="2024-09-10")

    assert told(world.travel("2024-09-10")) == ["2024-09-10 contract.start", "2024-09-10 invoice.draft_created"]


@pytest.mark.parametrize("kept_for", [(), ("weekly", "monthly")])
def test_two_contracts_meet_a_shared_balance_in_the_order_of_their_periods_when_they_become_final(
    world: World, kept_for: tuple[str, ...]
) -> None:
    """The weekly invoice is final first, but the monthly one began before it and was promised its part."""
    world.contract("weekly", starting_at="2024-08-08", frequency="WEEKLY")
    world.contract("monthly", starting_at="2024-08-01")
    world.customer_balance(world.credit("R", ("3000", "2024-08"), contracts=kept_for))
    world.use("P", "2024-08-09", "2")
    before = {name: world.invoices(contract_id=world.contracts[name])[0].total for name in ("weekly", "monthly")}

    world.travel("2024-08-16")

    weekly, monthly = (world.invoices(contract_id=world.contracts[name])[0] for name in ("weekly", "monthly"))
    assert (weekly.status, monthly.status) == (InvoiceStatus.FINALIZED, InvoiceStatus.DRAFT)
    assert {"weekly": weekly.total, "monthly": monthly.total} == before == {"weekly": 1000, "monthly": 0}


# Segments ------------------------------------------------------------------------------------------------------------


def test_contracts_with_balances_of_their_own_become_final_without_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.contract(
        "weekly", starting_at="2024-08-08", frequency="WEEKLY", credits=[world.credit("W", ("1", "2024-08"))]
    )
    world.contract("monthly", starting_at="2024-08-01", credits=[world.credit("M", ("1", "2024-08"))])
    priced: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(drafts, "price_pending", lambda *arguments: priced.append(arguments))
        world.travel("2024-08-16")

    assert priced == []
    assert finalized(world) == ["USAGE 2024-08-08..2024-08-15 FINALIZED 2024-08-16 0"]


def test_segments_that_start_and_end_are_told(world: World) -> None:
    world.customer_balance(world.credit("R", ("1", "2024-08-15..2024-08-20"), ("1", "2024-08-25..2024-09-10")))
    world.customer_balance(world.prepaid("C", ("1", "2024-08-01..2024-08-22")))

    events = world.travel("2024-09-01")

    assert told(events) == [
        "2024-08-20 credit.segment.end",
        "2024-08-22 commit.segment.end",
        "2024-08-25 credit.segment.start",
    ]
    second = world.balance("R").segments[1]
    assert (events[-1].balance_id, events[-1].segment_id) == (world.balance("R").id, second.id)


def test_what_is_archived_is_not_told(world: World) -> None:
    world.contract(starting_at="2024-08-01", credits=[world.credit("R", ("1", "2024-08-20..2024-08-25"))])
    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=False)

    assert world.travel("2024-12-01") == []


def test_events_of_many_things_come_in_the_order_of_time(world: World) -> None:
    payments = [("2024-09-01", "5"), ("2024-10-01", "5")]
    world.contract(
        starting_at="2024-08-01",
        ending_before="2024-10-01",
        commits=[world.prepaid("C", ("10", "2024-08-01..2024-10-01"), payments=payments)],
    )
    world.contract("later", starting_at="2024-09-15")
    world.customer_balance(world.credit("R", ("1", "2024-09")))

    events = told(world.travel("2024-10-15"))

    assert events == sorted(events, key=lambda line: line.split()[0])
    assert events == [
        "2024-09-01 invoice.draft_created",
        "2024-09-01 credit.segment.start",
        "2024-09-01 invoice.finalized",  # the payment of C
        "2024-09-02 invoice.finalized",
        "2024-09-15 contract.start",
        "2024-09-15 invoice.draft_created",
        "2024-10-01 contract.end",
        "2024-10-01 invoice.draft_created",
        "2024-10-01 commit.segment.end",
        "2024-10-01 credit.segment.end",
        "2024-10-01 invoice.finalized",  # the other payment of C
        "2024-10-02 invoice.finalized",
        "2024-10-02 invoice.finalized",
    ]


def test_a_journey_in_steps_tells_what_one_leap_tells() -> None:
    def begin() -> World:
        world = World("2024-08-15")
        world.product("P", "1000")
        payments = [("2024-08-20T10:00", "5"), ("2024-10-01", "5")]
        world.contract(
            starting_at="2024-08-01",
            commits=[world.prepaid("C", ("7000", "2024-08-10..2024-10-05"), payments=payments)],
        )
        world.contract("weekly", starting_at="2024-08-07", frequency="WEEKLY")
        world.customer_balance(world.credit("R", ("3000", "2024-08-20..2024-09-10")))
        world.imported(name="imported")
        world.import_(world.historical("2024-06", {"P": "1"}, contract="imported", issue_date="2024-09-03T12:00"))
        for day, used in (("2024-08-02", "3"), ("2024-08-09", "4"), ("2024-08-14", "2")):
            world.use("P", day, used)
        return world

    leaping, walking = begin(), begin()
    leap = leaping.travel("2024-10-20")
    walk = []
    while walking.now < utc("2024-10-20"):
        walk += walking.travel(walking.now + timedelta(days=1))

    assert walking.dump() == leaping.dump()
    assert sorted(map(msgspec.json.encode, walk)) == sorted(map(msgspec.json.encode, leap))
    assert [event.timestamp for event in walk] == [event.timestamp for event in leap]
    for name in ("C", "R"):
        assert walking.ledger(name) == leaping.ledger(name)


# Payments ------------------------------------------------------------------------------------------------------------


def test_a_payment_is_final_at_its_date_without_any_grace(world: World) -> None:
    payments = [("2024-08-20T10:00", "60"), ("2024-10-01", "40")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])
    ahead = world.invoices(type=InvoiceType.SCHEDULED)

    world.travel("2024-08-20T09:59")
    assert finalized(world, type=InvoiceType.SCHEDULED) == []
    world.travel("2024-08-20T10:00")
    assert finalized(world, type=InvoiceType.SCHEDULED) == ["SCHEDULED FINALIZED 2024-08-20T10:00 60"]
    world.travel("2024-12-01")

    paid = world.invoices(type=InvoiceType.SCHEDULED)
    assert [one.id for one in paid] == [one.id for one in ahead]
    assert world.lines(paid[1]) == ["C 1 @ 40 = 40"]
    assert next(iter(world.store.contracts.values())).next_charge_at is None


@pytest.mark.parametrize("date", ["2024-06-01", "2024-08-15"])
def test_a_payment_that_is_due_already_is_final_at_once(world: World, date: str) -> None:
    payments = [(date, "60"), ("2024-09-01", "40")]

    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])

    assert finalized(world) == [f"SCHEDULED FINALIZED {date} 60"]


def test_a_payment_of_nothing_is_an_invoice_all_the_same(world: World) -> None:
    payments = [("2024-08-15", "0")]

    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])

    assert finalized(world) == ["SCHEDULED FINALIZED 2024-08-15 0"]  # Q35


def test_a_payment_on_a_date_that_was_billed_already_has_an_invoice_of_its_own(world: World) -> None:
    payments = [("2024-08-15", "60")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])

    world.customer_balance(world.prepaid("D", ("100", "2024-08"), payments=[("2024-08-15", "5")], paid_on="contract"))

    # Two ids; which one comes first in the list is a matter of the ids.
    assert sorted(finalized(world)) == ["SCHEDULED FINALIZED 2024-08-15 5", "SCHEDULED FINALIZED 2024-08-15 60"]


def test_payments_of_one_date_share_an_invoice_when_it_becomes_final(world: World) -> None:
    payments = [("2024-09-01", "60")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])
    world.customer_balance(
        world.prepaid("D", ("100", "2024-08"), payments=[("2024-09-01", "5"), ("2024-10-01", "6")], paid_on="contract")
    )
    (first, _) = world.invoices(type=InvoiceType.SCHEDULED)

    world.travel("2024-09-01")

    paid = world.invoices(type=InvoiceType.SCHEDULED, status=InvoiceStatus.FINALIZED)
    assert [(one.id, one.total) for one in paid] == [(first.id, 65)]
    assert world.lines(paid[0]) == ["C 1 @ 60 = 60", "D 1 @ 5 = 5"]
    assert next(iter(world.store.contracts.values())).next_charge_at == utc("2024-10-01")


def test_many_payments_that_fall_due_are_worked_out_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(context: Context, contract: Contract) -> list[tuple[datetime, list[Charge]]]:
        asked.append(contract.id)
        return scheduled_ahead(context, contract)

    payments = [(f"2024-08-{day}", "1") for day in range(16, 31)]
    for name in "CD":
        world.contract(starting_at="2024-08-01", commits=[world.prepaid(name, ("100", "2024-08"), payments=payments)])
    monkeypatch.setattr(passage, "scheduled_ahead", counted)

    world.travel("2024-08-31")

    assert len(finalized(world)) == 30
    assert len(asked) == 2


def test_paying_a_commit_does_not_touch_its_balance(world: World) -> None:
    payments = [("2024-09-01", "60")]
    world.contract(
        starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08-01..2025-01-01"), payments=payments)]
    )

    world.travel("2024-09-01")
    assert world.left("C") == "100"
    (paid,) = world.invoices(type=InvoiceType.SCHEDULED)
    world.void(paid)

    assert world.left("C") == "100"
    assert world.ledger("C") == ["2024-08-01 PREPAID_COMMIT_SEGMENT_START 100"]


def test_price_paid_and_access_may_differ(world: World) -> None:
    """G33: 100000 of access for 80000; the price on the invoice is the list price."""
    world.product("Q", "100")
    world.contract(
        starting_at="2024-08-01",
        commits=[world.prepaid("C", ("100000", "2024-08-01..2025-08-01"), payments=[("2024-08-01", "80000")])],
    )

    world.use("Q", "2024-08-02", "10")

    assert finalized(world) == ["SCHEDULED FINALIZED 2024-08-01 80000"]
    assert world.lines(world.invoice("2024-08"))[1:] == ["Q 10 @ 100 = 1000 [C]", "C applied -1000"]
    assert world.left("C") == "99000"  # 100000 - 1000


# Imports -------------------------------------------------------------------------------------------------------------


def test_imports_become_final_in_the_order_of_their_issue_dates(world: World) -> None:
    world.imported()
    june, july = world.import_(
        world.historical("2024-06", {"P": "1"}, issue_date="2024-08-25"),
        world.historical("2024-07", {"P": "1"}, issue_date="2024-08-20"),
    )

    events = world.travel("2024-09-01T12:00")

    assert [event.invoice_id for event in events if event.type == "invoice.finalized"] == [july.id, june.id]


def test_an_import_that_becomes_final_takes_what_earlier_drafts_leave(world: World) -> None:
    world.imported(credits=[world.credit("R", ("3000", "2024-06-01..2024-09-01"))])
    june, july = world.import_(
        world.historical("2024-06", {"P": "2"}, issue_date="2024-08-25"),
        world.historical("2024-07", {"P": "2"}, issue_date="2024-08-20"),
    )
    assert (june.total, july.total) == (0, 1000)  # 3000 - 2000 = 1000 pay for one of July's two

    world.travel("2024-08-20")
    assert (world.invoice("2024-06").total, world.invoice("2024-07").total) == (0, 1000)
    world.travel("2024-08-25")

    assert (world.invoice("2024-06").total, world.invoice("2024-07").total) == (0, 1000)
    assert world.left("R") == "0"


def test_a_journey_that_fails_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    payments = [("2024-09-01", "60")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])
    before, ids = world.dump(), dict(world.context.ids.counts)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setitem(passage._FINALIZE, "usage", fail)
        with pytest.raises(ZeroDivisionError):
            world.travel("2024-09-02")  # the payment of 1 September went well before

    assert (world.dump(), world.context.ids.counts) == (before, ids)
    passage.pass_time(world.context)
    assert finalized(world) == ["SCHEDULED FINALIZED 2024-09-01 60", "USAGE 2024-08 FINALIZED 2024-09-02 0"]


def test_a_contract_that_is_reopened_after_a_renewal_has_a_draft_of_its_own() -> None:
    world = World("2024-08-15")
    old = world.contract("old", starting_at="2024-06-01")
    renewal = NewTransition(TransitionType.RENEWAL, old.id, False)
    world.contract("new", starting_at="2024-08-01", transition=renewal)
    contracts.update_contract_end_date(world.context, old.customer_id, old.id, None)

    # The renewal left an empty invoice for August; the month has another one now.
    ids = [invoice.id for invoice in world.invoices()]
    assert len(set(ids)) == len(ids) == 5
