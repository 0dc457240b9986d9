"""What every store promises. Written against ``store/interface.py``; a new form joins by one line in ``FORMS``."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from store_rows import balance, contract, day, days, draw, event, invoice, schedule

from metronome_sandbox.domain.amounts import CreditType
from metronome_sandbox.domain.ids import CreditTypeId, CustomerId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.store.interface import Store
from metronome_sandbox.store.memory import MemoryStore

FORMS: list[Callable[[], Store]] = [MemoryStore]


@pytest.fixture(params=FORMS)
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.param()
    return made


def unit(name: str, label: str = "") -> CreditType:
    return CreditType(CreditTypeId(name), label or name, is_currency=True)


def put_units(store: Store, *names: str) -> None:
    with store.transaction():
        for name in names:
            store.credit_types.put(CreditTypeId(name), unit(name))


def put_invoices(store: Store, *invoices: Invoice) -> None:
    with store.transaction():
        for each in invoices:
            store.invoices.put(each.id, each)


def names(ids: object) -> list[str]:
    return [str(each).removeprefix("invoice ") for each in ids]  # type: ignore[attr-defined]


# Tables --------------------------------------------------------------------------------------------------------------


def test_a_new_store_is_empty(store: Store) -> None:
    assert len(store.customers) == len(store.invoices) == 0
    assert list(store.events.values()) == []
    assert store.customers.get(CustomerId("nobody")) is None
    assert "nobody" not in store.customers
    with pytest.raises(KeyError):
        store.customers[CustomerId("nobody")]


def test_a_table_keeps_the_order_of_the_first_put(store: Store) -> None:
    put_units(store, "b", "a", "c")
    with store.transaction():
        store.credit_types.put(CreditTypeId("b"), unit("b", "again"))

    assert [one.name for one in store.credit_types.values()] == ["again", "a", "c"]
    assert store.credit_types[CreditTypeId("b")] == unit("b", "again")
    assert len(store.credit_types) == 3
    assert "a" in store.credit_types


def test_what_was_put_is_read_inside_the_transaction_too(store: Store) -> None:
    with store.transaction():
        store.credit_types.put(CreditTypeId("a"), unit("a"))
        assert store.credit_types.get(CreditTypeId("a")) == unit("a")
        store.contracts.put(contract(1).id, contract(1))
        assert list(store.contracts_of.ids("acme")) == ["contract 1"]


def test_tables_are_apart(store: Store) -> None:
    put_units(store, "a")

    assert len(store.products) == len(store.uniqueness_keys) == 0


def test_two_stores_share_nothing(store: Store) -> None:
    put_units(store, "a")

    assert len(type(store)().credit_types) == 0


# Transactions --------------------------------------------------------------------------------------------------------


class Stop(Exception):
    pass


def fail(store: Store, *changes: Callable[[], None], error: type[BaseException] = Stop) -> None:
    """Make changes in a transaction that raises."""

    def change_and_raise() -> None:
        with store.transaction():
            for change in changes:
                change()
            raise error

    with pytest.raises(error):
        change_and_raise()


def test_a_transaction_that_raises_leaves_no_trace(store: Store) -> None:
    put_units(store, "a", "b")
    put_invoices(store, invoice(1, draws=[draw(1, "5")]))
    first = store.invoices[invoice(1).id]

    fail(
        store,
        lambda: store.credit_types.put(CreditTypeId("a"), unit("a", "changed")),
        lambda: store.credit_types.put(CreditTypeId("c"), unit("c")),
        lambda: store.credit_types.put(CreditTypeId("c"), unit("c", "changed")),
        lambda: store.invoices.put(first.id, msgspec.structs.replace(first, status=InvoiceStatus.VOID)),
        lambda: store.invoices.put(invoice(2).id, invoice(2, draws=[draw(1, "7")])),
    )

    assert [one.name for one in store.credit_types.values()] == ["a", "b"]
    assert list(store.invoices.values()) == [first]
    assert names(store.invoices_of.ids("acme")) == ["1"]
    assert names(store.invoices_drawing_on.ids("balance 1")) == ["1"]
    assert store.drawn.get(SegmentId("balance 1/1"), Decimal(-1)) == 5


def test_the_order_of_a_table_survives_a_transaction_that_raises(store: Store) -> None:
    put_units(store, "a", "b")

    fail(store, lambda: store.credit_types.put(CreditTypeId("c"), unit("c")))
    put_units(store, "d", "c")

    assert [one.name for one in store.credit_types.values()] == ["a", "b", "d", "c"]


def test_after_a_transaction_that_raised_another_one_goes_well(store: Store) -> None:
    fail(store, lambda: store.credit_types.put(CreditTypeId("a"), unit("a")))

    put_units(store, "a")

    assert len(store.credit_types) == 1


def test_transactions_do_not_nest(store: Store) -> None:
    with store.transaction():
        store.credit_types.put(CreditTypeId("a"), unit("a"))
        with pytest.raises(RuntimeError), store.transaction():
            pass
        store.credit_types.put(CreditTypeId("b"), unit("b"))

    assert len(store.credit_types) == 2


def test_nothing_is_put_outside_of_a_transaction(store: Store) -> None:
    with pytest.raises(RuntimeError):
        store.credit_types.put(CreditTypeId("a"), unit("a"))

    assert len(store.credit_types) == 0


def test_a_keyboard_interrupt_rolls_back_too(store: Store) -> None:
    fail(store, lambda: store.credit_types.put(CreditTypeId("a"), unit("a")), error=KeyboardInterrupt)

    assert len(store.credit_types) == 0


# Revision ------------------------------------------------------------------------------------------------------------


def test_the_revision_grows_with_every_transaction_that_changes_something(store: Store) -> None:
    seen = [store.revision]
    for name in "ab":
        put_units(store, name)
        seen.append(store.revision)

    assert seen == sorted(set(seen))


def test_the_revision_stands_still_when_nothing_changes(store: Store) -> None:
    put_units(store, "a")
    before = store.revision

    with store.transaction():
        store.credit_types.get(CreditTypeId("a"))
    fail(store, lambda: store.credit_types.put(CreditTypeId("b"), unit("b")))

    assert store.revision == before


# Indexes -------------------------------------------------------------------------------------------------------------


def test_contracts_and_balances_of_a_customer_come_in_the_order_of_creation(store: Store) -> None:
    with store.transaction():
        for number, customer in ((2, "acme"), (1, "acme"), (3, "hooli")):
            store.contracts.put(contract(number).id, contract(number, customer=customer))
            store.balances.put(balance(number).id, balance(number, customer=customer))

    assert list(store.contracts_of.ids("acme")) == ["contract 1", "contract 2"]
    assert list(store.balances_of.ids("acme")) == ["balance 1", "balance 2"]
    assert list(store.contracts_of.ids("hooli")) == ["contract 3"]
    assert list(store.contracts_of.ids("nobody")) == []
    assert store.contracts_of.ids("acme")[1] == "contract 2"
    assert len(store.contracts_of.ids("acme")[:1]) == 1


def test_balances_are_found_by_whose_usage_may_draw_on_them(store: Store) -> None:
    with store.transaction():
        for each in (
            balance(1),
            balance(2, of=7),
            balance(3, kept_for=(7, 8, 7)),
            balance(4, of=7, archived=True),
            balance(5),
        ):
            store.balances.put(each.id, each)

    assert list(store.balances_open_to.ids("acme")) == ["balance 1", "balance 5"]
    assert list(store.balances_open_to.ids("contract 7")) == ["balance 2", "balance 3"]
    assert list(store.balances_open_to.ids("contract 8")) == ["balance 3"]


def test_balances_are_found_by_whose_invoices_carry_their_payments(store: Store) -> None:
    with store.transaction():
        for each in (balance(1), balance(2, paid_on=7), balance(3, paid_on=7, is_postpaid=True)):
            store.balances.put(each.id, each)

    assert list(store.balances_paid_on.ids("contract 7")) == ["balance 2", "balance 3"]
    assert list(store.true_ups_of.ids("acme")) == ["balance 3"]


def test_the_contract_whose_period_ends_first_is_due_first(store: Store) -> None:
    due = {1: days(0, 31), 2: days(5, 12), 3: days(4, 12), 4: None, 5: days(0, 1)}
    with store.transaction():
        for number, period in due.items():
            store.contracts.put(contract(number).id, contract(number, next_period=period, archived=number == 5))
    assert list(store.contracts_due.ids("")) == ["contract 3", "contract 2", "contract 1"]

    with store.transaction():
        store.contracts.put(contract(3).id, contract(3, next_period=days(12, 40)))
        store.contracts.put(contract(2).id, contract(2))
        store.contracts.put(contract(4).id, contract(4, next_period=days(0, 2)))
    assert list(store.contracts_due.ids("")) == ["contract 4", "contract 1", "contract 3"]


def test_the_earliest_charge_is_due_first(store: Store) -> None:
    with store.transaction():
        for number, at in ((1, 9), (2, 3), (3, 3), (4, None), (5, 1)):
            charge_at = None if at is None else day(at)
            store.contracts.put(contract(number).id, contract(number, charge_at=charge_at, archived=number == 5))

    assert list(store.charges_due.ids("")) == ["contract 2", "contract 3", "contract 1"]


def test_invoices_of_a_customer_go_by_issue_time_then_start_then_id(store: Store) -> None:
    put_invoices(
        store,
        invoice(5, issued_at=day(9), period=days(0, 1)),
        invoice(4, issued_at=day(7), period=days(3, 4)),
        invoice(3, issued_at=day(7), period=days(2, 4)),
        invoice(2, issued_at=day(7)),  # without a period: its issue time counts
        invoice(1, issued_at=day(7), period=days(2, 9)),
        invoice(6, issued_at=day(1), customer="hooli"),
    )

    assert names(store.invoices_of.ids("acme")) == ["1", "3", "4", "2", "5"]
    assert names(store.invoices_of.ids("hooli")) == ["6"]


def test_invoices_on_a_contract_go_by_the_start_of_their_period_voided_ones_too(store: Store) -> None:
    put_invoices(
        store,
        invoice(1, period=days(10, 20), status="VOID"),
        invoice(2, period=days(10, 20)),
        invoice(3, period=days(0, 10)),
        invoice(4, issued_at=day(5)),
        invoice(5, period=days(30, 40), status="DRAFT"),
        invoice(6, period=days(10, 20), on=2),
    )
    on = store.invoices_on

    assert names(on.ids("contract 1")) == ["3", "4", "1", "2", "5"]
    assert names(on.starting_with("contract 1", day(10))) == ["1", "2"]
    assert names(on.starting_with("contract 1", day(11))) == []
    assert names(on.starting_with("contract 9", day(10))) == []
    assert names(on.before("contract 1", day(10))) == ["4", "3"]
    assert names(on.before("contract 1", day(99))) == ["5", "2", "1", "4", "3"]
    assert names(on.before("contract 1", day(0))) == []
    assert names(on.before("contract 9", day(10))) == []


def test_waiting_imports_are_found_for_the_tenant_and_for_each_customer(store: Store) -> None:
    put_invoices(
        store,
        invoice(1, status="DRAFT", issued_at=day(5)),
        invoice(2, status="DRAFT", issued_at=day(4), customer="hooli"),
        invoice(3, status="DRAFT", issued_at=day(3)),
        invoice(4, issued_at=day(1)),
    )
    assert names(store.stored_drafts.ids("")) == ["3", "2", "1"]
    assert names(store.stored_drafts.ids("acme")) == ["3", "1"]

    put_invoices(store, invoice(3, issued_at=day(3)))

    assert names(store.stored_drafts.ids("")) == ["2", "1"]
    assert names(store.stored_drafts.ids("acme")) == ["1"]


def test_finalized_invoices_are_found_by_what_they_draw_on(store: Store) -> None:
    put_invoices(
        store,
        invoice(1, period=days(10, 20), draws=[draw(1, "5"), draw(1, "1", segment=2), draw(2, "3")]),
        invoice(2, period=days(0, 10), draws=[draw(1, "4")]),
        invoice(3, period=days(0, 10), draws=[draw(1, "4")], status="DRAFT"),
        invoice(4, period=days(0, 10), draws=[draw(1, "4")], status="VOID"),
    )
    assert names(store.invoices_drawing_on.ids("balance 1")) == ["2", "1"]
    assert names(store.invoices_drawing_on.ids("balance 2")) == ["1"]

    put_invoices(store, invoice(1, period=days(10, 20), draws=[draw(2, "3")]))

    assert names(store.invoices_drawing_on.ids("balance 1")) == ["2"]


def test_events_go_by_time_under_the_name_they_carry(store: Store) -> None:
    events = [event("c", day(2)), event("b", day(1)), event("a", day(2)), event("d", day(0), customer="hooli")]
    with store.transaction():
        for each in events:
            store.events.put(each.transaction_id, each)

    assert list(store.events_of.ids("acme")) == ["b", "a", "c"]
    assert list(store.events_of.ids("hooli")) == ["d"]


def test_rates_of_a_card_go_by_the_order_of_their_first_rate(store: Store) -> None:
    with store.transaction():
        for each in (schedule(2), schedule(1), schedule(3, card="other")):
            store.rate_schedules.put(each.key, each)
        store.rate_schedules.put(schedule(2).key, schedule(2))

    assert [key.product_id for key in store.rate_keys.ids("card")] == ["product 1", "product 2"]


# What was drawn ------------------------------------------------------------------------------------------------------


def drawn(store: Store, segment: str = "balance 1/1") -> Decimal:
    return store.drawn.get(SegmentId(segment), Decimal(0))


def test_only_what_is_final_has_drawn(store: Store) -> None:
    put_invoices(store, invoice(1, draws=[draw(1, "5")], status="DRAFT"))
    assert drawn(store) == 0

    put_invoices(store, invoice(1, draws=[draw(1, "4")]))
    assert drawn(store) == 4

    put_invoices(store, invoice(1, draws=[draw(1, "4")], status="VOID"))
    assert drawn(store) == 0


def test_what_a_void_invoice_drew_leaves_no_digit_behind(store: Store) -> None:
    third = (
        "0.3333333333333333333333333333"  # 50 and a third of 28 digits are rounded, so the third cannot be taken off
    )
    put_invoices(store, invoice(1, draws=[draw(1, "50")]), invoice(2, draws=[draw(1, third)]))
    put_invoices(store, invoice(2, draws=[draw(1, third)], status="VOID"))
    assert str(drawn(store)) == "50"

    put_invoices(store, invoice(1, draws=[draw(1, "50")], status="VOID"))
    assert str(drawn(store)) == "0"


def test_draws_add_up_for_each_segment(store: Store) -> None:
    put_invoices(
        store,
        invoice(1, draws=[draw(1, "5"), draw(1, "1", segment=2), draw(1, "0.5")]),
        invoice(2, draws=[draw(1, "0.0001"), draw(2, "7")]),
    )

    assert drawn(store) == Decimal("5.5001")
    assert drawn(store, "balance 1/2") == 1
    assert drawn(store, "balance 2/1") == 7
    assert store.drawn.get(SegmentId("nothing"), Decimal("-1")) == -1
