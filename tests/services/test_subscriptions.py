"""Subscriptions: what their periods bill, on which invoice, at which price, and who pays (G31). USD cents."""

from __future__ import annotations

from typing import Any

import pytest
from builders import number, price, utc
from worlds import World, headline, shown_time

from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import OverrideId, ProductId, SubscriptionId
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideType
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.domain.recurring import Rounding, RoundingMethod
from metronome_sandbox.domain.subscriptions import QuantityChange
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import contract_edits, subscription_history
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.subscription_history import SeatsFilter, SubscriptionReference
from metronome_sandbox.services.subscriptions import NewSubscription, QuantityUpdate, SeatUpdates, SubscriptionChange


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


@pytest.mark.parametrize(
    ("scheduled", "bases"),
    [
        (False, {"2024-06": "12000", "2024-07": "0"}),  # June's price and July's; none in July, the last month
        (True, {"2024-06": "6000", "2024-07": "6000"}),
    ],
)
def test_a_composite_counts_each_price_once_also_those_on_scheduled_invoices(
    world: World, scheduled: bool, bases: dict[str, str]
) -> None:
    world.composite("Support", "0.1", of=["P", "Seat"])
    start(world, world.subscribed("Seat", "2", scheduled=scheduled), ending_before="2024-08-01")
    world.travel("2024-08-15")

    # 2 * 3000 in June and 2 * 3000 in July: a tenth of 12000 in all, whichever invoice has it.
    found = {month: [line for line in world.lines(world.invoice(month)) if "Support" in line] for month in bases}
    assert found == {month: [f"Support {base} @ 0.1 = {int(base) // 10}"] for month, base in bases.items()}


def test_a_composite_does_not_count_what_a_void_scheduled_invoice_billed(world: World) -> None:
    world.composite("Support", "0.1", of=["Seat"])
    start(world, world.subscribed("Seat", "1", scheduled=True), ending_before="2024-07-01")
    world.travel("2024-06-15")
    (fee,) = world.invoices(type=InvoiceType.SCHEDULED)
    world.void(fee)

    assert "Support 0 @ 0.1 = 0" in world.lines(world.invoice("2024-06"))


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


# --- edits


def edit(world: World, **fields: Any) -> None:
    new = EditContract(customer_id=world.customers["Acme"], contract_id=world.contracts["contract"], **fields)
    contract_edits.edit_contract(world.context, new)


def change(world: World, *updates: QuantityUpdate, place: int = 0, **fields: Any) -> None:
    subscription = world.store.contracts[world.contracts["contract"]].subscriptions[place]
    edit(world, update_subscriptions=(SubscriptionChange(id=subscription.id, quantity_updates=updates, **fields),))


def to(at: str, quantity: str) -> QuantityUpdate:
    return QuantityUpdate(utc(at), number(quantity))


def by(at: str, delta: str) -> QuantityUpdate:
    return QuantityUpdate(utc(at), delta=number(delta))


def seat_changes(**groups: tuple[QuantityChange, ...]) -> SeatUpdates:
    return SeatUpdates(tuple(groups.items()))


def named(at: str, *seats: str) -> QuantityChange:
    return QuantityChange(utc(at), added_seats=seats)


def gone(at: str, *seats: str) -> QuantityChange:
    return QuantityChange(utc(at), removed_seats=seats)


def unassigned(at: str, count: str) -> QuantityChange:
    return QuantityChange(utc(at), unassigned=number(count))


def test_an_increase_can_be_billed_at_once_for_the_rest_of_its_period(world: World) -> None:
    start(world, world.subscribed("Seat", "2", immediately=True))
    world.travel("2024-06-11")
    change(world, by("2024-06-16", "3"))
    world.travel("2024-06-20")

    # 15 of 30 days: 3 * 1500. July has all five.
    assert subscription_lines(world) == [
        "(2024-06) Seat 2 @ 3000 = 6000",
        "(2024-06-16..2024-07-01) Seat 3 @ 1500 = 4500",
        "(2024-07) Seat 5 @ 3000 = 15000",
    ]
    assert [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)] == [
        "SCHEDULED FINALIZED 2024-06-01 6000",
        "SCHEDULED FINALIZED 2024-06-16 4500",
    ]


