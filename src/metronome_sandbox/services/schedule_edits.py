"""Access schedules and invoice schedules after an edit; what finalized invoices hold of them stays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, InvoiceSchedule, InvoiceScheduleItem, Segment
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.services.balance_changes import BalanceChange, PaymentChange, SegmentChange
from metronome_sandbox.services.balances import check_segment
from metronome_sandbox.services.context import Context


def edited_segments(context: Context, balance: Balance, change: BalanceChange) -> tuple[Segment, ...]:
    """Return the access schedule after the change."""
    known = [segment.id for segment in balance.segments]
    removed = _places(change.removed_segments, known, "segment", "access_schedule.remove_schedule_items")
    changed = _places(
        [item.id for item in change.changed_segments], known, "segment", "access_schedule.update_schedule_items"
    )
    kept: list[Segment] = []
    for segment in balance.segments:
        if segment.id in removed:
            drawing = _drawing_on(context, balance, segment)
            if drawing:
                raise NotAllowedNow(
                    removed[segment.id], f"finalized invoice {drawing[0].id} drew on this segment; void it first"
                )
        elif segment.id in changed:
            item = next(item for item in change.changed_segments if item.id == segment.id)
            kept.append(_changed_segment(context, balance, segment, item, changed[segment.id]))
        else:
            kept.append(segment)
    for index, new in enumerate(change.added_segments):
        check_segment(new, f"access_schedule.add_schedule_items[{index}]")
        segment_id = SegmentId(context.ids.next("segment"))
        kept.append(Segment(segment_id, new.amount, new.starting_at, new.ending_before))
    if not kept:
        raise InvalidRequest("access_schedule", "would have no segment left; keep one, or archive the whole")
    return tuple(kept)


def _places(ids: Sequence[str], known: Collection[str], kind: str, path: str) -> dict[str, str]:
    """Return where each id stands in the request.

    Raises:
        NotFound: The schedule has no item of that id.
        InvalidRequest: One is there twice.
    """
    found: dict[str, str] = {}
    for index, item_id in enumerate(ids):
        if item_id not in known:
            raise NotFound(kind, item_id, f"{path}[{index}].id")
        if item_id in found:
            raise InvalidRequest(f"{path}[{index}].id", f"{item_id} is there twice")
        found[item_id] = f"{path}[{index}].id"
    return found


def _drawing_on(context: Context, balance: Balance, segment: Segment) -> list[Invoice]:
    store = context.store
    found = (store.invoices[invoice_id] for invoice_id in store.invoices_drawing_on.ids(balance.id))
    return [invoice for invoice in found if any(draw.segment_id == segment.id for draw in invoice.draws)]


def _changed_segment(context: Context, balance: Balance, segment: Segment, change: SegmentChange, path: str) -> Segment:
    changed = Segment(
        segment.id,
        segment.amount if change.amount is None else change.amount,
        segment.starting_at if change.starting_at is None else change.starting_at,
        segment.ending_before if change.ending_before is None else change.ending_before,
    )
    path = path.removesuffix(".id")
    check_segment(changed, path)
    drawing = _drawing_on(context, balance, segment)
    drawn = context.store.drawn.get(segment.id, ZERO)
    if changed.amount < segment.amount and balance.worth(changed) < drawn:
        raise NotAllowedNow(
            f"{path}.amount", f"{changed.amount} is less than the {drawn} that finalized invoices took; void them first"
        )
    for invoice in drawing:
        until = max(draw.timestamp for draw in invoice.draws if draw.segment_id == segment.id)
        if changed.ending_before < min(segment.ending_before, until):
            raise NotAllowedNow(
                f"{path}.ending_before",
                f"{changed.ending_before.isoformat()} is before {until.isoformat()}, until when finalized invoice "
                f"{invoice.id} drew on this segment; void it first",
            )
        since = _first_use(invoice, segment)
        if since is not None and changed.starting_at > max(segment.starting_at, since):
            raise NotAllowedNow(
                f"{path}.starting_at",
                f"{changed.starting_at.isoformat()} is after {since.isoformat()}, from when on finalized invoice "
                f"{invoice.id} drew on this segment; void it first",
            )
    return changed


def _first_use(invoice: Invoice, segment: Segment) -> datetime | None:
    return min(
        (
            line.starting_at
            for line in invoice.lines
            if line.starting_at is not None and line.applied is not None and line.applied.segment_id == segment.id
        ),
        default=None,
    )


def edited_payments(context: Context, balance: Balance, change: BalanceChange) -> InvoiceSchedule | None:
    """Return the invoice schedule after the change; a free commit gets one in USD."""
    schedule = balance.invoice_schedule
    if not change.touches_payments:
        return schedule
    if balance.type is BalanceType.CREDIT:
        raise InvalidRequest("invoice_schedule", "is for commits; a credit is not paid")
    if schedule is None:
        schedule = InvoiceSchedule(USD_CENTS, ())
    return changed_schedule(context, schedule, change)


def changed_schedule(context: Context, schedule: InvoiceSchedule, change: BalanceChange) -> InvoiceSchedule:
    """Return an invoice schedule, of a commit or a scheduled charge, after the part of a change that is about it.

    Raises:
        NotAllowedNow: An item is on an invoice. Source: guide "Edit a contract".
        NotFound: It names an item that is not there.
        InvalidRequest: It names one twice. Paths start with ``invoice_schedule``.
    """
    known = [item.id for item in schedule.items]
    removed = _places(change.removed_payments, known, "invoice schedule item", "invoice_schedule.remove_schedule_items")
    changed = _places(
        [item.id for item in change.changed_payments],
        known,
        "invoice schedule item",
        "invoice_schedule.update_schedule_items",
    )
    kept: list[InvoiceScheduleItem] = []
    for item in schedule.items:
        place = removed.get(item.id) or changed.get(item.id)
        if place is not None:
            _refuse_invoiced(context, item, place, is_removed=item.id in removed)
        if item.id in changed:
            kept.append(_changed_payment(item, next(one for one in change.changed_payments if one.id == item.id)))
        elif item.id not in removed:
            kept.append(item)
    kept.extend(
        InvoiceScheduleItem(context.ids.next("payment"), new.timestamp, new.unit_price, new.quantity)
        for new in change.added_payments
    )
    return msgspec.structs.replace(schedule, items=tuple(kept))


def _refuse_invoiced(context: Context, item: InvoiceScheduleItem, path: str, *, is_removed: bool) -> None:
    invoice_id = context.store.settled.get(item.id)
    if invoice_id is None:
        return
    status = context.store.invoices[invoice_id].status
    if status is InvoiceStatus.FINALIZED or (is_removed and status is InvoiceStatus.VOID):
        change = "removed" if is_removed else "changed"
        raise NotAllowedNow(path, f"this item is on {status} invoice {invoice_id} and cannot be {change}")


def _changed_payment(item: InvoiceScheduleItem, change: PaymentChange) -> InvoiceScheduleItem:
    return InvoiceScheduleItem(
        item.id,
        item.timestamp if change.timestamp is None else change.timestamp,
        item.unit_price if change.unit_price is None else change.unit_price,
        item.quantity if change.quantity is None else change.quantity,
    )
