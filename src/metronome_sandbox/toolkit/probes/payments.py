"""Probes of payments: gates, and thresholds that buy. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from dateutil.relativedelta import relativedelta

from metronome_sandbox.toolkit.probes.lab import Figure, Json
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.subscriptions import seat, subscribed
from metronome_sandbox.toolkit.probes.table import CLOCK, WEBHOOK, Table

TABLE = Table()
probe = TABLE.probe


def _gated(shop: Shop, gate: str, **terms: Any) -> Json:
    """Return a commit of 100 from this hour on that costs 100 and is due this hour."""
    due = {"schedule_items": [{"timestamp": shop.this_hour, "amount": 100}]}
    config = {"payment_gate_type": gate, "tax_type": "NONE", **terms}
    times = {"starting_at": shop.this_hour, "ending_before": shop.at(24 * 300)}
    return shop.prepaid("C", 100, **times, invoice_schedule=due, payment_gate_config=config)


def _kinds(shop: Shop) -> list[tuple[str, Any]]:
    return [(one["status"], one["total"]) for one in shop.invoices("SCHEDULED")]


@probe("A-gated-commit")
def gated_commit(shop: Shop) -> Iterator[Figure]:
    """Commits that wait for payment: of two dates, of tomorrow, postpaid, and as they should be."""
    shop.product("P", 10)
    contract = shop.lasting()
    right = _gated(shop, "EXTERNAL")

    def status(**terms: Any) -> int:
        return shop.edit_status(contract, add_commits=[{**right, **terms}])

    def due(*dates: str) -> Json:
        return {"invoice_schedule": {"schedule_items": [{"timestamp": date, "amount": 50} for date in dates]}}

    yield Figure("two payments", 400, status(**due(shop.this_hour, shop.this_month)))
    tomorrow = shop.at(24 * shop.lab.now.day + 24)
    yield Figure("a payment to come", 400, status(**due(tomorrow)))
    yield Figure("a postpaid one", 400, status(type="POSTPAID"))
    yield Figure("as it should be", 200, status())


@probe("A-payment-gate")
def payment_gate(shop: Shop) -> Iterator[Figure]:
    """A commit with the gate STRIPE and a tax of 19."""
    shop.product("P", 10)
    tax = {"tax_type": "PRECALCULATED", "precalculated_tax_config": {"tax_amount": 19, "tax_name": "VAT"}}
    stripe = {"stripe_config": {"payment_type": "PAYMENT_INTENT"}}
    contract = shop.lasting()
    shop.edit(contract, add_commits=[_gated(shop, "STRIPE", **tax, **stripe)])

    expected = [("FINALIZED", 100)]
    yield Figure("its invoice", expected, shop.lab.eventually(expected, lambda: _kinds(shop)))
    yield Figure("what may be spent", ["C"], list(shop.balances()))


def _waiting(shop: Shop) -> str:
    """Make a contract with a commit that waits for its payment; return the contract's id."""
    shop.product("P", 10)
    contract = shop.lasting()
    shop.edit(contract, add_commits=[_gated(shop, "EXTERNAL")])
    return contract


@probe("A-gated-invoice")
def gated_invoice(shop: Shop) -> Iterator[Figure]:
    """The invoice of a commit that waits for its payment."""
    _waiting(shop)
    expected = [("FINALIZED", 100)]

    yield Figure("status and total", expected, shop.lab.eventually(expected, lambda: _kinds(shop)))
    [invoice] = shop.invoices("SCHEDULED")
    yield Figure("its lines", [("C", 1, 100, 100)], shop.lines(invoice))
    yield Figure("lines that name a commit", [], [line for line in invoice["line_items"] if "commit_id" in line])
    yield Figure("what may be spent", [], list(shop.balances()))


@probe("A-payment-outcome", needs=WEBHOOK)
def payment_outcome(shop: Shop) -> Iterator[Figure]:
    """A payment that is reported as paid, twice."""
    _waiting(shop)
    [payment] = shop.lab.ask("GET", "/sandbox/payments")["data"]
    body = {"workflow_id": payment["workflow_id"], "outcome": "PAID"}

    found = [shop.lab.status("/v1/contracts/commits/threshold-billing/release", body) for _ in range(2)]

    yield Figure("both times", [200, 400], found)
    yield Figure("what may be spent", ["C"], list(shop.balances()))


@probe("A-archive-waiting-payment")
def archive_waiting_payment(shop: Shop) -> Iterator[Figure]:
    """A contract that is archived, without its invoices, while a payment waits."""
    contract = _waiting(shop)
    waiting = [("FINALIZED", 100)]
    yield Figure("the invoice while it waits", waiting, shop.lab.eventually(waiting, lambda: _kinds(shop)))
    shop.lab.archive(contract, void_invoices=False)

    expected = [("VOID", 100)]
    yield Figure("the invoice afterwards", expected, shop.lab.eventually(expected, lambda: _kinds(shop)))


# --- thresholds


def _threshold(shop: Shop, amount: Any, recharge: Any = None, **terms: Any) -> Json:
    """Return a spend threshold, or with ``recharge`` a threshold of the prepaid balance."""
    found = {
        "is_enabled": True,
        "threshold_amount": amount,
        "commit": {"product_id": shop.commitment, "name": shop.called("bought")},
        "payment_gate_config": {"payment_gate_type": "NONE"},
        **terms,
    }
    return found if recharge is None else {**found, "recharge_to_amount": recharge}


