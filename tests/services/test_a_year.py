"""A year that passes in one call leaves the same world as one that is walked hour by hour.

The year has something of everything that time brings about: statements, grants, payments, scheduled charges, a true-up,
a renewal with rollover, an import that becomes final later, balances, overrides and rates that begin and end in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from builders import number, only_for, override, price, utc
from laws.test_world_laws import check_invoice, view
from worlds import World

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import TransitionType
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.invoices import InvoiceStatus, InvoiceType
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.periods import Frequency
from metronome_sandbox.domain.recurring import Recurring, UnitAmount
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.drafts import drafts_of
from metronome_sandbox.services.passage import Event
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.transitions import NewTransition

START, NOW, END = utc("2024-02-10"), utc("2024-02-20"), utc("2025-02-20")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BOUNDARIES = [
    *(utc(f"{year}-{month:02}-01") for year in (2024, 2025) for month in range(1, 13)),
    *map(utc, ["2024-05-15T06:00", "2024-07-31T18:00", "2024-09-20", "2024-10-10T12:00", "2024-12-31T23:00"]),
]


def charge(world: World, name: str, *payments: tuple[str, str]) -> NewScheduledTerm:
    items = tuple(Payment(utc(at), number(amount)) for at, amount in payments)
    return NewScheduledTerm(world.commitment, NewPayments(items), name)


def recurring(world: World, name: str, amount: str, *, cost: str | None = None, **others: object) -> NewRecurring:
    terms = Recurring(
        id=RecurringId(""),
        type=BalanceType.CREDIT if cost is None else BalanceType.PREPAID,
        product_id=world.commitment,
        access=UnitAmount(number(amount), Decimal(1), USD_CENTS),
        priority=Decimal(10),
        starting_at=START,
        name=name,
        price=None if cost is None else UnitAmount(number(cost), Decimal(1), USD_CENTS),
        **{"duration": 1, **others},  # type: ignore[arg-type]
    )
    return NewRecurring(terms)


def eventful(grace_hours: int) -> World:
    """A customer on February 20 2024, with all that is agreed for the year and with the usage of the first days."""
    world = World(NOW.isoformat(), grace_hours=grace_hours)
    world.product("P", "100", tags=["a"])
    world.rate("P", "120", starting_at="2024-05-15T06:00", commit_price="90")
    world.product("Q", tiers=[("5", "10"), (None, "7")], presentation=("project",))
    world.composite("Support", "0.1", of=["P", "Q"])
    token = world.unit("Tokens", "2")
    world.product("T")
    world.rate("T", "3", unit=token)
    year = "2024-02-10..2025-01-01"
    world.contract(
        "old",
        starting_at="2024-02-10",
        ending_before="2025-01-01",
        commits=[
            world.prepaid(
                "Yearly",
                ("200", "2024-02-10..2024-07-31T18:00"),
                ("300", "2024-07-31T18:00..2025-01-01"),
                payments=[("2024-02-10", "500"), ("2024-09-20", "500")],
                rollover_fraction=Decimal("0.5"),
            ),
            world.postpaid("Commitment", "100000", year, rate_type="COMMIT_RATE", priority="200"),
            world.prepaid("Short", ("77", "2024-02-12..2024-03-10T12:00"), products=["Q"], temporary_id="short"),
        ],
        credits=[world.credit("Gift", ("40", "2024-02-15..2024-10-10T12:00"), priority="1")],
        recurring_commits=(recurring(world, "Monthly", "30", cost="20", rollover_fraction=Decimal(1)),),
        recurring_credits=(recurring(world, "Weekly", "5", frequency=Frequency.WEEKLY, duration=2),),
        scheduled_charges=(
            charge(world, "Fee", *((f"2024-{month:02}-01", "100") for month in (3, 6, 9, 12)), ("2025-03-01", "1")),
            charge(world, "Setup", ("2024-02-10", "250"), ("2024-10-10T12:00", "50")),
        ),
        discounts=(charge(world, "Welcome", ("2024-06-01", "30")),),
        overrides=[
            override(name="", multiplier="0.9", tags=["a"], starting_at="2024-02-20", ending_before="2024-09-20"),
            override(
                name="",
                overwrite=price("8"),
                specifiers=[only_for("short", product=world.products["Q"])],
                commit_specific=True,
                starting_at="2024-02-10",
            ),
        ],
        charges_on_usage_invoices=True,
    )
    world.contract(
        "imported", starting_at="2024-01-01", generation="2024-02-01", frequency="WEEKLY", day="CONTRACT_START"
    )
    world.customer_balance(
        world.prepaid(
            "Shared", ("60", "2024-01-01..2024-12-31T23:00"), payments=[("2024-07-31T18:00", "60")], paid_on="old"
        )
    )
    world.import_(world.historical("2024-01", {"P": "3"}, contract="imported", issue_date="2024-05-15T06:00"))
    renewal = NewTransition(TransitionType.RENEWAL, world.contracts["old"])
    world.contract("new", starting_at="2024-12-01", transition=renewal, ending_before="2026-01-01")
    for day, (product, quantity) in enumerate(
        [("P", "2.5"), ("Q", "3"), ("T", "7"), ("Q", "9"), ("P", "0.5"), ("P", "3")]
    ):
        groups = {"project": "ab"[day % 3 > 0]} if product == "Q" else {}
        world.use(product, (START + timedelta(days=1.5 * day)).isoformat(), quantity, **groups)
    return world


def hour_by_hour_near_boundaries(now: datetime) -> datetime:
    """The next hour within a day and a half of a boundary (grace is a day), else the next day."""
    is_near = any(boundary - DAY <= now <= boundary + 1.5 * DAY for boundary in BOUNDARIES)
    return now + (HOUR if is_near else DAY)


def day_by_day(now: datetime) -> datetime:
    return now + DAY


def at_odd_times(now: datetime) -> datetime:
    return now + timedelta(days=3, hours=7, minutes=13)


def walk(world: World, step: object) -> Iterator[Event]:
    while world.now < END:
        yield from world.travel(min(step(world.now), END))  # type: ignore[operator]
        if world.now.hour == 0:
            drafts_of(world.context, world.customers["Acme"])  # reading must not matter


@pytest.mark.parametrize("grace_hours", [0, 24])
@pytest.mark.parametrize("step", [hour_by_hour_near_boundaries, day_by_day, at_odd_times])
def test_a_year_in_one_call_is_a_year_step_by_step(step: object, grace_hours: int) -> None:
    leaping, walking = eventful(grace_hours), eventful(grace_hours)
    assert leaping.dump() == walking.dump()

    leap = leaping.travel(END)
    steps = list(walk(walking, step))

    assert walking.dump() == leaping.dump()
    assert view(walking) == view(leaping)
    assert sorted(map(msgspec.json.encode, steps)) == sorted(map(msgspec.json.encode, leap))
    assert [event.timestamp for event in leap] == sorted(event.timestamp for event in leap)
    for world in (leaping, walking):
        world.use("P", "2025-02-19", "4")
    assert view(walking) == view(leaping)


def test_the_year_has_something_of_everything() -> None:
    world = eventful(24)
    world.travel(END)
    final = [one for one in world.invoices() if one.status is InvoiceStatus.FINALIZED]

    for invoice in final:
        check_invoice(invoice)
    lines = [line.name for one in final for line in one.lines]
    assert {"P", "Q - Tier 2", "T", "Support", "Tokens conversion", "Fee", "Setup", "Welcome"} <= set(lines)
    assert {"Yearly", "Monthly", "Commitment", "Shared"} <= set(lines)  # what they cost, and what is missing to them
    assert {f"{name} applied" for name in ("Yearly", "Gift", "Short", "Commitment")} <= set(lines)
    assert {one.type for one in final} == {InvoiceType.USAGE, InvoiceType.SCHEDULED}
    assert any(one.is_imported for one in final)
    kinds = {entry.split()[1] for name in ("Yearly", "Gift", "Commitment", "Weekly") for entry in world.ledger(name)}
    assert {kind.split("_", 1)[1] for kind in kinds} >= {"COMMIT_EXPIRATION", "COMMIT_ROLLOVER", "COMMIT_TRUEUP"}
