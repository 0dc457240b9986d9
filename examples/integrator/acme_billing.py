"""How Acme bills: customers sign up for API calls, may pay in advance, and read what they owe.

The SDK finds the API by ``METRONOME_BASE_URL`` and ``METRONOME_BEARER_TOKEN``, in production as in tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from metronome import ConflictError, Metronome

US_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


@dataclass(frozen=True)
class Price:
    """A product, and the rate card that has its price."""

    product_id: str
    rate_card_id: str


@dataclass(frozen=True)
class Subscriber:
    """A customer with a contract."""

    customer_id: str
    contract_id: str


def offer(client: Metronome, cents_per_call: float, since: datetime) -> Price:
    """Put API calls on a price list of their own."""
    prices = f"prices-{since:%Y-%m-%d}"
    metric = client.v1.billable_metrics.create(
        name="API calls",
        aggregation_type="SUM",
        aggregation_key="calls",
        event_type_filter={"in_values": ["api_call"]},
        property_filters=[{"name": "calls", "exists": True}],
        extra_headers=once(f"{prices}/metric"),
    )
    product = client.v1.contracts.products.create(
        name="API calls", type="USAGE", billable_metric_id=metric.data.id, extra_headers=once(f"{prices}/product")
    )
    card = client.v1.contracts.rate_cards.create(name="Acme prices", extra_headers=once(f"{prices}/card"))
    client.v1.contracts.rate_cards.rates.add(
        rate_card_id=card.data.id,
        product_id=product.data.id,
        starting_at=since,
        entitled=True,
        rate_type="FLAT",
        price=cents_per_call,
    )
    return Price(product.data.id, card.data.id)


def sign_up(client: Metronome, name: str, price: Price, since: datetime, order: str) -> Subscriber:
    """Make a customer who is billed at the end of each month. The same order signs nobody up twice."""
    customer = client.v1.customers.create(name=name, extra_headers=once(f"{order}/customer"))
    contract = client.v1.contracts.create(
        customer_id=customer.data.id,
        rate_card_id=price.rate_card_id,
        starting_at=since,
        usage_statement_schedule={"frequency": "MONTHLY"},
        uniqueness_key=order,
        extra_headers=once(f"{order}/contract"),
    )
    return Subscriber(customer.data.id, contract.data.id)


def report(client: Metronome, subscriber: Subscriber, calls: Iterable[tuple[str, datetime, int]]) -> None:
    """Report calls as (our id, instant, number). An id counts once, however often it is sent."""
    client.v1.usage.ingest(
        usage=[
            {
                "transaction_id": own_id,
                "customer_id": subscriber.customer_id,
                "event_type": "api_call",
                "timestamp": instant.isoformat(),
                "properties": {"calls": str(number)},
            }
            for own_id, instant, number in calls
        ]
    )


def top_up(client: Metronome, subscriber: Subscriber, cents: float, at: datetime, order: str | None) -> str:
    """Sell an amount for a year's use, billed at once. Without an order nothing keeps it from a repetition."""
    commit = client.v1.customers.commits.create(
        **_prepaid(client, subscriber, cents, at, order), extra_headers=once(order)
    )
    return commit.data.id


def top_up_for_ever(client: Metronome, subscriber: Subscriber, cents: float, at: datetime, order: str) -> str:
    """Sell the same, and never twice: an ``Idempotency-Key`` is remembered for a day, a ``uniqueness_key`` for ever.

    It refuses the second call and does not tell what the first one made, so that is looked up.
    """
    terms = _prepaid(client, subscriber, cents, at, order)
    try:
        return client.v1.customers.commits.create(**terms, uniqueness_key=order).data.id
    except ConflictError:
        for commit in client.v1.customers.commits.list(customer_id=subscriber.customer_id):
            if commit.uniqueness_key == order:
                return commit.id
        raise


def _prepaid(
    client: Metronome, subscriber: Subscriber, cents: float, at: datetime, order: str | None
) -> dict[str, Any]:
    product = client.v1.contracts.products.create(
        name="Prepaid calls", type="FIXED", extra_headers=once(order and f"{order}/product")
    )
    return {
        "customer_id": subscriber.customer_id,
        "type": "PREPAID",
        "priority": 100,
        "product_id": product.data.id,
        "applicable_contract_ids": [subscriber.contract_id],
        "access_schedule": {
            "credit_type_id": US_CENTS,
            "schedule_items": [{"amount": cents, "starting_at": at, "ending_before": at + timedelta(days=365)}],
        },
        "invoice_contract_id": subscriber.contract_id,
        "invoice_schedule": {"credit_type_id": US_CENTS, "schedule_items": [{"timestamp": at, "amount": cents}]},
    }


def owed(client: Metronome, subscriber: Subscriber) -> Mapping[str, float]:
    """Return US cents by the status of invoices, DRAFT or FINALIZED."""
    cents: dict[str, float] = {}
    for invoice in client.v1.customers.invoices.list(customer_id=subscriber.customer_id):
        cents[invoice.status] = cents.get(invoice.status, 0) + invoice.total
    return cents


def once(order: str | None) -> dict[str, str]:
    """Return the header that makes a repeated POST harmless. The SDK repeats POSTs and does not send it by itself."""
    return {} if order is None else {"Idempotency-Key": order}
