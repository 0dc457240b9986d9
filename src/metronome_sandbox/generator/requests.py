"""The requests that bring what was generated into a billing API.

Things name each other by the ids of ``ids.py``; whoever sends the requests puts the server's own in their place.
Numbers are ``int`` or ``Decimal``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from metronome_sandbox.generator.catalog import FREE, PREPAID, catalog_of
from metronome_sandbox.generator.ids import id_of
from metronome_sandbox.generator.profiles import Profile
from metronome_sandbox.generator.world import (
    Balance,
    Contract,
    Customer,
    FixedProduct,
    History,
    Invoice,
    Line,
    Metric,
    Override,
    Product,
    Rate,
    RateCard,
    Tier,
)

JsonObject = dict[str, Any]

USD_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""Source: the vendor's samples; the same for every client."""

PAYMENT_TERMS_DAYS = 30
LENGTHS = {"DAY": timedelta(days=1), "HOUR": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Creation:
    """A request that makes one thing. The server's answer has its id there as ``data.id``.

    Attributes:
        path: That it is posted to.
        kind, key: Of the thing, as ``id_of`` wants them.
    """

    path: str
    kind: str
    key: str
    body: JsonObject


class Requests:
    """Writes the requests of one run."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed

    def catalog(self) -> Iterator[Creation]:
        """Yield what all customers share, each after what it names."""
        catalog = catalog_of(self._profile)
        for metric in catalog.metrics:
            yield Creation("/v1/billable-metrics/create", "metric", metric.key, metric_body(metric))
        for product in catalog.products:
            yield Creation("/v1/contract-pricing/products/create", "product", product.key, self._product(product))
        for fixed in catalog.fixed_products:
            yield Creation("/v1/contract-pricing/products/create", "product", fixed.key, fixed_product_body(fixed))
        for card in catalog.rate_cards:
            body = {"name": card.name, "fiat_credit_type_id": USD_CENTS}
            yield Creation("/v1/contract-pricing/rate-cards/create", "rate_card", card.key, body)

    def rates(self) -> Iterator[JsonObject]:
        """Yield the bodies for ``/v1/contract-pricing/rate-cards/addRates``, one for each rate card."""
        for card in catalog_of(self._profile).rate_cards:
            yield {"rate_card_id": self._id("rate_card", card.key), "rates": [self._rate(card, r) for r in card.rates]}

    def customer(self, customer: Customer) -> Creation:
        """Return what makes a customer."""
        body = {"name": customer.name, "ingest_aliases": [customer.key]}
        return Creation("/v1/customers", "customer", customer.key, body)

    def contract(self, contract: Contract, billed_until: date) -> Creation:
        """Return what makes a contract; the one that it renews has to be there.

        Args:
            billed_until: First day after the months that are generated. From then on the server makes the invoices.
        """
        body: JsonObject = {
            "customer_id": self._id("customer", contract.customer),
            "name": contract.name,
            "uniqueness_key": self._id("contract", contract.key),
            "rate_card_id": self._id("rate_card", contract.rate_card),
            "starting_at": timestamp(contract.starting_at),
            "net_payment_terms_days": PAYMENT_TERMS_DAYS,
            "usage_statement_schedule": {
                "frequency": "MONTHLY",
                "invoice_generation_starting_at": timestamp(billed_until),
            },
            "commits": [self._commit(balance) for balance in contract.balances if not balance.is_credit],
            "credits": [self._balance(balance) for balance in contract.balances if balance.is_credit],
            "overrides": [self._override(override) for override in contract.overrides],
        }
        if contract.ending_before is not None:
            body["ending_before"] = timestamp(contract.ending_before)
        if contract.renews is not None:
            body["transition"] = {"type": "RENEWAL", "from_contract_id": self._id("contract", contract.renews)}
        return Creation("/v1/contracts/create", "contract", contract.key, body)

    def invoice(self, history: History, invoice: Invoice) -> JsonObject:
        """Return an item of ``invoices`` of ``/v1/contracts/createHistoricalInvoices``."""
        starting_at, ending_before = timestamp(invoice.starting_at), timestamp(invoice.ending_before)
        return {
            "customer_id": self._id("customer", history.customer.key),
            "contract_id": self._id("contract", invoice.contract),
            "credit_type_id": USD_CENTS,
            "inclusive_start_date": starting_at,
            "exclusive_end_date": ending_before,
            "issue_date": timestamp(invoice.issued_at),
            "breakdown_granularity": self._profile.granularity,
            "usage_line_items": [self._line(invoice, line, starting_at, ending_before) for line in invoice.lines],
        }

    def void(self, invoice: Invoice) -> JsonObject:
        """Return the body for ``/v1/invoices/void``: of an invoice that the next one corrects."""
        return {"id": self._id("invoice", invoice.key)}

    def _id(self, kind: str, key: str) -> str:
        return id_of(self._seed, self._profile.name, kind, key)

    def _product(self, product: Product) -> JsonObject:
        body: JsonObject = {
            "name": product.name,
            "type": "USAGE",
            "billable_metric_id": self._id("metric", product.metric),
            "tags": list(product.tags),
        }
        if product.group_keys:
            body["pricing_group_key"] = list(product.group_keys)
        return body

    def _rate(self, card: RateCard, rate: Rate) -> JsonObject:
        body: JsonObject = {
            "product_id": self._id("product", rate.product),
            "starting_at": timestamp(card.starting_at),
            "entitled": True,
            **_price(rate.tiers),
        }
        if rate.groups:
            body["pricing_group_values"] = dict(rate.groups)
        return body

    def _commit(self, balance: Balance) -> JsonObject:
        due = {"timestamp": timestamp(balance.starting_at), "amount": balance.price}
        return {**self._balance(balance), "type": "PREPAID", "invoice_schedule": {"schedule_items": [due]}}

    def _balance(self, balance: Balance) -> JsonObject:
        access = {
            "amount": balance.amount,
            "starting_at": timestamp(balance.starting_at),
            "ending_before": timestamp(balance.ending_before),
        }
        body: JsonObject = {
            "name": balance.name,
            "product_id": self._id("product", (FREE if balance.is_credit else PREPAID).key),
            "priority": balance.priority,
            "access_schedule": {"schedule_items": [access]},
        }
        if balance.products:
            body["applicable_product_ids"] = [self._id("product", product) for product in balance.products]
        return body

    def _override(self, override: Override) -> JsonObject:
        body: JsonObject = {
            "type": "MULTIPLIER",
            "product_id": self._id("product", override.product),
            "multiplier": override.multiplier,
            "starting_at": timestamp(override.starting_at),
        }
        if override.ending_before is not None:
            body["ending_before"] = timestamp(override.ending_before)
        return body

    def _line(self, invoice: Invoice, line: Line, starting_at: str, ending_before: str) -> JsonObject:
        edges = edges_of(self._profile.granularity, invoice.starting_at, invoice.ending_before)
        body: JsonObject = {
            "product_id": self._id("product", line.product),
            "inclusive_start_date": starting_at,
            "exclusive_end_date": ending_before,
            "subtotals_with_quantity": [
                {"inclusive_start_date": start, "exclusive_end_date": end, "quantity": quantity}
                for start, end, quantity in zip(edges[:-1], edges[1:], line.quantities.tolist(), strict=True)
            ],
        }
        if line.groups:
            body["pricing_group_values"] = dict(line.groups)
        return body


def invoice_request(profile: Profile, seed: int, invoice: Invoice, history: History) -> JsonObject:
    """Return the canonical form of an invoice to import; see :meth:`Requests.invoice`."""
    return Requests(profile, seed).invoice(history, invoice)


def metric_body(metric: Metric) -> JsonObject:
    """Return the body that makes a metric."""
    properties = [name for name in (metric.property, *metric.group_keys) if name is not None]
    body: JsonObject = {
        "name": metric.name,
        "aggregation_type": metric.aggregation,
        "event_type_filter": {"in_values": [metric.event_type]},
        "property_filters": [{"name": name, "exists": True} for name in properties],
    }
    if metric.property is not None:
        body["aggregation_key"] = metric.property
    if metric.group_keys:
        body["group_keys"] = [list(metric.group_keys)]
    return body


def fixed_product_body(product: FixedProduct) -> JsonObject:
    """Return the body that makes a product which nothing counts."""
    return {"name": product.name, "type": "FIXED"}


def _price(tiers: tuple[Tier, ...]) -> JsonObject:
    if len(tiers) == 1:
        return {"rate_type": "FLAT", "price": tiers[0].price}
    return {
        "rate_type": "TIERED",
        "tiers": [
            {"price": tier.price} if tier.size is None else {"size": tier.size, "price": tier.price} for tier in tiers
        ],
    }


@lru_cache(maxsize=4096)
def edges_of(granularity: str, starting_at: date, ending_before: date) -> tuple[str, ...]:
    """Return the starts of all windows of a period, and its end."""
    start = datetime(starting_at.year, starting_at.month, starting_at.day, tzinfo=UTC)
    length = LENGTHS[granularity]
    count = (ending_before - starting_at) // length
    return tuple(timestamp(start + window * length) for window in range(count + 1))


def timestamp(instant: date) -> str:
    """Return a day's first instant, or an instant in UTC, as the API writes it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
