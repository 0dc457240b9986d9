"""Invoices on the wire, and the import request. Source: schemas ``Invoice`` and
``HistoricalContractUsageInvoiceInputPayload``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.api.wire.common import (
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    invoice_time,
    number,
    utc,
)
from metronome_sandbox.api.wire.contract_terms import render_invoice_royalty
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.api.wire.hierarchies import render_link
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.breakdowns import Breakdown
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, InvoiceId, ProductId, group_values
from metronome_sandbox.domain.invoices import BillableStatus, BilledTerm, Invoice, LineItem, LineType
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.reseller_royalties import royalty_of
from metronome_sandbox.domain.scheduled_charges import ProfessionalService, ScheduledTerm
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.hierarchies import payer
from metronome_sandbox.services.historical_invoices import HistoricalInvoice, HistoricalLine, Subtotal


class SubtotalInput(WireType):
    """An item of ``subtotals_with_quantity``."""

    inclusive_start_date: datetime
    exclusive_end_date: datetime
    quantity: Decimal


class LineInput(WireType):
    """An item of ``usage_line_items``."""

    product_id: str
    inclusive_start_date: datetime
    exclusive_end_date: datetime
    quantity: Decimal | None = None
    subtotals_with_quantity: list[SubtotalInput] | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str] | None = None


class InvoiceInput(WireType):
    """An item of ``invoices``."""

    customer_id: str
    contract_id: str
    credit_type_id: str
    inclusive_start_date: datetime
    exclusive_end_date: datetime
    issue_date: datetime
    usage_line_items: list[LineInput]
    breakdown_granularity: str | None = None
    billable_status: str | None = None
    custom_fields: dict[str, str] = {}


class CreateHistoricalInvoices(WireType):
    """Body of ``createHistoricalContractUsageInvoices-v1``."""

    invoices: list[InvoiceInput]
    preview: bool


class InvoiceReference(WireType):
    """Body of void and regenerate."""

    id: str


_CREATE = decoder(CreateHistoricalInvoices)
_REFERENCE = decoder(InvoiceReference)


def parse_create_historical(body: bytes) -> tuple[list[HistoricalInvoice], bool]:
    """Return the invoices to import and whether to preview only."""
    wire = decode(_CREATE, body)
    return [_invoice(item, f"invoices[{index}]") for index, item in enumerate(wire.invoices)], wire.preview


def _invoice(wire: InvoiceInput, path: str) -> HistoricalInvoice:
    granularity = wire.breakdown_granularity
    return HistoricalInvoice(
        CustomerId(wire.customer_id.lower()),
        ContractId(wire.contract_id.lower()),
        CreditTypeId(wire.credit_type_id.lower()),
        BoundedPeriod(utc(wire.inclusive_start_date), utc(wire.exclusive_end_date)),
        utc(wire.issue_date),
        tuple(_line(line, f"{path}.usage_line_items[{index}]") for index, line in enumerate(wire.usage_line_items)),
        None if granularity is None else canonical(granularity, WindowSize),
        BillableStatus.BILLABLE if wire.billable_status is None else BillableStatus(wire.billable_status),
        wire.custom_fields,
    )


def _line(wire: LineInput, path: str) -> HistoricalLine:
    subtotals = wire.subtotals_with_quantity
    return HistoricalLine(
        ProductId(wire.product_id.lower()),
        utc(wire.inclusive_start_date),
        utc(wire.exclusive_end_date),
        None if wire.quantity is None else checked(wire.quantity, f"{path}.quantity"),
        None if subtotals is None else _subtotals(subtotals, f"{path}.subtotals_with_quantity"),
        group_values(wire.pricing_group_values),
        group_values(wire.presentation_group_values),
    )


def _subtotals(wire: Iterable[SubtotalInput], path: str) -> tuple[Subtotal, ...]:
    return tuple(
        Subtotal(
            utc(item.inclusive_start_date),
            utc(item.exclusive_end_date),
            checked(item.quantity, f"{path}[{index}].quantity"),
        )
        for index, item in enumerate(wire)
    )


def parse_reference(body: bytes) -> InvoiceId:
    """Return the invoice that the body names."""
    return InvoiceId(decode(_REFERENCE, body).id.lower())


PRODUCT_TYPES = {
    ProductType.USAGE: "UsageProductListItem",
    ProductType.SUBSCRIPTION: "SubscriptionProductListItem",
    ProductType.COMPOSITE: "CompositeProductListItem",
    ProductType.FIXED: "FixedProductListItem",
    ProductType.PRO_SERVICE: "ProServiceProductListItem",
}

COMMIT_TYPES = {
    BalanceType.PREPAID: "PrepaidCommit",
    BalanceType.CREDIT: "PrepaidCommit",
    BalanceType.POSTPAID: "PostpaidCommit",
}
"""A credit shows as a prepaid commit. Source: field ``InvoiceLineItem.commit_type``."""


def render(context: Context, invoice: Invoice, *, skip_zero_quantities: bool = False) -> JsonObject:
    """Return an invoice. Custom fields and tags of what it refers to are as they are now.

    Args:
        skip_zero_quantities: Leave out lines whose quantity is 0; lines without a quantity stay (question Q17).

    Assumed: ``external_invoice`` is null for ever, for the sandbox has no billing provider (Q40).  [A-external-invoice]
    """
    store = context.store
    contract = store.contracts[invoice.contract_id]
    credit_type = {"id": invoice.credit_type_id, "name": store.credit_types[invoice.credit_type_id].name}
    lines = invoice.lines
    if skip_zero_quantities:
        lines = tuple(line for line in lines if line.quantity is None or line.quantity)
    rendered: JsonObject = {
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "contract_id": invoice.contract_id,
        "type": invoice.type.value,
        "status": invoice.status.value,
        "credit_type": credit_type,
        "line_items": [_line_item(context, contract, line, credit_type) for line in lines],
        "total": number(invoice.total),
        "issued_at": invoice_time(invoice.issued_at),
        "billable_status": invoice.billable_status.value,
        "external_invoice": None,
        "custom_fields": invoice.custom_fields,
        "customer_custom_fields": store.customers[invoice.customer_id].custom_fields,
        "contract_custom_fields": contract.custom_fields,
    }
    if invoice.period is not None:
        rendered["start_timestamp"] = invoice_time(invoice.period.starting_at)
        rendered["end_timestamp"] = invoice_time(invoice.period.ending_before)
    if contract.net_payment_terms_days is not None:
        rendered["net_payment_terms_days"] = number(contract.net_payment_terms_days)
    if contract.netsuite_sales_order_id is not None:
        rendered["netsuite_sales_order_id"] = contract.netsuite_sales_order_id
    if contract.salesforce_opportunity_id is not None:
        rendered["salesforce_opportunity_id"] = contract.salesforce_opportunity_id
    pays = None if invoice.period is None else payer(contract)
    if pays is not None:
        rendered["payer"] = render_link(pays)
    royalty = _royalty(context, contract, invoice)
    if royalty is not None:
        rendered["reseller_royalty"] = royalty
    if invoice.regenerated_from_invoice_id is not None:
        rendered["regenerated_from_invoice_id"] = invoice.regenerated_from_invoice_id
    return rendered


def _royalty(context: Context, contract: Contract, invoice: Invoice) -> JsonObject | None:
    """Return ``reseller_royalty`` of an invoice, or None."""
    if not contract.reseller_royalties:
        return None
    product_ids = dict.fromkeys(line.product_id for line in invoice.lines)
    products = (
        context.store.products[product_id].at(context.now) for product_id in product_ids if product_id is not None
    )
    instant = invoice.issued_at if invoice.period is None else invoice.period.starting_at
    royalty = royalty_of(contract.reseller_royalties, products, instant)
    return None if royalty is None else render_invoice_royalty(royalty)


def _term(contract: Contract, term: BilledTerm) -> JsonObject:
    """Return what a scheduled line says of the charge, discount or service that it bills."""
    terms: tuple[ScheduledTerm | ProfessionalService, ...] = (
        *contract.scheduled_charges,
        *contract.discounts,
        *contract.professional_services,
    )
    custom_fields = next(item.custom_fields for item in terms if item.id == term.id)
    rendered: JsonObject = {f"{term.kind}_id": term.id, f"{term.kind}_custom_fields": custom_fields}
    if term.metadata is not None:
        rendered["metadata"] = term.metadata
    return rendered


def _line_item(context: Context, contract: Contract, line: LineItem, credit_type: JsonObject) -> JsonObject:
    store = context.store
    if line.credit_type_id is not None:
        credit_type = render_credit_type(store.credit_types[line.credit_type_id])
    rendered: JsonObject = {
        "type": line.type.value,
        "name": line.name,
        "total": number(line.total),
        "credit_type": credit_type,
    }
    if line.product_id is not None:
        product = store.products[line.product_id].at(context.now)
        rendered["product_id"] = line.product_id
        rendered["product_type"] = PRODUCT_TYPES[product.type]
        rendered["product_custom_fields"] = product.custom_fields
        if product.tags:
            rendered["product_tags"] = list(product.tags)
    if line.quantity is not None:
        rendered["quantity"] = number(line.quantity)
    if line.unit_price is not None:
        rendered["unit_price"] = number(line.unit_price)
    if line.starting_at is not None:
        rendered["starting_at"] = invoice_time(line.starting_at)
    if line.ending_before is not None:
        rendered["ending_before"] = invoice_time(line.ending_before)
    if line.pricing_group_values:
        rendered["pricing_group_values"] = dict(line.pricing_group_values)
    if line.presentation_group_values:
        rendered["presentation_group_values"] = dict(line.presentation_group_values)
    if line.tier is not None:
        size = line.tier.size
        rendered["tier"] = {
            "level": line.tier.level,
            "starting_at": str(number(line.tier.starting_at)),
            "size": None if size is None else str(number(size)),
        }
    if line.subscription is not None:
        subscriptions = {each.id: each.custom_fields for each in contract.subscriptions}
        rendered["subscription_id"] = line.subscription.id
        rendered["subscription_custom_fields"] = subscriptions[line.subscription.id]
        rendered["is_prorated"] = line.subscription.is_prorated
    if line.term is not None:
        rendered |= _term(contract, line.term)
    if line.applied is not None:
        balance = store.balances[line.applied.id]
        rendered["commit_id"] = line.applied.id
        rendered["commit_type"] = COMMIT_TYPES[line.applied.type]
        rendered["commit_custom_fields"] = balance.custom_fields
        if line.type is LineType.COMMIT_PURCHASE and line.applied.type is BalanceType.POSTPAID:
            rendered["postpaid_commit"] = {"id": line.applied.id}
        if line.applied.segment_id is not None:
            rendered["commit_segment_id"] = line.applied.segment_id
            rendered["applied_commit_or_credit"] = {"id": line.applied.id, "type": line.applied.type.value}
    return rendered


def render_breakdown(
    context: Context, invoice: Invoice, breakdown: Breakdown, *, skip_zero_quantities: bool = False
) -> JsonObject:
    """Return a window of an invoice: the whole invoice with the window's lines and total."""
    window = msgspec.structs.replace(invoice, lines=breakdown.lines, total=breakdown.total)
    return {
        **render(context, window, skip_zero_quantities=skip_zero_quantities),
        "breakdown_start_timestamp": invoice_time(breakdown.window.starting_at),
        "breakdown_end_timestamp": invoice_time(breakdown.window.ending_before),
    }
