"""Probes of usage events: what is taken, whose it is, what counts. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, SEPTEMBER, Figure, Json
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import CLOCK, Table

TABLE = Table()
probe = TABLE.probe


@probe("A-ingest-batch")
def ingest_batch(shop: Shop) -> Iterator[Figure]:
    """A good event and one of 35 days ago in one batch."""
    product = shop.product("P", 10)
    shop.running()
    good = {**shop.event(product, 0, 1), "customer_id": shop.customer}
    old = {**shop.event(product, 0, 1), "customer_id": shop.customer, "timestamp": shop.at(-24 * 40)}

    yield Figure("the status", 400, shop.lab.status("/v1/ingest", [good, old]))
    draft = next(one for one in shop.invoices("USAGE") if one["status"] == "DRAFT")
    yield Figure("what is due of the good one", 0, draft["total"])


@probe("A-ingest-ahead")
def ingest_ahead(shop: Shop) -> Iterator[Figure]:
    """Events 23 and 25 hours ahead."""
    product = shop.product("P", 10)

    def status(hours: int) -> int:
        instant = (shop.lab.now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {**shop.event(product, 0, 1), "customer_id": shop.customer, "timestamp": instant}
        return shop.lab.status("/v1/ingest", [event])

    yield Figure("23 hours", 200, status(23))
    yield Figure("25 hours", 400, status(25))


@probe("A-numeric-properties")
def numeric_properties(shop: Shop) -> Iterator[Figure]:
    """1.5 as a number and as text."""
    product = shop.product("P", 10)
    contract = shop.running()
    events = [shop.event(product, 0, 0), shop.event(product, 0, "1.5")]
    events[0]["properties"]["quantity"] = 1.5

    found = shop.lab.post(f"/v1/customers/{shop.customer}/previewEvents", {"events": events, "mode": "replace"})["data"]

    yield Figure("what both come to", [30], [one["total"] for one in found if one.get("contract_id") == contract])


@probe("A-preview-events")
def preview_events(shop: Shop) -> Iterator[Figure]:
    """A preview of an event of last year."""
    product = shop.product("P", 10)
    shop.running()
    event = {**shop.event(product, 0, 1), "timestamp": shop.at(-24 * 365)}
    path = f"/v1/customers/{shop.customer}/previewEvents"

    yield Figure("the status", 400, shop.lab.status(path, {"events": [event], "mode": "replace"}))


@probe("A-alias-move")
def alias_move(shop: Shop) -> Iterator[Figure]:
    """An ingest alias that another customer has."""
    alias = shop.lab.name("alias").replace(" ", "-")
    shop.lab.post(f"/v1/customers/{shop.customer}/setIngestAliases", {"ingest_aliases": [alias]})
    other = shop.lab.make("/v1/customers", {"name": shop.lab.name("other")})

    def status() -> int:
        return shop.lab.status(f"/v1/customers/{other}/setIngestAliases", {"ingest_aliases": [alias]})

    yield Figure("while the first one has it", 409, status())
    shop.lab.post(f"/v1/customers/{shop.customer}/setIngestAliases", {"ingest_aliases": []})
    yield Figure("once it is taken away", 200, status())


@probe("A-event-fractions")
def event_fractions(shop: Shop) -> Iterator[Figure]:
    """Two events of one millisecond under LATEST, the later one first."""
    product = shop.product("P", 10, metric=shop.metric(aggregation_type="LATEST"))
    contract = shop.running()
    events = [shop.event(product, 0, quantity) for quantity in (7, 5)]
    for event, fraction in zip(events, (".000002Z", ".000001Z"), strict=True):
        event["timestamp"] = event["timestamp"].replace("Z", fraction)
    path = f"/v1/customers/{shop.customer}/previewEvents"

    found = shop.lab.post(path, {"events": events, "mode": "replace"})["data"]

    yield Figure("the latest of 7 and 5", [70], [one["total"] for one in found if one.get("contract_id") == contract])


@probe("A-transaction-ids", needs=CLOCK)
def transaction_ids(shop: Shop) -> Iterator[Figure]:
    """A transaction id of June 10 again 40 days later."""
    product = shop.product("P", 10)
    shop.contract(usage_statement_schedule={"frequency": "MONTHLY"})
    first = {**shop.event(product, 24 * 9, 2), "customer_id": shop.customer}
    again = {**first, "timestamp": "2024-07-20T00:00:00Z"}
    shop.lab.ask("POST", "/v1/ingest", [first])
    shop.lab.advance("2024-07-25T00:00:00Z")
    shop.lab.ask("POST", "/v1/ingest", [again])

    found = [one["total"] for one in shop.invoices("USAGE")]

    yield Figure("June and July", [20, 0], found[:2])


# --- usage filters


def _filter(*values: str, starting_at: str | None = None, key: str = "region") -> Json:
    start = {} if starting_at is None else {"starting_at": starting_at}
    return {"group_key": key, "group_values": list(values), **start}


@probe("A-usage-filter-key")
def usage_filter_key(shop: Shop) -> Iterator[Figure]:
    """A filter by a key of a metric, events with the key and without; then a second product whose metric has no key."""
    product = shop.product("P", 10, keys=("region",))

    def status() -> int:
        return shop.lab.status("/v1/contracts/create", shop.contract_body(usage_filter=_filter("eu")))

    yield Figure("a key of every metric", 200, status())
    contract = shop.running(usage_filter=_filter("eu"))
    body = {"events": [shop.event(product, 0, 1, region="eu"), shop.event(product, 0, 1)], "mode": "replace"}
    found = shop.lab.post(f"/v1/customers/{shop.customer}/previewEvents", body)["data"]
    totals = [one["total"] for one in found if one.get("contract_id") == contract]
    yield Figure("a unit with the key and one without", [10], totals)
    shop.product("Q", 10)
    yield Figure("a key that one of two metrics lacks", 400, status())


def _filtered(shop: Shop, *filters: Json) -> str:
    """Make a contract and set filters of it one after the other; return its id."""
    shop.product("P", 10, keys=("region",))
    contract = shop.lasting()
    for one in filters:
        shop.lab.post("/v1/contracts/setUsageFilter", {**shop.named(contract), **one})
    return contract


@probe("A-usage-filter-order")
def usage_filter_order(shop: Shop) -> Iterator[Figure]:
    """A filter from September, then one from August, then another one from August."""
    dates = {"eu": SEPTEMBER, "us": AUGUST, "jp": AUGUST}
    contract = _filtered(shop, *(_filter(value, starting_at=date) for value, date in dates.items()))

    rows = shop.read(contract)["usage_filter"]

    found = [(row["group_values"], row["starting_at"][:10], (row.get("ending_before") or "")[:10]) for row in rows]
    yield Figure("values, starts, ends", [(["jp"], AUGUST[:10], SEPTEMBER[:10]), (["eu"], SEPTEMBER[:10], "")], found)


@probe("A-usage-filter-history")
def usage_filter_history(shop: Shop) -> Iterator[Figure]:
    """Filters from July and from August of a contract that had none, as v1 shows them."""
    contract = _filtered(shop, _filter("eu", starting_at=JULY), _filter("us", starting_at=AUGUST))

    found = shop.lab.post("/v1/contracts/get", shop.named(contract))["data"]["current"]["usage_filter"]

    yield Figure("the first one", ["eu"], found["initial"]["group_values"])
    yield Figure("the others", [["us"]], [one["group_values"] for one in found["updates"]])
    yield Figure("the one in force", ["us"], found["current"]["group_values"])
