"""Probes of contracts: packages, hierarchies, edits, transitions, services. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import JULY, JUNE, USD, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

PRODUCTS = "/v1/contract-pricing/products"


@probe("A-package-alias-unknown")
def package_alias_unknown(shop: Shop) -> Iterator[Figure]:
    """A contract of a package alias that nothing has."""
    body = {"customer_id": shop.customer, "package_alias": f"{shop.lab.prefix}-nobody", "starting_at": JUNE}

    yield Figure("a contract", 400, shop.lab.status("/v1/contracts/create", body))


@probe("A-package-offset")
def package_offset(shop: Shop) -> Iterator[Figure]:
    """A package with a credit whose access begins a day before the contract."""
    item = {
        "amount": 100,
        "starting_at_offset": {"unit": "DAYS", "value": -1},
        "duration": {"unit": "MONTHS", "value": 1},
    }
    credit = {"product_id": shop.commitment, "access_schedule": {"credit_type_id": USD, "schedule_items": [item]}}
    body = {"name": shop.lab.name("package"), "rate_card_id": shop.card, "credits": [credit]}

    yield Figure("an offset of -1", 400, shop.lab.status("/v1/packages/create", body))


@probe("A-hierarchy-defaults")
def hierarchy_defaults(shop: Shop) -> Iterator[Figure]:
    """A child that names its parent only."""
    parent = {"customer_id": shop.customer, "contract_id": shop.contract()}
    shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("child")})
    child = shop.contract(hierarchy_configuration={"parent": parent})

    body = {"customer_id": shop.customer, "contract_id": child}
    found = shop.lab.post("/v2/contracts/get", body)["data"]["hierarchy_configuration"]

    yield Figure("payer", "SELF", found.get("payer"))
    yield Figure("usage_statement_behavior", "SEPARATE", found.get("usage_statement_behavior"))


@probe("A-pro-service-terms")
def pro_service_terms(shop: Shop) -> Iterator[Figure]:
    """Professional services of a FIXED, a PRO_SERVICE and a USAGE product, and one with a negative price."""
    service = shop.lab.make(f"{PRODUCTS}/create", {"name": shop.called("X"), "type": "PRO_SERVICE"})
    usage = shop.product("P", 10)

    def status(product: str, unit_price: int = 100) -> int:
        terms = {"product_id": product, "unit_price": unit_price, "quantity": 1, "max_amount": 100}
        return shop.lab.status("/v1/contracts/create", shop.contract_body(professional_services=[terms]))

    yield Figure("FIXED", 200, status(shop.commitment))
    yield Figure("PRO_SERVICE", 200, status(service))
    yield Figure("USAGE", 400, status(usage))
    yield Figure("a negative price", 400, status(service, -100))


@probe("A-transition")
def transition(shop: Shop) -> Iterator[Figure]:
    """A contract with an unspent commit that another one supersedes on July 1."""
    shop.product("P", 10)
    first = shop.contract(commits=[shop.prepaid("C", 100, rollover_fraction=1)])
    second = shop.contract(starting_at=JULY, transition={"type": "SUPERSEDE", "from_contract_id": first})

    def read(contract: str) -> Any:
        return shop.lab.post("/v2/contracts/get", {"customer_id": shop.customer, "contract_id": contract})["data"]

    yield Figure("the end of the first one", JULY[:10], read(first)["ending_before"][:10])
    yield Figure("what rolls over", [], read(second).get("commits", []))
