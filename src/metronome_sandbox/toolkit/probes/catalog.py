"""Probes of customers, products, rate cards, units and events: what is taken and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import JULY, JUNE, LONG_AGO, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

PRODUCTS = "/v1/contract-pricing/products"
CARDS = "/v1/contract-pricing/rate-cards"
METRICS = "/v1/billable-metrics/create"
EURO = "17b08a7b-3a9f-5671-9961-ac6216751334"
"""The id that the sandbox gives to it."""


def _product(shop: Shop, **terms: Any) -> int:
    """Return the status of a product's creation."""
    return shop.lab.status(f"{PRODUCTS}/create", {"name": shop.called("X"), **terms})


@probe("A-archived-customer")
def archived_customer(shop: Shop) -> Iterator[Figure]:
    """A contract of a customer that is archived."""
    shop.product("P", 10)
    shop.lab.archive(shop.customer)

    yield Figure("a contract", 400, shop.lab.status("/v1/contracts/create", shop.contract_body()))
    read = shop.lab.sender.send("GET", f"/v1/customers/{shop.customer}")
    yield Figure("to read it", 200, read.status)


@probe("A-rate-card-alias")
def rate_card_alias(shop: Shop) -> Iterator[Figure]:
    """A rate card by id and by alias at once."""
    alias = shop.lab.name("alias").replace(" ", "-")
    card = shop.new_card(aliases=[{"name": alias}])
    body = {**shop.contract_body(), "rate_card_id": card, "rate_card_alias": alias}

    yield Figure("both", 400, shop.lab.status("/v1/contracts/create", body))
    del body["rate_card_id"]
    yield Figure("the alias", 200, shop.lab.status("/v1/contracts/create", body))


@probe("A-alias-unknown")
def alias_unknown(shop: Shop) -> Iterator[Figure]:
    """An alias that nothing has."""
    body = {**shop.contract_body(), "rate_card_alias": f"{shop.lab.prefix}-nobody"}
    del body["rate_card_id"]

    yield Figure("a contract", 400, shop.lab.status("/v1/contracts/create", body))


@probe("A-metric-fields")
def metric_fields(shop: Shop) -> Iterator[Figure]:
    """Metrics with neither sql nor an aggregation type, and with a key beside COUNT."""
    name = shop.lab.name("metric")
    key = {"aggregation_type": "COUNT", "aggregation_key": "quantity"}

    yield Figure("neither", 400, shop.lab.status(METRICS, {"name": name}))
    yield Figure("a key with COUNT", 400, shop.lab.status(METRICS, {"name": name, **key}))


@probe("A-product-fields")
def product_fields(shop: Shop) -> Iterator[Figure]:
    """A FIXED product with a metric, and with composite tags."""
    metric = shop.metric()

    yield Figure("a metric", 400, _product(shop, type="FIXED", billable_metric_id=metric))
    yield Figure("composite tags", 400, _product(shop, type="FIXED", composite_tags=["a"]))
    yield Figure("a written-out false", 200, _product(shop, type="FIXED", exclude_free_usage=False))


@probe("A-product-without-metric")
def product_without_metric(shop: Shop) -> Iterator[Figure]:
    """A USAGE product without a metric."""
    yield Figure("its creation", 400, _product(shop, type="USAGE"))


@probe("A-conversion-factor")
def conversion_factor(shop: Shop) -> Iterator[Figure]:
    """Conversions by 0, by -1 and by a half."""
    metric = shop.metric()
    for factor, expected in ((0, 400), (-1, 400), (0.5, 200)):
        conversion = {"conversion_factor": factor, "operation": "MULTIPLY"}
        status = _product(shop, type="USAGE", billable_metric_id=metric, quantity_conversion=conversion)
        yield Figure(f"a factor of {factor}", expected, status)


@probe("A-archived-catalog")
def archived_catalog(shop: Shop) -> Iterator[Figure]:
    """A rate of a product that is archived."""
    product = shop.product("P")
    shop.lab.archive(product)

    yield Figure("a rate", 400, shop.lab.status(f"{CARDS}/addRate", shop.rate_body(product, 10)))


