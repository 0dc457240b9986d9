"""Invoices: listed, read, cut into windows, voided and made again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from builders import utc
from worlds import World, headline, span

from metronome_sandbox.domain.errors import CustomerNotFound, InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services import contracts, invoices
from metronome_sandbox.services.invoices import InvoiceFilter

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    return world


def shown(found: Sequence[Invoice]) -> list[str]:
    return [headline(one) for one in found]


@pytest.fixture
def mixed(world: World) -> World:
    """Imports final and waiting, a generated draft, a payment made and one ahead."""
    payments = [("2024-07-10", "5"), ("2024-08-25", "6")]
    world.imported(commits=[world.prepaid("C", ("11", "2024-06-01..2025-01-01"), payments=payments, products=[])])
    world.import_(
        world.historical("2024-06", {"P": "1"}), world.historical("2024-07", {"P": "2"}, issue_date="2024-08-20")
    )
    return world


# Reading -------------------------------------------------------------------------------------------------------------


def test_invoices_come_by_issue_time_stored_ones_and_drafts_merged(mixed: World) -> None:
    found = invoices.list_invoices(mixed.context, mixed.customers["Acme"])
    expected = [
        "USAGE 2024-06 FINALIZED 2024-07-03 989",  # 1000 - 11 of C
        "SCHEDULED FINALIZED 2024-07-10 5",
        "USAGE 2024-07 DRAFT 2024-08-20 2000",
        "SCHEDULED DRAFT 2024-08-25 6",
        "USAGE 2024-08 DRAFT 2024-09-02 0",
    ]

    assert shown(found) == expected
    newest = invoices.list_invoices(mixed.context, mixed.customers["Acme"], newest_first=True)
    assert shown(newest) == expected[::-1]


def test_a_list_is_a_sequence(mixed: World) -> None:
    for newest_first in (False, True):
        found = invoices.list_invoices(mixed.context, mixed.customers["Acme"], newest_first=newest_first)
        everything = list(found)
        assert len(found) == len(everything) == 5
        assert [found[place] for place in range(5)] == everything
        for cut in (slice(1, 3), slice(0, 2), slice(3, 99), slice(4, None)):
            assert found[cut] == everything[cut]


def test_equal_issue_times_go_by_start_then_id(world: World) -> None:
    world.imported()
    world.imported(name="other")
    at = "2024-08-10"
    world.import_(
        world.historical("2024-07", {"P": "3"}, issue_date=at),
        world.historical("2024-06", {"P": "1"}, issue_date=at),
        world.historical("2024-06", {"P": "2"}, issue_date=at, contract="other"),
    )

    found = world.invoices(status=InvoiceStatus.FINALIZED)

    assert found[2].total == 3000
    assert [one.id for one in found[:2]] == sorted(one.id for one in found[:2])


@pytest.mark.parametrize(
    ("conditions", "places"),
    [
        ({"status": InvoiceStatus.FINALIZED}, [0, 1]),
        ({"status": InvoiceStatus.DRAFT}, [2, 3, 4]),
        ({"status": InvoiceStatus.VOID}, []),
        ({"type": InvoiceType.SCHEDULED}, [1, 3]),
        ({"type": InvoiceType.USAGE, "status": InvoiceStatus.DRAFT}, [2, 4]),
        ({"starting_on": "2024-07-01"}, [1, 2, 3, 4]),
        ({"starting_on": "2024-07-01T00:01"}, [1, 3, 4]),
        ({"ending_before": "2024-08-01"}, [0, 1, 2]),
        ({"ending_before": "2024-07-31T23:59"}, [0, 1]),
        ({"starting_on": "2024-07-01", "ending_before": "2024-08-01"}, [1, 2]),
        ({"starting_on": "2024-07-10", "ending_before": "2024-07-10"}, [1]),  # a payment is filtered by its issue time
    ],
)
def test_a_list_is_narrowed_by_every_condition(mixed: World, conditions: dict[str, Any], places: list[int]) -> None:
    everything = mixed.invoices()
    dates = {
        name: utc(value) if name in ("starting_on", "ending_before") else value for name, value in conditions.items()
    }

    assert mixed.invoices(**dates) == [everything[place] for place in places]


def test_a_list_is_narrowed_by_contract_and_currency(mixed: World) -> None:
    mixed.contract("other", starting_at="2024-08-01")

    assert shown(mixed.invoices(contract_id=mixed.contracts["other"])) == ["USAGE 2024-08 DRAFT 2024-09-02 0"]
    assert mixed.invoices(credit_type_id=mixed.currency("EUR")) == []
    assert len(mixed.invoices(credit_type_id=mixed.currency("USD (cents)"))) == 6


def test_an_invoice_is_read_as_the_list_shows_it(mixed: World) -> None:
    for listed in mixed.invoices():
        assert invoices.get_invoice(mixed.context, mixed.customers["Acme"], listed.id) == listed


def test_an_invoice_is_found_with_its_customer_only(mixed: World) -> None:
    initech = mixed.customer("Initech")

    for listed in mixed.invoices():
        with pytest.raises(NotFound, match=f"no invoice {listed.id}"):
            invoices.get_invoice(mixed.context, initech, listed.id)
        with pytest.raises(CustomerNotFound):
            invoices.get_invoice(mixed.context, CustomerId(NOWHERE), listed.id)
    with pytest.raises(NotFound):
        invoices.get_invoice(mixed.context, mixed.customers["Acme"], InvoiceId(NOWHERE))
    with pytest.raises(CustomerNotFound):
        invoices.list_invoices(mixed.context, CustomerId(NOWHERE))


# Windows -------------------------------------------------------------------------------------------------------------


def test_a_generated_month_has_every_day_until_now(world: World) -> None:
    world.contract(starting_at="2024-08-01", credits=[world.credit("R", ("2500", "2024-08"))])
    world.use("P", "2024-08-02T10:00", "2")
    world.use("P", "2024-08-02T23:59", "0.25")
    world.use("P", "2024-08-05", "3")

    found = world.breakdowns("DAY", "2024-08")

    assert list(found) == [f"2024-08-{day:02}" for day in range(1, 15)]  # the 15th begins now
    assert found["2024-08-01"] == ["P 0 @ 1000 = 0"]
    assert found["2024-08-02"] == ["P 2.25 @ 1000 = 2250 [R]", "R applied -2250"]
    assert found["2024-08-05"] == ["P 0.25 @ 1000 = 250 [R]", "R applied -250", "P 2.75 @ 1000 = 2750"]


def test_hours_of_an_import_add_up_to_days_and_days_have_no_hours(world: World) -> None:
    world.imported()
    hours = {"2024-06-01T01:00": "1", "2024-06-01T23:00": "2", "2024-06-02T00:00": "4"}
    by_hour = [world.line("P", hours, "2024-06", size="HOUR")]
    world.import_(
        world.historical("2024-06", by_hour, granularity="HOUR"),
        world.historical("2024-07", {"P": {"2024-07-05": "1"}}, granularity="DAY"),
    )

    assert world.breakdowns("DAY", "2024-06") == {
        "2024-06-01": ["P 3 @ 1000 = 3000"],
        "2024-06-02": ["P 4 @ 1000 = 4000"],
    }
    assert list(world.breakdowns("HOUR", "2024-06")) == ["2024-06-01T01:00", "2024-06-01T23:00", "2024-06-02"]
    assert world.breakdowns("HOUR", "2024-07") == {}


def test_windows_lie_inside_the_asked_time(world: World) -> None:
    world.imported()
    days = {f"2024-06-{day:02}": "1" for day in range(1, 31)}
    world.import_(world.historical("2024-06", {"P": days}, granularity="DAY"))

    assert list(world.breakdowns("DAY", "2024-06-10..2024-06-12")) == ["2024-06-10", "2024-06-11"]
    assert list(world.breakdowns("DAY", "2024-06-10T01:00..2024-06-12T23:00")) == ["2024-06-11"]
    assert world.breakdowns("DAY", "2024-07-01..2024-08-01") == {}


def test_windows_of_several_invoices_come_in_the_order_of_time(world: World) -> None:
    world.imported()
    world.imported(name="other")
    days = {"2024-06-01": "1", "2024-06-02": "2"}
    world.import_(
        world.historical("2024-06", {"P": days}, granularity="DAY"),
        world.historical("2024-06", {"P": days}, granularity="DAY", contract="other"),
    )
    chosen = InvoiceFilter(starting_on=utc("2024-06-01"), ending_before=utc("2024-07-01"))

    for newest_first in (False, True):
        found = [
            item.window.starting_at
            for _, item in invoices.list_breakdowns(
                world.context, world.customers["Acme"], WindowSize.DAY, chosen, newest_first=newest_first
            )
        ]
        assert len(found) == 4
        assert found == sorted(found, reverse=newest_first)


def test_only_standing_usage_invoices_have_windows(mixed: World) -> None:
    june = mixed.invoice("2024-06")
    mixed.void(june)
    assert mixed.breakdowns("DAY", "2024-06-01..2024-08-01") == {}
    assert set(mixed.breakdowns("DAY", "2024-08", status=InvoiceStatus.DRAFT)) == set(
        mixed.breakdowns("DAY", "2024-08")
    )
    assert mixed.breakdowns("DAY", "2024-08", status=InvoiceStatus.FINALIZED) == {}


@pytest.mark.parametrize(
    ("conditions", "path"),
    [
        ({"starting_on": utc("2024-07-01"), "ending_before": utc("2024-07-01")}, "ending_before"),
        ({"starting_on": utc("2024-07-02"), "ending_before": utc("2024-07-01")}, "ending_before"),
        ({"starting_on": utc("2024-07-01")}, "ending_before"),
        ({"ending_before": utc("2024-07-01")}, "starting_on"),
        (
            {"starting_on": utc("2024-06-01"), "ending_before": utc("2024-07-01"), "status": InvoiceStatus.VOID},
            "status",
        ),
    ],
)
def test_what_cannot_be_cut(mixed: World, conditions: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        invoices.list_breakdowns(mixed.context, mixed.customers["Acme"], WindowSize.DAY, InvoiceFilter(**conditions))

    assert caught.value.path == path


def test_dates_the_wrong_way_round_are_both_shown(mixed: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        mixed.breakdowns("DAY", "2024-07-02..2024-07-01")

    assert str(caught.value) == (
        "ending_before: 2024-07-01T00:00:00+00:00 is not after starting_on 2024-07-02T00:00:00+00:00"
    )


def test_late_usage_shows_in_the_windows_of_an_invoice_that_is_final(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.travel("2024-09-02")

    world.use("P", "2024-08-31", "2")

    assert headline(world.invoice("2024-08")) == "USAGE 2024-08 FINALIZED 2024-09-02 0"
    assert world.breakdowns("DAY", "2024-08")["2024-08-31"] == ["P 2 @ 1000 = 2000"]


def broken_down(world: World, during: str) -> Decimal:
    """What the days of a period come to."""
    period = span(during)
    chosen = invoices.InvoiceFilter(starting_on=period.starting_at, ending_before=period.ending_before)
    found = invoices.list_breakdowns(world.context, world.customers["Acme"], WindowSize.DAY, chosen)
    return sum((item.total for _, item in found), Decimal(0))


def test_the_windows_of_a_final_invoice_keep_what_it_bills_beside_usage(world: World) -> None:
    """August: a seat in arrears for 9000, a tenth of it for support, 2 * 1000 of usage; then 3 * 1000 come late."""
    world.subscribable("Seat", "9000")
    world.composite("Support", "0.1", of=["Seat"])
    world.contract(starting_at="2024-08-01", subscriptions=(world.subscribed("Seat", "1", collection="ARREARS"),))
    world.use("P", "2024-08-14", "2")
    world.travel("2024-09-02")
    assert world.invoice("2024-08").total == 9000 + 900 + 2000
    assert broken_down(world, "2024-08") == 11900

    world.use("P", "2024-08-31", "3")

    assert world.invoice("2024-08").total == 11900
    assert broken_down(world, "2024-08") == 11900 + 3000


# Voiding -------------------------------------------------------------------------------------------------------------


def test_a_voided_invoice_keeps_everything_but_its_status(mixed: World) -> None:
    june = mixed.invoice("2024-06")

    voided = mixed.void(june)

    assert voided.status is InvoiceStatus.VOID
    assert (voided.lines, voided.total, voided.issued_at, voided.id) == (
        june.lines,
        june.total,
        june.issued_at,
        june.id,
    )
    assert invoices.get_invoice(mixed.context, june.customer_id, june.id) == voided


def test_only_what_is_final_can_be_voided(mixed: World) -> None:
    final, _, waiting, payment, draft = mixed.invoices()
    mixed.void(final)
    before = mixed.dump()

    for invoice, status in ((final, "VOID"), (waiting, "DRAFT"), (payment, "DRAFT"), (draft, "DRAFT")):
        with pytest.raises(NotAllowedNow, match=f"id: invoice {invoice.id} is {status}; only FINALIZED"):
            mixed.void(invoice)
    with pytest.raises(NotFound):
        invoices.void_invoice(mixed.context, InvoiceId(NOWHERE))
    assert mixed.dump() == before


def test_a_void_makes_a_later_expiry_larger(world: World) -> None:
    world.imported(commits=[world.prepaid("C", ("5000", "2024-06"))])
    (june,) = world.import_(world.historical("2024-06", {"P": "3"}))
    assert world.ledger("C")[-1] == "2024-07-01 PREPAID_COMMIT_EXPIRATION -2000"  # 5000 - 3000

    world.void(june)

    assert world.ledger("C")[-1] == "2024-07-01 PREPAID_COMMIT_EXPIRATION -5000"
    assert world.left("C") == "0"


# Making again --------------------------------------------------------------------------------------------------------


def test_only_what_is_void_can_be_made_again(mixed: World) -> None:
    for invoice in mixed.invoices():
        with pytest.raises(NotAllowedNow, match=f"id: invoice {invoice.id} is .*; only VOID"):
            mixed.regenerate(invoice)
    with pytest.raises(NotFound):
        invoices.regenerate_invoice(mixed.context, InvoiceId(NOWHERE))


def test_what_is_made_again_has_a_new_id_and_names_the_old_one(mixed: World) -> None:
    june = mixed.invoice("2024-06")
    mixed.void(june)

    again = mixed.regenerate(june)

    assert again.id != june.id
    assert again.regenerated_from_invoice_id == june.id
    assert (again.status, again.issued_at, again.period) == (InvoiceStatus.FINALIZED, june.issued_at, june.period)
    assert (again.lines, again.total, again.is_imported) == (june.lines, june.total, True)
    assert invoices.get_invoice(mixed.context, june.customer_id, again.id) == again


def test_it_is_made_once_while_its_successor_stands(mixed: World) -> None:
    june = mixed.invoice("2024-06")
    mixed.void(june)
    second = mixed.regenerate(june)
    with pytest.raises(NotAllowedNow, match=f"invoice {second.id} .* bills this period again"):
        mixed.regenerate(june)

    mixed.void(second)
    third = mixed.regenerate(second)

    assert len({june.id, second.id, third.id}) == 3
    for void in (june, second):
        with pytest.raises(NotAllowedNow):
            mixed.regenerate(void)


def test_a_payment_is_made_again_once_while_any_successor_stands(mixed: World) -> None:
    payment = mixed.invoices(type=InvoiceType.SCHEDULED)[0]
    mixed.void(payment)
    second = mixed.regenerate(payment)
    mixed.void(second)
    third = mixed.regenerate(second)

    assert (third.total, third.lines, third.issued_at) == (payment.total, payment.lines, payment.issued_at)
    assert len({payment.id, second.id, third.id}) == 3
    for void in (payment, second):
        with pytest.raises(NotAllowedNow, match="again"):
            mixed.regenerate(void)


def test_a_generated_invoice_is_made_again_from_todays_usage_prices_and_balances(world: World) -> None:
    world.contract(starting_at="2024-07-01")
    world.travel("2024-08-16")
    july = world.invoice("2024-07")
    assert headline(july) == "USAGE 2024-07 FINALIZED 2024-08-02 0"
    world.use("P", "2024-07-20", "3")  # too late for the first one
    world.rate("P", "2000", starting_at="2024-07-01")
    world.customer_balance(world.credit("R", ("4000", "2024-07")))

    world.void(july)
    again = world.regenerate(july)

    assert world.lines(again) == ["P 2 @ 2000 = 4000 [R]", "R applied -4000", "P 1 @ 2000 = 2000"]  # 4000 / 2000
    assert headline(again) == "USAGE 2024-07 FINALIZED 2024-08-02 2000"
    assert again.is_imported is False


def test_it_is_made_again_with_what_drafts_of_earlier_periods_leave(world: World) -> None:
    world.imported(credits=[world.credit("R", ("3000", "2024-06-01..2025-01-01"))])
    world.import_(world.historical("2024-06", {"P": "2"}, issue_date="2024-09-01"))
    (july,) = world.import_(world.historical("2024-07", {"P": "2"}))
    world.void(july)

    again = world.regenerate(july)

    assert (july.total, again.total) == (1000, 1000)  # June's draft holds 2000 of the 3000
    assert world.invoice("2024-06").total == 0


def test_a_contract_that_ends_earlier_now_is_billed_until_then(world: World) -> None:
    """Reference 2.6: finalized invoices pick up an edit by void and regenerate."""
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-05", "1")
    world.use("P", "2024-08-12", "2")
    world.travel("2024-09-02")
    august = world.invoice("2024-08")
    contracts.update_contract_end_date(
        world.context, world.customers["Acme"], world.contracts["contract"], utc("2024-08-10")
    )

    world.void(august)
    again = world.regenerate(august)

    assert headline(again) == "USAGE 2024-08-01..2024-08-10 FINALIZED 2024-09-02 1000"


def test_what_lies_behind_the_contracts_end_is_not_made_again(world: World) -> None:
    world.contract(starting_at="2024-07-01")
    world.travel("2024-09-02")
    august = world.invoice("2024-08")
    contracts.update_contract_end_date(
        world.context, world.customers["Acme"], world.contracts["contract"], utc("2024-08-01")
    )
    world.void(august)

    with pytest.raises(NotAllowedNow, match="id: "):
        world.regenerate(august)


def test_nothing_is_made_again_on_an_archived_contract(mixed: World) -> None:
    june = mixed.invoice("2024-06")
    mixed.void(june)
    contracts.archive_contract(mixed.context, june.customer_id, june.contract_id, void_invoices=False)

    with pytest.raises(NotAllowedNow, match="is archived"):
        mixed.regenerate(june)


def test_the_period_may_have_been_imported_again_in_the_meantime(mixed: World) -> None:
    june = mixed.invoice("2024-06")
    mixed.void(june)
    (second,) = mixed.import_(mixed.historical("2024-06-10..2024-06-20", {"P": "1"}))

    with pytest.raises(NotAllowedNow, match=f"invoice {second.id} .* bills this period again"):
        mixed.regenerate(june)


def test_void_and_make_again_many_times_leaves_the_balance_alone(world: World) -> None:
    world.imported(commits=[world.prepaid("C", ("25000", "2024-06-01..2025-01-01"))])
    (june,) = world.import_(world.historical("2024-06", {"P": "10"}))

    for _ in range(3):
        world.void(june)
        assert world.left("C") == "25000"
        june = world.regenerate(june)
        assert world.left("C") == "15000"

    assert june.total == Decimal(0)
    assert len(world.ledger("C")) == 2


def test_void_invoices_are_listed_before_what_bills_them_again(world: World) -> None:
    """All of them have one issue time and one start."""
    world.imported()
    found = world.import_(world.historical("2024-06", {"P": "1"}))
    for _ in range(5):
        world.void(found[-1])
        found.append(world.regenerate(found[-1]))

    listed = [one.id for one in world.invoices() if one.is_imported]
    assert listed == [one.id for one in found]
    newest_first = invoices.list_invoices(world.context, world.customers["Acme"], newest_first=True)
    assert [one.id for one in newest_first if one.is_imported] == listed[::-1]
