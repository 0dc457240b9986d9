"""Commits and credits changed after they were made: edited, ended, archived, corrected by hand.

``edit_balance`` and ``archive_balance`` work inside of an open transaction, so that an edit of a contract can change
several of them at once; the operations below open one themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO
from metronome_sandbox.domain.balances import (
    Balance,
    BalanceType,
    InvoiceSchedule,
    InvoiceScheduleItem,
    ManualEntry,
    Segment,
    SpendingRate,
)
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, UniquenessKeyTaken
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, ProductId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import true_ups
from metronome_sandbox.services.balances import (
    NewSegment,
    check_commitment,
    check_product,
    check_segment,
    check_targets,
    own_contract,
)
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.customers import active_customer
from metronome_sandbox.services.passage import catch_up


class SegmentChange(msgspec.Struct, frozen=True):
    """What an edit changes on one segment; None leaves it."""

    id: SegmentId
    amount: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class PaymentChange(msgspec.Struct, frozen=True):
    """What an edit changes on one item of an invoice schedule; None leaves it."""

    id: str
    timestamp: datetime | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class BalanceChange(msgspec.Struct, frozen=True):
    """What an edit changes on a commit or credit. None leaves a field as it is, an empty tuple clears a list.

    Source: schemas ``EditCommitRequest``, ``EditCreditRequest``, ``CommitChangeInput`` and ``CreditChangeInput``.
    """

    name: str | None = None
    description: str | None = None
    product_id: ProductId | None = None
    priority: Decimal | None = None
    rate_type: SpendingRate | None = None
    applicable_product_ids: tuple[ProductId, ...] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    applicable_contract_ids: tuple[ContractId, ...] | None = None
    specifiers: tuple[Specifier, ...] | None = None
    rollover_fraction: Decimal | UnsetType | None = UNSET
    netsuite_sales_order_id: str | UnsetType | None = UNSET
    invoice_contract_id: ContractId | None = None
    added_segments: tuple[NewSegment, ...] = ()
    changed_segments: tuple[SegmentChange, ...] = ()
    removed_segments: tuple[SegmentId, ...] = ()
    added_payments: tuple[Payment, ...] = ()
    changed_payments: tuple[PaymentChange, ...] = ()
    removed_payments: tuple[str, ...] = ()

    @property
    def touches_access(self) -> bool:
        """Whether it changes the access schedule."""
        return bool(self.added_segments or self.changed_segments or self.removed_segments)

    @property
    def touches_payments(self) -> bool:
        """Whether it changes the invoice schedule."""
        return bool(self.added_payments or self.changed_payments or self.removed_payments)


PLAIN_FIELDS = (
    *("name", "description", "product_id", "priority", "rate_type", "applicable_product_ids"),
    *("applicable_product_tags", "applicable_contract_ids", "specifiers", "invoice_contract_id"),
)


def edit_balance(context: Context, balance: Balance, change: BalanceChange) -> Balance:
    """Change a commit or credit inside of an open transaction and return it as stored.

    Drafts follow by themselves and the charges of the contracts that invoice it are scheduled again; the operation that
    opened the transaction lets time pass afterwards (``catch_up``), because a payment may now be due.

    Raises:
        NotAllowedNow: It is archived, came from a rollover, or a finalized invoice holds what would change.
        NotFound: It names a segment, payment, product or contract that is not there.
        InvalidRequest: What would come out breaks a rule. Paths are relative to the commit or credit, as in
            ``access_schedule.update_schedule_items[0].amount``.

    Source: guide "Edit a contract" and reference section 3.13.
    Assumed: a payment on a void invoice may be changed and not removed, what finalized invoices took of a segment may
    not be cut off: neither its amount, nor its time up to the deduction.  [A-edit-used-segment]
    """
    _refuse_uneditable(context, balance, change)
    fields = {name: value for name in PLAIN_FIELDS if (value := getattr(change, name)) is not None}
    for name in ("rollover_fraction", "netsuite_sales_order_id"):
        if getattr(change, name) is not UNSET:
            fields[name] = getattr(change, name)
    changed = msgspec.structs.replace(
        balance,
        **fields,
        segments=_segments(context, balance, change),
        invoice_schedule=_payments(context, balance, change),
        manual_entries=tuple(
            entry for entry in balance.manual_entries if entry.segment_id not in change.removed_segments
        ),
    )
    _check_outcome(context, changed, change)
    context.store.balances.put(changed.id, changed)
    for contract_id in dict.fromkeys((balance.invoice_contract_id, changed.invoice_contract_id)):
        if contract_id is not None:
            reschedule(context, contract_id)
    return changed


def _refuse_uneditable(context: Context, balance: Balance, change: BalanceChange) -> None:
    if balance.archived_at is not None:
        raise NotAllowedNow("", f"{_what(balance)} {balance.id} is archived and can no longer be changed")
    if balance.rolled_over_from is not None:
        raise NotAllowedNow(
            "", f"{_what(balance)} {balance.id} came from a rollover; change {balance.rolled_over_from.balance_id}"
        )
    for rollover in balance.rollovers:
        if change.touches_access:
            final = _finalized_on(context, rollover.new_contract_id)
            if final is not None:
                raise NotAllowedNow(
                    "access_schedule",
                    f"can no longer be changed: the rest went to contract {rollover.new_contract_id}, "
                    f"which has finalized invoice {final.id}",
                )
        if change.touches_payments and rollover.timestamp <= context.now:
            raise NotAllowedNow(
                "invoice_schedule", f"can no longer be changed: its contract ended on {rollover.timestamp.isoformat()}"
            )


def _what(balance: Balance) -> str:
    return "credit" if balance.type is BalanceType.CREDIT else "commit"


def _finalized_on(context: Context, contract_id: ContractId) -> Invoice | None:
    store = context.store
    found = (store.invoices[invoice_id] for invoice_id in store.invoices_on.ids(contract_id))
    return next((invoice for invoice in found if invoice.status is InvoiceStatus.FINALIZED), None)


def _segments(context: Context, balance: Balance, change: BalanceChange) -> tuple[Segment, ...]:
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
            raise NotFound(kind, item_id)
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


def _payments(context: Context, balance: Balance, change: BalanceChange) -> InvoiceSchedule | None:
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


def _check_outcome(context: Context, changed: Balance, change: BalanceChange) -> None:
    """Hold a changed commit or credit against the rules that a new one is held against."""
    if change.product_id is not None:
        check_product(context, change.product_id)
    check_targets(context, changed.applicable_product_ids, changed.applicable_product_tags, changed.specifiers)
    schedule = changed.invoice_schedule
    items = () if schedule is None else schedule.items
    if changed.type is BalanceType.POSTPAID and (change.touches_access or change.touches_payments):
        check_commitment(changed.segments, items)
    if change.applicable_contract_ids is not None:
        if changed.contract_id is not None:
            raise InvalidRequest(
                "applicable_contract_ids",
                f"is for balances of the customer; this one is contract {changed.contract_id}'s",
            )
        if changed.type is BalanceType.POSTPAID:
            raise InvalidRequest("applicable_contract_ids", "cannot be changed on a POSTPAID commit")
        for index, contract_id in enumerate(change.applicable_contract_ids):
            own_contract(context, changed.customer_id, contract_id, f"applicable_contract_ids[{index}]")
    if change.invoice_contract_id is not None:
        if changed.type is BalanceType.CREDIT:
            raise InvalidRequest("invoice_contract_id", "is for commits; a credit is not paid")
        own_contract(context, changed.customer_id, change.invoice_contract_id, "invoice_contract_id")
    is_invoiced = bool(items) and schedule is not None and not schedule.do_not_invoice
    if is_invoiced and changed.invoice_contract_id is None:
        raise InvalidRequest(
            "invoice_contract_id", "is missing; name the contract whose invoices carry the payments of this commit"
        )


def archive_balance(context: Context, balance: Balance) -> Balance:
    """Take a commit or credit out of use inside of an open transaction and return it as stored.

    Raises:
        NotAllowedNow: It is archived already, or a finalized invoice drew on it or billed its payment.

    Source: operations ``archiveCommit-v2`` and ``archiveCredit-v2``.
    """
    if balance.archived_at is not None:
        raise NotAllowedNow("", f"{_what(balance)} {balance.id} is archived already")
    store = context.store
    for invoice_id in store.invoices_drawing_on.ids(balance.id):
        raise NotAllowedNow("", f"finalized invoice {invoice_id} drew on {_what(balance)} {balance.id}; void it first")
    for item in () if balance.invoice_schedule is None else balance.invoice_schedule.items:
        billed = store.settled.get(item.id)
        if billed is not None and store.invoices[billed].status is InvoiceStatus.FINALIZED:
            raise NotAllowedNow("", f"finalized invoice {billed} bills commit {balance.id}; void it first")
    archived = msgspec.structs.replace(balance, archived_at=context.now, is_withdrawn=True)
    store.balances.put(archived.id, archived)
    if archived.invoice_contract_id is not None:
        reschedule(context, archived.invoice_contract_id)
    return archived


def find_balance(context: Context, customer_id: CustomerId, balance_id: BalanceId, *, is_credit: bool) -> Balance:
    """Return a commit (or a credit) of a customer, archived or not.

    Raises:
        CustomerNotFound, NotFound: There is none; also when it is another customer's.
    """
    active_customer(context, customer_id, "customer_id")
    balance = context.store.balances.get(balance_id)
    if balance is None or balance.customer_id != customer_id or (balance.type is BalanceType.CREDIT) is not is_credit:
        raise NotFound("credit" if is_credit else "commit", balance_id)
    return balance


def edit_commit(context: Context, customer_id: CustomerId, commit_id: BalanceId, change: BalanceChange) -> Balance:
    """Change a commit. Raises what :func:`edit_balance` and :func:`find_balance` raise."""
    return _edit(context, find_balance(context, customer_id, commit_id, is_credit=False), change)


def edit_credit(context: Context, customer_id: CustomerId, credit_id: BalanceId, change: BalanceChange) -> Balance:
    """Change a credit. Raises what :func:`edit_balance` and :func:`find_balance` raise."""
    return _edit(context, find_balance(context, customer_id, credit_id, is_credit=True), change)


def _edit(context: Context, balance: Balance, change: BalanceChange) -> Balance:
    with context.transaction():
        edit_balance(context, balance, change)
        catch_up(context)
    return context.store.balances[balance.id]


def archive_commit(context: Context, customer_id: CustomerId, commit_id: BalanceId) -> Balance:
    """Archive a commit. Raises what :func:`archive_balance` and :func:`find_balance` raise."""
    return _archive(context, find_balance(context, customer_id, commit_id, is_credit=False))


def archive_credit(context: Context, customer_id: CustomerId, credit_id: BalanceId) -> Balance:
    """Archive a credit. Raises what :func:`archive_balance` and :func:`find_balance` raise."""
    return _archive(context, find_balance(context, customer_id, credit_id, is_credit=True))


def _archive(context: Context, balance: Balance) -> Balance:
    with context.transaction():
        return archive_balance(context, balance)


def update_commit_end_date(
    context: Context,
    customer_id: CustomerId,
    commit_id: BalanceId,
    access_ending_before: datetime | None,
    invoices_ending_before: datetime | None,
) -> Balance:
    """End the access, the payments or both of a prepaid commit earlier.

    Raises:
        InvalidRequest: It is a postpaid commit, no date is given, or one is not earlier than the end there is.
        NotAllowedNow: A finalized invoice holds what would go.

    Source: operation ``updateCommitEndDate-v1``.
    Assumed: an end of the payments behind the last of them changes nothing.  [A-end-of-payments]
    """
    balance = find_balance(context, customer_id, commit_id, is_credit=False)
    if balance.type is BalanceType.POSTPAID:
        raise InvalidRequest("commit_id", f"{commit_id} is a POSTPAID commit; only PREPAID ones can end earlier")
    if access_ending_before is None and invoices_ending_before is None:
        raise InvalidRequest("access_ending_before", "is missing; send it, invoices_ending_before, or both")
    with context.transaction():
        if access_ending_before is not None:
            with _at("access_ending_before"):
                balance = edit_balance(context, balance, _shorter_access(balance, access_ending_before))
        if invoices_ending_before is not None and balance.invoice_schedule is not None:
            gone = [item.id for item in balance.invoice_schedule.items if item.timestamp >= invoices_ending_before]
            with _at("invoices_ending_before"):
                edit_balance(context, balance, BalanceChange(removed_payments=tuple(gone)))
        catch_up(context)
    return context.store.balances[commit_id]


def update_credit_end_date(
    context: Context, customer_id: CustomerId, credit_id: BalanceId, access_ending_before: datetime
) -> Balance:
    """End the access of a credit earlier. Raises what :func:`update_commit_end_date` does for access."""
    balance = find_balance(context, customer_id, credit_id, is_credit=True)
    with context.transaction(), _at("access_ending_before"):
        edit_balance(context, balance, _shorter_access(balance, access_ending_before))
    return context.store.balances[credit_id]


def _shorter_access(balance: Balance, end: datetime) -> BalanceChange:
    """Return the change that ends access at ``end``.

    Assumed: segments from then on go and the one in force is cut; an end at or before the first start is refused, and
    so is one before what a finalized invoice drew.  [A-end-of-access]
    """
    path = "access_ending_before"
    require_hour(end, path)
    if not balance.segments:
        raise NotAllowedNow(path, f"{_what(balance)} {balance.id} has no access left that could end")
    last = max(segment.ending_before for segment in balance.segments)
    first = min(segment.starting_at for segment in balance.segments)
    if end > last:
        raise InvalidRequest(path, f"{end.isoformat()} is later than the end there is, {last.isoformat()}")
    if end <= first:
        raise InvalidRequest(
            path, f"{end.isoformat()} is not after the start of access, {first.isoformat()}; archive it instead"
        )
    return BalanceChange(
        changed_segments=tuple(
            SegmentChange(segment.id, ending_before=end)
            for segment in balance.segments
            if segment.starting_at < end < segment.ending_before
        ),
        removed_segments=tuple(segment.id for segment in balance.segments if segment.starting_at >= end),
    )


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Let an error name the one field of the request that everything inside comes from."""
    try:
        yield
    except InvalidRequest as error:
        raise type(error)(path, error.problem) from None


