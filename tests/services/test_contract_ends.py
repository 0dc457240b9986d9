"""Contracts that end: what moves with their end, and what goes when they are archived."""

from __future__ import annotations

from typing import Any

import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow
from metronome_sandbox.domain.invoices import InvoiceStatus, InvoiceType
from metronome_sandbox.services import contracts


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.customer("Acme")
    return world


# Moving the end ------------------------------------------------------------------------------------------------------


def end_at(world: World, end: str | None, **options: Any) -> Contract:
    return contracts.update_contract_end_date(
        world.context,
        world.customers["Acme"],
        world.contracts["contract"],
        None if end is None else utc(end),
        **options,
    )


def shown(world: World) -> list[str]:
    return [headline(one) for one in world.invoices()]


def test_an_earlier_end_cuts_the_draft_and_its_usage(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-05", "1")
    world.use("P", "2024-08-12", "2")
    assert shown(world) == ["USAGE 2024-08 DRAFT 2024-09-02 3000"]

    end_at(world, "2024-08-10")

    # The period is over, and so is its grace of 24 hours: final, without the usage of 12 August.
    assert shown(world) == ["USAGE 2024-08-01..2024-08-10 FINALIZED 2024-08-11 1000"]


def test_an_end_ahead_cuts_the_draft_and_leaves_it_one(world: World) -> None:
    world.contract(starting_at="2024-08-01")

    end_at(world, "2024-08-20")

    assert shown(world) == ["USAGE 2024-08-01..2024-08-20 DRAFT 2024-08-21 0"]
    world.travel("2024-12-01")
    assert shown(world) == ["USAGE 2024-08-01..2024-08-20 FINALIZED 2024-08-21 0"]


def test_a_later_end_goes_on_where_the_invoices_stopped(world: World) -> None:
    world.contract(ending_before="2024-07-16")
    assert shown(world) == [
        "USAGE 2024-06 FINALIZED 2024-07-02 0",
        "USAGE 2024-07-01..2024-07-16 FINALIZED 2024-07-17 0",
    ]

    end_at(world, "2025-01-01")

    assert shown(world)[2:] == [
        "USAGE 2024-07-16..2024-08-01 FINALIZED 2024-08-02 0",
        "USAGE 2024-08 DRAFT 2024-09-02 0",
    ]


def test_without_an_end_a_contract_goes_on_for_ever(world: World) -> None:
    world.contract(starting_at="2024-08-01", ending_before="2024-09-01")

    contract = end_at(world, None)

    assert contract.ending_before is None
    world.travel("2024-10-02")
    assert shown(world)[-2:] == ["USAGE 2024-09 FINALIZED 2024-10-02 0", "USAGE 2024-10 DRAFT 2024-11-02 0"]


def test_finalized_invoices_behind_the_new_end_stay_unless_that_is_ruled_out(world: World) -> None:
    world.contract()
    july = world.invoice("2024-07")

    with pytest.raises(InvalidRequest, match=f"finalized invoice {july.id} .* void it first or allow it"):
        end_at(world, "2024-07-16", allow_ending_before_finalized_invoice=False)
    end_at(world, "2024-08-01", allow_ending_before_finalized_invoice=False)  # not before July's end
    end_at(world, "2024-07-16")

    assert shown(world) == ["USAGE 2024-06 FINALIZED 2024-07-02 0", "USAGE 2024-07 FINALIZED 2024-08-02 0"]


def test_a_voided_invoice_does_not_hold_the_end(world: World) -> None:
    world.contract()
    world.void(world.invoice("2024-07"))

    end_at(world, "2024-07-16", allow_ending_before_finalized_invoice=False)


@pytest.mark.parametrize(
    ("end", "problem"), [("2024-06-01", "is not after"), ("2024-09-01T00:30", "on an hour boundary")]
)
def test_an_end_that_cannot_be(world: World, end: str, problem: str) -> None:
    world.contract()

    with pytest.raises(InvalidRequest, match=f"ending_before: .*{problem}"):
        end_at(world, end)


def test_access_to_the_contracts_own_balances_ends_with_it_and_does_not_come_back(world: World) -> None:
    world.contract(starting_at="2024-08-01", commits=[world.prepaid("C", ("5000", "2024-08-01..2025-08-01"))])
    world.customer_balance(world.prepaid("D", ("300", "2024-08-01..2025-08-01")))

    end_at(world, "2024-08-20")
    end_at(world, "2025-01-01")

    assert world.balance("C").segments[0].ending_before == utc("2024-08-20")
    assert world.balance("D").segments[0].ending_before == utc("2025-08-01")  # the customer's, not the contract's
    world.travel("2024-08-20")
    assert (world.left("C"), world.left("D")) == ("0", "300")
    assert world.ledger("C") == [
        "2024-08-01 PREPAID_COMMIT_SEGMENT_START 5000",
        "2024-08-20 PREPAID_COMMIT_EXPIRATION -5000",
    ]


def test_access_that_would_begin_after_the_end_is_never_open(world: World) -> None:
    """Reference, pricing 4.23: terms are truncated, and what is left of a prepaid balance ends with the contract."""
    world.contract(
        starting_at="2024-08-01",
        commits=[world.prepaid("C", ("100", "2024-08"), ("200", "2024-09"), ("400", "2024-10"))],
    )

    end_at(world, "2024-08-20")

    world.travel("2024-09-10")
    assert world.left("C") == "0"
    assert world.net() == "0"


def test_payments_due_after_the_new_end_are_dropped(world: World) -> None:
    quarters = [("2024-08-01", "100"), ("2024-11-01", "200"), ("2025-02-01", "300"), ("2025-05-01", "400")]
    world.contract(
        starting_at="2024-08-01",
        commits=[world.prepaid("C", ("1000", "2024-08-01..2025-08-01"), payments=quarters)],
    )

    end_at(world, "2025-01-01")

    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100", "SCHEDULED DRAFT 2024-11-01 200"]
    world.travel("2026-01-01")
    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100", "SCHEDULED FINALIZED 2024-11-01 200"]


def test_payments_of_a_customers_commit_on_this_contract_are_dropped_too(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    payments = [("2024-08-01", "100"), ("2025-02-01", "300")]
    world.customer_balance(
        world.prepaid("D", ("1000", "2024-08-01..2025-08-01"), payments=payments, paid_on="contract")
    )

    end_at(world, "2025-01-01")

    world.travel("2026-01-01")
    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2024-08-01 100"]


def test_an_archived_contract_is_not_changed(world: World) -> None:
    world.contract()
    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=False)

    with pytest.raises(NotAllowedNow):
        end_at(world, "2024-12-01")


# Archiving -----------------------------------------------------------------------------------------------------------


def archive(world: World, *, void_invoices: bool) -> Contract:
    return contracts.archive_contract(
        world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=void_invoices
    )


@pytest.mark.parametrize(("void_invoices", "status"), [(False, "FINALIZED"), (True, "VOID")])
def test_drafts_go_and_finalized_invoices_go_on_request(world: World, void_invoices: bool, status: str) -> None:
    world.contract(
        starting_at="2024-07-01",
        commits=[world.prepaid("C", ("100", "2024-07"), payments=[("2024-07-01", "90"), ("2024-12-01", "10")])],
    )

    archived = archive(world, void_invoices=void_invoices)

    assert archived.archived_at == world.now
    expected = [f"SCHEDULED {status} 2024-07-01 90", f"USAGE 2024-07 {status} 2024-08-02 0"]
    assert shown(world) == expected
    world.travel("2025-06-01")
    assert shown(world) == expected


def test_an_import_that_waits_is_cancelled(world: World) -> None:
    world.imported()
    world.import_(world.historical("2024-06", {"P": "1"}, issue_date="2024-09-01"))

    archive(world, void_invoices=False)

    assert shown(world) == ["USAGE 2024-06 VOID 2024-09-01 1000"]
    world.travel("2024-12-01")
    assert shown(world) == ["USAGE 2024-06 VOID 2024-09-01 1000"]


def test_a_balance_of_the_contract_expires_with_it_and_the_customers_stays(world: World) -> None:
    world.contract(
        starting_at="2024-07-01",
        commits=[world.prepaid("C", ("5000", "2024-07-01..2025-07-01"), ("100", "2025-07-01..2026-07-01"))],
        credits=[world.credit("R", ("70", "2024-08"))],
    )
    world.customer_balance(world.prepaid("D", ("300", "2024-08-01..2025-08-01")))

    archive(world, void_invoices=False)

    assert [world.left(name) for name in "CRD"] == ["0", "0", "300"]
    assert world.net() == "300"
    assert world.ledger("C") == [
        "2024-07-01 PREPAID_COMMIT_SEGMENT_START 5000",
        "2024-08-15 PREPAID_COMMIT_EXPIRATION -5000",
    ]
    assert world.ledger("R") == ["2024-08-01 CREDIT_SEGMENT_START 70", "2024-08-15 CREDIT_EXPIRATION -70"]
    assert world.listed_balances() == ["D"]
    assert world.listed_balances(include_archived=True) == ["C", "R", "D"]


def test_an_archived_postpaid_commit_lapses(world: World) -> None:
    world.contract(commits=[world.postpaid("C", "5000", "2024-06-01..2025-06-01")])

    archive(world, void_invoices=False)

    assert world.left("C") == "0"
    assert world.ledger("C")[-1] == "2024-08-15 POSTPAID_COMMIT_EXPIRATION -5000"


def test_payments_of_a_customers_commit_on_an_archived_contract_are_not_made(world: World) -> None:
    world.contract()
    world.customer_balance(
        world.prepaid("D", ("300", "2024-08-01..2025-08-01"), payments=[("2024-12-01", "300")], paid_on="contract")
    )
    assert "SCHEDULED DRAFT 2024-12-01 300" in shown(world)

    archive(world, void_invoices=False)

    assert "SCHEDULED DRAFT 2024-12-01 300" not in shown(world)
    world.travel("2025-01-01")
    assert not world.invoices(type=InvoiceType.SCHEDULED)


def test_a_contract_is_archived_once(world: World) -> None:
    world.contract()
    archive(world, void_invoices=False)

    with pytest.raises(NotAllowedNow, match="is archived"):
        archive(world, void_invoices=True)


def test_another_contract_of_the_customer_goes_on(world: World) -> None:
    world.contract()
    world.contract("other", starting_at="2024-08-01")

    archive(world, void_invoices=True)

    assert [headline(one) for one in world.invoices(status=InvoiceStatus.DRAFT)] == ["USAGE 2024-08 DRAFT 2024-09-02 0"]


def test_an_archived_customer_loses_contracts_invoices_and_balances(world: World) -> None:
    world.contract(starting_at="2024-07-01")
    world.contract("other", starting_at="2024-08-01")
    world.customer_balance(
        world.prepaid("D", ("300", "2024-08-01..2025-08-01"), payments=[("2024-12-01", "300")], paid_on="contract")
    )
    world.contract("Initech's", customer="Initech", starting_at="2024-08-01")
    acme = world.customers["Acme"]

    contracts.archive_customer(world.context, acme)

    assert {one.archived_at for one in contracts.list_contracts(world.context, acme, include_archived=True)} == {
        world.now
    }
    assert shown(world) == ["USAGE 2024-07 VOID 2024-08-02 0"]
    assert world.left("D") == "0"
    world.travel("2025-01-01")
    assert shown(world) == ["USAGE 2024-07 VOID 2024-08-02 0"]
    assert len(world.invoices("Initech")) == 6  # August to December, and the draft of January
    with pytest.raises(NotAllowedNow, match="is archived"):
        contracts.archive_customer(world.context, acme)
