"""What of a commit or credit goes over to the contract that renews its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, Segment
from metronome_sandbox.domain.ids import SegmentId


def rolling_over(balance: Balance, segment: Segment, drawn: Decimal) -> Decimal:
    """Return what of a segment goes to the contract that renews this one, or would go if it were renewed now.

    Args:
        drawn: What invoices took from the segment, drafts included.

    Source: guide "Manage the customer lifecycle": what is left, at most the fraction of the original amount.
    Assumed: manual entries count for what is left and not for the original amount (Q27); without a fraction nothing
    rolls over, and neither does what rolled over before.  [A-rollover-amount]
    """
    fraction = balance.rollover_fraction
    if fraction is None or balance.rolled_over_from is not None or balance.is_withdrawn:
        return ZERO
    return max(min(balance.worth(segment) - drawn, fraction * segment.amount), ZERO)


def with_rolled_amounts(balance: Balance, source: Balance, drawn: Mapping[SegmentId, Decimal]) -> Balance:
    """Return a rolled-over balance with the amounts that its source leaves to it.

    Args:
        drawn: What invoices took from the source's segments, drafts included.

    Assumed: the amount follows the old contract's invoices, whenever one of them changes.  [A-rollover-follows]
    """
    amounts = {
        rollover.new_segment_id: rolling_over(source, segment, drawn.get(segment.id, ZERO))
        for rollover in source.rollovers
        if rollover.new_balance_id == balance.id and (segment := source.segment(rollover.segment_id)) is not None
    }
    segments = tuple(
        msgspec.structs.replace(segment, amount=amounts.get(segment.id, ZERO)) for segment in balance.segments
    )
    return msgspec.structs.replace(balance, segments=segments)
