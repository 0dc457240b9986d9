"""A customer with a rate card: what most probes begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from metronome_sandbox.toolkit.probes.lab import DECEMBER, JULY, JUNE, LONG_AGO, USD, YEAR_END, Json, Lab

Tiers = Sequence[tuple[Any, Any]]


class Shop:
    """A customer with a rate card, and short ways to the things that a probe is about.

    Lines of an invoice are read as ``(name, quantity, unit price, total)``, with the short names that the probe gave.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.customer = lab.make("/v1/customers", {"name": lab.name("customer")})
        self.names: dict[str, str] = {}
        """Short name of each product, commit and credit by the name that it has on the target."""

    # the catalog

    @cached_property
    def card(self) -> str:
        """The id of the rate card."""
        return self.new_card()

    def new_card(self, **terms: Any) -> str:
        """Make a rate card; return its id."""
        path = "/v1/contract-pricing/rate-cards/create"
        return self.lab.make(path, {"name": self.lab.name("card"), "fiat_credit_type_id": USD, **terms})

    def called(self, short: str) -> str:
        """Return a name of one's own for a short one."""
        name = self.lab.name(short)
        self.names[name] = short
        return name

    def metric(self, keys: Sequence[str] = (), **terms: Any) -> str:
        """Make a metric that adds up ``quantity``; return its id. Its event type is its own id's name."""
        name = self.lab.name("metric")
        filters = [{"name": key, "exists": True} for key in ("quantity", *keys)]
        body: Json = {
            "name": name,
            "aggregation_type": "SUM",
            "aggregation_key": "quantity",
            "event_type_filter": {"in_values": [name]},
            "property_filters": filters,
            **({"group_keys": [list(keys)]} if keys else {}),
            **terms,
        }
        made = self.lab.make("/v1/billable-metrics/create", body)
        self._event_types[made] = name
        return made

    @cached_property
    def _event_types(self) -> dict[str, str]:
        return {}

    def product(
        self,
        short: str,
        price: Any = None,
        *,
        tiers: Tiers | None = None,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        rate: Mapping[str, Any] | None = None,
        metric: str | None = None,
        **terms: Any,
    ) -> str:
        """Make a USAGE product with a rate since January 2024 where there is a price; return its id.

        Args:
            tiers: Size and price of each; the last size may be None.
            keys: Presentation group keys.
            rate: Further fields of the rate.
            metric: Its metric; a new one that adds up ``quantity`` where there is none.
            terms: Further fields of the product.
        """
        metric = metric or self.metric(keys)
        body: Json = {
            "name": self.called(short),
            "type": "USAGE",
            "billable_metric_id": metric,
            "tags": list(tags),
            **terms,
        }
        if keys:
            body["presentation_group_key"] = list(keys)
        made = self.lab.make("/v1/contract-pricing/products/create", body)
        self._event_types[made] = self._event_types[metric]
        if price is not None or tiers is not None:
            self.rate(made, price, tiers=tiers, **(rate or {}))
        return made

    def rate(self, product: str, price: Any = None, *, tiers: Tiers | None = None, **terms: Any) -> None:
        """Add a rate of the card."""
        self.lab.post("/v1/contract-pricing/rate-cards/addRate", self.rate_body(product, price, tiers=tiers, **terms))

    def rate_body(self, product: str, price: Any = None, *, tiers: Tiers | None = None, **terms: Any) -> Json:
        """Return what adds a rate of the card."""
        priced = (
            {"rate_type": "FLAT", "price": price} if tiers is None else {"rate_type": "TIERED", "tiers": ladder(tiers)}
        )
        body = {"rate_card_id": self.card, "product_id": product, "starting_at": LONG_AGO, "entitled": True}
        return {**body, **priced, **terms}

    @cached_property
    def commitment(self) -> str:
        """A FIXED product that commits are sold as."""
        body = {"name": self.called("commitment"), "type": "FIXED"}
        return self.lab.make("/v1/contract-pricing/products/create", body)

    # terms

    def credit(
        self,
        short: str,
        amount: Any,
        *,
        starting_at: str = JUNE,
        ending_before: str = YEAR_END,
        **terms: Any,
    ) -> Json:
        """Return a credit as a contract's creation takes it."""
        item = {"amount": amount, "starting_at": starting_at, "ending_before": ending_before}
        access = {"access_schedule": {"schedule_items": [item], "credit_type_id": USD}}
        return {"name": self.called(short), "product_id": self.commitment, **access, **terms}

    def prepaid(self, short: str, amount: Any, *, paid: Any = None, **terms: Any) -> Json:
        """Return a prepaid commit as a contract's creation takes it; ``paid`` is invoiced for it on June 1."""
        body = {**self.credit(short, amount, **terms), "type": "PREPAID"}
        if paid is not None:
            body.setdefault("invoice_schedule", {})
            body["invoice_schedule"] |= {"schedule_items": [{"timestamp": JUNE, "amount": paid}]}
        return body

    def contract(self, **terms: Any) -> str:
        """Make a contract from June 2024 to the end of the year, all of it but December billed elsewhere."""
        return self.lab.make("/v1/contracts/create", self.contract_body(**terms))

    @staticmethod
    def _billed_elsewhere(until: str) -> Json:
        return {"frequency": "MONTHLY", "invoice_generation_starting_at": until}

    def contract_body(self, **terms: Any) -> Json:
        """Return what makes a contract."""
        return {
            "customer_id": self.customer,
            "rate_card_id": self.card,
            "name": self.lab.name("contract"),
            "starting_at": JUNE,
            "ending_before": YEAR_END,
            "usage_statement_schedule": self._billed_elsewhere(DECEMBER),
            **terms,
        }

    def lasting(self, **terms: Any) -> str:
        """Make a contract that is still in force, and bills nothing by itself for a year to come."""
        usual = {
            "ending_before": self.at(24 * 800),
            "usage_statement_schedule": self._billed_elsewhere(self.at(24 * 400)),
        }
        return self.contract(**{**usual, **terms})

    def named(self, contract: str) -> Json:
        """Return what names a contract in a request."""
        return {"customer_id": self.customer, "contract_id": contract}

    def read(self, contract: str, **terms: Any) -> Json:
        """Return a contract as v2 shows it."""
        return dict(self.lab.post("/v2/contracts/get", {**self.named(contract), **terms})["data"])

    def edit(self, contract: str, **terms: Any) -> None:
        """Edit a contract."""
        self.lab.post("/v2/contracts/edit", {**self.named(contract), **terms})

    def edit_status(self, contract: str, **terms: Any) -> int:
        """Return the status of an edit of which that is the question."""
        return self.lab.status("/v2/contracts/edit", {**self.named(contract), **terms})

    def lasting_credit(self, short: str, amount: Any, **terms: Any) -> Json:
        """Return a credit from June 2024 that has not expired yet."""
        return self.credit(short, amount, ending_before=self.at(24 * 400), **terms)

    def running(self, **terms: Any) -> str:
        """Make a contract that bills by itself since the start of this month, in the target's time."""
        usual: Json = {"starting_at": self.this_month, "usage_statement_schedule": {"frequency": "MONTHLY"}}
        body = {**self.contract_body(), **usual, **terms}
        body.pop("ending_before", None)
        return self.lab.make("/v1/contracts/create", body)

    @property
    def this_hour(self) -> str:
        """The start of the running hour."""
        return self.at((self.lab.now.day - 1) * 24 + self.lab.now.hour)

    @property
    def this_month(self) -> str:
        """The start of the running month."""
        return self.at(0)

    def at(self, hours: float) -> str:
        """Return the instant so many hours after the start of the running month."""
        start = self.lab.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (start + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # invoices

    def historical(
        self,
        contract: str,
        lines: Sequence[tuple[str, Any]],
        starting_at: str = JUNE,
        ending_before: str = JULY,
        **terms: Any,
    ) -> Json:
        """Return an invoice to import. A line is a product and its quantity, or its fields."""
        window = {"inclusive_start_date": starting_at, "exclusive_end_date": ending_before}
        return {
            "customer_id": self.customer,
            "contract_id": contract,
            "credit_type_id": USD,
            "issue_date": ending_before,
            **window,
            "usage_line_items": [
                {"product_id": product, **window, **(used if isinstance(used, dict) else {"quantity": used})}
                for product, used in lines
            ],
            **terms,
        }

    def preview(self, contract: str, lines: Sequence[tuple[str, Any]], *span: str, **terms: Any) -> Json:
        """Return the invoice that an import would make."""
        return self.import_all([self.historical(contract, lines, *span, **terms)], preview=True)[0]

    def bill(self, contract: str, lines: Sequence[tuple[str, Any]], *span: str, **terms: Any) -> Json:
        """Import an invoice and return it."""
        return self.import_all([self.historical(contract, lines, *span, **terms)], preview=False)[0]

    def import_all(self, invoices: Sequence[Json], *, preview: bool) -> list[Json]:
        """Import or preview invoices in one call."""
        body = {"invoices": list(invoices), "preview": preview}
        return list(self.lab.post("/v1/contracts/createHistoricalInvoices", body)["data"])

    def import_status(self, invoice: Json, *, preview: bool = True) -> int:
        """Return the status of an import of which that is the question."""
        return self.lab.status("/v1/contracts/createHistoricalInvoices", {"invoices": [invoice], "preview": preview})

    def metered(self, contract: str, *events: tuple[str, float, Any]) -> Json:
        """Return the draft of the running month with these events in place of any others: product, hour, quantity."""
        body = {"events": [self.event(*event) for event in events], "mode": "replace"}
        found = self.lab.post(f"/v1/customers/{self.customer}/previewEvents", body)["data"]
        return next(one for one in found if one["type"] == "USAGE" and one.get("contract_id", contract) == contract)

    def event(self, product: str, hour: float, quantity: Any, **properties: str) -> Json:
        """Return an event of the running month."""
        return {
            "transaction_id": self.lab.name("event"),
            "event_type": self._event_types[product],
            "timestamp": self.at(hour),
            "properties": {"quantity": str(quantity), **properties},
        }

    def use(self, *events: tuple[str, float, Any], **properties: str) -> None:
        """Send events of the running month: product, hour, quantity."""
        sent = [
            {**self.event(product, hour, quantity, **properties), "customer_id": self.customer}
            for product, hour, quantity in events
        ]
        self.lab.ask("POST", "/v1/ingest", sent)

    def invoices(self, kind: str | None = None) -> list[Json]:
        """Return the customer's invoices, oldest first."""
        found = self.lab.ask("GET", f"/v1/customers/{self.customer}/invoices?limit=100&sort=date_asc")["data"]
        return [one for one in found if kind in (None, one["type"])]

    def lines(self, invoice: Json) -> list[tuple[str, Any, Any, Any]]:
        """Return name, quantity, unit price and total of each line; zero lines are left out."""
        return [
            (self.short(line["name"]), line.get("quantity"), line.get("unit_price"), line["total"])
            for line in invoice["line_items"]
            if line["total"] != 0 or line.get("quantity", 0) != 0
        ]

    def spent(self, invoice: Json) -> dict[str, Decimal]:
        """Return what each commit and credit paid of an invoice, by short name."""
        found: dict[str, Decimal] = {}
        for name, _, _, total in self.lines(invoice):
            if name.endswith(" applied"):
                short = name.removesuffix(" applied")
                found[short] = found.get(short, Decimal(0)) - total
        return found

    def short(self, text: str) -> str:
        """Return a text of the target with short names in it."""
        for name, short in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(name, short)
        return text

    # balances

    def balances(self, **filters: Any) -> dict[str, Json]:
        """Return the customer's commits and credits with ledgers and balance, by short name."""
        flags = {"include_contract_balances": True, "include_ledgers": True, "include_balance": True}
        body = {"customer_id": self.customer, **flags, **filters}
        found = self.lab.post("/v1/contracts/customerBalances/list", body)["data"]
        return {self.short(one.get("name") or ""): one for one in found}

    def void(self, invoice: Json) -> None:
        """Void an invoice."""
        self.lab.post("/v1/invoices/void", {"id": invoice["id"]})


def ladder(tiers: Tiers) -> list[Json]:
    """Return tiers as the API takes them."""
    return [{"price": price} if size is None else {"size": size, "price": price} for size, price in tiers]


def total(invoice: Json) -> Any:
    """Return an invoice's total."""
    return invoice["total"]


def ledger(balance: Json) -> list[tuple[str, Any]]:
    """Return type and amount of each entry."""
    return [(entry["type"], entry["amount"]) for entry in balance["ledger"]]
