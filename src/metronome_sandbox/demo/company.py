"""Acme Inc by way of the official SDK: what it sends, and what it reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metronome import Metronome
from metronome.types.shared import Commit
from metronome.types.v1.contract_create_historical_invoices_params import Invoice as HistoricalInvoice
from metronome.types.v1.contract_create_historical_invoices_params import InvoiceUsageLineItem
from metronome.types.v1.customers.invoice import Invoice

from metronome_sandbox.demo.figures import Month

USD_CENTS = "USD (cents)"


@dataclass
class Acme:
    """Acme Inc in one tenant: a client, and the ids it works with."""

    client: Metronome
    customer_id: str
    contract_id: str
    product_id: str
    credit_type_id: str

    @classmethod
    def move_in(cls, client: Metronome) -> Acme:
        """Empty the client's tenant, load the scenario and return the company."""
        client.post("/sandbox/reset", cast_to=object)
        scenario: Any = client.post("/sandbox/scenarios/acme", cast_to=object)
        ids: Mapping[str, Mapping[str, str]] = scenario["ids"]
        usd = next(unit for unit in client.v1.pricing_units.list() if unit.name == USD_CENTS)
        return cls(
            client,
            ids["customers"]["Acme Inc"],
            ids["contracts"]["Acme 2024"],
            ids["products"]["API calls"],
            usd.id or "",
        )

    def historical(self, month: Month, line: InvoiceUsageLineItem) -> HistoricalInvoice:
        """Return the invoice of a month as the import wants it: quantities, no prices."""
        return {
            "customer_id": self.customer_id,
            "contract_id": self.contract_id,
            "credit_type_id": self.credit_type_id,
            "inclusive_start_date": month.starting_at,
            "exclusive_end_date": month.ending_before,
            "issue_date": month.issue_date,
            "usage_line_items": [line],
        }

    def line(self, month: Month) -> InvoiceUsageLineItem:
        """Return a line of API calls, still without its quantity."""
        return {
            "product_id": self.product_id,
            "inclusive_start_date": month.starting_at,
            "exclusive_end_date": month.ending_before,
        }

    def invoices(self) -> list[Invoice]:
        """Return every invoice of the company, oldest first."""
        return list(self.client.v1.customers.invoices.list(customer_id=self.customer_id))

    def commit(self) -> Commit:
        """Return the prepaid commit with balance and ledger."""
        balances = self.client.v1.contracts.list_balances(
            customer_id=self.customer_id, include_contract_balances=True, include_balance=True, include_ledgers=True
        )
        return next(balance for balance in balances if isinstance(balance, Commit))
