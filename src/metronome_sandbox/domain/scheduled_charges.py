"""Sums that a contract names by date: scheduled charges, discounts, and professional services invoiced on request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ONE
from metronome_sandbox.domain.balances import InvoiceSchedule, InvoiceScheduleItem
from metronome_sandbox.domain.ids import CreditTypeId, ProductId
from metronome_sandbox.domain.invoices import BilledTerm, LineItem, LineType, TermKind


class ScheduledTerm(msgspec.Struct, frozen=True, gc=False):
    """What a scheduled charge and a discount have in common.

    Attributes:
        name: Stands on the invoice; None is the product's name.
        schedule: When what is billed, with positive sums also for a discount.
    """

    id: str
    product_id: ProductId
    schedule: InvoiceSchedule
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class ScheduledCharge(ScheduledTerm, frozen=True):
    """A fee on fixed dates. Source: schema ``ScheduledCharge``."""

    archived_at: datetime | None = None


class Discount(ScheduledTerm, frozen=True):
    """A sum taken off on fixed dates. Source: schema ``Discount``."""


class ProfessionalService(msgspec.Struct, frozen=True, gc=False):
    """Work that is invoiced on request only. Source: schema ``ProService``.

    Attributes:
        unit_price, max_amount: In the currency of the contract's usage invoices.
        max_amount: What all of its invoices together may come to.
    """

    id: str
    product_id: ProductId
    unit_price: Decimal
    quantity: Decimal
    max_amount: Decimal
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class ServiceCharge(msgspec.Struct, frozen=True, gc=False):
    """A line that ``scheduleProServicesInvoice-v1`` asked for."""

    id: str
    service_id: str
    timestamp: datetime
    credit_type_id: CreditTypeId
    unit_price: Decimal
    quantity: Decimal = ONE
    metadata: str | None = None

    @property
    def amount(self) -> Decimal:
        """What is billed."""
        return self.unit_price * self.quantity


def scheduled_line(charge: ScheduledCharge, item: InvoiceScheduleItem, product_name: str) -> LineItem:
    """Return the line that one date of a scheduled charge puts on an invoice."""
    return _line(charge, TermKind.SCHEDULED_CHARGE, item, item.unit_price, product_name)


def discount_line(discount: Discount, item: InvoiceScheduleItem, product_name: str) -> LineItem:
    """Return the line that one date of a discount puts on an invoice.

    Assumed: it is a scheduled line whose unit price and total are negative (pricing, question 43).  [A-discount-line]
    """
    return _line(discount, TermKind.DISCOUNT, item, -item.unit_price, product_name)


def _line(
    term: ScheduledTerm, kind: TermKind, item: InvoiceScheduleItem, unit_price: Decimal, product_name: str
) -> LineItem:
    return LineItem(
        type=LineType.SCHEDULED,
        name=term.name or product_name,
        product_id=term.product_id,
        total=unit_price * item.quantity,
        quantity=item.quantity,
        unit_price=unit_price,
        term=BilledTerm(kind, term.id),
    )


def service_line(service: ProfessionalService, charge: ServiceCharge, product_name: str) -> LineItem:
    """Return the line that a professional service puts on an invoice, under its product's name."""
    return LineItem(
        type=LineType.SCHEDULED,
        name=product_name,
        product_id=service.product_id,
        total=charge.amount,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
        term=BilledTerm(TermKind.PROFESSIONAL_SERVICE, service.id, charge.metadata),
    )


def item_ids(term: ScheduledTerm) -> Iterator[str]:
    """Yield the ids of what a term bills, one for each date."""
    return (item.id for item in term.schedule.items)
