"""The ledger of a commit or credit, and the balance that is its sum. Source: reference sections 4.3 and 4.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, Segment
from metronome_sandbox.domain.ids import ContractId, InvoiceId, SegmentId
from metronome_sandbox.domain.invoices import Draw
from metronome_sandbox.domain.rollovers import rolling_over


class EntryKind(StrEnum):
    """What an entry is, without the family that the API puts before it; in the order of entries at one instant."""

    INITIAL_BALANCE = "INITIAL_BALANCE"
    SEGMENT_START = "SEGMENT_START"
    SEAT_BASED_ADJUSTMENT = "SEAT_BASED_ADJUSTMENT"
    MANUAL = "MANUAL"
    AUTOMATED_INVOICE_DEDUCTION = "AUTOMATED_INVOICE_DEDUCTION"
    ROLLOVER = "ROLLOVER"
    TRUEUP = "TRUEUP"
    EXPIRATION = "EXPIRATION"


FAMILIES = {
    BalanceType.PREPAID: "PREPAID_COMMIT",
    BalanceType.POSTPAID: "POSTPAID_COMMIT",
    BalanceType.CREDIT: "CREDIT",
}


class PostedDraw(msgspec.Struct, frozen=True, gc=False):
    """A draw with the invoice that it belongs to, a finalized one or a draft."""

    invoice_id: InvoiceId
    contract_id: ContractId
    draw: Draw


class PostedTrueUp(msgspec.Struct, frozen=True, gc=False):
    """What a finalized invoice billed because it was missing to the commitment."""

    invoice_id: InvoiceId
    contract_id: ContractId
    amount: Decimal
    timestamp: datetime


class LedgerEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry; what takes from the balance is negative (the guides' sign, against the document's example)."""

    kind: EntryKind
    timestamp: datetime
    amount: Decimal
    segment_id: SegmentId
    invoice_id: InvoiceId | None = None
    contract_id: ContractId | None = None
    new_contract_id: ContractId | None = None
    reason: str | None = None


def ledger(
    balance: Balance, posted: Iterable[PostedDraw], now: datetime, true_ups: Iterable[PostedTrueUp] = ()
) -> tuple[LedgerEntry, ...]:
    """Return the entries of a balance at ``now`` in the order of time.

    A segment that has not begun has no entry of its own; one that has ended adds up to zero, unless entries by hand
    took more than there was. The deduction of a draft is there too, dated at the end of its usage, which may be ahead.
    A balance that was archived by itself has no ledger.

    Args:
        true_ups: Of a postpaid commit, which has one segment.

    Assumed: an archived balance expires when it is archived; while a draft still moves, so does the expiration (Q28).
    [A-expiration]
    """
    if balance.is_withdrawn:
        return ()
    drawn = list(posted)
    billed = list(true_ups)
    entries: list[LedgerEntry] = []
    for segment in balance.segments:
        mine = [item for item in drawn if item.draw.segment_id == segment.id]
        entries += (_deduction(item, segment) for item in mine)
        if segment.starting_at > now or _was_archived_before(balance, segment):
            continue
        taken = sum((item.draw.amount for item in mine), ZERO)
        if segment.amount:
            entries.append(_grant(balance, segment))
        entries += _adjustments(balance, segment)
        entries += _manual(balance, segment)
        entries += (_true_up(item, segment) for item in billed)
        rolled = _rollovers(balance, segment, taken, now)
        entries += rolled
        gone = taken + sum((item.amount for item in billed), ZERO) - sum((entry.amount for entry in rolled), ZERO)
        entries += _expiration(balance, segment, balance.worth(segment) - gone, now)
    rank = {kind: place for place, kind in enumerate(EntryKind)}
    return tuple(sorted(entries, key=lambda entry: (entry.timestamp, rank[entry.kind])))


def _grant(balance: Balance, segment: Segment) -> LedgerEntry:
    kind = EntryKind.INITIAL_BALANCE if balance.type is BalanceType.POSTPAID else EntryKind.SEGMENT_START
    return LedgerEntry(kind, segment.starting_at, segment.amount, segment.id)


def _deduction(item: PostedDraw, segment: Segment) -> LedgerEntry:
    draw = item.draw
    kind = EntryKind.AUTOMATED_INVOICE_DEDUCTION
    return LedgerEntry(kind, draw.timestamp, -draw.amount, segment.id, item.invoice_id, item.contract_id)


def _adjustments(balance: Balance, segment: Segment) -> Iterable[LedgerEntry]:
    return (
        LedgerEntry(EntryKind.SEAT_BASED_ADJUSTMENT, entry.timestamp, entry.amount, segment.id)
        for entry in balance.seat_adjustments
        if entry.segment_id == segment.id
    )


def _manual(balance: Balance, segment: Segment) -> Iterable[LedgerEntry]:
    return (
        LedgerEntry(EntryKind.MANUAL, entry.timestamp, entry.amount, segment.id, reason=entry.reason)
        for entry in balance.manual_entries
        if entry.segment_id == segment.id
    )


def _true_up(item: PostedTrueUp, segment: Segment) -> LedgerEntry:
    return LedgerEntry(EntryKind.TRUEUP, item.timestamp, -item.amount, segment.id, item.invoice_id, item.contract_id)


def _rollovers(balance: Balance, segment: Segment, taken: Decimal, now: datetime) -> list[LedgerEntry]:
    amount = rolling_over(balance, segment, taken)
    return [
        LedgerEntry(
            EntryKind.ROLLOVER, rollover.timestamp, -amount, segment.id, new_contract_id=rollover.new_contract_id
        )
        for rollover in balance.rollovers
        if rollover.segment_id == segment.id and rollover.timestamp <= now and amount
    ]


def _expiration(balance: Balance, segment: Segment, left: Decimal, now: datetime) -> Iterable[LedgerEntry]:
    """Return the entry that ends what is left, if it has ended.

    Assumed: a postpaid commit keeps its obligation behind the segment's end, until its true-up bills it; without one
    the rest lapses at the segment's end.  [A-postpaid-end]
    """
    archived_at = balance.archived_at
    end = segment.ending_before if archived_at is None else min(segment.ending_before, archived_at)
    if end <= now and left > 0 and (archived_at is not None or not balance.is_trued_up):
        yield LedgerEntry(EntryKind.EXPIRATION, end, -left, segment.id)


def _was_archived_before(balance: Balance, segment: Segment) -> bool:
    return balance.archived_at is not None and balance.archived_at < segment.starting_at


def balance_at(balance: Balance, drawn: Mapping[SegmentId, Decimal], instant: datetime) -> Decimal:
    """Return what can be spent at ``instant``: the rest of the segments that are open, never less than zero.

    Args:
        drawn: What invoices took from each segment, drafts included or not as the caller wishes.

    Source: schema ``BalanceForCommitsAndCredits``: segments ahead and segments that ended count as zero.
    """
    if balance.archived_at is not None:
        return ZERO
    open_segments = (segment for segment in balance.segments if instant in segment.period)
    left = sum((balance.worth(segment) - drawn.get(segment.id, ZERO) for segment in open_segments), ZERO)
    return max(left, ZERO)
