"""How an import is priced, what balances pay of it, and what becomes of it until its issue date.

Today is 2024-08-15, the contract began on 2024-06-01, the system makes invoices from 2024-08-01 on, P costs 1000.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain import drawdown
from metronome_sandbox.domain.errors import NotAllowedNow
from metronome_sandbox.domain.ids import OverrideId
from metronome_sandbox.domain.invoices import InvoiceStatus
from metronome_sandbox.domain.overrides import Override, OverrideType
from metronome_sandbox.domain.rating import Part
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.services import invoices
from metronome_sandbox.services.historical_invoices import HistoricalInvoice


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.imported()
    return world


def june(world: World, quantity: Any = "10", **changes: Any) -> HistoricalInvoice:
    return msgspec.structs.replace(world.historical("2024-06", {"P": quantity}), **changes)


# Prices --------------------------------------------------------------------------------------------------------------


def test_a_whole_quantity_has_the_price_of_the_lines_start(world: World) -> None:
    world.rate("P", "2000", starting_at="2024-06-16")

    (invoice,) = world.import_(june(world))

    assert world.lines(invoice) == ["P 10 @ 1000 = 10000"]


def test_windows_are_split_where_the_price_changes(world: World) -> None:
    world.rate("P", "2000", starting_at="2024-06-16", ending_before="2024-06-20")
    days = {"2024-06-01": "1", "2024-06-15": "2", "2024-06-16": "3", "2024-06-19": "4", "2024-06-20": "5"}

    (invoice,) = world.import_(world.historical("2024-06", {"P": days}, granularity="DAY"))

    assert world.lines(invoice) == [
        "(2024-06-01..2024-06-16) P 3 @ 1000 = 3000",  # 1 + 2
        "(2024-06-16..2024-06-20) P 7 @ 2000 = 14000",  # 3 + 4
        "(2024-06-20..2024-07-01) P 5 @ 1000 = 5000",
    ]
    assert invoice.total == 22000


def test_overrides_of_the_contract_apply(world: World) -> None:
    multiplier = Override(
        OverrideId(""),
        utc("2024-06-01"),
        utc("2024-06-01"),
        utc("2024-07-01"),
        OverrideType.MULTIPLIER,
        product_id=world.products["P"],
        multiplier=Decimal("0.9"),
    )
    world.imported(name="cheaper", overrides=[multiplier])

    first, second = world.import_(
        world.historical("2024-06", {"P": "10"}, contract="cheaper"),
        world.historical("2024-07", {"P": "10"}, contract="cheaper"),
    )

    assert world.lines(first) == ["P 10 @ 900 = 9000"]  # 1000 * 0.9
    assert world.lines(second) == ["P 10 @ 1000 = 10000"]


def test_a_commit_pays_at_the_commit_rate(world: World) -> None:
    world.product("Q")
    world.rate("Q", "1000", commit_price="800")
    commit = world.prepaid("C", ("10000", "2024-06-01..2025-01-01"), rate_type="COMMIT_RATE")
    world.imported(name="committed", commits=[commit])

    (invoice,) = world.import_(world.historical("2024-06", {"Q": "20"}, contract="committed"))

    assert world.lines(invoice) == [
        "Q 12.5 @ 800 = 10000 [C]",  # 10000 / 800
        "C applied -10000",
        "Q 7.5 @ 1000 = 7500",  # 20 - 12.5
    ]


def test_tiers_are_counted_over_the_lines_of_a_group_and_apart_for_each_group(world: World) -> None:
    world.product("Q", tiers=[("5", "200"), (None, "100")], presentation=("project",))
    lines = [
        world.line("Q", quantity, "2024-06", presentation={"project": name})
        for name, quantity in (("a", "7"), ("b", "4"))
    ]

    (invoice,) = world.import_(world.historical("2024-06", lines))

    assert world.lines(invoice) == [
        "Q - Tier 1 project=a 5 @ 200 = 1000",
        "Q - Tier 2 project=a 2 @ 100 = 200",  # 7 - 5
        "Q - Tier 1 project=b 4 @ 200 = 800",
    ]


def test_tiers_begin_anew_in_each_invoice(world: World) -> None:
    world.product("Q", tiers=[("5", "200"), (None, "100")])

    first, second = world.import_(world.historical("2024-06", {"Q": "7"}), world.historical("2024-07", {"Q": "4"}))

    assert world.lines(first) == ["Q - Tier 1 5 @ 200 = 1000", "Q - Tier 2 2 @ 100 = 200"]
    assert world.lines(second) == ["Q - Tier 1 4 @ 200 = 800"]


def test_a_later_price_does_not_change_what_is_final_but_a_draft_and_a_regenerated_one(world: World) -> None:
    final, waiting = world.import_(june(world), world.historical("2024-07", {"P": "20"}, issue_date="2024-09-01"))
    world.rate("P", "1500")

    assert world.lines(world.invoice("2024-06")) == ["P 10 @ 1000 = 10000"]  # Q39
    assert world.lines(invoices.get_invoice(world.context, final.customer_id, waiting.id)) == ["P 20 @ 1500 = 30000"]

    world.void(final)
    assert world.lines(world.regenerate(final)) == ["P 10 @ 1500 = 15000"]


# Balances ------------------------------------------------------------------------------------------------------------


def test_a_later_period_that_is_final_is_not_touched(world: World) -> None:
    commit = world.prepaid("C", ("15000", "2024-06-01..2025-01-01"))
    world.imported(name="committed", commits=[commit])
    july = world.historical("2024-07", {"P": "10"}, contract="committed")
    earlier = world.historical("2024-06", {"P": "10"}, contract="committed")

    world.import_(july)
    (second,) = world.import_(earlier)

    assert world.lines(second) == ["P 5 @ 1000 = 5000 [C]", "C applied -5000", "P 5 @ 1000 = 5000"]  # 15000 - 10000
    assert world.lines(world.invoice("2024-07", contract_id=world.contracts["committed"])) == [
        "P 10 @ 1000 = 10000 [C]",
        "C applied -10000",
    ]
    assert world.left("C") == "0"


def test_a_segment_that_has_not_begun_pays_for_an_import_of_its_own_time_only(world: World) -> None:
    commit = world.prepaid("C", ("1000", "2024-06"), ("2000", "2024-07"))
    world.imported(name="committed", commits=[commit])

    first, second = world.import_(
        world.historical("2024-06", {"P": "3"}, contract="committed"),
        world.historical("2024-07", {"P": "3"}, contract="committed"),
    )

    assert world.lines(first) == ["P 1 @ 1000 = 1000 [C]", "C applied -1000", "P 2 @ 1000 = 2000"]
    assert world.lines(second) == ["P 2 @ 1000 = 2000 [C]", "C applied -2000", "P 1 @ 1000 = 1000"]
    assert world.ledger("C") == [
        "2024-06-01 PREPAID_COMMIT_SEGMENT_START 1000",
        "2024-07-01 PREPAID_COMMIT_SEGMENT_START 2000",
        "2024-07-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -1000 for 2024-06",
        "2024-08-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -2000 for 2024-07",
    ]


def test_a_balance_of_the_customer_serves_two_contracts_by_the_start_of_their_periods(world: World) -> None:
    world.imported(name="other")
    world.customer_balance(world.prepaid("C", ("15000", "2024-06-01..2025-01-01")))

    later, earlier = world.import_(
        world.historical("2024-07", {"P": "10"}),
        world.historical("2024-06", {"P": "10"}, contract="other"),
    )

    assert world.lines(earlier) == ["P 10 @ 1000 = 10000 [C]", "C applied -10000"]
    assert world.lines(later) == ["P 5 @ 1000 = 5000 [C]", "C applied -5000", "P 5 @ 1000 = 5000"]  # 15000 - 10000


def test_a_balance_of_the_customer_obeys_its_contracts(world: World) -> None:
    world.imported(name="other")
    world.customer_balance(world.prepaid("C", ("15000", "2024-06-01..2025-01-01"), contracts=["other"]))

    without, paid = world.import_(
        world.historical("2024-06", {"P": "10"}),
        world.historical("2024-06", {"P": "10"}, contract="other"),
    )

    assert world.lines(without) == ["P 10 @ 1000 = 10000"]  # Q37
    assert world.lines(paid) == ["P 10 @ 1000 = 10000 [C]", "C applied -10000"]


def test_customers_of_one_batch_do_not_share(world: World) -> None:
    world.imported(name="Initech's", customer="Initech")
    world.customer_balance(world.credit("R", ("5000", "2024-06")), "Initech")

    acme, initech = world.import_(
        june(world), world.historical("2024-06", {"P": "3"}, contract="Initech's", customer="Initech")
    )

    assert world.lines(acme) == ["P 10 @ 1000 = 10000"]
    assert world.lines(initech) == ["P 3 @ 1000 = 3000 [R]", "R applied -3000"]


def test_a_postpaid_commit_counts_an_import_and_the_total_stays(world: World) -> None:
    commit = world.postpaid("C", "25000", "2024-06-01..2024-12-01")
    world.imported(name="committed", commits=[commit])

    (invoice,) = world.import_(world.historical("2024-06", {"P": "10"}, contract="committed"))

    assert world.lines(invoice) == ["P 10 @ 1000 = 10000 [C]", "C applied -10000"]
    assert invoice.total == 10000  # the application of a postpaid commit is for show
    assert world.left("C") == "15000"
    assert world.ledger("C") == [
        "2024-06-01 POSTPAID_COMMIT_INITIAL_BALANCE 25000",
        "2024-07-01 POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -10000 for 2024-06",
    ]


def test_the_deduction_is_dated_where_the_segment_ends_if_that_comes_first(world: World) -> None:
    commit = world.prepaid("C", ("15000", "2024-06-01..2024-06-16"))
    world.imported(name="committed", commits=[commit])

    world.import_(world.historical("2024-06", {"P": "10"}, contract="committed"))

    assert world.ledger("C") == [
        "2024-06-01 PREPAID_COMMIT_SEGMENT_START 15000",
        "2024-06-16 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -10000 for 2024-06",  # Q3
        "2024-06-16 PREPAID_COMMIT_EXPIRATION -5000",
    ]


# Issue dates ahead ---------------------------------------------------------------------------------------------------


def test_an_import_of_a_period_ahead_can_be_read_before_it_begins(world: World) -> None:
    world.contract("later", starting_at="2024-10-01", generation="2024-12-01")
    asked = world.historical("2024-10", {"P": "2"}, contract="later", issue_date="2024-11-03")

    (waiting,) = world.import_(asked)

    assert headline(waiting) == "USAGE 2024-10 DRAFT 2024-11-03 2000"
    assert [headline(one) for one in world.invoices(contract_id=world.contracts["later"])] == [headline(waiting)]
    assert invoices.get_invoice(world.context, waiting.customer_id, waiting.id) == waiting


def test_an_import_keeps_its_id_when_its_issue_date_comes(world: World) -> None:
    (waiting,) = world.import_(june(world, issue_date=utc("2024-08-20T10:00")))

    events = world.travel("2024-08-21")

    assert [(event.type, event.timestamp, event.invoice_id) for event in events] == [
        ("invoice.finalized", utc("2024-08-20T10:00"), waiting.id)
    ]
    final = invoices.get_invoice(world.context, waiting.customer_id, waiting.id)
    assert final == msgspec.structs.replace(waiting, status=InvoiceStatus.FINALIZED)


def test_what_a_previewed_draft_says_is_what_the_import_shows_afterwards(world: World) -> None:
    """Two contracts share a balance, and both imports are drafts: they are priced again whenever they are read."""
    world.imported(name="other")
    world.customer_balance(world.prepaid("C", ("15000", "2024-06-01..2025-01-01")))
    batch = [
        world.historical("2024-06", {"P": "10"}, contract="other", issue_date="2024-09-01"),
        world.historical("2024-06", {"P": "10"}, issue_date="2024-09-01"),
    ]

    previewed = world.preview(*batch)
    imported = world.import_(*batch)

    shown = [invoices.get_invoice(world.context, one.customer_id, one.id) for one in imported]
    assert [world.lines(one) for one in previewed] == [world.lines(one) for one in imported]
    assert [world.lines(one) for one in imported] == [world.lines(one) for one in shown]


def without_rate(world: World) -> None:
    """Take P's rate of June away: an entry with the same start takes the place of the first one."""
    world.rate("P", "1000", starting_at="2000-01-01", ending_before="2024-06-01")


