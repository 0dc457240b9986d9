"""What a contract bills by date: scheduled charges, discounts, professional services, on which invoice."""

from __future__ import annotations

from typing import Any

import pytest
from builders import number, utc
from worlds import Number, World, headline

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.payment_schedules import (
    AmountDistribution,
    Payment,
    PaymentFrequency,
    RecurringPayments,
    expand,
)
from metronome_sandbox.domain.recurring import Recurring, UnitAmount
from metronome_sandbox.domain.scheduled_charges import ProfessionalService
from metronome_sandbox.services import contract_edits, contracts, products
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.contract_edits import NewServiceLine
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm


def term(world: World, name: str | None, *payments: tuple[str, Number], **others: Any) -> NewScheduledTerm:
    """A scheduled charge or a discount that bills ``(date, amount)``."""
    items = tuple(Payment(utc(at), number(amount)) for at, amount in payments)
    return NewScheduledTerm(world.commitment, NewPayments(items, **others), name)


def repeated(
    world: World, name: str, amount: Number, start: str, end: str, frequency: str, distribution: str = "EACH"
) -> NewScheduledTerm:
    schedule = RecurringPayments(
        utc(start), utc(end), PaymentFrequency(frequency), AmountDistribution(distribution), number(amount)
    )
    return NewScheduledTerm(world.commitment, NewPayments(expand(schedule, "schedule")), name)


def headlines(world: World, **conditions: Any) -> list[str]:
    return [headline(one) for one in world.invoices(**conditions)]


def scheduled(world: World) -> list[Invoice]:
    return world.invoices(type="SCHEDULED")


def test_g35_a_quarterly_fee_shares_its_first_invoice_with_the_payment_of_a_commit() -> None:
    world = World("2024-10-15")
    fee = repeated(world, "Support", "100000", "2024-11-01", "2025-11-01", "QUARTERLY")
    commit = world.prepaid("C", ("1000000", "2024-11-01..2025-11-01"), payments=[("2024-11-01", "1000000")])
    world.contract(starting_at="2024-11-01", scheduled_charges=(fee,), commits=[commit])

    assert headlines(world) == [
        "SCHEDULED DRAFT 2024-11-01 1100000",  # 1000000 + 100000
        "SCHEDULED DRAFT 2025-02-01 100000",
        "SCHEDULED DRAFT 2025-05-01 100000",
        "SCHEDULED DRAFT 2025-08-01 100000",
    ]
    assert world.lines(scheduled(world)[0]) == ["C 1 @ 1000000 = 1000000", "Support 1 @ 100000 = 100000"]


def test_g40_an_amount_is_divided_with_and_without_rounding() -> None:
    world = World("2024-12-15")
    whole = repeated(world, "Whole", "100", "2025-01-01", "2025-04-01", "MONTHLY", "DIVIDED_ROUNDED")
    exact = repeated(world, "Exact", "100", "2025-01-01", "2025-04-01", "MONTHLY", "DIVIDED")
    world.contract(starting_at="2025-01-01", scheduled_charges=(whole, exact))

    shown = [world.lines(invoice) for invoice in scheduled(world)]

    assert [lines[0] for lines in shown] == [
        "Whole 1 @ 33 = 33",
        "Whole 1 @ 33 = 33",
        "Whole 1 @ 34 = 34",  # 100 - 33 - 33
    ]
    assert {lines[1] for lines in shown} == {"Exact 1 @ ~33.333333 = ~33.333333"}  # 100 / 3


def test_a_charge_repeats_by_the_week() -> None:
    world = World("2024-12-15")
    world.contract(
        starting_at="2025-01-01",
        scheduled_charges=(repeated(world, "Desk", "10", "2025-01-01", "2025-01-20", "WEEKLY"),),
    )

    assert headlines(world) == [
        "SCHEDULED DRAFT 2025-01-01 10",
        "SCHEDULED DRAFT 2025-01-08 10",
        "SCHEDULED DRAFT 2025-01-15 10",
    ]


