"""Subscriptions: what their periods bill, on which invoice, at which price, and who pays (G31). USD cents."""

from __future__ import annotations

from typing import Any

import pytest
from builders import number, price, utc
from worlds import World, headline

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import OverrideId, ProductId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideType
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.domain.recurring import Rounding, RoundingMethod
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services.subscriptions import NewSubscription


@pytest.fixture
def world() -> World:
    world = World("2024-06-01")
    world.product("P", "1000")
    world.subscribable("Seat", "3000")
    return world


def start(world: World, *new: NewSubscription, **others: Any) -> None:
    world.contract(subscriptions=new, **others)


def shown(world: World) -> list[str]:
    """Headline and lines of every invoice, in the order of their issue."""
    return [f"{headline(one)}: {'; '.join(world.lines(one))}" for one in world.invoices()]


def subscription_lines(world: World) -> list[str]:
    """``2024-06: (2024-07) Seat 2 @ 3000 = 6000``: the subscription lines of every invoice."""
    return [line for one in world.invoices() for line in world.lines(one) if "Seat" in line]


def test_in_advance_the_first_period_has_its_own_invoice_and_the_next_goes_on_the_usage_invoice_that_ends_then(
    world: World,
) -> None:
    start(world, world.subscribed("Seat", "2"))
    world.travel("2024-06-10")
    world.use("P", "2024-06-10", "5")
    world.travel("2024-07-15")

    # 2 * 3000 = 6000 each month; June's usage is 5 * 1000 and its invoice takes July's 6000 along.
    assert shown(world) == [
        "SCHEDULED FINALIZED 2024-06-01 6000: (2024-06) Seat 2 @ 3000 = 6000",
        "USAGE 2024-06 FINALIZED 2024-07-02 11000: P 5 @ 1000 = 5000; (2024-07) Seat 2 @ 3000 = 6000",
        "USAGE 2024-07 DRAFT 2024-08-02 6000: P 0 @ 1000 = 0; (2024-08) Seat 2 @ 3000 = 6000",
    ]


def test_in_arrears_a_period_goes_on_the_usage_invoice_in_which_it_ends(world: World) -> None:
    start(world, world.subscribed("Seat", "2", collection="ARREARS"))
    world.travel("2024-07-15")

    assert shown(world) == [
        "USAGE 2024-06 FINALIZED 2024-07-02 6000: P 0 @ 1000 = 0; Seat 2 @ 3000 = 6000",
        "USAGE 2024-07 DRAFT 2024-08-02 6000: P 0 @ 1000 = 0; Seat 2 @ 3000 = 6000",
    ]


