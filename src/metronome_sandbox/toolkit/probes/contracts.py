"""Probes of contracts: packages, hierarchies, edits, transitions, services. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, LONG_AGO, SEPTEMBER, USD, YEAR_END, Figure, Json
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.subscriptions import seat
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

PRODUCTS = "/v1/contract-pricing/products"
CONTRACTS = "/v1/contracts/create"


@probe("A-package-alias-unknown")
def package_alias_unknown(shop: Shop) -> Iterator[Figure]:
    """A contract of a package alias that nothing has."""
    body = {"customer_id": shop.customer, "package_alias": f"{shop.lab.prefix}-nobody", "starting_at": JUNE}

    yield Figure("a contract", 400, shop.lab.status(CONTRACTS, body))


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
        return shop.lab.status(CONTRACTS, shop.contract_body(professional_services=[terms]))

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


# --- hierarchies and packages


def _child(shop: Shop, parent: Json) -> Json:
    """Return what makes a child contract of a new customer, who is the shop's from now on."""
    shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("child")})
    return shop.contract_body(hierarchy_configuration={"parent": parent})


@probe("A-hierarchy-nodes")
def hierarchy_nodes(shop: Shop) -> Iterator[Figure]:
    """A child of its own customer, a child of a child, and ten contracts in a hierarchy, of which one goes."""
    parent = shop.named(shop.contract())
    own = shop.contract_body(hierarchy_configuration={"parent": parent})

    yield Figure("of the same customer", 400, shop.lab.status(CONTRACTS, own))
    for _ in range(8):
        child = shop.lab.make(CONTRACTS, _child(shop, parent))
    below = shop.named(child)
    yield Figure("a ninth child", 200, shop.lab.status(CONTRACTS, _child(shop, parent)))
    yield Figure("a child of a child", 400, shop.lab.status(CONTRACTS, _child(shop, below)))
    yield Figure("a tenth child", 400, shop.lab.status(CONTRACTS, _child(shop, parent)))
    shop.lab.archive(child)
    yield Figure("another one once a child is archived", 200, shop.lab.status(CONTRACTS, _child(shop, parent)))


def _package(shop: Shop, **terms: Any) -> Json:
    return {"name": shop.lab.name("package"), "rate_card_id": shop.card, **terms}


@probe("A-package-check")
def package_check(shop: Shop) -> Iterator[Figure]:
    """Packages by an alias that a card will have and by one that it has since 2024, with contracts of the latter."""
    now, later = (shop.lab.name(one).replace(" ", "-") for one in ("now", "later"))
    shop.new_card(aliases=[{"name": now, "starting_at": LONG_AGO}])
    shop.new_card(aliases=[{"name": later, "starting_at": shop.at(24 * 400)}])

    def by_alias(alias: str) -> Json:
        body = _package(shop, rate_card_alias=alias)
        del body["rate_card_id"]
        return body

    def status(starting_at: str) -> int:
        body = {"customer_id": shop.customer, "package_id": package, "starting_at": starting_at}
        return shop.lab.status(CONTRACTS, body)

    yield Figure("an alias that a card will have", 400, shop.lab.status("/v1/packages/create", by_alias(later)))
    package = shop.lab.make("/v1/packages/create", by_alias(now))
    yield Figure("a contract from June 2024", 200, status(JUNE))
    yield Figure("a contract from before the alias", 400, status("2023-06-01T00:00:00Z"))


