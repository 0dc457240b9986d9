"""Scheduled charges, discounts and professional services of a contract: made, changed, invoiced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import InvoiceSchedule, InvoiceScheduleItem
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import ProductId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.scheduled_charges import (
    Discount,
    ProfessionalService,
    ScheduledCharge,
    item_ids,
)
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import require_currency


class NewScheduledTerm(msgspec.Struct, frozen=True):
    """A scheduled charge or a discount as a request describes it."""

    product_id: ProductId
    payments: NewPayments
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


def with_charges(
    context: Context, contract: Contract, new: Sequence[NewScheduledTerm], path: str, source_id: str
) -> Contract:
    """Return the contract with new scheduled charges.

    Args:
        path: Of the list in the request.
        source_id: What adds them: the contract itself, an edit or an amendment. Their ids derive from it.

    Raises:
        NotFound: A product or currency does not exist.
        InvalidRequest: A product is not FIXED, a schedule is empty or may not be invoiced.
    """
    made = []
    for index, term in enumerate(new):
        _check_term(context, term, f"{path}[{index}]")
        term_id = context.ids.derived("scheduled charge", source_id, str(index))
        made.append(ScheduledCharge(*_fields(context, term, term_id)))
    return msgspec.structs.replace(contract, scheduled_charges=(*contract.scheduled_charges, *made))


def with_discounts(
    context: Context, contract: Contract, new: Sequence[NewScheduledTerm], path: str, source_id: str
) -> Contract:
    """Return the contract with new discounts. Arguments and errors as :func:`with_charges`; no sum is negative."""
    made = []
    for index, term in enumerate(new):
        _check_term(context, term, f"{path}[{index}]")
        for number, item in enumerate(term.payments.items):
            if item.amount < 0:
                raise InvalidRequest(
                    f"{path}[{index}].schedule.schedule_items[{number}].amount",
                    f"{item.amount} is less than 0; a discount's sums are positive and are taken off",
                )
        term_id = context.ids.derived("discount", source_id, str(index))
        made.append(Discount(*_fields(context, term, term_id)))
    return msgspec.structs.replace(contract, discounts=(*contract.discounts, *made))


def with_services(
    context: Context, contract: Contract, new: Sequence[ProfessionalService], path: str, source_id: str
) -> Contract:
    """Return the contract with new professional services, which come with empty ids.

    Assumed: the product is a PRO_SERVICE or a FIXED one, and no number is negative.  [A-pro-service-terms]
    """
    made = []
    for index, service in enumerate(new):
        types = (ProductType.PRO_SERVICE, ProductType.FIXED)
        _check_product(context, service.product_id, types, f"{path}[{index}].product_id")
        for field in ("unit_price", "quantity", "max_amount"):
            value = getattr(service, field)
            if value < 0:
                raise InvalidRequest(f"{path}[{index}].{field}", f"{value} is less than 0")
        service_id = context.ids.derived("professional service", source_id, str(index))
        made.append(msgspec.structs.replace(service, id=service_id))
    return msgspec.structs.replace(contract, professional_services=(*contract.professional_services, *made))


def _check_term(context: Context, new: NewScheduledTerm, path: str) -> None:
    _check_product(context, new.product_id, (ProductType.FIXED,), f"{path}.product_id")
    payments = new.payments
    require_currency(context, payments.credit_type_id, f"{path}.schedule.credit_type_id")
    if not payments.items:
        raise InvalidRequest(f"{path}.schedule.schedule_items", "is empty; name at least one date")
    if payments.do_not_invoice:
        raise InvalidRequest(f"{path}.schedule.do_not_invoice", "is for commits; leave it out")


def _check_product(context: Context, product_id: ProductId, types: Sequence[ProductType], path: str) -> None:
    product = context.store.products.get(product_id)
    if product is None:
        raise NotFound("product", product_id, path)
    if product.type not in types:
        raise InvalidRequest(
            path, f"{product.id} ({product.name}) is a {product.type} product; this needs {' or '.join(types)}"
        )


def _fields(
    context: Context, new: NewScheduledTerm, term_id: str
) -> tuple[str, ProductId, InvoiceSchedule, str | None, str | None, dict[str, str]]:
    """Return the fields of a scheduled term, in their order."""
    items = tuple(
        InvoiceScheduleItem(
            context.ids.derived("charge", term_id, str(index)), item.timestamp, item.unit_price, item.quantity
        )
        for index, item in enumerate(new.payments.items)
    )
    schedule = InvoiceSchedule(new.payments.credit_type_id, items)
    return term_id, new.product_id, schedule, new.name, new.netsuite_sales_order_id, new.custom_fields


def ending(context: Context, contract: Contract, instant: datetime) -> Contract:
    """Return a contract that bills nothing from ``instant`` on but what is on an invoice already."""
    settled = context.store.settled

    def kept(schedule: InvoiceSchedule) -> InvoiceSchedule:
        items = tuple(item for item in schedule.items if item.timestamp < instant or item.id in settled)
        return msgspec.structs.replace(schedule, items=items)

    replace = msgspec.structs.replace
    return replace(
        contract,
        scheduled_charges=tuple(replace(item, schedule=kept(item.schedule)) for item in contract.scheduled_charges),
        discounts=tuple(replace(item, schedule=kept(item.schedule)) for item in contract.discounts),
        service_charges=tuple(
            item for item in contract.service_charges if item.timestamp < instant or item.id in settled
        ),
    )


def billing_invoices(context: Context, charge_ids: Iterable[str], status: InvoiceStatus) -> list[Invoice]:
    """Return the invoices of a status that billed any of these charges."""
    store = context.store
    found = (store.settled.get(charge_id) for charge_id in charge_ids)
    invoices = (store.invoices[invoice_id] for invoice_id in found if invoice_id is not None)
    return [invoice for invoice in invoices if invoice.status is status]


def archived(context: Context, charge: ScheduledCharge, path: str) -> ScheduledCharge:
    """Return a scheduled charge that bills nothing any more.

    Raises:
        NotAllowedNow: It is archived already, or a finalized invoice billed a part of it.

    Source: guide "Edit a contract".
    """
    if charge.archived_at is not None:
        raise NotAllowedNow(path, f"scheduled charge {charge.id} is archived already")
    for invoice in billing_invoices(context, item_ids(charge), InvoiceStatus.FINALIZED):
        raise NotAllowedNow(path, f"scheduled charge {charge.id} is on finalized invoice {invoice.id}; void it first")
    return msgspec.structs.replace(charge, archived_at=context.now)
