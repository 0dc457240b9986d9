"""What an explanation consists of: the invoice's lines, the balances and the overrides, with their reasons."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, OverrideId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, LineItem
from metronome_sandbox.domain.overrides import OverrideType
from metronome_sandbox.domain.trace import Measure


class ExplainedOverride(msgspec.Struct, frozen=True, gc=False):
    """What became of one override on one line; ``decision`` is a word of the contract document."""

    id: OverrideId
    type: OverrideType | None
    decision: str
    why: str


class ExplainedLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the invoice with its reasons.

    Attributes:
        rate_source: Where the rate stands; None on a line without one.
        measure: How its quantity was converted and rounded, with that of its group.
        cover_why: Why its balance pays for it; None where none does.
    """

    line: LineItem
    why: str
    overrides: tuple[ExplainedOverride, ...] = ()
    rate_source: str | None = None
    measure: Measure | None = None
    cover_why: str | None = None


class ExplainedBalance(msgspec.Struct, frozen=True, gc=False):
    """One segment in the order of spending.

    Attributes:
        order: From 1.
        drawn, left: Of ``before``, by this invoice.
        lines: Indexes of the lines that it pays for.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    name: str
    type: BalanceType
    credit_type_id: CreditTypeId
    order: int
    why: str
    before: Decimal
    drawn: Decimal
    lines: tuple[int, ...]

    @property
    def left(self) -> Decimal:
        """What the segment has after the invoice."""
        return self.before - self.drawn


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """An invoice with its reasons."""

    invoice: Invoice
    period_why: str | None
    lines: tuple[ExplainedLine, ...]
    balances: tuple[ExplainedBalance, ...]
    notes: tuple[str, ...]
