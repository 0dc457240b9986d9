"""Probes of recurring commits and credits, also of those that seats bring. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, SEPTEMBER, USD, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe


def _grants(shop: Shop, **terms: Any) -> list[tuple[str, Any]]:
    """Return start and amount of what a recurring credit of 310 grants from June to August."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "name": shop.called("G"),
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
        "ending_before": SEPTEMBER,
        **terms,
    }
    contract = shop.contract(recurring_credits=[recurring])
    body = {"customer_id": shop.customer, "contract_id": contract}
    found = shop.lab.post("/v2/contracts/get", body)["data"]["credits"]
    items = [item for one in found for item in one["access_schedule"]["schedule_items"]]
    return sorted((item["starting_at"][:10], item["amount"]) for item in items)


@probe("A-grants")
def grants(shop: Shop) -> Iterator[Figure]:
    """A recurring credit of 310 that starts on June 22 and ends on August 11, prorated."""
    dates = {"starting_at": "2024-06-22T00:00:00Z", "ending_before": "2024-08-11T00:00:00Z"}

    found = _grants(shop, **dates, proration="FIRST_AND_LAST")

    # Its months begin on the 22nd; July 22 to August 10 are 20 of 31 days: 310 * 20 / 31
    yield Figure("what it grants", [("2024-06-22", 310), ("2024-07-22", 200)], found)


@probe("A-grant-duration")
def grant_duration(shop: Shop) -> Iterator[Figure]:
    """Durations of 0, of one and a half periods, and of 2."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
    }
    for value, expected in ((0, 400), (1.5, 400), (2, 200)):
        granted = {**recurring, "commit_duration": {"unit": "PERIODS", "value": value}}
        status = shop.lab.status("/v1/contracts/create", shop.contract_body(recurring_credits=[granted]))
        yield Figure(f"{value} periods", expected, status)


@probe("A-grant-payment")
def grant_payment(shop: Shop) -> Iterator[Figure]:
    """A recurring commit of two months that costs 50 each."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "invoice_amount": {"credit_type_id": USD, "unit_price": 50, "quantity": 1},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
    }
    shop.contract(
        recurring_commits=[recurring], ending_before=AUGUST, usage_statement_schedule={"frequency": "MONTHLY"}
    )

    found = [(one["issued_at"][:10], one["total"]) for one in shop.invoices("SCHEDULED") if one["total"]]

    yield Figure("issue dates and totals", [("2024-06-01", 50), ("2024-07-01", 50)], found)


@probe("A-recurring-change")
def recurring_change(shop: Shop) -> Iterator[Figure]:
    """A free recurring commit that ended with June 2024: a price, and no end any more."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
        "ending_before": JULY,
    }
    contract = shop.lasting(recurring_commits=[recurring])
    [made] = shop.read(contract)["recurring_commits"]
    price = {"unit_price": 50, "quantity": 1}
    shop.edit(
        contract,
        update_recurring_commits=[
            {"recurring_commit_id": made["id"], "invoice_amount": price, "ending_before": shop.at(24 * 400)}
        ],
    )

    found = shop.read(contract)

    unit = found["recurring_commits"][0]["invoice_amount"]["credit_type_id"]
    yield Figure("the price is in US cents", True, unit == USD)
    starts = [item["starting_at"] for one in found["commits"] for item in one["access_schedule"]["schedule_items"]]
    # Times of the target are compared as text: all of them are UTC. What a month to come grants is not there yet.
    granted = [start[:10] for start in starts if start[:10] < shop.this_month[:10]]
    yield Figure("the months that it granted", ["2024-06-01"], granted)