@probe("A-pro-service")
def pro_service(shop: Shop) -> Iterator[Figure]:
    """A product of the type PROFESSIONAL_SERVICE."""
    product = shop.lab.make(f"{PRODUCTS}/create", {"name": shop.called("X"), "type": "PROFESSIONAL_SERVICE"})

    yield Figure("its type", "PRO_SERVICE", shop.lab.post(f"{PRODUCTS}/get", {"id": product})["data"]["type"])


@probe("A-initial-state")
def initial_state(shop: Shop) -> Iterator[Figure]:
    """What a new product says of its first state."""
    found = shop.lab.post(f"{PRODUCTS}/get", {"id": shop.product("P")})["data"]

    yield Figure("starting_at of initial", False, "starting_at" in found["initial"])


@probe("A-unit-names")
def unit_names(shop: Shop) -> Iterator[Figure]:
    """Two custom units with one name."""
    body = {"name": shop.lab.name("unit")}

    found = [shop.lab.status("/v1/credit-types/create", body) for _ in range(2)]

    yield Figure("both", [200, 200], found)


@probe("A-aliases-replaced")
def aliases_replaced(shop: Shop) -> Iterator[Figure]:
    """A card with one alias that is updated with another one."""
    old, new = (shop.lab.name(one).replace(" ", "-") for one in ("old", "new"))
    card = shop.new_card(aliases=[{"name": old}])
    shop.lab.post(f"{CARDS}/update", {"rate_card_id": card, "aliases": [{"name": new}]})

    found = shop.lab.post(f"{CARDS}/get", {"id": card})["data"]["aliases"]

    yield Figure("its aliases", [new[-3:]], [alias["name"][-3:] for alias in found])


@probe("A-archived-cards-listed")
def archived_cards_listed(shop: Shop) -> Iterator[Figure]:
    """An archived rate card in the list."""
    card = shop.new_card()
    shop.lab.archive(card)

    found = shop.lab.post(f"{CARDS}/list?limit=100", {})
    while (listed := any(one["id"] == card for one in found["data"])) is False and found.get("next_page"):
        found = shop.lab.post(f"{CARDS}/list?limit=100&next_page={found['next_page']}", {})

    yield Figure("it is listed", True, listed)


def _names_on_an_invoice(shop: Shop, contract: str, products: list[str]) -> list[str]:
    return [line[0] for line in shop.lines(shop.preview(contract, [(product, 1) for product in products]))]


@probe("A-product-order")
def product_order(shop: Shop) -> Iterator[Figure]:
    """A card of three products that is ordered by its last one only."""
    products = [shop.product(short, 10) for short in "ABC"]
    shop.lab.post(f"{CARDS}/setRateCardProductsOrder", {"rate_card_id": shop.card, "product_order": [products[2]]})

    yield Figure("the lines", ["C", "A", "B"], _names_on_an_invoice(shop, shop.contract(), products))


@probe("A-product-moves")
def product_moves(shop: Shop) -> Iterator[Figure]:
    """The first of three products moved to 1, then to 9."""
    products = [shop.product(short, 10) for short in "ABC"]
    contract = shop.contract()
    for position, expected in ((1, ["B", "A", "C"]), (9, ["B", "C", "A"])):
        moves = [{"product_id": products[0], "position": position}]
        shop.lab.post(f"{CARDS}/moveRateCardProducts", {"rate_card_id": shop.card, "product_moves": moves})
        yield Figure(f"the lines after a move to {position}", expected, _names_on_an_invoice(shop, contract, products))


@probe("A-unused-price-fields")
def unused_price_fields(shop: Shop) -> Iterator[Figure]:
    """A FLAT rate with tiers."""
    product = shop.product("P")
    body = shop.rate_body(product, 10, starting_at=JUNE)

    status = shop.lab.status(f"{CARDS}/addRate", {**body, "tiers": [{"price": 7}]})

    yield Figure("the status", 200, status)
    yield Figure("a unit of it", 10, shop.preview(shop.contract(), [(product, 1)])["total"])