def test_a_charge_is_final_at_its_date_and_knows_its_invoice() -> None:
    world = World("2024-12-15")
    contract = world.contract(starting_at="2025-01-01", scheduled_charges=(term(world, None, ("2025-01-10", "50")),))
    (draft,) = scheduled(world)

    world.travel("2025-01-10")

    (final,) = scheduled(world)
    assert (headline(final), final.id) == ("SCHEDULED FINALIZED 2025-01-10 50", draft.id)
    assert world.lines(final) == ["Commitment 1 @ 50 = 50"]  # without a name it is the product's
    (item,) = contract.scheduled_charges[0].schedule.items
    assert world.store.settled[item.id] == final.id


def test_a_charge_of_the_past_is_final_at_once() -> None:
    world = World("2024-08-15")
    world.contract(starting_at="2024-08-01", scheduled_charges=(term(world, "Setup", ("2024-08-01", "50")),))

    assert headlines(world, type="SCHEDULED") == ["SCHEDULED FINALIZED 2024-08-01 50"]


def test_a_discount_takes_off_what_a_charge_of_its_date_costs() -> None:
    world = World("2024-12-15")
    world.contract(
        starting_at="2025-01-01",
        scheduled_charges=(term(world, "Support", ("2025-01-01", "1000")),),
        discounts=(term(world, "Welcome", ("2025-01-01", "300")),),
    )

    (invoice,) = scheduled(world)

    assert world.lines(invoice) == ["Support 1 @ 1000 = 1000", "Welcome 1 @ -300 = -300"]
    assert headline(invoice) == "SCHEDULED DRAFT 2025-01-01 700"  # 1000 - 300


def test_a_charge_in_another_currency_has_an_invoice_of_its_own() -> None:
    world = World("2024-12-15")
    euros = term(world, "Support", ("2025-01-01", "10"), credit_type_id=world.currency("EUR"))
    world.contract(starting_at="2025-01-01", scheduled_charges=(term(world, "Support", ("2025-01-01", "1000")), euros))

    assert sorted(headlines(world)) == ["SCHEDULED DRAFT 2025-01-01 10", "SCHEDULED DRAFT 2025-01-01 1000"]


# --- on usage invoices


@pytest.fixture
def consolidated() -> World:
    """7500 a month from January to April 2025 on usage invoices, with usage of 3 * 1000 in January."""
    world = World("2024-12-31")
    world.product("P", "1000")
    fee = repeated(world, "Fee", "7500", "2025-01-01", "2025-05-01", "MONTHLY")
    world.contract(starting_at="2025-01-01", scheduled_charges=(fee,), charges_on_usage_invoices=True)
    world.travel("2025-01-01")
    world.use("P", "2025-01-01", "3")
    return world


def test_g36_a_charge_goes_on_the_usage_invoice_that_ends_on_its_day(consolidated: World) -> None:
    assert headlines(consolidated)[:2] == [
        "SCHEDULED FINALIZED 2025-01-01 7500",  # no usage period ends on January 1
        "USAGE 2025-01 DRAFT 2025-02-02 10500",  # 3 * 1000 + 7500
    ]
    assert consolidated.lines(consolidated.invoice("2025-01")) == ["P 3 @ 1000 = 3000", "Fee 1 @ 7500 = 7500"]

    consolidated.travel("2025-02-02")

    assert headlines(consolidated) == [
        "SCHEDULED FINALIZED 2025-01-01 7500",
        "USAGE 2025-01 FINALIZED 2025-02-02 10500",
        "USAGE 2025-02 DRAFT 2025-03-02 7500",
    ]


def test_a_charge_that_waits_for_a_usage_invoice_is_not_billed_twice(consolidated: World) -> None:
    consolidated.travel("2025-06-15")

    charged = [line for one in consolidated.invoices() for line in consolidated.lines(one) if line.startswith("Fee")]
    assert charged == ["Fee 1 @ 7500 = 7500"] * 4  # January to April


def test_no_balance_pays_for_a_charge_on_a_usage_invoice(consolidated: World) -> None:
    consolidated.customer_balance(consolidated.credit("R", ("100000", "2025-01")))

    assert consolidated.lines(consolidated.invoice("2025-01")) == [
        "P 3 @ 1000 = 3000 [R]",
        "R applied -3000",
        "Fee 1 @ 7500 = 7500",
    ]


