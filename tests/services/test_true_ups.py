"""True-ups of postpaid commits (reference 3.9; G09 to G09d). USD cents, one unit costs 100."""

from __future__ import annotations

import pytest
from builders import number, utc
from worlds import World, headline

from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.domain.invoices import InvoiceType, LineType
from metronome_sandbox.services import balance_ends, contracts, manual_entries

GRANTED = "POSTPAID_COMMIT_INITIAL_BALANCE"
DEDUCTED = "POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION"
BILLED = "POSTPAID_COMMIT_TRUEUP"
LAPSED = "POSTPAID_COMMIT_EXPIRATION"


@pytest.fixture
def world() -> World:
    world = World("2024-06-15")
    world.product("P", "100")
    return world


def committed(world: World, amount: str = "10000", during: str = "2024-06", **others: object) -> None:
    """A contract over the time of a postpaid commit ``C``, trued up at its end."""
    start, _, end = during.partition("..")
    world.contract(
        starting_at=start + ("" if end else "-01"),
        ending_before=end or "2024-07-01",
        commits=[world.postpaid("C", amount, during, **others)],
    )


def scheduled(world: World) -> list[str]:
    return [headline(one) for one in world.invoices(type=InvoiceType.SCHEDULED)]


def disable(world: World) -> None:
    balance_ends.disable_true_up(
        world.context, world.customers["Acme"], world.balance("C").id, world.contracts["contract"]
    )


def test_g09_a_year_below_its_commitment_is_trued_up_by_what_is_missing() -> None:
    # 12 months at 800 * 100 = 80000 are 960000; 1000000 - 960000 = 40000 is missing.
    world = World("2025-01-15")
    world.product("P", "100")
    world.contract(
        starting_at="2024-01-01",
        ending_before="2025-01-01",
        generation="2025-01-01",
        commits=[world.postpaid("C", "1000000", "2024-01-01..2025-01-01")],
    )
    for month in range(1, 13):
        world.import_(world.historical(f"2024-{month:02}", {"P": "800"}))

    world.travel("2025-01-16")

    assert [headline(one).split()[-1] for one in world.invoices(type=InvoiceType.USAGE)] == ["80000"] * 12
    assert "SCHEDULED FINALIZED 2025-01-01 40000" in scheduled(world)
    assert world.ledger("C")[0] == f"2024-01-01 {GRANTED} 1000000"
    assert world.ledger("C")[-1] == f"2025-01-01 {BILLED} -40000"
    assert world.left("C") == "0"


def test_g09b_what_was_not_used_is_on_a_line_of_its_own_that_names_the_commit(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "90")

    world.travel("2024-07-02")

    (true_up,) = world.invoices(type=InvoiceType.SCHEDULED)
    (line,) = true_up.lines
    assert headline(true_up) == "SCHEDULED FINALIZED 2024-07-01 1000"  # 10000 - 90 * 100
    assert world.lines(true_up) == ["C 1 @ 1000 = 1000"]
    assert (line.type, line.product_id) == (LineType.COMMIT_PURCHASE, world.commitment)
    assert line.applied is not None
    assert line.applied.id == world.balance("C").id
    assert world.ledger("C") == [
        f"2024-06-01 {GRANTED} 10000",
        f"2024-07-01 {DEDUCTED} -9000 for 2024-06",
        f"2024-07-01 {BILLED} -1000",
    ]


def test_g09c_a_commitment_that_is_used_up_brings_no_true_up(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "120")

    drafts = scheduled(world)
    world.travel("2024-07-02")

    # 10000 / 100 = 100 units count, 20 more do not; all 120 * 100 = 12000 are billed.
    assert world.lines(world.invoice("2024-06")) == ["P 100 @ 100 = 10000 [C]", "C applied -10000", "P 20 @ 100 = 2000"]
    assert (drafts, scheduled(world)) == ([], [])
    assert world.ledger("C") == [f"2024-06-01 {GRANTED} 10000", f"2024-07-01 {DEDUCTED} -10000 for 2024-06"]


