"""What pricing notes as it goes, so that an invoice can be explained by the figures that made it.

Notes are the values that were used, not copies: a rate, a price, the ids of overrides, the key that a balance was
sorted by. :mod:`~metronome_sandbox.domain.explanation` turns them into sentences when somebody asks.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.catalog import QuantityConversion, QuantityRounding
from metronome_sandbox.domain.ids import BalanceId, GroupValues, ProductId, RateCardId, SegmentId
from metronome_sandbox.domain.overrides import Choice
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, Rate
from metronome_sandbox.domain.spending_order import SpendingOrder
from metronome_sandbox.domain.subscriptions import Share


class Pricing(msgspec.Struct, frozen=True, gc=False):
    """How the units of a line got their price.

    Attributes:
        rate: The entry of the card.
        price: What the line's tier is a part of: the rate after the winning override.
        choice: The overrides that competed.
        share: The part of a subscription's period that the price is for; None is all of it.
    """

    rate: Rate
    price: Price
    choice: Choice
    share: Share | None = None


class QueuedSegment(msgspec.Struct, frozen=True, gc=False):
    """A segment in the order of spending, also one that has nothing left or paid for nothing.

    Attributes:
        before: What the invoice found of it.
        order: The key it was sorted by; None where it was alone.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    before: Decimal
    order: SpendingOrder | None = None


class Shortfall(msgspec.Struct, frozen=True, gc=False):
    """How what a true-up bills came about.

    Attributes:
        committed: Entries by hand included.
        used: What invoices count, drafts included while the true-up is one.
        rolled_over: What went to the contract that renews this one.
    """

    committed: Decimal
    used: Decimal
    rolled_over: Decimal

    @property
    def missing(self) -> Decimal:
        """What is billed; zero where more was used than committed."""
        return max(self.committed - self.used - self.rolled_over, ZERO)


class Measure(msgspec.Struct, frozen=True, gc=False):
    """How what was metered of a product and group became the billed quantity.

    Attributes:
        during: The stretch of the billing period that has this conversion and rounding.
        metered, converted, billed: As counted, after the conversion, after the rounding.
    """

    product_id: ProductId
    pricing_group_values: GroupValues
    presentation_group_values: GroupValues
    during: BoundedPeriod
    metered: Decimal
    converted: Decimal
    billed: Decimal
    conversion: QuantityConversion | None = None
    rounding: QuantityRounding | None = None


class Unbilled(StrEnum):
    """Why usage of a product on the card is on no line."""

    NO_RATE = "NO_RATE"
    NOT_ENTITLED = "NOT_ENTITLED"
    NO_PRICING_KEY = "NO_PRICING_KEY"


class UnbilledUsage(msgspec.Struct, frozen=True, gc=False):
    """Usage that was metered and that no line bills.

    Attributes:
        pricing_group_values: None stands for a key that the events lack.
    """

    reason: Unbilled
    product_id: ProductId
    pricing_group_values: GroupValues
    quantity: Decimal


class Trace(msgspec.Struct, frozen=True, gc=False):
    """What was noted about an invoice as a whole; its lines have a :class:`Pricing` each.

    Attributes:
        rate_card_id: Where the rates stand.
        queue: The segments open to the contract in the period, in the order of spending.
        measures: Of products that convert or round; none on an import.
        unbilled: Usage that is on no line; none on an import.
    """

    rate_card_id: RateCardId | None
    queue: tuple[QueuedSegment, ...] = ()
    measures: tuple[Measure, ...] = ()
    unbilled: tuple[UnbilledUsage, ...] = ()
