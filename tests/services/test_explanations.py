"""Explanations of worked examples of the reference, section 5, through the services: each sentence with its figures.

The figures are those of the golden tables; the order of spending and its steps are those of section 3.7.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from builders import only_for, override, price, utc
from worlds import World

from metronome_sandbox.domain.catalog import QuantityConversion, QuantityRounding
from metronome_sandbox.domain.contracts import TransitionType
from metronome_sandbox.domain.errors import NotFound
from metronome_sandbox.domain.explanation import Explanation
from metronome_sandbox.domain.ids import InvoiceId, ProductId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.overrides import OverrideTarget
from metronome_sandbox.domain.rate_cards import RateType
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import prices, rates
from metronome_sandbox.services.explanations import explain_invoice
from metronome_sandbox.services.manual_entries import NewManualEntry, add_manual_balance_ledger_entry
from metronome_sandbox.services.transitions import NewTransition
from metronome_sandbox.store.memory import MemoryStore, StoreState

LONG = "2024-06-01..2025-06-01"


def told(world: World, invoice: Invoice) -> Explanation:
    return explain_invoice(world.context, invoice.id)


def whys(explanation: Explanation) -> list[str]:
    return [line.why for line in explanation.lines]


def decisions(explanation: Explanation, line: int) -> list[str]:
    """``won: why`` of each override on a line, in the order they were added."""
    return [f"{each.decision}: {each.why}" for each in explanation.lines[line].overrides]


def balances(explanation: Explanation) -> list[str]:
    """``A 1000 - 400 = 600 [0, 2]``: name, before, drawn, left, the lines it pays for."""
    return [
        f"{each.name} {each.before} - {each.drawn} = {each.left} {list(each.lines)}" for each in explanation.balances
    ]


def bill(world: World, quantity: int | str, during: str = "2024-06") -> Explanation:
    [invoice] = world.import_(world.historical(during, {"P": quantity}))
    return told(world, invoice)


def add_rate(world: World, *, listed: prices.NewPrice, commit: prices.NewPrice) -> None:
    rate = rates.NewRate(world.products["P"], utc("2000-01-01"), True, listed, commit_price=commit)
    rates.add_rate(world.context, world.card, rate)


def tiered(*tiers: tuple[str | None, str]) -> prices.NewPrice:
    return prices.NewPrice(RateType.TIERED, tiers=price(tiers=tiers).tiers)


# --- lines


def test_a_commit_s_own_discount_wins_while_it_pays_and_the_contract_s_afterwards():
    """G14: 1000000 / (100 * 0.8) = 12500 units, then 100 at 100 * 0.95."""
    world = World()
    world.product("P", "100")
    world.imported(
        commits=[world.prepaid("A", ("1000000", LONG), temporary_id="a")],
        overrides=[
            override(multiplier="0.8", commit_specific=True, specifiers=[only_for("a")]),
            override(multiplier="0.95", product=world.products["P"]),
        ],
    )

    explained = bill(world, 12600)

    assert whys(explained) == [
        "12500 units at 80, which is the list rate 100 times 0.8. The commit A pays for them.",
        "Takes line 0 off the invoice, since a prepaid commit pays for it.",
        "100 units at 95, which is the list rate 100 times 0.95. Nothing is left to pay for them.",
    ]
    assert decisions(explained, 0) == [
        "won: It is for what a commit or credit pays, and goes before those for the whole contract. No other one is "
        "like it.",
        "lost: One for what a commit or credit pays goes before it.",
    ]
    assert decisions(explained, 1) == []
    assert decisions(explained, 2) == [
        "not applicable: It is for what a commit or credit pays, and none pays for this line.",
        "won: The only one for this line.",
    ]
    assert explained.lines[0].cover_why == explained.lines[1].cover_why
    assert explained.lines[0].cover_why == (
        "First in order, and open at the start of the line. It pays 1000000 here; of its 1000000 the invoice leaves 0."
    )
    assert balances(explained) == ["A 1000000 - 1000000 = 0 [0]"]
    assert explained.balances[0].why == "The only one that is open to the contract in the period."


def test_an_override_of_the_commit_rate_and_one_of_the_list_rate_change_their_own():
    """G15: 800 * 0.9 = 720, 720000 / 720 = 1000; then 1000 * 0.8 = 800."""
    world = World()
    world.product("P")
    world.rate("P", "1000", commit_price="800")
    world.imported(
        commits=[world.prepaid("C", ("720000", LONG), rate_type="COMMIT_RATE")],
        overrides=[
            override(
                multiplier="0.9", product=world.products["P"], commit_specific=True, target=OverrideTarget.COMMIT_RATE
            ),
            override(multiplier="0.8", product=world.products["P"]),
        ],
    )

    explained = bill(world, 1100)

    assert whys(explained)[0] == (
        "1000 units at 720, which is the commit rate 800 times 0.9. The commit C pays for them."
    )
    assert whys(explained)[2] == (
        "100 units at 800, which is the list rate 1000 times 0.8. Nothing is left to pay for them."
    )
    assert decisions(explained, 0) == [
        "won: The only one for this line.",
        "not applicable: It is for the list rate, and a commit rate is changed only by overrides for what a balance "
        "pays.",
    ]
    pricings = [line.line.pricing for line in explained.lines]
    assert [None if each is None else each.choice.base.value for each in pricings] == ["COMMIT_RATE", None, "LIST_RATE"]


def test_tiers_of_the_commit_rate_and_of_the_list_rate_count_the_same_units():
    """G13: 500 / 80 = 6.25 units; the list's first tier goes on until 10, 3.75 more; the rest is 15 - 10 = 5."""
    world = World()
    world.product("P")
    add_rate(world, listed=tiered(("10", "100"), (None, "80")), commit=tiered(("10", "80"), (None, "60")))
    world.imported(commits=[world.prepaid("C", ("500", LONG), rate_type="COMMIT_RATE")])

    explained = bill(world, 15)

    assert whys(explained) == [
        "6.25 units at 80, the commit rate of its tier. They are the units from 0 to 6.25 of the period; tier 1 begins "
        "above 0. The commit C pays for them.",
        "Takes line 0 off the invoice, since a prepaid commit pays for it.",
        "3.75 units at 100, the list rate of its tier. They are the units from 6.25 to 10 of the period; tier 1 begins "
        "above 0. Nothing is left to pay for them.",
        "5 units at 80, the list rate of its tier. They are the units from 10 to 15 of the period; tier 2 begins above "
        "10. No commit or credit pays for them.",
    ]


