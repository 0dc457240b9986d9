"""What usage would cost: the drafts that a customer's contracts would have with other events. Nothing is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.events import UsageEvent, within
from metronome_sandbox.domain.ids import CustomerId, SegmentId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.customers import get_customer
from metronome_sandbox.services.drafts import Pending, events_of, pending, price_events, price_pending, usage_invoice_id
from metronome_sandbox.services.pricing import add_draws, price_book


class PreviewMode(StrEnum):
    """Whether events stand alone or beside the usage that is there. Source: schema ``PreviewEventsPayload``."""

    REPLACE = "replace"
    MERGE = "merge"


def preview_events(
    context: Context, customer_id: CustomerId, events: Sequence[UsageEvent], mode: PreviewMode
) -> list[Invoice]:
    """Return the draft that each contract in force would have for its running period, with these events.

    Returns:
        By start of the period, then creation of the contract; with ids that nothing answers to.

    Raises:
        CustomerNotFound: There is no such customer.
        InvalidRequest: A transaction id is there twice, an event is in no running period, or a contract bills an SQL
            metric.

    Source: operation ``previewCustomerEvents-v1``.
    Assumed: an event whose id was ingested already is left out in both modes; one that no draft of the answer would
    bill for its time is refused, for it would change nothing.  [A-preview-events]
    """
    get_customer(context, customer_id)
    waiting = pending(context, customer_id, context.now)[0]
    running = [(contract, item) for _, _, contract, item in waiting if _is_shown(context, customer_id, contract, item)]
    _check_events(events, [period for _, period in running if isinstance(period, BoundedPeriod)])
    new = [event for event in events if event.transaction_id not in context.store.events]
    taken: dict[SegmentId, Decimal] = {}
    return [invoice for each in waiting if (invoice := _preview(context, customer_id, each, new, mode, taken))]


def _is_shown(context: Context, customer_id: CustomerId, contract: Contract, item: BoundedPeriod | Invoice) -> bool:
    """Whether it is a period that runs, of the customer itself and not of a relative."""
    return isinstance(item, BoundedPeriod) and context.now in item and contract.customer_id == customer_id


def _preview(
    context: Context,
    customer_id: CustomerId,
    waiting: Pending,
    new: Sequence[UsageEvent],
    mode: PreviewMode,
    taken: dict[SegmentId, Decimal],
) -> Invoice | None:
    """Return the draft of a running period with the new events; of any other invoice only count what it takes."""
    _, _, contract, item = waiting
    if isinstance(item, Invoice) or not _is_shown(context, customer_id, contract, item):
        price_pending(context, waiting, taken)
        return None
    _refuse_sql(context, contract, item)
    stored = events_of(context, contract.customer_id, item) if mode is PreviewMode.MERGE else []
    events = [*stored, *within(new, item.starting_at, item.ending_before)]
    events.sort(key=lambda event: (event.timestamp, event.transaction_id))
    invoice = price_events(context, contract, item, events, taken)
    add_draws(taken, invoice.draws)
    return msgspec.structs.replace(invoice, id=usage_invoice_id(context, contract.id, item, preview=True))


def _check_events(events: Sequence[UsageEvent], periods: Collection[BoundedPeriod]) -> None:
    seen: set[str] = set()
    for index, event in enumerate(events):
        if event.transaction_id in seen:
            raise InvalidRequest(
                f"events[{index}].transaction_id", f"{event.transaction_id!r} is there twice; send each event once"
            )
        seen.add(event.transaction_id)
        if periods and not any(event.timestamp in period for period in periods):
            shown = ", ".join(
                f"{period.starting_at.isoformat()}..{period.ending_before.isoformat()}" for period in periods
            )
            raise InvalidRequest(
                f"events[{index}].timestamp",
                f"{event.timestamp.isoformat()} is in none of the billing periods that would be shown: {shown}",
            )


def _refuse_sql(context: Context, contract: Contract, period: BoundedPeriod) -> None:
    store = context.store
    for product_id in price_book(context, contract).product_ids:
        product = store.products[product_id]
        for _, version in product.versions(period):
            metric = store.billable_metrics.get(version.billable_metric_id) if version.billable_metric_id else None
            if product.type is ProductType.USAGE and metric is not None and metric.sql is not None:
                raise InvalidRequest(
                    "",
                    f"contract {contract.id} bills product {product.id} ({version.name}) by the SQL metric "
                    f"{metric.id}, whose usage cannot be previewed",
                )
