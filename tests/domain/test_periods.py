"""Billing periods: the table of reference 2.5, stubs, month ends, and where generation begins."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from builders import for_ever, period, utc

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.periods import (
    BoundedPeriod,
    Frequency,
    Period,
    StatementDay,
    StatementSchedule,
    billing_periods,
    boundary,
    next_billing_period,
    require_hour,
    statement_anchor,
)

MONTHLY, QUARTERLY = Frequency.MONTHLY, Frequency.QUARTERLY
ANNUAL, WEEKLY = Frequency.ANNUAL, Frequency.WEEKLY
FIRST, START = StatementDay.FIRST_OF_MONTH, StatementDay.CONTRACT_START


def schedule(frequency: Frequency, day: StatementDay | str, contract: Period) -> StatementSchedule:
    """The schedule of a day, or of a date of its own."""
    if isinstance(day, StatementDay):
        return StatementSchedule(frequency, statement_anchor(frequency, day, contract.starting_at))
    return StatementSchedule(frequency, utc(day))


def days(periods: list[BoundedPeriod]) -> list[str]:
    """``06-01..07-01``, with the year where a period leaves its own."""
    return [
        f"{each.starting_at:%y-%m-%d}..{each.ending_before:%m-%d}"
        if each.starting_at.year == each.ending_before.year
        else f"{each.starting_at:%y-%m-%d}..{each.ending_before:%y-%m-%d}"
        for each in periods
    ]


# The first six rows and the last are the table of reference 2.5; the third and the fifth are documented.
@pytest.mark.parametrize(
    ("contract", "frequency", "day", "expected"),
    [
        (for_ever("2024-09-15"), MONTHLY, FIRST, ["24-09-15..10-01", "24-10-01..11-01"]),
        (for_ever("2024-09-15"), MONTHLY, START, ["24-09-15..10-15", "24-10-15..11-15"]),
        (for_ever("2024-09-15"), MONTHLY, "2024-09-10", ["24-09-15..10-10", "24-10-10..11-10", "24-11-10..12-10"]),
        (for_ever("2024-01-31"), MONTHLY, START, ["24-01-31..02-29", "24-02-29..03-31", "24-03-31..04-30"]),
        (
            for_ever("2024-06-01", "2024-08-16"),
            MONTHLY,
            FIRST,
            ["24-06-01..07-01", "24-07-01..08-01", "24-08-01..08-16"],
        ),
        (for_ever("2025-02-10"), QUARTERLY, FIRST, ["25-02-10..04-01", "25-04-01..07-01"]),
        # Further readings of the rules above the table.
        (for_ever("2025-02-10"), QUARTERLY, START, ["25-02-10..05-10", "25-05-10..08-10"]),
        (for_ever("2024-11-15"), QUARTERLY, FIRST, ["24-11-15..25-01-01", "25-01-01..04-01"]),
        (for_ever("2024-11-30"), QUARTERLY, START, ["24-11-30..25-02-28", "25-02-28..05-30", "25-05-30..08-30"]),
        (for_ever("2024-03-15"), ANNUAL, FIRST, ["24-03-15..25-03-01", "25-03-01..26-03-01"]),
        (for_ever("2024-02-29"), ANNUAL, START, ["24-02-29..25-02-28", "25-02-28..26-02-28"]),
        (for_ever("2024-02-28"), WEEKLY, FIRST, ["24-02-28..03-06", "24-03-06..03-13"]),
        (for_ever("2024-02-28"), WEEKLY, START, ["24-02-28..03-06", "24-03-06..03-13"]),
        (for_ever("2024-02-28"), WEEKLY, "2024-01-01", ["24-02-28..03-04", "24-03-04..03-11"]),
        # An anchor may be ahead of the contract; boundaries go in both directions.
        (for_ever("2024-06-05"), MONTHLY, "2025-01-31", ["24-06-05..06-30", "24-06-30..07-31"]),
        (for_ever("2024-06-05"), WEEKLY, "2025-01-01", ["24-06-05..06-12", "24-06-12..06-19"]),
        # A contract that starts on a boundary has no stub; one that ends on one has no cut.
        (for_ever("2024-06-01", "2024-07-01"), MONTHLY, FIRST, ["24-06-01..07-01"]),
        (for_ever("2024-06-10", "2024-06-12"), MONTHLY, FIRST, ["24-06-10..06-12"]),
    ],
)
def test_billing_periods(contract: Period, frequency: Frequency, day: StatementDay | str, expected: list[str]) -> None:
    found = billing_periods(schedule(frequency, day, contract), contract, contract.starting_at)

    assert days(list(islice(found, len(expected)))) == expected
    if contract.ending_before is not None:
        assert list(found) == []


def test_generation_that_starts_with_a_period_skips_what_comes_before() -> None:
    contract = for_ever("2024-06-01")
    found = billing_periods(schedule(MONTHLY, FIRST, contract), contract, utc("2024-08-01"))

    assert days(list(islice(found, 2))) == ["24-08-01..09-01", "24-09-01..10-01"]


def test_generation_that_starts_inside_a_period_cuts_it() -> None:
    contract = for_ever("2024-06-01")
    found = billing_periods(schedule(MONTHLY, FIRST, contract), contract, utc("2024-07-16T05:00"))

    assert next(found) == period("2024-07-16T05:00..2024-08-01")
    assert next(found) == period("2024-08")


def test_generation_cannot_start_before_the_contract() -> None:
    contract = for_ever("2024-06-15")

    assert next_billing_period(schedule(MONTHLY, FIRST, contract), contract, utc("2024-01-01")) == period(
        "2024-06-15..2024-07-01"
    )


def test_a_contract_that_has_ended_has_no_further_period() -> None:
    contract = for_ever("2024-06-01", "2024-08-16")
    monthly = schedule(MONTHLY, FIRST, contract)

    assert next_billing_period(monthly, contract, utc("2024-08-15T23:00")) == period("2024-08-15T23:00..2024-08-16")
    assert next_billing_period(monthly, contract, utc("2024-08-16")) is None


def test_a_month_end_is_computed_from_the_anchor_and_not_from_the_boundary_before() -> None:
    monthly = StatementSchedule(MONTHLY, utc("2024-01-31T06:00"))

    assert [boundary(monthly, number) for number in (-2, -1, 0, 1, 2, 3, 13)] == [
        utc("2023-11-30T06:00"),
        utc("2023-12-31T06:00"),
        utc("2024-01-31T06:00"),
        utc("2024-02-29T06:00"),
        utc("2024-03-31T06:00"),
        utc("2024-04-30T06:00"),
        utc("2025-02-28T06:00"),
    ]


@pytest.mark.parametrize("frequency", list(Frequency))
@pytest.mark.parametrize("anchor", ["2024-01-31", "2024-02-29", "2023-12-01", "2024-05-15T12:00", "2030-03-30"])
def test_periods_lie_end_to_end_and_each_ends_at_a_boundary(frequency: Frequency, anchor: str) -> None:
    contract = for_ever("2024-01-31")
    cut = StatementSchedule(frequency, utc(anchor))
    found = list(islice(billing_periods(cut, contract, contract.starting_at), 20))
    boundaries = {boundary(cut, number) for number in range(-400, 900)}

    assert found[0].starting_at == contract.starting_at
    assert all(one.ending_before == other.starting_at for one, other in pairwise(found))
    assert all(each.starting_at < each.ending_before and each.ending_before in boundaries for each in found)
    assert not any(each.starting_at < instant < each.ending_before for each in found for instant in boundaries)


def test_a_period_holds_its_start_and_not_its_end() -> None:
    june = period("2024-06")

    assert utc("2024-06-01") in june
    assert utc("2024-06-30T23:59:59") in june
    assert utc("2024-07-01") not in june
    assert utc("2024-05-31T23:59:59") not in june
    assert utc("2999-01-01") in for_ever("2024-06-01")


def test_periods_that_meet_do_not_overlap() -> None:
    assert not period("2024-06").overlaps(period("2024-07"))
    assert not period("2024-07").overlaps(period("2024-06"))
    assert period("2024-06").overlaps(period("2024-06-30T23:00..2024-08-01"))
    assert not for_ever("2024-07-01").overlaps(for_ever("2024-06-01", "2024-07-01"))
    assert for_ever("2024-06-30").overlaps(for_ever("2024-06-01", "2024-07-01"))
    assert for_ever("2024-06-30").overlaps(for_ever("2999-06-01"))


def test_a_period_holds_another_that_shares_its_edges() -> None:
    june = period("2024-06")

    assert june.holds(june)
    assert june.holds(period("2024-06-02..2024-07-01"))
    assert not june.holds(period("2024-06-02..2024-07-01T01:00"))
    assert not june.holds(period("2024-05-31T23:00..2024-06-02"))


@pytest.mark.parametrize("instant", ["2024-06-01T00:01", "2024-06-01T00:00:01", "2024-06-01T00:00:00.000001"])
def test_what_is_not_a_whole_hour_is_refused_with_its_path(instant: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^starting_at: .* is required to be on an hour boundary$"):
        require_hour(utc(instant), "starting_at")
    assert require_hour(utc("2024-06-01T23:00"), "starting_at") == utc("2024-06-01T23:00")