def test_g09d_a_disabled_true_up_lets_the_rest_lapse(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "90")

    disable(world)
    world.travel("2024-07-02")

    assert scheduled(world) == []
    assert world.ledger("C") == [
        f"2024-06-01 {GRANTED} 10000",
        f"2024-07-01 {DEDUCTED} -9000 for 2024-06",
        f"2024-07-01 {LAPSED} -1000",  # 10000 - 9000
    ]


def test_a_draft_true_up_is_there_from_the_start_and_follows_usage(world: World) -> None:
    committed(world)
    before = scheduled(world)

    world.use("P", "2024-06-02", "30")

    assert before == ["SCHEDULED DRAFT 2024-07-01 10000"]
    assert scheduled(world) == ["SCHEDULED DRAFT 2024-07-01 7000"]  # 10000 - 30 * 100
    assert world.left("C") == "7000"


def test_a_true_up_waits_for_the_last_usage_invoice_of_its_time_and_keeps_its_id(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "90")
    (draft,) = world.invoices(type=InvoiceType.SCHEDULED)

    world.travel("2024-07-01T23:00")  # one hour before the grace of June is over
    waiting = scheduled(world)
    world.travel("2024-07-02")

    (final,) = world.invoices(type=InvoiceType.SCHEDULED)
    assert waiting == ["SCHEDULED DRAFT 2024-07-01 1000"]
    assert headline(final) == "SCHEDULED FINALIZED 2024-07-01 1000"
    assert final.id == draft.id


def test_the_clock_tells_of_a_true_up_after_the_usage_it_waited_for(world: World) -> None:
    committed(world)

    finals = [event for event in world.travel("2024-07-05") if event.type == "invoice.finalized"]

    types = [world.store.invoices[event.invoice_id].type for event in finals if event.invoice_id]
    assert types == [InvoiceType.USAGE, InvoiceType.SCHEDULED]
    assert [event.timestamp for event in finals] == [utc("2024-07-02"), utc("2024-07-02")]


def test_a_true_up_may_come_later_than_the_access_ends(world: World) -> None:
    committed(world, payments=[("2024-09-01", "10000")])
    world.use("P", "2024-06-02", "90")

    world.travel("2024-08-31")
    before, owed = scheduled(world), world.ledger("C")
    world.travel("2024-09-01")

    assert before == ["SCHEDULED DRAFT 2024-09-01 1000"]
    assert owed[-1] == f"2024-07-01 {DEDUCTED} -9000 for 2024-06"  # nothing lapses while it may be billed
    assert scheduled(world) == ["SCHEDULED FINALIZED 2024-09-01 1000"]


def test_a_true_up_shares_its_invoice_with_nothing(world: World) -> None:
    world.contract(
        starting_at="2024-06-01",
        ending_before="2024-07-01",
        commits=[
            world.postpaid("C", "10000", "2024-06"),
            world.prepaid("paid", ("1", "2024-06"), payments=[("2024-07-01", "500")]),
        ],
    )

    ids = {one.id for one in world.invoices(type=InvoiceType.SCHEDULED)}
    world.travel("2024-07-05")

    assert sorted(scheduled(world)) == [
        "SCHEDULED FINALIZED 2024-07-01 10000",
        "SCHEDULED FINALIZED 2024-07-01 500",
    ]
    assert {one.id for one in world.invoices(type=InvoiceType.SCHEDULED)} == ids


def test_a_customers_commit_waits_for_all_contracts_that_may_draw_on_it(world: World) -> None:
    world.contract("one", starting_at="2024-06-01", ending_before="2024-07-01")
    world.contract(
        "two", starting_at="2024-06-01", frequency="QUARTERLY", day="CONTRACT_START", ending_before="2024-08-01"
    )
    world.customer_balance(world.postpaid("C", "10000", "2024-06", paid_on="one"))

    world.travel("2024-07-15")
    waiting = scheduled(world)
    world.travel("2024-08-02")

    assert waiting == ["SCHEDULED DRAFT 2024-07-01 10000"]
    assert scheduled(world) == ["SCHEDULED FINALIZED 2024-07-01 10000"]


