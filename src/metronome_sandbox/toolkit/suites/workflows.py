"""What takes several calls to see: short stories of a customer, each with figures that can be worked out by hand.

A workflow is a function of a :class:`Walk`. The walk makes its calls, holds every answer to the document and to the
rules of ``checks.py``, and keeps what was sent, so that a finding comes with the calls that lead to it. Those that
write make a customer and a contract of their own, at prices of their own; the others read what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.findings import Finding, shortened
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.toolkit.checks import Blame, Call, amount, findings_of, near, parsed, total_of
from metronome_sandbox.toolkit.exchanges import Answered, Exchange
from metronome_sandbox.toolkit.report import Batch, Failure
from metronome_sandbox.toolkit.suites.times import month_of
from metronome_sandbox.toolkit.target import Target

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
MOST_PAGES = 50
READS = ("get", "list", "preview")
UNKNOWN = "00000000-0000-4000-8000-00000000dead"
"""An id that nothing has."""


class StoryEnds(Exception):
    """A call was answered so that the rest of the workflow makes no sense; the finding is noted already."""


@dataclass(frozen=True, slots=True)
class Company:
    """What a workflow that writes has for itself: a customer on a contract of two products at our prices."""

    customer: str
    contract: str
    alias: str
    metered: str  # FLAT, 1000 cents
    tiered: str  # TIERED, the first 100 at 50 cents, all above at 30
    fixed: str
    rate_card: str


class Walk:
    """One workflow under way.

    Args:
        target: Who is asked.
        operations: Of the document, by operationId.
        name: Of the workflow.
        now: The target's time when the run began.

    Attributes:
        failures: What was found.
        exchanges: All calls, for recordings.
    """

    def __init__(self, target: Target, operations: Mapping[str, Operation], name: str, now: datetime) -> None:
        self.target = target
        self.now = now
        self.failures: list[Failure] = []
        self.exchanges: list[Exchange] = []
        self._operations = operations
        self._name = name
        self._writes: list[Exchange] = []
        self._steps: tuple[Exchange, ...] = ()  # what leads to the last answer: all writes, and the last call
        self._last = ""

    def month(self, number: int) -> str:
        """The first of a month, counted from the target's."""
        return month_of(self.now, number)

    # calling

    def ask(
        self,
        operation_id: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        **parameters: str,
    ) -> Call:
        """Make one call, whatever is answered, and hold the answer to the document and the rules.

        Raises:
            StoryEnds: The document does not have the operation.
        """
        operation = self._operations.get(operation_id)
        if operation is None:  # another document than the package's, which lacks it
            raise StoryEnds
        path = operation.path
        for name, value in parameters.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        exchange = self.target.send(operation.method, path, body, query=query, headers=headers, token=token)
        self.exchanges.append(exchange)
        answer = exchange.answered
        call = Call(
            operation_id=operation_id,
            parameters=parameters,
            query={name: str(value) for name, value in (query or {}).items()},
            body=None if isinstance(body, bytes) else body,
            status=answer.status,
            content_type=answer.header("content-type"),
            data=parsed(answer.body),
        )
        self._last = operation_id
        self._steps = (*self._writes, exchange)
        if not operation_id.startswith(READS):
            self._writes.append(exchange)
        self._hold(operation, call, answer)
        return call

    def do(self, operation_id: str, body: Any = None, **how: Any) -> Any:
        """Make one call that has to succeed and return what it answers.

        Raises:
            StoryEnds: It did not.
        """
        call = self.ask(operation_id, body, **how)
        if not self.expect("the call succeeds", "status", 200, call.status, _message(call)):
            raise StoryEnds
        return call.data

    def refused(self, operation_id: str, body: Any, *, status: Iterable[int], why: str, **how: Any) -> None:
        """Make one call that has to be refused with one of the statuses."""
        statuses = sorted(status)
        call = self.ask(operation_id, body, **how)
        if call.status not in statuses:
            wanted = " or ".join(map(str, statuses))
            self._note(Finding("status", why, f"expected {wanted}", str(call.status)), Blame.SERVER)

    def pages(
        self, operation_id: str, *, limit: int | None = None, by_body: str | None = None, **how: Any
    ) -> list[Mapping[str, Any]]:
        """Return the items of all pages of a list.

        Args:
            by_body: The cursor's name where it travels in the body, not in the query.
        """
        items: list[Mapping[str, Any]] = []
        cursor: Any = None
        name = by_body or "next_page"
        place = "query" if by_body is None else "body"
        given = {**(how.pop(place, None) or {}), **({} if limit is None else {"limit": limit})}
        for _ in range(MOST_PAGES):
            more = given if cursor is None else {**given, name: cursor}
            answer = self.do(operation_id, **how, **{place: more})
            items += answer["data"]
            following = answer.get(name)
            if following is None:
                return items
            if not self.expect("a cursor leads on", name, True, following != cursor):
                raise StoryEnds
            cursor = following
        if limit is not None:
            self.expect("pages come to an end", name, None, cursor)
        return items

    # finding

    def expect(self, rule: str, where: str, expected: Any, received: Any, said: str = "") -> bool:
        """Note a finding unless both are the same; amounts may differ in their last digits."""
        if isinstance(expected, int | Decimal) and isinstance(received, int | Decimal):
            is_right = near(Decimal(expected), Decimal(received))
        else:
            is_right = expected == received
        if not is_right:
            text = f"expected {_shown(expected)}" + (f" ({said})" if said else "")
            self._note(Finding(where, rule, text, _shown(received)), self._whose(received))
        return is_right

    def _whose(self, received: Any) -> Blame:
        return Blame.CLIENT if received in (401, 403, 429) else Blame.SERVER

    def _hold(self, operation: Operation, call: Call, answer: Answered) -> None:
        for finding in findings_of(call):
            self._note(finding, Blame.SERVER)
        if call.status >= 500 and call.status != 501:
            self._note(Finding("status", "no server error", "expected an answer", str(call.status)), Blame.SERVER)
        elif call.status != 501 or self.target.is_sandbox:
            data = answer.json if answer.body else None
            differs = operation.response_findings(call.status, data) if answer.body or call.status >= 400 else []
            blame = Blame.SERVER if self.target.is_sandbox else Blame.DOCUMENT
            for finding in differs:
                self._note(replace(finding, rule=f"the document: {finding.rule}"), blame)

    def _note(self, finding: Finding, blame: Blame) -> None:
        self.failures.append(
            Failure(
                suite="workflows",
                case=self._name,
                operation_id=self._last,
                finding=finding,
                blame=blame,
                exchanges=self._steps,
            )
        )


