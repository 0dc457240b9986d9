"""What the sandbox is filled with before it is measured, and the requests it is then asked.

The same calls make the same ids in every tenant, so requests that were prepared once fit every tenant that was filled
the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import count, islice, pairwise
from time import perf_counter
from typing import Any, TypeVar

import orjson

IMPORT_PATH = "/v1/contracts/createHistoricalInvoices"
INGEST_PATH = "/v1/ingest"

START = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 8, 1, tzinfo=UTC)
GENERATION_START = datetime(2024, 9, 1, tzinfo=UTC)
"""After :data:`NOW`, so that there are no drafts and a page of a list holds stored invoices only."""

USD_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PRODUCTS = 10

IDLE_SECONDS = 2
"""A connection that was idle for longer is not used again; servers close theirs after 5 seconds."""

T = TypeVar("T")


class Tenant:
    """One bearer token of one server, over one connection."""

    def __init__(self, port: int, token: str) -> None:
        self.token = token
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._used_at = perf_counter()

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the answer's bytes.

        Raises:
            RuntimeError: The status is none of 2xx.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if perf_counter() - self._used_at > IDLE_SECONDS:
            self._connection.close()  # the next request opens it again
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        self._used_at = perf_counter()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300].decode()}")
        return answer

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a value as JSON and return what the answer holds."""
        return orjson.loads(self.send(method, path, None if body is None else orjson.dumps(body)))


@dataclass(frozen=True)
class World:
    """What was made.

    Attributes:
        contracts: Customer and contract ids; each customer has one contract, with a prepaid commit that pays for all.
        products: Ids of usage products; the last one has a tiered rate, the others flat ones.
    """

    contracts: Sequence[tuple[str, str]]
    products: Sequence[str]


def fill(tenant: Tenant, contracts: int) -> World:
    """Reset a tenant and make a catalogue and contracts, after the company of the vendor's import guide."""

    def create(path: str, body: Any) -> str:
        made: str = tenant.call("POST", path, body)["data"]["id"]
        return made

    tenant.call("POST", "/sandbox/reset")
    tenant.call("PUT", "/sandbox/clock", {"now": _text(NOW)})
    metric = create("/v1/billable-metrics/create", {"name": "Calls", "aggregation_type": "COUNT"})
    products = [
        create(
            "/v1/contract-pricing/products/create",
            {"name": f"Product {number}", "type": "USAGE", "billable_metric_id": metric},
        )
        for number in range(1, PRODUCTS + 1)
    ]
    fixed = create("/v1/contract-pricing/products/create", {"name": "Prepaid usage", "type": "FIXED"})
    card = create("/v1/contract-pricing/rate-cards/create", {"name": "List prices"})
    common = {"starting_at": _text(START), "entitled": True}
    rates: list[Any] = [
        {**common, "product_id": product, "rate_type": "FLAT", "price": 1000} for product in products[:-1]
    ]
    tiers = [{"size": 2, "price": 500}, {"price": 300}]
    rates.append({**common, "product_id": products[-1], "rate_type": "TIERED", "tiers": tiers})
    tenant.call("POST", "/v1/contract-pricing/rate-cards/addRates", {"rate_card_id": card, "rates": rates})
    made: list[tuple[str, str]] = []
    for number in range(1, contracts + 1):
        customer = create("/v1/customers", {"name": f"Customer {number}"})
        access = {"amount": 10**14, "starting_at": _text(START), "ending_before": "2100-01-01T00:00:00Z"}
        commit = {
            "name": "Prepaid Commit",
            "type": "PREPAID",
            "product_id": fixed,
            "access_schedule": {"schedule_items": [access]},
        }
        contract = {
            "customer_id": customer,
            "rate_card_id": card,
            "starting_at": _text(START),
            "usage_statement_schedule": {
                "frequency": "MONTHLY",
                "invoice_generation_starting_at": _text(GENERATION_START),
            },
            "commits": [commit],
        }
        made.append((customer, create("/v1/contracts/create", contract)))
    return World(made, products)


LARGE_PRODUCTS, LARGE_OVERRIDES, LARGE_BALANCES, LARGE_IMPORTS = 50, 20, 10, 12
"""Of a contract that a large customer may have; imports are months."""

EVENT_TYPE = "call"