def test_an_entry_by_hand_changes_what_is_trued_up(world: World) -> None:
    committed(world)
    balance = world.balance("C")
    new = manual_entries.NewManualEntry(
        balance.id, balance.segments[0].id, -number("4000"), "goodwill", world.contracts["contract"]
    )
    manual_entries.add_manual_balance_ledger_entry(world.context, world.customers["Acme"], new)

    assert scheduled(world) == ["SCHEDULED DRAFT 2024-07-01 6000"]  # 10000 - 4000


def test_a_commitment_is_measured_once(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "120")
    world.travel("2024-07-02")

    world.void(world.invoice("2024-06"))
    world.travel("2024-08-01")

    assert scheduled(world) == []
    assert world.ledger("C") == [f"2024-06-01 {GRANTED} 10000", f"2024-07-01 {LAPSED} -10000"]


def test_a_voided_true_up_is_owed_again_and_regenerated_with_what_is_missing_now(world: World) -> None:
    committed(world)
    world.use("P", "2024-06-02", "90")
    world.travel("2024-07-05")
    (true_up,) = world.invoices(type=InvoiceType.SCHEDULED)

    world.void(true_up)
    owed = world.ledger("C")
    world.rate("P", "50", starting_at="2024-06-01")
    usage = world.invoice("2024-06")
    world.void(usage)
    world.regenerate(usage)
    again = world.regenerate(true_up)

    assert owed[-1] == f"2024-07-01 {DEDUCTED} -9000 for 2024-06"
    assert headline(again) == "SCHEDULED FINALIZED 2024-07-01 5500"  # 10000 - 90 * 50
    assert world.ledger("C")[-1] == f"2024-07-01 {BILLED} -5500"


def test_sums_that_are_not_invoiced_bring_no_true_up(world: World) -> None:
    committed(world, do_not_invoice=True)

    world.travel("2024-07-05")

    assert scheduled(world) == []
    assert world.ledger("C")[-1] == f"2024-07-01 {LAPSED} -10000"


def test_an_archived_contract_is_not_trued_up(world: World) -> None:
    committed(world)

    contracts.archive_contract(world.context, world.customers["Acme"], world.contracts["contract"], void_invoices=False)
    world.travel("2024-08-01")

    assert scheduled(world) == []


def test_a_true_up_is_disabled_once_and_before_it_is_final(world: World) -> None:
    committed(world)
    world.travel("2024-07-05")
    with pytest.raises(NotAllowedNow, match="finalized invoice"):
        disable(world)

    (true_up,) = world.invoices(type=InvoiceType.SCHEDULED)
    world.void(true_up)
    disable(world)

    assert world.ledger("C")[-1] == f"2024-07-01 {LAPSED} -10000"
    with pytest.raises(NotAllowedNow, match="disabled already"):
        disable(world)


def test_a_prepaid_commit_has_no_true_up_to_disable(world: World) -> None:
    world.contract(commits=[world.prepaid("C", ("1", "2024-06"))])

    with pytest.raises(InvalidRequest, match="POSTPAID"):
        disable(world)


def test_a_true_up_is_disabled_on_the_contract_that_has_it(world: World) -> None:
    committed(world)

    with pytest.raises(NotFound):
        balance_ends.disable_true_up(world.context, world.customers["Acme"], world.balance("C").id, ContractId("other"))


def test_a_scheduled_invoice_ahead_lowers_the_true_up_that_comes_after_it() -> None:
    """A seat at 3000 from June 17 on is 14 of 30 days: 1400. Of a commitment of 1400 nothing lacks, of 2000 600."""
    for commitment, true_up in (("1400", []), ("2000", ["SCHEDULED DRAFT 2024-07-01 600"])):
        world = World("2024-06-10")
        world.subscribable("Seat", "3000")
        seat = world.subscribed("Seat", "1", starting_at="2024-06-17", immediately=True)
        world.contract(
            starting_at="2024-06-01",
            ending_before="2024-07-01",
            commits=[world.postpaid("C", commitment, "2024-06", products=[])],
            subscriptions=(seat,),
        )

        assert scheduled(world) == ["SCHEDULED DRAFT 2024-06-17 1400", *true_up]

        world.travel("2024-07-03")
        assert scheduled(world) == [
            one.replace("DRAFT", "FINALIZED") for one in ["SCHEDULED DRAFT 2024-06-17 1400", *true_up]
        ]
