"""Packages: what a contract gets from one, its dates counted from its own start. USD cents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from builders import number, utc
from msgspec.structs import replace
from worlds import World, headline, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import (
    AlreadyArchived,
    InvalidRequest,
    NotAllowedNow,
    NotFound,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import BalanceId, OverrideId, PackageId, RecurringId, SubscriptionId
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideType
from metronome_sandbox.domain.packages import (
    UNDATED,
    BalanceTemplate,
    ChargeTemplate,
    OverrideTemplate,
    Package,
    PackageAlias,
    PaymentsTemplate,
    PaymentTemplate,
    RecurringTemplate,
    SegmentTemplate,
    StatementTemplate,
    SubscriptionTemplate,
)
from metronome_sandbox.domain.periods import Frequency, StatementDay
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateCardAlias
from metronome_sandbox.domain.recurring import Allocation, Recurring, SeatGrant, UnitAmount
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit
from metronome_sandbox.domain.subscriptions import Collection, QuantityManagement
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import packages, rate_cards
from metronome_sandbox.services.packages import ArchiveFilter, NewContractOnPackage


@pytest.fixture
def world() -> World:
    world = World("2025-10-01")
    world.product("P", "100")
    return world


def after(value: int, unit: str = "MONTHS") -> RelativeDate:
    return RelativeDate(value, RelativeUnit(unit))


AT_ONCE = after(0, "DAYS")


def package(world: World, name: str = "Starter", **others: Any) -> Package:
    others.setdefault("rate_card_id", world.card)
    aliases = tuple(PackageAlias(*alias) for alias in others.pop("aliases", ()))
    return packages.create_package(world.context, Package(PackageId(""), name, UNDATED, aliases=aliases, **others))


def balance(world: World, type: str, name: str, amount: str, duration: RelativeDate, **others: Any) -> BalanceTemplate:
    segment = SegmentTemplate("", number(amount), others.pop("offset", AT_ONCE), duration)
    return BalanceTemplate("", BalanceType(type), world.commitment, (segment,), name=name, **others)


def payments(*items: tuple[str, RelativeDate]) -> PaymentsTemplate:
    return PaymentsTemplate(tuple(PaymentTemplate("", number(price), Decimal(1), at) for price, at in items))


def multiplier(factor: str, *, only_for: str | None = None, **others: Any) -> OverrideTemplate:
    names = () if only_for is None else (BalanceId(only_for),)
    terms = Override(
        OverrideId(""),
        UNDATED,
        UNDATED,
        type=OverrideType.MULTIPLIER,
        multiplier=number(factor),
        specifiers=(OverrideSpecifier(Specifier(), balance_ids=names),),
        is_commit_specific=only_for is not None,
    )
    return OverrideTemplate(terms, others.pop("offset", AT_ONCE), **others)


def subscription(world: World, quantity: str | None = None, **others: Any) -> SubscriptionTemplate:
    """A subscription at 3000 a month, in advance."""
    others.setdefault("quantity", None if quantity is None else number(quantity))
    product = world.products.get("Seat") or world.subscribable("Seat", "3000")
    return SubscriptionTemplate("", product, BillingFrequency.MONTHLY, Collection.ADVANCE, **others)


def seated(world: World, unassigned: str, **others: Any) -> SubscriptionTemplate:
    """A SEAT_BASED one, whose seats have no names."""
    mode = QuantityManagement.SEAT_BASED
    return subscription(world, management=mode, seat_group_key="seat", unassigned_seats=number(unassigned), **others)


def recurring(
    world: World, amount: str, *, of: str | None = None, individual: bool = False, **others: Any
) -> RecurringTemplate:
    allocation = Allocation.INDIVIDUAL if individual else Allocation.POOLED
    terms = Recurring(
        RecurringId(""),
        BalanceType.CREDIT,
        world.commitment,
        UnitAmount(number(amount), Decimal(1), USD_CENTS),
        Decimal(1),
        UNDATED,
        1,
        name="R",
        seats=None if of is None else SeatGrant(SubscriptionId(of), allocation, is_prorated=True),
    )
    return RecurringTemplate(terms, others.pop("offset", AT_ONCE), **others)


def sell(world: World, start: str = "2025-10-01", customer: str = "Acme", **others: Any) -> Contract:
    new = NewContractOnPackage(world.customer(customer), utc(start), **others)
    return packages.create_contract_on_package(world.context, new)


def shown(period: Any) -> str:
    return f"{shown_time(period.starting_at)}..{shown_time(period.ending_before)}"


def test_dates_count_from_the_start_of_the_contract(world: World) -> None:
    # The example of the packages guide: 2025-10-01 and 3 MONTHS end on 2026-01-01, 12 MONTHS on 2026-10-01.
    made = package(
        world,
        contract_name="Starter contract",
        duration=after(12),
        credits=(balance(world, "CREDIT", "Welcome", "5000", after(3)),),
        overrides=(multiplier("0.5", offset=after(1), duration=after(2, "WEEKS")),),
    )
    contract = sell(world, package_id=made.id, custom_fields={"tier": "one"})

    assert (contract.name, contract.package_id, contract.custom_fields) == (
        "Starter contract",
        made.id,
        {"tier": "one"},
    )
    assert shown(contract) == "2025-10-01..2026-10-01"
    assert [shown(item) for item in world.balance("Welcome").segments] == ["2025-10-01..2026-01-01"]
    assert [shown(item) for item in contract.overrides] == ["2025-11-01..2025-11-15"]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (after(1), "2024-02-29"),  # the last day of a shorter month
        (after(30, "DAYS"), "2024-03-01"),
        (after(1, "WEEKS"), "2024-02-07"),
        (after(1, "YEARS"), "2025-01-31"),
    ],
)
def test_a_relative_date_follows_the_calendar(date: RelativeDate, expected: str) -> None:
    assert shown_time(date.after(utc("2024-01-31"))) == expected


def test_a_duration_counts_from_the_start_of_its_own_term(world: World) -> None:
    # 31 January and a month is 28 February; a month from there is 28 March, not 31 March.
    made = package(world, credits=(balance(world, "CREDIT", "C", "1", after(1), offset=after(1)),))
    sell(world, "2025-01-31", package_id=made.id)

    assert [shown(item) for item in world.balance("C").segments] == ["2025-02-28..2025-03-28"]


def test_a_contract_bills_what_the_package_says(world: World) -> None:
    made = package(
        world,
        commits=(
            balance(
                world,
                "PREPAID",
                "Paid",
                "120000",
                after(12),
                payments=payments(("60000", AT_ONCE), ("40000", after(6))),
            ),
        ),
        scheduled_charges=(ChargeTemplate("", world.commitment, payments(("7000", after(1))), "Set-up"),),
        statements=StatementTemplate(Frequency.QUARTERLY, StatementDay.CONTRACT_START),
    )
    sell(world, "2025-10-15", package_id=made.id)
    world.travel("2026-04-16")

    scheduled = [headline(one) for one in world.invoices() if one.period is None]
    assert scheduled == [
        "SCHEDULED FINALIZED 2025-10-15 60000",
        "SCHEDULED FINALIZED 2025-11-15 7000",
        "SCHEDULED FINALIZED 2026-04-15 40000",
    ]
    assert [headline(one) for one in world.invoices() if one.period is not None] == [
        "USAGE 2025-10-15..2026-01-15 FINALIZED 2026-01-16 0",
        "USAGE 2026-01-15..2026-04-15 FINALIZED 2026-04-16 0",
        "USAGE 2026-04-15..2026-07-15 DRAFT 2026-07-16 0",
    ]


def test_invoices_begin_at_the_offset(world: World) -> None:
    made = package(world, statements=StatementTemplate(generation_offset=after(2)))
    sell(world, package_id=made.id)
    world.travel("2025-12-02")

    assert [headline(one) for one in world.invoices()] == ["USAGE 2025-12 DRAFT 2026-01-02 0"]


def test_a_recurring_credit_stops_after_its_duration(world: World) -> None:
    made = package(world, recurring_credits=(recurring(world, "10", duration=after(3)),))
    sell(world, package_id=made.id)
    world.travel("2026-06-01")

    granted = [one.segments[0] for one in world.store.balances.values()]
    assert [shown(item) for item in granted] == [
        "2025-10-01..2025-11-01",
        "2025-11-01..2025-12-01",
        "2025-12-01..2026-01-01",
    ]


def test_a_subscription_is_billed_from_its_offset_on_for_its_duration(world: World) -> None:
    made = package(world, subscriptions=(subscription(world, "2", starting_at_offset=after(1), duration=after(2)),))
    contract = sell(world, package_id=made.id)
    world.travel("2026-03-15")

    # From November to January, 2 * 3000 each month; in advance it stands on the usage invoice of the month before.
    [one] = contract.subscriptions
    assert shown(one) == "2025-11-01..2026-01-01"
    billed = [each for each in world.invoices() if "Seat" in str(world.lines(each))]
    assert [f"{headline(each)}: {'; '.join(world.lines(each))}" for each in billed] == [
        "USAGE 2025-10 FINALIZED 2025-11-02 6000: P 0 @ 100 = 0; (2025-11) Seat 2 @ 3000 = 6000",
        "USAGE 2025-11 FINALIZED 2025-12-02 6000: P 0 @ 100 = 0; (2025-12) Seat 2 @ 3000 = 6000",
    ]


def test_without_dates_a_subscription_lasts_as_long_as_its_contract(world: World) -> None:
    made = package(world, duration=after(2), subscriptions=(subscription(world, "1"),))
    contract = sell(world, package_id=made.id)
    world.travel("2026-03-15")

    assert [shown_time(each.starting_at) for each in contract.subscriptions] == ["2025-10-01"]
    billed = [line for each in world.invoices() for line in world.lines(each) if "Seat" in line]
    assert billed == ["(2025-10) Seat 1 @ 3000 = 3000", "(2025-11) Seat 1 @ 3000 = 3000"]


def test_a_duration_without_an_offset_counts_from_the_start_of_the_contract(world: World) -> None:
    made = package(world, subscriptions=(subscription(world, "1", duration=after(10, "DAYS")),))

    [one] = sell(world, "2025-10-05", package_id=made.id).subscriptions
    assert shown(one) == "2025-10-05..2025-10-15"


def test_recurring_credits_follow_the_seats_of_the_subscription_of_their_own_contract(world: World) -> None:
    made = package(
        world,
        subscriptions=(subscription(world, "9"), seated(world, "2", temporary_id="team")),
        recurring_credits=(recurring(world, "100", of="team"),),
    )
    contracts = [sell(world, customer=name, package_id=made.id) for name in ("Acme", "Hooli")]

    # 100 for each of 2 seats; nothing for the 9 of the other subscription.
    assert [one.segments[0].amount for one in world.store.balances.values()] == [200, 200]
    linked = [each.recurring[0].seats for each in contracts]
    assert [each and each.subscription_id for each in linked] == [each.subscriptions[1].id for each in contracts]
    assert (
        len({*(each.id for one in contracts for each in one.subscriptions), *(t.id for t in made.subscriptions)}) == 6
    )


@pytest.mark.parametrize(
    ("path", "terms"),
    [
        ("subscriptions[0].initial_quantity", lambda world: {"subscriptions": (subscription(world),)}),
        (
            "subscriptions[0].seat_config.initial_unassigned_seats",
            lambda world: {"subscriptions": (seated(world, "0.5"),)},
        ),
        ("subscriptions[0].subscription_rate", lambda world: {"subscriptions": (yearly(world),)}),
        (
            "subscriptions[1].starting_at_offset.value",
            lambda world: {
                "duration": after(2),
                "subscriptions": (subscription(world, "1"), subscription(world, "1", starting_at_offset=after(2))),
            },
        ),
        (
            "recurring_credits[0].subscription_config.subscription_id",
            lambda world: {
                "subscriptions": (subscription(world, "1", temporary_id="team"),),
                "recurring_credits": (recurring(world, "1", of="crew"),),
            },
        ),
        (
            "recurring_credits[0].subscription_config.allocation",
            lambda world: {
                "subscriptions": (subscription(world, "1", temporary_id="team"),),
                "recurring_credits": (recurring(world, "1", of="team", individual=True),),
            },
        ),
    ],
)
def test_subscriptions_that_no_contract_could_have_are_refused_at_once(
    world: World, path: str, terms: Callable[[World], dict[str, Any]]
) -> None:
    asked = terms(world)
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        package(world, **asked)

    assert refused.value.path == path
    assert world.dump() == before


def yearly(world: World) -> SubscriptionTemplate:
    """One whose frequency has no rate."""
    return replace(subscription(world, "1"), frequency=BillingFrequency.ANNUAL)


def test_an_override_for_a_commit_of_the_package_names_that_of_the_contract(world: World) -> None:
    made = package(
        world,
        commits=(balance(world, "PREPAID", "C", "1000", after(12), temporary_id="c"),),
        overrides=(multiplier("0.5", only_for="c"),),
    )
    sell(world, package_id=made.id)
    world.use("P", "2025-10-01", "30")

    # The commit pays 20 units at half of 100; the other 10 cost 100 each.
    [invoice] = world.invoices()
    assert world.lines(invoice) == ["P 20 @ 50 = 1000 [C]", "C applied -1000", "P 10 @ 100 = 1000"]


def test_each_contract_has_balances_of_its_own(world: World) -> None:
    made = package(world, credits=(balance(world, "CREDIT", "C", "500", after(1)),))
    one, two = sell(world, package_id=made.id), sell(world, customer="Hooli", package_id=made.id)

    assert len({*one.balance_ids, *two.balance_ids, made.credits[0].id}) == 3


def test_an_alias_names_the_package_of_the_start(world: World) -> None:
    old = package(world, "old", aliases=[("starter",)])
    new = package(world, "new", aliases=[("starter", utc("2026-01-01"))])

    assert sell(world, "2025-12-01", package_alias="starter").package_id == old.id
    assert sell(world, "2026-01-01", package_alias="starter").package_id == new.id
    assert packages.get_package(world.context, old.id).aliases == (PackageAlias("starter", None, utc("2026-01-01")),)


def test_a_card_alias_is_resolved_at_the_start_of_each_contract(world: World) -> None:
    cards = [
        rate_cards.create_rate_card(world.context, rate_cards.NewRateCard("A", aliases=(RateCardAlias("list"),))).id,
        rate_cards.create_rate_card(
            world.context, rate_cards.NewRateCard("B", aliases=(RateCardAlias("list", utc("2026-01-01")),))
        ).id,
    ]
    made = package(world, rate_card_id=None, rate_card_alias="list")

    starts = ["2025-10-01", "2026-01-01"]
    assert [sell(world, start, package_id=made.id).rate_card_id for start in starts] == cards


def test_an_archived_package_makes_no_contract_and_leaves_its_contracts_alone(world: World) -> None:
    made = package(world, aliases=[("starter",)])
    contract = sell(world, package_id=made.id)
    packages.archive_package(world.context, made.id)

    with pytest.raises(NotAllowedNow, match="is archived"):
        sell(world, package_id=made.id)
    with pytest.raises(InvalidRequest, match="no package has the alias 'starter'"):
        sell(world, package_alias="starter")
    with pytest.raises(AlreadyArchived, match="already archived"):
        packages.archive_package(world.context, made.id)
    assert world.store.contracts[contract.id].archived_at is None


def test_a_list_shows_what_its_filter_asks_for(world: World) -> None:
    gone, there = package(world, "gone"), package(world, "there")
    packages.archive_package(world.context, gone.id)

    found = {chosen: [one.id for one in packages.list_packages(world.context, chosen)] for chosen in ArchiveFilter}
    assert found == {
        ArchiveFilter.ARCHIVED: [gone.id],
        ArchiveFilter.NOT_ARCHIVED: [there.id],
        ArchiveFilter.ALL: [gone.id, there.id],
    }


def test_contracts_of_a_package_are_listed_by_their_start(world: World) -> None:
    made, other = package(world, duration=after(1)), package(world, "other")
    late = sell(world, "2025-12-01", package_id=made.id).id
    early = sell(world, "2025-10-01", customer="Hooli", package_id=made.id).id
    sell(world, package_id=other.id)

    def found(**conditions: datetime) -> list[str]:
        return [
            one.id
            for one in packages.list_contracts_on_package(world.context, made.id, **conditions)  # type: ignore[arg-type]
        ]

    assert found() == [early, late]
    assert found(covering_date=utc("2025-10-31")) == [early]
    assert found(covering_date=utc("2025-11-01")) == []
    assert found(starting_at=utc("2025-10-02")) == [late]
    with pytest.raises(InvalidRequest, match="covering_date"):
        found(starting_at=utc("2025-10-02"), covering_date=utc("2025-10-02"))


def test_a_key_is_taken_once_among_packages(world: World) -> None:
    package(world, uniqueness_key="starter")

    with pytest.raises(UniquenessKeyTaken):
        package(world, uniqueness_key="starter")
    world.contract(uniqueness_key="starter")  # contracts have keys of their own


@pytest.mark.parametrize(
    ("path", "terms"),
    [
        ("overrides[0].override_specifiers[0].commit_ids", {"overrides": (multiplier("0.5", only_for="nobody"),)}),
        ("aliases[0].ending_before", {"aliases": [("starter", utc("2026-01-01"), utc("2026-01-01"))]}),
        ("rate_card_alias", {"rate_card_alias": "list"}),
    ],
)
def test_terms_that_no_contract_could_have_are_refused_at_once(world: World, path: str, terms: Any) -> None:
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        package(world, **terms)

    assert refused.value.path == path
    assert world.dump() == before


def test_a_product_that_does_not_exist_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="no product"):
        package(world, scheduled_charges=(ChargeTemplate("", world.products["P"][:-1], payments(("1", AT_ONCE))),))  # type: ignore[arg-type]


def test_a_package_is_named_one_way(world: World) -> None:
    made = package(world, aliases=[("starter",)])

    with pytest.raises(InvalidRequest, match="cannot stand beside package_id"):
        sell(world, package_id=made.id, package_alias="starter")
    with pytest.raises(NotFound, match="no package"):
        sell(world, package_id=PackageId("nobody"))