def test_a_regenerated_usage_invoice_carries_its_charges_again(consolidated: World) -> None:
    consolidated.travel("2025-02-15")
    voided = consolidated.void(consolidated.invoice("2025-01"))

    again = consolidated.regenerate(voided)

    assert headline(again) == "USAGE 2025-01 FINALIZED 2025-02-02 10500"
    charge = consolidated.store.contracts[again.contract_id].scheduled_charges[0]
    assert consolidated.store.settled[charge.schedule.items[1].id] == again.id


def test_a_charge_of_another_day_gets_an_invoice_of_its_own() -> None:
    world = World("2024-12-31")
    world.contract(
        starting_at="2025-01-01",
        scheduled_charges=(term(world, "Fee", ("2025-01-31", "10"), ("2025-02-01T12:00", "20")),),
        charges_on_usage_invoices=True,
    )

    world.travel("2025-01-31")

    assert headlines(world)[0] == "SCHEDULED FINALIZED 2025-01-31 10"
    assert headline(world.invoice("2025-01")) == "USAGE 2025-01 DRAFT 2025-02-02 20"  # noon of the day it ends


def test_the_payment_of_a_commit_goes_on_the_usage_invoice_as_well() -> None:
    world = World("2024-12-31")
    commit = world.prepaid("C", ("500", "2025-01-01..2026-01-01"), payments=[("2025-02-01", "500")])
    world.contract(starting_at="2025-01-01", commits=[commit], charges_on_usage_invoices=True)

    world.travel("2025-01-15")

    assert headlines(world) == ["USAGE 2025-01 DRAFT 2025-02-02 500"]


def test_a_recurring_commit_of_75_dollars_is_paid_with_the_usage_of_the_month_before() -> None:
    # The worked example of the guide "Create a contract" (pricing, section 4.16).
    world = World("2024-12-31")
    world.product("P", "1000")
    seventy_five = UnitAmount(number(7500), number(1), USD_CENTS)
    monthly = Recurring(
        RecurringId(""),
        BalanceType.PREPAID,
        world.commitment,
        seventy_five,
        number(100),
        utc("2025-01-01"),
        1,
        name="Monthly",
        price=seventy_five,
    )
    world.contract(starting_at="2025-01-01", recurring_commits=(NewRecurring(monthly),), charges_on_usage_invoices=True)
    world.travel("2025-01-05")
    world.use("P", "2025-01-05", "10")  # 10000 in January, of which the grant of January pays 7500

    world.travel("2025-02-02")

    assert headlines(world)[:2] == [
        "SCHEDULED FINALIZED 2025-01-01 7500",
        "USAGE 2025-01 FINALIZED 2025-02-02 10000",  # 10000 - 7500 + 7500 for February
    ]


# --- the end


def test_an_earlier_end_drops_what_would_be_billed_afterwards_and_a_later_one_brings_nothing_back() -> None:
    world = World("2024-12-15")
    fee = repeated(world, "Fee", "10", "2025-01-01", "2025-04-01", "MONTHLY")
    contract = world.contract(starting_at="2025-01-01", scheduled_charges=(fee,), discounts=(fee,))
    world.travel("2025-01-15")

    for end in ("2025-02-15", "2025-12-01"):
        contracts.update_contract_end_date(world.context, contract.customer_id, contract.id, utc(end))

    assert headlines(world, type="SCHEDULED") == [
        "SCHEDULED FINALIZED 2025-01-01 0",  # 10 - 10
        "SCHEDULED DRAFT 2025-02-01 0",
    ]


# --- void and regenerate


def test_a_voided_charge_is_billed_again_on_request_only() -> None:
    world = World("2024-12-15")
    world.contract(starting_at="2025-01-01", scheduled_charges=(term(world, "Fee", ("2025-01-01", "10")),))
    world.travel("2025-01-02")
    (invoice,) = scheduled(world)

    world.void(invoice)
    world.travel("2025-01-10")
    assert headlines(world, type="SCHEDULED") == ["SCHEDULED VOID 2025-01-01 10"]

    again = world.regenerate(invoice)
    assert headline(again) == "SCHEDULED FINALIZED 2025-01-01 10"
    (item,) = world.store.contracts[again.contract_id].scheduled_charges[0].schedule.items
    assert world.store.settled[item.id] == again.id


# --- professional services