def test_of_two_multipliers_the_smaller_one_wins():
    """G25n: 1000 * 0.8 = 800, not 720."""
    world = World()
    world.product("P", "1000")
    product = world.products["P"]
    world.product("Q", "5")
    world.imported(
        overrides=[
            override(multiplier="0.8", product=product),
            override(multiplier="0.9", product=product),
            override(multiplier="0.1", product=world.products["Q"]),
            override(multiplier="0.1", product=product, starting_at="2024-06-01", ending_before="2024-06-01T01:00"),
            override(entitled=True, product=product),
        ]
    )

    explained = bill(world, 10, "2024-07")

    assert whys(explained) == [
        "10 units at 800, which is the list rate 1000 times 0.8. No commit or credit pays for them."
    ]
    assert decisions(explained, 0) == [
        "won: The smallest of 2 multipliers, 0.8.",
        "lost: Its multiplier 0.9 is larger than 0.8.",
        "not applicable: It is for the product Q.",
        "not applicable: It is in force from 1 June 2024 until 1 June 2024, 01:00 UTC, and the line starts on 1 July "
        "2024.",
        "not applicable: It sets no price, only whether a product may be used.",
    ]


def test_priorities_and_overwrites_decide_in_their_way():
    world = World()
    world.product("P", "100")
    world.product("Q", "10")
    p, q = world.products["P"], world.products["Q"]
    world.imported(
        prioritization="EXPLICIT",
        overrides=[
            override(multiplier="0.5", product=p, priority="2"),
            override(multiplier="0.9", product=p, priority="1"),
            override(overwrite=price("7"), product=q),
            override(overwrite=price("8"), product=q),
            override(multiplier="0.1", product=q, priority="1"),
        ],
    )
    [invoice] = world.import_(world.historical("2024-06", {"P": 1, "Q": 2}))

    explained = told(world, invoice)

    assert whys(explained) == [
        "1 unit at 90, which is the list rate 100 times 0.9. No commit or credit pays for it.",
        "2 units at 8, which an override sets in place of the list rate 10. No commit or credit pays for them.",
    ]
    assert decisions(explained, 0)[:2] == [
        "lost: Its priority 2 comes after 1.",
        "won: The smallest of 2 priorities, 1.",
    ]
    assert decisions(explained, 1)[2:] == [
        "lost: Another overwrite was added after it.",
        "won: Of 2 overwrites the one added last.",
        "lost: An overwrite goes before it.",
    ]


