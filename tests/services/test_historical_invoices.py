"""The rules of an import one by one: reference, sections 1.2 and 1.4. The figures are in ``golden/imports_api.yaml``.

Today is 2024-08-15, the contract began on 2024-06-01, the system makes invoices from 2024-08-01 on, P costs 1000.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.catalog import QuantityConversion, QuantityRounding
from metronome_sandbox.domain.errors import InvalidRequest, NotFound
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, ProductId
from metronome_sandbox.domain.invoices import BillableStatus, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services import contracts, invoices, rate_cards
from metronome_sandbox.services.historical_invoices import HistoricalInvoice, Subtotal

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.imported()
    return world


def refused(world: World, *batch: HistoricalInvoice) -> str:
    """The message that refuses the batch, as an import and as a preview; nothing of it may be stored."""
    before = world.dump()
    messages = set()
    for call in (world.import_, world.preview):
        with pytest.raises(InvalidRequest) as caught:
            call(*batch)
        messages.add(str(caught.value))
        assert world.dump() == before
    (message,) = messages
    return message


def june(world: World, quantity: Any = "10", **changes: Any) -> HistoricalInvoice:
    return msgspec.structs.replace(world.historical("2024-06", {"P": quantity}), **changes)


def june_line(world: World, **changes: Any) -> HistoricalInvoice:
    """June with its one line changed."""
    asked = june(world)
    return msgspec.structs.replace(asked, lines=(msgspec.structs.replace(asked.lines[0], **changes),))


# What comes back -----------------------------------------------------------------------------------------------------


def test_an_import_is_a_usage_invoice_with_the_period_and_the_issue_time_of_the_request(world: World) -> None:
    (invoice,) = world.import_(june(world, issue_date=utc("2024-07-03T10:30")))

    assert (invoice.type, invoice.status) == (InvoiceType.USAGE, InvoiceStatus.FINALIZED)
    assert (invoice.period.starting_at, invoice.period.ending_before) == (utc("2024-06-01"), utc("2024-07-01"))
    assert invoice.issued_at == utc("2024-07-03T10:30")
    assert invoice.credit_type_id == USD_CENTS
    assert invoice.is_imported


@pytest.mark.parametrize(
    ("issue_date", "status"),
    [("2024-08-15T00:00", "FINALIZED"), ("2024-08-15T00:01", "DRAFT"), ("2025-01-01", "DRAFT")],
)
def test_it_is_final_when_its_issue_date_is_not_ahead(world: World, issue_date: str, status: str) -> None:
    (previewed,) = world.preview(june(world, issue_date=utc(issue_date)))
    (invoice,) = world.import_(june(world, issue_date=utc(issue_date)))

    assert (previewed.status, invoice.status) == (status, status)


def test_billable_status_and_custom_fields_are_kept(world: World) -> None:
    (invoice,) = world.import_(
        june(world, billable_status=BillableStatus.UNBILLABLE, custom_fields={"legacy": "INV-7"})
    )

    stored = world.store.invoices[invoice.id]
    assert (stored.billable_status, stored.custom_fields) == (BillableStatus.UNBILLABLE, {"legacy": "INV-7"})


def test_nothing_answers_to_the_id_of_a_preview(world: World) -> None:
    (previewed,) = world.preview(june(world))

    with pytest.raises(NotFound):
        invoices.get_invoice(world.context, world.customers["Acme"], previewed.id)
    (imported,) = world.import_(june(world))
    assert imported.id != previewed.id
    assert invoices.get_invoice(world.context, world.customers["Acme"], imported.id) == imported


def test_an_import_of_nothing_is_nothing(world: World) -> None:
    assert world.import_() == []
    (empty,) = world.import_(world.historical("2024-06", {}))
    assert (headline(empty), empty.lines) == ("USAGE 2024-06 FINALIZED 2024-07-03 0", ())


def test_only_the_products_of_the_request_have_lines(world: World) -> None:
    world.product("Q", "5")

    (invoice,) = world.import_(june(world))

    assert world.lines(invoice) == ["P 10 @ 1000 = 10000"]


def test_usage_that_was_metered_in_an_imported_period_is_ignored(world: World) -> None:
    world.use("P", "2024-07-20", "99")

    (invoice,) = world.import_(world.historical("2024-07", {"P": "20"}))

    assert world.lines(invoice) == ["P 20 @ 1000 = 20000"]
    assert [headline(one) for one in world.invoices()] == [
        "USAGE 2024-07 FINALIZED 2024-08-03 20000",
        "USAGE 2024-08 DRAFT 2024-09-02 0",
    ]


# All or nothing ------------------------------------------------------------------------------------------------------


def test_one_wrong_invoice_refuses_the_batch_and_the_message_names_its_index(world: World) -> None:
    message = refused(world, june(world), world.historical("2024-07", {"P": "-1"}))

    assert message == "invoices[1].usage_line_items[0].quantity: -1 is less than 0"


def test_an_error_of_pricing_names_the_line_of_the_request(world: World) -> None:
    world.product("Q")  # no rate
    lines = [
        world.line("P", "1", "2024-07-16..2024-08-01"),
        world.line("Q", "1", "2024-07"),
        world.line("P", "1", "2024-07-01..2024-07-16"),
    ]

    message = refused(world, june(world), world.historical("2024-07", lines))

    assert message.startswith("invoices[1].usage_line_items[1].product_id: No such product in rate card")


# Whose ---------------------------------------------------------------------------------------------------------------


def test_an_unknown_customer_is_a_broken_request_and_not_a_missing_page(world: World) -> None:
    message = refused(world, june(world, customer_id=CustomerId(NOWHERE)))

    assert message == f"invoices[0].customer_id: no customer {NOWHERE} in this tenant"


def test_the_contract_must_exist_and_be_the_customers(world: World) -> None:
    world.contract("other", customer="Initech")

    for contract_id in (ContractId(NOWHERE), world.contracts["other"]):
        message = refused(world, june(world, contract_id=contract_id))
        assert message == (f"invoices[0].contract_id: customer {world.customers['Acme']} has no contract {contract_id}")


def test_nothing_is_imported_for_what_is_archived(world: World) -> None:
    acme, contract_id = world.customers["Acme"], world.contracts["contract"]
    contracts.archive_contract(world.context, acme, contract_id, void_invoices=False)
    assert refused(world, june(world)).startswith("invoices[0].contract_id: this contract is archived")

    contracts.archive_customer(world.context, acme)
    assert refused(world, june(world)).startswith("invoices[0].customer_id: this customer is archived")


def test_the_currency_is_that_of_the_rate_card(world: World) -> None:
    euro = world.currency("EUR")

    message = refused(world, june(world, credit_type_id=euro))

    assert message.startswith(f"invoices[0].credit_type_id: {euro} is not the currency of the contract's rate card")


def test_a_card_in_euro_takes_euro_only(world: World) -> None:
    euro = world.currency("EUR")
    world.card = rate_cards.create_rate_card(world.context, rate_cards.NewRateCard("Euro", fiat_credit_type_id=euro)).id
    world.rate("P", "9")
    world.imported(name="in euro")
    asked = world.historical("2024-06", {"P": "10"}, contract="in euro")

    assert refused(world, asked).startswith("invoices[0].credit_type_id:")
    (invoice,) = world.import_(msgspec.structs.replace(asked, credit_type_id=CreditTypeId(euro)))
    assert (invoice.credit_type_id, world.lines(invoice)) == (euro, ["P 10 @ 9 = 90"])


# When ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "path"),
    [
        (
            "2024-05-31..2024-07-01",
            "invoices[0].inclusive_start_date: 2024-05-31T00:00:00+00:00 is before the contract",
        ),
        ("2024-06-01..2024-06-01", "invoices[0].exclusive_end_date: 2024-06-01T00:00:00+00:00 is not after"),
        ("2024-07-01..2024-06-01", "invoices[0].exclusive_end_date: 2024-06-01T00:00:00+00:00 is not after"),
        (
            "2024-07-01..2024-08-01T01:00",
            "invoices[0].exclusive_end_date: 2024-08-01T01:00:00+00:00 is after 2024-08-01",
        ),
        ("2024-08", "invoices[0].exclusive_end_date: 2024-09-01T00:00:00+00:00 is after 2024-08-01"),
        ("2025-01", "invoices[0].exclusive_end_date: 2025-02-01T00:00:00+00:00 is after 2024-08-01"),
    ],
)
def test_the_period_lies_inside_the_contract_and_before_the_first_generated_one(
    world: World, period: str, path: str
) -> None:
    assert refused(world, world.historical(period, {})).startswith(path)


@pytest.mark.parametrize("period", ["2024-06-01..2024-08-01", "2024-06-03..2024-06-20", "2024-07-31T23:00..2024-08-01"])
def test_the_period_needs_no_alignment(world: World, period: str) -> None:
    (invoice,) = world.import_(world.historical(period, {"P": "1"}))

    assert world.lines(invoice) == ["P 1 @ 1000 = 1000"]


def test_the_period_ends_with_the_contract(world: World) -> None:
    world.contract("short", ending_before="2024-06-20", generation="2024-06-20")

    message = refused(world, world.historical("2024-06", {"P": "1"}, contract="short"))
    assert message.startswith("invoices[0].exclusive_end_date: 2024-07-01T00:00:00+00:00 is after the contract ends")

    world.import_(world.historical("2024-06-01..2024-06-20", {"P": "1"}, contract="short"))


def test_without_a_first_generated_instant_the_system_has_made_every_invoice_itself(world: World) -> None:
    world.contract("own")
    july = world.historical("2024-07", {"P": "1"}, contract="own")
    august = world.historical("2024-08", {"P": "1"}, contract="own")

    assert "overlaps usage invoice" in refused(world, july)
    assert "reaches into the period from 2024-08-01" in refused(world, august)

    world.void(world.invoice("2024-07", contract_id=world.contracts["own"]))
    (invoice,) = world.import_(july)
    assert headline(invoice) == "USAGE 2024-07 FINALIZED 2024-08-03 1000"


def test_two_periods_may_touch_and_not_overlap(world: World) -> None:
    first = world.historical("2024-06-01..2024-06-16", {"P": "1"})
    second = world.historical("2024-06-16..2024-07-01", {"P": "1"})
    both = world.historical("2024-06-15..2024-06-17", {"P": "1"})

    assert refused(world, first, second, both).startswith("invoices[2].inclusive_start_date: 2024-06-15")
    assert refused(world, both, first).startswith("invoices[1].inclusive_start_date: 2024-06-01")
    world.import_(first, second)
    for again in (first, second, both, june(world)):
        assert "overlaps usage invoice" in refused(world, again)


def test_the_same_period_on_another_contract_is_no_overlap(world: World) -> None:
    world.imported(name="other")

    world.import_(june(world), world.historical("2024-06", {"P": "2"}, contract="other"))

    final = world.invoices(status=InvoiceStatus.FINALIZED)
    assert sorted(map(headline, final)) == [
        "USAGE 2024-06 FINALIZED 2024-07-03 10000",
        "USAGE 2024-06 FINALIZED 2024-07-03 2000",
    ]


def test_the_same_request_again_is_refused(world: World) -> None:
    world.import_(june(world))

    assert refused(world, june(world)).startswith("invoices[0].inclusive_start_date:")


def test_an_import_that_is_still_a_draft_is_in_the_way_too(world: World) -> None:
    world.import_(june(world, issue_date=utc("2024-09-01")))

    assert "(DRAFT) of this contract" in refused(world, june(world))


# Lines ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "window", ["2024-05-31..2024-06-10", "2024-06-10..2024-07-02", "2024-06-10..2024-06-10", "2024-06-10..2024-06-09"]
)
def test_a_line_lies_inside_its_invoice(world: World, window: str) -> None:
    asked = world.historical("2024-06", [world.line("P", "1", window)])

    assert refused(world, asked).startswith("invoices[0].usage_line_items[0].inclusive_start_date: the window ")


def test_a_line_may_be_narrower_than_its_invoice(world: World) -> None:
    world.rate("P", "2000", starting_at="2024-06-16")
    first, second = "2024-06-01..2024-06-16", "2024-06-16..2024-07-01"

    (invoice,) = world.import_(world.historical("2024-06", [world.line("P", "4", second), world.line("P", "3", first)]))

    assert world.lines(invoice) == [
        f"({first}) P 3 @ 1000 = 3000",
        f"({second}) P 4 @ 2000 = 8000",
    ]


def test_a_product_must_exist(world: World) -> None:
    message = refused(world, june_line(world, product_id=ProductId(NOWHERE)))

    assert message == f"invoices[0].usage_line_items[0].product_id: no product {NOWHERE} in this tenant"


def test_a_product_must_be_metered(world: World) -> None:
    message = refused(world, june_line(world, product_id=world.commitment))

    assert "(Commitment) is a FIXED product; only USAGE can be imported" in message


def test_a_product_must_have_a_rate_when_the_line_begins(world: World) -> None:
    world.product("Q")
    world.rate("Q", "5", starting_at="2024-06-02")
    asked = world.historical("2024-06", [world.line("Q", "1", "2024-06")])

    message = refused(world, asked)

    assert message.startswith("invoices[0].usage_line_items[0].product_id: No such product in rate card")
    assert "has no rate at 2024-06-01T00:00:00+00:00" in message


def test_a_product_must_have_a_rate_for_its_group_values(world: World) -> None:
    world.product("Q", pricing=("region",))
    world.rate("Q", "5", pricing={"region": "eu"})
    for groups in ({"region": "us"}, {}, {"region": "eu", "cloud": "a"}):
        asked = world.historical("2024-06", [world.line("Q", "1", "2024-06", pricing=groups)])
        assert refused(world, asked).startswith("invoices[0].usage_line_items[0].product_id: No such product")

    (invoice,) = world.import_(world.historical("2024-06", [world.line("Q", "3", "2024-06", pricing={"region": "eu"})]))

    assert world.lines(invoice) == ["Q region=eu 3 @ 5 = 15"]


def test_a_product_need_not_be_entitled(world: World) -> None:
    world.product("Q", "5", entitled=False)

    (invoice,) = world.import_(world.historical("2024-06", {"Q": "2"}))

    assert world.lines(invoice) == ["Q 2 @ 5 = 10"]


def test_a_contract_without_a_card_prices_nothing(world: World) -> None:
    world.imported(name="bare", without_card=True)

    message = refused(world, world.historical("2024-06", {"P": "1"}, contract="bare"))

    assert message.startswith("invoices[0].usage_line_items[0].product_id: No such product in rate card")


def test_conversion_and_rounding_do_not_touch_an_imported_quantity(world: World) -> None:
    conversion = QuantityConversion("DIVIDE", Decimal(1024))
    rounding = QuantityRounding("ROUND_UP", 0)
    world.product("Q", "10", quantity_conversion=conversion, quantity_rounding=rounding)

    (invoice,) = world.import_(world.historical("2024-06", {"Q": "2.5"}))

    assert world.lines(invoice) == ["Q 2.5 @ 10 = 25"]


# Quantity or subtotals -----------------------------------------------------------------------------------------------


def subtotal(start: str, end: str, quantity: str = "1") -> Subtotal:
    return Subtotal(utc(start), utc(end), Decimal(quantity))


A_DAY = subtotal("2024-06-01", "2024-06-02")


def with_subtotals(world: World, *subtotals: Subtotal, size: WindowSize = WindowSize.DAY) -> HistoricalInvoice:
    return msgspec.structs.replace(june_line(world, quantity=None, subtotals=subtotals), breakdown_granularity=size)


def test_exactly_one_of_quantity_and_subtotals_is_needed(world: World) -> None:
    both = msgspec.structs.replace(june_line(world, subtotals=(A_DAY,)), breakdown_granularity=WindowSize.DAY)
    neither = june_line(world, quantity=None)

    rule = "invoices[0].usage_line_items[0].quantity: exactly one of quantity and subtotals_with_quantity is needed, "
    assert refused(world, both) == rule + "both are there"
    assert refused(world, neither) == rule + "neither is there"


def test_subtotals_need_a_granularity_and_a_granularity_needs_no_subtotals(world: World) -> None:
    asked = june_line(world, quantity=None, subtotals=(A_DAY,))
    message = refused(world, asked)
    assert message.startswith("invoices[0].usage_line_items[0].subtotals_with_quantity: needs breakdown_granularity")

    (invoice,) = world.import_(june(world, breakdown_granularity=WindowSize.HOUR))
    assert world.lines(invoice) == ["P 10 @ 1000 = 10000"]
    assert world.breakdowns("HOUR", "2024-06") == {}


def test_no_subtotals_are_not_a_quantity(world: World) -> None:
    message = refused(world, with_subtotals(world))

    assert message.startswith("invoices[0].usage_line_items[0].subtotals_with_quantity: is empty")


@pytest.mark.parametrize(
    ("subtotals", "size", "place", "problem"),
    [
        ([subtotal("2024-05-31", "2024-06-01")], "DAY", "[0].inclusive_start_date", "is not inside the line's"),
        ([subtotal("2024-07-01", "2024-07-02")], "DAY", "[0].inclusive_start_date", "is not inside the line's"),
        ([subtotal("2024-06-01", "2024-06-03")], "DAY", "[0].inclusive_start_date", "is not exactly one UTC day"),
        ([subtotal("2024-06-01", "2024-06-01T01:00")], "DAY", "[0].inclusive_start_date", "is not exactly one UTC day"),
        ([subtotal("2024-06-01T12:00", "2024-06-02T12:00")], "DAY", "[0].inclusive_start_date", "and aligned to it"),
        ([subtotal("2024-06-02", "2024-06-01")], "DAY", "[0].inclusive_start_date", "is not exactly one UTC day"),
        ([A_DAY], "HOUR", "[0].inclusive_start_date", "is not exactly one UTC hour"),
        ([subtotal("2024-06-01T00:30", "2024-06-01T01:30")], "HOUR", "[0].inclusive_start_date", "and aligned to it"),
        ([A_DAY, subtotal("2024-06-03", "2024-06-04"), A_DAY], "DAY", "[2].inclusive_start_date", "is there twice"),
        ([A_DAY, subtotal("2024-06-02", "2024-06-03", "-0.5")], "DAY", "[1].quantity", "-0.5 is less than 0"),
    ],
)
def test_a_subtotal_is_one_aligned_window_inside_its_line(
    world: World, subtotals: list[Subtotal], size: str, place: str, problem: str
) -> None:
    message = refused(world, with_subtotals(world, *subtotals, size=WindowSize(size)))

    path, _, said = message.partition(": ")
    assert path == f"invoices[0].usage_line_items[0].subtotals_with_quantity{place}"
    assert problem in said


def test_windows_may_have_gaps_and_come_in_any_order(world: World) -> None:
    (invoice,) = world.import_(
        with_subtotals(
            world,
            subtotal("2024-06-30", "2024-07-01", "5"),
            subtotal("2024-06-02", "2024-06-03", "4"),
            subtotal("2024-06-01", "2024-06-02", "0"),
        )
    )

    assert world.lines(invoice) == ["P 9 @ 1000 = 9000"]
    assert world.breakdowns("DAY", "2024-06")["2024-06-30"] == ["P 5 @ 1000 = 5000"]


def test_a_negative_quantity_is_refused_and_zero_is_not(world: World) -> None:
    assert refused(world, june(world, "-0.001")).endswith("quantity: -0.001 is less than 0")

    (invoice,) = world.import_(june(world, "0"))
    assert world.lines(invoice) == ["P 0 @ 1000 = 0"]


def test_lines_with_and_without_windows_go_together(world: World) -> None:
    world.product("Q", "5")
    lines = [world.line("P", {"2024-06-01": "2"}, "2024-06"), world.line("Q", "3", "2024-06")]

    (invoice,) = world.import_(world.historical("2024-06", lines, granularity="DAY"))

    assert world.lines(invoice) == ["P 2 @ 1000 = 2000", "Q 3 @ 5 = 15"]
    assert world.breakdowns("DAY", "2024-06") == {"2024-06-01": ["P 2 @ 1000 = 2000"]}  # Q has no windows (Q32)
