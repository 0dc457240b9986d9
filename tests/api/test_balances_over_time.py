"""Commits and credits that change, recur, roll over and are trued up, as the wire shows them. Answers that break the
contract fail the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from api.conftest import Client

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
JUNE, JULY, YEAR_END = "2024-06-01T00:00:00Z", "2024-07-01T00:00:00Z", "2025-01-01T00:00:00Z"


class Tenant:
    """A customer with a product at 100 cents a unit, and a FIXED product to sell commits as."""

    def __init__(self, call: Client) -> None:
        self.call = call
        assert call("PUT", "/sandbox/clock", {"now": "2024-06-15T00:00:00Z"}).status == 200
        self.customer = self.id("/v1/customers", {"name": "Acme"})
        metric = self.id(
            "/v1/billable-metrics/create",
            {"name": "P", "aggregation_type": "COUNT", "event_type_filter": {"in_values": ["p"]}},
        )
        products = "/v1/contract-pricing/products/create"
        self.product = self.id(products, {"name": "P", "type": "USAGE", "billable_metric_id": metric})
        self.fixed = self.id(products, {"name": "Commitment", "type": "FIXED"})
        self.card = self.id("/v1/contract-pricing/rate-cards/create", {"name": "List"})
        rate = {"product_id": self.product, "rate_type": "FLAT", "price": 100, "starting_at": "2020-01-01T00:00:00Z"}
        self.post("/v1/contract-pricing/rate-cards/addRate", {"rate_card_id": self.card, "entitled": True, **rate})

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status == status, answer.body
        return answer.json

    def id(self, path: str, body: dict[str, Any]) -> str:
        return str(self.post(path, body)["data"]["id"])

    def mine(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        return self.post(path, {"customer_id": self.customer, **body}, status)

    def contract(self, **terms: Any) -> str:
        body = {"rate_card_id": self.card, "starting_at": JUNE, **terms}
        return str(self.mine("/v1/contracts/create", body)["data"]["id"])

    def balance(self, **filters: Any) -> Any:
        [found] = self.balances(**filters)
        return found

    def balances(self, **filters: Any) -> list[Any]:
        flags = {"include_contract_balances": True, "include_ledgers": True, "include_balance": True}
        return list(self.mine("/v1/contracts/customerBalances/list", {**flags, **filters})["data"])

    def use(self, count: int, at: str) -> None:
        events = [
            {"transaction_id": f"{at}-{n}", "customer_id": self.customer, "event_type": "p", "timestamp": at}
            for n in range(count)
        ]
        assert self.call("POST", "/v1/ingest", events).status == 200

    def advance(self, to: str) -> None:
        assert self.call("POST", "/sandbox/clock/advance", {"to": to}).status == 200

    def invoices(self, type: str) -> list[Any]:
        answer = self.call("GET", f"/v1/customers/{self.customer}/invoices")
        return [one for one in answer.json["data"] if one["type"] == type]

    def access(self, amount: int = 1000, ending_before: str = YEAR_END) -> dict[str, Any]:
        return {"schedule_items": [{"amount": amount, "starting_at": JUNE, "ending_before": ending_before}]}

    def commit(self, **others: Any) -> str:
        body = {
            "type": "PREPAID",
            "product_id": self.fixed,
            "priority": 10,
            "access_schedule": self.access(),
            "customer_id": self.customer,
        }
        return self.id("/v1/contracts/customerCommits/create", {**body, **others})

    def credit(self, **others: Any) -> str:
        body = {
            "product_id": self.fixed,
            "priority": 10,
            "access_schedule": self.access(),
            "customer_id": self.customer,
        }
        return self.id("/v1/contracts/customerCredits/create", {**body, **others})


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    app = create_app(Settings())
    yield Tenant(Client(app, "alice"))
    assert not app.server.contract_breaks


def kinds(balance: Any) -> list[tuple[str, int]]:
    return [(entry["type"], entry["amount"]) for entry in balance["ledger"]]


def test_an_entry_by_hand_has_a_reason_and_no_segment(tenant: Tenant) -> None:
    credit = tenant.credit()
    segment = tenant.balance()["access_schedule"]["schedule_items"][0]["id"]
    body = {"id": credit, "segment_id": segment, "amount": -250.5, "reason": "an outage", "uniqueness_key": "k"}

    assert tenant.mine("/v1/contracts/addManualBalanceLedgerEntry", body) is None
    tenant.mine("/v1/contracts/addManualBalanceLedgerEntry", body, status=409)

    balance = tenant.balance()
    assert balance["balance"] == Decimal("749.5")
    assert balance["ledger"][1] == {
        "type": "CREDIT_MANUAL",
        "timestamp": "2024-06-01T00:00:00+00:00",
        "amount": Decimal("-250.5"),
        "reason": "an outage",
    }


def test_amounts_by_seat_add_up_or_are_refused(tenant: Tenant) -> None:
    credit = tenant.credit()
    segment = tenant.balance()["access_schedule"]["schedule_items"][0]["id"]
    body = {"id": credit, "segment_id": segment, "amount": 3, "reason": "seats"}
    path = "/v1/contracts/addManualBalanceLedgerEntry"

    wrong = tenant.mine(path, {**body, "per_group_amounts": {"a": 1, "b": 1}}, status=400)
    nobody = tenant.mine(path, {**body, "per_group_amounts": {"a": 1, "b": 2}}, status=400)

    assert wrong["message"].startswith("per_group_amounts: add up to 2")
    assert nobody["message"].startswith("per_group_amounts.a: no seat 'a'")


def test_null_clears_and_absence_leaves(tenant: Tenant) -> None:
    contract = tenant.contract()
    credit = tenant.credit(applicable_product_tags=["a"], applicable_contract_ids=[contract])
    edit = {"credit_id": credit, "name": "Goodwill", "priority": None, "applicable_product_tags": None}

    assert tenant.mine("/v2/contracts/credits/edit", edit)["data"] == {"id": credit}

    balance = tenant.balance()
    assert (balance["name"], balance["priority"]) == ("Goodwill", 100)
    assert "applicable_product_tags" not in balance
    assert balance["applicable_contract_ids"] == [contract]


def test_a_commits_schedules_are_edited_item_by_item(tenant: Tenant) -> None:
    contract = tenant.contract()
    payments = {"schedule_items": [{"timestamp": "2024-09-01T00:00:00Z", "amount": 800}]}
    commit = tenant.commit(invoice_contract_id=contract, invoice_schedule=payments)
    before = tenant.balance()
    segment, payment = (before[name]["schedule_items"][0]["id"] for name in ("access_schedule", "invoice_schedule"))

    tenant.mine(
        "/v2/contracts/commits/edit",
        {
            "commit_id": commit,
            "rate_type": "commit_rate",
            "access_schedule": {
                "update_schedule_items": [{"id": segment, "amount": 2000}],
                "add_schedule_items": [{"amount": 5, "starting_at": YEAR_END, "ending_before": "2025-02-01T00:00:00Z"}],
            },
            "invoice_schedule": {
                "update_schedule_items": [{"id": payment, "unit_price": 400, "quantity": 3}],
                "add_schedule_items": [{"timestamp": "2024-10-01T00:00:00Z", "amount": 1}],
            },
        },
    )

    after = tenant.balance()
    assert before["cost_basis"] == Decimal("0.8")  # 800 / 1000
    assert after["rate_type"] == "COMMIT_RATE"
    assert [item["amount"] for item in after["access_schedule"]["schedule_items"]] == [2000, 5]
    assert [item["amount"] for item in after["invoice_schedule"]["schedule_items"]] == [1200, 1]
    assert after["cost_basis"] == Decimal("0.599002493765586")  # 1201 / 2005
    gone = {"remove_schedule_items": [{"id": segment}]}
    tenant.mine("/v2/contracts/commits/edit", {"commit_id": commit, "access_schedule": gone})
    assert [item["amount"] for item in tenant.balance()["access_schedule"]["schedule_items"]] == [5]


@pytest.mark.parametrize("kind", ["commits", "credits"])
def test_an_unknown_customer_is_a_400_with_a_code(tenant: Tenant, kind: str) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    body = {"customer_id": nobody, f"{kind[:-1]}_id": nobody}

    assert tenant.post(f"/v2/contracts/{kind}/edit", body, status=400)["code"] == "CustomerNotFound"
    assert tenant.post(f"/v2/contracts/{kind}/archive", body, status=400)["code"] == "CustomerNotFound"
    tenant.mine(f"/v2/contracts/{kind}/edit", {f"{kind[:-1]}_id": nobody}, status=404)


def test_archived_balances_have_no_ledger(tenant: Tenant) -> None:
    commit, credit = tenant.commit(name="commit"), tenant.credit(name="credit")

    tenant.mine("/v2/contracts/commits/archive", {"commit_id": commit})
    tenant.mine("/v2/contracts/credits/archive", {"credit_id": credit})

    assert tenant.balances() == []
    archived = tenant.balances(include_archived=True)
    assert [(one["balance"], "ledger" in one) for one in archived] == [(0, False), (0, False)]
    assert tenant.mine("/v2/contracts/commits/archive", {"commit_id": commit}, status=400)["message"]


def test_access_ends_earlier(tenant: Tenant) -> None:
    commit, credit = tenant.commit(), tenant.credit()
    path = "/v1/contracts/customer{}/updateEndDate"

    tenant.mine(path.format("Commits"), {"commit_id": commit, "access_ending_before": JULY})
    tenant.mine(path.format("Credits"), {"credit_id": credit, "access_ending_before": JULY})
    tenant.mine(path.format("Credits"), {"credit_id": credit, "access_ending_before": YEAR_END}, status=400)

    ends = [one["access_schedule"]["schedule_items"][0]["ending_before"] for one in tenant.balances()]
    assert ends == ["2024-07-01T00:00:00.000Z"] * 2


def test_g09b_a_true_up_names_the_postpaid_commit(tenant: Tenant) -> None:
    # 90 units * 100 = 9000 of 10000 are used; 1000 is billed.
    postpaid = {
        "type": "POSTPAID",
        "product_id": tenant.fixed,
        "name": "Minimum",
        "access_schedule": tenant.access(10000, JULY),
        "invoice_schedule": {"schedule_items": [{"timestamp": JULY, "amount": 10000}]},
    }
    tenant.contract(ending_before=JULY, commits=[postpaid])
    tenant.use(90, "2024-06-10T00:00:00Z")
    tenant.advance("2024-07-05T00:00:00Z")

    balance, [invoice] = tenant.balance(), tenant.invoices("SCHEDULED")
    [line] = invoice["line_items"]
    assert (invoice["status"], invoice["total"]) == ("FINALIZED", 1000)
    assert line["postpaid_commit"] == {"id": balance["id"]}
    assert (line["type"], line["commit_type"]) == ("commit_purchase", "PostpaidCommit")
    assert balance["ledger"][2] == {
        "type": "POSTPAID_COMMIT_TRUEUP",
        "timestamp": "2024-07-01T00:00:00+00:00",
        "amount": -1000,
        "invoice_id": invoice["id"],
        "contract_id": invoice["contract_id"],
    }
    assert balance["invoice_schedule"]["schedule_items"][0]["invoice_id"] == invoice["id"]
    assert balance["cost_basis"] == 1


def test_g09d_without_a_true_up_the_rest_expires(tenant: Tenant) -> None:
    postpaid = {
        "type": "POSTPAID",
        "product_id": tenant.fixed,
        "access_schedule": tenant.access(10000, JULY),
        "invoice_schedule": {"schedule_items": [{"timestamp": JULY, "amount": 10000}]},
    }
    contract = tenant.contract(ending_before=JULY, commits=[postpaid])
    commit = tenant.balance()["id"]

    answer = tenant.mine("/v1/contracts/commits/disableTrueup", {"commit_id": commit, "contract_id": contract})
    tenant.advance("2024-07-05T00:00:00Z")

    assert answer == {"data": {"id": commit}}
    assert tenant.invoices("SCHEDULED") == []
    assert kinds(tenant.balance()) == [
        ("POSTPAID_COMMIT_INITIAL_BALANCE", 10000),
        ("POSTPAID_COMMIT_EXPIRATION", -10000),
    ]


RECURRING: dict[str, Any] = {
    "priority": 5,
    "starting_at": "2024-06-20T00:00:00Z",
    "commit_duration": {"value": 1, "unit": "PERIODS"},
    "access_amount": {"unit_price": 3000, "quantity": 1, "credit_type_id": USD},
}


def test_recurring_commits_and_credits_are_granted_and_shown(tenant: Tenant) -> None:
    price = {"unit_price": 2000, "quantity": 1, "credit_type_id": USD}
    rounding = {"access": {"rounding_method": "FLOOR", "decimal_places": 0}}
    half = {
        "type": "MULTIPLIER",
        "multiplier": 0.5,
        "starting_at": JUNE,
        "is_commit_specific": True,
        "override_specifiers": [{"recurring_commit_ids": ["monthly"]}],
    }
    contract = tenant.contract(
        recurring_commits=[
            {
                **RECURRING,
                "product_id": tenant.fixed,
                "name": "Monthly",
                "invoice_amount": price,
                "proration_rounding": rounding,
                "rollover_fraction": 0.5,
                "temporary_id": "monthly",
            }
        ],
        recurring_credits=[
            {**RECURRING, "product_id": tenant.fixed, "recurrence_frequency": "weekly", "proration": "NONE"}
        ],
        overrides=[half],
    )
    tenant.advance("2024-06-27T00:00:00Z")

    shown = tenant.mine("/v2/contracts/get", {"contract_id": contract})["data"]
    [commit], [credit] = shown["recurring_commits"], shown["recurring_credits"]
    assert (commit["name"], commit["proration"], commit["invoice_amount"]) == ("Monthly", "FIRST_AND_LAST", price)
    assert (commit["anchor_date"], credit["anchor_date"]) == ("2024-06-01T00:00:00.000Z", "2024-06-20T00:00:00.000Z")
    assert credit["recurrence_frequency"] == "WEEKLY"
    assert shown["overrides"][0]["override_specifiers"] == [{"recurring_commit_ids": [commit["id"]]}]
    # June 20 to 30 are 11 of 30 days: 3000 * 11 / 30 = 1100, paid with 2000 * 11 / 30 = 733.33...
    # Reference, pricing 5.3 no. 21: a cost basis of 20 / 30.
    first, *weeks = tenant.balances()
    assert (first["type"], first["recurring_commit_id"], first["balance"]) == ("PREPAID", commit["id"], 1100)
    assert first["cost_basis"] == Decimal("0.666666666666667")
    assert "created_by" not in first
    assert [(one["type"], one["recurring_credit_id"]) for one in weeks] == [("CREDIT", credit["id"])] * 2
    assert [one["created_at"] for one in weeks] == ["2024-06-20T00:00:00.000Z", "2024-06-27T00:00:00.000Z"]
    assert [one["id"] for one in shown["commits"]] == [first["id"]]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"access_amount": {"unit_price": 1, "credit_type_id": USD}}, 400, "access_amount.quantity: is missing"),
        ({"commit_duration": {"value": 0.5}}, 400, "commit_duration.value: 0.5 is not a whole number"),
        ({"starting_at": "2024-05-01T00:00:00Z"}, 400, "is before the contract's start"),
        (
            {"subscription_config": {"subscription_id": "s", "apply_seat_increase_config": {"is_prorated": True}}},
            400,
            "must not specify a quantity if a subscription is configured",
        ),
    ],
)
def test_a_recurring_commit_that_breaks_a_rule_is_refused(
    tenant: Tenant, change: dict[str, Any], status: int, message: str
) -> None:
    body = {"rate_card_id": tenant.card, "starting_at": JUNE}
    terms = {**RECURRING, "product_id": tenant.fixed, **change}

    answer = tenant.mine("/v1/contracts/create", {**body, "recurring_commits": [terms]}, status=status)

    assert answer["message"].startswith("recurring_commits[0].")
    assert message in answer["message"]


def test_g33_a_discounted_commit_has_a_cost_basis_and_leaves_prices_alone(tenant: Tenant) -> None:
    commit = {
        "type": "PREPAID",
        "product_id": tenant.fixed,
        "access_schedule": tenant.access(100000),
        "invoice_schedule": {"schedule_items": [{"timestamp": JUNE, "amount": 80000}]},
    }
    tenant.contract(commits=[commit])
    tenant.use(10, "2024-06-10T00:00:00Z")

    [usage, *_], [payment] = tenant.invoices("USAGE"), tenant.invoices("SCHEDULED")
    assert [line["unit_price"] for line in usage["line_items"][:1]] == [100]
    assert [line["total"] for line in usage["line_items"]] == [1000, -1000]  # 10 * 100
    assert (usage["total"], payment["total"]) == (0, 80000)
    balance = tenant.balance()
    assert (balance["balance"], balance["cost_basis"]) == (99000, Decimal("0.8"))  # 100000 - 1000; 80000 / 100000


def test_a_snapshot_keeps_grants_entries_and_rollovers(tenant: Tenant) -> None:
    credit = {**RECURRING, "product_id": tenant.fixed, "rollover_fraction": 1}
    old = tenant.contract(recurring_credits=[credit], starting_at=JUNE)
    tenant.advance("2024-06-21T00:00:00Z")
    balance = tenant.balance()
    entry = {"id": balance["id"], "segment_id": balance["access_schedule"]["schedule_items"][0]["id"], "amount": -7}
    tenant.mine("/v1/contracts/addManualBalanceLedgerEntry", {**entry, "contract_id": old, "reason": "r"})
    tenant.contract(starting_at=JULY, transition={"type": "RENEWAL", "from_contract_id": old})
    before = tenant.balances()

    snapshot = tenant.call("GET", "/sandbox/snapshot").body
    assert tenant.call("POST", "/sandbox/reset").status == 200
    assert tenant.call("PUT", "/sandbox/snapshot", snapshot).status == 200

    assert len(before) == 2
    assert tenant.balances() == before
    tenant.advance("2024-07-02T00:00:00Z")
    assert [one["balance"] for one in tenant.balances()] == [0, 1093]  # 3000 * 11 / 30 - 7


def test_g18_a_rollover_says_where_it_comes_from(tenant: Tenant) -> None:
    commit = {
        "type": "PREPAID",
        "product_id": tenant.fixed,
        "name": "Year",
        "access_schedule": tenant.access(1000, JULY),
        "rollover_fraction": 0.5,
    }
    old = tenant.contract(ending_before=JULY, commits=[commit])
    tenant.use(4, "2024-06-10T00:00:00Z")
    new = tenant.contract(starting_at=JULY, transition={"type": "RENEWAL", "from_contract_id": old})
    tenant.advance("2024-07-05T00:00:00Z")

    source, target = tenant.balances()
    # 1000 - 4 * 100 = 600 are left, at most 0.5 * 1000 = 500 roll over.
    assert source["ledger"][2] == {
        "type": "PREPAID_COMMIT_ROLLOVER",
        "timestamp": "2024-07-01T00:00:00+00:00",
        "amount": -500,
        "segment_id": source["access_schedule"]["schedule_items"][0]["id"],
        "new_contract_id": new,
    }
    assert kinds(source)[3] == ("PREPAID_COMMIT_EXPIRATION", -100)
    assert target["rolled_over_from"] == {"commit_id": source["id"], "contract_id": old}
    assert target["access_schedule"]["schedule_items"][0]["amount"] == 500
    assert kinds(target) == [("PREPAID_COMMIT_SEGMENT_START", 500)]
    assert (target["balance"], target["created_at"]) == (500, "2024-07-01T00:00:00.000Z")
    assert "cost_basis" not in target