def _bought(shop: Shop, contract: str) -> list[tuple[Any, str, str]]:
    """Return amount, first and last day of what a threshold bought."""
    return [
        (item["amount"], item["starting_at"][:10], item["ending_before"][:10])
        for one in shop.read(contract).get("commits", [])
        if shop.short(one.get("name") or "") == "bought"
        for item in one["access_schedule"]["schedule_items"]
    ]


def _next_month(shop: Shop) -> str:
    return (shop.lab.now.replace(day=1) + timedelta(days=32)).strftime("%Y-%m-01")


@probe("A-spend-threshold")
def spend_threshold(shop: Shop) -> Iterator[Figure]:
    """A spend threshold of 100, and usage of 90, then of 130 in all."""
    product = shop.product("P", 10)
    contract = shop.running(spend_threshold_configuration=_threshold(shop, 100))
    shop.use((product, 0, 9))
    yield Figure("bought at 90", [], _bought(shop, contract))
    shop.use((product, 0, 4))

    expected = [(130, shop.this_month[:10], _next_month(shop))]
    found = shop.lab.eventually(expected, lambda: _bought(shop, contract))
    yield Figure("bought at 130, and from when to when", expected, found)


@probe("A-unpaid-spend")
def unpaid_spend(shop: Shop) -> Iterator[Figure]:
    """A spend threshold of 100 beside a postpaid commit, and one beside a subscription; usage of 90, then of 110."""
    product = shop.product("P", 10)
    ends = shop.at(24 * 400)
    postpaid = shop.prepaid("C", 1000, starting_at=shop.this_month, ending_before=ends)
    postpaid["invoice_schedule"] = {"schedule_items": [{"timestamp": ends, "amount": 1000}]}
    arrears = subscribed(seat(shop), collection_schedule="ARREARS")
    contract = shop.running(
        ending_before=ends,
        commits=[{**postpaid, "type": "POSTPAID"}],
        subscriptions=[arrears],
        spend_threshold_configuration=_threshold(shop, 100),
    )
    shop.use((product, 0, 9))
    yield Figure("bought at 90, and 100 for a seat", [], _bought(shop, contract))
    shop.use((product, 0, 2))

    expected = [110]
    found = shop.lab.eventually(expected, lambda: [amount for amount, _, _ in _bought(shop, contract)])
    yield Figure("bought at 110, which the postpaid commit covers", expected, found)


@probe("A-prepaid-threshold")
def prepaid_threshold(shop: Shop) -> Iterator[Figure]:
    """A balance of 600, of which usage takes 99 and then 1 more, to a threshold of 500 that recharges to 2000."""
    product = shop.product("P", 1)
    credit = shop.credit("C", 600, starting_at=shop.this_month, ending_before=shop.at(24 * 300))
    threshold = _threshold(shop, 500, 2000)
    contract = shop.running(credits=[credit], prepaid_balance_threshold_configuration=threshold)
    shop.use((product, 0, 99))
    yield Figure("bought at a balance of 501", [], _bought(shop, contract))
    shop.use((product, 0, 1))

    today = shop.lab.now
    ends = (today + relativedelta(years=1)).strftime("%Y-%m-%d")
    expected = [(1500, today.strftime("%Y-%m-%d"), ends)]
    found = shop.lab.eventually(expected, lambda: _bought(shop, contract))
    yield Figure("bought at a balance of 500, and from when to when", expected, found)


@probe("A-threshold-minimums")
def threshold_minimums(shop: Shop) -> Iterator[Figure]:
    """Thresholds in US cents, in a unit that is worth 20 of them, and in euros."""
    unit = shop.lab.make("/v1/credit-types/create", {"name": shop.lab.name("unit")})
    types = shop.lab.ask("GET", "/v1/credit-types/list?limit=100")["data"]
    euro = next(one["id"] for one in types if one["name"] == "EUR")
    worth = {"custom_credit_type_id": unit, "fiat_per_custom_credit": 20}
    cents, euros = shop.new_card(credit_type_conversions=[worth]), shop.new_card(fiat_credit_type_id=euro)

    def status(card: str, amount: int, recharge: int, **terms: Any) -> int:
        threshold = _threshold(shop, amount, recharge, is_enabled=False, **terms)
        body = shop.contract_body(rate_card_id=card, prepaid_balance_threshold_configuration=threshold)
        return shop.lab.status("/v1/contracts/create", body)

    shop.__dict__["card"] = cents
    yield Figure("499 cents", 400, status(cents, 499, 2000))
    yield Figure("500 cents and 1000 more", 200, status(cents, 500, 1500))
    yield Figure("24 units, worth 480", 400, status(cents, 24, 100, custom_credit_type_id=unit))
    yield Figure("25 units and 50 more", 200, status(cents, 25, 75, custom_credit_type_id=unit))
    yield Figure("1 in euros and 1 more", 200, status(euros, 1, 2))


@probe("A-threshold-checks", needs=CLOCK)
def threshold_checks(shop: Shop) -> Iterator[Figure]:
    """A threshold of 500, and a balance that falls to 0 on June 20 as it ends; read ten days later."""
    shop.product("P", 10)
    credit = shop.credit("C", 1000, ending_before="2024-06-20T00:00:00Z")
    contract = shop.contract(credits=[credit], prepaid_balance_threshold_configuration=_threshold(shop, 500, 2000))
    yield Figure("bought while the balance is 1000", [], _bought(shop, contract))
    shop.lab.advance("2024-06-30T00:00:00Z")

    yield Figure("bought when it ends", [(2000, "2024-06-20", "2025-06-20")], _bought(shop, contract))
    invoices = [(one["status"], one["issued_at"][:10]) for one in shop.invoices("SCHEDULED")]
    yield Figure("its invoice", [("FINALIZED", "2024-06-20")], invoices)
