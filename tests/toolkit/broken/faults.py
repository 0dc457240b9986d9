"""Sandboxes with one planted fault each: what ``metronome-sandbox check`` has to see.

A fault stands between the caller and a healthy sandbox, as an ASGI application of its own. It may spoil the request,
the answer, or answer by itself. The control plane is left alone, but for what a fault needs of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings


@dataclass
class Passing:
    """A request on its way in, and its answer on its way out."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any  # parsed; None where there is none
    status: int = 0
    answer: Any = None  # parsed; None where there is none
    answer_headers: dict[str, str] = field(default_factory=dict)

    @property
    def items(self) -> list[dict[str, Any]]:
        data = self.answer.get("data") if isinstance(self.answer, dict) else None
        if isinstance(data, list):
            return [item for item in data if isinstance(item, dict)]
        return [data] if isinstance(data, dict) else []


class Fault:
    """What is wrong with a sandbox; by default nothing.

    Attributes:
        operations: Those that generated requests have to ask so that the fault is seen; none where a workflow sees it.
    """

    operations: tuple[str, ...] = ()

    def come_in(self, passing: Passing) -> None:
        """Spoil a request. Set ``status`` to answer in the sandbox's place."""

    def go_out(self, passing: Passing) -> None:
        """Spoil an answer."""


