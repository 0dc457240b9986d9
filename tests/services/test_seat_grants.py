"""Recurring commits and credits for the seats of a subscription: shared by them, or one balance each. USD cents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import number, utc
from worlds import World, plain, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import RecurringId, SubscriptionId
from metronome_sandbox.domain.recurring import Allocation, Recurring, SeatGrant, UnitAmount
from metronome_sandbox.domain.subscriptions import QuantityChange
from metronome_sandbox.services import contract_edits, manual_entries
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.manual_entries import NewManualEntry
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.recurring_edits import RecurringChange
from metronome_sandbox.services.seat_balances import SeatBalanceQuery, list_seat_balances
from metronome_sandbox.services.subscriptions import NewSubscription, QuantityUpdate, SeatUpdates, SubscriptionChange


@pytest.fixture
def world() -> World:
    world = World("2024-06-01")
    world.product("P", "10", presentation=["seat"])
    world.subscribable("Seat", "3000")
    return world


def per_seat(
    world: World, amount: str, *, individual: bool = False, prorated: bool = True, of: str = "team", **others: Any
) -> NewRecurring:
    """A credit of so much for each seat of the subscription with the temporary id ``team``."""
    others.setdefault("applicable_product_ids", (world.products["P"],))
    allocation = Allocation.INDIVIDUAL if individual else Allocation.POOLED
    terms = Recurring(
        id=RecurringId(""),
        type=BalanceType.CREDIT,
        product_id=world.commitment,
        access=UnitAmount(number(amount), Decimal(1), USD_CENTS),
        priority=Decimal(1),
        starting_at=utc("2024-06-01"),
        duration=1,
        name="R",
        seats=SeatGrant(SubscriptionId(of), allocation, prorated),
        **others,
    )
    return NewRecurring(terms)


def start(world: World, subscription: NewSubscription, *credits: NewRecurring) -> None:
    world.contract(subscriptions=(subscription,), recurring_credits=credits)


def change(world: World, *updates: QuantityUpdate, **fields: Any) -> None:
    contract = world.store.contracts[world.contracts["contract"]]
    of = contract.subscriptions[0].id
    update = SubscriptionChange(id=of, quantity_updates=updates, **fields)
    contract_edits.edit_contract(
        world.context,
        EditContract(customer_id=contract.customer_id, contract_id=contract.id, update_subscriptions=(update,)),
    )


def by(at: str, delta: str) -> QuantityUpdate:
    return QuantityUpdate(utc(at), delta=number(delta))


def seats(**groups: tuple[QuantityChange, ...]) -> SeatUpdates:
    return SeatUpdates(tuple(groups.items()))


def named(at: str, *names: str) -> QuantityChange:
    return QuantityChange(utc(at), added_seats=names)


def gone(at: str, *names: str) -> QuantityChange:
    return QuantityChange(utc(at), removed_seats=names)


def grants(world: World) -> list[Balance]:
    return [one for one in world.store.balances.values() if one.recurring_id is not None]


def shown(balance: Balance) -> list[str]:
    """``2024-06-01 ada 100`` for each segment: start, seat if it has one, what it is worth."""
    return [
        " ".join((shown_time(each.starting_at), *((each.seat[1],) if each.seat else ()), plain(balance.worth(each))))
        for each in balance.segments
    ]


def test_each_period_grants_as_much_as_there_are_seats_when_it_starts(world: World) -> None:
    start(world, world.subscribed("Seat", "3", temporary_id="team"), per_seat(world, "100"))
    change(world, by("2024-06-10", "-1"))
    world.travel("2024-07-15")

    assert [shown(one) for one in grants(world)] == [["2024-06-01 300"], ["2024-07-01 200"]]


@pytest.mark.parametrize(("prorated", "added"), [(True, "100"), (False, "200")])
def test_seats_that_come_within_a_period_add_to_its_grant(world: World, prorated: bool, added: str) -> None:
    start(world, world.subscribed("Seat", "3", temporary_id="team"), per_seat(world, "100", prorated=prorated))
    change(world, by("2024-06-16", "2"))
    world.travel("2024-06-20")

    # 2 * 100 for 15 of 30 days.
    (grant,) = grants(world)
    assert shown(grant) == [f"2024-06-01 {300 + int(added)}"]
    assert world.ledger("R") == [
        "2024-06-01 CREDIT_SEGMENT_START 300",
        f"2024-06-16 CREDIT_SEAT_BASED_ADJUSTMENT {added}",
    ]
    assert world.left("R") == str(300 + int(added))


def test_a_seat_that_comes_back_within_a_period_adds_nothing(world: World) -> None:
    start(world, world.subscribed("Seat", "3", temporary_id="team"), per_seat(world, "100"))
    change(world, by("2024-06-10", "-1"), by("2024-06-16", "1"))
    world.travel("2024-06-20")

    assert [shown(one) for one in grants(world)] == [["2024-06-01 300"]]


def test_a_change_of_an_earlier_date_adds_to_the_grant_of_the_running_period_at_once(world: World) -> None:
    start(world, world.subscribed("Seat", "3", temporary_id="team"), per_seat(world, "100"))
    world.travel("2024-06-20")
    change(world, by("2024-06-16", "2"))

    assert [shown(one) for one in grants(world)] == [["2024-06-01 400"]]


def test_each_seat_can_have_a_balance_that_pays_for_its_own_usage_only(world: World) -> None:
    team = world.subscribed("Seat", seats=["ada", "grace"], unassigned="1", temporary_id="team")
    start(world, team, per_seat(world, "100", individual=True))
    world.travel("2024-06-05")
    world.use("P", "2024-06-05", "15", seat="ada")
    world.use("P", "2024-06-05", "4", seat="grace")

    # 10 of Ada's 15 units, all of Grace's 4; nobody's usage takes from the other's 100.
    lines = [line for line in world.lines(world.invoice("2024-06")) if line.startswith("P ") or "applied" in line]
    assert lines == [
        "P seat=ada 10 @ 10 = 100 [R]",
        "R applied seat=ada -100",
        "P seat=ada 5 @ 10 = 50",
        "P seat=grace 4 @ 10 = 40 [R]",
        "R applied seat=grace -40",
    ]
    assert world.left("R") == "60"


def test_a_name_takes_what_a_seat_without_one_was_granted_and_further_names_a_part(world: World) -> None:
    team = world.subscribed("Seat", seats=["ada"], unassigned="1", temporary_id="team")
    start(world, team, per_seat(world, "100", individual=True))
    change(
        world,
        seat_updates=seats(
            add_seat_ids=(named("2024-06-16", "grace", "edsger"),), remove_seat_ids=(gone("2024-06-20", "ada"),)
        ),
    )
    world.travel("2024-07-15")

    # Grace has the granted seat; Edsger 15 of 30 days of another one. Ada keeps June and has no July.
    assert [shown(one) for one in grants(world)] == [
        ["2024-06-01 ada 100", "2024-06-16 grace 100", "2024-06-16 edsger 50"],
        ["2024-07-01 grace 100", "2024-07-01 edsger 100"],
    ]


def test_grants_end_with_the_subscription(world: World) -> None:
    team = world.subscribed("Seat", "2", ending_before="2024-07-16", temporary_id="team")
    start(world, team, per_seat(world, "100"))
    world.travel("2024-10-01")

    # July has 15 of 31 days: 2 * 100 * 15 / 31 = 96.774193...
    assert [shown(one) for one in grants(world)] == [["2024-06-01 200"], ["2024-07-01 ~96.774194"]]


def test_jumping_is_walking_for_seats_too(world: World) -> None:
    def live(days: list[str]) -> list[list[str]]:
        one = World("2024-06-01")
        one.product("P", "10", presentation=["seat"])
        one.subscribable("Seat", "3000")
        team = one.subscribed("Seat", seats=["ada"], unassigned="1", temporary_id="team")
        start(one, team, per_seat(one, "100", individual=True), per_seat(one, "70"))
        joining = (named("2024-06-16", "grace", "edsger"), named("2024-08-07", "alan"))
        change(one, seat_updates=seats(add_seat_ids=joining, remove_seat_ids=(gone("2024-07-20", "ada"),)))
        for day in days:
            one.travel(day)
        return [shown(each) for each in grants(one)]

    walked = [f"2024-{month:02}-{day:02}" for month in (6, 7, 8) for day in range(2, 30, 2)]
    assert live([*walked, "2024-09-10"]) == live(["2024-09-10"])


@pytest.mark.parametrize(
    ("terms", "path"),
    [
        ({"of": "nobody"}, "recurring_credits[0].subscription_config.subscription_id"),
        ({"individual": True}, "recurring_credits[0].subscription_config.allocation"),
    ],
)
def test_a_wrong_subscription_is_refused(world: World, terms: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        start(world, world.subscribed("Seat", "2", temporary_id="team"), per_seat(world, "100", **terms))

    assert refused.value.path == path


def test_a_temporary_id_names_one_subscription(world: World) -> None:
    teams = [world.subscribed("Seat", quantity, temporary_id="team") for quantity in ("1", "2")]
    world.customer()
    before = world.dump()

    with pytest.raises(InvalidRequest, match="'team' is used twice") as refused:
        world.contract(subscriptions=tuple(teams), recurring_credits=(per_seat(world, "100"),))

    assert refused.value.path == "subscriptions[1].temporary_id"
    assert world.dump() == before


def names(number: int) -> list[str]:
    return [f"seat {place}" for place in range(number)]


def refusal(world: World, *updates: QuantityUpdate, **fields: Any) -> str:
    """The path of what a change of the subscription is refused for; it leaves nothing behind."""
    before = world.dump()
    with pytest.raises(InvalidRequest, match="at most 1000") as refused:
        change(world, *updates, **fields)
    assert world.dump() == before
    return refused.value.path


def test_no_more_than_a_thousand_seats_have_balances_of_their_own(world: World) -> None:
    team = world.subscribed("Seat", seats=names(800), unassigned="200", temporary_id="team")
    start(world, team, per_seat(world, "100", individual=True))
    one_more = QuantityChange(utc("2024-06-16"), unassigned=number("1"))

    # Ada takes one of the 200 seats without a name; Grace and 199 more are one name too many for the 199 that are left.
    change(world, seat_updates=seats(add_seat_ids=(named("2024-06-10", "ada"),)))
    assert refusal(world, seat_updates=seats(add_unassigned_seats=(one_more,))) == (
        "update_subscriptions[0].seat_updates.add_unassigned_seats[0]"
    )
    crowd = (named("2024-06-16", "grace"), named("2024-06-17", *(f"new {name}" for name in names(199))))
    assert refusal(world, seat_updates=seats(add_seat_ids=crowd)) == (
        "update_subscriptions[0].seat_updates.add_seat_ids[1]"
    )
    change(world, seat_updates=seats(remove_seat_ids=(gone("2024-06-15", "ada"),), add_unassigned_seats=(one_more,)))


def test_a_thousand_and_one_seats_can_share_a_balance_but_not_have_one_each(world: World) -> None:
    team = world.subscribed("Seat", seats=names(1001), temporary_id="team")
    start(world, team, per_seat(world, "1"))
    assert [shown(one) for one in grants(world)] == [["2024-06-01 1001"]]

    with pytest.raises(InvalidRequest, match="leads to 1001 seats") as refused:
        start(world, team, per_seat(world, "1", individual=True))
    assert refused.value.path == "recurring_credits[0].subscription_config.allocation"


def test_only_the_seats_of_its_own_time_count_for_a_recurring_credit(world: World) -> None:
    team = world.subscribed("Seat", seats=names(2), temporary_id="team")
    start(world, team, per_seat(world, "1", individual=True, ending_before=utc("2024-08-01")))
    crowd = seats(add_seat_ids=(named("2024-08-01", *(f"new {name}" for name in names(999))),))
    change(world, seat_updates=crowd)

    contract = world.store.contracts[world.contracts["contract"]]
    longer = RecurringChange(contract.recurring[0].id, ending_before=utc("2024-08-02"))
    with pytest.raises(InvalidRequest, match="leads to 1001 seats") as refused:
        contract_edits.edit_contract(
            world.context,
            EditContract(customer_id=contract.customer_id, contract_id=contract.id, update_recurring_credits=(longer,)),
        )
    assert refused.value.path == "update_recurring_credits[0].ending_before"


# --- balances of seats


def spending(world: World, **conditions: Any) -> list[str]:
    """``ada 60 of 100`` for each seat; without anything granted only its name."""
    contract = world.store.contracts[world.contracts["contract"]]
    found = list_seat_balances(world.context, SeatBalanceQuery(contract.customer_id, contract.id, **conditions))
    return [
        f"{seat.seat_id} {' and '.join(f'{plain(left)} of {plain(granted)}' for left, granted in seat.sums.values())}"
        for seat in found
    ]


@pytest.fixture
def team(world: World) -> World:
    """Ada and Grace with 100 each since June, Edsger with 50 of June and 100 of July; Ada has left on July 10."""
    subscription = world.subscribed("Seat", seats=["ada", "grace"], temporary_id="team")
    start(world, subscription, per_seat(world, "100", individual=True))
    change(
        world,
        seat_updates=seats(add_seat_ids=(named("2024-06-16", "edsger"),), remove_seat_ids=(gone("2024-07-10", "ada"),)),
    )
    world.travel("2024-06-20")
    world.use("P", "2024-06-20", "4", seat="ada")
    return world


def test_each_seat_has_what_is_left_to_it(team: World) -> None:
    assert spending(team) == ["ada 60 of 100", "grace 100 of 100", "edsger 50 of 50"]
    team.travel("2024-07-15")
    assert spending(team) == ["ada 100 of 100", "grace 100 of 100", "edsger 100 of 100"]
    team.travel("2024-08-15")
    assert spending(team) == ["grace 100 of 100", "edsger 100 of 100"]


def test_balances_of_seats_can_be_narrowed_to_a_time_and_to_seats(team: World) -> None:
    team.travel("2024-07-15")

    assert spending(team, covering_date=utc("2024-06-10")) == ["ada 60 of 100", "grace 100 of 100"]
    assert spending(team, effective_before=utc("2024-07-01")) == [
        "ada 60 of 100",
        "grace 100 of 100",
        "edsger 50 of 50",
    ]
    assert spending(team, starting_at=utc("2024-06-20"), seat_ids=("edsger",)) == ["edsger 150 of 150"]
    assert spending(team, seat_ids=("nobody",), skips_missing=True) == []
    for conditions, path in (
        ({"seat_ids": ("nobody",)}, "seat_ids[0]"),
        ({"subscription_ids": (SubscriptionId("none"),)}, "subscription_ids[0]"),
        ({"covering_date": utc("2024-06-10"), "starting_at": utc("2024-06-10")}, "covering_date"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            spending(team, **conditions)  # type: ignore[arg-type]
        assert refused.value.path == path


def test_an_entry_by_hand_can_be_for_single_seats(team: World) -> None:
    grant = team.balance("R")
    contract = team.store.contracts[team.contracts["contract"]]
    entry = NewManualEntry(
        grant.id,
        grant.segments[0].id,
        Decimal(-10),
        "a mistake",
        contract.id,
        utc("2024-06-18"),
        seat_amounts=(("grace", Decimal(-30)), ("edsger", Decimal(20))),
    )

    manual_entries.add_manual_balance_ledger_entry(team.context, contract.customer_id, entry)

    # Ada has used 40 of 100; Grace 100 - 30, Edsger 50 + 20.
    assert spending(team) == ["ada 60 of 100", "grace 70 of 100", "edsger 70 of 50"]
    unknown = msgspec.structs.replace(entry, seat_amounts=(("nobody", Decimal(-10)),))
    with pytest.raises(InvalidRequest, match="no seat 'nobody'"):
        manual_entries.add_manual_balance_ledger_entry(team.context, contract.customer_id, unknown)
