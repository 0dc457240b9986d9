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


class EntryKind(StrEnum):
    """What an entry is, without the family that the API puts before it."""

    INITIAL_BALANCE = "INITIAL_BALANCE"
    SEGMENT_START = "SEGMENT_START"
    AUTOMATED_INVOICE_DEDUCTION = "AUTOMATED_INVOICE_DEDUCTION"
    EXPIRATION = "EXPIRATION"


FAMILIES = {
    BalanceType.PREPAID: "PREPAID_COMMIT",
    BalanceType.POSTPAID: "POSTPAID_COMMIT",
    BalanceType.CREDIT: "CREDIT",
}


class PostedDraw(msgspec.Struct, frozen=True):
    """A draw with the invoice that it belongs to, a finalized one or a draft."""

    invoice_id: InvoiceId
    contract_id: ContractId
    draw: Draw


class LedgerEntry(msgspec.Struct, frozen=True):
    """One entry; what takes from the balance is negative (the guides' sign, against the document's example)."""

    kind: EntryKind
    timestamp: datetime
    amount: Decimal
    segment_id: SegmentId
    invoice_id: InvoiceId | None = None
    contract_id: ContractId | None = None


def ledger(balance: Balance, posted: Iterable[PostedDraw], now: datetime) -> tuple[LedgerEntry, ...]:
    """Return the entries of a balance at ``now`` in the order of time.

    A segment that has not begun has no entry of its own; one that has ended adds up to zero. The deduction of a draft
    is there too, dated at the end of its usage, which may be ahead.

    Assumed: an archived balance expires when it is archived; while a draft still moves, so does the expiration (Q28).
    [A-expiration]
    Assumed: a postpaid commit keeps its obligation behind the segment's end, until a true-up bills it.
    [A-postpaid-end]
    """
    drawn = list(posted)
    entries: list[LedgerEntry] = []
    for segment in balance.segments:
        mine = [item for item in drawn if item.draw.segment_id == segment.id]
        if segment.amount and segment.starting_at <= now and not _was_archived_before(balance, segment):
            entries.append(_grant(balance, segment))
        entries += (
            LedgerEntry(
                EntryKind.AUTOMATED_INVOICE_DEDUCTION,
                item.draw.timestamp,
                -item.draw.amount,
                segment.id,
                item.invoice_id,
                item.contract_id,
            )
            for item in mine
        )
        end = segment.ending_before if balance.archived_at is None else min(segment.ending_before, balance.archived_at)
        left = segment.amount - sum((item.draw.amount for item in mine), ZERO)
        may_expire = balance.type is not BalanceType.POSTPAID or balance.archived_at is not None
        if (
            segment.starting_at <= now
            and end <= now
            and left
            and may_expire
            and not _was_archived_before(balance, segment)
        ):
            entries.append(LedgerEntry(EntryKind.EXPIRATION, end, -left, segment.id))
    rank = {kind: place for place, kind in enumerate(EntryKind)}
    return tuple(sorted(entries, key=lambda entry: (entry.timestamp, rank[entry.kind])))


def _grant(balance: Balance, segment: Segment) -> LedgerEntry:
    kind = EntryKind.INITIAL_BALANCE if balance.type is BalanceType.POSTPAID else EntryKind.SEGMENT_START
    return LedgerEntry(kind, segment.starting_at, segment.amount, segment.id)


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
    left = sum((segment.amount - drawn.get(segment.id, ZERO) for segment in open_segments), ZERO)
    return max(left, ZERO)
