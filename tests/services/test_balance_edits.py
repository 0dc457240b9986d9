"""Commits and credits changed after they were made (reference 3.13, 4.5, 6.2). USD cents, one unit costs 1000."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from builders import number, utc
from worlds import World, headline, plain, shown_time

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.errors import DomainError, InvalidRequest, NotAllowedNow, NotFound, UniquenessKeyTaken
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, ProductId, SegmentId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import balance_edits, balance_ends, contracts, manual_entries
from metronome_sandbox.services.balance_changes import BalanceChange, PaymentChange, SegmentChange
from metronome_sandbox.services.balance_lists import BalanceFilter, list_balances
from metronome_sandbox.services.balances import NewSegment
from metronome_sandbox.services.manual_entries import NewManualEntry

YEAR = "2024-06-01..2025-06-01"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.product("Q", "1000")
    world.contract(starting_at="2024-06-01")
    return world


def acme(world: World) -> CustomerId:
    return world.customers["Acme"]


def edit(world: World, **change: object) -> Balance:
    """Change the balance ``C``."""
    balance = world.balance("C")
    operation = balance_edits.edit_credit if balance.type == "CREDIT" else balance_edits.edit_commit
    return operation(world.context, acme(world), balance.id, BalanceChange(**change))  # type: ignore[arg-type]


def refused(world: World, act: Callable[[], object]) -> str:
    """The message of a refusal; nothing of it may be stored."""
    before, ids = world.dump(), dict(world.context.ids.counts)
    with pytest.raises(DomainError) as caught:
        act()
    assert (world.dump(), world.context.ids.counts) == (before, ids)
    return str(caught.value)


def segments(world: World, name: str = "C") -> list[str]:
    return [
        f"{shown_time(one.starting_at)}..{shown_time(one.ending_before)} {plain(one.amount)}"
        for one in world.balance(name).segments
    ]


def scheduled(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]


# Entries by hand -----------------------------------------------------------------------------------------------------


def enter(world: World, amount: str, name: str = "C", **others: object) -> Balance:
    balance = world.balance(name)
    fields = {"contract_id": balance.contract_id, "segment_id": balance.segments[0].id, "reason": "a mistake"}
    new = NewManualEntry(balance.id, amount=number(amount), **{**fields, **others})  # type: ignore[arg-type]
    return manual_entries.add_manual_balance_ledger_entry(world.context, acme(world), new)


def test_g34_an_entry_that_takes_more_than_there_is_leaves_nothing(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("10000", YEAR)))
    world.use("P", "2024-08-01", "9")
    world.travel("2024-09-02")  # August is final: 9 * 1000

    enter(world, "-2000")

    assert world.ledger("C") == [  # 10000 - 9000 - 2000 = -1000
        "2024-06-01 PREPAID_COMMIT_SEGMENT_START 10000",
        "2024-06-01 PREPAID_COMMIT_MANUAL -2000",
        "2024-09-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -9000 for 2024-08",
    ]
    assert (world.left("C"), world.net()) == ("0", "0")


def test_an_entry_reaches_drafts_at_once_and_final_invoices_never(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    world.use("P", "2024-08-10", "6")
    world.travel("2024-09-10")
    world.use("P", "2024-09-05", "2")

    enter(world, "1500", timestamp=utc("2024-08-20"))

    # August took all 5000 and is final; the 1500 pay for September.
    assert world.invoice("2024-08").total == 1000  # 6000 - 5000
    assert world.invoice("2024-09").total == 500  # 2000 - 1500


def test_a_positive_entry_may_lift_the_balance_above_the_grant(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    world.use("P", "2024-08-10", "8")

    enter(world, "1000", timestamp=utc("2025-01-01"))  # dated ahead, counts with its segment

    assert world.lines(world.invoice("2024-08")) == [  # (5000 + 1000) / 1000 = 6 units
        "P 6 @ 1000 = 6000 [C]",
        "C applied -6000",
        "P 2 @ 1000 = 2000",
        "Q 0 @ 1000 = 0",
    ]
    assert world.left("C") == "0"


def test_an_entry_of_a_segment_ahead_counts_when_it_begins(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", "2024-09")))

    enter(world, "-1000")
    before = (world.left("C"), world.ledger("C"))
    world.travel("2024-09-01")

    assert before == ("0", [])
    assert world.left("C") == "4000"
    assert world.ledger("C") == ["2024-09-01 CREDIT_SEGMENT_START 5000", "2024-09-01 CREDIT_MANUAL -1000"]


def test_an_entry_in_an_expired_segment_changes_what_expired(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", "2024-07")))

    enter(world, "-1000", timestamp=utc("2024-07-10"))

    assert world.ledger("C")[1:] == ["2024-07-10 CREDIT_MANUAL -1000", "2024-08-01 CREDIT_EXPIRATION -4000"]


def test_the_balance_of_a_contract_is_found_with_its_contract_only(world: World) -> None:
    world.contract("other", starting_at="2024-08-01", credits=[world.credit("C", ("5000", YEAR))])

    assert "with the id" in refused(world, lambda: enter(world, "1", contract_id=None))
    assert "with the id" in refused(world, lambda: enter(world, "1", contract_id=world.contracts["contract"]))
    enter(world, "1")
    assert world.left("C") == "5001"


def test_a_key_makes_an_entry_only_once(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    enter(world, "1", uniqueness_key="k")

    with pytest.raises(UniquenessKeyTaken):
        enter(world, "1", uniqueness_key="k")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timestamp": utc("2024-05-31T23:00")}, "timestamp: 2024-05-31T23:00:00+00:00 is not inside the segment"),
        ({"timestamp": utc("2025-06-01")}, "timestamp: 2025-06-01T00:00:00+00:00 is not inside the segment"),
        ({"segment_id": SegmentId(NOWHERE)}, "no segment of"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused(world: World, wrong: dict[str, object], message: str) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))

    assert message in refused(world, lambda: enter(world, "1", **wrong))


# Edits ---------------------------------------------------------------------------------------------------------------


def test_an_edit_changes_what_it_names_and_nothing_else(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR), priority=7))
    before = world.balance("C")

    after = edit(world, name="Gold", description="to be used first")

    assert (after.name, after.description) == ("Gold", "to be used first")
    assert (after.priority, after.segments, after.rate_type) == (before.priority, before.segments, before.rate_type)


def test_drafts_follow_an_edit_of_what_a_balance_pays_for(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    world.use("P", "2024-08-02", "3")
    assert world.invoice("2024-08").total == 0

    edit(world, applicable_product_ids=(world.products["Q"],))
    narrowed = world.invoice("2024-08").total
    edit(world, applicable_product_ids=())

    assert narrowed == 3000
    assert world.invoice("2024-08").total == 0


def test_segments_are_added_changed_and_removed(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("100", "2024-08"), ("200", "2024-09"), ("300", "2024-10")))
    first, second, _ = world.balance("C").segments

    edit(
        world,
        changed_segments=(SegmentChange(first.id, amount=Decimal(150), ending_before=utc("2024-08-20")),),
        removed_segments=(second.id,),
        added_segments=(NewSegment(Decimal(400), utc("2024-11-01"), utc("2024-12-01")),),
    )

    assert segments(world) == [
        "2024-08-01..2024-08-20 150",
        "2024-10-01..2024-11-01 300",
        "2024-11-01..2024-12-01 400",
    ]
    assert len({one.id for one in world.balance("C").segments} | {second.id}) == 4


def test_entries_by_hand_go_with_their_segment(world: World) -> None:
    world.customer_balance(world.credit("C", ("100", "2024-08"), ("200", "2024-09")))
    enter(world, "50")

    edit(world, removed_segments=(world.balance("C").segments[0].id,))

    assert world.balance("C").manual_entries == ()


@pytest.fixture
def drawn() -> World:
    """A credit ``C`` that the final invoice of August drew 3000 from; it is September 10."""
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    world.use("P", "2024-08-10", "3")
    world.travel("2024-09-10")
    return world


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": Decimal(2999)}, "2999 is less than the 3000 that finalized invoices took"),
        ({"ending_before": utc("2024-08-31")}, "is before 2024-09-01T00:00:00+00:00, until when finalized invoice"),
        ({"starting_at": utc("2024-08-02")}, "is after 2024-08-01T00:00:00+00:00, from when on finalized invoice"),
    ],
)
def test_what_a_final_invoice_took_cannot_be_cut_off(drawn: World, change: dict[str, object], message: str) -> None:
    segment_id = drawn.balance("C").segments[0].id

    text = refused(drawn, lambda: edit(drawn, changed_segments=(SegmentChange(segment_id, **change),)))  # type: ignore[arg-type]

    assert text.startswith("access_schedule.update_schedule_items[0].")
    assert message in text


def test_a_used_segment_may_be_cut_down_to_its_use(drawn: World) -> None:
    segment_id = drawn.balance("C").segments[0].id

    edit(
        drawn,
        changed_segments=(SegmentChange(segment_id, Decimal(3000), utc("2024-08-01"), utc("2024-09-01")),),
    )

    assert segments(drawn) == ["2024-08-01..2024-09-01 3000"]
    assert drawn.ledger("C")[-1].startswith("2024-09-01 CREDIT_AUTOMATED_INVOICE_DEDUCTION -3000")


def test_a_used_segment_is_removed_after_its_invoice_is_void(drawn: World) -> None:
    other = NewSegment(Decimal(1), utc("2025-06-01"), utc("2025-07-01"))
    remove = {"removed_segments": (drawn.balance("C").segments[0].id,), "added_segments": (other,)}

    assert "void it first" in refused(drawn, lambda: edit(drawn, **remove))
    drawn.void(drawn.invoice("2024-08"))
    edit(drawn, **remove)

    assert segments(drawn) == ["2025-06-01..2025-07-01 1"]


def test_payments_are_added_moved_and_removed(world: World) -> None:
    payments = [("2024-10-01", "100"), ("2024-11-01", "200")]
    world.customer_balance(world.prepaid("C", ("5000", YEAR), payments=payments, paid_on="contract"))
    schedule = world.balance("C").invoice_schedule
    assert schedule is not None

    edit(
        world,
        changed_payments=(PaymentChange(schedule.items[0].id, utc("2024-10-05"), number("150")),),
        removed_payments=(schedule.items[1].id,),
        added_payments=(Payment(utc("2024-08-10"), number("50"), number("2")),),
    )

    assert scheduled(world) == ["SCHEDULED FINALIZED 2024-08-10 100", "SCHEDULED DRAFT 2024-10-05 150"]


def test_a_payment_on_a_final_invoice_stays_as_it_is(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR), payments=[("2024-08-01", "100")], paid_on="contract"))
    schedule = world.balance("C").invoice_schedule
    assert schedule is not None
    item_id = schedule.items[0].id

    change = {"changed_payments": (PaymentChange(item_id, unit_price=Decimal(1)),)}
    remove = {"removed_payments": (item_id,)}
    assert "is on FINALIZED invoice" in refused(world, lambda: edit(world, **change))
    assert "is on FINALIZED invoice" in refused(world, lambda: edit(world, **remove))
    (invoice,) = world.invoices(type=InvoiceType.SCHEDULED)
    world.void(invoice)
    assert "is on VOID invoice" in refused(world, lambda: edit(world, **remove))
    edit(world, **change)
    assert headline(world.regenerate(invoice)) == "SCHEDULED FINALIZED 2024-08-01 1"


def test_both_items_of_a_postpaid_commit_change_together(world: World) -> None:
    world.contract("other", starting_at="2024-08-01", commits=[world.postpaid("C", "10000", "2024-08")])
    balance = world.balance("C")
    assert balance.invoice_schedule is not None
    less = SegmentChange(balance.segments[0].id, amount=Decimal(8000))
    payment = PaymentChange(balance.invoice_schedule.items[0].id, unit_price=Decimal(8000))

    assert "same amount" in refused(world, lambda: edit(world, changed_segments=(less,)))
    edit(world, changed_segments=(less,), changed_payments=(payment,))

    assert scheduled(world) == ["SCHEDULED DRAFT 2024-09-01 8000"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removed_segments": (SegmentId(NOWHERE),)}, "no segment"),
        ({"changed_segments": (SegmentChange(SegmentId(NOWHERE)),)}, "no segment"),
        ({"removed_payments": (NOWHERE,)}, "no invoice schedule item"),
        ({"product_id": ProductId(NOWHERE)}, "no product"),
        ({"specifiers": (Specifier(product_tags=("a",)),), "applicable_product_tags": ("a",)}, "cannot stand beside"),
        ({"applicable_contract_ids": (ContractId(NOWHERE),)}, "no contract"),
        ({"added_payments": (Payment(utc("2024-09-01"), Decimal(1)),)}, "invoice_contract_id: is missing"),
        (
            {"added_segments": (NewSegment(Decimal(1), utc("2024-09-01"), utc("2024-09-01")),)},
            "access_schedule.add_schedule_items[0].ending_before",
        ),
    ],
)
def test_an_edit_that_breaks_a_rule_is_refused(world: World, change: dict[str, object], message: str) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR)))

    assert message in refused(world, lambda: edit(world, **change))


def test_the_last_segment_stays(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR)))
    only = world.balance("C").segments[0].id

    assert "no segment left" in refused(world, lambda: edit(world, removed_segments=(only,)))


def test_contracts_are_chosen_for_the_customers_own_balances_only(world: World) -> None:
    world.contract("other", starting_at="2024-08-01", credits=[world.credit("C", ("5000", YEAR))])

    assert "balances of the customer" in refused(world, lambda: edit(world, applicable_contract_ids=()))


def test_a_commit_is_not_edited_as_a_credit(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR)))

    with pytest.raises(NotFound):
        balance_edits.edit_credit(world.context, acme(world), world.balance("C").id, BalanceChange())
    with pytest.raises(NotFound):
        balance_edits.edit_commit(world.context, acme(world), BalanceId(NOWHERE), BalanceChange())


# Archiving -----------------------------------------------------------------------------------------------------------


def test_an_archived_credit_is_out_of_use(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", YEAR)))
    world.use("P", "2024-08-02", "3")

    balance_ends.archive_credit(world.context, acme(world), world.balance("C").id)

    assert world.invoice("2024-08").total == 3000
    assert (world.left("C"), world.ledger("C"), world.net()) == ("0", [], "0")
    assert world.listed_balances() == []
    assert world.listed_balances(include_archived=True) == ["C"]


def test_a_commit_is_archived_after_its_invoices_are_void(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR), payments=[("2024-08-20", "100")], paid_on="contract"))
    world.use("P", "2024-08-02", "3")
    world.travel("2024-09-02")

    def archive() -> None:
        balance_ends.archive_commit(world.context, acme(world), world.balance("C").id)

    usage = world.invoice("2024-08")
    (payment,) = world.invoices(type=InvoiceType.SCHEDULED)
    assert f"{usage.id} drew on" in refused(world, archive)
    world.void(usage)
    assert f"{payment.id} bills" in refused(world, archive)
    world.void(payment)
    archive()

    assert world.regenerate(usage).total == 3000
    assert "archived already" in refused(world, archive)
    assert "archived" in refused(world, lambda: edit(world, description="D"))
    assert "archived" in refused(world, lambda: enter(world, "1"))


def test_the_payments_ahead_go_with_an_archived_commit(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("5000", YEAR), payments=[("2024-09-20", "100")], paid_on="contract"))

    balance_ends.archive_commit(world.context, acme(world), world.balance("C").id)
    world.travel("2024-10-01")

    assert scheduled(world) == []


# Ending --------------------------------------------------------------------------------------------------------------


def end(world: World, access: str | None = None, payments: str | None = None) -> Balance:
    return balance_ends.update_commit_end_date(
        world.context,
        acme(world),
        world.balance("C").id,
        None if access is None else utc(access),
        None if payments is None else utc(payments),
    )


def test_access_and_payments_end_earlier(world: World) -> None:
    payments = [("2024-09-01", "100"), ("2024-10-01", "200"), ("2024-11-01", "300")]
    world.customer_balance(
        world.prepaid("C", ("100", "2024-08"), ("200", "2024-10"), payments=payments, paid_on="contract")
    )

    end(world, "2024-08-20", "2024-10-01")

    assert segments(world) == ["2024-08-01..2024-08-20 100"]
    assert scheduled(world) == ["SCHEDULED DRAFT 2024-09-01 100"]


def test_only_access_or_only_payments_may_end(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("100", YEAR), payments=[("2024-09-01", "100")], paid_on="contract"))

    end(world, access="2025-01-01")
    assert (segments(world), len(scheduled(world))) == (["2024-06-01..2025-01-01 100"], 1)
    end(world, payments="2025-01-01")  # after the last of them
    assert len(scheduled(world)) == 1
    end(world, payments="2024-09-01")
    assert scheduled(world) == []


def test_an_end_is_only_moved_to_an_earlier_date(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("100", YEAR)))

    assert "later than the end there is" in refused(world, lambda: end(world, "2025-06-02"))
    assert "not after the start of access" in refused(world, lambda: end(world, "2024-06-01"))
    assert "hour boundary" in refused(world, lambda: end(world, "2024-09-01T00:30"))
    assert "send it" in refused(world, lambda: end(world))


def test_access_that_went_with_an_earlier_end_of_the_contract_cannot_end_again() -> None:
    world = World("2024-08-15")
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-10"))])
    contracts.update_contract_end_date(world.context, acme(world), world.contracts["contract"], utc("2024-09-01"))

    assert segments(world) == []
    assert "no access left" in refused(world, lambda: end(world, "2024-09-01"))


def test_a_postpaid_commit_is_not_ended(world: World) -> None:
    world.customer_balance(world.postpaid("C", "10000", "2024-08", paid_on="contract"))

    with pytest.raises(InvalidRequest, match="POSTPAID"):
        end(world, "2024-08-20")


def test_access_does_not_end_before_what_a_final_invoice_drew(drawn: World) -> None:
    def end_credit(date: str) -> None:
        balance_ends.update_credit_end_date(drawn.context, acme(drawn), drawn.balance("C").id, utc(date))

    text = refused(drawn, lambda: end_credit("2024-08-20"))
    end_credit("2024-09-01")

    assert text.startswith("access_ending_before: ")
    assert segments(drawn) == ["2024-06-01..2024-09-01 5000"]
    assert drawn.ledger("C")[-1] == "2024-09-01 CREDIT_EXPIRATION -2000"  # 5000 - 3000


def test_a_payment_that_is_billed_is_not_taken_back(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("100", YEAR), payments=[("2024-08-01", "100")], paid_on="contract"))

    with pytest.raises(NotAllowedNow, match="invoices_ending_before: this item is on FINALIZED invoice"):
        end(world, access="2025-01-01", payments="2024-07-01")
    assert segments(world) == ["2024-06-01..2025-06-01 100"]  # all or nothing


def test_lists_show_what_an_edit_made(world: World) -> None:
    world.customer_balance(world.credit("C", ("5000", "2024-08")))

    edit(world, added_segments=(NewSegment(Decimal(1), utc("2024-12-01"), utc("2025-01-01")),))

    found = list_balances(world.context, acme(world), BalanceFilter(covering_date=utc("2024-12-15")))
    assert [one.name for one in found] == ["C"]
