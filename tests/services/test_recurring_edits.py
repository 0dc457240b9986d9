"""Edits of recurring commits and credits reach the grants that have not started. USD cents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import number, utc
from worlds import World, headline, plain, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType, SpendingRate
from metronome_sandbox.domain.errors import InvalidRequest, NotFound
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.recurring import Proration, Recurring, Rounding, RoundingMethod, UnitAmount
from metronome_sandbox.services.contract_edits import EditContract, edit_contract
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.recurring_edits import AmountChange, RecurringChange


@pytest.fixture
def world() -> World:
    return World("2025-01-01")


def start(world: World, *, credit: bool = False, price: str | None = None, **others: Any) -> None:
    terms = Recurring(
        RecurringId(""),
        BalanceType.CREDIT if credit else BalanceType.PREPAID,
        world.commitment,
        UnitAmount(Decimal(30), Decimal(100), USD_CENTS),
        Decimal(1),
        utc("2025-01-01"),
        1,
        price=None if price is None else UnitAmount(number(price), Decimal(1), USD_CENTS),
        **others,
    )
    field = "recurring_credits" if credit else "recurring_commits"
    world.contract(starting_at="2025-01-01", **{field: (NewRecurring(terms),)})


def change(world: World, *, credit: bool = False, **fields: Any) -> None:
    contract = world.store.contracts[world.contracts["contract"]]
    changes = (RecurringChange(fields.pop("id", contract.recurring[0].id), **fields),)
    new = EditContract(
        customer_id=contract.customer_id,
        contract_id=contract.id,
        update_recurring_commits=() if credit else changes,
        update_recurring_credits=changes if credit else (),
    )
    edit_contract(world.context, new)


def shown(world: World) -> list[str]:
    """``2025-02-01 3000``: start and amount of every grant."""
    segments = (one.segments[0] for one in world.store.balances.values())
    return [f"{shown_time(segment.starting_at)} {plain(segment.amount)}" for segment in segments]


@pytest.mark.parametrize("credit", [True, False])
def test_a_changed_amount_is_granted_from_the_next_period_on(world: World, credit: bool) -> None:
    start(world, credit=credit)
    world.travel("2025-02-10")
    change(world, credit=credit, access=AmountChange(unit_price=number("50")))
    world.travel("2025-03-01")

    # 30 * 100 as agreed, then 50 * 100: the quantity stays.
    assert shown(world) == ["2025-01-01 3000", "2025-02-01 3000", "2025-03-01 5000"]


def test_a_changed_price_is_billed_from_the_next_period_on(world: World) -> None:
    start(world, price="2000")
    change(world, price=AmountChange(quantity=number("3")))
    world.travel("2025-02-01")

    scheduled = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert scheduled == ["SCHEDULED FINALIZED 2025-01-01 2000", "SCHEDULED FINALIZED 2025-02-01 6000"]


def test_a_free_commit_gets_a_price_only_as_a_whole(world: World) -> None:
    start(world)

    with pytest.raises(InvalidRequest) as refused:
        change(world, price=AmountChange(unit_price=number("5")))
    assert refused.value.path == "update_recurring_commits[0].invoice_amount"

    change(world, price=AmountChange(number("5"), number("2")))
    world.travel("2025-02-01")
    [billed] = world.invoices(type=InvoiceType.SCHEDULED)
    assert headline(billed) == "SCHEDULED FINALIZED 2025-02-01 10"


def test_an_earlier_end_stops_and_cuts_what_is_still_to_come(world: World) -> None:
    start(world)
    change(world, ending_before=utc("2025-02-15"))
    world.travel("2025-06-01")

    # 14 of February's 28 days: 3000 / 2.
    assert shown(world) == ["2025-01-01 3000", "2025-02-01 1500"]


def test_what_was_missed_while_it_had_ended_is_not_granted(world: World) -> None:
    start(world, ending_before=utc("2025-02-01"))
    world.travel("2025-04-10")
    change(world, ending_before=None)
    world.travel("2025-05-01")

    assert shown(world) == ["2025-01-01 3000", "2025-05-01 3000"]


def test_the_rate_and_the_rounding_of_later_grants_can_change(world: World) -> None:
    start(world, proration=Proration.LAST, access_rounding=Rounding(RoundingMethod.FLOOR, -3))
    change(world, rate_type=SpendingRate.COMMIT_RATE, access_rounding=Rounding(RoundingMethod.CEILING, -3))
    change(world, ending_before=utc("2025-02-02"))
    world.travel("2025-02-01")

    first, second = world.store.balances.values()
    assert (first.rate_type, second.rate_type) == (SpendingRate.LIST_RATE, SpendingRate.COMMIT_RATE)
    # 3000 / 28 is 107.14..., and up to the next thousand 1000.
    assert shown(world) == ["2025-01-01 3000", "2025-02-01 1000"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("ending_before", {"ending_before": utc("2025-01-01")}),
        ("ending_before", {"ending_before": utc("2025-02-01T00:30")}),
        ("access_amount", {"access": AmountChange(quantity=Decimal(-1))}),
    ],
)
def test_a_change_that_breaks_a_rule_changes_nothing(world: World, path: str, fields: Any) -> None:
    start(world)
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        change(world, **fields)

    assert refused.value.path == f"update_recurring_commits[0].{path}"
    assert world.dump() == before


def test_a_credit_is_no_commit(world: World) -> None:
    start(world, credit=True)

    with pytest.raises(NotFound, match="no recurring commit"):
        change(world, rate_type=SpendingRate.LIST_RATE)
    with pytest.raises(NotFound, match="no recurring credit nobody"):
        change(world, credit=True, id=RecurringId("nobody"))
