"""Days stay days whatever the zone; hours are instants, and go to UTC."""

from __future__ import annotations

from decimal import Decimal

import pytest
from builders import utc
from importer.files import Desk, only

from metronome_sandbox.importer.dates import DateReader, month_of
from metronome_sandbox.importer.findings import Wrong


def seconds(text: str) -> int:
    return int(utc(text).timestamp())


def day(text: str | Decimal, *formats: str, zone: str = "UTC") -> int:
    return DateReader(formats or ("iso",), zone, is_hourly=False).read(text).at


def hour(text: str, zone: str = "UTC") -> int:
    return DateReader(("iso",), zone, is_hourly=True).read(text).at


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York", "Asia/Kolkata"])
def test_a_day_is_the_same_day_in_every_zone(zone: str):
    assert day("2024-06-01", zone=zone) == seconds("2024-06-01")
    assert day("2024-06-01T23:30:00", zone=zone) == seconds("2024-06-01")


def test_a_time_with_a_zone_is_of_the_day_that_the_mapping_s_zone_had():
    assert day("2024-07-01T02:00:00Z", zone="America/New_York") == seconds("2024-06-30")
    assert day("2024-06-30T23:00:00+00:00", zone="Asia/Tokyo") == seconds("2024-07-01")
    assert day(Decimal(seconds("2024-07-01T02:00:00Z")), "unix", zone="America/New_York") == seconds("2024-06-30")


def test_an_hour_goes_to_utc():
    assert hour("2024-06-01T00:30:00", "America/New_York") == seconds("2024-06-01T04:00:00Z")
    assert hour("2024-06-01T00:30:00+02:00", "America/New_York") == seconds("2024-05-31T22:00:00Z")
    assert hour("2024-06-01", "America/New_York") == seconds("2024-06-01T04:00:00Z")


@pytest.mark.parametrize(
    ("text", "zone", "problem"),
    [
        ("2024-06-01T10:00:00", "Asia/Kolkata", "5:30:00 from UTC, so its hour is none of UTC"),
        ("2024-11-03T01:30:00", "America/New_York", "happened twice in America/New_York"),
        ("2024-03-10T02:30:00", "America/New_York", "was left out in America/New_York"),
    ],
)
def test_an_hour_that_has_no_place_in_utc_is_refused(text: str, zone: str, problem: str):
    with pytest.raises(Wrong, match=problem):
        hour(text, zone)


@pytest.mark.parametrize(
    ("text", "formats", "expected"),
    [
        ("01.06.2024", ("%d.%m.%Y",), "2024-06-01"),
        ("06/01/2024", ("iso", "%m/%d/%Y"), "2024-06-01"),
        ("1 Jun 2024", ("%d %b %Y",), "2024-06-01"),
        ("1717200000", ("unix",), "2024-06-01"),
        ("2024-06-01 12:00:00.123456+02", ("iso",), None),
        ("2024-02-30", ("iso",), None),
        ("20240601", ("iso",), None),
        ("2024-W22-6", ("iso",), None),
        ("99999999999", ("unix",), None),
        ("2024-06-01", ("unix",), None),
        ("1824-06-01", ("iso",), None),
        ("0001-01-01T00:00:00+23:59", ("iso",), None),
        ("9999-12-31T23:59:59-23:59", ("iso",), None),
        ("2024-06-01T25:00:00", ("iso",), None),
        ("\u0662\u0660\u0662\u0664-06-01", ("iso",), None),  # digits of another script
    ],
)
def test_a_date_is_read_in_the_forms_that_are_listed(text: str, formats: tuple[str, ...], expected: str | None):
    if expected is not None:
        assert day(text, *formats) == seconds(expected)
        return
    with pytest.raises(Wrong):
        day(text, *formats)


def test_calendars_begin_where_they_begin():
    days = DateReader(("iso",), "America/New_York", is_hourly=False)
    hours = DateReader(("iso",), "America/New_York", is_hourly=True)

    assert month_of(seconds("2024-12-31")) == (seconds("2024-12-01"), seconds("2025-01-01"))
    assert days.calendar(seconds("2024-05-31"), 3) == (seconds("2024-04-01"), seconds("2024-07-01"))
    assert days.calendar(seconds("2024-05-31"), 12) == (seconds("2024-01-01"), seconds("2025-01-01"))
    november = seconds("2024-11-01T04:00:00Z"), seconds("2024-12-01T05:00:00Z")  # clocks change in between
    assert hours.calendar(seconds("2024-11-30T12:00:00Z"), 1) == november
    assert hours.calendar(seconds("2024-12-01T04:59:59Z"), 1) == november


def test_the_last_second_of_a_day_is_no_exclusive_end(desk: Desk):
    header = "invoice,customer,product,quantity,amount,from,to"
    row = "A-1,Acme Inc,API calls,1,1,2024-06-01 00:00:00,2024-06-30 23:59:59"
    desk.without("date").saying("service: {start: from, end: to, end_is: exclusive}")

    [found] = desk.problems(row, header=header)
    assert found == (
        "2 to 2024-06-30 23:59:59: is the last minute of a day, and no end that is exclusive; say end_is: inclusive"
    )
    desk.saying("service: {start: from, end: to, end_is: inclusive}")
    assert only(desk.rows(row, header=header)).lines[0].ending_before == utc("2024-07-01")


def test_hours_of_a_zone_make_a_period_of_that_zone(desk: Desk):
    desk.without("date").saying(
        "granularity: hour",
        "time_zone: America/New_York",
        "service: {start: from, end: to, end_is: exclusive}",
        "period: {start: begin, end: end, end_is: inclusive}",
    )

    invoice = only(
        desk.rows(
            "A-1,Acme Inc,API calls,3,1,2024-06-30T23:00:00,2024-07-01T00:00:00,2024-06-01,2024-06-30",
            header="invoice,customer,product,quantity,amount,from,to,begin,end",
        )
    )

    assert (invoice.starting_at, invoice.ending_before) == (utc("2024-06-01T04:00:00Z"), utc("2024-07-01T04:00:00Z"))
    assert invoice.lines[0].subtotals[0].starting_at == utc("2024-07-01T03:00:00Z")


def test_a_row_of_an_hour_needs_a_time_of_day(desk: Desk):
    desk.saying("granularity: hour")

    found = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert found == ["2 day 2024-06-01: has no time of day, and granularity is hour"]