def test_an_import_that_waits_is_shown_without_what_has_no_rate_any_more(world: World) -> None:
    world.product("Q", "5")
    waiting, by_day = world.import_(
        world.historical("2024-06", {"P": "10", "Q": "2"}, issue_date="2024-09-01"),
        world.historical(
            "2024-07", {"P": {"2024-07-01": "1", "2024-07-02": "2"}}, issue_date="2024-09-01", granularity="DAY"
        ),
    )
    without_rate(world)
    world.rate("P", "7", starting_at="2024-07-02")

    assert [world.lines(one) for one in world.invoices()[:2]] == [
        ["Q 2 @ 5 = 10"],
        ["(2024-07-02..2024-08-01) P 2 @ 7 = 14"],
    ]
    assert world.breakdowns("DAY", "2024-07") == {"2024-07-02": ["(2024-07-02..2024-08-01) P 2 @ 7 = 14"]}
    world.travel("2024-09-03")
    assert [headline(one) for one in world.invoices()[:2]] == [
        "USAGE 2024-06 FINALIZED 2024-09-01 10",
        "USAGE 2024-07 FINALIZED 2024-09-01 14",
    ]
    assert [one.id for one in world.invoices()[:2]] == [waiting.id, by_day.id]


def test_an_import_is_not_made_again_without_its_rates(world: World) -> None:
    (invoice,) = world.import_(june(world))
    world.void(invoice)
    without_rate(world)
    before = world.dump()

    with pytest.raises(NotAllowedNow, match=r"id: No such product in rate card: .* has no rate at 2024-06-01"):
        world.regenerate(invoice)

    assert world.dump() == before


# What it costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["99999", "1000"])  # the first commit pays for all ten lines, or each for one
def test_no_commit_is_asked_about_what_is_paid(monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
    world = World("2024-08-15")
    names = [f"P{number}" for number in range(10)]
    for name in names:
        world.product(name, "1000")
    world.imported(commits=[world.prepaid(f"C{number}", (amount, "2024-06")) for number in range(10)])
    may_pay = drawdown._may_pay
    questions: list[Part] = []

    def counted(candidate: OpenSegment, part: Part) -> bool:
        questions.append(part)
        return may_pay(candidate, part)

    monkeypatch.setattr(drawdown, "_may_pay", counted)
    (invoice,) = world.preview(world.historical("2024-06", dict.fromkeys(names, "1")))

    assert invoice.total == 0
    assert len(questions) == 10
