"""A plain loader of histories into a sandbox in this process, and what the sandbox made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from api.conftest import Client

from metronome_sandbox.api.app import create_app
from metronome_sandbox.generator.ids import id_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Profile
from metronome_sandbox.generator.requests import Creation, JsonObject, Requests
from metronome_sandbox.generator.world import History, Invoice

ENCODER = msgspec.json.Encoder(decimal_format="number")
HISTORICAL = "/v1/contracts/createHistoricalInvoices"


@dataclass
class Loader:
    """Sends what a run of the generator made, with the server's ids in place of its own."""

    profile: Profile
    seed: int
    start: date
    months: int
    client: Client = field(default_factory=lambda: Client(create_app(), "generated"))
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = Requests(self.profile, self.seed)

    def post(self, path: str, body: JsonObject) -> Any:
        text = ENCODER.encode(self.translated(body)).decode()
        answer = self.client("POST", path, text)
        assert answer.status == 200, f"{path}: {answer.body.decode()[:500]}"
        return json.loads(answer.body, parse_float=Decimal, parse_int=Decimal).get("data")

    def translated(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.translated(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.translated(one) for one in value]
        return self.ids.get(value, value) if isinstance(value, str) else value

    def create(self, creation: Creation) -> None:
        made = self.post(creation.path, creation.body)
        self.ids[id_of(self.seed, self.profile.name, creation.kind, creation.key)] = made["id"]

    def catalog(self) -> None:
        for creation in self.requests.catalog():
            self.create(creation)
        for body in self.requests.rates():
            self.post("/v1/contract-pricing/rate-cards/addRates", body)

    def history(self, history: History) -> list[tuple[Invoice, JsonObject]]:
        """Load a customer and return each invoice with what the sandbox answered."""
        self.create(self.requests.customer(history.customer))
        for contract in history.contracts:
            self.create(self.requests.contract(contract, months_after(self.start, self.months)))
        imported: list[tuple[Invoice, JsonObject]] = []
        for batch in batches(history):
            body = {"preview": False, "invoices": [self.requests.invoice(history, invoice) for invoice in batch]}
            for invoice, answer in zip(batch, self.post(HISTORICAL, body), strict=True):
                self.ids[id_of(self.seed, self.profile.name, "invoice", invoice.key)] = answer["id"]
                imported.append((invoice, answer))
            if batch[-1].key in {invoice.corrects for invoice in history.invoices}:
                self.post("/v1/invoices/void", self.requests.void(batch[-1]))
        return imported


def batches(history: History) -> Iterable[list[Invoice]]:
    """Cut a customer's invoices after each one that is found wrong: it is voided before the next is imported."""
    wrong = {invoice.corrects for invoice in history.invoices}
    batch: list[Invoice] = []
    for invoice in history.invoices:
        batch.append(invoice)
        if invoice.key in wrong:
            yield batch
            batch = []
    if batch:
        yield batch


def paid_by(answer: JsonObject) -> dict[str, Decimal]:
    """Return what each balance paid, by the balance's name; of one contract no two have the same."""
    paid: dict[str, Decimal] = {}
    for line in answer["line_items"]:
        if line["type"] == "applied_commit_or_credit":
            name = line["name"].removesuffix(" applied")
            paid[name] = paid.get(name, Decimal(0)) - line["total"]
    return paid
