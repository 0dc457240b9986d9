"""Custom pricing units from rate to invoice: balances in the unit, conversion, imports, overrides. Cents."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from builders import override, price, utc
from worlds import World

from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.domain.rate_cards import RateType
from metronome_sandbox.services import credit_types, prices, products, rates


@pytest.fixture
def world() -> World:
    """Tokens at one credit each, a credit is worth ten cents."""
    world = World("2024-08-15")
    world.product("Tokens")
    world.rate("Tokens", "1", unit=world.unit("credits", "10"))
    return world


def credits(world: World) -> CreditTypeId:
    return world.currency("credits")


def test_units_are_listed_until_they_are_archived_and_count_on(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.use("Tokens", "2024-08-02", "3")
    listed = [one.name for one in credit_types.list_credit_types(world.context)]
    assert listed[0] == "USD (cents)"
    assert listed[-1] == "credits"

    credit_types.archive_credit_type(world.context, credits(world))

    assert "credits" not in [one.name for one in credit_types.list_credit_types(world.context)]
    assert world.invoice("2024-08").total == 30  # 3 * 1 * 10
    with pytest.raises(NotAllowedNow):
        credit_types.archive_credit_type(world.context, credits(world))
    with pytest.raises(NotAllowedNow):
        world.customer_balance(world.credit("C", ("5", "2024-08"), credit_type_id=credits(world)))


def test_a_currency_and_what_is_not_there_cannot_be_archived(world: World) -> None:
    with pytest.raises(InvalidRequest):
        credit_types.archive_credit_type(world.context, world.currency("EUR"))
    with pytest.raises(NotFound):
        credit_types.archive_credit_type(world.context, CreditTypeId("nowhere"))


def test_a_commit_in_credits_pays_first_and_the_rest_is_one_line_in_cents(world: World) -> None:
    commit = world.prepaid("C", ("100", "2024-08"), credit_type_id=credits(world), payments=[("2024-08-01", "900")])
    world.contract(starting_at="2024-08-01", commits=[commit])
    world.use("Tokens", "2024-08-02", "450")

    invoice = world.invoice("2024-08")

    assert world.lines(invoice) == [
        "Tokens 100 @ 1 = 100 [C]",
        "C applied -100",
        "Tokens 350 @ 1 = 350",
        "credits conversion 350 @ 10 = 3500",
    ]
    assert invoice.total == 3500
    assert world.left("C") == "0"
    (payment,) = (one for one in world.invoices(type="SCHEDULED"))
    assert payment.total == 900  # granted in credits, paid in cents


def test_an_import_is_converted_just_so_and_leaves_less_to_the_draft(world: World) -> None:
    commit = world.prepaid("C", ("100", "2024-06-01..2024-12-01"), credit_type_id=credits(world))
    world.imported(commits=[commit])
    world.use("Tokens", "2024-08-02", "70")

    june = world.historical("2024-06", {"Tokens": "60"})
    (previewed,) = world.preview(june)
    (imported,) = world.import_(june)

    assert world.lines(previewed) == world.lines(imported) == ["Tokens 60 @ 1 = 60 [C]", "C applied -60"]
    assert imported.total == 0
    assert world.lines(world.invoice("2024-08")) == [
        "Tokens 40 @ 1 = 40 [C]",  # 100 - 60
        "C applied -40",
        "Tokens 30 @ 1 = 30",
        "credits conversion 30 @ 10 = 300",
    ]


def test_an_import_in_credits_is_refused(world: World) -> None:
    world.imported()
    june = msgspec.structs.replace(world.historical("2024-06", {"Tokens": "60"}), credit_type_id=credits(world))

    with pytest.raises(InvalidRequest, match="not the currency of the contract's rate card"):
        world.preview(june)


def test_a_credit_in_cents_pays_what_credits_come_to_and_its_ledger_is_in_cents(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.customer_balance(world.credit("Cash", ("200", "2024-08")))
    world.use("Tokens", "2024-08-02", "30")

    assert world.lines(world.invoice("2024-08")) == [
        "Tokens 30 @ 1 = 30",
        "credits conversion 20 @ 10 = 200 [Cash]",
        "Cash applied -200",
        "credits conversion 10 @ 10 = 100",
    ]
    assert world.ledger("Cash") == [
        "2024-08-01 CREDIT_SEGMENT_START 200",
        "2024-09-01 CREDIT_AUTOMATED_INVOICE_DEDUCTION -200 for 2024-08",
    ]


def test_usage_is_cut_where_a_balance_that_may_pay_its_cents_begins(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.customer_balance(world.credit("Cash", ("1000", "2024-08-11..2024-09-01")))
    world.use("Tokens", "2024-08-02", "30")
    world.use("Tokens", "2024-08-12", "5")

    assert world.lines(world.invoice("2024-08")) == [
        "(2024-08-01..2024-08-11) Tokens 30 @ 1 = 30",
        "(2024-08-11..2024-09-01) Tokens 5 @ 1 = 5",
        "credits conversion 5 @ 10 = 50 [Cash]",
        "Cash applied -50",
        "credits conversion 30 @ 10 = 300",
    ]


def test_a_void_and_regenerated_invoice_draws_credits_again(world: World) -> None:
    commit = world.prepaid("C", ("100", "2024-08"), credit_type_id=credits(world))
    world.contract(starting_at="2024-08-01", commits=[commit])
    world.use("Tokens", "2024-08-02", "40")
    world.travel("2024-09-03")
    final = world.invoice("2024-08")

    world.void(final)
    again = world.regenerate(final)

    assert again.draws[0].amount == 40
    assert again.total == 0


def test_an_overwrite_takes_the_unit_of_the_rate_and_no_other(world: World) -> None:
    free = override(overwrite=price("0.5"), product=world.products["Tokens"])
    contract = world.contract(starting_at="2024-08-01", overrides=[free])
    world.use("Tokens", "2024-08-02", "30")

    assert contract.overrides[0].overwrite_credit_type_id == credits(world)
    assert world.lines(world.invoice("2024-08")) == [
        "Tokens 30 @ 0.5 = 15",
        "credits conversion 15 @ 10 = 150",
    ]
    in_euros = msgspec.structs.replace(free, overwrite_credit_type_id=world.currency("EUR"))
    with pytest.raises(InvalidRequest) as refused:
        world.contract("other", overrides=[in_euros])
    assert refused.value.path == "overrides[0].overwrite_rate.credit_type_id"


def test_an_overwrite_is_of_the_kind_of_its_product(world: World) -> None:
    world.composite("Support", "0.1", of=["Tokens"])
    with pytest.raises(InvalidRequest) as refused:
        world.contract(overrides=[override(overwrite=price("5"), product=world.products["Support"])])
    assert refused.value.path == "overrides[0].overwrite_rate.rate_type"


def test_what_a_custom_unit_cannot_be_used_for_is_named(world: World) -> None:
    with pytest.raises(NotImitated, match="postpaid commits in custom pricing units"):
        world.contract(commits=[world.postpaid("C", "100", "2024-08", credit_type_id=credits(world))])
    paid = world.prepaid("C", ("100", "2024-08"), payments=[("2024-08-01", "10")], paid_in=credits(world))
    with pytest.raises(InvalidRequest, match="an invoice needs a currency"):
        world.contract(commits=[paid])


def test_a_percentage_is_a_fraction_and_only_of_composite_products(world: World) -> None:
    with pytest.raises(InvalidRequest, match="expected a fraction from 0 to 1"):
        world.composite("Support", "1.1", of=["Tokens"])

    percent = prices.NewPrice(RateType.PERCENTAGE, Decimal("0.1"))
    of_usage = rates.NewRate(world.products["Tokens"], utc("2024-01-01"), True, percent)
    with pytest.raises(InvalidRequest, match="expected FLAT or TIERED") as refused:
        rates.add_rate(world.context, world.card, of_usage)
    assert refused.value.path == "rate_type"


def test_a_composite_over_all_contracts_of_a_customer_is_named(world: World) -> None:
    new = products.NewProduct("All", ProductType.COMPOSITE, composite_tags=("a",), composite_scope="CUSTOMER")
    product = products.create_product(world.context, new)
    percent = prices.NewPrice(RateType.PERCENTAGE, Decimal("0.1"))

    with pytest.raises(NotImitated, match="composite_scope CUSTOMER"):
        rates.add_rate(world.context, world.card, rates.NewRate(product.id, utc("2024-01-01"), True, percent))