@pytest.fixture
def serviced() -> World:
    """A migration at 20000 a day, at most 100000."""
    world = World("2024-08-15")
    new = products.NewProduct("Migration", ProductType.PRO_SERVICE)
    world.products["Migration"] = products.create_product(world.context, new).id
    service = ProfessionalService("", world.products["Migration"], number(20000), number(5), number(100000))
    world.contract(starting_at="2024-08-01", professional_services=(service,))
    return world


def invoiced(world: World, at: str, *lines: tuple[Number, Number], **others: Any) -> Invoice:
    contract = world.store.contracts[world.contracts["contract"]]
    (service,) = contract.professional_services
    return contract_edits.schedule_pro_services_invoice(
        world.context,
        contract.customer_id,
        contract.id,
        utc(at),
        [NewServiceLine(service.id, number(price), number(quantity), **others) for price, quantity in lines],
    )


def test_professional_services_are_invoiced_on_request_only(serviced: World) -> None:
    assert scheduled(serviced) == []

    draft = invoiced(serviced, "2024-09-01", (20000, 3))

    assert headline(draft) == "SCHEDULED DRAFT 2024-09-01 60000"  # 3 * 20000
    assert serviced.lines(draft) == ["Migration 3 @ 20000 = 60000"]
    serviced.travel("2024-09-01")
    (final,) = scheduled(serviced)
    assert (final.id, final.status) == (draft.id, InvoiceStatus.FINALIZED)


def test_a_date_that_is_over_makes_a_final_invoice(serviced: World) -> None:
    assert headline(invoiced(serviced, "2024-08-10", (20000, 1), (500, 2))) == "SCHEDULED FINALIZED 2024-08-10 21000"


def test_more_than_was_agreed_cannot_be_invoiced_unless_an_earlier_invoice_is_void(serviced: World) -> None:
    first = invoiced(serviced, "2024-08-10", (20000, 4))
    with pytest.raises(NotAllowedNow, match=r"^line_items\[0\]: .* would come to 100001, above its max_amount 100000"):
        invoiced(serviced, "2024-08-20", (20001, 1))  # 4 * 20000 + 20001

    serviced.void(first)

    assert headline(invoiced(serviced, "2024-08-20", (20001, 1))) == "SCHEDULED DRAFT 2024-08-20 20001"


def test_a_service_of_another_contract_cannot_be_invoiced(serviced: World) -> None:
    other = serviced.contract("other")
    line = NewServiceLine("8c1d4f0a-3e5b-5a72-9d61-4b7f2c8e0a13", number(1))

    with pytest.raises(InvalidRequest, match=r"^line_items\[0\]\.professional_service_id: contract .* has no service"):
        contract_edits.schedule_pro_services_invoice(
            serviced.context, other.customer_id, other.id, utc("2024-09-01"), [line]
        )


# --- what is refused


def test_a_charge_needs_a_fixed_product_a_date_and_a_currency() -> None:
    world = World()
    world.product("P", "1000")
    good = term(world, "Fee", ("2024-09-01", "10"))
    usage = NewScheduledTerm(world.products["P"], good.payments)
    unknown = term(world, "Fee", ("2024-09-01", "10"), credit_type_id="8c1d4f0a-3e5b-5a72-9d61-4b7f2c8e0a13")

    for charge, message in (
        (usage, r"scheduled_charges\[1\]\.product_id: .* is a USAGE product; this needs FIXED"),
        (term(world, "Fee"), r"scheduled_charges\[1\]\.schedule\.schedule_items: is empty"),
        (
            term(world, "Fee", ("2024-09-01", "10"), do_not_invoice=True),
            r"scheduled_charges\[1\]\.schedule\.do_not_invoice: is for commits",
        ),
    ):
        with pytest.raises(InvalidRequest, match=message):
            world.contract(scheduled_charges=(good, charge))
    with pytest.raises(NotFound, match="no credit type 8c1d4f0a"):
        world.contract(scheduled_charges=(unknown,))
    assert not world.contracts


def test_a_discount_of_less_than_nothing_is_refused() -> None:
    world = World()

    with pytest.raises(InvalidRequest, match=r"^discounts\[0\]\.schedule\.schedule_items\[1\]\.amount: -1 is less"):
        world.contract(discounts=(term(world, "Off", ("2024-09-01", "10"), ("2024-10-01", "-1")),))