Workflow = Callable[[Walk], None]
WORKFLOWS: list[tuple[Workflow, bool, bool]] = []
"""Each workflow, whether it writes, and whether it needs a sandbox: a clock, and drafts that follow at once."""


def workflow(*, writes: bool = False, sandbox: bool = False) -> Callable[[Workflow], Workflow]:
    """Put a function on the list."""

    def add(function: Workflow) -> Workflow:
        WORKFLOWS.append((function, writes, sandbox))
        return function

    return add


def run(target: Target, document: Document, now: datetime) -> Iterator[Batch]:
    """Walk every workflow that the target allows, in order; yield a batch for each when it is done."""
    operations = {operation.operation_id: operation for operation in operations_of(document)}
    for function, writes, sandbox in WORKFLOWS:
        if (writes and not target.may_write) or (sandbox and not target.is_sandbox):
            continue
        name = function.__name__.replace("_", " ")
        walk = Walk(target, operations, name, now)
        started = monotonic()
        try:
            function(walk)
        except StoryEnds:
            pass
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            walk.expect("the answer can be read", "", "the fields that the document promises", f"none: {error!r}")
        yield Batch("workflows", name, monotonic() - started, walk.failures, walk.exchanges)


# Reading what is there -----------------------------------------------------------------------------------------------

PAGED: tuple[tuple[str, str | None, str | None], ...] = (
    ("listCustomers-v1", None, None),
    ("listAllBillableMetrics-v1", None, None),
    ("listCreditTypes-v1", None, None),
    ("listProducts-v1", None, None),
    ("listRateCards-v1", None, None),
    ("listPackages-v1", None, None),
    ("listInvoices-v1", None, "path"),
    ("listContracts-v2", "cursor", "body"),
    ("listCustomerBalances-v1", "next_page", "body"),
    ("listCustomerCommits-v1", "next_page", "body"),
    ("listCustomerCredits-v1", "next_page", "body"),
)
"""Lists, the name of the cursor where it is in the body, and where the customer is named."""

