"""Probes of subscriptions: proration, payment, defaults. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, LONG_AGO, Figure, Json
from metronome_sandbox.toolkit.probes.pricing import composite
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

_MONTHLY = {"usage_statement_schedule": {"frequency": "MONTHLY"}}
SEAT_BASED: Json = {
    "quantity_management_mode": "SEAT_BASED",
    "seat_config": {"seat_group_key": "user", "initial_seat_ids": ["a"]},
}
"""What makes a subscription one of seats; it has no ``initial_quantity``."""


def seat(shop: Shop, price: int = 100) -> str:
    """Make a SUBSCRIPTION product with a monthly rate; return its id."""
    body = {"name": shop.called("seat"), "type": "SUBSCRIPTION"}
    product = shop.lab.make("/v1/contract-pricing/products/create", body)
    shop.rate(product, price, starting_at=LONG_AGO, billing_frequency="MONTHLY")
    return product


def subscribed(product: str, **terms: Any) -> Json:
    """Return a monthly subscription in advance as a contract's creation takes it."""
    behavior = "BILL_ON_NEXT_COLLECTION_DATE" if terms.get("collection_schedule") == "ARREARS" else "BILL_IMMEDIATELY"
    return {
        "subscription_rate": {"product_id": product, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": behavior},
        "initial_quantity": 1,
        **terms,
    }


def billed(shop: Shop, *subscriptions: Any, **terms: Any) -> list[Json]:
    """Make a customer's contract that bills from June to August; return its invoices with money or balances in them."""
    shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("customer")})
    usual = {"ending_before": AUGUST, "usage_statement_schedule": {"frequency": "MONTHLY"}}
    shop.contract(subscriptions=list(subscriptions), **{**usual, **terms})
    return [one for one in shop.invoices() if shop.lines(one)]


@probe("A-subscription-proration")
def subscription_proration(shop: Shop) -> Iterator[Figure]:
    """A seat at 100 a month from July 3, 12:00, with and without rounding of its price."""
    product = seat(shop)
    noon = "2024-07-03T12:00:00Z"
    rounded = {
        "is_prorated": True,
        "invoice_behavior": "BILL_IMMEDIATELY",
        "rounding": {"rounding_method": "HALF_UP", "decimal_places": 0},
    }

    exact = billed(shop, subscribed(product, starting_at=noon))
    yield Figure("the rest of July", [28.5 / 31 * 100], [one["total"] for one in exact])  # 28 and a half of 31 days
    three = billed(shop, subscribed(product, starting_at=noon, proration=rounded, initial_quantity=3))
    yield Figure("three of them, rounded", [276], [one["total"] for one in three])  # 91.93..., rounded 92, times 3


@probe("A-subscription-paid")
def subscription_paid(shop: Shop) -> Iterator[Figure]:
    """A credit for June and one for July, and a subscription in advance from June."""
    product = seat(shop)
    credits = [
        shop.credit("June's", 1000, starting_at=JUNE, ending_before=JULY),
        shop.credit("July's", 1000, starting_at=JULY, ending_before=AUGUST),
    ]

    billed(shop, subscribed(product), credits=credits)

    drawn = {
        name: sum(-entry["amount"] for entry in balance["ledger"] if "DEDUCTION" in entry["type"])
        for name, balance in shop.balances().items()
    }
    yield Figure("what each credit pays", {"June's": 100, "July's": 100}, drawn)


@probe("A-scheduled-subscriptions")
def scheduled_subscriptions(shop: Shop) -> Iterator[Figure]:
    """A credit and a subscription in advance that are there from the start."""
    product = seat(shop)

    invoices = billed(shop, subscribed(product), credits=[shop.credit("C", 30)])

    first = next(one for one in invoices if one["type"] == "SCHEDULED")
    yield Figure("what the credit pays on the scheduled invoice", {"C": 30}, dict(shop.spent(first)))
    yield Figure("what is due on it", 70, first["total"])  # 100 - 30


