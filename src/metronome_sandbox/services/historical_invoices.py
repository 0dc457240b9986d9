"""The import of invoices that were billed elsewhere: ``createHistoricalInvoices``.

Preview and import are one function, :func:`price_batch`, without and with the store's commit after it, so that they
cannot disagree. A batch is checked as a whole before anything is priced, and stored as a whole or not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter

import msgspec

from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, GroupValues, ProductId, SegmentId
from metronome_sandbox.domain.invoices import BillableStatus, Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.invoicing import build_invoice
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rating import PriceBook
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, WindowSize, total
from metronome_sandbox.services.charges import store_invoice
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import Pending, pending, price_pending, usage_invoice_id
from metronome_sandbox.services.hierarchies import relatives
from metronome_sandbox.services.passage import check_thresholds
from metronome_sandbox.services.pricing import add_draws, fiat_credit_type, open_segments, price_book


class Subtotal(msgspec.Struct, frozen=True, gc=False):
    """The quantity of one window of a line."""

    starting_at: datetime
    ending_before: datetime
    quantity: Decimal


class HistoricalLine(msgspec.Struct, frozen=True, gc=False):
    """A usage line item of the request.

    Attributes:
        quantity: Of the whole window; None when it is given by subtotals.
        subtotals: None when it is given as a whole.
    """

    product_id: ProductId
    starting_at: datetime
    ending_before: datetime
    quantity: Decimal | None = None
    subtotals: tuple[Subtotal, ...] | None = None
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()


class HistoricalInvoice(msgspec.Struct, frozen=True, gc=False):
    """An invoice of the request. Source: schema ``HistoricalContractUsageInvoiceInputPayload``."""

    customer_id: CustomerId
    contract_id: ContractId
    credit_type_id: CreditTypeId
    period: BoundedPeriod
    issue_date: datetime
    lines: tuple[HistoricalLine, ...]
    breakdown_granularity: WindowSize | None = None
    billable_status: BillableStatus = BillableStatus.BILLABLE
    custom_fields: dict[str, str] = {}


def create_historical_invoices(context: Context, batch: Sequence[HistoricalInvoice], *, preview: bool) -> list[Invoice]:
    """Import a batch, or show what its import would give.

    Returns:
        The invoices in the order of the request. A previewed one has an id that nothing else answers to.

    Raises:
        InvalidRequest: Any invoice breaks a rule; the path begins with its index, and nothing is stored.

    Source: guide "Import existing invoices" and reference, sections 1.1 to 1.5.
    """
    usage = [_usage(context, index, item) for index, item in enumerate(batch)]
    _refuse_overlaps(context, batch)
    priced = price_batch(context, batch, usage, preview=preview)
    if not preview:
        with context.transaction():
            priced = {index: store_invoice(context, invoice) for index, invoice in priced.items()}
            check_thresholds(context)
    return [priced[index] for index in range(len(batch))]


def price_batch(
    context: Context, batch: Sequence[HistoricalInvoice], usage: Sequence[Sequence[UsageLine]], *, preview: bool
) -> dict[int, Invoice]:
    """Return the invoices of a checked batch by their place in it, in the order of time, without storing them.

    Assumed: balances meet the invoices of a batch, and the customers' drafts between them, by start, then creation of
    the contract; an earlier one leaves less to a later one, in a preview too. So neither the order of a request nor its
    division into several changes a figure.  [A-batch-order]
    Assumed: an invoice whose issue date is ahead stays a draft until then.  [A-import-status]
    """
    contracts = context.store.contracts
    places = [(item.period.starting_at, contracts[item.contract_id].sequence) for item in batch]
    waiting = _pending_before(context, batch)
    books: dict[ContractId, PriceBook] = {}
    taken: dict[SegmentId, Decimal] = {}
    priced: dict[int, Invoice] = {}
    for index in sorted(range(len(batch)), key=places.__getitem__):
        while waiting and waiting[0][:2] < places[index]:
            price_pending(context, waiting.popleft(), taken)
        item = batch[index]
        contract = contracts[item.contract_id]
        book = books.get(contract.id)
        if book is None:
            book = books[contract.id] = price_book(context, contract)
        candidates = open_segments(context, contract, item.period, taken)
        try:
            result = build_invoice(contract, book, usage[index], candidates, item.period)
        except InvalidRequest as error:
            raise InvalidRequest(f"invoices[{index}].usage_line_items{error.path}", error.problem) from None
        add_draws(taken, result.draws)
        priced[index] = Invoice(
            id=usage_invoice_id(context, contract.id, item.period, preview=preview),
            customer_id=item.customer_id,
            contract_id=contract.id,
            type=InvoiceType.USAGE,
            status=InvoiceStatus.FINALIZED if item.issue_date <= context.now else InvoiceStatus.DRAFT,
            credit_type_id=item.credit_type_id,
            issued_at=item.issue_date,
            lines=result.lines,
            total=result.total,
            period=item.period,
            draws=result.draws,
            usage=tuple(usage[index]),
            window_size=item.breakdown_granularity,
            is_imported=True,
            billable_status=item.billable_status,
            custom_fields=item.custom_fields,
            trace=result.trace,
        )
    return priced


def _pending_before(context: Context, batch: Sequence[HistoricalInvoice]) -> deque[Pending]:
    """Return what is not final yet of the customers of a batch and their relatives, in order, up to the batch's last
    start.
    """
    last = max((item.period.starting_at for item in batch), default=context.now)
    families = {frozenset(relatives(context, customer_id)) for customer_id in {item.customer_id for item in batch}}
    found = [waiting for family in families for waiting in pending(context, next(iter(family)), last)[0]]
    return deque(sorted(found, key=itemgetter(0, 1)))


def _usage(context: Context, index: int, item: HistoricalInvoice) -> list[UsageLine]:
    """Check one invoice of the request by itself and return its quantities."""
    path = f"invoices[{index}]"
    contract = _contract(context, item, path)
    _check_period(item, contract, path)
    expected = fiat_credit_type(context, contract)
    if item.credit_type_id != expected:
        raise InvalidRequest(
            f"{path}.credit_type_id",
            f"{item.credit_type_id} is not the currency of the contract's rate card, {expected}",
        )
    return [
        _usage_line(context, item, line, f"{path}.usage_line_items[{number}]") for number, line in enumerate(item.lines)
    ]


def _contract(context: Context, item: HistoricalInvoice, path: str) -> Contract:
    """Return the contract that the invoice is for. Only 400 is declared, so an unknown id is one too."""
    store = context.store
    customer = store.customers.get(item.customer_id)
    if customer is None:
        raise InvalidRequest(f"{path}.customer_id", f"no customer {item.customer_id} in this tenant")
    contract = store.contracts.get(item.contract_id)
    if contract is None or contract.customer_id != item.customer_id:
        raise InvalidRequest(f"{path}.contract_id", f"customer {item.customer_id} has no contract {item.contract_id}")
    if customer.archived_at is not None or contract.archived_at is not None:
        what = "customer" if customer.archived_at is not None else "contract"
        raise InvalidRequest(f"{path}.{what}_id", f"this {what} is archived; nothing can be imported for it")
    return contract


def _check_period(item: HistoricalInvoice, contract: Contract, path: str) -> None:
    """Hold the billing period against the contract.

    Assumed: it lies inside the contract and before the first period that the system bills by itself; it need not be
    one of the contract's statement periods.  [A-import-period]
    """
    start, end = item.period.starting_at, item.period.ending_before
    if end <= start:
        raise InvalidRequest(
            f"{path}.exclusive_end_date", f"{end.isoformat()} is not after inclusive_start_date {start.isoformat()}"
        )
    if start < contract.starting_at:
        raise InvalidRequest(
            f"{path}.inclusive_start_date",
            f"{start.isoformat()} is before the contract starts, {contract.starting_at.isoformat()}",
        )
    if contract.ending_before is not None and end > contract.ending_before:
        raise InvalidRequest(
            f"{path}.exclusive_end_date",
            f"{end.isoformat()} is after the contract ends, {contract.ending_before.isoformat()}",
        )
    generation = contract.statement_schedule.generation_starting_at
    if generation is not None and end > generation:
        raise InvalidRequest(
            f"{path}.exclusive_end_date",
            f"{end.isoformat()} is after {generation.isoformat()}, from when on the system makes the invoices "
            "(usage_statement_schedule.invoice_generation_starting_at)",
        )
    if contract.next_period is not None and end > contract.next_period.starting_at:
        raise InvalidRequest(
            f"{path}.exclusive_end_date",
            f"{end.isoformat()} reaches into the period from {contract.next_period.starting_at.isoformat()}, whose "
            "invoice the system makes; set usage_statement_schedule.invoice_generation_starting_at on the contract",
        )


def _usage_line(context: Context, item: HistoricalInvoice, line: HistoricalLine, path: str) -> UsageLine:
    """Check one line by itself and return its quantities.

    Source: guide "Import existing invoices" for quantity or subtotals. Assumed: exactly one of them; product quantity
    conversion and rounding do not apply, the number is the invoiced quantity.  [A-import-quantity]
    """
    product = context.store.products.get(line.product_id)
    if product is None:
        raise InvalidRequest(f"{path}.product_id", f"no product {line.product_id} in this tenant")
    if product.type is not ProductType.USAGE:
        raise InvalidRequest(
            f"{path}.product_id",
            f"{product.id} ({product.name}) is a {product.type} product; only USAGE can be imported",
        )
    window = BoundedPeriod(line.starting_at, line.ending_before)
    if line.ending_before <= line.starting_at or not item.period.holds(window):
        raise InvalidRequest(
            f"{path}.inclusive_start_date",
            f"the window {_shown(window)} is not inside the invoice's period {_shown(item.period)}",
        )
    if (line.quantity is None) == (line.subtotals is None):
        both = "both are there" if line.quantity is not None else "neither is there"
        raise InvalidRequest(
            f"{path}.quantity", f"exactly one of quantity and subtotals_with_quantity is needed, {both}"
        )
    if line.quantity is not None and line.quantity < 0:
        raise InvalidRequest(f"{path}.quantity", f"{line.quantity} is less than 0")
    windows = _windows(item, line, window, path) if line.subtotals is not None else ()
    return UsageLine(
        line.product_id,
        line.starting_at,
        line.ending_before,
        total(windows) if line.quantity is None else line.quantity,
        line.pricing_group_values,
        line.presentation_group_values,
        windows,
    )


def _windows(
    item: HistoricalInvoice, line: HistoricalLine, window: BoundedPeriod, path: str
) -> tuple[WindowQuantity, ...]:
    """Return the subtotals of a line in order, checked.

    Assumed: each is exactly one UTC hour or day; none overlaps another, gaps are allowed.  [A-import-windows]
    """
    size = item.breakdown_granularity
    path = f"{path}.subtotals_with_quantity"
    if size is None:
        raise InvalidRequest(path, "needs breakdown_granularity (HOUR or DAY) on the invoice")
    if not line.subtotals:
        raise InvalidRequest(path, "is empty; send the quantity of at least one window, or quantity instead")
    previous: datetime | None = None
    ordered = sorted(enumerate(line.subtotals), key=lambda entry: entry[1].starting_at)
    for number, subtotal in ordered:
        at = f"{path}[{number}]"
        own = BoundedPeriod(subtotal.starting_at, subtotal.ending_before)
        if not window.holds(own):
            raise InvalidRequest(
                f"{at}.inclusive_start_date", f"{_shown(own)} is not inside the line's {_shown(window)}"
            )
        if subtotal.ending_before - subtotal.starting_at != size.length or not size.is_aligned(subtotal.starting_at):
            raise InvalidRequest(
                f"{at}.inclusive_start_date",
                f"{_shown(own)} is not exactly one UTC {size.lower()} long and aligned to it",
            )
        if previous == subtotal.starting_at:
            raise InvalidRequest(f"{at}.inclusive_start_date", f"{_shown(own)} is there twice")
        if subtotal.quantity < 0:
            raise InvalidRequest(f"{at}.quantity", f"{subtotal.quantity} is less than 0")
        previous = subtotal.starting_at
    return tuple(WindowQuantity(subtotal.starting_at, subtotal.quantity) for _, subtotal in ordered)


def _refuse_overlaps(context: Context, batch: Sequence[HistoricalInvoice]) -> None:
    """Refuse a period that another usage invoice of the contract bills already, stored or in the batch.

    Assumed: a voided invoice is in nobody's way.  [A-import-overlap]
    """
    periods: dict[ContractId, list[tuple[datetime, int]]] = {}
    for index, item in enumerate(batch):
        stored = overlapping(context, item.contract_id, item.period)
        if stored is not None:
            raise InvalidRequest(
                f"invoices[{index}].inclusive_start_date",
                f"{_shown(item.period)} overlaps usage invoice {stored.id} ({stored.status}) of this contract; "
                "void it to import the period again",
            )
        periods.setdefault(item.contract_id, []).append((item.period.starting_at, index))
    for entries in periods.values():
        entries.sort()
        for (_, first), (start, second) in pairwise(entries):
            if start < batch[first].period.ending_before:
                earlier, later = sorted((first, second))
                raise InvalidRequest(
                    f"invoices[{later}].inclusive_start_date",
                    f"{_shown(batch[later].period)} overlaps invoices[{earlier}] of this request",
                )


def overlapping(context: Context, contract_id: ContractId, period: BoundedPeriod) -> Invoice | None:
    """Return the stored usage invoice of a contract that shares time with ``period`` and is not voided, or None."""
    store = context.store
    for invoice_id in store.invoices_on.before(contract_id, period.ending_before):
        invoice = store.invoices[invoice_id]
        if invoice.period is not None and invoice.status is not InvoiceStatus.VOID:
            # Such invoices never overlap each other, so none that starts earlier ends later than this one.
            return invoice if invoice.period.ending_before > period.starting_at else None
    return None


def _shown(period: BoundedPeriod) -> str:
    return f"{period.starting_at.isoformat()}..{period.ending_before.isoformat()}"