@probe("A-default-rate-unit")
def default_rate_unit(shop: Shop) -> Iterator[Figure]:
    """A rate without a unit on a card in euros."""
    types = shop.lab.ask("GET", "/v1/credit-types/list?limit=100")["data"]
    euro = next(one["id"] for one in types if one["name"] == "EUR")
    shop.__dict__["card"] = shop.new_card(fiat_credit_type_id=euro)
    product = shop.product("P")

    yield Figure("a rate without a unit", 200, shop.lab.status(f"{CARDS}/addRate", shop.rate_body(product, 10)))
    body = {"rate_card_id": shop.card, "at": JUNE}
    found = [row["rate"]["credit_type"]["name"] for row in shop.lab.post(f"{CARDS}/getRates", body)["data"]]

    yield Figure("its unit", ["EUR"], found)


@probe("A-group-values-whole")
def group_values_whole(shop: Shop) -> Iterator[Figure]:
    """Rates with one and with both of two pricing group keys."""
    product = shop.product("P", keys=("region", "cloud"), pricing_group_key=["region", "cloud"])

    def status(**values: str) -> int:
        return shop.lab.status(f"{CARDS}/addRate", shop.rate_body(product, 10, pricing_group_values=values))

    yield Figure("one key", 400, status(region="eu"))
    yield Figure("both keys", 200, status(region="eu", cloud="x"))


@probe("A-group-key-filter")
def group_key_filter(shop: Shop) -> Iterator[Figure]:
    """Metrics with a group key whose property has filters of several kinds."""

    def status(**property_filter: Any) -> int:
        filters = [{"name": "quantity", "exists": True}]
        if property_filter:
            filters.append({"name": "region", **property_filter})
        body = {
            "name": shop.lab.name("metric"),
            "aggregation_type": "SUM",
            "aggregation_key": "quantity",
            "property_filters": filters,
            "group_keys": [["region"]],
        }
        return shop.lab.status(METRICS, body)

    yield Figure("exists", 200, status(exists=True))
    yield Figure("in_values", 200, status(in_values=["eu"]))
    yield Figure("no filter", 400, status())
    yield Figure("exists: false", 400, status(exists=False))


@probe("A-current-state")
def current_state(shop: Shop) -> Iterator[Figure]:
    """What a product says of its current state after an update."""
    product = shop.product("P")
    change = {"product_id": product, "starting_at": JULY, "name": shop.called("Q")}
    shop.lab.post(f"{PRODUCTS}/update", change)

    found = shop.lab.post(f"{PRODUCTS}/get", {"id": product})["data"]["current"]

    yield Figure("its name", "Q", shop.short(found["name"]))
    yield Figure("its start", JULY[:10], (found.get("starting_at") or "")[:10])


@probe("A-rate-key")
def rate_key(shop: Shop) -> Iterator[Figure]:
    """Rates of one product that differ in their billing frequency, and one that differs in nothing."""
    body = {"name": shop.called("seat"), "type": "SUBSCRIPTION"}
    product = shop.lab.make(f"{PRODUCTS}/create", body)
    for frequency, price in (("MONTHLY", 10), ("ANNUAL", 100), ("MONTHLY", 20)):
        shop.rate(product, price, billing_frequency=frequency)

    rows = shop.lab.post(f"{CARDS}/getRates", {"rate_card_id": shop.card, "at": JUNE})["data"]

    found = sorted((row["billing_frequency"], row["rate"]["price"]) for row in rows)
    yield Figure("the rates in force", [("ANNUAL", 100), ("MONTHLY", 20)], found)


@probe("A-rate-group-keys")
def rate_group_keys(shop: Shop) -> Iterator[Figure]:
    """Rates since January of a product that has a pricing group key since June, and before that none."""
    product = shop.product("P", metric=shop.metric(("region",)))
    change = {"product_id": product, "starting_at": JUNE, "pricing_group_key": ["region"]}
    shop.lab.post(f"{PRODUCTS}/update", change)

    def status(**values: str) -> int:
        return shop.lab.status(f"{CARDS}/addRate", shop.rate_body(product, 10, pricing_group_values=values))

    yield Figure("with the key", 200, status(region="eu"))
    yield Figure("without it", 200, status())
    yield Figure("with another key", 400, status(cloud="x"))


