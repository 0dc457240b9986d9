"""Probes of subscriptions: proration, payment, defaults. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, LONG_AGO, USD, Figure, Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe


def _seat(shop: Shop, price: int = 100) -> str:
    """Make a SUBSCRIPTION product with a monthly rate; return its id."""
    body = {"name": shop.called("seat"), "type": "SUBSCRIPTION"}
    product = shop.lab.make("/v1/contract-pricing/products/create", body)
    shop.rate(product, price, starting_at=LONG_AGO, billing_frequency="MONTHLY")
    return product


def _subscription(product: str, **terms: Any) -> dict[str, Any]:
    behavior = "BILL_ON_NEXT_COLLECTION_DATE" if terms.get("collection_schedule") == "ARREARS" else "BILL_IMMEDIATELY"
    return {
        "subscription_rate": {"product_id": product, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": behavior},
        "initial_quantity": 1,
        **terms,
    }


def _billed(shop: Shop, *subscriptions: Any, **terms: Any) -> list[dict[str, Any]]:
    """Make a customer's contract that bills from June to August; return its invoices with money or balances in them."""
    shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("customer")})
    usual = {"ending_before": AUGUST, "usage_statement_schedule": {"frequency": "MONTHLY"}}
    shop.contract(subscriptions=list(subscriptions), **{**usual, **terms})
    return [one for one in shop.invoices() if shop.lines(one)]


@probe("A-subscription-proration")
def subscription_proration(shop: Shop) -> Iterator[Figure]:
    """A seat at 100 a month from July 3, 12:00, with and without rounding of its price."""
    product = _seat(shop)
    noon = "2024-07-03T12:00:00Z"
    rounded = {
        "is_prorated": True,
        "invoice_behavior": "BILL_IMMEDIATELY",
        "rounding": {"rounding_method": "HALF_UP", "decimal_places": 0},
    }

    exact = _billed(shop, _subscription(product, starting_at=noon))
    yield Figure("the rest of July", [28.5 / 31 * 100], [one["total"] for one in exact])  # 28 and a half of 31 days
    three = _billed(shop, _subscription(product, starting_at=noon, proration=rounded, initial_quantity=3))
    yield Figure("three of them, rounded", [276], [one["total"] for one in three])  # 91.93..., rounded 92, times 3


@probe("A-subscription-paid")
def subscription_paid(shop: Shop) -> Iterator[Figure]:
    """A credit for June and one for July, and a subscription in advance from June."""
    product = _seat(shop)
    credits = [
        shop.credit("June's", 1000, starting_at=JUNE, ending_before=JULY),
        shop.credit("July's", 1000, starting_at=JULY, ending_before=AUGUST),
    ]

    _billed(shop, _subscription(product), credits=credits)

    drawn = {
        name: sum(-entry["amount"] for entry in balance["ledger"] if "DEDUCTION" in entry["type"])
        for name, balance in shop.balances().items()
    }
    yield Figure("what each credit pays", {"June's": 100, "July's": 100}, drawn)


@probe("A-scheduled-subscriptions")
def scheduled_subscriptions(shop: Shop) -> Iterator[Figure]:
    """A credit and a subscription in advance that are there from the start."""
    product = _seat(shop)

    invoices = _billed(shop, _subscription(product), credits=[shop.credit("C", 30)])

    first = next(one for one in invoices if one["type"] == "SCHEDULED")
    yield Figure("what the credit pays on the scheduled invoice", {"C": 30}, dict(shop.spent(first)))
    yield Figure("what is due on it", 70, first["total"])  # 100 - 30


@probe("A-subscription-defaults")
def subscription_defaults(shop: Shop) -> Iterator[Figure]:
    """An empty `proration`."""
    product = _seat(shop)
    contract = shop.contract(subscriptions=[_subscription(product, proration={})])

    body = {"customer_id": shop.customer, "contract_id": contract}
    [found] = shop.lab.post("/v2/contracts/get", body)["data"]["subscriptions"]

    yield Figure("is_prorated", False, found["proration"]["is_prorated"])
    yield Figure("invoice_behavior", "BILL_ON_NEXT_COLLECTION_DATE", found["proration"]["invoice_behavior"])