def test_on_scheduled_invoices_a_subscription_shares_nothing_with_usage(world: World) -> None:
    start(world, world.subscribed("Seat", "2", scheduled=True))
    world.travel("2024-07-15")

    billed = [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert billed[:3] == [
        "SCHEDULED FINALIZED 2024-06-01 6000",
        "SCHEDULED FINALIZED 2024-07-01 6000",
        "SCHEDULED DRAFT 2024-08-01 6000",
    ]
    assert all("Seat" not in line for one in world.invoices(type=InvoiceType.USAGE) for line in world.lines(one))


@pytest.mark.parametrize("rounded", [None, "94"])
def test_g31_a_part_of_a_period_costs_its_part_of_the_price(world: World, rounded: str | None) -> None:
    world.subscribable("Chair", "100")
    rounding = None if rounded is None else Rounding(RoundingMethod.HALF_UP, 0)
    start(world, world.subscribed("Chair", "2", starting_at="2024-07-03", rounding=rounding))
    world.travel("2024-07-15")

    # July 3 to 31 are 29 of 31 days: 100 * 29 / 31 = 93.548387... a chair, 187.096774... for two.
    unit, total = ("~93.548387", "~187.096774") if rounded is None else ("94", "188")
    (invoice,) = world.invoices(type=InvoiceType.SCHEDULED)
    assert world.lines(invoice) == [f"(2024-07-03..2024-08-01) Chair 2 @ {unit} = {total}"]
    assert [line.subscription and line.subscription.is_prorated for line in invoice.lines] == [True]


def test_without_proration_a_part_of_a_period_costs_the_whole_price(world: World) -> None:
    start(world, world.subscribed("Seat", "2", starting_at="2024-06-16", ending_before="2024-07-16", prorated=False))
    world.travel("2024-08-15")

    # Two parts of months, 6000 each.
    assert [headline(one) for one in world.invoices() if "Seat" in str(world.lines(one))] == [
        "SCHEDULED FINALIZED 2024-06-16 6000",
        "USAGE 2024-06 FINALIZED 2024-07-02 6000",
    ]


def test_the_last_part_of_a_period_is_prorated_too(world: World) -> None:
    start(world, world.subscribed("Seat", "1", ending_before="2024-07-16", collection="ARREARS"))
    world.travel("2024-09-15")

    # 15 of July's 31 days: 3000 * 15 / 31 = 1451.612903...
    assert subscription_lines(world) == [
        "Seat 1 @ 3000 = 3000",
        "(2024-07-01..2024-07-16) Seat 1 @ ~1451.612903 = ~1451.612903",
    ]


@pytest.mark.parametrize(
    ("frequency", "dates"),
    [
        ("WEEKLY", ["2024-06-01", "2024-06-08", "2024-06-15", "2024-06-22", "2024-06-29", "2024-07-06", "2024-07-13"]),
        ("MONTHLY", ["2024-06-01", "2024-07-01"]),
        ("QUARTERLY", ["2024-06-01"]),
        ("ANNUAL", ["2024-06-01"]),
    ],
)
def test_each_frequency_has_periods_counted_from_the_anchor_of_the_usage_invoices(
    world: World, frequency: str, dates: list[str]
) -> None:
    world.subscribable("Desk", "700", frequency=frequency)
    start(world, world.subscribed("Desk", "1", frequency=frequency, scheduled=True))
    world.travel("2024-07-15")

    final = [one for one in world.invoices(type=InvoiceType.SCHEDULED) if one.status.value == "FINALIZED"]
    assert [headline(one) for one in final] == [f"SCHEDULED FINALIZED {date} 700" for date in dates]


def test_periods_may_be_counted_from_a_date_of_their_own(world: World) -> None:
    start(world, world.subscribed("Seat", "1", anchor="2024-05-10", scheduled=True))
    world.travel("2024-07-15")

    # June 1 to 10 are 9 days of the 31 from May 10: 3000 * 9 / 31 = 870.967741...
    assert [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)][:3] == [
        "SCHEDULED FINALIZED 2024-06-01 ~870.967742",
        "SCHEDULED FINALIZED 2024-06-10 3000",
        "SCHEDULED FINALIZED 2024-07-10 3000",
    ]


def test_a_new_price_holds_from_the_next_period_on(world: World) -> None:
    start(world, world.subscribed("Seat", "1", collection="ARREARS"))
    world.subscribable("Seat", "5000", starting_at="2024-06-15")
    world.travel("2024-07-15")

    assert subscription_lines(world) == ["Seat 1 @ 3000 = 3000", "Seat 1 @ 5000 = 5000"]


def override(product_id: ProductId, **fields: Any) -> Override:
    seat = Specifier(product_id)
    frequency = fields.pop("frequency", "MONTHLY")
    return Override(
        OverrideId(""),
        utc("2024-01-01"),
        utc("2024-01-01"),
        specifiers=(OverrideSpecifier(seat, None if frequency is None else BillingFrequency(frequency)),),
        **fields,
    )


def test_an_overwrite_pins_the_price_against_changes_of_the_card(world: World) -> None:
    pinned = override(world.products["Seat"], type=OverrideType.OVERWRITE, overwrite_price=price("2500"))
    start(world, world.subscribed("Seat", "2", collection="ARREARS"), overrides=(pinned,))
    world.subscribable("Seat", "5000", starting_at="2024-06-15")
    world.travel("2024-07-15")

    assert subscription_lines(world) == ["Seat 2 @ 2500 = 5000", "Seat 2 @ 2500 = 5000"]


def test_an_override_of_another_frequency_says_nothing(world: World) -> None:
    world.subscribable("Seat", "30000", frequency="ANNUAL")
    half = override(world.products["Seat"], type=OverrideType.MULTIPLIER, multiplier=number("0.5"), frequency="ANNUAL")
    start(world, world.subscribed("Seat", "1", collection="ARREARS"), overrides=(half,))
    world.travel("2024-06-15")

    assert subscription_lines(world) == ["Seat 1 @ 3000 = 3000"]