WITH_ALL = {
    "listCustomerBalances-v1": {"include_contract_balances": True, "include_balance": True, "include_ledgers": True},
    "listCustomerCommits-v1": {"include_contract_commits": True, "include_balance": True, "include_ledgers": True},
    "listCustomerCredits-v1": {"include_contract_credits": True, "include_balance": True, "include_ledgers": True},
    "listContracts-v2": {"include_balance": True, "include_ledgers": True},
}


def _how(operation_id: str, by_body: str | None, named: str | None, customer: str) -> dict[str, Any]:
    body = {**WITH_ALL.get(operation_id, {}), **({"customer_id": customer} if named == "body" else {})}
    how: dict[str, Any] = {"customer_id": customer} if named == "path" else {}
    return {**how, "by_body": by_body, **({"body": body} if body else {})}


def _busiest_customer(walk: Walk) -> str:
    """Return the customer who has most invoices, of the first few."""
    customers = walk.do("listCustomers-v1", query={"limit": 5})["data"]
    if not customers:
        raise StoryEnds
    return str(max(customers, key=lambda one: len(_invoices(walk, one["id"])))["id"])


def _invoices(walk: Walk, customer: str, **query: Any) -> list[Mapping[str, Any]]:
    return walk.pages("listInvoices-v1", customer_id=customer, query=query)


@workflow()
def pages_cover_each_item_once(walk: Walk) -> None:
    """Whatever the size of a page, the pages together are the list, in the same order."""
    customer = _busiest_customer(walk)
    for operation_id, by_body, named in PAGED:
        whole = walk.pages(operation_id, **_how(operation_id, by_body, named, customer))
        if not 2 <= len(whole) <= MOST_PAGES:
            continue
        ids = [item["id"] for item in whole]
        for limit in (1, 2):
            paged = walk.pages(operation_id, limit=limit, **_how(operation_id, by_body, named, customer))
            walk.expect("pages cover each item once", "data", ids, [item["id"] for item in paged])


@workflow()
def filters_divide_the_invoices(walk: Walk) -> None:
    """A filter's values divide the list; the invoices of a contract are those that name it; order can be turned."""
    customer = _busiest_customer(walk)
    whole = _invoices(walk, customer)
    for name, values in (("status", ("DRAFT", "FINALIZED", "VOID")), ("type", ("USAGE", "SCHEDULED"))):
        for value in values:
            wanted = [one["id"] for one in whole if one[name] == value]
            got = [one["id"] for one in _invoices(walk, customer, **{name: value})]
            walk.expect("filters mean what they say", name, wanted, got)
    for contract in sorted({one["contract_id"] for one in whole if "contract_id" in one}):
        wanted = [one["id"] for one in whole if one.get("contract_id") == contract]
        got = [one["id"] for one in _invoices(walk, customer, contract_id=contract)]
        walk.expect("filters mean what they say", "contract_id", wanted, got)
    starts = sorted({one["start_timestamp"] for one in whole if "start_timestamp" in one})
    if starts:
        usage = [one for one in whole if "start_timestamp" in one]
        late = {one["id"] for one in _invoices(walk, customer, starting_on=_instant(starts[-1]))}
        wanted = [one["id"] for one in usage if one["start_timestamp"] >= starts[-1]]
        walk.expect(
            "filters mean what they say", "starting_on", wanted, [one["id"] for one in usage if one["id"] in late]
        )


