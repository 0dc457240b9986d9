"""Reading the rates of a card: those in force at an instant, and their stretches over a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.amounts import CreditType
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.ids import GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.periods import Period, require_order
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateKey, RateSegment
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.rate_cards import get_rate_card


class RateSelector(msgspec.Struct, frozen=True):
    """Conditions on a row; what is None asks for nothing. Source: schema ``RateSelectorWithProductTags``.

    Attributes:
        product_tags: The product has one of them.
        pricing_group_values: The row has these and no others.
        partial_pricing_group_values: The row has these, and maybe others.
    """

    product_id: ProductId | None = None
    product_tags: tuple[str, ...] | None = None
    billing_frequency: BillingFrequency | None = None
    pricing_group_values: GroupValues | None = None
    partial_pricing_group_values: GroupValues | None = None

    def selects(self, key: RateKey, product: Product) -> bool:
        """Whether the row of ``key`` meets every condition.

        Assumed: conditions are joined by and; ``pricing_group_values`` are the whole of a row's (section 3.9).
        [A-rate-selectors]
        """
        values = key.pricing_group_values
        return (
            (self.product_id is None or self.product_id == key.product_id)
            and (self.product_tags is None or any(tag in product.tags for tag in self.product_tags))
            and (self.billing_frequency is None or self.billing_frequency is key.billing_frequency)
            and (self.pricing_group_values is None or self.pricing_group_values == values)
            and (self.partial_pricing_group_values is None or set(self.partial_pricing_group_values) <= set(values))
        )


class RateRow(msgspec.Struct, frozen=True):
    """A stretch of one rate, with what it takes to print it."""

    key: RateKey
    product: Product
    segment: RateSegment
    credit_type: CreditType


class RatesQuery(msgspec.Struct, frozen=True):
    """What ``getRates-v1`` asks for."""

    rate_card_id: RateCardId
    at: datetime
    selectors: tuple[RateSelector, ...] = ()


class RateScheduleQuery(msgspec.Struct, frozen=True):
    """What ``getRateSchedule-v1`` asks for."""

    rate_card_id: RateCardId
    starting_at: datetime
    ending_before: datetime | None = None
    selectors: tuple[RateSelector, ...] = ()


def get_rates(context: Context, query: RatesQuery) -> Sequence[RateRow]:
    """Return the rates of a card that are in force at an instant, entitled or not, in the order of their first rate.

    Raises:
        NotFound: There is no such card.
    """
    return _rows(context, query.rate_card_id, query.selectors, lambda period: query.at in period, query.at)


def get_rate_schedule(context: Context, query: RateScheduleQuery) -> Sequence[RateRow]:
    """Return every stretch that overlaps a window, whole, by the order of the first rate and then by time.

    Raises:
        NotFound: There is no such card.
        InvalidRequest: The window ends before it starts.
    """
    require_order(query.starting_at, query.ending_before, "")
    window = Period(query.starting_at, query.ending_before)
    return _rows(context, query.rate_card_id, query.selectors, window.overlaps, context.now)


def _rows(
    context: Context,
    rate_card_id: RateCardId,
    selectors: Sequence[RateSelector],
    shows: Callable[[Period], bool],
    instant: datetime,
) -> list[RateRow]:
    """Return the rows that any selector selects, or all without selectors; products are as they are at ``instant``."""
    store = context.store
    card = get_rate_card(context, rate_card_id)
    rows: list[RateRow] = []
    for key in store.rate_keys.ids(card.id):
        product = store.products[key.product_id].at(instant)
        if selectors and not any(selector.selects(key, product) for selector in selectors):
            continue
        rows += [
            RateRow(key, product, segment, store.credit_types[segment.rate.credit_type_id])
            for segment in store.rate_schedules[key].segments
            if shows(Period(segment.starting_at, segment.ending_before))
        ]
    return rows