def test_metered_usage_is_told_with_its_conversion_and_rounding():
    """36000 seconds and 1800 are 10.5 hours, rounded up to 11; 11 * 5 = 55."""
    world = World("2024-06-20")
    world.product(
        "P",
        "5",
        quantity_conversion=QuantityConversion("DIVIDE", Decimal(3600), "seconds to hours"),
        quantity_rounding=QuantityRounding("ROUND_UP", 0),
    )
    world.contract()
    world.use("P", "2024-06-02", 36000)
    world.use("P", "2024-06-09", 1800)

    explained = told(world, world.invoice("2024-06"))

    measure = explained.lines[0].measure
    assert measure is not None
    assert (measure.metered, measure.converted, measure.billed) == (Decimal(37800), Decimal("10.5"), Decimal(11))
    assert whys(explained) == ["11 units at 5, the list rate. No commit or credit pays for them."]
    assert explained.notes == (
        "The invoice is a draft; usage, rates and balances can still change it until 2 July 2024.",
    )


# --- balances


def a_to_f(world: World) -> list[str]:
    """The guide's commits, made in another order than they are spent; B is free, the others cost something."""
    world.product("P", pricing=["region"])
    for region in ("us-east-1", "us-west-1"):
        world.rate("P", "100", pricing={"region": region})
    product = ProductId(world.products["P"])
    regions = (
        Specifier(product, pricing_group_values=(("region", "us-east-1"),)),
        Specifier(pricing_group_values=(("region", "us-west-1"),)),
    )
    year, two_years = ("1000000", "2024-06-01..2025-06-01"), ("1000000", "2024-06-01..2026-06-01")
    paid = {"payments": [("2024-06-01", "1")], "do_not_invoice": True}
    world.imported(
        commits=[
            world.prepaid("F", year, **paid),
            world.prepaid("E", two_years, specifiers=regions, **paid),
            world.prepaid("D", year, specifiers=regions, **paid),
            world.prepaid("C", year, products=["P"], **paid),
            world.prepaid("B", year),
            world.prepaid("A", year, priority=50, **paid),
        ]
    )
    return ["A", "B", "C", "D", "E", "F"]