@workflow()
def a_list_and_its_things_agree(walk: Walk) -> None:
    """What a list shows of a thing is what the thing says of itself."""
    customer = _busiest_customer(walk)
    for one in walk.do("listCustomers-v1", query={"limit": 3})["data"]:
        got = walk.do("getCustomer-v1", customer_id=one["id"])["data"]
        walk.expect("a list and its things agree", "name", one["name"], got["name"])
        walk.expect("a list and its things agree", "ingest_aliases", one["ingest_aliases"], got["ingest_aliases"])
    for one in _invoices(walk, customer)[:6]:
        got = walk.do("getInvoice-v1", customer_id=customer, invoice_id=one["id"])["data"]
        for name in ("status", "type", "total", "line_items"):
            walk.expect("a list and its things agree", name, one[name], got[name])
    for one in walk.do("listContracts-v2", {"customer_id": customer})["data"]:
        new = walk.do("getContract-v2", {"customer_id": customer, "contract_id": one["id"]})["data"]
        old = walk.do("getContract-v1", {"customer_id": customer, "contract_id": one["id"]})["data"]
        walk.expect("v1 and v2 agree", "id", new["id"], old["id"])
        walk.expect("a list and its things agree", "starting_at", one["starting_at"], new["starting_at"])
    for one in walk.do("listProducts-v1", {})["data"][:3]:
        got = walk.do("getProduct-v1", {"id": one["id"]})["data"]
        walk.expect("a list and its things agree", "type", one["type"], got["type"])
    for one in walk.do("listRateCards-v1", {})["data"][:3]:
        got = walk.do("getRateCard-v1", {"id": one["id"]})["data"]
        walk.expect("a list and its things agree", "name", one["name"], got["name"])
    for one in walk.do("listAllBillableMetrics-v1")["data"][:3]:
        got = walk.do("getBillableMetric-v1", billable_metric_id=one["id"])["data"]
        walk.expect("a list and its things agree", "name", one["name"], got["name"])


@workflow()
def the_net_balance_is_the_sum_of_the_balances(walk: Walk) -> None:
    """Net balance in cents: all balances together. Source: operation getNetBalance."""
    customer = _busiest_customer(walk)
    balances = walk.pages(
        "listCustomerBalances-v1",
        by_body="next_page",
        body={"customer_id": customer, **WITH_ALL["listCustomerBalances-v1"]},
    )
    net = walk.do("getNetBalance-v1", {"customer_id": customer, "credit_type_id": USD})["data"]
    if all(_credit_type(one) == USD for one in balances) and not any(_is_shared(one) for one in balances):
        walk.expect("the net balance is the sum", "balance", total_of(balances, "balance"), amount(net["balance"]))


@workflow()
def what_does_not_exist_is_not_found(walk: Walk) -> None:
    """An unknown id is answered 404, in v2 also 400, and never with something."""
    customer = walk.do("listCustomers-v1", query={"limit": 1})["data"]
    known = customer[0]["id"] if customer else UNKNOWN
    why = "an unknown id is not found"
    walk.refused("getCustomer-v1", None, status={404}, why=why, customer_id=UNKNOWN)
    walk.refused("getBillableMetric-v1", None, status={404}, why=why, billable_metric_id=UNKNOWN)
    walk.refused("getInvoice-v1", None, status={404}, why=why, customer_id=known, invoice_id=UNKNOWN)
    walk.refused("listInvoices-v1", None, status={404}, why=why, customer_id=UNKNOWN)
    walk.refused("getProduct-v1", {"id": UNKNOWN}, status={404}, why=why)
    walk.refused("getRateCard-v1", {"id": UNKNOWN}, status={404}, why=why)
    walk.refused("getContract-v1", {"customer_id": known, "contract_id": UNKNOWN}, status={404}, why=why)
    walk.refused("getContract-v2", {"customer_id": known, "contract_id": UNKNOWN}, status={400, 404}, why=why)


@workflow()
def a_wrong_token_opens_nothing(walk: Walk) -> None:
    """No token is answered 401."""
    walk.refused("listCustomers-v1", None, status={401}, why="no token opens nothing", token="")
    walk.refused("listProducts-v1", {}, status={401}, why="no token opens nothing", token="")


@workflow()
def a_cursor_that_is_none_is_refused(walk: Walk) -> None:
    """A page size out of bounds, or a query of the wrong form, is answered 400."""
    for query in ({"limit": 0}, {"limit": "many"}):
        walk.refused("listCustomers-v1", None, status={400}, why="a wrong query is refused", query=query)
    walk.refused("getProduct-v1", {"id": "no uuid"}, status={400}, why="a wrong body is refused")
    walk.refused("getProduct-v1", {}, status={400}, why="a wrong body is refused")
    walk.refused("getProduct-v1", b"{", status={400}, why="a wrong body is refused")