def test_a_multiplier_applies_to_a_prorated_price_as_well(world: World) -> None:
    half = override(world.products["Seat"], type=OverrideType.MULTIPLIER, multiplier=number("0.5"), frequency=None)
    start(world, world.subscribed("Seat", "1", starting_at="2024-06-16", collection="ARREARS"), overrides=(half,))

    # 15 of 30 days of half of 3000.
    world.travel("2024-06-20")
    assert subscription_lines(world) == ["(2024-06-16..2024-07-01) Seat 1 @ 750 = 750"]


def test_a_subscription_is_billed_only_while_the_contract_may_use_the_product(world: World) -> None:
    world.subscribable("Chair", "100", is_entitled=False)
    start(world, world.subscribed("Chair", "1", collection="ARREARS"))
    world.travel("2024-07-15")
    assert all("Chair" not in line for one in world.invoices() for line in world.lines(one))

    allowed = override(world.products["Chair"], entitled=True)
    start(world, world.subscribed("Chair", "1", collection="ARREARS"), name="other", overrides=(allowed,))
    assert sum("Chair" in line for one in world.invoices() for line in world.lines(one)) == 2


def test_balances_pay_for_usage_first_and_then_for_subscriptions(world: World) -> None:
    start(
        world,
        world.subscribed("Seat", "2", collection="ARREARS"),
        credits=[world.credit("C", ("9000", "2024-06"))],
    )
    world.travel("2024-06-10")
    world.use("P", "2024-06-10", "5")
    world.travel("2024-07-15")

    # 9000: 5000 for usage, 4000 for 1.333... of the two seats; 2000 are left to pay.
    assert world.lines(world.invoice("2024-06")) == [
        "P 5 @ 1000 = 5000 [C]",
        "C applied -5000",
        "Seat ~1.333333 @ 3000 = 4000 [C]",
        "C applied -4000",
        "Seat ~0.666667 @ 3000 = 2000",
    ]
    assert headline(world.invoice("2024-06")) == "USAGE 2024-06 FINALIZED 2024-07-02 2000"


