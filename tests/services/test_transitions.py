"""Contracts that follow others: renewals, and those that supersede."""

from __future__ import annotations

from typing import Any

import pytest
from builders import number, utc
from worlds import World, headline

from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.errors import ContractNotFound, InvalidRequest
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.services import contracts, invoices
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.ledgers import balance_now
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.transitions import NewTransition


def contract_of(world: World, name: str = "contract") -> Contract:
    return world.store.contracts[world.contracts[name]]


def charge(world: World, name: str, *payments: tuple[str, str]) -> NewScheduledTerm:
    items = tuple(Payment(utc(at), number(amount)) for at, amount in payments)
    return NewScheduledTerm(world.commitment, NewPayments(items), name)


def scheduled(world: World) -> list[Invoice]:
    return world.invoices(type="SCHEDULED")


def followed(world: World, starting_at: str, kind: str = "RENEWAL", **others: Any) -> Contract:
    transition = NewTransition(TransitionType(kind), world.contracts["old"], **others)
    return world.contract("new", starting_at=starting_at, transition=transition)


@pytest.fixture
def old() -> World:
    """August 15; a contract since June with a monthly fee of 10 until December, and usage in every half of August."""
    world = World("2024-08-15")
    world.product("P", "1000")
    fee = charge(world, "Fee", *((f"2024-{month:02}-01", "10") for month in range(6, 13)))
    commit = world.prepaid("C", ("100000", "2024-06-01..2025-06-01"), rollover_fraction=number("0.5"))
    world.contract("old", starting_at="2024-06-01", scheduled_charges=(fee,), commits=[commit])
    world.use("P", "2024-08-05", "1")
    world.use("P", "2024-08-12", "2")
    return world


@pytest.mark.parametrize("kind", ["RENEWAL", "SUPERSEDE"])
def test_the_earlier_contract_ends_where_the_later_one_starts_and_both_link(old: World, kind: str) -> None:
    new = followed(old, "2024-08-10", kind)

    before = contract_of(old, "old")
    assert before.ending_before == utc("2024-08-10")
    (link,) = before.transitions
    assert (link.type, link.from_contract_id, link.to_contract_id) == (kind, before.id, new.id)
    assert new.transitions == (link,)
    fees = [headline(one) for one in scheduled(old)]
    assert fees == [f"SCHEDULED FINALIZED 2024-{month:02}-01 10" for month in (6, 7, 8)]


def test_in_the_middle_of_a_period_the_draft_is_cut_in_two(old: World) -> None:
    followed(old, "2024-08-10", "SUPERSEDE")

    usage = [one for one in old.invoices(type="USAGE") if one.period and one.period.starting_at >= utc("2024-08-01")]
    assert [headline(one) for one in usage] == [
        "USAGE 2024-08-01..2024-08-10 FINALIZED 2024-08-11 0",  # 1 * 1000, paid by C
        "USAGE 2024-08-10..2024-09-01 DRAFT 2024-09-02 2000",  # 2 * 1000, C ended with its contract
    ]


def test_at_the_start_of_the_period_all_usage_moves_and_an_empty_invoice_stays(old: World) -> None:
    draft = old.invoice("2024-08")

    followed(old, "2024-08-01", "SUPERSEDE")

    empty = next(one for one in old.invoices(type="USAGE") if one.id == draft.id)
    assert headline(empty) == "USAGE 2024-08-01..2024-08-01 FINALIZED 2024-08-15 0"
    assert empty.lines == ()
    assert headline(old.invoice("2024-08")) == "USAGE 2024-08 DRAFT 2024-09-02 3000"  # (1 + 2) * 1000


def test_a_draft_that_is_back_after_a_renewal_has_another_id_than_the_empty_invoice(old: World) -> None:
    acme = old.customers["Acme"]
    followed(old, "2024-08-01", "SUPERSEDE")

    contracts.update_contract_end_date(old.context, acme, old.contracts["old"], None)

    found = [(one.id, headline(one)) for one in old.invoices(type="USAGE", contract_id=old.contracts["old"])][-2:]
    assert [shown for _, shown in found] == [
        "USAGE 2024-08-01..2024-08-01 FINALIZED 2024-08-15 0",
        "USAGE 2024-08 DRAFT 2024-09-02 3000",  # (1 + 2) * 1000, C ended with the contract
    ]
    assert len({invoice_id for invoice_id, _ in found}) == 2
    old.travel("2024-09-02")
    assert [invoices.get_invoice(old.context, acme, each).total for each, _ in found] == [0, 3000]


def test_a_renewal_rolls_over_what_its_fraction_lets_through_and_supersede_nothing(old: World) -> None:
    new = followed(old, "2024-08-10")

    (rolled,) = new.balance_ids
    assert old.store.balances[rolled].rolled_over_from is not None
    # At most 0.5 * 100000 = 50000 of the 99000 left; 2 * 1000 used since.
    balance = next(one for one in old.store.balances.values() if one.id == rolled)
    assert balance_now(old.context, balance) == 48000
    assert headline(old.invoice("2024-08-10..2024-09-01")) == "USAGE 2024-08-10..2024-09-01 DRAFT 2024-09-02 0"


def test_supersede_rolls_nothing_over(old: World) -> None:
    assert followed(old, "2024-08-10", "SUPERSEDE").balance_ids == ()


@pytest.mark.parametrize(("kind", "keeps"), [("RENEWAL", True), ("RENEWAL", False), ("SUPERSEDE", False)])
def test_a_true_up_of_the_earlier_contract_stays_or_goes_as_asked(kind: str, keeps: bool) -> None:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract("old", starting_at="2024-06-01", commits=[world.postpaid("C", "50000", "2024-06-01..2024-12-01")])
    world.use("P", "2024-07-31", "1")  # 1000 of August are final on September 2

    followed(world, "2024-08-01", kind, keeps_true_ups=keeps)
    world.travel("2024-12-05")

    billed = [headline(one) for one in scheduled(world)]
    assert billed == (["SCHEDULED FINALIZED 2024-12-01 50000"] if keeps else [])


def test_a_contract_that_ended_before_is_only_linked(old: World) -> None:
    contract = contract_of(old, "old")
    contracts.update_contract_end_date(old.context, contract.customer_id, contract.id, utc("2024-08-10"))

    new = followed(old, "2024-09-01")

    assert contract_of(old, "old").ending_before == utc("2024-08-10")
    assert contract_of(old, "old").transitions == new.transitions
    assert new.balance_ids == ()


def test_a_contract_cannot_follow_one_that_starts_later_or_is_not_its_customers(old: World) -> None:
    with pytest.raises(InvalidRequest, match=r"^starting_at: .* is before contract .* starts"):
        followed(old, "2024-05-01")
    with pytest.raises(ContractNotFound):
        old.contract("new", customer="Globex", transition=NewTransition(TransitionType.RENEWAL, old.contracts["old"]))
