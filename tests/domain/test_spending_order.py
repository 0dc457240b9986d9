"""Which balance is spent first (reference 3.7), one step of the published order after the other."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from builders import balance, credit, open_segments, period, postpaid, prepaid, product, segment, specifier

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.spending_order import spending_order

OCTOBER = period("2024-10")
SOON, LATER = "2024-11-01", "2024-11-02"
"""Ends of access that speak for the balance that should come second, if its step came first."""
P = product("P", tags=["api"], pricing=["region"])
Q = product("Q", tags=["api", "slow"])
PRODUCTS = [P, Q, product("R")]

EAST = specifier(product="P", pricing={"region": "us-east-1"})
WEST = specifier(pricing={"region": "us-west-1"})


def spent_in_order(*balances: Balance) -> list[str]:
    """Names of segments in the order of spending."""
    candidates = open_segments(balances, OCTOBER)
    ordered = sorted(candidates, key=lambda candidate: spending_order(candidate, PRODUCTS))
    return [candidate.segment.id.removesuffix("/1") for candidate in ordered]


def test_the_guides_commits_a_to_f_are_spent_in_the_order_of_their_letters() -> None:
    end: dict[str, Any] = {"starting_at": "2024-10-01", "ending_before": "2025-10-01"}
    later = end | {"ending_before": "2026-10-01"}
    a = prepaid(1000, name="A", priority=50, **end)
    b = prepaid(1000, name="B", cost=None, **end)
    c = prepaid(1000, name="C", products=["P"], **end)
    d = prepaid(1000, name="D", specifiers=[EAST, WEST], **end)
    e = prepaid(1000, name="E", specifiers=[EAST, WEST], **later)
    f = prepaid(1000, name="F", **end)

    for order in permutations([a, b, c, d, e, f]):
        assert spent_in_order(*order) == ["A", "B", "C", "D", "E", "F"]


# Each pair differs in one step and the later steps speak for the other one.
@pytest.mark.parametrize(
    ("first", "then"),
    [
        # groups come before priority: prepaid commits and credits, then postpaid commits
        (prepaid(1, name="prepaid", priority=100), postpaid(1, name="postpaid", priority=1)),
        (credit(1, name="credit", priority=100), postpaid(1, name="postpaid", priority=1)),
        # 1. priority, lowest number first, fractions too
        (prepaid(1, name="rank 1", priority=1), credit(1, name="rank 2", priority=2, products=["P"])),
        (prepaid(1, name="rank 1", priority="1.25"), prepaid(1, name="rank 2", priority="1.5")),
        (postpaid(1, name="rank 1", priority=1), postpaid(1, name="rank 2", priority=2, products=["P"])),
        # 2. what costs nothing
        (credit(1, name="free"), prepaid(1, name="paid", products=["P"])),
        (prepaid(1, name="free", cost=None), prepaid(1, name="paid", products=["P"])),
        (prepaid(1, name="free", cost=0), prepaid(1, name="paid", products=["P"])),
        # 3. fewest products
        (prepaid(1, name="one", products=["P"]), prepaid(1, name="two", products=["P", "Q"], ending_before=SOON)),
        (prepaid(1, name="one", tags=["slow"]), prepaid(1, name="two", tags=["api"], ending_before=SOON)),
        (prepaid(1, name="one", products=["Q"], tags=["slow"]), prepaid(1, name="two", products=["P"], tags=["slow"])),
        (prepaid(1, name="three", products=["P", "Q", "R"]), prepaid(1, name="all", ending_before=SOON)),
        (prepaid(1, name="one", specifiers=[EAST]), prepaid(1, name="all", specifiers=[WEST], ending_before=SOON)),
        (postpaid(1, name="one", products=["P"]), postpaid(1, name="all", ending_before=SOON)),
        # 4. usage applicability, prepaid commits and credits only
        (
            prepaid(1, name="plain", products=["P"]),
            prepaid(1, name="groups", specifiers=[EAST, WEST], ending_before=SOON),
        ),
        (
            postpaid(1, name="groups", specifiers=[EAST, WEST], ending_before=SOON),
            postpaid(1, name="plain", products=["P"]),
        ),
        # 5. the earlier end, 6. the earlier start
        (
            prepaid(1, name="early", ending_before=SOON),
            prepaid(1, name="late", ending_before=LATER, starting_at="2023-01-01"),
        ),
        (
            prepaid(1, name="early", starting_at="2024-01-01", on_contract=None),
            prepaid(1, name="late", starting_at="2024-01-02"),
        ),
        (postpaid(1, name="early", ending_before=SOON), postpaid(1, name="late", ending_before=LATER)),
        # 7. fewest contracts, so the contract's own before the customer's
        (prepaid(1, name="own", sequence=2), prepaid(1, name="two", on_contract=None, contracts=["contract", "other"])),
        (
            prepaid(1, name="two", on_contract=None, contracts=["contract", "other"], sequence=2),
            prepaid(1, name="any", on_contract=None),
        ),
        (postpaid(1, name="own", sequence=2), postpaid(1, name="any", on_contract=None)),
        # what is still a tie: creation
        (prepaid(1, name="z", sequence=1), prepaid(1, name="a", sequence=2)),
    ],
)
def test_a_step_of_the_order(first: Balance, then: Balance) -> None:
    assert spent_in_order(first, then) == spent_in_order(then, first) == [first.name, then.name]


def test_segments_of_one_commit_go_by_end_then_by_start() -> None:
    commit = prepaid(
        name="C",
        segments=[
            segment(1, "2024-10-02", "2025-01-01"),
            segment(1, "2024-10-01", "2025-01-01"),
            segment(1, "2024-10-03", "2024-12-01"),
        ],
    )

    assert spent_in_order(commit) == ["C/3", "C/2", "C"]


def test_sums_that_are_not_invoiced_count_as_paid_and_a_sum_of_zero_does_not() -> None:
    assert balance("PREPAID", 100, cost=80).is_paid
    assert not balance("PREPAID", 100, cost=0).is_paid
    assert not balance("PREPAID", 100, cost=None).is_paid
    assert not credit(100).is_paid
