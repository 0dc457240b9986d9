"""Customers whose old invoices are to be imported: a world on a sandbox, and the invoices as read from a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from metronome_sandbox.client.asking import Answer, value_of
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine, Subtotal

CREATE = "/v1/contracts/createHistoricalInvoices"
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
MONTHS = [datetime(2024, month, 1, tzinfo=UTC) for month in range(1, 9)]
"""From January; invoices are made by the target from August on."""

FILE = "legacy.csv"


def told(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return value_of(answer)


class Books:
    """A tenant with customers of two contracts each: prepaid, a credit for both, and a tiered product.

    Attributes:
        invoices: For each contract one a month, by contract and start.
    """

    def __init__(self, sender: Sender, customers: int = 2, months: int = 4) -> None:
        self.sender = sender
        ids = told(sender.send("POST", "/sandbox/scenarios/acme"))["ids"]
        self.products = {name: ids["products"][name] for name in ("API calls", "Storage")}
        self.payment = ids["products"]["Prepaid usage"]
        self.rate_card = ids["rate_cards"]["Acme list prices"]
        self.customers: list[str] = []
        self.invoices: list[LegacyInvoice] = []
        for number in range(customers):
            self._add_customer(number, months)
        self.invoices.sort(key=lambda invoice: (invoice.contract_id, invoice.starting_at))

    def _add_customer(self, number: int, months: int) -> None:
        name = f"Customer {number}"
        customer = self.post("/v1/customers", {"name": name})["id"]
        self.customers.append(customer)
        access = [{"amount": 20_000, "starting_at": "2024-01-01T00:00:00Z", "ending_before": "2025-01-01T00:00:00Z"}]
        self.post(
            "/v1/contracts/customerCredits/create",
            {
                "customer_id": customer,
                "product_id": self.payment,
                "priority": 1,
                "name": "Welcome",
                "access_schedule": {"credit_type_id": USD, "schedule_items": access},
            },
        )
        for contract_number in range(2):
            commit = [{**access[0], "amount": 50_000}]
            contract = self.post(
                "/v1/contracts/create",
                {
                    "customer_id": customer,
                    "rate_card_id": self.rate_card,
                    "starting_at": "2024-01-01T00:00:00Z",
                    "usage_statement_schedule": {
                        "frequency": "MONTHLY",
                        "invoice_generation_starting_at": "2024-08-01T00:00:00Z",
                    },
                    "commits": [
                        {
                            "name": "Prepaid",
                            "type": "PREPAID",
                            "product_id": self.payment,
                            "priority": 10,
                            "access_schedule": {"credit_type_id": USD, "schedule_items": commit},
                        }
                    ],
                },
            )["id"]
            self.invoices += (
                self.invoice(customer, name, contract, month, number + 3 * contract_number) for month in range(months)
            )

    def invoice(self, customer: str, name: str, contract: str, month: int, salt: int) -> LegacyInvoice:
        """Return the invoice of a month: a product by the day, and one as a whole."""
        start, end = MONTHS[month], MONTHS[month + 1]
        place = 2 + 10 * len(self.invoices)
        days = tuple(
            Subtotal(start + timedelta(days=day), start + timedelta(days=day + 1), Decimal(f"{salt + day}.25"))
            for day in range(3)
        )
        daily = sum((day.quantity for day in days), Decimal(0))
        whole = Decimal(7 * salt + 60 + month)
        return LegacyInvoice(
            number=f"{name[-1]}-{contract[:4]}-{month + 1}",
            customer_id=customer,
            customer_name=name,
            contract_id=contract,
            credit_type_id=USD,
            starting_at=start,
            ending_before=end,
            issued_at=end + timedelta(days=2),
            granularity="DAY",
            lines=(
                self.line("API calls", start, end, daily, days, (place, place + 2)),
                self.line("Storage", start, end, whole, (), (place + 3, place + 3)),
            ),
            total=None,
        )

    def line(
        self,
        product: str,
        start: datetime,
        end: datetime,
        quantity: Decimal,
        days: tuple[Subtotal, ...],
        rows: tuple[int, int],
    ) -> LegacyLine:
        return LegacyLine(self.products[product], product, start, end, quantity, days, (), (), None, None, rows)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return told(self.sender.send("POST", path, body))["data"]

    def of(self, customer: str) -> list[LegacyInvoice]:
        return [invoice for invoice in self.invoices if invoice.customer_id == customer]


def world(sender: Sender, customers: list[str]) -> list[Any]:
    """Return all usage invoices and all balances with their ledgers, without ids and in an order of their own."""
    seen = []
    for customer in customers:
        invoices = told(sender.send("GET", f"/v1/customers/{customer}/invoices?limit=100"))
        assert invoices["next_page"] is None
        names = {
            invoice["id"]: f"{invoice['contract_id']} {invoice.get('start_timestamp')}" for invoice in invoices["data"]
        }
        seen += [{**invoice, "id": None} for invoice in invoices["data"]]
        body = {"customer_id": customer, "include_ledgers": True, "include_contract_balances": True, "limit": 25}
        balances = told(sender.send("POST", "/v1/contracts/customerBalances/list", body))["data"]
        for balance in balances:
            for entry in balance["ledger"]:
                if "invoice_id" in entry:
                    entry["invoice_id"] = names[entry["invoice_id"]]
            balance["ledger"].sort(key=str)
        seen += balances
    return sorted(seen, key=str)
