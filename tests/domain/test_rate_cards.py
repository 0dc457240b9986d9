"""Dated rates that overlap, and ladders of tiers."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from builders import price, rate, rate_schedule, utc
from hypothesis import given
from hypothesis import strategies as st

from metronome_sandbox.domain.rate_cards import Price, RateSchedule, slices


def prices_at(schedule: RateSchedule, *instants: str) -> list[str | None]:
    found = [schedule.at(utc(instant)) for instant in instants]
    return [None if each is None else str(each.price.tiers[0].price) for each in found]


def test_before_its_start_a_rate_is_not_there() -> None:
    schedule = rate_schedule(rate(price("10"), starting_at="2024-06-01"))

    assert prices_at(schedule, "2024-05-31T23:59:59", "2024-06-01", "2999-01-01") == [None, "10", "10"]


def test_a_rate_ends_exactly_at_ending_before() -> None:
    schedule = rate_schedule(rate(price("10"), starting_at="2024-06-01", ending_before="2024-07-01"))

    assert prices_at(schedule, "2024-06-30T23:59:59", "2024-07-01") == ["10", None]


def test_a_later_start_takes_over() -> None:
    schedule = rate_schedule(rate(price("10"), starting_at="2024-01-01"), rate(price("12"), starting_at="2024-06-01"))

    assert prices_at(schedule, "2024-05-31T23:59:59", "2024-06-01") == ["10", "12"]


def test_a_rate_shows_again_after_one_inside_it() -> None:
    schedule = rate_schedule(
        rate(price("10"), starting_at="2024-01-01"),
        rate(price("6"), starting_at="2024-06-01", ending_before="2024-07-01"),
    )

    assert prices_at(schedule, "2024-05-01", "2024-06-15", "2024-07-01") == ["10", "6", "10"]
    assert [each.rate.price.tiers[0].price for each in schedule.segments] == [10, 6, 10]


def test_what_is_added_last_wins_wherever_it_is_valid() -> None:
    """Assumed reading of a rate that was scheduled before (pricing section 7 nos. 1 and 2)."""
    schedule = rate_schedule(rate(price("12"), starting_at="2024-06-01"), rate(price("10"), starting_at="2024-01-01"))

    assert prices_at(schedule, "2024-05-01", "2024-06-15") == ["10", "10"]
    assert len(schedule.segments) == 1


def test_the_same_start_replaces_and_goes_to_the_end_of_the_order() -> None:
    schedule = rate_schedule(
        rate(price("10"), starting_at="2024-01-01"),
        rate(price("12"), starting_at="2024-06-01"),
        rate(price("11"), starting_at="2024-01-01", ending_before="2024-07-01"),
    )

    assert prices_at(schedule, "2024-05-01", "2024-06-15", "2024-07-01") == ["11", "11", "12"]
    assert len(schedule.rates) == 2


@given(st.lists(st.tuples(st.integers(1, 12), st.none() | st.integers(1, 12)), max_size=8))
def test_whatever_is_added_the_last_one_that_is_valid_is_in_force(periods: list[tuple[int, int | None]]) -> None:
    entries = [
        rate(price(str(number)), starting_at=june(start), ending_before=None if end is None else june(end))
        for number, (start, end) in enumerate(periods)
    ]
    later_starts = [{later.starting_at for later in entries[place + 1 :]} for place in range(len(entries))]
    standing = [entry for entry, later in zip(entries, later_starts, strict=True) if entry.starting_at not in later]

    schedule = rate_schedule(*entries)

    assert schedule.rates == tuple(standing)
    for day in range(1, 14):
        expected = next((entry for entry in reversed(standing) if utc(june(day)) in entry.period), None)
        assert schedule.at(utc(june(day))) is expected
    for one, other in pairwise(schedule.segments):
        assert one.ending_before is not None
        assert one.ending_before <= other.starting_at
        assert one.ending_before < other.starting_at or one.rate is not other.rate


def june(day: int) -> str:
    return f"2024-06-{day:02}"


def test_segments_meet_only_where_rates_do() -> None:
    schedule = rate_schedule(
        rate(price("10"), starting_at="2024-01-01", ending_before="2024-02-01"),
        rate(price("12"), starting_at="2024-06-01"),
    )

    assert [(each.starting_at, each.ending_before) for each in schedule.segments] == [
        (utc("2024-01-01"), utc("2024-02-01")),
        (utc("2024-06-01"), None),
    ]
    assert prices_at(schedule, "2024-01-15", "2024-03-01", "2024-06-01") == ["10", None, "12"]


def test_a_card_without_rates_has_none() -> None:
    assert rate_schedule().at(utc("2024-06-01")) is None


LADDER = price(tiers=[("5", "0"), ("5", "100"), (None, "150")])


def sliced(ladder: Price, position: str, quantity: str) -> list[tuple[int, str, str]]:
    """``(level, quantity, unit price)`` of each slice."""
    found = slices(ladder, Decimal(position), Decimal(quantity))
    return [(piece.level, str(piece.quantity), str(piece.unit_price)) for piece in found]


@pytest.mark.parametrize(
    ("position", "quantity", "expected"),
    [
        ("0", "12", [(1, "5", "0"), (2, "5", "100"), (3, "2", "150")]),
        ("0", "5", [(1, "5", "0")]),  # the upper edge belongs to the tier
        ("0", "5.5", [(1, "5", "0"), (2, "0.5", "100")]),
        ("5", "5", [(2, "5", "100")]),
        ("4", "1", [(1, "1", "0")]),
        ("4", "7", [(1, "1", "0"), (2, "5", "100"), (3, "1", "150")]),
        ("10", "1", [(3, "1", "150")]),
        ("99", "1", [(3, "1", "150")]),
        ("0", "0", [(1, "0", "0")]),  # where the next unit would be
        ("5", "0", [(2, "0", "100")]),
        ("12", "-4", [(3, "-2", "150"), (2, "-2", "100")]),  # a falling metric takes units back from the top
        ("5", "-5", [(1, "-5", "0")]),
        ("0", "-2", [(1, "-2", "0")]),
    ],
)
def test_units_are_priced_at_the_tier_of_their_place(position: str, quantity: str, expected: list[object]) -> None:
    assert sliced(LADDER, position, quantity) == expected


def test_what_goes_up_a_ladder_and_comes_down_again_costs_nothing() -> None:
    up = slices(LADDER, Decimal(3), Decimal("9.5"))
    down = slices(LADDER, Decimal("12.5"), Decimal("-9.5"))

    assert sum(piece.quantity * piece.unit_price for piece in up + down) == 0


def test_a_last_tier_with_a_size_has_no_end() -> None:
    ladder = price(tiers=[("5", "10"), ("5", "8")])

    assert sliced(ladder, "0", "20") == [(1, "5", "10"), (2, "15", "8")]
    assert slices(ladder, Decimal(0), Decimal(20))[-1].size is None


def test_a_flat_price_is_one_endless_tier() -> None:
    assert sliced(price("7"), "123", "4") == [(1, "4", "7")]
