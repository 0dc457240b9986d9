"""An old invoice as an item of a ``createHistoricalInvoices`` request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine


def request_of(invoice: LegacyInvoice) -> dict[str, Any]:
    """Return the invoice as the API wants it; numbers are ``Decimal``."""
    item = {
        "customer_id": invoice.customer_id,
        "contract_id": invoice.contract_id,
        "credit_type_id": invoice.credit_type_id,
        **_window(invoice.starting_at, invoice.ending_before),
        "issue_date": _time(invoice.issued_at),
        "usage_line_items": [_line(line) for line in invoice.lines],
    }
    return item if invoice.granularity is None else {**item, "breakdown_granularity": invoice.granularity}


def _line(line: LegacyLine) -> dict[str, Any]:
    item: dict[str, Any] = {"product_id": line.product_id, **_window(line.starting_at, line.ending_before)}
    if line.subtotals:
        item["subtotals_with_quantity"] = [
            {**_window(each.starting_at, each.ending_before), "quantity": each.quantity} for each in line.subtotals
        ]
    else:
        item["quantity"] = line.quantity
    if line.pricing_group_values:
        item["pricing_group_values"] = dict(line.pricing_group_values)
    if line.presentation_group_values:
        item["presentation_group_values"] = dict(line.presentation_group_values)
    return item


def _window(start: datetime, end: datetime) -> dict[str, str]:
    return {"inclusive_start_date": _time(start), "exclusive_end_date": _time(end)}


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