def fill_large_contract(tenant: Tenant) -> World:
    """Reset a tenant and make one large contract, with imported invoices of the year before its first draft."""

    def create(path: str, body: Any) -> str:
        made: str = tenant.call("POST", path, body)["data"]["id"]
        return made

    months = [datetime(2023 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(7, 8 + LARGE_IMPORTS)]
    tenant.call("POST", "/sandbox/reset")
    tenant.call("PUT", "/sandbox/clock", {"now": _text(NOW + DAY)})
    metric = {"name": "Calls", "aggregation_type": "COUNT", "event_type_filter": {"in_values": [EVENT_TYPE]}}
    counted = create("/v1/billable-metrics/create", metric)
    products = [
        create(
            "/v1/contract-pricing/products/create",
            {
                "name": f"Product {number}",
                "type": "USAGE",
                "billable_metric_id": counted,
                "tags": [f"tag {number % 5}"],
            },
        )
        for number in range(1, LARGE_PRODUCTS + 1)
    ]
    fixed = create("/v1/contract-pricing/products/create", {"name": "Prepaid usage", "type": "FIXED"})
    card = create("/v1/contract-pricing/rate-cards/create", {"name": "List prices"})
    common = {"starting_at": _text(START), "entitled": True, "rate_type": "FLAT", "price": 1000}
    rates = [{**common, "product_id": product} for product in products]
    tenant.call("POST", "/v1/contract-pricing/rate-cards/addRates", {"rate_card_id": card, "rates": rates})
    customer = create("/v1/customers", {"name": "Large customer"})
    commits = [
        {
            "name": f"Commit {number}",
            "type": "PREPAID",
            "product_id": fixed,
            "priority": number,
            "applicable_product_tags": [f"tag {number % 5}"],
            "access_schedule": {
                "schedule_items": [
                    {"amount": 10_000, "starting_at": _text(START), "ending_before": "2100-01-01T00:00:00Z"}
                ]
            },
        }
        for number in range(LARGE_BALANCES)
    ]
    overrides = [
        {
            "starting_at": _text(START),
            "type": "MULTIPLIER",
            "multiplier": 0.9,
            "override_specifiers": [{"product_id": product}],
        }
        for product in products[:LARGE_OVERRIDES]
    ]
    contract = {
        "customer_id": customer,
        "rate_card_id": card,
        "starting_at": _text(months[0]),
        "usage_statement_schedule": {"frequency": "MONTHLY", "invoice_generation_starting_at": _text(NOW)},
        "commits": commits,
        "overrides": overrides,
    }
    world = World([(customer, create("/v1/contracts/create", contract))], products)
    imported = [_invoice(world, *world.contracts[0], start, end, 1) for start, end in pairwise(months)]
    tenant.send("POST", IMPORT_PATH, import_body(imported))
    return world


def event_body(customer: str, number: int) -> bytes:
    """Return the body that ingests the ``number``-th event of a customer, after :data:`NOW`."""
    event = {"transaction_id": f"event {number}", "customer_id": customer, "event_type": EVENT_TYPE}
    return orjson.dumps([{**event, "timestamp": _text(NOW + number * timedelta(seconds=1)), "properties": {}}])


def invoices(world: World, step: timedelta, lines: int = 1) -> Iterator[Any]:
    """Yield invoices to import: every contract's first period of length ``step``, then the second one, and so on."""
    for number in count():
        start, end = START + number * step, START + (number + 1) * step
        for customer, contract in world.contracts:
            yield _invoice(world, customer, contract, start, end, 5 + number % 7, lines)


def _invoice(
    world: World,
    customer: str,
    contract: str,
    starting_at: datetime,
    ending_before: datetime,
    quantity: int,
    lines: int | None = None,
) -> Any:
    window = {"inclusive_start_date": _text(starting_at), "exclusive_end_date": _text(ending_before)}
    return {
        "customer_id": customer,
        "contract_id": contract,
        "credit_type_id": USD_CENTS,
        **window,
        "issue_date": window["exclusive_end_date"],
        "usage_line_items": [
            {"product_id": product, **window, "quantity": quantity} for product in world.products[:lines]
        ],
    }


def import_body(batch: Sequence[Any], *, preview: bool = False) -> bytes:
    """Return the body of an import."""
    return orjson.dumps({"invoices": batch, "preview": preview})


def in_batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items."""
    while batch := list(islice(items, size)):
        yield batch


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
