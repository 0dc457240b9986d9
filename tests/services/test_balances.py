"""Commits and credits: created for a customer, listed, what is left of them, and their ledgers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.errors import (
    ContractNotFound,
    CustomerNotFound,
    DomainError,
    InvalidRequest,
    NotFound,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import BalanceId, ContractId, CreditTypeId, CustomerId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.services import balance_lists, balances, contracts, ledgers
from metronome_sandbox.services.balance_lists import BalanceFilter
from metronome_sandbox.services.balances import NewBalance

NOWHERE = "00000000-0000-4000-8000-000000000000"
YEAR = "2024-06-01..2025-06-01"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")
    return world


def refused(world: World, new: NewBalance) -> str:
    """The message that refuses a commit or credit on customer level; nothing of it may be stored."""
    before, ids = world.dump(), dict(world.context.ids.counts)
    with pytest.raises(DomainError) as caught:
        world.customer_balance(new)
    assert (world.dump(), world.context.ids.counts) == (before, ids)
    return str(caught.value)


# Creating for a customer ---------------------------------------------------------------------------------------------


def test_a_customers_commit_pays_for_all_contracts(world: World) -> None:
    world.contract("other", starting_at="2024-08-01")
    world.customer_balance(world.prepaid("C", ("5000", YEAR)))

    world.use("P", "2024-08-02", "3")

    # Both contracts bill the usage; the first one is asked first, and leaves 5000 - 3000 to the other.
    first, second = (world.invoice("2024-08", contract_id=world.contracts[name]) for name in ("contract", "other"))
    assert world.lines(first) == ["P 3 @ 1000 = 3000 [C]", "C applied -3000"]
    assert world.lines(second) == ["P 2 @ 1000 = 2000 [C]", "C applied -2000", "P 1 @ 1000 = 1000"]


def test_a_customers_commit_may_be_for_some_contracts(world: World) -> None:
    world.contract("other", starting_at="2024-08-01")
    world.customer_balance(world.prepaid("C", ("5000", YEAR), contracts=["other"]))

    world.use("P", "2024-08-02", "3")

    first, second = (world.invoice("2024-08", contract_id=world.contracts[name]) for name in ("contract", "other"))
    assert world.lines(first) == ["P 3 @ 1000 = 3000"]
    assert world.lines(second) == ["P 3 @ 1000 = 3000 [C]", "C applied -3000"]


def test_the_contracts_own_commit_is_spent_before_the_customers(world: World) -> None:
    world.customer_balance(world.prepaid("customer's", ("5000", YEAR)))
    world.contract("other", starting_at="2024-08-01", commits=[world.prepaid("contract's", ("1000", YEAR))])

    world.use("P", "2024-08-02", "2")

    assert world.lines(world.invoice("2024-08", contract_id=world.contracts["other"])) == [
        "P 1 @ 1000 = 1000 [contract's]",
        "contract's applied -1000",
        "P 1 @ 1000 = 1000 [customer's]",
        "customer's applied -1000",
    ]


def test_the_customer_must_exist_and_be_active(world: World) -> None:
    with pytest.raises(CustomerNotFound):
        balances.create_customer_balance(world.context, CustomerId(NOWHERE), world.credit("R", ("1", YEAR)))
    contracts.archive_customer(world.context, world.customers["Acme"])
    assert refused(world, world.credit("R", ("1", YEAR))).startswith("customer_id: customer")


def test_a_uniqueness_key_makes_one_commit_and_one_credit(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("1", YEAR), uniqueness_key="k"))
    world.customer_balance(world.credit("R", ("1", YEAR), uniqueness_key="k"))

    for new in (
        world.prepaid("D", ("1", YEAR), uniqueness_key="k"),
        world.credit("S", ("1", YEAR), uniqueness_key="k"),
    ):
        with pytest.raises(UniquenessKeyTaken):
            world.customer_balance(new)
    assert world.listed_balances() == ["C", "R"]


def test_contracts_that_a_commit_names_are_the_customers_and_active(world: World) -> None:
    world.contract("Initech's", customer="Initech")
    world.contract("gone")
    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["gone"], void_invoices=False)

    for name, problem in (("Initech's", "belongs to another customer"), ("gone", "is archived")):
        scoped = world.prepaid("C", ("1", YEAR), contracts=["contract", name])
        paid = world.prepaid("C", ("1", YEAR), payments=[("2024-09-01", 1)], paid_on=name)
        assert refused(world, scoped) == f"applicable_contract_ids[1]: contract {world.contracts[name]} {problem}"
        assert refused(world, paid) == f"invoice_contract_id: contract {world.contracts[name]} {problem}"
    unknown = msgspec.structs.replace(world.prepaid("C", ("1", YEAR)), applicable_contract_ids=(ContractId(NOWHERE),))
    with pytest.raises(ContractNotFound):
        world.customer_balance(unknown)


def test_payments_need_a_contract_that_carries_them(world: World) -> None:
    paid = {"payments": [("2024-09-01", "100")]}

    assert refused(world, world.prepaid("C", ("100", YEAR), **paid)).startswith("invoice_contract_id: is missing")
    assert refused(world, world.postpaid("C", "100", YEAR)).startswith("invoice_contract_id: is missing")
    world.customer_balance(world.prepaid("C", ("100", YEAR), **paid, do_not_invoice=True))
    world.customer_balance(world.prepaid("D", ("100", YEAR)))  # nothing to pay
    assert not world.invoices(type=InvoiceType.SCHEDULED)


def test_rules_of_a_term_are_those_of_a_contracts(world: World) -> None:
    assert (
        refused(world, world.credit("R", ("-1", YEAR))) == "access_schedule.schedule_items[0].amount: -1 is less than 0"
    )
    assert refused(world, world.credit("R")).startswith("access_schedule.schedule_items: is missing")
    unit = CreditTypeId(NOWHERE)
    for unknown in (
        msgspec.structs.replace(world.credit("R", ("1", YEAR)), credit_type_id=unit),
        world.prepaid("C", ("1", YEAR), payments=[("2024-09-01", "1")], paid_in=unit, paid_on="contract"),
    ):
        with pytest.raises(NotFound, match="credit type"):
            world.customer_balance(unknown)


def test_a_balance_in_another_unit_pays_nothing(world: World) -> None:
    in_euro = msgspec.structs.replace(world.credit("R", ("100", YEAR)), credit_type_id=world.currency("EUR"))
    world.customer_balance(in_euro)

    world.use("P", "2024-08-02", "3")

    assert world.lines(world.invoice("2024-08")) == ["P 3 @ 1000 = 3000"]
    assert world.net() == "0"
    acme = world.customers["Acme"]
    net = balance_lists.get_net_balance(world.context, acme, world.currency("EUR"), [], with_drafts=True)
    assert net == 100


# Listing -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def several(world: World) -> World:
    """Over: June. Open: June to the next June. Ahead: from September. On a contract: all of August."""
    world.customer_balance(world.prepaid("over", ("100", "2024-06")))
    world.customer_balance(world.credit("open", ("200", YEAR), custom_fields={"team": "a"}))
    world.customer_balance(world.prepaid("ahead", ("300", "2024-09"), custom_fields={"team": "b"}))
    world.contract("other", credits=[world.credit("contract's", ("400", "2024-08"))])
    return world


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, "over open ahead contract's"),
        ({"include_contract_balances": False}, "over open ahead"),
        ({"types": {BalanceType.CREDIT}}, "open contract's"),
        ({"covering_date": "2024-06-30T23:59"}, "over open"),
        ({"covering_date": "2024-07-01"}, "open"),
        ({"covering_date": "2024-09-01"}, "open ahead"),
        ({"starting_at": "2024-07-01"}, "open ahead contract's"),
        ({"starting_at": "2024-06-30T23:59"}, "over open ahead contract's"),
        ({"effective_before": "2024-09-01"}, "over open contract's"),
        ({"effective_before": "2024-09-01T00:01"}, "over open ahead contract's"),
        ({"starting_at": "2024-07-01", "effective_before": "2024-08-01"}, "open"),
        ({"exclude_zero_balances": True}, "open contract's"),
        ({"exclude_zero_balances": True, "include_contract_balances": False}, "open"),
    ],
)
def test_a_list_is_narrowed_by_every_condition(several: World, conditions: dict[str, Any], names: str) -> None:
    dates = {name: utc(value) if isinstance(value, str) else value for name, value in conditions.items()}

    assert " ".join(several.listed_balances(**dates)) == names


def test_a_list_may_ask_for_one(several: World) -> None:
    assert several.listed_balances(id=several.balance("ahead").id) == ["ahead"]
    assert several.listed_balances(id=BalanceId(NOWHERE)) == []


def test_a_customer_that_does_not_exist_has_no_balances(world: World) -> None:
    assert balance_lists.list_balances(world.context, CustomerId(NOWHERE), BalanceFilter()) == []  # Q30


def test_a_balance_that_drafts_have_spent_is_a_zero_one(several: World) -> None:
    several.use("P", "2024-08-02", "1")  # 1000: more than 200 and 400

    assert several.listed_balances(exclude_zero_balances=True) == []


# What is left --------------------------------------------------------------------------------------------------------


def test_only_open_segments_count(world: World) -> None:
    world.customer_balance(world.prepaid("C", ("100", "2024-07"), ("200", "2024-08"), ("400", "2024-09")))

    left = []
    for at in ("2024-08-15", "2024-08-31T23:59", "2024-09-01", "2024-10-01"):
        world.travel(at)
        left.append((world.left("C"), world.net()))

    assert left == [("200", "200"), ("200", "200"), ("400", "400"), ("0", "0")]


def test_the_net_balance_adds_up_what_the_filters_admit(several: World) -> None:
    assert several.net() == "600"  # 200 + 400
    assert several.net(types={BalanceType.PREPAID}) == "0"
    assert several.net(types={BalanceType.CREDIT}) == "600"
    assert several.net(ids={several.balance("open").id}) == "200"
    assert several.net(custom_fields={"team": "a"}) == "200"
    assert several.net(custom_fields={"team": "b"}) == "0"
    assert several.net(types={BalanceType.CREDIT}, custom_fields={"team": "x"}) == "0"  # ANDed


def test_filters_are_alternatives(several: World) -> None:
    either = [
        balance_lists.NetBalanceFilter(ids={several.balance("open").id}),
        balance_lists.NetBalanceFilter(ids={several.balance("contract's").id}, types={BalanceType.CREDIT}),
        balance_lists.NetBalanceFilter(types={BalanceType.POSTPAID}),
    ]

    acme = several.customers["Acme"]
    assert balance_lists.get_net_balance(several.context, acme, USD_CENTS, either, with_drafts=True) == 600
    assert balance_lists.get_net_balance(several.context, acme, USD_CENTS, either[1:], with_drafts=True) == 400


def test_the_net_balance_of_nobody_is_a_broken_request(world: World) -> None:
    with pytest.raises(InvalidRequest, match="customer_id: no customer"):
        balance_lists.get_net_balance(world.context, CustomerId(NOWHERE), USD_CENTS, [], with_drafts=True)


def test_a_postpaid_obligation_counts_in_the_net_balance(world: World) -> None:
    world.customer_balance(world.postpaid("C", "10000", YEAR, paid_on="contract"))

    world.use("P", "2024-08-02", "3")

    assert (world.net(), world.net(types={BalanceType.PREPAID, BalanceType.CREDIT})) == ("7000", "0")  # Q29
    assert world.left("C") == "7000"
    assert world.invoice("2024-08").total == 3000


def test_customers_have_their_own(world: World) -> None:
    world.customer_balance(world.credit("R", ("100", YEAR)), "Initech")

    assert (world.net(), world.net(customer="Initech")) == ("0", "100")


# Ledgers -------------------------------------------------------------------------------------------------------------


def test_a_ledger_tells_grants_deductions_and_expiry_of_every_segment_in_the_order_of_time() -> None:
    world = World("2024-06-01")
    world.product("P", "1000")
    world.contract(commits=[world.prepaid("C", ("3000", "2024-06"), ("2000", "2024-07"))])
    for at, used in (("2024-06-10", "2"), ("2024-07-10", "1")):
        world.travel(at)
        world.use("P", at, used)
    world.travel("2024-09-01")

    assert world.ledger("C") == [
        "2024-06-01 PREPAID_COMMIT_SEGMENT_START 3000",
        "2024-07-01 PREPAID_COMMIT_SEGMENT_START 2000",
        "2024-07-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -2000 for 2024-06",  # 2 * 1000
        "2024-07-01 PREPAID_COMMIT_EXPIRATION -1000",  # 3000 - 2000
        "2024-08-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -1000 for 2024-07",  # 1 * 1000
        "2024-08-01 PREPAID_COMMIT_EXPIRATION -1000",  # 2000 - 1000
    ]
    assert world.left("C") == "0"


def test_a_ledger_says_which_segment_invoice_and_contract(world: World) -> None:
    contract = world.contract("other", starting_at="2024-08-01", commits=[world.prepaid("C", ("3000", YEAR))])
    world.use("P", "2024-08-02", "2")

    grant, deduction = ledgers.ledger_now(world.context, world.balance("C"))

    segment = world.balance("C").segments[0]
    invoice = world.invoice("2024-08", contract_id=contract.id)
    assert (grant.segment_id, grant.invoice_id, grant.contract_id) == (segment.id, None, None)
    assert (deduction.segment_id, deduction.invoice_id, deduction.contract_id) == (segment.id, invoice.id, contract.id)


def test_before_a_segment_starts_its_ledger_is_empty_and_nothing_is_granted_of_zero(world: World) -> None:
    world.customer_balance(world.credit("later", ("100", "2024-09")))
    world.customer_balance(world.credit("nothing", ("0", YEAR)))

    assert world.ledger("later") == []
    assert world.ledger("nothing") == []  # reference 4.4: zero amounts are not written


def test_a_segment_that_ends_in_mid_month_pays_for_its_own_days_only(world: World) -> None:
    """G08 in small: the line is cut at the segment's end, and the deduction is dated there."""
    world.customer_balance(world.credit("R", ("5000", "2024-08-01..2024-08-10")))

    world.use("P", "2024-08-09T23:59", "2")
    world.use("P", "2024-08-10", "1")

    assert world.lines(world.invoice("2024-08")) == [
        "(2024-08-01..2024-08-10) P 2 @ 1000 = 2000 [R]",
        "(2024-08-01..2024-08-10) R applied -2000",
        "(2024-08-10..2024-09-01) P 1 @ 1000 = 1000",
    ]
    assert world.ledger("R") == [
        "2024-08-01 CREDIT_SEGMENT_START 5000",
        "2024-08-10 CREDIT_AUTOMATED_INVOICE_DEDUCTION -2000 for 2024-08",  # Q3
        "2024-08-10 CREDIT_EXPIRATION -3000",
    ]


