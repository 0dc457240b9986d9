"""Quantities to be priced, wherever they come from: an import's line items or metered events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.ids import GroupValues, ProductId


class WindowSize(StrEnum):
    """Of a breakdown. Source: fields ``breakdown_granularity`` and ``window_size``."""

    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def length(self) -> timedelta:
        """How long one window is. Days are UTC days, so they are all equal."""
        return timedelta(hours=1) if self is WindowSize.HOUR else timedelta(days=1)

    def is_aligned(self, instant: datetime) -> bool:
        """Whether a window can start at ``instant``."""
        return not (instant.minute or instant.second or instant.microsecond) and (
            self is WindowSize.HOUR or instant.hour == 0
        )

    def start_of(self, instant: datetime) -> datetime:
        """Return the start of the window that holds ``instant``."""
        hour = instant.replace(minute=0, second=0, microsecond=0)
        return hour if self is WindowSize.HOUR else hour.replace(hour=0)


class WindowQuantity(msgspec.Struct, frozen=True, gc=False):
    """What was used in the window that starts at ``starting_at``; its length is known from the invoice."""

    starting_at: datetime
    quantity: Decimal


class UsageLine(msgspec.Struct, frozen=True, gc=False):
    """The usage of one product under one set of group values in ``[starting_at, ending_before)``.

    Attributes:
        quantity: Of the whole window.
        windows: The same quantity by hour or day, in order; empty when it is only known as a whole. Only a quantity
            that is known by window can be split in time.
        keeps_zero: Whether a stretch of the window without usage has a line of its own, as on generated invoices.
    """

    product_id: ProductId
    starting_at: datetime
    ending_before: datetime
    quantity: Decimal
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()
    windows: tuple[WindowQuantity, ...] = ()
    keeps_zero: bool = False

    @property
    def group(self) -> tuple[ProductId, GroupValues, GroupValues]:
        """What tiers are counted for. Source: guide "Create and manage rate cards" for presentation groups."""
        return self.product_id, self.pricing_group_values, self.presentation_group_values


_start = attrgetter("starting_at")


def windows_from(windows: Sequence[WindowQuantity], start: datetime, end: datetime) -> Sequence[WindowQuantity]:
    """Return the windows that start in ``[start, end)``, of windows in the order of time."""
    return windows[bisect_left(windows, start, key=_start) : bisect_left(windows, end, key=_start)]


def total(windows: Sequence[WindowQuantity]) -> Decimal:
    """Return the quantity of several windows together."""
    return sum((window.quantity for window in windows), ZERO)