def test_an_increase_can_wait_for_the_end_of_its_period(world: World) -> None:
    start(world, world.subscribed("Seat", "2"))
    world.travel("2024-06-11")
    change(world, by("2024-06-16", "3"))
    world.travel("2024-07-15")

    assert world.lines(world.invoice("2024-06")) == [
        "P 0 @ 1000 = 0",
        "(2024-06-16..2024-07-01) Seat 3 @ 1500 = 4500",
        "(2024-07) Seat 5 @ 3000 = 15000",
    ]


def test_without_proration_an_increase_costs_the_whole_price(world: World) -> None:
    start(world, world.subscribed("Seat", "2", prorated=False, collection="ARREARS"))
    world.travel("2024-06-11")
    change(world, to("2024-06-16", "3"))

    assert subscription_lines(world) == ["Seat 2 @ 3000 = 6000", "(2024-06-16..2024-07-01) Seat 1 @ 3000 = 3000"]


def test_a_decrease_waits_for_the_next_period_and_what_comes_back_within_this_one_is_paid(world: World) -> None:
    start(world, world.subscribed("Seat", "5", collection="ARREARS"))
    world.travel("2024-06-05")
    change(world, to("2024-06-10", "2"), to("2024-06-16", "6"), to("2024-06-20", "3"))
    world.travel("2024-07-15")

    # June: 5 whole months and one more from the 16th on, 15 of 30 days; July: 3.
    assert subscription_lines(world) == [
        "Seat 5 @ 3000 = 15000",
        "(2024-06-16..2024-07-01) Seat 1 @ 1500 = 1500",
        "Seat 3 @ 3000 = 9000",
    ]


def test_changes_of_one_date_work_in_the_order_of_the_request(world: World) -> None:
    start(world, world.subscribed("Seat", "5", collection="ARREARS"))
    change(world, to("2024-06-01", "12"), by("2024-06-01", "-1"))

    assert subscription_lines(world) == ["Seat 11 @ 3000 = 33000"]


def test_a_change_of_what_was_billed_at_this_instant_already_is_billed_beside_it(world: World) -> None:
    start(world, world.subscribed("Seat", "2", immediately=True))
    change(world, by("2024-06-01", "1"))

    assert sorted(subscription_lines(world)) == [
        "(2024-06) Seat 1 @ 3000 = 3000",
        "(2024-06) Seat 2 @ 3000 = 6000",
        "(2024-07) Seat 3 @ 3000 = 9000",
    ]
    change(world, to("2024-06-01", "1"))
    assert sorted(subscription_lines(world)) == [
        "(2024-06) Seat 1 @ 3000 = 3000",
        "(2024-06) Seat 2 @ 3000 = 6000",
        "(2024-07) Seat 1 @ 3000 = 3000",
    ]


def test_a_change_that_makes_another_quantity_of_what_was_billed_is_refused(world: World) -> None:
    start(world, world.subscribed("Seat", "2", immediately=True))
    change(world, to("2024-06-16", "5"))
    world.travel("2024-06-20")
    before = world.dump()

    with pytest.raises(NotAllowedNow, match="has billed 3"):
        change(world, to("2024-06-10", "4"))
    assert world.dump() == before


def test_a_subscription_can_be_ended_and_its_end_taken_back(world: World) -> None:
    start(world, world.subscribed("Seat", "1"))
    world.travel("2024-06-20")
    change(world, ending_before=utc("2024-07-01"))
    assert subscription_lines(world) == ["(2024-06) Seat 1 @ 3000 = 3000"]

    change(world, ending_before=None)
    assert subscription_lines(world) == ["(2024-06) Seat 1 @ 3000 = 3000", "(2024-07) Seat 1 @ 3000 = 3000"]