def test_a_month_that_starts_before_a_segment_is_cut_there_too(world: World) -> None:
    world.customer_balance(world.credit("R", ("5000", "2024-08-10..2024-10-01")))

    world.use("P", "2024-08-09T23:59", "2")
    world.use("P", "2024-08-10", "1")

    assert world.lines(world.invoice("2024-08")) == [
        "(2024-08-01..2024-08-10) P 2 @ 1000 = 2000",
        "(2024-08-10..2024-09-01) P 1 @ 1000 = 1000 [R]",
        "(2024-08-10..2024-09-01) R applied -1000",
    ]


def test_a_postpaid_commit_keeps_what_was_not_used_after_its_end_until_its_true_up(world: World) -> None:
    payments = [("2024-11-01", "10000")]
    world.customer_balance(world.postpaid("C", "10000", "2024-08", paid_on="contract", payments=payments))
    world.use("P", "2024-08-02", "3")

    world.travel("2024-10-01")

    assert world.ledger("C") == [
        "2024-08-01 POSTPAID_COMMIT_INITIAL_BALANCE 10000",
        "2024-09-01 POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -3000 for 2024-08",
    ]


def test_a_postpaid_shortfall_is_billed_when_its_invoice_date_comes(world: World) -> None:
    world.customer_balance(world.postpaid("C", "10000", "2024-08", paid_on="contract"))
    world.use("P", "2024-08-02", "9")

    world.travel("2024-10-01")

    assert "SCHEDULED FINALIZED 2024-09-01 1000" in [headline(one) for one in world.invoices()]  # 10000 - 9 * 1000
