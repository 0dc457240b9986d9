"""Aims generated requests at what a target has: unknown ids become known ones, times become times when things happen.

Problem: a random UUID names nothing, a random instant lies in the year 4711 and a random contract wants everything at
once, so nearly every request that fits its schema is refused at the first rule. Choice: in seven cases of eight a
well-formed value is replaced by another well-formed one that means something here; the request itself decides, so that
a run repeats. What is not well-formed is left alone, for it is what a negative case is about.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any
from zlib import crc32

from schemathesis import Case
from schemathesis.core import NotSet

from metronome_sandbox.toolkit.suites.tenant import Ids
from metronome_sandbox.toolkit.suites.times import Times

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

TEXTS = {
    "next_page": ["", "", "no cursor"],
    "cursor": ["", "", "no cursor"],
    "by": ["P1M", "P14D", "PT36H", "P1Y", "P1W", "PT0S", "P0.5D"],
    "name_of_scenario": ["acme"],
    "customer_of_event": ["acme", "other", "nobody"],
    "status_of_invoice": ["DRAFT", "FINALIZED", "VOID"],
}
"""What is plain text to the document and something more to the sandbox."""

KINDS = {
    "customer_id": "customers",
    "customer_ids": "customers",
    "contract_id": "contracts",
    "applicable_contract_ids": "contracts",
    "invoice_contract_id": "contracts",
    "product_id": "products",
    "product_ids": "products",
    "applicable_product_ids": "products",
    "rate_card_id": "rate_cards",
    "billable_metric_id": "billable_metrics",
    "invoice_id": "invoices",
    "credit_type_id": "credit_types",
    "fiat_credit_type_id": "credit_types",
    "commit_id": "balances",
    "credit_id": "balances",
    "ids": "balances",
    "commit_ids": "balances",
    "any_commit_or_credit_ids": "balances",
    "segment_id": "segments",
    "scheduled_charge_id": "scheduled_charges",
    "professional_service_id": "professional_services",
    "recurring_commit_id": "recurring",
    "custom_credit_type_id": "units",
    "product_order": "products",
    "from_contract_id": "contracts",
    "package_id": "packages",
    "workflow_id": "workflows",
    "subscription_id": "subscriptions",
}
"""What a field names."""

KINDS_OF_ID = {
    "/v1/customers/archive": "customers",
    "/v1/contract-pricing/products/get": "products",
    "/v1/contract-pricing/rate-cards/get": "rate_cards",
    "/v1/invoices/void": "invoices",
    "/v1/invoices/regenerate": "invoices",
    "/v1/billable-metrics/archive": "billable_metrics",
    "/v1/credit-types/archive": "units",
    "/v1/contracts/customerBalances/list": "balances",
    "/v1/contracts/addManualBalanceLedgerEntry": "balances",
    "/sandbox/invoices/{id}/explanation": "invoices",
}
"""What a field that is called ``id`` names, by path."""

KINDS_WITHIN = {
    "archive_commits": "balances",
    "archive_credits": "balances",
    "archive_scheduled_charges": "scheduled_charges",
    "remove_overrides": "overrides",
    "update_schedule_items": "items",
    "remove_schedule_items": "items",
}
"""What a field that is called ``id`` names, by the list that it stands in."""

BALANCES = ("/v1/contracts/customerCommits/create", "/v1/contracts/customerCredits/create")

RARE = frozenset(
    (
        *("package_id", "package_alias", "usage_filter", "recurring_commits", "recurring_credits", "scheduled_charges"),
        *("scheduled_charges_on_usage_invoices", "discounts", "professional_services", "reseller_royalties"),
        *("subscriptions", "spend_threshold_configuration", "prepaid_balance_threshold_configuration"),
        *("spend_trackers", "transition", "hierarchy_configuration", "billing_provider_configuration"),
        *("revenue_system_configuration", "spend_tracker_attributes", "payment_gate_config", "access_type"),
        *("customer_billing_provider_configurations", "customer_revenue_system_configurations"),
        *("credit_type_conversions", "billing_frequency", "recurring_commit_ids", "minimum_config", "rate_card_alias"),
        *("composite_product_ids", "composite_tags", "composite_scope"),
    )
)
"""Fields that most requests do without: the sandbox does not imitate what they ask for, or few things have them."""


class Aim:
    """Replaces what means nothing to a tenant.

    Args:
        ids: As :func:`~metronome_sandbox.toolkit.suites.tenant.settle` returns them; a kind may be missing.
        times: When things happen there.
        snapshot: The tenant's, parsed; what most restores restore.
    """

    def __init__(self, ids: Ids, times: Times, snapshot: Any = None) -> None:
        self._ids = ids
        self._times = times
        self._known = {value for values in ids.values() for value in values}
        self._snapshot = snapshot

    def at(self, case: Case[Any], known: str = "") -> None:
        """Aim one case, in place.

        Args:
            known: Text with further ids that exist and are to stay, those that earlier steps made for example.
        """
        asked = repr((case.path, case.path_parameters, case.query, case.body))
        random = Random(crc32(asked.encode("utf-8", "surrogatepass")))
        shot = _Shot(self._ids, self._times, self._known, known, case, random)
        if case.path_parameters:
            case.path_parameters = shot.fields(case.path_parameters, "")
        if case.query:
            case.query = shot.fields(case.query, "")
        if case.path == "/sandbox/snapshot" and shot.is_positive and shot.hits():
            case.body = self._snapshot
        elif not isinstance(case.body, NotSet | bytes):
            case.body = shot.value(case.body, "", "")


class _Shot:
    """The replacements in one case."""

    def __init__(
        self, ids: Ids, times: Times, known: set[str], more_known: str, case: Case[Any], random: Random
    ) -> None:
        self._ids = ids
        self._times = times
        self._known = known
        self._more_known = more_known
        self._path = case.path
        self._random = random
        self.is_positive = case.meta is None or case.meta.generation.mode.is_positive

    def hits(self) -> bool:
        """Whether this value is replaced."""
        return self._random.random() < 7 / 8

    def fields(self, fields: Any, parent: str) -> dict[str, Any]:
        """Return an object with its values replaced."""
        return {
            name: self.value(value, name, parent)
            for name, value in fields.items()
            if not (self.is_positive and self._is_rare(name) and self.hits())
        }

    def _is_rare(self, name: str) -> bool:
        return name in RARE and not (name == "package_id" and self._path.startswith("/v1/packages/"))

    def value(self, value: Any, field: str, parent: str) -> Any:
        """Return what stands in for the value of a field."""
        if isinstance(value, dict):
            return self.fields(value, field)
        if isinstance(value, list):
            return [self.value(item, field, parent) for item in value]
        if isinstance(value, float) and self.is_positive and self.hits():
            return round(value % 1000, 2)
        if not isinstance(value, str) or value in self._known or (len(value) == 36 and value in self._more_known):
            return value
        candidates = self._candidates(value, field, parent)
        return self._random.choice(candidates) if candidates and self.hits() else value

    def _candidates(self, value: str, field: str, parent: str) -> list[str]:
        if self._path == "/v1/ingest" and field in ("customer_id", "timestamp"):
            return TEXTS["customer_of_event"] if field == "customer_id" else self._times.moments
        if self._path == "/sandbox/scenarios/{name}":
            return TEXTS["name_of_scenario"] if self.is_positive else []
        if "/invoices" in self._path and field == "status":
            return TEXTS["status_of_invoice"]
        if field in TEXTS:
            return TEXTS[field]
        if DATE_TIME.fullmatch(value):
            return self._times.by_field.get(field, self._times.moments)
        if not UUID.fullmatch(value):
            return []
        if field == "product_id" and (parent in ("commits", "credits") or (self._path in BALANCES and not parent)):
            return self._ids.get("fixed products", [])
        if field == "product_id" and parent == "subscription_rate":
            return self._ids.get("subscription products", [])
        kind = KINDS.get(field)
        if field == "id":
            kind = KINDS_WITHIN.get(parent) or KINDS_OF_ID.get(self._path)
        return [] if kind is None else self._ids.get(kind, [])
