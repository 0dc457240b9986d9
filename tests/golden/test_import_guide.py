"""Worked examples of imports, periods and balances, played through the services and the real store.

``imports_api.yaml`` is a list of rows. A row is a world and what is done to it, step by step; a step does one thing and
says what is true afterwards, in the notation of the reference (section 5, see ``worlds``). Every scalar is text. What a
step lists it lists completely: all lines of an invoice, all invoices of the customer, all entries of a ledger.

The rows of ``test_golden.py`` price one invoice after the other in the domain alone. These find out whether the
services put the right things together: what is stored, what a draft sees, what time does.
"""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from worlds import World, headline, shown_period

from metronome_sandbox.api.app import create_app
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.services.historical_invoices import HistoricalInvoice

TABLE = Path(__file__).with_name("imports_api.yaml")


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of a row. A key that is not listed fails, so that a misspelt check is not a missing one."""


class ProductIs(Strict):
    """A price or a ladder of ``[size, price]``, the last without size: ``["", price]``."""

    price: str | None = None
    tiers: list[tuple[str, str]] | None = None


class ContractIs(Strict):
    """``generation`` is ``usage_statement_schedule.invoice_generation_starting_at``."""

    starting_at: str = "2024-06-01"
    ending_before: str | None = None
    generation: str | None = None
    frequency: str = "MONTHLY"
    day: str = "FIRST_OF_MONTH"
    anchor: str | None = None


class BalanceIs(Strict):
    """A commit or credit of the contract; segments are ``[amount, period]``."""

    segments: list[tuple[str, str]]
    type: str = "PREPAID"
    priority: str = "100"


class HistoricalIs(Strict):
    """An invoice of an import; usage is ``product: quantity`` or ``product: {window start: quantity}``."""

    period: str
    usage: dict[str, str | dict[str, str]]
    issue_date: str | None = None
    granularity: str | None = None


class InvoiceIs(Strict):
    """``headline``: type, period, status, issue time, total."""

    headline: str
    lines: list[str]


class Refused(Strict):
    """An import that must not go through: nothing of it may be stored, and the message must match."""

    batch: list[HistoricalIs]
    message: str
    """A regular expression that the beginning of the message matches; it names the path."""
    product_ids: dict[str, str] = {}
    """Names that stand for ids which the tenant does not have."""
    with_quantity: str | None = None
    """Set beside the subtotals of the first line."""


class Net(Strict):
    """The two net balances."""

    finalized: str
    finalized_and_draft: str


class BreakdownIs(Strict):
    """All windows of a stretch of time, by their start."""

    size: str
    during: str
    windows: dict[str, list[str]]


class Step(Strict):
    """One action (the first group) and what is true after it (the second).

    Attributes:
        preview, import_: By label, in the order of the request; ``answer`` is what comes back, by label and in order.
        use: ``[product, instant, quantity]``.
        void, regenerate: A label. What is regenerated takes the label over.
        unchanged: Nothing in the store differs from before the step.
    """

    preview: dict[str, HistoricalIs] = {}
    import_: dict[str, HistoricalIs] = msgspec.field(default={}, name="import")
    refused: Refused | None = None
    use: list[tuple[str, str, str]] = []
    travel: str | None = None
    void: str | None = None
    regenerate: str | None = None

    answer: dict[str, InvoiceIs] | None = None
    finalized: list[str] | None = None
    invoices: list[InvoiceIs] | None = None
    left: dict[str, str] = {}
    net: Net | None = None
    ledger: dict[str, list[str]] = {}
    breakdowns: BreakdownIs | None = None
    unchanged: bool = False


class Row(Strict):
    """One example."""

    name: str
    source: str
    steps: list[Step]
    now: str = "2024-08-15"
    products: dict[str, ProductIs] = msgspec.field(default_factory=lambda: {"P": ProductIs("1000")})
    contract: ContractIs = ContractIs(generation="2024-08-01")
    balances: dict[str, BalanceIs] = {}


class Play:
    """A row's world on its way through the steps."""

    def __init__(self, row: Row) -> None:
        self.world = World(row.now)
        for name, product in row.products.items():
            tiers = None if product.tiers is None else [(size or None, price) for size, price in product.tiers]
            self.world.product(name, product.price, tiers=tiers)
        self.world.contract(
            **msgspec.structs.asdict(row.contract),
            commits=[
                self.world.new_balance(name, about.type, *about.segments, priority=about.priority)
                for name, about in row.balances.items()
            ],
        )
        self.by_label: dict[str, Invoice] = {}

    def play(self, step: Step) -> None:
        world = self.world
        before = world.dump()
        events = world.travel(step.travel) if step.travel is not None else []
        for product, at, quantity in step.use:
            world.use(product, at, quantity)
        if step.refused is not None:
            self._be_refused(step.refused)
        if step.void is not None:
            world.void(self.by_label[step.void])
        if step.regenerate is not None:
            again = world.regenerate(self.by_label[step.regenerate])
            assert again.id != self.by_label[step.regenerate].id
            self.by_label[step.regenerate] = again
        for asked, call in ((step.preview, world.preview), (step.import_, world.import_)):
            if asked:
                answered = call(*map(self._historical, asked.values()))
                if call == world.import_:
                    self.by_label |= dict(zip(asked, answered, strict=True))
                if step.answer is not None:
                    wanted = [(label, msgspec.to_builtins(about)) for label, about in step.answer.items()]
                    assert list(zip(asked, map(self._shown, answered), strict=True)) == wanted
        if step.finalized is not None:
            finalized = [event for event in events if event.type == "invoice.finalized"]
            assert [self._period(event.invoice_id) for event in finalized] == step.finalized
        self._check(step)
        if step.unchanged or step.refused is not None:
            assert world.dump() == before

    def _check(self, step: Step) -> None:
        world = self.world
        if step.invoices is not None:
            assert [self._shown(one) for one in world.invoices()] == msgspec.to_builtins(step.invoices)
        assert {name: world.left(name) for name in step.left} == step.left
        assert {name: world.ledger(name) for name in step.ledger} == step.ledger
        if step.net is not None:
            assert Net(world.net(with_drafts=False), world.net(with_drafts=True)) == step.net
        if step.breakdowns is not None:
            asked = step.breakdowns
            assert world.breakdowns(asked.size, asked.during) == asked.windows

    def _historical(self, about: HistoricalIs) -> HistoricalInvoice:
        size = about.granularity or "DAY"
        lines = [self.world.line(name, each, about.period, size=size) for name, each in about.usage.items()]
        return self.world.historical(about.period, lines, issue_date=about.issue_date, granularity=about.granularity)

    def _be_refused(self, about: Refused) -> None:
        self.world.products |= about.product_ids  # type: ignore[arg-type]
        batch = [self._historical(each) for each in about.batch]
        if about.with_quantity is not None:
            first, *others = batch[0].lines
            line = msgspec.structs.replace(first, quantity=Decimal(about.with_quantity))
            batch[0] = msgspec.structs.replace(batch[0], lines=(line, *others))
        for call in (self.world.preview, self.world.import_):
            with pytest.raises(InvalidRequest) as caught:
                call(*batch)
            assert re.match(about.message, str(caught.value)), caught.value

    def _shown(self, invoice: Invoice) -> dict[str, Any]:
        return {"headline": headline(invoice), "lines": self.world.lines(invoice)}

    def _period(self, invoice_id: Any) -> str:
        period = self.world.store.invoices[invoice_id].period
        assert period is not None
        return shown_period(period)