def test_the_guide_s_six_commits_are_told_apart_by_the_step_that_decides():
    """G22 and section 3.7: priority, cost basis, usage applicability, end, applicable products."""
    world = World()
    names = a_to_f(world)
    line = world.line("P", "100", "2024-06", pricing={"region": "us-east-1"})
    [invoice] = world.import_(world.historical("2024-06", [line]))

    explained = told(world, invoice)

    assert [each.name for each in explained.balances] == names
    assert [each.order for each in explained.balances] == [1, 2, 3, 4, 5, 6]
    pays_before = "What it is for is paid for by others before it."
    usage = "step 4, usage applicability"
    some, none = "2 specifiers with group values", "0 specifiers with group values"
    assert [each.why for each in explained.balances] == [
        "Before B by step 1, priority: 50 against 100.",
        "After A by step 1, priority: 100 against 50. Before C by step 2, cost basis: free against paid. "
        f"{pays_before}",
        f"After B by step 2, cost basis: paid against free. Before D by {usage}: {none} against {some}. {pays_before}",
        f"After C by {usage}: {some} against {none}. Before E by step 5, end: 1 June 2025 against 1 June 2026. "
        f"{pays_before}",
        "After D by step 5, end: 1 June 2026 against 1 June 2025. Before F by step 3, applicable products: 1 product "
        f"against all products. {pays_before}",
        f"After E by step 3, applicable products: all products against 1 product. {pays_before}",
    ]
    assert balances(explained) == [
        "A 1000000 - 10000 = 990000 [0]",
        *(f"{name} 1000000 - 0 = 1000000 []" for name in "BCDEF"),
    ]


def test_a_balance_that_pays_for_nothing_is_told_with_the_reason():
    world = World()
    world.product("P", "10")
    world.product("Q", "10")
    world.imported(
        credits=[
            world.credit("empty", ("20", LONG), priority=1),
            world.credit("for Q", ("20", LONG), products=["Q"], priority=2),
            world.credit("late", ("20", "2024-07-15..2025-06-01"), priority=3),
            world.credit("pays", ("1000", LONG), priority=4),
            world.postpaid("counts", "50", LONG, priority=5),
        ]
    )
    bill(world, 2)

    explained = bill(world, 3, "2024-07")

    assert balances(explained) == [
        "empty 0 - 0 = 0 []",
        "for Q 20 - 0 = 20 []",
        "late 20 - 0 = 20 []",
        "pays 1000 - 30 = 970 [0]",
        "counts 50 - 0 = 50 []",
    ]
    reasons = [each.why for each in explained.balances]
    assert reasons[0].endswith(" Nothing was left of it.")
    assert reasons[1].endswith(" It is for the product Q, and no line is.")
    assert reasons[2].endswith(
        " It is open from 15 July 2024 until 1 June 2025, and no line that it is for starts in this time."
    )
    assert reasons[3] == (
        "After late by step 1, priority: 4 against 3. Before counts by kind: a prepaid commit or credit against a "
        "postpaid commit."
    )
    assert reasons[4].endswith(" What it is for is paid for by others before it.")


def test_a_balance_that_is_open_only_while_nothing_costs_anything_is_told_with_its_time():
    """Usage until 11 June is on a line of 1 June; a credit from 20 June on finds a line of 0 units."""
    world = World("2024-06-25")
    world.product("P", "10")
    world.contract(credits=[world.credit("late", ("20", "2024-06-20..2024-07-01"))])
    world.use("P", "2024-06-05", 1)
    world.use("P", "2024-06-11", 2)

    [late] = told(world, world.invoice("2024-06")).balances

    assert late.why.endswith(
        " It is open from 20 June 2024 until 1 July 2024, and no line that it is for and that costs something starts "
        "in this time."
    )


def test_a_balance_that_ends_before_a_subscription_is_billed_is_told_with_its_time():
    """July's advance is billed on 1 July, when the commit has ended; June's was before it began."""
    world = World("2024-06-01")
    world.product("P", "10")
    world.subscribable("Seat", "3000")
    world.contract(
        subscriptions=(world.subscribed("Seat", "2"),), commits=[world.postpaid("C", "50", "2024-06-10..2024-07-01")]
    )
    world.travel("2024-07-15")

    [counted] = told(world, world.invoice("2024-06")).balances

    assert counted.why.endswith(
        " It is open from 10 June 2024 until 1 July 2024, and no line that it is for and that costs something is "
        "billed in this time."
    )


