"""A small company whose old invoices are held to a real server, in few words, so that a test shows its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine, Subtotal
from metronome_sandbox.importer.preview import Outcome, previews
from metronome_sandbox.importer.rates import ContractRates
from metronome_sandbox.importer.reconcile import Judged, Reconciliation, State, judge, reconcile
from metronome_sandbox.toolkit.sandboxes import USD_CENTS, Sandbox

START = "2024-01-01T00:00:00Z"
OLD_YEAR = {"frequency": "MONTHLY", "invoice_generation_starting_at": "2025-01-01T00:00:00Z"}
CENT = Decimal("0.01")
Pairs = dict[str, str]


class Account(NamedTuple):
    """A customer and the contract that is imported into."""

    name: str
    customer_id: str
    contract_id: str


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Books:
    """A rate card, its products, and old invoices under contracts on it. Amounts are in cents, if in no other currency.

    Args:
        currency: Credit type of the rate card.
    """

    def __init__(self, sandbox: Sandbox, currency: str = USD_CENTS) -> None:
        self.sandbox = sandbox
        self.currency = currency
        self.sender = Sender(sandbox.base_url, sandbox.token, concurrency=2)
        self.names: dict[str, str] = {}
        self._lines = 1
        sandbox.clock.set("2025-01-02")
        self.card = self.made("/v1/contract-pricing/rate-cards/create", name="Prices", fiat_credit_type_id=currency)

    def close(self) -> None:
        self.sender.close()

    def made(self, path: str, **body: Any) -> str:
        made: str = self.sandbox.call("POST", path, body)["data"]["id"]
        return made

    # The target

    def product(self, name: str, *prices: float | tuple[float, float], groups: Sequence[str] = (), **rate: Any) -> str:
        """Make a usage product with a rate: one price, or tiers as (size, price) and the last price."""
        counted = {
            "group_keys": [list(groups)],
            "property_filters": [{"name": key, "exists": True} for key in groups],
        }
        metric = self.made(
            "/v1/billable-metrics/create", name=name, aggregation_type="COUNT", **(counted if groups else {})
        )
        more = {"pricing_group_key": list(groups)} if groups else {}
        product = self.made(
            "/v1/contract-pricing/products/create", name=name, type="USAGE", billable_metric_id=metric, **more
        )
        self.names[product] = name
        if prices:
            self.rate(product, *prices, **rate)
        return product

    def rate(
        self, product: str, *prices: float | tuple[float, float], starting_at: str = START, groups: Pairs | None = None
    ) -> None:
        """Price a product from an instant on."""
        tiers = [{"size": each[0], "price": each[1]} if isinstance(each, tuple) else {"price": each} for each in prices]
        price = {"rate_type": "FLAT", **tiers[0]} if len(tiers) == 1 else {"rate_type": "TIERED", "tiers": tiers}
        self.sandbox.call(
            "POST",
            "/v1/contract-pricing/rate-cards/addRate",
            {
                "rate_card_id": self.card,
                "product_id": product,
                "starting_at": starting_at,
                "entitled": True,
                **({"pricing_group_values": groups} if groups else {}),
                **price,
            },
        )

    def account(self, name: str = "Acme", *, prepaid: float | None = None, **terms: Any) -> Account:
        """Make a customer with a contract of 2024, whose invoices are all old ones; ``prepaid`` is a commit of it."""
        customer = self.made("/v1/customers", name=name)
        if prepaid is not None:
            terms["commits"] = [self.commit(prepaid)]
        contract = self.made(
            "/v1/contracts/create",
            **{
                "customer_id": customer,
                "rate_card_id": self.card,
                "starting_at": START,
                "usage_statement_schedule": OLD_YEAR,
                **terms,
            },
        )
        return Account(name, customer, contract)

    def commit(self, amount: float, **more: Any) -> dict[str, Any]:
        """Return a prepaid commit for the whole year."""
        span = {"starting_at": START, "ending_before": "2025-01-01T00:00:00Z"}
        access = {"credit_type_id": self.currency, "schedule_items": [{"amount": amount, **span}]}
        return {"type": "PREPAID", "product_id": self._prepaid(), "priority": 1, "access_schedule": access, **more}

    def _prepaid(self) -> str:
        known = next((product for product, name in self.names.items() if name == "Prepaid"), None)
        if known is None:
            known = self.made("/v1/contract-pricing/products/create", name="Prepaid", type="FIXED")
            self.names[known] = "Prepaid"
        return known

    # The old books

    def line(
        self,
        product: str,
        quantity: str | int | Sequence[str | int],
        amount: str | int | None = None,
        *,
        price: str | int | None = None,
        window: tuple[str, str] | None = None,
        groups: Pairs | None = None,
        shown: Pairs | None = None,
    ) -> LegacyLine:
        """Return an old line; its window is its invoice's unless given; several quantities are those of days."""
        days = () if isinstance(quantity, str | int) else tuple(map(Decimal, quantity))
        start, end = window or ("2024-06-01", "2024-07-01")
        self._lines += 1
        return LegacyLine(
            product_id=product,
            product_name=self.names[product],
            starting_at=utc(start),
            ending_before=utc(end),
            quantity=sum(days, Decimal(0)) if days else Decimal(str(quantity)),
            subtotals=tuple(
                Subtotal(utc(f"{start[:8]}{day:02}"), utc(f"{start[:8]}{day + 1:02}"), each)
                for day, each in enumerate(days, start=1)
            ),
            pricing_group_values=tuple((groups or {}).items()),
            presentation_group_values=tuple((shown or {}).items()),
            amount=None if amount is None else Decimal(amount),
            unit_price=None if price is None else Decimal(price),
            rows=(self._lines, self._lines),
        )

    def invoice(
        self,
        account: Account,
        *lines: LegacyLine,
        total: str | int | None = None,
        number: str = "INV-1",
        window: tuple[str, str] | None = None,
        contract_id: str | None = None,
    ) -> LegacyInvoice:
        """Return an old invoice; its total is the sum of its lines unless given, its period that of its first line."""
        amounts = [line.amount for line in lines if line.amount is not None]
        start, end = map(utc, window) if window else (lines[0].starting_at, lines[0].ending_before)
        return LegacyInvoice(
            number=number,
            customer_id=account.customer_id,
            customer_name=account.name,
            contract_id=contract_id or account.contract_id,
            credit_type_id=self.currency,
            starting_at=start,
            ending_before=end,
            issued_at=end,
            granularity="DAY" if any(line.subtotals for line in lines) else None,
            lines=lines,
            total=Decimal(total) if total is not None else sum(amounts) if amounts else None,
        )

    # Held to each other

    def outcomes(self, invoices: Iterable[LegacyInvoice], **options: Any) -> list[Outcome]:
        return list(previews(invoices, self.sender, lambda outcome: outcome, **options))

    def judged(self, *invoices: LegacyInvoice, tolerance: Decimal = CENT) -> list[Judged]:
        rates = ContractRates(self.sender)
        return list(previews(invoices, self.sender, lambda outcome: judge(outcome, rates, tolerance)))

    def reconciled(self, *invoices: LegacyInvoice, tolerance: Decimal = CENT) -> Reconciliation:
        judged = (each.lightened() for each in self.judged(*invoices, tolerance=tolerance))
        return reconcile(judged, tolerance)


def reasons(judged: Judged) -> list[tuple[str, str]]:
    """Return scope and kind of the first reason of each difference."""
    return [(each.scope, each.reasons[0].kind.value) for each in judged.differences]


__all__ = ["CENT", "Account", "Books", "State", "reasons", "utc"]
