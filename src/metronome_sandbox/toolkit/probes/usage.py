"""Probes of usage events: what is taken, whose it is, what counts. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from metronome_sandbox.toolkit.probes.lab import Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe



@probe("A-ingest-batch")
def ingest_batch(shop: Shop) -> Iterator[Figure]:
    """A good event and one of 35 days ago in one batch."""
    product = shop.product("P", 10)
    shop.running()
    good = {**shop.event(product, 0, 1), "customer_id": shop.customer}
    old = {**shop.event(product, 0, 1), "customer_id": shop.customer, "timestamp": shop.at(-24 * 40)}

    answer = shop.lab.sender.send("POST", "/v1/ingest", [good, old])

    yield Figure("the status", 400, answer.status)
    draft = next(one for one in shop.invoices("USAGE") if one["status"] == "DRAFT")
    yield Figure("what is due of the good one", 0, draft["total"])


@probe("A-ingest-ahead")
def ingest_ahead(shop: Shop) -> Iterator[Figure]:
    """Events 23 and 25 hours ahead."""
    product = shop.product("P", 10)

    def status(hours: int) -> int:
        instant = (shop.lab.now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {**shop.event(product, 0, 1), "customer_id": shop.customer, "timestamp": instant}
        return shop.lab.sender.send("POST", "/v1/ingest", [event]).status

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