def disable_true_up(
    context: Context, customer_id: CustomerId, commit_id: BalanceId, contract_id: ContractId
) -> Balance:
    """Leave out the true-up of a postpaid commit: what is missing lapses at the end of its access.

    Raises:
        NotFound: The customer has no such commit, or it is neither the contract's nor invoiced on it.
        InvalidRequest: It is a PREPAID commit.
        NotAllowedNow: It is archived, its true-up is final, or was disabled before.

    Source: operation ``disableCommitTrueup-v1``.
    """
    balance = find_balance(context, customer_id, commit_id, is_credit=False)
    if contract_id not in (balance.contract_id, balance.invoice_contract_id):
        raise NotFound(f"commit of contract {contract_id} with the id", commit_id)
    if balance.archived_at is not None:
        raise NotAllowedNow("commit_id", f"commit {commit_id} is archived")
    with context.transaction():
        disabled = true_ups.disable(context, balance)
        if disabled.invoice_contract_id is not None:
            reschedule(context, disabled.invoice_contract_id)
    return disabled


class NewManualEntry(msgspec.Struct, frozen=True):
    """What ``addManualBalanceLedgerEntry-v1`` asks for.

    Attributes:
        contract_id: Of the balance; None for one of the customer.
        timestamp: None is the segment's start.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    amount: Decimal
    reason: str
    contract_id: ContractId | None = None
    timestamp: datetime | None = None
    uniqueness_key: str | None = None


def add_manual_balance_ledger_entry(context: Context, customer_id: CustomerId, new: NewManualEntry) -> Balance:
    """Enter an amount into the ledger of a commit or credit; drafts follow at once.

    Raises:
        CustomerNotFound, NotFound: There is no such customer, balance or segment.
        UniquenessKeyTaken: The key was used for another entry.
        InvalidRequest: It is dated outside of its segment.
        NotAllowedNow: The balance is archived.

    Source: operation ``addManualBalanceLedgerEntry-v1`` and reference section 4.5.
    Assumed: a balance of a contract is found with that contract's id only, one of the customer without any; an entry
    lies inside its segment.  [A-manual-entry]
    """
    active_customer(context, customer_id, "customer_id")
    store = context.store
    balance = store.balances.get(new.balance_id)
    if balance is None or balance.customer_id != customer_id or balance.contract_id != new.contract_id:
        level = "the customer" if new.contract_id is None else f"contract {new.contract_id}"
        raise NotFound(f"commit or credit of {level} with the id", new.balance_id)
    segment = balance.segment(new.segment_id)
    if segment is None:
        raise NotFound(f"segment of {balance.id} with the id", new.segment_id)
    if balance.archived_at is not None:
        raise NotAllowedNow("id", f"{_what(balance)} {balance.id} is archived")
    timestamp = segment.starting_at if new.timestamp is None else new.timestamp
    if timestamp not in segment.period:
        raise InvalidRequest(
            "timestamp",
            f"{timestamp.isoformat()} is not inside the segment, "
            f"{segment.starting_at.isoformat()}..{segment.ending_before.isoformat()}",
        )
    if new.uniqueness_key is not None and ("ledger entry", new.uniqueness_key) in store.uniqueness_keys:
        raise UniquenessKeyTaken(new.uniqueness_key)
    entry = ManualEntry(segment.id, new.amount, new.reason, timestamp)
    with context.transaction():
        corrected = msgspec.structs.replace(balance, manual_entries=(*balance.manual_entries, entry))
        store.balances.put(balance.id, corrected)
        if new.uniqueness_key is not None:
            store.uniqueness_keys.put(("ledger entry", new.uniqueness_key), balance.id)
    return corrected
