"""From usage events to quantities: aggregations, filters, group keys, conversion and rounding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from builders import event, metric, period, product, utc

from metronome_sandbox.domain.catalog import AggregationType, BillableMetric, Product, PropertyFilter, ValueFilter
from metronome_sandbox.domain.events import UsageEvent, matches, within
from metronome_sandbox.domain.events import metered as metered_through_time
from metronome_sandbox.domain.ids import GroupValues
from metronome_sandbox.domain.usage import WindowQuantity

CALLS = product("Calls")
VALUES = ["7", "9", "10", "5"]  # the example of the vendor's page on metrics that fall


def metered(
    counted: BillableMetric, of: Product, events: Sequence[UsageEvent]
) -> dict[tuple[GroupValues, GroupValues], tuple[WindowQuantity, ...]]:
    """Of a product that counts with this metric all the time."""
    counting = msgspec.structs.replace(of, billable_metric_id=counted.id)
    return metered_through_time({counted.id: counted}, counting, events, period("2024-06"))


def hourly(values: Sequence[str], key: str = "value") -> list[UsageEvent]:
    return [event(f"2024-06-01T{hour:02}:30", {key: value}) for hour, value in enumerate(values)]


def quantities(counted: BillableMetric, events: Sequence[UsageEvent], of: Product = CALLS) -> list[str]:
    """Hour by hour, of the only group."""
    (windows,) = metered(counted, of, events).values()
    return [str(window.quantity) for window in windows]


@pytest.mark.parametrize(
    ("aggregation", "values", "expected"),
    [
        (AggregationType.COUNT, VALUES, ["1", "1", "1", "1"]),
        (AggregationType.SUM, VALUES, ["7", "9", "10", "5"]),
        (AggregationType.SUM, ["0.1", "0.2", "-0.3"], ["0.1", "0.2", "-0.3"]),
        (AggregationType.MAX, VALUES, ["7", "2", "1"]),  # 10 in the end
        (AggregationType.MAX, ["-5", "-7", "-3"], ["-5", "2"]),  # -3 in the end
        (AggregationType.LATEST, VALUES, ["7", "2", "1", "-5"]),  # documented: 7, 2, 1, -5
        (AggregationType.LATEST, ["0"], ["0"]),
        (AggregationType.UNIQUE, ["a", "b", "a", "c"], ["1", "1", "1"]),
        (AggregationType.UNIQUE, ["1", "1.0", "1"], ["1", "1"]),  # values are text
    ],
)
def test_increments_of_an_aggregation(aggregation: AggregationType, values: list[str], expected: list[str]) -> None:
    assert quantities(metric(aggregation, "value"), hourly(values)) == expected


def test_events_of_one_hour_are_one_window_that_starts_with_the_hour() -> None:
    events = [event("2024-06-01T10:00"), event("2024-06-01T10:59:59"), event("2024-06-01T11:00")]
    (windows,) = metered(metric("COUNT"), CALLS, events).values()

    assert [(window.starting_at, window.quantity) for window in windows] == [
        (utc("2024-06-01T10:00"), 2),
        (utc("2024-06-01T11:00"), 1),
    ]


@pytest.mark.parametrize("value", ["", "many", "NaN", "Infinity", "1e400", "1e1000000", "1" * 16, "1e-19"])
def test_a_value_that_is_no_number_to_count_with_is_not_counted(value: str) -> None:
    events = [event("2024-06-01T10:00", {"value": "3"}), event("2024-06-01T11:00", {"value": value})]

    assert quantities(metric("SUM", "value"), events) == ["3"]


@pytest.mark.parametrize("aggregation", ["SUM", "MAX", "LATEST", "UNIQUE"])
def test_an_event_without_the_aggregation_key_is_not_counted(aggregation: str) -> None:
    events = [event("2024-06-01T10:00"), event("2024-06-01T11:00", {"value": "1"})]

    assert quantities(metric(aggregation, "value"), events) == ["1"]


def test_a_count_needs_no_key() -> None:
    assert quantities(metric("COUNT", "value"), [event("2024-06-01T10:00")]) == ["1"]


GROUPED = product("Calls", pricing=["region", "cloud"], presentation=["team"])


def test_each_combination_of_group_values_is_counted_on_its_own() -> None:
    events = [
        event("2024-06-01T10:00", {"region": "eu", "cloud": "AWS", "team": "red"}),
        event("2024-06-01T11:00", {"region": "eu", "cloud": "AWS", "team": "blue"}),
        event("2024-06-01T12:00", {"region": "eu", "cloud": "AWS"}),
        event("2024-06-01T13:00", {"region": "us", "cloud": "AWS", "team": "red"}),
        event("2024-06-01T14:00", {"region": "eu", "cloud": "AWS", "team": "red", "other": "x"}),
    ]
    found = metered(metric("COUNT"), GROUPED, events)
    eu, us = (("cloud", "AWS"), ("region", "eu")), (("cloud", "AWS"), ("region", "us"))

    assert {group: sum(window.quantity for window in windows) for group, windows in found.items()} == {
        (eu, (("team", "red"),)): 2,
        (eu, (("team", "blue"),)): 1,
        (eu, (("team", None),)): 1,  # shown under no team
        (us, (("team", "red"),)): 1,
    }


def test_an_event_without_a_pricing_group_key_is_not_priced() -> None:
    assert metered(metric("COUNT"), GROUPED, [event("2024-06-01T10:00", {"region": "eu", "team": "red"})]) == {}


def test_a_maximum_is_that_of_each_group() -> None:
    team = product("Calls", presentation=["team"])
    events = [
        event("2024-06-01T10:00", {"value": "5", "team": "red"}),
        event("2024-06-01T11:00", {"value": "3", "team": "blue"}),
        event("2024-06-01T12:00", {"value": "4", "team": "blue"}),
    ]
    found = metered(metric("MAX", "value"), team, events)

    assert sorted(sum(window.quantity for window in windows) for windows in found.values()) == [4, 5]


ANY = ValueFilter()


@pytest.mark.parametrize(
    ("condition", "properties", "expected"),
    [
        (PropertyFilter("p", exists=True), {"p": "x"}, True),
        (PropertyFilter("p", exists=True), {}, False),
        (PropertyFilter("p", exists=False), {"p": "x"}, False),
        (PropertyFilter("p", exists=False), {}, True),
        (PropertyFilter("p", exists=None), {}, True),
        (PropertyFilter("p", values=ValueFilter(in_values=("x", "y"))), {"p": "y"}, True),
        (PropertyFilter("p", values=ValueFilter(in_values=("x", "y"))), {"p": "z"}, False),
        (PropertyFilter("p", values=ValueFilter(in_values=("x", "y"))), {}, False),
        (PropertyFilter("p", values=ValueFilter(not_in_values=("x",))), {"p": "x"}, False),
        (PropertyFilter("p", values=ValueFilter(not_in_values=("x",))), {"p": "y"}, True),
        (PropertyFilter("p", values=ValueFilter(not_in_values=("x",))), {}, True),
    ],
)
def test_a_property_filter(condition: PropertyFilter, properties: dict[str, str], expected: bool) -> None:
    assert matches(metric("COUNT", property_filters=(condition,)), event("2024-06-01", properties)) is expected


def test_all_filters_must_pass() -> None:
    both = metric("COUNT", property_filters=(PropertyFilter("p", exists=True), PropertyFilter("q", exists=True)))

    assert matches(both, event("2024-06-01", {"p": "1", "q": "1"}))
    assert not matches(both, event("2024-06-01", {"p": "1"}))


def test_the_event_type_is_filtered_first() -> None:
    calls = metric("COUNT", event_type_filter=ValueFilter(in_values=("call",), not_in_values=("test",)))

    assert matches(calls, event("2024-06-01", type="call"))
    assert not matches(calls, event("2024-06-01", type="test"))
    assert not matches(calls, event("2024-06-01", type="other"))


def test_an_sql_metric_counts_nothing() -> None:
    assert not matches(metric("COUNT", sql="SELECT 1"), event("2024-06-01"))


def converted(conversion: tuple[str, str] | None, rounding: tuple[str, int] | None, *values: str) -> list[Decimal]:
    """What hourly values of a SUM become."""
    special = product("Calls", conversion=conversion, rounding=rounding)
    return [Decimal(each) for each in quantities(metric("SUM", "value"), hourly(values), special)]


def test_megabytes_become_whole_gigabytes() -> None:
    """Pricing 5.3 no. 18: 2500 / 1024 = 2.44140625, rounded up 3."""
    assert converted(("DIVIDE", "1024"), None, "2500") == [Decimal("2.44140625")]
    assert converted(("DIVIDE", "1024"), ("ROUND_UP", 0), "2500") == [3]
    assert converted(("DIVIDE", "1024"), ("ROUND_DOWN", 0), "2500") == [2]
    assert converted(("DIVIDE", "1024"), ("ROUND_HALF_UP", 1), "2500") == [Decimal("2.4")]
    assert converted(("MULTIPLY", "2.5"), None, "3") == [Decimal("7.5")]


@pytest.mark.parametrize(
    ("method", "places", "value", "expected"),
    [
        ("ROUND_UP", 0, "2.0001", "3"),
        ("ROUND_UP", 2, "2.001", "2.01"),
        ("ROUND_UP", 0, "2", "2"),
        ("ROUND_DOWN", 0, "2.9999", "2"),
        ("ROUND_DOWN", 2, "2.999", "2.99"),
        ("ROUND_HALF_UP", 0, "2.5", "3"),
        ("ROUND_HALF_UP", 0, "3.5", "4"),
        ("ROUND_HALF_UP", 0, "2.4999", "2"),
    ],
)
def test_rounding(method: str, places: int, value: str, expected: str) -> None:
    assert converted(None, (method, places), value) == [Decimal(expected)]


def test_a_group_is_rounded_once_and_not_in_each_hour() -> None:
    fifth = Decimal("0.2")

    assert converted(None, ("ROUND_UP", 0), "0.2", "0.2", "0.2") == [fifth, fifth, 1 - 2 * fifth]  # 0.6 becomes 1


@pytest.mark.parametrize("method", ["ROUND_UP", "ROUND_DOWN", "ROUND_HALF_UP"])
@pytest.mark.parametrize("thirds", [1, 2])
def test_the_whole_is_converted_and_not_each_event(method: str, thirds: int) -> None:
    """Three times 1/3 is 1, whichever way it is rounded, and three times 2/3 is 2."""
    assert sum(converted(("DIVIDE", "3"), (method, 0), *[str(thirds)] * 3)) == thirds
    assert sum(converted(("DIVIDE", "3"), None, *[str(thirds)] * 3)) == thirds


def test_rounding_down_takes_no_hour_below_zero() -> None:
    assert converted(None, ("ROUND_DOWN", 0), "0.9", "0.05") == [0, 0]
    assert converted(None, ("ROUND_DOWN", 0), "1.9", "0.05") == [1, 0]
    assert converted(None, ("ROUND_DOWN", 0), "0.4", "1.3") == [Decimal("0.4"), Decimal("0.6")]
    assert converted(None, ("ROUND_DOWN", 0), "0.9", "-0.5") == [Decimal("0.5"), Decimal("-0.5")]


def test_events_within_a_period_are_those_from_its_start_until_its_end() -> None:
    events = [event("2024-05-31T23:59:59"), event("2024-06-01"), event("2024-06-30T23:59:59"), event("2024-07-01")]

    assert within(events, utc("2024-06-01"), utc("2024-07-01")) == events[1:3]