@probe("A-subscription-defaults")
def subscription_defaults(shop: Shop) -> Iterator[Figure]:
    """An empty `proration`."""
    product = seat(shop)
    contract = shop.contract(subscriptions=[subscribed(product, proration={})])

    body = {"customer_id": shop.customer, "contract_id": contract}
    [found] = shop.lab.post("/v2/contracts/get", body)["data"]["subscriptions"]

    yield Figure("is_prorated", False, found["proration"]["is_prorated"])
    yield Figure("invoice_behavior", "BILL_ON_NEXT_COLLECTION_DATE", found["proration"]["invoice_behavior"])


@probe("A-subscription-terms")
def subscription_terms(shop: Shop) -> Iterator[Figure]:
    """A start before the contract's, one at half past, and a quantity beside seats."""
    product = seat(shop)

    def status(**terms: Any) -> int:
        body = shop.contract_body(subscriptions=[subscribed(product, **terms)])
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
    product = seat(shop)
    kinds = [subscribed(product, collection_schedule=kind) for kind in ("ADVANCE", "ARREARS")]
    schedule = {"frequency": "MONTHLY", "invoice_generation_starting_at": JULY}

    invoices = billed(shop, *kinds, usage_statement_schedule=schedule)

    starts = sorted(
        (line["starting_at"][:10], line["total"]) for one in invoices for line in one["line_items"] if line["total"]
    )
    yield Figure("starts and prices", [("2024-07-01", 100), ("2024-07-01", 100)], starts)


@probe("A-subscription-invoice")
def subscription_invoice(shop: Shop) -> Iterator[Figure]:
    """Subscriptions from June in advance and in arrears, for two months."""
    product = seat(shop)

    def kinds(collection: str) -> list[str]:
        invoices = billed(shop, subscribed(product, collection_schedule=collection))
        return sorted(one["type"] for one in invoices)

    yield Figure("in advance, June on its own", ["SCHEDULED", "USAGE"], kinds("ADVANCE"))
    yield Figure("in arrears", ["USAGE", "USAGE"], kinds("ARREARS"))


@probe("A-subscription-quantity")
def subscription_quantity(shop: Shop) -> Iterator[Figure]:
    """2 seats at 100 in June 2024: 5 from the 16th, 3 from the 21st, 5 again from the 26th."""
    product = seat(shop)
    contract = shop.contract(subscriptions=[subscribed(product, initial_quantity=2)], ending_before=JULY, **_MONTHLY)
    [made] = shop.read(contract)["subscriptions"]
    for day, quantity in ((16, 5), (21, 3), (26, 5)):
        change = {"starting_at": f"2024-06-{day}T00:00:00Z", "quantity": quantity}
        shop.edit(contract, update_subscriptions=[{"subscription_id": made["id"], "quantity_updates": [change]}])

    june = sum(line["total"] for one in shop.invoices() for line in one["line_items"] if line.get("subscription_id"))

    yield Figure("what June costs", 350, june)  # 2 * 100 + 3 * 100 * 15 / 30


@probe("A-subscription-breakdown")
def subscription_breakdown(shop: Shop) -> Iterator[Figure]:
    """The days of two months with a subscription in arrears, and with one in advance."""
    product = seat(shop)

    def days(collection: str) -> list[tuple[str, Any]]:
        billed(shop, subscribed(product, collection_schedule=collection))
        dates = f"starting_on={JUNE}&ending_before={AUGUST}&window_size=DAY&limit=100"
        rows = shop.lab.ask("GET", f"/v1/customers/{shop.customer}/invoices/breakdowns?{dates}")["data"]
        return [(one["breakdown_start_timestamp"][:10], one["total"]) for one in rows if one["total"] != 0]

    yield Figure("in arrears, where its month begins", [("2024-06-01", 100), ("2024-07-01", 100)], days("ARREARS"))
    # What June's invoice bills in advance is July's; the nearest day of June is its last.
    yield Figure("in advance, at the end that is nearest", [("2024-06-30", 100)], days("ADVANCE"))