@probe("A-package-subscription-unit")
def package_subscription_unit(shop: Shop) -> Iterator[Figure]:
    """The currency of a subscription in a package with a card, and in one with an alias."""
    alias = shop.lab.name("alias").replace(" ", "-")
    shop.__dict__["card"] = shop.new_card(aliases=[{"name": alias, "starting_at": LONG_AGO}])
    template = {
        "subscription_rate": {"product_id": seat(shop), "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        "initial_quantity": 1,
    }

    def unit(body: Json) -> str | None:
        package = shop.lab.make("/v1/packages/create", body)
        [found] = shop.lab.post("/v1/packages/get", {"package_id": package})["data"]["subscriptions"]
        return {None: None, USD: "USD"}.get(found.get("fiat_credit_type_id"), "another one")

    body = _package(shop, subscriptions=[template])
    yield Figure("with a card", "USD", unit(body))
    del body["rate_card_id"]
    named = {**body, "name": shop.lab.name("package"), "rate_card_alias": alias}
    yield Figure("with an alias", None, unit(named))


# --- edits


def _halved(product: str) -> Json:
    return {"starting_at": JUNE, "product_id": product, "type": "MULTIPLIER", "multiplier": 0.5}


@probe("A-edit-order")
def edit_order(shop: Shop) -> Iterator[Figure]:
    """An edit that ends a contract with July and adds a credit until September."""
    product = shop.product("P", 10)
    contract = shop.lasting(credits=[shop.lasting_credit("old", 100)], overrides=[_halved(product)])

    added = shop.credit("new", 100, ending_before=SEPTEMBER)
    shop.edit(contract, update_contract_end_date=AUGUST, add_credits=[added])

    found = shop.balances()
    ends = {name: found[name]["access_schedule"]["schedule_items"][0]["ending_before"][:10] for name in ("old", "new")}
    yield Figure(
        "the ends of the credit that was there, and of the new one", {"old": AUGUST[:10], "new": SEPTEMBER[:10]}, ends
    )


@probe("A-as-of-date")
def as_of_date(shop: Shop) -> Iterator[Figure]:
    """A contract that is edited now, with an override since June 2024, as it was before that."""
    product = shop.product("P", 10)
    contract = shop.lasting()
    shop.edit(contract, add_overrides=[_halved(product)])

    yield Figure("overrides now", 1, len(shop.read(contract)["overrides"]))
    yield Figure("overrides as of July 2024", 0, len(shop.read(contract, as_of_date=JULY).get("overrides", [])))


@probe("A-balance-history")
def balance_history(shop: Shop) -> Iterator[Figure]:
    """A commit of a contract that is edited by itself."""
    shop.product("P", 10)
    contract = shop.lasting(commits=[shop.prepaid("C", 100)])
    commit = shop.balances()["C"]
    [segment] = commit["access_schedule"]["schedule_items"]
    change = {"update_schedule_items": [{"id": segment["id"], "amount": 150}]}
    body = {"customer_id": shop.customer, "commit_id": commit["id"], "access_schedule": change}
    shop.lab.post("/v2/contracts/commits/edit", body)

    def amount(**terms: Any) -> Any:
        [found] = shop.read(contract, **terms)["commits"]
        return found["access_schedule"]["schedule_items"][0]["amount"]

    yield Figure("its amount now, and before", (150, 100), (amount(), amount(as_of_date=JULY)))
    edits = shop.lab.post("/v2/contracts/getEditHistory", shop.named(contract))["data"]
    yield Figure("edits of the contract", 0, len(edits))


@probe("A-amendment")
def amendment(shop: Shop) -> Iterator[Figure]:
    """An amendment from July with an override since June and another contract value; then one before the contract."""
    product = shop.product("P", 10)
    contract = shop.lasting(total_contract_value=1000)
    body = {**shop.named(contract), "starting_at": JULY, "total_contract_value": 500}
    shop.lab.post("/v1/contracts/amend", {**body, "overrides": [_halved(product)]})

    found = shop.read(contract)

    yield Figure("the start of the override", JUNE[:10], found["overrides"][0]["starting_at"][:10])
    yield Figure("the contract value", 500, found["total_contract_value"])
    edits = shop.lab.post("/v2/contracts/getEditHistory", shop.named(contract))["data"]
    yield Figure("edits of the contract", 0, len(edits))
    early = {**body, "starting_at": "2024-05-01T00:00:00Z"}
    yield Figure("an amendment before the contract", 400, shop.lab.status("/v1/contracts/amend", early))


# --- royalties of resellers


def _royalty(product: str, **terms: Any) -> Json:
    return {
        "reseller_type": "AWS",
        "fraction": 0.25,
        "netsuite_reseller_id": "probe",
        "starting_at": JUNE,
        "applicable_product_ids": [product],
        **terms,
    }


@probe("A-reseller-royalty")
def reseller_royalty(shop: Shop) -> Iterator[Figure]:
    """Two royalties from July and from June, and invoices of both months; then another fraction."""
    product = shop.product("P", 10)
    july = _royalty(product, starting_at=JULY, fraction=0.5)
    contract = shop.lasting(reseller_royalties=[july, _royalty(product, reseller_type="GCP")])
    shop.bill(contract, [(product, 1)])
    shop.bill(contract, [(product, 1)], JULY, AUGUST)

    def shown() -> list[tuple[str, Any]]:
        found = [one.get("reseller_royalty") or {} for one in shop.invoices("USAGE")]
        return [(one.get("reseller_type", ""), one.get("fraction")) for one in found[:2]]

    yield Figure("of June and July", [("GCP", "0.25"), ("AWS", "0.5")], shown())
    shop.edit(contract, add_reseller_royalties=[{"reseller_type": "GCP", "fraction": 0.125}])
    yield Figure("once GCP's is another one", [("GCP", "0.125"), ("AWS", "0.5")], shown())


@probe("A-royalty-change")
def royalty_change(shop: Shop) -> Iterator[Figure]:
    """A royalty of AWS that ends with the year; another one from July, then a fraction without a start."""
    product = shop.product("P", 10)
    contract = shop.lasting(reseller_royalties=[_royalty(product, ending_before=YEAR_END)])
    for change in ({"starting_at": JULY, "fraction": 0.5}, {"fraction": 0.125}):
        shop.edit(contract, add_reseller_royalties=[{"reseller_type": "AWS", **change}])

    [found] = shop.read(contract)["reseller_royalties"]

    segments = [
        (one["starting_at"][:10], (one.get("ending_before") or "")[:10], one["fraction"], one["netsuite_reseller_id"])
        for one in found["segments"]
    ]
    expected = [(JUNE[:10], JULY[:10], 0.25, "probe"), (JULY[:10], "", 0.125, "probe")]
    yield Figure("its segments", expected, segments)