def test_an_edit_adds_a_subscription(world: World) -> None:
    start(world)
    world.travel("2024-06-20")
    edit(world, add=NewTerms(subscriptions=(world.subscribed("Seat", "1", starting_at="2024-06-16"),)))

    assert [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)] == [
        "SCHEDULED FINALIZED 2024-06-16 1500",
    ]


def test_a_later_end_of_the_contract_does_not_lengthen_what_was_billed_in_advance_until_the_old_one(
    world: World,
) -> None:
    start(
        world,
        world.subscribed("Seat", "1"),
        world.subscribed("Seat", "2", collection="ARREARS"),
        ending_before="2024-07-16",
    )
    world.travel("2024-07-10")
    edit(world, ending_before=None)
    world.travel("2024-08-10")

    # In advance July ends with 15 of 31 days; in arrears it goes on.
    assert subscription_lines(world) == [
        "(2024-06) Seat 1 @ 3000 = 3000",
        "(2024-07-01..2024-07-16) Seat 1 @ ~1451.612903 = ~1451.612903",
        "Seat 2 @ 3000 = 6000",
        "Seat 2 @ 3000 = 6000",
        "Seat 2 @ 3000 = 6000",
    ]


def test_seats_are_a_quantity_and_names_fill_those_without_one_first(world: World) -> None:
    start(world, world.subscribed("Seat", seats=["ada"], unassigned="1", collection="ARREARS"))
    world.travel("2024-06-05")
    change(
        world,
        seat_updates=seat_changes(
            add_seat_ids=(named("2024-06-16", "grace", "edsger", "ada"),),
            remove_seat_ids=(gone("2024-07-01", "ada", "nobody"),),
            add_unassigned_seats=(unassigned("2024-08-01", "2"),),
            remove_unassigned_seats=(unassigned("2024-08-01", "-5"),),
        ),
    )
    (subscription,) = world.store.contracts[world.contracts["contract"]].subscriptions

    found = [(shown_time(each.starting_at), each.seat_ids, each.quantity) for each in subscription.occupancies()]
    assert found == [
        ("2024-06-01", ("ada",), 2),
        ("2024-06-16", ("ada", "grace", "edsger"), 3),
        ("2024-07-01", ("grace", "edsger"), 2),
        ("2024-08-01", ("grace", "edsger"), 2),
    ]
    world.travel("2024-07-15")
    assert subscription_lines(world) == [
        "Seat 2 @ 3000 = 6000",
        "(2024-06-16..2024-07-01) Seat 1 @ 1500 = 1500",
        "Seat 2 @ 3000 = 6000",
    ]


def test_a_number_can_become_seats_without_names(world: World) -> None:
    start(world, world.subscribed("Seat", "2", collection="ARREARS"))
    change(world, seat_group_key="seat", seat_updates=seat_changes(add_seat_ids=(named("2024-06-01", "ada"),)))

    (subscription,) = world.store.contracts[world.contracts["contract"]].subscriptions
    (only,) = subscription.occupancies()
    assert (only.seat_ids, only.unassigned, subscription.seat_group_key) == (("ada",), 1, "seat")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"updates": [by("2024-06-10", "-3")]}, "quantity_updates[0]"),
        ({"updates": [by("2024-06-10", "0")]}, "quantity_updates[0].quantity_delta"),
        ({"updates": [to("2024-06-10", "-1")]}, "quantity_updates[0].quantity"),
        ({"updates": [QuantityUpdate(utc("2024-06-10"))]}, "quantity_updates[0].quantity"),
        ({"updates": [to("2024-05-10", "1")]}, "quantity_updates[0].starting_at"),
        ({"updates": [to("2024-06-10T00:30", "1")]}, "quantity_updates[0].starting_at"),
        ({"ending_before": utc("2024-06-01")}, "ending_before"),
        ({"seat_updates": seat_changes(add_seat_ids=(named("2024-06-10", "ada"),))}, "seat_updates"),
        ({"seat_group_key": "seat", "updates": [to("2024-06-10", "1")]}, "quantity_updates"),
        (
            {
                "seat_group_key": "s",
                "seat_updates": seat_changes(add_unassigned_seats=(unassigned("2024-06-10", "0.5"),)),
            },
            "seat_updates.add_unassigned_seats[0].quantity",
        ),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(world: World, changes: dict[str, Any], path: str) -> None:
    start(world, world.subscribed("Seat", "2", collection="ARREARS"))
    before = world.dump()

    with pytest.raises(InvalidRequest) as refused:
        change(world, *changes.pop("updates", []), **changes)

    assert refused.value.path == f"update_subscriptions[0].{path}"
    assert world.dump() == before