@probe("A-subscription-terms")
def subscription_terms(shop: Shop) -> Iterator[Figure]:
    """A start before the contract's, one at half past, and a quantity beside seats."""
    product = _seat(shop)

    def status(**terms: Any) -> int:
        body = shop.contract_body(subscriptions=[_subscription(product, **terms)])
        return shop.lab.status("/v1/contracts/create", body)

    seats = {
        "quantity_management_mode": "SEAT_BASED",
        "seat_config": {"seat_group_key": "user", "initial_seat_ids": ["a"]},
    }
    yield Figure("a day before the contract", 400, status(starting_at="2024-05-31T00:00:00Z"))
    yield Figure("half past", 400, status(starting_at="2024-06-02T00:30:00Z"))
    yield Figure("a quantity beside seats", 400, status(**seats))


@probe("A-subscription-generation")
def subscription_generation(shop: Shop) -> Iterator[Figure]:
    """A contract from June that is billed from July on, with subscriptions of both kinds."""
    product = _seat(shop)
    kinds = [_subscription(product, collection_schedule=kind) for kind in ("ADVANCE", "ARREARS")]
    schedule = {"frequency": "MONTHLY", "invoice_generation_starting_at": JULY}

    invoices = _billed(shop, *kinds, usage_statement_schedule=schedule)

    starts = sorted(
        (line["starting_at"][:10], line["total"]) for one in invoices for line in one["line_items"] if line["total"]
    )
    yield Figure("starts and prices", [("2024-07-01", 100), ("2024-07-01", 100)], starts)


@probe("A-subscription-invoice")
def subscription_invoice(shop: Shop) -> Iterator[Figure]:
    """Subscriptions from June in advance and in arrears, for two months."""
    product = _seat(shop)

    def kinds(collection: str) -> list[str]:
        invoices = _billed(shop, _subscription(product, collection_schedule=collection))
        return sorted(one["type"] for one in invoices)

    yield Figure("in advance, June on its own", ["SCHEDULED", "USAGE"], kinds("ADVANCE"))
    yield Figure("in arrears", ["USAGE", "USAGE"], kinds("ARREARS"))


@probe("A-seat-allocation")
def seat_allocation(shop: Shop) -> Iterator[Figure]:
    """A recurring credit for seats that leaves `allocation` out."""
    product = _seat(shop)
    seats = {
        "quantity_management_mode": "SEAT_BASED",
        "seat_config": {"seat_group_key": "user", "initial_seat_ids": ["a"]},
        "temporary_id": "s",
    }
    subscription = _subscription(product, **seats)
    del subscription["initial_quantity"]
    linked = {"subscription_id": "s", "apply_seat_increase_config": {"is_prorated": False}}
    credit = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
        "subscription_config": linked,
    }
    contract = shop.contract(subscriptions=[subscription], recurring_credits=[credit])

    body = {"customer_id": shop.customer, "contract_id": contract}
    [found] = shop.lab.post("/v2/contracts/get", body)["data"]["recurring_credits"]

    yield Figure("its allocation", "POOLED", found["subscription_config"]["allocation"])


@probe("A-subscription-quantity", needs_clock=True)
def subscription_quantity(shop: Shop) -> Iterator[Figure]:
    """2 seats at 100 in June: 5 from the 16th, 3 from the 21st, 5 again from the 26th."""
    product = _seat(shop)
    contract = shop.contract(
        subscriptions=[_subscription(product, initial_quantity=2)], usage_statement_schedule={"frequency": "MONTHLY"}
    )
    named = {"customer_id": shop.customer, "contract_id": contract}
    [made] = shop.lab.post("/v2/contracts/get", named)["data"]["subscriptions"]
    for day, quantity in ((16, 5), (21, 3), (26, 5)):
        change = {"starting_at": f"2024-06-{day}T00:00:00Z", "quantity": quantity}
        edit = {**named, "update_subscriptions": [{"subscription_id": made["id"], "quantity_updates": [change]}]}
        shop.lab.post("/v2/contracts/edit", edit)

    shop.lab.advance("2024-06-30T00:00:00Z")
    billed = sum(
        line["total"]
        for one in shop.invoices()
        for line in one["line_items"]
        if line.get("subscription_id") and line["starting_at"][:10] < JULY[:10]
    )

    yield Figure("what June costs", 350, billed)  # 2 * 100 + 3 * 100 * 15 / 30