RAW = yaml.load(TABLE.read_text("utf-8"), Loader=yaml.BaseLoader)
ROWS = [msgspec.convert(row, Row, strict=False) for row in RAW]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_a_row_is_what_the_services_say(row: Row) -> None:
    play = Play(row)
    for number, step in enumerate(row.steps, start=1):
        try:
            play.play(step)
        except AssertionError as error:
            error.add_note(f"in step {number} of {row.name!r}")
            raise


def test_no_two_rows_have_the_same_name() -> None:
    names = [row.name for row in ROWS]

    assert sorted(names) == sorted(set(names))


WORKED_EXAMPLES = {"G06", "G23", "G24", "G25", "G26", "G26b", "G27", "G28", "G29", "G29b", "G38", "G39"}


def test_every_worked_example_of_an_import_has_a_row() -> None:
    named = {found for row in ROWS for found in re.findall(r"G\d+[a-z]?\b", row.source)}

    assert WORKED_EXAMPLES - named == set()


# The guide itself, call by call --------------------------------------------------------------------------------------

USD = {"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "name": "USD (cents)"}


class Guide:
    """A tenant of a server in this process on 15 August 2024, with what the guide takes for granted."""

    def __init__(self) -> None:
        self.app = create_app()
        self.call("PUT", "/sandbox/clock", {"now": "2024-08-15T00:00:00Z"})
        metric = self.make(
            "/v1/billable-metrics/create",
            name="calls",
            aggregation_type="SUM",
            aggregation_key="calls",
            property_filters=[{"name": "calls", "exists": True}],
        )
        self.product = self.make(
            "/v1/contract-pricing/products/create", name="P", type="USAGE", billable_metric_id=metric
        )
        self.fixed = self.make("/v1/contract-pricing/products/create", name="Commitment", type="FIXED")
        self.card = self.make("/v1/contract-pricing/rate-cards/create", name="List prices")
        self.call(
            "POST",
            "/v1/contract-pricing/rate-cards/addRate",
            {
                "rate_card_id": self.card,
                "product_id": self.product,
                "starting_at": "2024-01-01T00:00:00.000Z",
                "entitled": True,
                "rate_type": "FLAT",
                "price": 1000,
            },
        )
        self.customer = self.make("/v1/customers", name="Acme Inc")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                return await client.request(method, path, json=body, headers={"Authorization": "Bearer guide"})

        answer = asyncio.run(send())
        assert answer.status_code == 200, answer.text
        assert not self.app.server.contract_breaks
        return answer.json()

    def make(self, path: str, **body: Any) -> str:
        return str(self.call("POST", path, body)["data"]["id"])

    def contract(self, **terms: Any) -> str:
        """The guide's request, word for word, and what else was agreed."""
        return self.make(
            "/v1/contracts/create",
            customer_id=self.customer,
            rate_card_id=self.card,
            starting_at="2024-06-01T00:00:00.000Z",
            usage_statement_schedule={
                "frequency": "monthly",
                "invoice_generation_starting_at": "2024-08-01T00:00:00.000Z",
            },
            **terms,
        )

    def historical(self, contract: str, month: int, **line: Any) -> dict[str, Any]:
        """An invoice of the guide's import requests."""
        start, end = f"2024-{month:02}-01T00:00:00.000Z", f"2024-{month + 1:02}-01T00:00:00.000Z"
        window = {"inclusive_start_date": start, "exclusive_end_date": end}
        return {
            "customer_id": self.customer,
            "contract_id": contract,
            "credit_type_id": USD["id"],
            **window,
            "issue_date": f"2024-{month + 1:02}-03T00:00:00.000Z",
            "usage_line_items": [{"product_id": self.product, **window, **line}],
        }

    def import_(self, *batch: dict[str, Any], preview: bool) -> list[dict[str, Any]]:
        body = {"invoices": list(batch), "preview": preview}
        found: list[dict[str, Any]] = self.call("POST", "/v1/contracts/createHistoricalInvoices", body)["data"]
        return found

    def invoices(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/v1/customers/{self.customer}/invoices")["data"]
        return found


def test_the_guides_two_months_through_the_api() -> None:
    guide = Guide()
    contract = guide.contract()
    (august,) = guide.invoices()
    assert (august["status"], august["start_timestamp"]) == ("DRAFT", "2024-08-01T00:00:00+00:00")
    batch = guide.historical(contract, 6, quantity=10), guide.historical(contract, 7, quantity=20)

    previewed = guide.import_(*batch, preview=True)
    assert guide.invoices() == [august]
    imported = guide.import_(*batch, preview=False)

    assert [one["total"] for one in previewed] == [one["total"] for one in imported] == [10000, 20000]
    assert guide.invoices() == [*imported, august]
    assert {one["external_invoice"] for one in imported} == {None}  # not sent to a billing provider


def test_the_guides_breakdown_sample_through_the_api() -> None:
    guide = Guide()
    contract = guide.contract()
    day = {"inclusive_start_date": "2024-06-01T00:00:00.000Z", "exclusive_end_date": "2024-06-02T00:00:00.000Z"}
    june = guide.historical(contract, 6, subtotals_with_quantity=[{**day, "quantity": 1}])

    (imported,) = guide.import_({**june, "breakdown_granularity": "day"}, preview=False)

    query = "starting_on=2024-06-01T00:00:00Z&ending_before=2024-07-01T00:00:00Z&window_size=day"
    found = guide.call("GET", f"/v1/customers/{guide.customer}/invoices/breakdowns?{query}")
    (window,) = found["data"]
    assert (imported["total"], window["total"], window["id"]) == (1000, 1000, imported["id"])
    assert window["breakdown_start_timestamp"] == "2024-06-01T00:00:00+00:00"
    assert window["breakdown_end_timestamp"] == "2024-06-02T00:00:00+00:00"


def test_an_imported_invoice_has_the_shape_of_the_reference() -> None:
    """The July invoice of G24, and the ledger of its commit: reference, section 5.6."""
    guide = Guide()
    contract = guide.contract(
        commits=[
            {
                "name": "Prepaid Commit",
                "type": "PREPAID",
                "product_id": guide.fixed,
                "access_schedule": {
                    "schedule_items": [
                        {
                            "amount": 25000,
                            "starting_at": "2024-06-01T00:00:00.000Z",
                            "ending_before": "2025-06-01T00:00:00.000Z",
                        }
                    ]
                },
            }
        ]
    )

    june, july = guide.import_(
        guide.historical(contract, 6, quantity=10), guide.historical(contract, 7, quantity=20), preview=False
    )

    balances = guide.call(
        "POST",
        "/v1/contracts/customerBalances/list",
        {
            "customer_id": guide.customer,
            "include_contract_balances": True,
            "include_ledgers": True,
            "include_balance": True,
        },
    )
    (commit,) = balances["data"]
    (segment,) = commit["access_schedule"]["schedule_items"]
    on_line = {
        "product_id": guide.product,
        "product_type": "UsageProductListItem",
        "credit_type": USD,
        "starting_at": "2024-07-01T00:00:00+00:00",
        "ending_before": "2024-08-01T00:00:00+00:00",
        "product_custom_fields": {},
    }
    by_commit = {
        "commit_id": commit["id"],
        "commit_segment_id": segment["id"],
        "commit_type": "PrepaidCommit",
        "applied_commit_or_credit": {"id": commit["id"], "type": "PREPAID"},
        "commit_custom_fields": {},
    }
    assert july == {
        "id": july["id"],
        "customer_id": guide.customer,
        "contract_id": contract,
        "type": "USAGE",
        "status": "FINALIZED",
        "total": 5000,  # 20 * 1000 - 15000
        "start_timestamp": "2024-07-01T00:00:00+00:00",
        "end_timestamp": "2024-08-01T00:00:00+00:00",
        "issued_at": "2024-08-03T00:00:00+00:00",
        "credit_type": USD,
        "external_invoice": None,
        "billable_status": "billable",
        "custom_fields": {},
        "customer_custom_fields": {},
        "contract_custom_fields": {},
        "line_items": [
            {"type": "usage", "name": "P", "quantity": 15, "unit_price": 1000, "total": 15000, **on_line, **by_commit},
            {
                "type": "applied_commit_or_credit",
                "name": "Prepaid Commit applied",
                "total": -15000,
                **on_line,
                **by_commit,
            },
            {"type": "usage", "name": "P", "quantity": 5, "unit_price": 1000, "total": 5000, **on_line},
        ],
    }
    assert commit["balance"] == 0
    entries = [
        (one["type"].removeprefix("PREPAID_COMMIT_"), one["timestamp"][:10], one["amount"]) for one in commit["ledger"]
    ]
    assert entries == [
        ("SEGMENT_START", "2024-06-01", 25000),
        ("AUTOMATED_INVOICE_DEDUCTION", "2024-07-01", -10000),
        ("AUTOMATED_INVOICE_DEDUCTION", "2024-08-01", -15000),
    ]
    assert [one.get("invoice_id") for one in commit["ledger"]] == [None, june["id"], july["id"]]