def test_a_balance_that_others_pay_before_at_a_price_of_nothing_is_told_so():
    """100 * 0 = 0: the first one covers all 3 units and takes nothing."""
    world = World()
    world.product("P", "100")
    world.imported(
        credits=[
            world.credit("free", ("20", LONG), priority=1, temporary_id="free"),
            world.credit("second", ("20", LONG), priority=2),
        ],
        overrides=[override(multiplier="0", commit_specific=True, specifiers=[only_for("free")])],
    )

    free, second = bill(world, 3).balances

    assert free.why.endswith(" At the price that it pays, what it is for costs nothing.")
    assert second.why.endswith(" What it is for is paid for by others before it.")


def test_a_postpaid_commit_counts_what_is_billed():
    """50 of 70 are counted, 5 * 10; the other 2 units are billed as well."""
    world = World()
    world.product("P", "10")
    world.imported(commits=[world.postpaid("C", "50", LONG)])

    explained = bill(world, 7)

    assert whys(explained) == [
        "5 units at 10, the list rate. The commit C counts them, and they are billed.",
        "Shows that line 0 counts for a postpaid commit. What it counts is billed, so this is no part of the total.",
        "2 units at 10, the list rate. No commit is left to count them.",
    ]
    assert [line.cover_why for line in explained.lines] == [
        *["First in order, and open at the start of the line. It counts 50 here; of its 50 the invoice leaves 0."] * 2,
        None,
    ]
    assert explained.balances[0].why.endswith(" What it counts is billed all the same.")


def test_a_postpaid_commit_counts_one_unit_as_one():
    world = World()
    world.product("P", "700")
    world.imported(commits=[world.postpaid("C", "5000", LONG, priority=1), world.postpaid("D", "5000", LONG)])

    explained = bill(world, 1)

    assert whys(explained)[0] == "1 unit at 700, the list rate. The commit C counts it, and it is billed."
    assert explained.balances[1].why.endswith(" What it is for is counted by others before it.")


def test_a_postpaid_commit_counts_what_custom_units_are_converted_into():
    """450 credits at 10 cents are 4500 of a commit of 5000."""
    world = World("2024-06-20")
    unit = world.unit("AI credits", "10")
    world.product("P")
    world.rate("P", "1", unit=unit)
    world.contract(commits=[world.postpaid("C", "5000", LONG)])
    world.use("P", "2024-06-02", 450)

    explained = told(world, world.invoice("2024-06"))

    assert whys(explained)[1].endswith(" The commit C counts them, and they are billed.")


# --- custom units, composite products


def test_custom_units_are_told_with_what_converts_them():
    """G32: 450 credits, 100 of them paid by a commit in credits; 350 * 10 cents = 3500."""
    world = World("2024-06-20")
    unit = world.unit("AI credits", "10")
    world.product("P")
    world.rate("P", "1", unit=unit)
    world.contract(commits=[world.prepaid("C", ("100", LONG), credit_type_id=unit)])
    world.use("P", "2024-06-02", 450)

    explained = told(world, world.invoice("2024-06"))

    assert explained.invoice.total == Decimal(3500)
    custom = "The line counts in a custom unit; what is left of it is converted into the invoice's currency."
    assert whys(explained) == [
        f"100 units at 1, the list rate. The commit C pays for them. {custom}",
        "Takes line 0 off the invoice, since a prepaid commit pays for it.",
        f"350 units at 1, the list rate. Nothing is left to pay for them. {custom}",
        "350 AI credits that no balance in this unit paid for, at 10, what the rate card says one is worth.",
    ]
    assert balances(explained) == ["C 100 - 100 = 0 [0]"]
    assert explained.notes[1:] == (
        "Lines in custom units are no part of the total; the line that converts what is left of them is.",
    )


