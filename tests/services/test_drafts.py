"""Drafts: computed when somebody asks, from everything as it is now."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.domain.invoices import InvoiceStatus, InvoiceType
from metronome_sandbox.services import contracts, customers
from metronome_sandbox.services import drafts as draft_service
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import drafts_of


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    return world


def drafts(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(status=InvoiceStatus.DRAFT)]


def test_a_draft_is_stored_nowhere(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    before = world.dump()

    (draft,) = world.invoices()

    assert draft.id not in world.store.invoices
    assert world.dump() == before


def test_a_draft_follows_usage_prices_and_balances(world: World) -> None:
    world.contract(starting_at="2024-08-01")

    shown = [drafts(world)]
    world.use("P", "2024-08-02", "3")
    shown.append(drafts(world))
    world.rate("P", "2000", starting_at="2024-08-01")
    shown.append(drafts(world))
    world.customer_balance(world.credit("R", ("5000", "2024-08")))
    shown.append(drafts(world))

    assert [total for (total,) in shown] == [
        "USAGE 2024-08 DRAFT 2024-09-02 0",
        "USAGE 2024-08 DRAFT 2024-09-02 3000",  # 3 * 1000
        "USAGE 2024-08 DRAFT 2024-09-02 6000",  # 3 * 2000
        "USAGE 2024-08 DRAFT 2024-09-02 1000",  # 6000 - 5000
    ]


def test_a_draft_keeps_its_id_from_its_first_day_on_until_after_it_is_final(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    (first,) = world.invoices()
    world.use("P", "2024-08-02", "3")

    ids = {first.id}
    for at in ("2024-08-31", "2024-09-01T12:00", "2024-09-02", "2024-12-01"):
        world.travel(at)
        ids.add(world.invoice("2024-08").id)

    assert ids == {first.id}


def test_a_draft_appears_when_its_period_begins_without_anything_being_written(world: World) -> None:
    world.contract(starting_at="2024-08-20")
    assert drafts(world) == []
    revision = world.store.revision

    world.travel("2024-08-20")

    assert drafts(world) == ["USAGE 2024-08-20..2024-09-01 DRAFT 2024-09-02 0"]
    assert world.store.revision == revision


def test_the_next_draft_begins_while_the_last_one_is_in_its_grace_period(world: World) -> None:
    world.contract(starting_at="2024-08-01")

    world.travel("2024-09-01")

    assert drafts(world) == ["USAGE 2024-08 DRAFT 2024-09-02 0", "USAGE 2024-09 DRAFT 2024-10-02 0"]


def test_late_usage_counts_while_the_grace_period_runs(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.travel("2024-09-01T23:00")
    world.use("P", "2024-08-31T23:59", "2")
    assert drafts(world)[0] == "USAGE 2024-08 DRAFT 2024-09-02 2000"

    world.travel("2024-09-02")
    world.use("P", "2024-08-31T23:59", "5")

    assert headline(world.invoice("2024-08")) == "USAGE 2024-08 FINALIZED 2024-09-02 2000"


def test_usage_of_the_first_instant_counts_and_of_the_end_does_not(world: World) -> None:
    world.contract(starting_at="2024-08-01", ending_before="2024-08-15")

    for at, quantity in (
        ("2024-07-31T23:59:59", "1"),
        ("2024-08-01", "10"),
        ("2024-08-14T23:59:59", "100"),
        ("2024-08-15", "1000"),
    ):
        world.use("P", at, quantity)

    assert world.lines(world.invoice("2024-08-01..2024-08-15")) == ["P 110 @ 1000 = 110000"]


def test_usage_under_an_alias_is_the_customers(world: World) -> None:
    world.customer("Acme", "acme", "acme-eu")
    world.contract(starting_at="2024-08-01")

    world.use("P", "2024-08-02", "1", name="acme")
    world.use("P", "2024-08-02", "2", name="acme-eu")
    world.use("P", "2024-08-02", "4", name="Acme")
    world.use("P", "2024-08-02", "8", name="somebody else")

    assert world.lines(world.invoice("2024-08")) == ["P 7 @ 1000 = 7000"]  # 1 + 2 + 4


def test_usage_that_came_before_its_customer_counts(world: World) -> None:
    world.use("P", "2024-08-02", "3", name="acme")

    world.customer("Acme", "acme")
    world.contract(starting_at="2024-08-01")

    assert world.lines(world.invoice("2024-08")) == ["P 3 @ 1000 = 3000"]


def test_every_entitled_product_has_a_line_and_dimensions_where_they_are_used(world: World) -> None:
    world.product("free", "0")
    world.product("closed", "5", entitled=False)
    world.product("Q", pricing=("region",))
    world.rate("Q", "7", pricing={"region": "eu"})
    world.rate("Q", "9", pricing={"region": "us"})
    world.contract(starting_at="2024-08-01")
    world.use("Q", "2024-08-02", "2", region="us")
    world.use("Q", "2024-08-02", "4", region="moon")  # no rate
    world.use("closed", "2024-08-02", "4")

    assert world.lines(world.invoice("2024-08")) == ["P 0 @ 1000 = 0", "free 0 @ 0 = 0", "Q region=us 2 @ 9 = 18"]


def test_lines_are_in_the_order_in_which_the_card_got_its_products(world: World) -> None:
    world.product("A")
    world.product("B", "2")
    world.rate("A", "1")
    world.contract(starting_at="2024-08-01")

    assert world.lines(world.invoice("2024-08")) == ["P 0 @ 1000 = 0", "B 0 @ 2 = 0", "A 0 @ 1 = 0"]


def test_presentation_groups_have_lines_of_their_own(world: World) -> None:
    world.product("Q", tiers=[("5", "0"), (None, "100")], presentation=("project",))
    world.contract(starting_at="2024-08-01")
    world.use("Q", "2024-08-02", "7", project="a")
    world.use("Q", "2024-08-02", "6", project="b")

    assert world.lines(world.invoice("2024-08"))[1:] == [
        "Q - Tier 1 project=a 5 @ 0 = 0",
        "Q - Tier 2 project=a 2 @ 100 = 200",  # 7 - 5
        "Q - Tier 1 project=b 5 @ 0 = 0",
        "Q - Tier 2 project=b 1 @ 100 = 100",  # 6 - 5
    ]


def test_a_price_that_changes_in_mid_month_cuts_the_line(world: World) -> None:
    world.rate("P", "2000", starting_at="2024-08-10")
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-09T23:59", "3")
    world.use("P", "2024-08-10", "4")

    assert world.lines(world.invoice("2024-08")) == [
        "(2024-08-01..2024-08-10) P 3 @ 1000 = 3000",
        "(2024-08-10..2024-09-01) P 4 @ 2000 = 8000",
    ]


def test_a_contract_without_a_card_bills_nothing(world: World) -> None:
    world.contract(starting_at="2024-08-01", without_card=True)
    world.use("P", "2024-08-02", "3")

    assert world.lines(world.invoice("2024-08")) == []


# Shared balances (Q34, Q36) ------------------------------------------------------------------------------------------


def test_an_earlier_period_is_served_before_a_later_one(world: World) -> None:
    world.contract("second", starting_at="2024-08-10")
    world.contract("first", starting_at="2024-08-01")
    world.customer_balance(world.credit("R", ("3000", "2024-08")))

    world.use("P", "2024-08-12", "2")

    shown = {name: world.lines(world.invoices(contract_id=world.contracts[name])[-1]) for name in ("first", "second")}
    assert shown == {
        "first": ["P 2 @ 1000 = 2000 [R]", "R applied -2000"],
        "second": ["P 1 @ 1000 = 1000 [R]", "R applied -1000", "P 1 @ 1000 = 1000"],  # 3000 - 2000
    }


def test_at_equal_starts_the_older_contract_is_served_first(world: World) -> None:
    for name in ("older", "newer"):
        world.contract(name, starting_at="2024-08-01")
    world.customer_balance(world.credit("R", ("3000", "2024-08")))

    world.use("P", "2024-08-12", "2")

    left = {name: world.invoice("2024-08", contract_id=world.contracts[name]).total for name in ("older", "newer")}
    assert left == {"older": 0, "newer": 1000}


def test_the_draft_of_a_grace_period_is_served_before_the_running_month(world: World) -> None:
    world.contract(starting_at="2024-08-01", credits=[world.credit("R", ("3000", "2024-08-01..2024-10-01"))])
    world.travel("2024-09-01T12:00")
    world.use("P", "2024-09-01T06:00", "2")
    assert drafts(world) == ["USAGE 2024-08 DRAFT 2024-09-02 0", "USAGE 2024-09 DRAFT 2024-10-02 0"]

    world.use("P", "2024-08-31", "2")

    # August takes 2000 of 3000, so September's 2000 find 1000.
    assert drafts(world) == ["USAGE 2024-08 DRAFT 2024-09-02 0", "USAGE 2024-09 DRAFT 2024-10-02 1000"]


def test_voiding_an_earlier_invoice_gives_the_later_draft_more(world: World) -> None:
    world.imported(credits=[world.credit("R", ("12000", "2024-06-01..2025-06-01"))])
    (june,) = world.import_(world.historical("2024-06", {"P": "10"}))
    world.use("P", "2024-08-02", "5")
    assert drafts(world) == ["USAGE 2024-08 DRAFT 2024-09-02 3000"]  # 12000 - 10000 = 2000 pay for two of five

    world.void(june)

    assert drafts(world) == ["USAGE 2024-08 DRAFT 2024-09-02 0"]


# What is remembered between two calls --------------------------------------------------------------------------------


def test_drafts_are_computed_once_while_nothing_changes(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    acme = world.customers["Acme"]
    first = drafts_of(world.context, acme)

    world.travel("2024-08-31T23:00")
    assert drafts_of(world.context, acme) is first

    world.use("P", "2024-08-31", "1")
    assert drafts_of(world.context, acme) is not first


def test_what_changes_in_another_tenant_computes_no_draft_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = draft_service._compute
    computed: list[Context] = []

    def counted(context: Context, customer_id: CustomerId, now: datetime) -> draft_service.Drafts:
        computed.append(context)
        return compute(context, customer_id, now)

    monkeypatch.setattr(draft_service, "_compute", counted)
    one, other = World(), World()
    for each in (one, other):
        each.product("P", "1000")
        each.contract(starting_at="2024-08-01")
        drafts(each)

    other.use("P", "2024-08-02", "1")
    drafts(one)
    assert computed == [one.context, other.context]

    drafts(other)
    assert computed == [one.context, other.context, other.context]


def test_a_clock_that_is_set_back_is_noticed(world: World) -> None:
    """Possible while a tenant has no contract, and after a reset of the clock in a test."""
    world.contract(starting_at="2024-08-20")
    world.travel("2024-08-21")
    assert len(drafts(world)) == 1

    world.clock.freeze(utc("2024-08-19"))

    assert drafts(world) == []


def test_a_transaction_that_raises_leaves_the_drafts_as_they_were(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    shown = drafts(world)

    def fail() -> None:
        with world.context.transaction():
            contract = world.store.contracts[world.contracts["contract"]]
            world.store.contracts.put(contract.id, msgspec.structs.replace(contract, archived_at=world.now))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert drafts(world) == shown


def test_customers_have_their_own_drafts(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.contract("Initech's", customer="Initech", starting_at="2024-08-01")
    world.use("P", "2024-08-02", "3")

    assert [headline(one) for one in world.invoices("Acme")] == ["USAGE 2024-08 DRAFT 2024-09-02 3000"]
    assert [headline(one) for one in world.invoices("Initech")] == ["USAGE 2024-08 DRAFT 2024-09-02 0"]
    hooli = customers.create_customer(world.context, customers.NewCustomer("Hooli"))
    assert drafts_of(world.context, hooli.id) == ()


# Payments ahead ------------------------------------------------------------------------------------------------------


def scheduled(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]


def test_a_payment_ahead_is_a_draft_with_the_commit_as_its_line(world: World) -> None:
    payments = [("2024-09-01", "60"), ("2024-10-01", "40")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])

    first, second = world.invoices(type=InvoiceType.SCHEDULED)

    assert scheduled(world) == ["SCHEDULED DRAFT 2024-09-01 60", "SCHEDULED DRAFT 2024-10-01 40"]
    assert (world.lines(first), world.lines(second)) == (["C 1 @ 60 = 60"], ["C 1 @ 40 = 40"])
    assert first.period is None
    assert first.lines[0].applied is not None
    assert first.lines[0].applied.id == world.balance("C").id


def test_payments_of_one_contract_and_date_share_an_invoice(world: World) -> None:
    world.contract(
        starting_at="2024-08-01",
        commits=[
            world.prepaid("C", ("100", "2024-08"), payments=[("2024-09-01", "60"), ("2024-10-01", "40")]),
            world.prepaid("D", ("100", "2024-08"), payments=[("2024-09-01", "7"), ("2024-09-01", "3")]),
        ],
    )
    world.contract(
        "other",
        starting_at="2024-08-01",
        commits=[world.prepaid("E", ("1", "2024-08"), payments=[("2024-09-01", "1")])],
    )

    assert sorted(scheduled(world)) == [
        "SCHEDULED DRAFT 2024-09-01 1",
        "SCHEDULED DRAFT 2024-09-01 70",  # 60 + 7 + 3
        "SCHEDULED DRAFT 2024-10-01 40",
    ]
    shared = world.invoices(type=InvoiceType.SCHEDULED, contract_id=world.contracts["contract"])[0]
    assert world.lines(shared) == ["C 1 @ 60 = 60", "D 1 @ 7 = 7", "D 1 @ 3 = 3"]


def test_a_customers_commit_is_paid_on_the_contract_that_it_names(world: World) -> None:
    payments = [("2024-09-01", "60")]
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("100", "2024-08"), payments=payments)])
    world.customer_balance(world.prepaid("D", ("100", "2024-08"), payments=[("2024-09-01", "5")], paid_on="contract"))

    assert scheduled(world) == ["SCHEDULED DRAFT 2024-09-01 65"]


def test_an_invoice_has_one_currency(world: World) -> None:
    payments = [("2024-09-01", "60")]
    euro = world.currency("EUR")
    world.contract(
        starting_at="2024-08-01",
        commits=[
            world.prepaid("C", ("100", "2024-08"), payments=payments),
            world.prepaid("D", ("100", "2024-08"), payments=payments, paid_in=euro),
        ],
    )

    def ids() -> set[str]:
        found = world.invoices(type=InvoiceType.SCHEDULED)
        assert [one.total for one in found] == [60, 60]
        assert [one.credit_type_id for one in found].count(euro) == 1
        return {one.id for one in found}

    before = ids()
    world.travel("2024-09-01")

    assert ids() == before
    assert scheduled(world) == ["SCHEDULED FINALIZED 2024-09-01 60"] * 2


def test_what_is_not_invoiced_brings_no_draft(world: World) -> None:
    payments = [("2024-09-01", "60")]
    world.contract(
        starting_at="2024-08-01",
        commits=[
            world.prepaid("C", ("100", "2024-08"), payments=payments, do_not_invoice=True),
            world.prepaid("D", ("100", "2024-08")),
        ],
    )

    assert scheduled(world) == []


def test_a_payment_of_a_quantity_shows_it(world: World) -> None:
    commit = world.prepaid("C", ("100", "2024-08"), payments=[("2024-09-01", "60")])
    assert commit.payments is not None
    item = msgspec.structs.replace(commit.payments.items[0], quantity=Decimal(3))
    three = msgspec.structs.replace(commit, payments=msgspec.structs.replace(commit.payments, items=(item,)))
    world.contract(starting_at="2024-08-01", commits=[three])

    (invoice,) = world.invoices(type=InvoiceType.SCHEDULED)

    assert world.lines(invoice) == ["C 3 @ 60 = 180"]
    assert invoice.total == 180


def test_no_draft_is_left_of_an_archived_contract(world: World) -> None:
    world.contract(
        starting_at="2024-08-01", commits=[world.prepaid("C", ("1", "2024-08"), payments=[("2024-09-01", "1")])]
    )

    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=False)

    assert world.invoices() == []