@probe("A-group-key-cover")
def group_key_cover(shop: Shop) -> Iterator[Figure]:
    """A product by region over a metric whose only group key is region and cloud together."""
    metric = shop.metric(("region", "cloud"))

    def status(*keys: str) -> int:
        return _product(shop, type="USAGE", billable_metric_id=metric, presentation_group_key=list(keys))

    yield Figure("one of the two", 200, status("region"))
    yield Figure("another key", 400, status("zone"))


@probe("A-rate-selectors")
def rate_selectors(shop: Shop) -> Iterator[Figure]:
    """Rates by region and cloud, asked for by one of both values, and by a product as well."""
    keys = ("region", "cloud")
    product, other = (shop.product(short, metric=shop.metric(keys), pricing_group_key=list(keys)) for short in "PQ")
    for priced, region, cloud in ((product, "eu", "x"), (product, "eu", "y"), (product, "us", "x"), (other, "eu", "x")):
        shop.rate(priced, 10, pricing_group_values={"region": region, "cloud": cloud})

    def found(**selector: Any) -> int:
        body = {"rate_card_id": shop.card, "at": JUNE, "selectors": [selector]}
        return len(shop.lab.post(f"{CARDS}/getRates", body)["data"])

    yield Figure("a part of the values", 3, found(partial_pricing_group_values={"region": "eu"}))
    yield Figure("a part as the whole", 0, found(pricing_group_values={"region": "eu"}))
    yield Figure("the whole", 2, found(pricing_group_values={"region": "eu", "cloud": "x"}))
    yield Figure("a part and a product", 2, found(partial_pricing_group_values={"region": "eu"}, product_id=product))


@probe("A-alias-takeover")
def alias_takeover(shop: Shop) -> Iterator[Figure]:
    """An alias that a card has had since January 2024, given to another card without dates."""
    alias = shop.lab.name("alias").replace(" ", "-")
    first = shop.new_card(aliases=[{"name": alias, "starting_at": LONG_AGO}])
    second = shop.new_card(aliases=[{"name": alias}])

    def card_at(starting_at: str) -> str:
        body = {**shop.contract_body(starting_at=starting_at), "rate_card_alias": alias}
        for field in ("rate_card_id", "ending_before", "usage_statement_schedule"):
            del body[field]
        return str(shop.read(shop.lab.make("/v1/contracts/create", body))["rate_card_id"])

    yield Figure("it names the first card in the past", True, card_at(JUNE) == first)
    yield Figure("and the second one from now on", True, card_at(shop.at(24 * 40)) == second)


@probe("A-idempotency-scope")
def idempotency_scope(shop: Shop) -> Iterator[Figure]:
    """One key for two operations, then for one of them with another query."""
    key = {"Idempotency-Key": shop.lab.name("key")}

    def status(path: str) -> int:
        return shop.lab.status(path, {}, key)

    yield Figure("a list of rate cards", 200, status(f"{CARDS}/list?limit=1"))
    yield Figure("a list of products", 200, status(f"{PRODUCTS}/list?limit=2"))
    yield Figure("rate cards again", 200, status(f"{CARDS}/list?limit=1"))
    yield Figure("rate cards with another limit", 409, status(f"{CARDS}/list?limit=2"))


@probe("A-currency-ids")
def currency_ids(shop: Shop) -> Iterator[Figure]:
    """The id of the euro, which nobody publishes."""
    types = shop.lab.ask("GET", "/v1/credit-types/list?limit=100")["data"]
    euro = next(one["id"] for one in types if one["name"] == "EUR")

    # In parts, since a report has no ids in it; this one is nobody's own.
    yield Figure("its parts", EURO.split("-"), euro.split("-"))