@pytest.mark.parametrize(
    ("minimum", "why"),
    [
        (None, "1000 of spend at 0.1, the list rate. No commit or credit pays for them."),
        (
            "150",
            "The percentage comes to less than the minimum of 150, which is charged instead. No commit or credit pays "
            "for it.",
        ),
    ],
)
def test_a_composite_is_told_by_the_spend_behind_it(minimum: str | None, why: str):
    """10 * 100 = 1000 of spend; a tenth is 100, less than a minimum of 150."""
    world = World("2024-06-20")
    world.product("P", "100")
    world.composite("Support", "0.1", of=["P"], minimum=minimum)
    world.contract()
    world.use("P", "2024-06-02", 10)

    assert whys(told(world, world.invoice("2024-06")))[1] == why


# --- the invoice


def test_an_import_is_told_with_what_the_months_before_left():
    """G24: June takes 10 * 1000 of 25000, July 15000 for 15 of 20 units; 5 * 1000 is billed."""
    world = World()
    world.product("P", "1000")
    world.imported(commits=[world.prepaid("C", ("25000", LONG))])
    bill(world, 10)

    july = bill(world, 20, "2024-07")

    assert july.invoice.total == Decimal(5000)
    assert july.period_why == "The import asked for this period."
    assert whys(july) == [
        "15 units at 1000, the list rate. The commit C pays for them.",
        "Takes line 0 off the invoice, since a prepaid commit pays for it.",
        "5 units at 1000, the list rate. Nothing is left to pay for them.",
    ]
    assert balances(july) == ["C 15000 - 15000 = 0 [0]"]
    assert july.notes == ("The quantities are those of the import, which are not converted and not rounded.",)


@pytest.mark.parametrize(
    ("about", "during", "why"),
    [
        (
            {"starting_at": "2024-06-01", "generation": "2024-08-01"},
            "2024-08",
            "It begins on 1 August 2024, from when on the system makes the contract's invoices, and ends on 1 "
            "September 2024, the next boundary of MONTHLY periods counted from 1 June 2024.",
        ),
        (
            {"starting_at": "2024-07-15"},
            "2024-07-15..2024-08-01",
            "It begins with the contract on 15 July 2024, and ends on 1 August 2024, the next boundary of MONTHLY "
            "periods counted from 1 July 2024.",
        ),
        (
            {"starting_at": "2024-07-15", "ending_before": "2024-08-20"},
            "2024-08-01..2024-08-20",
            "It begins on 1 August 2024, a boundary of MONTHLY periods counted from 1 July 2024, and ends with the "
            "contract on 20 August 2024.",
        ),
        (
            {"starting_at": "2024-07-10"},
            "2024-08",
            "It begins on 1 August 2024, a boundary of MONTHLY periods counted from 1 July 2024, and ends on 1 "
            "September 2024, the next one.",
        ),
    ],
)
def test_a_period_is_told_with_why_it_begins_and_ends_there(about: dict[str, str], during: str, why: str):
    world = World("2024-08-15")
    world.product("P", "10")
    world.contract(**about)

    assert told(world, world.invoice(during)).period_why == why


def test_a_scheduled_invoice_is_told_by_its_schedule():
    world = World("2024-06-15")
    world.product("P", "10")
    world.contract(commits=[])
    world.customer_balance(world.prepaid("C", ("100", LONG), payments=[("2024-07-01", "80")], paid_on="contract"))
    [scheduled] = world.invoices(type="SCHEDULED")

    explained = told(world, scheduled)

    assert whys(explained) == ["A payment of the commit C, due on 1 July 2024 by its schedule."]
    assert (explained.period_why, explained.balances) == (None, ())
    assert explained.notes == ("The invoice is a draft; it becomes final on 1 July 2024.",)