@probe("A-composite-subscriptions")
def composite_subscriptions(shop: Shop) -> Iterator[Figure]:
    """A tenth of subscriptions in advance for June and July, one on usage invoices and one on scheduled invoices."""
    product = seat(shop)
    composite(shop, "Support", 0.1, composite_product_ids=[product])
    alone = {"billing_cycle_config": {"invoice_placement": "ON_SCHEDULED_INVOICE"}}

    def shares(**terms: Any) -> list[Any]:
        invoices = billed(shop, subscribed(product, **terms))
        return [total for one in invoices for name, _, _, total in shop.lines(one) if name == "Support"]

    # June's price has an invoice of its own, July's is on June's usage invoice: a tenth of both.
    yield Figure("of the first one", [20], shares())
    yield Figure("of the second one", [10, 10], shares(**alone))


@probe("A-subscription-changes")
def subscription_changes(shop: Shop) -> Iterator[Figure]:
    """Changes of seats in one edit; and of a quantity in months that are billed."""
    product = seat(shop)
    team = subscribed(product, **SEAT_BASED)
    del team["initial_quantity"]
    seats = shop.lasting(subscriptions=[team])
    quantity = shop.contract(subscriptions=[subscribed(product, initial_quantity=2)], ending_before=AUGUST, **_MONTHLY)

    def edit(contract: str, **changes: Any) -> int:
        [found] = shop.read(contract)["subscriptions"]
        return shop.edit_status(contract, update_subscriptions=[{"subscription_id": found["id"], **changes}])

    # b and c come, then c goes again; then a seat without a name, that would be b's if it came before.
    changes = {
        "add_unassigned_seats": [{"quantity": 1, "starting_at": AUGUST}],
        "remove_seat_ids": [{"seat_ids": ["c"], "starting_at": AUGUST}],
        "add_seat_ids": [{"seat_ids": ["b", "c"], "starting_at": AUGUST}],
    }
    yield Figure("an edit of seats", 200, edit(seats, seat_updates=changes))
    [subscription] = shop.read(seats)["subscriptions"]
    body = {**shop.named(seats), "subscription_id": subscription["id"], "covering_date": AUGUST}
    [found] = shop.lab.post("/v1/contracts/getSubscriptionSeatsHistory", body)["data"]
    yield Figure("seats with names", ["a", "b"], found["assigned_seat_ids"])
    yield Figure("seats in all", 3, found["total_quantity"])

    def change(to: int, starting_at: str) -> int:
        return edit(quantity, quantity_updates=[{"quantity": to, "starting_at": starting_at}])

    yield Figure("5 in place of 2 from July on, which is billed", 200, change(5, JULY))
    lines = [line for one in shop.invoices() for line in one["line_items"] if line.get("subscription_id")]
    july = sorted(line["quantity"] for line in lines if line["starting_at"][:10] == JULY[:10])
    yield Figure("the quantities that July is billed for", [2, 3], july)
    yield Figure("4 from June 20 on, which July would follow", 400, change(4, "2024-06-20T00:00:00Z"))


@probe("A-quantity-history")
def quantity_history(shop: Shop) -> Iterator[Figure]:
    """A subscription from the middle of June that falls from 5 to 2 in July; its price begins on July 1."""
    product = shop.lab.make(
        "/v1/contract-pricing/products/create", {"name": shop.called("seat"), "type": "SUBSCRIPTION"}
    )
    shop.rate(product, 100, starting_at=JULY, billing_frequency="MONTHLY")
    middle, fall = "2024-06-16T00:00:00Z", "2024-07-10T00:00:00Z"
    made = shop.lasting(subscriptions=[subscribed(product, starting_at=middle, initial_quantity=5)])
    [subscription] = shop.read(made)["subscriptions"]
    change = {"subscription_id": subscription["id"], "quantity_updates": [{"quantity": 2, "starting_at": fall}]}
    shop.edit(made, update_subscriptions=[change])

    body = {**shop.named(made), "subscription_id": subscription["id"]}
    history = shop.lab.post("/v1/contracts/getSubscriptionQuantityHistory", body)["data"]["history"]

    found = [(one["starting_at"][:10], item["quantity"], item["unit_price"]) for one in history for item in one["data"]]
    expected = [(middle[:10], 5, 0), (JULY[:10], 5, 100), (fall[:10], 2, 100)]
    yield Figure("dates, quantities, prices", expected, found)