class Broken:
    """A sandbox with a fault, as an ASGI application."""

    def __init__(self, fault: Fault, scenario: str | None = None) -> None:
        self._app = create_app(Settings(scenario=scenario))
        self._fault = fault

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
            return
        raw = b""
        more = True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = _parsed(raw)
        passing = Passing(scope["method"], scope["path"], dict(query), dict(headers), _parsed(raw))
        self._fault.come_in(passing)
        body = b""
        if not passing.status:
            if passing.body != given:
                raw = json.dumps(passing.body).encode()
            if passing.query != query:
                scope = {**scope, "query_string": urlencode(passing.query).encode()}
            if passing.headers != headers:
                pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in passing.headers.items()]
                scope = {**scope, "headers": pairs}
            passing.status, passing.answer_headers, body = await self._ask(scope, raw)
            passing.answer = _parsed(body)
        before = json.dumps(passing.answer, default=str)
        self._fault.go_out(passing)
        if json.dumps(passing.answer, default=str) != before or not body:
            body = b"" if passing.answer is None else json.dumps(passing.answer, default=float).encode()
        passing.answer_headers["content-length"] = str(len(body))
        passing.answer_headers.setdefault("content-type", "application/json")
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in passing.answer_headers.items()]
        await send({"type": "http.response.start", "status": passing.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    async def _ask(self, scope: Any, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        length = (b"content-length", str(len(raw)).encode())
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        await self._app({**scope, "headers": [*headers, length] if raw else headers}, receive, send)
        names = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:])


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def invoices_of(passing: Passing) -> list[dict[str, Any]]:
    return [item for item in passing.items if "line_items" in item and "total" in item]


def final_ones(passing: Passing) -> list[dict[str, Any]]:
    return [one for one in invoices_of(passing) if one["status"] == "FINALIZED"]


IMPORT = "/v1/contracts/createHistoricalInvoices"
BALANCES = "/v1/contracts/customerBalances/list"
LISTED_INVOICES = re.compile("/v1/customers/[^/]+/invoices")


class WrongTotal(Fault):
    """An invoice's total is a cent more than its lines."""

    def go_out(self, passing: Passing) -> None:
        for invoice in invoices_of(passing):
            invoice["total"] += 1


class WrongPrice(Fault):
    """Lines and totals agree with each other, and double what was agreed."""

    def go_out(self, passing: Passing) -> None:
        for invoice in invoices_of(passing):
            invoice["total"] *= 2
            for line in invoice["line_items"]:
                line["total"] *= 2
                if "unit_price" in line:
                    line["unit_price"] *= 2


class WrongQuantity(Fault):
    """A line shows another quantity than it bills."""

    def go_out(self, passing: Passing) -> None:
        for invoice in invoices_of(passing):
            for line in invoice["line_items"]:
                if line.get("quantity"):
                    line["quantity"] += 1


class ExtraCurrency(Fault):
    """A line is in a currency that the invoice is not in."""

    def go_out(self, passing: Passing) -> None:
        for invoice in invoices_of(passing):
            for line in invoice["line_items"][:1]:
                line["credit_type"] = {"id": "7e7fa8a4-4a3c-4b6e-9a3b-2f3e1f9c8d11", "name": "EUR (cents)"}


class FoundWhatIsMissing(Fault):
    """An unknown customer is answered 200."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 404 and re.fullmatch("/v1/customers/[^/]+", passing.path):
            passing.status = 200
            passing.answer = {
                "data": {
                    "id": passing.path.rsplit("/", 1)[1],
                    "external_id": "x",
                    "ingest_aliases": [],
                    "name": "Anybody",
                    "custom_fields": {},
                    "customer_config": {"salesforce_account_id": None},
                    "created_at": "2024-08-15T00:00:00Z",
                    "updated_at": "2024-08-15T00:00:00Z",
                    "archived_at": None,
                }
            }


class OffByOnePage(Fault):
    """The first item of each page but the first is lost."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 200 and "next_page" in passing.query and isinstance(passing.answer.get("data"), list):
            passing.answer["data"] = passing.answer["data"][1:]


class RepeatingPage(Fault):
    """A page's last item comes again on the next one."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def go_out(self, passing: Passing) -> None:
        if passing.status != 200 or passing.path != "/v1/customers" or passing.method != "GET":
            return
        if "next_page" in passing.query and passing.path in self._last:
            passing.answer["data"] = [self._last[passing.path], *passing.answer["data"]][: len(passing.answer["data"])]
        if passing.answer["data"]:
            self._last[passing.path] = passing.answer["data"][-1]


class EndlessPages(Fault):
    """The last page names a next one."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 200 and passing.path == "/v1/billable-metrics" and passing.answer["next_page"] is None:
            passing.answer["next_page"] = passing.query.get("next_page") or "more"

    def come_in(self, passing: Passing) -> None:
        if passing.query.get("next_page") == "more":
            del passing.query["next_page"]


class LimitIgnored(Fault):
    """A list answers more items than were asked for."""

    def come_in(self, passing: Passing) -> None:
        if passing.path == "/v1/credit-types/list" and passing.query.get("limit", "").isdecimal():
            passing.query["limit"] = str(min(100, int(passing.query["limit"]) + 1))


class BalanceForgetsVoid(Fault):
    """What a void invoice had drawn stays drawn."""

    def __init__(self) -> None:
        self._drawn: dict[str, Any] = {}
        self._voided = False

    def go_out(self, passing: Passing) -> None:
        if passing.status != 200:
            return
        self._voided = self._voided or passing.path == "/v1/invoices/void"
        if passing.path == BALANCES:
            for one in passing.items:
                if self._voided and one["id"] in self._drawn:
                    one["balance"], one["ledger"] = self._drawn[one["id"]]
                elif "balance" in one and "ledger" in one:
                    self._drawn[one["id"]] = one["balance"], one["ledger"]


class LedgerLacksAnEntry(Fault):
    """A ledger does not show the last thing that moved the balance."""

    def go_out(self, passing: Passing) -> None:
        if passing.path == BALANCES:
            for one in passing.items:
                one["ledger"] = one.get("ledger", [])[:-1] if "ledger" in one else None
                if one["ledger"] is None:
                    del one["ledger"]


class NetBalanceIgnoresDrafts(Fault):
    """The net balance is of final invoices alone, though nobody asked for that."""

    def come_in(self, passing: Passing) -> None:
        if passing.path.endswith("/getNetBalance") and isinstance(passing.body, dict):
            passing.body["invoice_inclusion_mode"] = "FINALIZED"


class NumberAsText(Fault):
    """An amount is a string."""

    def go_out(self, passing: Passing) -> None:
        for invoice in invoices_of(passing):
            invoice["total"] = str(invoice["total"])


class MissingField(Fault):
    """A contract lacks a field that the document requires."""

    def go_out(self, passing: Passing) -> None:
        if passing.path == "/v2/contracts/get":
            for contract in passing.items:
                contract.pop("starting_at")


class UnknownStatus(Fault):
    """An invoice has a status that the document does not have."""

    def go_out(self, passing: Passing) -> None:
        for invoice in final_ones(passing):
            invoice["status"] = "PAID"


class WrongSuccess(Fault):
    """To create is answered 201."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 200 and passing.path == "/v1/customers" and passing.method == "POST":
            passing.status = 201


class StatusFilterIgnored(Fault):
    """A list of invoices ignores what status was asked for."""

    def come_in(self, passing: Passing) -> None:
        if LISTED_INVOICES.fullmatch(passing.path):
            passing.query.pop("status", None)


class ContractFilterIgnored(Fault):
    """A list of invoices ignores which contract was asked for."""

    def come_in(self, passing: Passing) -> None:
        if LISTED_INVOICES.fullmatch(passing.path):
            passing.query.pop("contract_id", None)


class ArchiveFilterIgnored(Fault):
    """A list of products has the archived ones, asked for or not."""

    def come_in(self, passing: Passing) -> None:
        if passing.path.endswith("/products/list") and isinstance(passing.body, dict):
            passing.body["archive_filter"] = "ALL"


class BreaksOnOddInput(Fault):
    """A name with a letter outside ASCII is too much."""

    operations = ("createRateCard-v1",)

    def come_in(self, passing: Passing) -> None:
        name = passing.body.get("name") if isinstance(passing.body, dict) else None
        odd = not isinstance(name, str) or not name.isascii()
        if passing.path.endswith("/rate-cards/create") and odd:
            passing.status, passing.answer = 500, {"message": "something went wrong"}


class TakesAnything(Fault):
    """A body of the wrong form is answered 200."""

    operations = ("archiveBillableMetric-v1",)

    def go_out(self, passing: Passing) -> None:
        if passing.path == "/v1/billable-metrics/archive" and passing.status == 400:
            passing.status, passing.answer = 200, {"data": {"id": "00000000-0000-4000-8000-000000000000"}}


class IdempotencyIgnored(Fault):
    """A repeated key does it again."""

    def come_in(self, passing: Passing) -> None:
        passing.headers.pop("idempotency-key", None)


class UniquenessIgnored(Fault):
    """A uniqueness key is taken as often as one likes."""

    def come_in(self, passing: Passing) -> None:
        if isinstance(passing.body, dict):
            passing.body.pop("uniqueness_key", None)


class PreviewStores(Fault):
    """A preview is an import."""

    def come_in(self, passing: Passing) -> None:
        if passing.path == IMPORT and isinstance(passing.body, dict):
            passing.body["preview"] = False


class PreviewDiffers(Fault):
    """A preview shows other lines than the import will have."""

    def go_out(self, passing: Passing) -> None:
        if passing.path == IMPORT and passing.status == 200 and passing.body.get("preview"):
            for invoice in passing.items:
                invoice["line_items"].reverse()


class ImportForgets(Fault):
    """The answer to an import shows what is then not there."""

    def come_in(self, passing: Passing) -> None:
        if passing.path == IMPORT and isinstance(passing.body, dict):
            passing.body["preview"] = True


class VoidDoesNothing(Fault):
    """A void invoice stays as it was."""

    def come_in(self, passing: Passing) -> None:
        if passing.path == "/v1/invoices/void" and isinstance(passing.body, dict):
            passing.status, passing.answer = 200, {"data": {"id": passing.body.get("id")}}


class EventsCountTwice(Fault):
    """A repeated transaction id counts again."""

    def __init__(self) -> None:
        self._number = 0

    def come_in(self, passing: Passing) -> None:
        if passing.path == "/v1/ingest" and isinstance(passing.body, list):
            for event in passing.body:
                if isinstance(event, dict):
                    self._number += 1
                    event["transaction_id"] = f"{event.get('transaction_id')}-{self._number}"


class SilentError(Fault):
    """A refusal says nothing."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 404:
            passing.answer = {"error": "not found"}


class ErrorPage(Fault):
    """A refusal is a page for a browser."""

    def go_out(self, passing: Passing) -> None:
        if passing.status == 404:
            passing.answer_headers["content-type"] = "text/html"


class AnybodyMayRead(Fault):
    """No token opens the products."""

    def come_in(self, passing: Passing) -> None:
        if passing.path.endswith("/products/list"):
            passing.headers.setdefault("authorization", "Bearer anybody")


class AnotherCustomer(Fault):
    """Who asks for an invoice gets another one."""

    def __init__(self) -> None:
        self._first: Any = None

    def go_out(self, passing: Passing) -> None:
        if passing.status == 200 and re.fullmatch("/v1/customers/[^/]+/invoices/[0-9a-f-]+", passing.path):
            self._first = self._first or passing.answer
            passing.answer = self._first


class RenameForgotten(Fault):
    """A new name is answered and not kept."""

    def come_in(self, passing: Passing) -> None:
        if passing.path.endswith("/setName") and isinstance(passing.body, dict):
            passing.body = {"name": "Some company"}


FAULTS: tuple[type[Fault], ...] = (
    WrongTotal,
    WrongPrice,
    WrongQuantity,
    ExtraCurrency,
    FoundWhatIsMissing,
    OffByOnePage,
    RepeatingPage,
    EndlessPages,
    LimitIgnored,
    BalanceForgetsVoid,
    LedgerLacksAnEntry,
    NetBalanceIgnoresDrafts,
    NumberAsText,
    MissingField,
    UnknownStatus,
    WrongSuccess,
    StatusFilterIgnored,
    ContractFilterIgnored,
    ArchiveFilterIgnored,
    BreaksOnOddInput,
    TakesAnything,
    IdempotencyIgnored,
    UniquenessIgnored,
    PreviewStores,
    PreviewDiffers,
    ImportForgets,
    VoidDoesNothing,
    EventsCountTwice,
    SilentError,
    ErrorPage,
    AnybodyMayRead,
    AnotherCustomer,
    RenameForgotten,
)
"""Every fault, made anew for each sandbox."""
