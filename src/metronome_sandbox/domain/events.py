"""Usage events and how a billable metric turns them into quantities.

Every aggregation becomes a stream of increments in the order of time, which add up to the aggregate of the billing
period: a count adds one, a maximum adds what it rose by. So all of them can be cut into windows and priced alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO, checked, quotient
from metronome_sandbox.domain.catalog import AggregationType, BillableMetric, Product
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BillableMetricId, GroupValues
from metronome_sandbox.domain.lookups import Lookup
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.trace import Measure, Unbilled, UnbilledUsage
from metronome_sandbox.domain.usage import WindowQuantity, WindowSize, total


class UsageEvent(msgspec.Struct, frozen=True, gc=False):
    """One event as it was ingested. Source: schema ``Event``.

    Attributes:
        transaction_id: The first event with an id counts, later ones with the same id don't.
        customer_id: A customer's id or one of its ingest aliases, also of a customer that does not exist yet.
        properties: Values as strings; numbers as they were written.
        received_at: When it was ingested, in the tenant's time.
    """

    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: datetime
    properties: dict[str, str]
    received_at: datetime


def matches(metric: BillableMetric, event: UsageEvent) -> bool:
    """Whether the metric counts the event: its type and every property filter pass.

    Source: guide "Create billable metrics": what was sent before a metric existed does not count.
    """
    if event.received_at < metric.created_at:
        return False
    if metric.event_type_filter is not None and not metric.event_type_filter.passes(event.event_type):
        return False
    for condition in metric.property_filters:
        value = event.properties.get(condition.name)
        if condition.exists is not None and condition.exists is not (value is not None):
            return False
        if value is not None and not condition.values.passes(value):
            return False
        if value is None and condition.values.in_values is not None:
            return False
    return metric.sql is None


Increments = Callable[[Iterable[tuple[datetime, str]]], Iterator[tuple[datetime, Decimal]]]
"""From (time, value of the aggregation key) in the order of time to (time, what the aggregate grows by)."""


def _count(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    return ((at, ONE) for at, _ in values)


def _sum(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    return _numbers(values)


def _max(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    largest: Decimal | None = None
    for at, number in _numbers(values):
        if largest is None or number > largest:
            yield at, number - (largest or ZERO)
            largest = number


def _latest(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    latest = ZERO
    for at, number in _numbers(values):
        yield at, number - latest
        latest = number


def _unique(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    seen: set[str] = set()
    for at, value in values:
        if value not in seen:
            seen.add(value)
            yield at, ONE


def _numbers(values: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, Decimal]]:
    """Yield what is a number that can be counted with.

    Assumed: an event whose value is none is kept and not counted.  [A-not-a-number]
    """
    for at, value in values:
        try:
            yield at, checked(Decimal(value), "")
        except (InvalidOperation, InvalidRequest):
            continue


AGGREGATIONS: dict[AggregationType, Increments] = {
    AggregationType.COUNT: _count,
    AggregationType.SUM: _sum,
    AggregationType.MAX: _max,
    AggregationType.LATEST: _latest,
    AggregationType.UNIQUE: _unique,
}


def metered(
    metrics: Lookup[BillableMetricId, BillableMetric],
    product: Product,
    events: Sequence[UsageEvent],
    period: BoundedPeriod,
    notes: list[Measure] | None = None,
    lost: list[UnbilledUsage] | None = None,
) -> dict[tuple[GroupValues, GroupValues], tuple[WindowQuantity, ...]]:
    """Return a product's usage by hour, for each combination of pricing and presentation group values.

    Args:
        product: With all its states in time; each event meets the one of its own time.
        events: The customer's events of the billing period, in the order of time.
        notes: Where to add what was converted or rounded.
        lost: Where to add what has no price for want of a pricing group key.

    An event without the metric's aggregation key is not counted, one without one of the product's pricing group keys is
    not priced; one without a presentation group key is presented under None.

    Assumed: where a product changes its metric or its group keys, the aggregate begins anew; where it changes its
    conversion or rounding, it goes on, and what it grows by is converted as the product says then.  [A-metric-change]
    """
    found: dict[tuple[GroupValues, GroupValues], tuple[WindowQuantity, ...]] = {}
    for counting, version in product.versions(period, by=_counted):
        metric = metrics.get(version.billable_metric_id) if version.billable_metric_id is not None else None
        if metric is None:
            continue
        own = within(events, counting.starting_at, counting.ending_before)
        aggregate = AGGREGATIONS[metric.aggregation_type or AggregationType.COUNT]
        for group, values in _grouped(metric, version, own).items():
            increments = list(aggregate(values))
            if any(held is None for _, held in group[0]):
                if lost is not None:
                    counted = sum((each for _, each in increments), ZERO)
                    lost.append(UnbilledUsage(Unbilled.NO_PRICING_KEY, product.id, group[0], counted))
                continue
            for stretch, converting in product.versions(counting, by=_measure):
                inside = [item for item in increments if item[0] in stretch]
                windows = _windows(converting, inside)
                found[group] = found.get(group, ()) + windows
                if notes is not None and _measure(converting) != (None, None):
                    notes.append(_note(converting, group, stretch, sum((each for _, each in inside), ZERO), windows))
    return found


def _counted(product: Product) -> object:
    """Return what a product counts, and in which groups."""
    return product.billable_metric_id, product.group_keys()


def _measure(product: Product) -> object:
    """Return how a product converts and rounds what it counts."""
    return product.quantity_conversion, product.quantity_rounding


def _grouped(
    metric: BillableMetric, product: Product, events: Iterable[UsageEvent]
) -> dict[tuple[GroupValues, GroupValues], list[tuple[datetime, str]]]:
    """Return time and value of what the metric counts, by group values."""
    key_counted = None if metric.aggregation_type in (None, AggregationType.COUNT) else metric.aggregation_key
    pricing_keys, presentation_keys = sorted(product.pricing_group_key), sorted(product.presentation_group_key)
    grouped: dict[tuple[GroupValues, GroupValues], list[tuple[datetime, str]]] = {}
    for event in events:
        value = "" if key_counted is None else event.properties.get(key_counted)
        if value is None or not matches(metric, event):
            continue
        pricing = tuple((key, event.properties.get(key)) for key in pricing_keys)
        presentation = tuple((key, event.properties.get(key)) for key in presentation_keys)
        grouped.setdefault((pricing, presentation), []).append((event.timestamp, value))
    return grouped


def _windows(product: Product, increments: Iterable[tuple[datetime, Decimal]]) -> tuple[WindowQuantity, ...]:
    """Add increments up by hour, converted and rounded as the product says.

    The whole is converted, not each event: three thirds are one.
    Assumed: a group is rounded once for the billing period, or for each stretch of it under one rounding; its last
    hours take the difference, none more than it has.  [A-rounding]
    """
    hours: dict[datetime, Decimal] = {}
    for at, increment in increments:
        hour = WindowSize.HOUR.start_of(at)
        hours[hour] = hours.get(hour, ZERO) + increment
    windows = [WindowQuantity(hour, _converted(product, quantity)) for hour, quantity in sorted(hours.items())]
    difference = _rounded(product, _converted(product, sum(hours.values(), ZERO))) - total(windows)
    for place in reversed(range(len(windows))):
        if not difference:
            break
        hour, quantity = windows[place].starting_at, windows[place].quantity
        taken = difference if difference > 0 or place == 0 else max(difference, min(-quantity, ZERO))
        windows[place] = WindowQuantity(hour, quantity + taken)
        difference -= taken
    return tuple(windows)


def _note(
    product: Product,
    group: tuple[GroupValues, GroupValues],
    stretch: BoundedPeriod,
    metered: Decimal,
    windows: Sequence[WindowQuantity],
) -> Measure:
    return Measure(
        product.id,
        *group,
        stretch,
        metered,
        _converted(product, metered),
        total(windows),
        product.quantity_conversion,
        product.quantity_rounding,
    )


def _converted(product: Product, quantity: Decimal) -> Decimal:
    conversion = product.quantity_conversion
    if conversion is None:
        return quantity
    factor = conversion.conversion_factor
    return quantity * factor if conversion.operation == "MULTIPLY" else quotient(quantity, factor)


ROUNDING = {"ROUND_UP": ROUND_CEILING, "ROUND_DOWN": ROUND_FLOOR, "ROUND_HALF_UP": ROUND_HALF_UP}


def _rounded(product: Product, quantity: Decimal) -> Decimal:
    rule = product.quantity_rounding
    if rule is None:
        return quantity
    return quantity.quantize(Decimal(1).scaleb(-rule.decimal_places), rounding=ROUNDING[rule.rounding_method])


def within(events: Sequence[UsageEvent], starting_at: datetime, ending_before: datetime) -> list[UsageEvent]:
    """Return the events of a half-open stretch of time, in its order."""
    return [event for event in events if starting_at <= event.timestamp < ending_before]