# --- histories


def reference(world: World, place: int = 0) -> SubscriptionReference:
    contract = world.store.contracts[world.contracts["contract"]]
    return SubscriptionReference(contract.customer_id, contract.id, contract.subscriptions[place].id)


def test_the_history_of_the_quantity_has_an_entry_where_it_or_its_price_changed(world: World) -> None:
    start(world, world.subscribed("Seat", "2"))
    world.subscribable("Seat", "5000", starting_at="2024-06-20")
    change(world, to("2024-06-10", "4"), to("2024-07-15", "1"), to("2024-09-01", "9"))
    world.travel("2024-08-05")

    _, _, history = subscription_history.get_quantity_history(world.context, reference(world))
    # The price of June 20 holds from July on; September is to come.
    assert [(shown_time(each.starting_at), each.quantity, each.unit_price) for each in history] == [
        ("2024-06-01", 2, 3000),
        ("2024-06-10", 4, 3000),
        ("2024-07-01", 4, 5000),
        ("2024-07-15", 1, 5000),
    ]


def test_the_history_of_seats_can_be_narrowed_to_a_time(world: World) -> None:
    start(world, world.subscribed("Seat", seats=["ada"]))
    for at, seat in (("2024-06-10", "grace"), ("2024-07-10", "edsger")):
        change(world, seat_updates=seat_changes(add_seat_ids=(named(at, seat),)))

    def shown(**conditions: str) -> list[str]:
        chosen = SeatsFilter(**{name: utc(value) for name, value in conditions.items()})
        found = subscription_history.get_seats_history(world.context, reference(world), chosen)
        return [f"{shown_time(each.starting_at)} {','.join(each.occupancy.seat_ids)}" for each in found]

    assert shown() == ["2024-06-01 ada", "2024-06-10 ada,grace", "2024-07-10 ada,grace,edsger"]
    assert shown(covering_date="2024-06-10") == ["2024-06-10 ada,grace"]
    assert shown(starting_at="2024-06-10") == ["2024-06-10 ada,grace", "2024-07-10 ada,grace,edsger"]
    assert shown(ending_before="2024-06-10") == ["2024-06-01 ada", "2024-06-10 ada,grace"]
    with pytest.raises(InvalidRequest, match="covering_date"):
        shown(covering_date="2024-06-10", starting_at="2024-06-10")


def test_a_number_has_no_history_of_seats_and_a_missing_subscription_none_at_all(world: World) -> None:
    start(world, world.subscribed("Seat", "2"))

    with pytest.raises(InvalidRequest, match="QUANTITY_ONLY"):
        subscription_history.get_seats_history(world.context, reference(world), SeatsFilter())
    missing = SubscriptionReference(world.customers["Acme"], world.contracts["contract"], SubscriptionId("none"))
    with pytest.raises(NotFound, match="subscription"):
        subscription_history.get_quantity_history(world.context, missing)
