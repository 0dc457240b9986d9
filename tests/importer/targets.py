"""A target that old invoices are held against: the lists of a billing API, without one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from metronome_sandbox.client.asking import Answer
from metronome_sandbox.importer.target_catalog import USD, TargetCatalog

EUR = "a2f0c1d4-5b6e-4f70-8a91-b2c3d4e5f601"
MIDNIGHT = "T00:00:00+00:00"


def id_of(name: str) -> str:
    """Return the id that a thing of the target has."""
    return str(uuid5(NAMESPACE_URL, name))


class Target:
    """Answers what an import asks. Lists come in pages of two, so that nobody gets by with the first page."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._products: list[Any] = []
        self._customers: list[Any] = []
        self._cards: list[Any] = [self._card("USD card", None), self._card("EUR card", {"id": EUR, "name": "EUR"})]
        self._contracts: dict[str, list[Any]] = {}
        self._invoices: dict[str, list[Any]] = {}

    @staticmethod
    def _card(name: str, currency: Any) -> Any:
        fiat = {} if currency is None else {"fiat_credit_type": currency}
        return {"id": id_of(name), "name": name, **fiat}

    def product(self, name: str, *, type: str = "USAGE", groups: tuple[str, ...] = (), **fields: str) -> Target:
        current = {"name": name, "pricing_group_key": list(groups) or None}
        self._products.append({"id": id_of(name), "type": type, "current": current, "custom_fields": fields})
        return self

    def customer(self, name: str, *aliases: str, key: str | None = None, **fields: str) -> Target:
        own = {"id": id_of(key or name), "name": name, "ingest_aliases": list(aliases), "custom_fields": fields}
        self._customers.append({**own, "archived_at": None})
        return self

    def contract(
        self,
        customer: str,
        name: str,
        starting_at: str = "2024-01-01",
        until: str | None = None,
        *,
        card: str = "USD card",
    ) -> Target:
        end = {} if until is None else {"ending_before": until + MIDNIGHT}
        own = {"id": id_of(name), "name": name, "customer_id": id_of(customer), "rate_card_id": id_of(card)}
        self._contracts.setdefault(id_of(customer), []).append({**own, "starting_at": starting_at + MIDNIGHT, **end})
        return self

    def invoice(self, customer: str, contract: str, start: str, end: str, *, status: str = "FINALIZED") -> Target:
        own = {"id": id_of(f"{contract} {start}"), "contract_id": id_of(contract), "status": status, "type": "USAGE"}
        times = {"start_timestamp": start + MIDNIGHT, "end_timestamp": end + MIDNIGHT}
        self._invoices.setdefault(id_of(customer), []).append({**own, **times})
        return self

    @property
    def catalog(self) -> TargetCatalog:
        return TargetCatalog.of(self)

    def send(self, method: str, path: str, body: Any = None, /) -> Answer:
        self.asked.append(f"{method} {path}")
        url = urlsplit(path)
        lists: dict[str, tuple[list[Any], str]] = {
            "/v1/contract-pricing/products/list": (self._products, "next_page"),
            "/v1/customers": (self._customers, "next_page"),
            "/v1/contract-pricing/rate-cards/list": (self._cards, "next_page"),
        }
        if url.path == "/v2/contracts/list":
            items, cursor, at = self._contracts.get(body["customer_id"], []), "cursor", body.get("cursor", "0")
        elif url.path.endswith("/invoices"):
            items, cursor = self._invoices.get(url.path.split("/")[3], []), "next_page"
            at = parse_qs(url.query).get("next_page", ["0"])[0]
        else:
            (items, cursor), at = lists[url.path], parse_qs(url.query).get("next_page", ["0"])[0]
        start = int(at)
        more = str(start + 2) if len(items) > start + 2 else None
        return Answer(200, {}, json.dumps({"data": items[start : start + 2], cursor: more}).encode())


def acme() -> Target:
    """Return a target with Acme Inc, which has one contract, and Globex, which has two, one after the other."""
    return (
        Target()
        .product("API calls", sku="api")
        .product("Storage", groups=("region",), sku="gb")
        .product("Support", type="FIXED")
        .customer("Acme Inc", "acme", "acme-eu", crm="A-1")
        .customer("Globex", "globex", crm="G-1")
        .customer("Umlaut GmbH", "umlaut")
        .contract("Acme Inc", "Acme 2024")
        .contract("Globex", "Globex H1", "2024-01-01", "2024-07-01")
        .contract("Globex", "Globex H2", "2024-07-01")
        .contract("Umlaut GmbH", "Umlaut 2024", card="EUR card")
    )


__all__ = ["EUR", "USD", "Target", "acme", "id_of"]
