"""Commits that wait for a payment which the caller collects. USD cents."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import World, headline

from metronome_sandbox.domain.contract_history import ContractEdit
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.invoices import Invoice, InvoiceType
from metronome_sandbox.domain.payment_gates import GateType, Outcome, PaymentGate, PaymentWorkflow, TaxType
from metronome_sandbox.services import contracts
from metronome_sandbox.services.balances import NewBalance
from metronome_sandbox.services.contract_edits import EditContract, edit_contract
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.payment_outcomes import list_waiting_payments, release_payment

EXTERNAL = PaymentGate(GateType.EXTERNAL)


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "100")
    world.contract(starting_at="2024-08-01")
    world.use("P", "2024-08-14", "30")
    return world


def gated(world: World, gate: PaymentGate = EXTERNAL, **others: Any) -> NewBalance:
    others.setdefault("payments", [("2024-08-15", "1800")])
    return world.prepaid("C", ("2000", "2024-08-01..2025-08-01"), gate=gate, **others)


def add(world: World, *commits: NewBalance) -> ContractEdit:
    contract = world.store.contracts[world.contracts["contract"]]
    new = EditContract(customer_id=contract.customer_id, contract_id=contract.id, add=NewTerms(commits=tuple(commits)))
    return edit_contract(world.context, new)


def waiting(world: World) -> PaymentWorkflow:
    [workflow] = list_waiting_payments(world.context)
    return workflow


def purchases(world: World) -> list[Invoice]:
    return world.invoices(type=InvoiceType.SCHEDULED)


def usage(world: World) -> list[str]:
    return world.lines(world.invoice("2024-08"))


def test_until_it_is_paid_there_is_an_invoice_and_no_commit(world: World) -> None:
    edit = add(world, gated(world))

    assert edit.added.commits == ()
    assert [headline(one) for one in purchases(world)] == ["SCHEDULED FINALIZED 2024-08-15 1800"]
    assert [line.applied for line in purchases(world)[0].lines] == [None]
    assert list(world.store.balances.values()) == []
    assert usage(world) == ["P 30 @ 100 = 3000"]
    workflow = waiting(world)
    assert (workflow.type.value, workflow.invoice_id) == ("manual_commit", purchases(world)[0].id)


def test_paid_releases_the_balance(world: World) -> None:
    add(world, gated(world))
    world.travel("2024-08-16")
    release_payment(world.context, waiting(world).id, Outcome.PAID)

    # 2000 of the 3000 are covered: 20 units.
    assert usage(world) == ["P 20 @ 100 = 2000 [C]", "C applied -2000", "P 10 @ 100 = 1000"]
    commit, [invoice] = world.balance("C"), purchases(world)
    assert headline(invoice) == "SCHEDULED FINALIZED 2024-08-15 1800"
    assert [line.applied and line.applied.id for line in invoice.lines] == [commit.id]
    assert world.store.contracts[world.contracts["contract"]].balance_ids == (commit.id,)
    assert world.ledger("C") == [
        "2024-08-01 PREPAID_COMMIT_SEGMENT_START 2000",
        "2024-09-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -2000 for 2024-08",
    ]
    assert list_waiting_payments(world.context) == []


def test_failed_voids_the_invoice_and_makes_no_commit(world: World) -> None:
    add(world, gated(world))
    release_payment(world.context, waiting(world).id, Outcome.FAILED)
    world.travel("2024-12-01")

    assert [headline(one) for one in purchases(world)] == ["SCHEDULED VOID 2024-08-15 1800"]
    assert list(world.store.balances.values()) == []
    with pytest.raises(NotAllowedNow, match="nothing that invoice"):
        world.regenerate(purchases(world)[0])


@pytest.mark.parametrize("type_", [GateType.NONE, GateType.STRIPE])
def test_without_anybody_to_wait_for_it_is_there_at_once(world: World, type_: GateType) -> None:
    add(world, gated(world, PaymentGate(type_)))

    assert world.left("C") == "0"
    assert [headline(one) for one in purchases(world)] == ["SCHEDULED FINALIZED 2024-08-15 1800"]
    assert list_waiting_payments(world.context) == []


def test_the_rest_of_the_edit_does_not_wait(world: World) -> None:
    add(world, gated(world), world.prepaid("D", ("500", "2024-08")))

    assert [one.name for one in world.store.balances.values()] == ["D"]
    release_payment(world.context, waiting(world).id, Outcome.PAID)
    assert [one.sequence for one in world.store.balances.values()] == [1, 2]


def test_an_outcome_is_reported_once(world: World) -> None:
    add(world, gated(world))
    workflow = waiting(world)
    release_payment(world.context, workflow.id, Outcome.PAID)

    with pytest.raises(NotAllowedNow, match="PAID already"):
        release_payment(world.context, workflow.id, Outcome.FAILED)
    with pytest.raises(NotFound, match="no workflow nobody"):
        release_payment(world.context, "nobody", Outcome.PAID)


def test_an_invoice_that_waits_is_not_voided_by_hand(world: World) -> None:
    add(world, gated(world))

    with pytest.raises(NotAllowedNow, match="waits for its payment"):
        world.void(purchases(world)[0])
    release_payment(world.context, waiting(world).id, Outcome.PAID)
    world.void(purchases(world)[0])
    again = world.regenerate(purchases(world)[0])
    assert [line.total for line in again.lines] == [1800]


def test_a_payment_fails_with_its_contract(world: World) -> None:
    add(world, gated(world))
    contract = world.store.contracts[world.contracts["contract"]]
    contracts.archive_contract(world.context, contract.customer_id, contract.id, void_invoices=False)

    assert [headline(one) for one in purchases(world)] == ["SCHEDULED VOID 2024-08-15 1800"]
    assert list_waiting_payments(world.context) == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("invoice_schedule", {"payments": None}),
        ("invoice_schedule", {"payments": [("2024-08-01", "1"), ("2024-08-02", "1")]}),
        ("invoice_schedule", {"do_not_invoice": True}),
        ("invoice_schedule.schedule_items[0].timestamp", {"payments": [("2024-08-16", "1")]}),
        ("payment_gate_config.precalculated_tax_config", {"gate": PaymentGate(tax_type=TaxType.PRECALCULATED)}),
        ("payment_gate_config.tax_type", {"gate": PaymentGate(GateType.EXTERNAL, TaxType.STRIPE)}),
    ],
)
def test_a_gate_that_cannot_be_is_refused(world: World, path: str, fields: Any) -> None:
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        add(world, gated(world, **fields))

    assert refused.value.path == f"add_commits[0].{path}"
    assert world.dump() == before


def test_a_postpaid_commit_has_no_gate(world: World) -> None:
    with pytest.raises(InvalidRequest, match="is for PREPAID commits"):
        add(world, world.postpaid("C", "100", "2024-08", gate=EXTERNAL))
