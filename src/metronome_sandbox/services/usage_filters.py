"""Usage filters of contracts, checked against what their rate cards price."""

from __future__ import annotations

from datetime import datetime

import msgspec

from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.usage_filters import UsageFilter, with_filter
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.pricing import price_book


class NewUsageFilter(msgspec.Struct, frozen=True):
    """``usage_filter`` of a request. Without a start it holds from the contract's start on."""

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime | None = None


def with_usage_filter(context: Context, contract: Contract, new: NewUsageFilter, prefix: str = "") -> Contract:
    """Return a contract that bills only the events the filter lets through, from its start on.

    Args:
        prefix: Path of the filter in the request, with a dot behind it, or nothing.

    Raises:
        InvalidRequest: It starts outside of the contract or off the hour, has no values, or its key is no group key of
            a metric on the contract's card.
    """
    start = contract.starting_at if new.starting_at is None else new.starting_at
    require_hour(start, f"{prefix}starting_at")
    if start < contract.starting_at or (contract.ending_before is not None and start >= contract.ending_before):
        raise InvalidRequest(f"{prefix}starting_at", f"{start.isoformat()} is outside of the contract's time")
    if not new.group_values:
        raise InvalidRequest(f"{prefix}group_values", "is empty; name the values that the contract bills")
    for product_id in price_book(context, contract).product_ids:
        _check_key(context, context.store.products[product_id].at(start), new.group_key, f"{prefix}group_key")
    chosen = UsageFilter(new.group_key, new.group_values, start)
    return msgspec.structs.replace(contract, usage_filters=with_filter(contract.usage_filters, chosen))


def _check_key(context: Context, product: Product, key: str, path: str) -> None:
    """Hold a filter's key against the metric of a product on the card.

    Source: guide "Create a contract": it is a group key of the metrics, within one compound key with those that the
    product is priced and presented by.
    Assumed: of every metric that the card prices but those in SQL, and an event without the property is not billed.
    [A-usage-filter-key]
    """
    metric = context.store.billable_metrics.get(product.billable_metric_id) if product.billable_metric_id else None
    if metric is None or metric.sql is not None:
        return
    needed = {key, *product.pricing_group_key, *product.presentation_group_key}
    if not any(needed <= set(compound) for compound in metric.group_keys):
        raise InvalidRequest(
            path,
            f"metric {metric.name!r} of {product.name!r} on the contract's card has no compound group key with all of "
            f"{sorted(needed)}",
        )