def test_a_true_up_is_told_with_what_was_committed_and_used():
    """20000 + 500 by hand - 103 * 100 = 10200; what is entered afterwards changes no final invoice."""
    world = World("2024-06-15")
    world.product("P", "100")
    contract = world.contract(commits=[world.postpaid("C", "20000", "2024-06")])
    [segment] = world.balance("C").segments

    def enter(amount: int) -> None:
        entry = NewManualEntry(world.balance("C").id, segment.id, Decimal(amount), "agreed", contract.id)
        add_manual_balance_ledger_entry(world.context, world.customers["Acme"], entry)

    [draft] = world.invoices(type="SCHEDULED")
    assert whys(told(world, draft)) == [
        "What usage did not come to of the commit C: 20000 committed less 0 used is 20000, due on 1 July 2024 by its "
        "schedule."
    ]
    world.use("P", "2024-06-03", 103)
    enter(500)
    world.travel("2024-07-15")
    enter(-100)
    [final] = world.invoices(type="SCHEDULED")
    assert whys(told(world, final)) == [
        "What usage did not come to of the commit C: 20500 committed less 10300 used is 10200, due on 1 July 2024 by "
        "its schedule."
    ]


def test_a_true_up_is_told_with_what_rolled_over():
    """A quarter of 10000 rolls over: 10000 - 10 * 100 - 2500 = 6500."""
    world = World("2024-06-15")
    world.product("P", "100")
    share = Decimal("0.25")
    old = world.contract(
        "old", ending_before="2024-07-01", commits=[world.postpaid("C", "10000", "2024-06", rollover_fraction=share)]
    )
    world.use("P", "2024-06-03", 10)
    world.contract("new", starting_at="2024-07-01", transition=NewTransition(TransitionType.RENEWAL, old.id))

    [true_up] = world.invoices(type="SCHEDULED")

    assert whys(told(world, true_up)) == [
        "What usage did not come to of the commit C: 10000 committed less 1000 used less 2500 rolled over is 6500, due "
        "on 1 July 2024 by its schedule."
    ]


def test_a_final_invoice_keeps_its_figures_and_says_that_they_would_be_others_now():
    world = World()
    world.product("P", "1000")
    world.imported(commits=[world.prepaid("C", ("25000", LONG))])
    before = bill(world, 10)

    world.rate("P", "1200")
    after = told(world, before.invoice)

    assert whys(after) == whys(before)
    assert after.lines[0].line.unit_price == Decimal(1000)
    assert after.notes == (
        *before.notes,
        "Rates, overrides, products or balances were changed after the invoice was made; priced now, the same usage "
        "would have other lines. The invoice keeps its figures.",
    )


def test_later_draws_on_a_balance_are_no_change_of_it():
    world = World()
    world.product("P", "1000")
    world.imported(commits=[world.prepaid("C", ("25000", LONG))])
    june = bill(world, 10)
    bill(world, 20, "2024-07")

    assert told(world, june.invoice) == june


def test_an_explanation_survives_a_snapshot():
    world = World()
    a_to_f(world)
    line = world.line("P", "60500", "2024-06", pricing={"region": "us-east-1"})
    [invoice] = world.import_(world.historical("2024-06", [line]))
    before = told(world, invoice)

    world.context.store = MemoryStore(msgspec.json.decode(world.dump(), type=StoreState))

    assert told(world, invoice) == before


def test_a_draft_that_nobody_has_listed_yet_can_be_explained():
    world = World("2024-07-15")
    world.product("P", "10")
    world.contract()
    world.customer("Somebody else")
    draft_id = world.invoice("2024-07").id
    world.context.drafts.clear()
    world.context.draft_owners.clear()

    assert explain_invoice(world.context, draft_id).invoice.id == draft_id


def test_an_unknown_invoice_is_not_found():
    world = World()
    world.product("P", "10")
    world.contract()

    with pytest.raises(NotFound):
        explain_invoice(world.context, InvoiceId("00000000-0000-0000-0000-000000000000"))


