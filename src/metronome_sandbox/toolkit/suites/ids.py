"""The ids of a target's own things, so that generated requests reach something.

Nothing is made here: lists are read, the first few things of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from metronome_sandbox.toolkit.suites.tenant import Ids, ids_of
from metronome_sandbox.toolkit.target import Target

MOST = 5
"""Customers whose contracts, balances and invoices are looked up."""


def collect(target: Target) -> Ids:
    """Return the ids of what a target has, by kind; a kind that it does not list is missing."""
    customers = ids_of(_list(target, "GET", "/v1/customers", query={"limit": 20}))
    products = _list(target, "POST", "/v1/contract-pricing/products/list", {})
    ids: Ids = {
        "customers": customers,
        "products": [one["id"] for one in products if one.get("type") != "FIXED"],
        "fixed products": [one["id"] for one in products if one.get("type") == "FIXED"],
        "rate_cards": ids_of(_list(target, "POST", "/v1/contract-pricing/rate-cards/list", {})),
        "billable_metrics": ids_of(_list(target, "GET", "/v1/billable-metrics")),
        "credit_types": ids_of(_list(target, "GET", "/v1/credit-types/list")),
        "packages": ids_of(_list(target, "POST", "/v1/packages/list", {})),
    }
    more: Ids = {name: [] for name in ("contracts", "invoices", "balances", *KINDS_IN_A_CONTRACT.values(), "segments")}
    for customer in customers[:MOST]:
        contracts = _list(target, "POST", "/v2/contracts/list", {"customer_id": customer})
        more["contracts"] += ids_of(contracts)
        for contract in contracts:
            for field, kind in KINDS_IN_A_CONTRACT.items():
                more[kind] += ids_of(contract.get(field) or ())
        more["invoices"] += ids_of(_list(target, "GET", f"/v1/customers/{customer}/invoices"))
        asked = {"customer_id": customer, "include_contract_balances": True}
        balances = _list(target, "POST", "/v1/contracts/customerBalances/list", asked)
        more["balances"] += ids_of(balances)
        more["segments"] += ids_of(_segments(balances))
    more["items"] = more["segments"]
    return {kind: known for kind, known in {**ids, **more}.items() if known}


KINDS_IN_A_CONTRACT = {
    "overrides": "overrides",
    "scheduled_charges": "scheduled_charges",
    "professional_services": "professional_services",
    "recurring_commits": "recurring",
}
"""The lists of a contract, and the kind of what stands in them."""


def _segments(balances: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for balance in balances:
        yield from (balance.get("access_schedule") or {}).get("schedule_items", ())


def _list(target: Target, method: str, path: str, body: Any = None, *, query: Any = None) -> list[Mapping[str, Any]]:
    answer = target.send(method, path, body, query=query).answered
    data = answer.json.get("data") if answer.status == 200 and isinstance(answer.json, dict) else None
    things = data if isinstance(data, list) else []
    return [one for one in things if isinstance(one, dict) and isinstance(one.get("id"), str)]