# Writing -------------------------------------------------------------------------------------------------------------


def company(walk: Walk, *, commit: int | None = None) -> Company:
    """Make a customer on a contract that bills by itself from this month on and takes imports for the two before.

    Args:
        commit: Cents of a prepaid commit on the contract.
    """
    mark = f"check {uuid4().hex[:12]}"
    metered_by = {
        "name": f"Calls {mark}",
        "aggregation_type": "SUM",
        "aggregation_key": "calls",
        "event_type_filter": {"in_values": [mark]},
        "property_filters": [{"name": "calls", "exists": True}],
    }
    metric = walk.do("createBillableMetricV1-v1", metered_by)["data"]["id"]
    metered, tiered = (
        walk.do("createProduct-v1", {"name": f"{name} {mark}", "type": "USAGE", "billable_metric_id": metric})["data"][
            "id"
        ]
        for name in ("Metered", "Tiered")
    )
    fixed = walk.do("createProduct-v1", {"name": f"Fixed {mark}", "type": "FIXED"})["data"]["id"]
    card = walk.do("createRateCard-v1", {"name": f"Card {mark}", "fiat_credit_type_id": USD})["data"]["id"]
    rate = {"rate_card_id": card, "starting_at": walk.month(-12), "entitled": True}
    walk.do("addRate-v1", {**rate, "product_id": metered, "rate_type": "FLAT", "price": 1000})
    tiers = [{"size": 100, "price": 50}, {"price": 30}]
    walk.do("addRate-v1", {**rate, "product_id": tiered, "rate_type": "TIERED", "tiers": tiers})
    alias = mark.replace(" ", "-")
    customer = walk.do("createCustomer-v1", {"name": f"Company {mark}", "ingest_aliases": [alias]})["data"]["id"]
    terms: dict[str, Any] = {
        "customer_id": customer,
        "rate_card_id": card,
        "starting_at": walk.month(-2),
        "usage_statement_schedule": {"frequency": "MONTHLY", "invoice_generation_starting_at": walk.month(0)},
    }
    if commit is not None:
        access = {"amount": commit, "starting_at": walk.month(-2), "ending_before": walk.month(10)}
        terms["commits"] = [
            {
                "type": "PREPAID",
                "product_id": fixed,
                "priority": 100,
                "access_schedule": {"schedule_items": [access]},
            }
        ]
    contract = walk.do("createContract-v1", terms)["data"]["id"]
    return Company(customer, contract, alias, metered, tiered, fixed, card)


def old_invoice(walk: Walk, firm: Company, *, month: int = -2, metered: int = 30, tiered: int = 130) -> dict[str, Any]:
    """Return the request to import the invoice of an old month."""
    period = {"inclusive_start_date": walk.month(month), "exclusive_end_date": walk.month(month + 1)}
    return {
        "customer_id": firm.customer,
        "contract_id": firm.contract,
        "credit_type_id": USD,
        "issue_date": walk.month(month + 1),
        **period,
        "usage_line_items": [
            {"product_id": firm.metered, "quantity": metered, **period},
            {"product_id": firm.tiered, "quantity": tiered, **period},
        ],
    }


IMPORT = "createHistoricalContractUsageInvoices-v1"
GROSS = 30 * 1000 + 100 * 50 + 30 * 30
"""Of :func:`old_invoice`, in cents: 30 metered, 130 tiered."""


def balance_of(walk: Walk, firm: Company) -> Decimal:
    """Return what is left of the company's commit."""
    body = {"customer_id": firm.customer, **WITH_ALL["listCustomerBalances-v1"]}
    return total_of(walk.do("listCustomerBalances-v1", body)["data"], "balance")


def net_balance_of(walk: Walk, firm: Company) -> Decimal:
    """Return the same, as the operation getNetBalance tells it."""
    body = {"customer_id": firm.customer, "credit_type_id": USD}
    return amount(walk.do("getNetBalance-v1", body)["data"]["balance"])