def test_a_subscription_is_told_with_its_time_and_its_part_of_a_period():
    """15 of 30 days of 3000 are 1500; half of that is 750."""
    world = World("2024-06-01")
    world.subscribable("Seat", "3000")
    half = override(multiplier="0.5", product=world.products["Seat"])
    late = world.subscribed("Seat", "2", starting_at="2024-06-16", collection="ARREARS")
    world.contract(
        subscriptions=(late, world.subscribed("Seat", "1")),
        overrides=[half],
        credits=[world.credit("C", ("1000", "2024-06"))],
    )
    world.travel("2024-07-15")

    explained = told(world, world.invoice("2024-06"))

    # June 1: the scheduled invoice of the second one takes all of C first.
    assert whys(explained) == [
        "2 units at 750, the part for 15 of 30 days of 1500, which is the list rate 3000 times 0.5. They are for the "
        "time from 16 June 2024 until 1 July 2024, billed in arrears. No commit or credit pays for them.",
        "1 unit at 1500, which is the list rate 3000 times 0.5. It is for the time from 1 July 2024 until "
        "1 August 2024, billed in advance. No commit or credit pays for it.",
    ]
    (first,) = (one for one in world.invoices() if one.period is None)
    assert balances(told(world, first)) == ["C 1000 - 1000 = 0 [0]"]
    assert told(world, first).lines[0].cover_why == (
        "First in order, and open when the line is billed. It pays 1000 here; of its 1000 the invoice leaves 0."
    )
    assert explained.notes == ()


def test_usage_that_is_on_no_line_is_told_with_the_reason():
    """Question 16 of the pricing reference: such usage has no line."""
    world = World("2024-06-20")
    world.product("P", "100")
    world.product("Q")
    world.rate("Q", "10", starting_at="2024-06-10")
    world.product("R", pricing=["region"])
    world.rate("R", "10", pricing={"region": "eu"})
    world.product("S", "10", entitled=False)
    world.contract()
    world.use("P", "2024-06-02", 1)
    world.use("Q", "2024-06-02", 2)
    world.use("Q", "2024-06-03", 3)
    world.use("Q", "2024-06-11", 4)  # on a line
    world.use("R", "2024-06-02", 5, region="us")
    world.use("S", "2024-06-02", 6)

    [draft] = world.invoices()
    notes = told(world, draft).notes[1:]
    assert notes == (
        "5 of Q are on no line: the rate card has no rate for it.",
        "5 of R with region us are on no line: the rate card has no rate for it.",
        "6 of S are on no line: the contract is not entitled to it.",
    )

    world.travel("2024-07-03")
    [final, _] = world.invoices()
    assert told(world, final).notes == notes


def test_usage_without_a_pricing_key_is_told():
    world = World("2024-06-20")
    world.product("P", pricing=["region"])
    world.rate("P", "10", pricing={"region": "eu"})
    [metric] = world.store.billable_metrics.values()
    with world.context.transaction():
        world.store.billable_metrics.put(metric.id, msgspec.structs.replace(metric, property_filters=()))
    world.contract()
    world.use("P", "2024-06-02", 2)
    world.use("P", "2024-06-03", 1)
    world.use("P", "2024-06-03", 7, region="eu")

    [draft] = world.invoices()
    assert world.lines(draft) == ["P region=eu 7 @ 10 = 70"]
    assert told(world, draft).notes[1:] == (
        "3 of P with region (none) are on no line: its events lack a key that the price depends on.",
    )


def test_products_that_were_renamed_are_called_as_they_were_in_the_period():
    world = World("2024-07-20")
    world.product("P", "100")
    world.product("Q", "100")
    for_q = world.prepaid("for Q", ("1000", LONG), products=["Q"])
    world.imported(commits=[world.prepaid("", ("1000", LONG), products=["P"]), for_q])
    world.update("Q", "2024-05-01", name="Storage")
    world.update("Commitment", "2024-05-01", name="Prepayment")

    explained = bill(world, 3)

    assert balances(explained) == ["Prepayment 1000 - 300 = 700 [0]", "for Q 1000 - 0 = 1000 []"]  # 3 * 100
    assert "The commit Prepayment pays for them." in whys(explained)[0]
    assert "the product Storage" in explained.balances[1].why
