"""One type for each kind of id, so that a customer's cannot stand where a contract's belongs."""

from __future__ import annotations

from typing import NewType

CustomerId = NewType("CustomerId", str)
BillableMetricId = NewType("BillableMetricId", str)
ProductId = NewType("ProductId", str)
CreditTypeId = NewType("CreditTypeId", str)
RateCardId = NewType("RateCardId", str)
ContractId = NewType("ContractId", str)
PackageId = NewType("PackageId", str)
OverrideId = NewType("OverrideId", str)
BalanceId = NewType("BalanceId", str)
"""Of a commit or a credit."""
RecurringId = NewType("RecurringId", str)
"""Of a recurring commit or credit."""
SubscriptionId = NewType("SubscriptionId", str)
SegmentId = NewType("SegmentId", str)
InvoiceId = NewType("InvoiceId", str)

GroupValues = tuple[tuple[str, str | None], ...]
"""Values of group keys, sorted by key: ``(("cloud", "AWS"), ("region", "us-east-1"))``. Empty when there are none."""


def group_values(mapping: dict[str, str] | dict[str, str | None] | None) -> GroupValues:
    """Return a JSON map of group values in its sorted form."""
    return tuple(sorted(mapping.items())) if mapping else ()
