"""An old invoice as ``createHistoricalInvoices`` takes it: quantities and no prices, for those are the contract's."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine


def request_of(invoice: LegacyInvoice) -> dict[str, Any]:
    """Return one entry of ``invoices``. Numbers are ``Decimal``; ``client.encoding`` writes them as they are.

    Source: reference, sections 1.1 and 1.2.
    """
    request: dict[str, Any] = {
        "customer_id": invoice.customer_id,
        "contract_id": invoice.contract_id,
        "credit_type_id": invoice.credit_type_id,
        "inclusive_start_date": time(invoice.starting_at),
        "exclusive_end_date": time(invoice.ending_before),
        "issue_date": time(invoice.issued_at),
        "usage_line_items": [_line(line) for line in invoice.lines],
    }
    if invoice.granularity is not None:
        request["breakdown_granularity"] = invoice.granularity
    return request


def _line(line: LegacyLine) -> dict[str, Any]:
    request: dict[str, Any] = {
        "product_id": line.product_id,
        "inclusive_start_date": time(line.starting_at),
        "exclusive_end_date": time(line.ending_before),
    }
    if line.subtotals:
        request["subtotals_with_quantity"] = [
            {
                "inclusive_start_date": time(subtotal.starting_at),
                "exclusive_end_date": time(subtotal.ending_before),
                "quantity": subtotal.quantity,
            }
            for subtotal in line.subtotals
        ]
    else:
        request["quantity"] = line.quantity
    if line.pricing_group_values:
        request["pricing_group_values"] = dict(line.pricing_group_values)
    if line.presentation_group_values:
        request["presentation_group_values"] = dict(line.presentation_group_values)
    return request


def content_key(invoice: LegacyInvoice) -> str:
    """Return what names the content of an invoice: the same for the same request, however its file was written.

    Quantities count by value (1.50 is 1.5) and lines in whatever order, so that an export that was sorted otherwise is
    still the same invoice.
    """
    request = request_of(invoice)
    for line in request["usage_line_items"]:
        for holder in (line, *line.get("subtotals_with_quantity", ())):
            if "quantity" in holder:
                holder["quantity"] = _canonical(holder["quantity"])
        for groups in ("pricing_group_values", "presentation_group_values"):
            if groups in line:
                line[groups] = sorted(line[groups].items())
    request["usage_line_items"] = sorted(msgspec.json.encode(line) for line in request["usage_line_items"])
    return hashlib.sha256(msgspec.json.encode(request)).hexdigest()


def time(instant: datetime) -> str:
    """Return an instant as requests have it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical(number: Decimal) -> str:
    return format(number.normalize(), "f") if number else "0"
