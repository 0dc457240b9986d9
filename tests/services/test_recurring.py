"""Recurring commits and credits: what is granted when, how it is prorated, priced and spent (G30). USD cents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import number, utc
from worlds import World, headline, plain, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, OverrideId, RecurringId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideType
from metronome_sandbox.domain.periods import Frequency
from metronome_sandbox.domain.recurring import Proration, Recurring, Rounding, RoundingMethod, UnitAmount
from metronome_sandbox.services import contracts
from metronome_sandbox.services.recurring import NewRecurring


@pytest.fixture
def world() -> World:
    world = World("2025-01-21")
    world.product("P", "100")
    return world


def recurring(
    world: World,
    amount: str = "3000",
    *,
    price: str | None = None,
    starting_at: str = "2025-01-21",
    ending_before: str | None = None,
    temporary_id: str | None = None,
    type: BalanceType = BalanceType.PREPAID,
    **others: Any,
) -> NewRecurring:
    terms = Recurring(
        id=RecurringId(""),
        type=type,
        product_id=world.commitment,
        access=UnitAmount(number(amount), Decimal(1), USD_CENTS),
        priority=Decimal(100),
        starting_at=utc(starting_at),
        duration=others.pop("duration", 1),
        name="R",
        price=None if price is None else UnitAmount(number(price), Decimal(1), USD_CENTS),
        ending_before=None if ending_before is None else utc(ending_before),
        **others,
    )
    return NewRecurring(terms, temporary_id)


def start(world: World, *new: NewRecurring, starting_at: str = "2025-01-21", **others: Any) -> None:
    credits = [one for one in new if one.terms.type is BalanceType.CREDIT]
    world.contract(
        starting_at=starting_at,
        recurring_commits=tuple(one for one in new if one not in credits),
        recurring_credits=tuple(credits),
        **others,
    )


def grants(world: World) -> list[Balance]:
    return [one for one in world.store.balances.values() if one.recurring_id is not None]


def shown(world: World) -> list[str]:
    """``2025-02-01..2025-03-01 3000``: access and amount of every grant."""
    return [
        f"{shown_time(segment.starting_at)}..{shown_time(segment.ending_before)} {plain(segment.amount)}"
        for grant in grants(world)
        for segment in grant.segments
    ]


def billed(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]


def test_g30_the_first_grant_and_its_price_are_cut_to_the_days_that_are_left(world: World) -> None:
    start(world, recurring(world, "3000", price="2000"))
    world.travel("2025-03-15")

    first, second, third = grants(world)
    # January 21 to 31 are 11 of 31 days: 3000 * 11 / 31 = 1064.516129..., 2000 * 11 / 31 = 709.677419...
    assert shown(world) == [
        "2025-01-21..2025-02-01 ~1064.516129",
        "2025-02-01..2025-03-01 3000",
        "2025-03-01..2025-04-01 3000",
    ]
    assert billed(world) == [
        "SCHEDULED FINALIZED 2025-01-21 ~709.677419",
        "SCHEDULED FINALIZED 2025-02-01 2000",
        "SCHEDULED FINALIZED 2025-03-01 2000",
    ]
    recurring_id = world.store.contracts[world.contracts["contract"]].recurring[0].id
    assert {one.recurring_id for one in (first, second, third)} == {recurring_id}
    assert [one.created_at for one in (first, second)] == [utc("2025-01-21"), utc("2025-02-01")]


def test_a_grant_can_be_spent_in_its_period_only(world: World) -> None:
    start(world, recurring(world, "3000", proration=Proration.NONE))
    world.use("P", "2025-01-22", "40")
    world.travel("2025-02-10")
    world.use("P", "2025-02-05", "10")

    # January: 3000 / 100 = 30 of 40 units; what is left of February's grant is 3000 - 10 * 100.
    assert world.lines(world.invoice("2025-01-21..2025-02-01")) == [
        "P 30 @ 100 = 3000 [R]",
        "R applied -3000",
        "P 10 @ 100 = 1000",
    ]
    assert world.net() == "2000"


def test_with_a_frequency_periods_are_counted_from_the_start_and_the_first_is_whole(world: World) -> None:
    start(world, recurring(world, frequency=Frequency.MONTHLY))
    world.travel("2025-03-01")

    assert shown(world) == ["2025-01-21..2025-02-21 3000", "2025-02-21..2025-03-21 3000"]


@pytest.mark.parametrize(
    ("frequency", "ends"),
    [
        (Frequency.WEEKLY, ["2025-01-28", "2025-02-04"]),
        (Frequency.QUARTERLY, ["2025-04-21", "2025-07-21"]),
        (Frequency.ANNUAL, ["2026-01-21", "2027-01-21"]),
    ],
)
def test_a_frequency_is_a_step_of_the_calendar(world: World, frequency: Frequency, ends: list[str]) -> None:
    start(world, recurring(world, frequency=frequency))
    world.travel(ends[0])

    assert shown(world) == [f"2025-01-21..{ends[0]} 3000", f"{ends[0]}..{ends[1]} 3000"]


def test_a_longer_duration_lets_grants_overlap(world: World) -> None:
    start(world, recurring(world, duration=2, frequency=Frequency.MONTHLY))
    world.travel("2025-03-01")

    assert shown(world) == ["2025-01-21..2025-03-21 3000", "2025-02-21..2025-04-21 3000"]
    assert world.net() == "6000"


def test_the_end_of_the_contract_cuts_the_last_grant(world: World) -> None:
    start(world, recurring(world, "2800", proration=Proration.LAST), ending_before="2025-02-11")
    world.travel("2025-06-01")

    # Of January the first cut is not prorated; February 1 to 10 are 10 of 28 days: 2800 * 10 / 28 = 1000.
    assert shown(world) == ["2025-01-21..2025-02-01 2800", "2025-02-01..2025-02-11 1000"]


def test_its_own_end_stops_grants_and_cuts_the_last_amount(world: World) -> None:
    start(world, recurring(world, "2800", ending_before="2025-02-11", proration=Proration.LAST))
    world.travel("2025-06-01")

    assert shown(world) == ["2025-01-21..2025-02-01 2800", "2025-02-01..2025-03-01 1000"]


@pytest.mark.parametrize(
    ("proration", "first", "last"),
    [
        (Proration.NONE, "3100", "2800"),
        (Proration.FIRST, "1100", "2800"),  # 3100 * 11 / 31
        (Proration.LAST, "3100", "1000"),  # 2800 * 10 / 28
        (Proration.FIRST_AND_LAST, "1100", "1000"),
    ],
)
def test_proration_says_which_grants_are_cut(world: World, proration: Proration, first: str, last: str) -> None:
    start(
        world,
        recurring(world, "3100", proration=proration),
        recurring(world, "2800", proration=proration, starting_at="2025-02-01", type=BalanceType.CREDIT),
        ending_before="2025-02-11",
    )
    world.travel("2025-06-01")

    amounts = {(one.type, shown_time(one.created_at)): plain(one.segments[0].amount) for one in grants(world)}
    assert amounts[BalanceType.PREPAID, "2025-01-21"] == first
    assert amounts[BalanceType.CREDIT, "2025-02-01"] == last


def test_prorated_amounts_are_rounded_where_that_is_asked_for(world: World) -> None:
    rounding = {
        "access_rounding": Rounding(RoundingMethod.CEILING, -2),
        "price_rounding": Rounding(RoundingMethod.HALF_UP, 1),
    }
    start(world, recurring(world, "3000", price="2000", **rounding))
    world.travel("2025-02-01")

    # 1064.516... up to whole dollars of cents is 1100, 709.677... to one place is 709.7; whole periods stay.
    assert [plain(one.segments[0].amount) for one in grants(world)] == ["1100", "3000"]
    assert [headline(one).split()[-1] for one in world.invoices(type=InvoiceType.SCHEDULED)] == ["709.7", "2000"]


def test_grants_follow_the_usage_invoices_of_the_contract(world: World) -> None:
    start(world, recurring(world, "9000", proration=Proration.NONE), frequency="QUARTERLY")
    world.travel("2025-04-02")

    assert shown(world) == ["2025-01-21..2025-04-01 9000", "2025-04-01..2025-07-01 9000"]


def test_a_contract_in_the_past_has_made_its_grants(world: World) -> None:
    start(world, recurring(world, starting_at="2024-11-01", price="2000"), starting_at="2024-11-01")

    assert shown(world) == [
        "2024-11-01..2024-12-01 3000",
        "2024-12-01..2025-01-01 3000",
        "2025-01-01..2025-02-01 3000",
    ]
    assert len(billed(world)) == 3


def test_an_earlier_end_of_the_contract_stops_grants(world: World) -> None:
    start(world, recurring(world))
    contracts.update_contract_end_date(
        world.context, world.customers["Acme"], world.contracts["contract"], utc("2025-02-01")
    )
    world.travel("2025-06-01")

    assert len(grants(world)) == 1


def test_a_grant_pays_for_usage_at_the_price_that_an_override_for_its_recurring_commit_sets(world: World) -> None:
    half = Override(
        id=OverrideId(""),
        created_at=utc("2025-01-21"),
        starting_at=utc("2025-01-21"),
        type=OverrideType.MULTIPLIER,
        multiplier=Decimal("0.5"),
        is_commit_specific=True,
        specifiers=(OverrideSpecifier(recurring_ids=(RecurringId("monthly"),)),),
    )
    other = recurring(world, "1000", type=BalanceType.CREDIT, proration=Proration.NONE)
    start(world, recurring(world, "1000", temporary_id="monthly", proration=Proration.NONE), other, overrides=[half])
    world.use("P", "2025-01-22", "40")

    # Both are free and equal, and the commit was made first: 1000 / 50 = 20 units, then
    # 1000 / 100 = 10 units of the credit, and 10 units are left.
    assert world.lines(world.invoice("2025-01-21..2025-02-01")) == [
        "P 20 @ 50 = 1000 [R]",
        "R applied -1000",
        "P 10 @ 100 = 1000 [R]",
        "R applied -1000",
        "P 10 @ 100 = 1000",
    ]


def test_the_clock_tells_of_the_grants_on_its_way(world: World) -> None:
    start(world, recurring(world))

    events = [f"{shown_time(one.timestamp)} {one.type}" for one in world.travel("2025-02-02") if "segment" in one.type]

    assert events == ["2025-02-01 commit.segment.end", "2025-02-01 commit.segment.start"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"starting_at": "2025-01-20"}, "recurring_commits[0].starting_at"),
        ({"starting_at": "2025-01-21T00:30"}, "hour boundary"),
        ({"ending_before": "2025-01-21"}, "21T00:00:00+00:00 is not after starting_at 2025-01-21T00:00:00+00:00"),
        ({"amount": "-1"}, "recurring_commits[0].access_amount"),
    ],
)
def test_a_recurring_commit_that_breaks_a_rule_is_refused(world: World, wrong: dict[str, Any], message: str) -> None:
    before = world.dump()

    with pytest.raises(InvalidRequest) as caught:
        start(world, recurring(world, **wrong))

    assert message in str(caught.value)
    assert len(world.store.balances) == 0
    assert before != b""


def test_a_contract_cannot_bring_more_grants_at_once_than_anybody_would_read(world: World) -> None:
    with pytest.raises(InvalidRequest, match="more than 1200 grants"):
        start(
            world,
            recurring(world, starting_at="1990-01-01", frequency=Frequency.WEEKLY),
            starting_at="1990-01-01",
            generation="2025-01-01",
        )


def test_an_override_names_recurring_commits_that_are_there(world: World) -> None:
    unknown = Override(
        id=OverrideId(""),
        created_at=utc("2025-01-21"),
        starting_at=utc("2025-01-21"),
        type=OverrideType.MULTIPLIER,
        multiplier=Decimal("0.5"),
        is_commit_specific=True,
        specifiers=(OverrideSpecifier(balance_ids=(BalanceId("monthly"),), recurring_ids=(RecurringId("yearly"),)),),
    )

    with pytest.raises(InvalidRequest, match="recurring_commit_ids"):
        start(world, recurring(world, temporary_id="monthly"), overrides=[unknown])


def ended(world: World, at: str | None) -> None:
    contract_id = world.contracts["contract"]
    end = None if at is None else utc(at)
    contracts.update_contract_end_date(world.context, world.customers["Acme"], contract_id, end)


def test_a_later_end_of_the_contract_does_not_bring_grants_back(world: World) -> None:
    start(world, recurring(world))
    ended(world, "2025-02-01")
    ended(world, None)

    world.travel("2025-04-15")

    assert [shown_time(one.segments[0].starting_at) for one in world.store.balances.values()] == ["2025-01-21"]


def test_what_would_be_granted_after_the_end_of_the_contract_only_goes(world: World) -> None:
    start(world, recurring(world, starting_at="2025-03-01"))
    ended(world, "2025-03-01")

    world.travel("2025-04-15")

    assert world.store.contracts[world.contracts["contract"]].recurring == ()
    assert len(world.store.balances) == 0
