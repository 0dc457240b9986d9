"""What a renewal takes along (reference 3.9; G18 to G18d). USD cents, one unit costs 100."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import number, utc
from worlds import World, headline, plain, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import TransitionType
from metronome_sandbox.domain.errors import NotAllowedNow
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.recurring import Recurring, UnitAmount
from metronome_sandbox.services import balance_edits, ledgers, manual_entries
from metronome_sandbox.services.balance_changes import BalanceChange, SegmentChange
from metronome_sandbox.services.manual_entries import NewManualEntry
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.transitions import NewTransition

YEAR = "2024-01-01..2025-01-01"
STARTED = "2024-01-01 PREPAID_COMMIT_SEGMENT_START 100000"


@pytest.fixture
def world() -> World:
    """A contract for 2024 whose usage is all in December, which is final on January 2."""
    world = World("2024-12-15")
    world.product("P", "100")
    return world


def first(world: World, fraction: str | None = "0.5", *, used: str = "900", **others: Any) -> None:
    """A commit ``C`` of 100000 of which ``used`` * 100 is spent."""
    share = None if fraction is None else number(fraction)
    world.contract(
        "old",
        starting_at="2024-01-01",
        ending_before="2025-01-01",
        generation="2024-12-01",
        commits=[world.prepaid("C", ("100000", YEAR), rollover_fraction=share, **others)],
    )
    if number(used):
        world.use("P", "2024-12-02", used)


def renew(world: World, *, starting_at: str = "2025-01-01", keeps_true_ups: bool = True, **others: Any) -> None:
    others.setdefault("ending_before", "2026-01-01")
    renewal = NewTransition(TransitionType.RENEWAL, world.contracts["old"], keeps_true_ups)
    world.contract("new", starting_at=starting_at, transition=renewal, **others)


def rolled(world: World, name: str = "C") -> list[str]:
    """``2025-01-01..2026-01-01 10000``: what rolled over from a balance, as its segments say now."""
    return [
        f"{shown_time(segment.starting_at)}..{shown_time(segment.ending_before)} {plain(segment.amount)}"
        for one in world.store.balances.values()
        if one.rolled_over_from is not None and one.name == name
        for segment in ledgers.current(world.context, one).segments
    ]


def test_g18_what_is_left_goes_to_the_new_contract(world: World) -> None:
    first(world, "0.5", used="900")  # 100000 - 900 * 100 = 10000 left, at most 0.5 * 100000 = 50000
    renew(world)
    world.travel("2025-02-01")

    assert rolled(world) == ["2025-01-01..2026-01-01 10000"]
    assert world.ledger("C") == [
        STARTED,
        "2025-01-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -90000 for 2024-12",
        "2025-01-01 PREPAID_COMMIT_ROLLOVER -10000",
    ]


def test_g18b_no_more_than_the_fraction_goes_and_the_rest_expires(world: World) -> None:
    first(world, "0.5", used="400")  # 60000 left, at most 50000
    renew(world)
    world.travel("2025-02-01")

    assert rolled(world) == ["2025-01-01..2026-01-01 50000"]
    assert world.ledger("C")[2:] == [
        "2025-01-01 PREPAID_COMMIT_ROLLOVER -50000",
        "2025-01-01 PREPAID_COMMIT_EXPIRATION -10000",  # 60000 - 50000
    ]


def test_g18c_a_quarter_of_the_original_amount(world: World) -> None:
    first(world, "0.25", used="400")  # 60000 left, at most 0.25 * 100000 = 25000
    renew(world)
    world.travel("2025-02-01")

    assert rolled(world) == ["2025-01-01..2026-01-01 25000"]
    assert world.ledger("C")[2:] == [
        "2025-01-01 PREPAID_COMMIT_ROLLOVER -25000",
        "2025-01-01 PREPAID_COMMIT_EXPIRATION -35000",  # 60000 - 25000
    ]


def test_g18d_without_a_renewal_all_that_is_left_expires(world: World) -> None:
    first(world, "0.5", used="400")
    world.contract("new", starting_at="2025-01-01")
    world.travel("2025-02-01")

    assert world.ledger("C")[2:] == ["2025-01-01 PREPAID_COMMIT_EXPIRATION -60000"]


def test_without_a_fraction_nothing_rolls_over(world: World) -> None:
    first(world, None, used="400")
    renew(world)
    world.travel("2025-02-01")

    assert rolled(world) == []
    assert world.ledger("C")[2:] == ["2025-01-01 PREPAID_COMMIT_EXPIRATION -60000"]


def test_what_rolled_over_is_spent_before_everything_else(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world, credits=[world.credit("better", ("5000", "2025-01-01..2026-01-01"), priority=1)])
    world.travel("2025-01-15")
    world.use("P", "2025-01-10", "120")

    # 10000 / 100 = 100 units of the rollover, then 20 of the credit in spite of its priority.
    assert world.lines(world.invoice("2025-01")) == [
        "P 100 @ 100 = 10000 [C]",
        "C applied -10000",
        "P 20 @ 100 = 2000 [better]",
        "better applied -2000",
    ]
    assert world.net() == "3000"  # 5000 - 2000


def test_late_usage_of_the_old_contract_leaves_less(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world)
    world.travel("2025-01-01T12:00")  # in the grace of December
    before = rolled(world)

    world.use("P", "2024-12-31", "30")
    world.use("P", "2025-01-01T01:00", "80")

    # 100000 - 930 * 100 = 7000 are left, which pay for 70 of January's 80 units.
    assert before == ["2025-01-01..2026-01-01 10000"]
    assert rolled(world) == ["2025-01-01..2026-01-01 7000"]
    assert world.lines(world.invoice("2025-01")) == ["P 70 @ 100 = 7000 [C]", "C applied -7000", "P 10 @ 100 = 1000"]


def test_a_renewal_may_be_agreed_ahead(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world)

    assert [entry.split()[1] for entry in world.ledger("C")] == [
        "PREPAID_COMMIT_SEGMENT_START",
        "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
    ]
    assert world.net() == "10000"  # only the old commit is in force


def test_a_renewal_in_the_middle_ends_the_old_contract_and_its_segments(world: World) -> None:
    first(world, "1", used="900")
    world.travel("2024-12-20")
    renew(world, starting_at="2024-12-16")

    assert rolled(world) == ["2024-12-16..2026-01-01 10000"]
    assert world.ledger("C")[-1] == "2024-12-16 PREPAID_COMMIT_ROLLOVER -10000"


def test_an_open_ended_contract_keeps_it_as_long_as_the_old_segment_lasted(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world, ending_before=None)

    assert rolled(world) == ["2025-01-01..2026-01-02 10000"]  # 366 days, as in 2024


def test_every_segment_in_force_rolls_over_on_its_own(world: World) -> None:
    world.contract(
        "old",
        starting_at="2024-12-01",
        ending_before="2025-01-01",
        credits=[
            world.credit(
                "C",
                ("1000", "2024-12-01..2025-01-01"),
                ("500", "2024-06-01..2025-01-01"),
                ("300", "2024-06-01..2024-12-01"),  # over before
                rollover_fraction=Decimal("0.5"),
            )
        ],
    )
    renew(world)

    assert rolled(world) == ["2025-01-01..2026-01-01 500", "2025-01-01..2026-01-01 250"]  # halves of 1000 and 500


def test_what_rolled_over_rolls_over_no_more(world: World) -> None:
    first(world, "1", used="0")
    renew(world, ending_before="2025-02-01")
    world.contract(
        "third",
        starting_at="2025-02-01",
        transition=NewTransition(TransitionType.RENEWAL, world.contracts["new"]),
    )

    assert len(rolled(world)) == 1


@pytest.mark.parametrize("starting_at", ["2025-01-01", "2024-12-20"])
def test_a_second_renewal_of_a_contract_does_not_take_the_same_rest_again(world: World, starting_at: str) -> None:
    first(world, "1", used="0")
    renew(world)
    again = NewTransition(TransitionType.RENEWAL, world.contracts["old"])
    world.contract("newer", starting_at=starting_at, transition=again)
    world.travel("2025-02-05")

    assert rolled(world) == ["2025-01-01..2026-01-01 100000"]
    assert world.ledger("C") == [STARTED, "2025-01-01 PREPAID_COMMIT_ROLLOVER -100000"]


def test_an_invoice_that_is_made_again_does_not_take_what_the_renewal_has_spent(world: World) -> None:
    first(world, "1", used="900")
    renew(world)
    world.travel("2025-01-05")
    voided = world.void(world.invoice("2024-12"))
    world.use("P", "2025-01-04", "500")
    world.travel("2025-02-05")

    # While December was void, 100000 rolled over and January took 500 * 100 = 50000 of it; December gets the others.
    again = world.regenerate(voided)
    assert world.lines(again)[:2] == ["P 500 @ 100 = 50000 [C]", "C applied -50000"]
    assert rolled(world) == ["2025-01-01..2026-01-01 50000"]
    (new,) = (one for one in world.store.balances.values() if one.rolled_over_from is not None)
    assert ledgers.balance_now(world.context, new) == 0


def test_a_rollover_cannot_be_edited_but_its_source_can_until_an_invoice_is_final(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world)
    source, target = (one for one in world.store.balances.values() if one.name == "C")
    customer = world.customers["Acme"]
    more = BalanceChange(changed_segments=(SegmentChange(source.segments[0].id, amount=Decimal(110000)),))

    with pytest.raises(NotAllowedNow, match="rollover"):
        balance_edits.edit_commit(world.context, customer, target.id, BalanceChange(name="mine"))
    balance_edits.edit_commit(world.context, customer, source.id, more)
    assert rolled(world) == ["2025-01-01..2026-01-01 20000"]  # 110000 - 90000

    world.travel("2025-02-03")  # January is final on the new contract
    with pytest.raises(NotAllowedNow, match="finalized invoice"):
        balance_edits.edit_commit(world.context, customer, source.id, more)


def test_an_entry_by_hand_counts_for_what_is_left_and_not_for_the_limit(world: World) -> None:
    first(world, "0.5", used="900")
    source = world.balance("C")
    entry = NewManualEntry(source.id, source.segments[0].id, Decimal(60000), "goodwill", world.contracts["old"])
    manual_entries.add_manual_balance_ledger_entry(world.context, world.customers["Acme"], entry)
    renew(world)

    assert rolled(world) == ["2025-01-01..2026-01-01 50000"]  # 10000 + 60000 left, at most 0.5 * 100000


@pytest.mark.parametrize(("keeps", "expected"), [(True, ["SCHEDULED FINALIZED 2025-03-01 10000"]), (False, [])])
def test_a_renewal_keeps_the_true_up_unless_it_says_otherwise(world: World, keeps: bool, expected: list[str]) -> None:
    world.contract(
        "old",
        starting_at="2024-12-01",
        ending_before="2025-06-01",
        commits=[world.postpaid("C", "10000", "2024-12-01..2025-02-01", payments=[("2025-03-01", "10000")])],
    )
    renew(world, keeps_true_ups=keeps)
    world.travel("2025-03-02")

    assert [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)] == expected


def test_of_a_postpaid_commit_what_rolls_over_is_not_trued_up(world: World) -> None:
    world.contract(
        "old",
        starting_at="2024-12-01",
        ending_before="2025-01-01",
        commits=[world.postpaid("C", "10000", "2024-12-01..2025-01-01", rollover_fraction=Decimal("0.25"))],
    )
    renew(world)
    world.travel("2025-01-10")

    # 10000 unused: 0.25 * 10000 = 2500 roll over, 7500 are billed.
    assert [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)] == [
        "SCHEDULED FINALIZED 2025-01-01 7500"
    ]
    assert rolled(world) == ["2025-01-01..2026-01-01 2500"]
    assert [entry.split(maxsplit=1)[1] for entry in world.ledger("C")] == [
        "POSTPAID_COMMIT_INITIAL_BALANCE 10000",
        "POSTPAID_COMMIT_ROLLOVER -2500",
        "POSTPAID_COMMIT_TRUEUP -7500",
    ]


def test_the_new_balance_begins_with_the_new_contract(world: World) -> None:
    first(world, "0.5", used="900")
    renew(world)
    target = next(one for one in world.store.balances.values() if one.rolled_over_from is not None)

    assert target.created_at == utc("2025-01-01")
    assert target.contract_id == world.contracts["new"]
    assert target.id in world.store.contracts[world.contracts["new"]].balance_ids


def test_a_grant_that_is_made_after_the_renewal_was_agreed_rolls_over_too(world: World) -> None:
    monthly = Recurring(
        id=RecurringId(""),
        type=BalanceType.CREDIT,
        product_id=world.commitment,
        access=UnitAmount(Decimal(1000), Decimal(1), USD_CENTS),
        priority=Decimal(1),
        starting_at=utc("2024-12-01"),
        duration=1,
        name="C",
        rollover_fraction=Decimal("0.5"),
    )
    world.contract("old", starting_at="2024-12-01", recurring_credits=(NewRecurring(monthly),))
    renew(world, starting_at="2025-03-01")
    world.travel("2025-03-02")

    # December's and January's grants are over by then; of February's 1000 half rolls over.
    assert rolled(world) == ["2025-03-01..2026-01-01 500"]


def test_a_postpaid_rollover_is_spent_before_a_prepaid_one(world: World) -> None:
    half = {"rollover_fraction": Decimal("0.5")}
    world.contract(
        "old",
        starting_at="2024-12-01",
        ending_before="2025-01-01",
        commits=[
            world.prepaid("pre", ("1000", "2024-12"), priority=1, **half),
            world.postpaid("post", "1000", "2024-12", priority=2, **half),
        ],
    )
    renew(world)
    world.travel("2025-01-15")
    world.use("P", "2025-01-10", "8")

    # 500 / 100 = 5 units count for the postpaid one, which bills them, then 3 units are paid by the prepaid one.
    assert world.lines(world.invoice("2025-01")) == [
        "P 5 @ 100 = 500 [post]",
        "post applied -500",
        "P 3 @ 100 = 300 [pre]",
        "pre applied -300",
    ]
    assert world.invoice("2025-01").total == 500