def _figures(invoice: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    names = ("name", "type", "quantity", "unit_price", "total")
    return [("total", invoice["total"]), *(tuple(line.get(name) for name in names) for line in invoice["line_items"])]


@workflow(writes=True)
def a_preview_is_the_import_without_the_saving(walk: Walk) -> None:
    """A preview stores nothing and shows the figures of the import, which are those of the prices."""
    firm = company(walk, commit=25000)
    invoice = old_invoice(walk, firm)
    before = [one["id"] for one in _invoices(walk, firm.customer)]
    preview = walk.do(IMPORT, {"preview": True, "invoices": [invoice]})["data"][0]
    walk.expect("a preview stores nothing", "data", before, [one["id"] for one in _invoices(walk, firm.customer)])
    walk.expect("a preview stores nothing", "balance", 25000, balance_of(walk, firm))
    walk.expect("the price of what was used", "total", GROSS - 25000, amount(preview["total"]))
    done = walk.do(IMPORT, {"preview": False, "invoices": [invoice]})["data"][0]
    walk.expect("a preview is the import", "line_items", _figures(preview), _figures(done))
    kept = walk.do("getInvoice-v1", customer_id=firm.customer, invoice_id=done["id"])["data"]
    walk.expect("what was imported is kept", "line_items", _figures(done), _figures(kept))
    listed = [one["id"] for one in _invoices(walk, firm.customer)]
    walk.expect("what was imported is kept", "data", sorted([*before, done["id"]]), sorted(listed))
    walk.expect("an import draws from the commit", "balance", 0, balance_of(walk, firm))


@workflow(writes=True)
def a_void_gives_back_what_was_drawn(walk: Walk) -> None:
    """Void restores the balance and takes the invoice out; to regenerate it draws again."""
    firm = company(walk, commit=25000)
    done = walk.do(IMPORT, {"preview": False, "invoices": [old_invoice(walk, firm, metered=10, tiered=0)]})["data"][0]
    walk.expect("an import draws from the commit", "balance", 15000, balance_of(walk, firm))
    walk.expect("the net balance is the sum", "balance", 15000, net_balance_of(walk, firm))
    walk.do("voidInvoice-v1", {"id": done["id"]})
    walk.expect("void restores balances", "balance", 25000, balance_of(walk, firm))
    void = walk.do("getInvoice-v1", customer_id=firm.customer, invoice_id=done["id"])["data"]
    walk.expect("a void invoice is void", "status", "VOID", void["status"])
    final = [one["id"] for one in _invoices(walk, firm.customer, status="FINALIZED")]
    walk.expect("a void invoice is void", "data", False, done["id"] in final)
    walk.refused("voidInvoice-v1", {"id": done["id"]}, status={400, 409}, why="an invoice is void once")
    again = walk.do("regenerateInvoice-v1", {"id": done["id"]})["data"]["id"]
    walk.expect("to regenerate draws again", "balance", 15000, balance_of(walk, firm))
    anew = walk.do("getInvoice-v1", customer_id=firm.customer, invoice_id=again)["data"]
    walk.expect("to regenerate gives the same figures", "total", void["total"], anew["total"])


@workflow(writes=True)
def an_import_is_all_or_nothing(walk: Walk) -> None:
    """One wrong invoice of two, and none is stored."""
    firm = company(walk)
    good, bad = old_invoice(walk, firm), {**old_invoice(walk, firm, month=-1), "contract_id": UNKNOWN}
    walk.refused(IMPORT, {"preview": False, "invoices": [good, bad]}, status={400, 404}, why="all or nothing")
    kept = [one["id"] for one in _invoices(walk, firm.customer) if one["status"] == "FINALIZED"]
    walk.expect("all or nothing", "data", [], kept)
    text = {**good, "usage_line_items": [{**good["usage_line_items"][0], "quantity": "30"}]}
    walk.refused(IMPORT, {"preview": True, "invoices": [text]}, status={400}, why="a wrong body is refused")


@workflow(writes=True)
def a_repeated_key_gives_the_first_answer_again(walk: Walk) -> None:
    """``Idempotency-Key``: the same call again is answered the same and done once; another call is a conflict."""
    key = {"Idempotency-Key": uuid4().hex}
    asked = {"name": f"Once {key['Idempotency-Key'][:8]}"}
    first = walk.do("createCustomer-v1", asked, headers=key)
    second = walk.do("createCustomer-v1", asked, headers=key)
    walk.expect("a repeated key replays", "data.id", first["data"]["id"], second["data"]["id"])
    other = {"name": asked["name"] + " other"}
    walk.refused("createCustomer-v1", other, headers=key, status={409}, why="a key belongs to one call")
    named = [one for one in _customers(walk) if one["name"] == asked["name"]]
    walk.expect("a repeated key does nothing twice", "data", 1, len(named))


def _customers(walk: Walk) -> list[Mapping[str, Any]]:
    return walk.pages("listCustomers-v1", query={"limit": 100})


@workflow(writes=True)
def a_uniqueness_key_is_taken_once(walk: Walk) -> None:
    """A second contract with the same ``uniqueness_key`` is a conflict. Source: schema UniquenessKey."""
    firm = company(walk)
    body = {
        "customer_id": firm.customer,
        "rate_card_id": firm.rate_card,
        "starting_at": walk.month(0),
        "uniqueness_key": uuid4().hex,
    }
    walk.do("createContract-v1", body)
    walk.refused("createContract-v1", body, status={409}, why="a uniqueness key is taken once")


@workflow(writes=True)
def a_customer_is_what_was_said(walk: Walk) -> None:
    """Names and aliases are kept; an archived customer is in the list of archived ones alone."""
    alias = f"alias-{uuid4().hex[:12]}"
    made = walk.do("createCustomer-v1", {"name": "Some company", "ingest_aliases": [alias]})["data"]
    found = walk.do("listCustomers-v1", query={"ingest_alias": alias})["data"]
    walk.expect("filters mean what they say", "ingest_alias", [made["id"]], [one["id"] for one in found])
    walk.do("setCustomerName-v1", {"name": "Renamed company"}, customer_id=made["id"])
    got = walk.do("getCustomer-v1", customer_id=made["id"])["data"]
    walk.expect("what was set is kept", "name", "Renamed company", got["name"])
    walk.expect("what was set is kept", "ingest_aliases", [alias], got["ingest_aliases"])
    twin = {"name": "Twin", "ingest_aliases": [alias]}
    walk.refused("createCustomer-v1", twin, status={409}, why="an alias is taken once")
    walk.do("archiveCustomer-v1", {"id": made["id"]})
    for query, wanted in (({}, False), ({"only_archived": "true"}, True)):
        ids = [one["id"] for one in walk.pages("listCustomers-v1", query=query)]
        walk.expect("filters mean what they say", "only_archived", wanted, made["id"] in ids)


@workflow(writes=True)
def an_archived_product_is_filtered(walk: Walk) -> None:
    """``archive_filter`` divides the products."""
    made = walk.do("createProduct-v1", {"name": f"Gone {uuid4().hex[:8]}", "type": "FIXED"})["data"]["id"]
    walk.do("archiveProductListItem-v1", {"product_id": made})
    for value, wanted in (("ARCHIVED", True), ("NOT_ARCHIVED", False), ("ALL", True)):
        ids = [one["id"] for one in walk.pages("listProducts-v1", body={"archive_filter": value})]
        walk.expect("filters mean what they say", "archive_filter", wanted, made in ids)


@workflow(writes=True)
def a_rate_is_in_force_from_its_start(walk: Walk) -> None:
    """A later rate replaces an earlier one from its start on."""
    firm = company(walk)
    later = {"rate_card_id": firm.rate_card, "product_id": firm.metered, "starting_at": walk.month(1)}
    walk.do("addRate-v1", {**later, "entitled": True, "rate_type": "FLAT", "price": 1500})
    for month, price in ((0, 1000), (1, 1500)):
        rates = walk.do("getRates-v1", {"rate_card_id": firm.rate_card, "at": walk.month(month)})["data"]
        prices = [one["rate"].get("price") for one in rates if one["product_id"] == firm.metered]
        walk.expect("a rate is in force from its start", "data", [price], [amount(one) for one in prices])


@workflow(writes=True)
def a_manual_entry_moves_the_balance(walk: Walk) -> None:
    """The ledger takes a manual entry and the balance follows it by its amount."""
    firm = company(walk, commit=25000)
    body = {"customer_id": firm.customer, **WITH_ALL["listCustomerBalances-v1"]}
    commit = walk.do("listCustomerBalances-v1", body)["data"][0]
    entry = {
        "customer_id": firm.customer,
        "contract_id": firm.contract,
        "id": commit["id"],
        "segment_id": commit["access_schedule"]["schedule_items"][0]["id"],
        "amount": -1200,
        "reason": "check",
    }
    walk.do("addManualBalanceLedgerEntry-v1", entry)
    walk.expect("a manual entry moves the balance", "balance", 25000 - 1200, balance_of(walk, firm))
    walk.expect("the net balance is the sum", "balance", 25000 - 1200, net_balance_of(walk, firm))


@workflow(writes=True, sandbox=True)
def a_draft_follows_its_usage(walk: Walk) -> None:
    """An event counts once, on the draft of its month; the breakdown by days adds up to the draft."""
    firm = company(walk)
    moment = max(datetime.fromisoformat(walk.month(0)), walk.now - timedelta(hours=1)).isoformat()
    event = {
        "transaction_id": uuid4().hex,
        "customer_id": firm.alias,
        "event_type": firm.alias.replace("-", " "),
        "timestamp": moment,
        "properties": {"calls": "7"},
    }
    for _ in range(2):  # the second is the first again, and does not count
        walk.do("ingest-v1", [event])
    drafts = _invoices(walk, firm.customer, status="DRAFT", type="USAGE")
    # 7 metered at 1000; the tiered product counts the same events: 7 at 50
    walk.expect("an event counts once", "total", 7 * 1000 + 7 * 50, total_of(drafts, "total"))
    window = {"starting_on": walk.month(0), "ending_before": walk.month(1), "window_size": "day"}
    days = walk.pages("listBreakdownInvoices-v1", customer_id=firm.customer, query=window)
    walk.expect("a breakdown adds up", "total", total_of(drafts, "total"), total_of(days, "total"))


@workflow(writes=True, sandbox=True)
def time_makes_a_draft_final(walk: Walk) -> None:
    """A draft becomes final with the figures that it had."""
    firm = company(walk, commit=500)
    event = {
        "transaction_id": uuid4().hex,
        "customer_id": firm.alias,
        "event_type": firm.alias.replace("-", " "),
        "timestamp": walk.month(0),
        "properties": {"calls": "1"},
    }
    walk.do("ingest-v1", [event])
    [draft] = _invoices(walk, firm.customer, status="DRAFT", type="USAGE")
    walk.expect("the price of what was used", "total", 1000 + 50 - 500, amount(draft["total"]))
    after = month_of(walk.now, 1, day=3)  # the month and a day of grace are over
    answer = walk.target.send("POST", "/sandbox/clock/advance", {"to": after}).answered
    if not walk.expect("the clock moves", "status", 200, answer.status):
        raise StoryEnds
    final = walk.do("getInvoice-v1", customer_id=firm.customer, invoice_id=draft["id"])["data"]
    walk.expect("a draft becomes final", "status", "FINALIZED", final["status"])
    walk.expect("a draft becomes final as it was", "line_items", _figures(draft), _figures(final))


# Words ---------------------------------------------------------------------------------------------------------------


def _message(call: Call) -> str:
    return str(call.data.get("message", "")) if isinstance(call.data, Mapping) and call.status != 200 else ""


def _shown(value: Any) -> str:
    if isinstance(value, Decimal | int):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        text = ", ".join(map(_shown, value[:6])) + (", ..." if len(value) > 6 else "")
        return f"[{text}]"
    return shortened(value)


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).isoformat()


def _credit_type(balance: Mapping[str, Any]) -> str:
    schedule = balance.get("access_schedule") or {}
    return str((schedule.get("credit_type") or {}).get("id", USD))


def _is_shared(balance: Mapping[str, Any]) -> bool:
    return len((balance.get("access_schedule") or {}).get("schedule_items", ())) != 1
