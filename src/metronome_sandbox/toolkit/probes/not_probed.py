"""The assumptions that no probe asks about, and why. A test holds both tables against ``docs/assumptions.md``."""

from __future__ import annotations

from collections.abc import Mapping

CLOCK = "not written yet, needs a clock"
NOT_YET = "not written yet"
NO_DIFFERENCE = "shows in no answer that two accounts could be compared by"

_BY_REASON: Mapping[str, tuple[str, ...]] = {
    CLOCK: (
        *("A-subscription-changes", "A-quantity-history", "A-seat-increases", "A-transaction-ids", "A-as-of-date"),
        *("A-balance-history", "A-recurring-change"),
    ),
    NOT_YET: (
        *("A-composite-subscriptions", "A-subscription-breakdown"),
        *("A-product-names", "A-metric-change"),
        *("A-seat-grants", "A-seat-segments", "A-seat-balances"),
        *("A-rollover-terms", "A-idempotency-scope", "A-group-key-cover"),
        *("A-rate-group-keys", "A-alias-takeover", "A-rate-selectors"),
        *("A-event-fractions", "A-edit-order", "A-amendment", "A-usage-filter-key", "A-usage-filter-order"),
        *("A-usage-filter-history", "A-reseller-royalty", "A-royalty-change", "A-package-check", "A-payment-gate"),
        *("A-gated-invoice", "A-payment-outcome", "A-archive-waiting-payment", "A-hierarchy-nodes"),
        *("A-seat-limit", "A-package-subscription-unit", "A-unpaid-spend", "A-spend-threshold", "A-prepaid-threshold"),
        *("A-threshold-minimums", "A-threshold-checks"),
    ),
    NO_DIFFERENCE: ("A-currency-ids", "A-created-by"),
}

NOT_PROBED: Mapping[str, str] = {slug: reason for reason, slugs in _BY_REASON.items() for slug in slugs}
"""The reason for each."""