def test_balances_pay_for_a_subscription_on_a_scheduled_invoice(world: World) -> None:
    credit = world.credit("C", ("9000", "2024-06-01..2024-08-01"))
    start(world, world.subscribed("Seat", "2", scheduled=True), credits=[credit])
    world.travel("2024-07-15")

    # June's 6000 and half of July's come out of 9000; the credit's ledger has them on their dates.
    billed = [world.lines(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]
    assert billed[:2] == [
        ["(2024-06) Seat 2 @ 3000 = 6000 [C]", "(2024-06) C applied -6000"],
        [
            "(2024-07) Seat 1 @ 3000 = 3000 [C]",
            "(2024-07) C applied -3000",
            "(2024-07) Seat 1 @ 3000 = 3000",
        ],
    ]
    assert world.left("C") == "0"


def test_in_advance_the_balance_that_is_open_then_pays_and_not_that_of_the_period_before(world: World) -> None:
    start(
        world,
        world.subscribed("Seat", "1"),
        credits=[world.credit("June", ("5000", "2024-06")), world.credit("July", ("5000", "2024-07"))],
    )
    world.travel("2024-07-15")

    assert world.lines(world.invoice("2024-06")) == [
        "P 0 @ 1000 = 0",
        "(2024-07) Seat 1 @ 3000 = 3000 [July]",
        "(2024-07) July applied -3000",
    ]
    assert world.left("July") == "2000"


def test_composites_are_a_percentage_of_subscriptions_too(world: World) -> None:
    world.composite("Support", "0.1", of=["P", "Seat"])
    start(world, world.subscribed("Seat", "2", collection="ARREARS"))
    world.travel("2024-06-15")

    assert "Support 6000 @ 0.1 = 600" in world.lines(world.invoice("2024-06"))


def test_a_breakdown_has_a_subscription_in_the_window_in_which_its_service_begins(world: World) -> None:
    start(world, world.subscribed("Seat", "1", collection="ARREARS"), world.subscribed("Seat", "2"))
    world.travel("2024-07-15")

    found = world.breakdowns("DAY", "2024-06")
    assert [line for line in found["2024-06-01"] if "Seat" in line] == ["Seat 1 @ 3000 = 3000"]
    assert [line for line in found["2024-06-30"] if "Seat" in line] == ["(2024-07) Seat 2 @ 3000 = 6000"]
    assert sum("Seat" in line for lines in found.values() for line in lines) == 2


def test_jumping_is_walking(world: World) -> None:
    def live(days: list[str]) -> list[str]:
        one = World("2024-06-01")
        one.subscribable("Seat", "3000")
        one.subscribable("Week", "700", frequency="WEEKLY")
        one.subscribable("Year", "100000", frequency="ANNUAL")
        one.contract(
            subscriptions=(
                one.subscribed("Seat", "2"),
                one.subscribed("Week", "1", frequency="WEEKLY"),
                one.subscribed("Week", "3", frequency="WEEKLY", collection="ARREARS"),
                one.subscribed("Year", "1", frequency="ANNUAL", scheduled=True),
            ),
            credits=[one.credit("C", ("30000", "2024-06-01..2024-08-01"))],
        )
        for day in days:
            one.travel(day)
        return shown(one)

    walked = [f"2024-{month:02}-{day:02}" for month in (6, 7, 8) for day in range(2, 30, 3)]
    assert live([*walked, "2025-07-03"]) == live(["2025-07-03"])


def test_a_voided_invoice_is_made_again_with_its_subscriptions(world: World) -> None:
    start(world, world.subscribed("Seat", "2"), credits=[world.credit("C", ("1500", "2024-06"))])
    world.travel("2024-07-15")
    first = next(one for one in world.invoices() if one.type is InvoiceType.SCHEDULED)
    usage = world.invoice("2024-06")

    world.void(first)
    world.void(usage)

    assert world.lines(world.regenerate(first)) == world.lines(first)
    assert world.lines(world.regenerate(usage)) == world.lines(usage)


def test_nothing_is_billed_from_before_the_system_makes_the_invoices(world: World) -> None:
    world.imported(subscriptions=(world.subscribed("Seat", "1"), world.subscribed("Seat", "2", collection="ARREARS")))
    world.travel("2024-09-15")

    # In advance from August 1 on; in arrears August is the first month.
    assert subscription_lines(world)[:3] == [
        "(2024-08) Seat 1 @ 3000 = 3000",
        "(2024-09) Seat 1 @ 3000 = 3000",
        "Seat 2 @ 3000 = 6000",
    ]


@pytest.mark.parametrize(
    ("terms", "path"),
    [
        ({"product": "P"}, "subscriptions[0].subscription_rate.product_id"),
        ({"frequency": "ANNUAL"}, "subscriptions[0].subscription_rate"),
        ({"quantity": None}, "subscriptions[0].initial_quantity"),
        ({"quantity": "-1"}, "subscriptions[0].initial_quantity"),
        ({"seats": ["a"]}, "subscriptions[0].initial_quantity"),
        ({"quantity": None, "seats": ["a", "a"]}, "subscriptions[0].seat_config.initial_seat_ids[1]"),
        ({"quantity": None, "seats": [], "unassigned": "0.5"}, "subscriptions[0].seat_config.initial_unassigned_seats"),
        ({"collection": "ARREARS", "immediately": True}, "subscriptions[0].proration.invoice_behavior"),
        ({"starting_at": "2024-05-01"}, "subscriptions[0].starting_at"),
        ({"starting_at": "2024-06-01T00:30"}, "subscriptions[0].starting_at"),
        ({"ending_before": "2024-06-01"}, "subscriptions[0].ending_before"),
        ({"anchor": "2024-06-02"}, "subscriptions[0].billing_cycle_config.anchor_date"),
        ({"anchor": "2024-05-02", "collection": "ARREARS"}, "subscriptions[0].billing_cycle_config.anchor_date"),
    ],
)
def test_a_wrong_subscription_is_refused_and_changes_nothing(world: World, terms: dict[str, Any], path: str) -> None:
    world.customer()
    before = world.dump()
    given: dict[str, Any] = {"product": "Seat", "quantity": "1", **terms}

    with pytest.raises(InvalidRequest) as refused:
        start(world, world.subscribed(given.pop("product"), **given))

    assert refused.value.path == path
    assert world.dump() == before
