"""What every answer has to keep beyond its schema: sums that add up, filters that mean what they say.

A rule reads one call, the request and its answer, and yields findings; it asks nothing and remembers nothing. What it
takes several calls to see is in ``suites/workflows.py``. :func:`register` makes every rule a check of Schemathesis.

Money is compared to a millionth: an answer prints up to 15 digits, and a covered quantity can be the rest of a balance
divided by a price.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from metronome_sandbox.spec.findings import Finding, shortened

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, Response

JsonObject = Mapping[str, Any]

TOLERANCE = Decimal("0.000001")
"""Of an amount of 1 or less; a part of larger ones."""

POSTPAID = frozenset(("PostpaidCommit", "POSTPAID"))


class Blame(Enum):
    """Whose fault a finding looks like."""

    CLIENT = "client"
    """The request, the token, or how often one asks."""

    SERVER = "server"
    """The API breaks a promise."""

    RECORDING = "recording"
    """It is older than the document, or answers what it was never asked."""

    DOCUMENT = "contract document"
    """The document says something else than the API does, and the API is the one that counts."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as a rule sees it.

    Attributes:
        operation_id: As the document names it.
        parameters: Of the path.
        query: By name, as texts.
        body: Parsed; None where there was none or no JSON.
        data: The parsed answer; None where there was none or no JSON.
    """

    operation_id: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    status: int
    content_type: str
    data: Any

    @property
    def asked(self) -> JsonObject:
        """The fields of the request's body, none where it is no object."""
        return self.body if isinstance(self.body, Mapping) else {}

    @property
    def items(self) -> Sequence[JsonObject]:
        """What a list answered, or the one thing that was answered."""
        data = self.data.get("data") if isinstance(self.data, Mapping) else None
        if isinstance(data, list):
            return [item for item in data if isinstance(item, Mapping)]
        return [data] if isinstance(data, Mapping) else []

    @property
    def is_list(self) -> bool:
        """Whether a list was answered."""
        return isinstance(self.data, Mapping) and isinstance(self.data.get("data"), list)


Rule = Callable[[Call], Iterator[Finding]]


# Money ---------------------------------------------------------------------------------------------------------------


def lines_add_up(call: Call) -> Iterator[Finding]:
    """An invoice's total is the sum of its lines, without what is applied of postpaid commits.

    Source: schema InvoiceLineItem, "type". Lines in a custom unit are converted by lines in the currency.
    """
    for where, invoice in invoices_in(call.data):
        lines = [line for line in invoice["line_items"] if isinstance(line, Mapping)]
        unit = _id_of(invoice.get("credit_type"))
        counted = [
            line
            for line in lines
            if _id_of(line.get("credit_type")) == unit
            and not (line.get("type") == "applied_commit_or_credit" and line.get("commit_type") in POSTPAID)
        ]
        amounts = [_number(line.get("total")) for line in counted]
        total = _number(invoice.get("total"))
        if total is None or None in amounts:
            continue  # no number, which the schema tells
        together = sum((amount for amount in amounts if amount is not None), Decimal(0))
        if not near(total, together):
            yield Finding(f"{where}.total", "lines add up", f"expected {together}, the sum of the lines", str(total))


def price_times_quantity(call: Call) -> Iterator[Finding]:
    """A line's total is its quantity times its unit price, where it has both."""
    for where, invoice in invoices_in(call.data):
        for number, line in enumerate(invoice["line_items"]):
            if not isinstance(line, Mapping):
                continue
            quantity, price = _number(line.get("quantity")), _number(line.get("unit_price"))
            total = _number(line.get("total"))
            if quantity is None or price is None or total is None or near(total, quantity * price):
                continue
            yield Finding(
                f"{where}.line_items[{number}].total",
                "price times quantity",
                f"expected {quantity * price}, {quantity} times {price}",
                str(total),
            )


def one_currency(call: Call) -> Iterator[Finding]:
    """An invoice has lines of its own credit type, and lines of another one only where a line converts them."""
    for where, invoice in invoices_in(call.data):
        unit = _id_of(invoice.get("credit_type"))
        units = {_id_of(line.get("credit_type")): line for line in invoice["line_items"] if isinstance(line, Mapping)}
        converts = any(
            "conversion" in str(line.get("type")) for line in invoice["line_items"] if isinstance(line, Mapping)
        )
        for other, line in units.items():
            if other != unit and not converts:
                yield Finding(
                    f"{where}.line_items",
                    "one currency",
                    f"expected lines in the invoice's credit type {unit} or a line that converts",
                    f"{line.get('name')!r} in {other}",
                )


def ledger_adds_up(call: Call) -> Iterator[Finding]:
    """A balance is the sum of its ledger, and never less than nothing.

    Source: schema Commit, "balance". Manual entries of a segment that is not running do not count, and do not say which
    segment is theirs: such ledgers are left out where a balance has several.
    """
    for where, balance in _objects_with(call.data, "balance", "ledger"):
        ledger = balance["ledger"]
        amount = _number(balance["balance"])
        if not isinstance(ledger, list) or amount is None:
            continue
        schedule = balance.get("access_schedule") or {}
        is_manual = any(str(entry.get("type")).endswith("_MANUAL") for entry in ledger if isinstance(entry, Mapping))
        if is_manual and len(schedule.get("schedule_items", ())) != 1:
            continue
        entries = [_number(entry.get("amount")) for entry in ledger if isinstance(entry, Mapping)]
        if None in entries:
            continue
        together = max(Decimal(0), sum((entry for entry in entries if entry is not None), Decimal(0)))
        if not near(amount, together):
            expected = f"expected {together}, the sum of the ledger"
            yield Finding(f"{where}.balance", "ledger adds up", expected, str(amount))


# What was asked ------------------------------------------------------------------------------------------------------

NAMED_BY = {
    "getCustomer-v1": "customer_id",
    "getBillableMetric-v1": "billable_metric_id",
    "getInvoice-v1": "invoice_id",
    "getProduct-v1": "id",
    "getRateCard-v1": "id",
    "getContract-v1": "contract_id",
    "getContract-v2": "contract_id",
    "getPackage-v1": "package_id",
}
"""The parameter or the field that names what an operation gets."""

FILTERS = {
    "status": "status",
    "type": "type",
    "contract_id": "contract_id",
    "customer_id": "customer_id",
    "credit_type_id": "credit_type.id",
    "commit_id": "id",
    "credit_id": "id",
    "id": "id",
    "package_id": "package_id",
}
"""A filter of a list, and the field of an item that has to say the same. An item without the field proves nothing."""

LISTS = ("list",)


def what_was_asked(call: Call) -> Iterator[Finding]:
    """Who asks for one thing gets that one."""
    name = NAMED_BY.get(call.operation_id)
    if name is None or call.status != 200:
        return
    wanted = call.parameters.get(name, call.asked.get(name))
    for item in call.items[:1]:
        if isinstance(wanted, str) and str(item.get("id")).lower() != wanted.lower():
            yield Finding("data.id", "what was asked", f"expected {wanted}", str(item.get("id")))


def filters_hold(call: Call) -> Iterator[Finding]:
    """Each item of a list passes every filter of the request."""
    if call.status != 200 or not call.operation_id.startswith(LISTS):
        return
    asked = {**call.parameters, **call.query, **call.asked}
    for name, path in FILTERS.items():
        wanted = asked.get(name)
        if not isinstance(wanted, str) or not wanted:
            continue
        for number, item in enumerate(call.items):
            value = _at(item, path)
            if value is not None and str(value).lower() != wanted.lower():
                yield Finding(
                    f"data[{number}].{path}", "filters hold", f"expected {wanted}, as asked by {name}", str(value)
                )
                break
    yield from _times_hold(call, asked)


def _times_hold(call: Call, asked: JsonObject) -> Iterator[Finding]:
    """Invoices that were asked for by time lie in it. Source: parameters StartingOn and EndingBefore."""
    if call.operation_id not in ("listInvoices-v1", "listBreakdownInvoices-v1"):
        return
    start, end = instant(asked.get("starting_on")), instant(asked.get("ending_before"))
    for number, item in enumerate(call.items):
        begins, ends = instant(item.get("start_timestamp")), instant(item.get("end_timestamp"))
        if begins is None or ends is None:
            continue
        if (end is not None and begins >= end) or (start is not None and ends <= start):
            expected = f"expected a time that meets {asked.get('starting_on')} to {asked.get('ending_before')}"
            yield Finding(f"data[{number}]", "filters hold", expected, f"{begins.isoformat()} to {ends.isoformat()}")
            return


def pages_are_pages(call: Call) -> Iterator[Finding]:
    """A page has at most as many items as were asked for, and none of them twice."""
    if call.status != 200 or not call.is_list:
        return
    limit = call.query.get("limit", call.asked.get("limit"))
    if str(limit).isdecimal() and int(str(limit)) < len(call.items):
        yield Finding("data", "pages are pages", f"expected at most {limit} items", f"{len(call.items)} items")
    if call.operation_id == "listBreakdownInvoices-v1":
        return  # one invoice is there once for each window
    ids = Counter(item["id"] for item in call.items if isinstance(item.get("id"), str))
    for one, times in ids.items():
        if times > 1:
            yield Finding("data", "pages are pages", "expected each item once", f"{one}, {times} times")
            return


# Errors --------------------------------------------------------------------------------------------------------------


def errors_have_a_message(call: Call) -> Iterator[Finding]:
    """A refusal is JSON, ``{"message"}`` or ``{"code", "message"}``, and says something; the schema sees to the rest.

    Source: component Error of the published document.
    """
    if call.status < 400:
        return
    rule = "errors have a message"
    if call.content_type.split(";")[0].strip().lower() != "application/json":
        yield Finding("content-type", rule, "expected application/json", call.content_type or "nothing")
    elif not isinstance(call.data, Mapping):
        yield Finding("", rule, 'expected {"message": ...}', shortened(call.data))
    elif not isinstance(call.data.get("message"), str) or not call.data["message"].strip():
        yield Finding("message", rule, "expected a text", shortened(call.data.get("message")))


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        lines_add_up,
        price_times_quantity,
        one_currency,
        ledger_adds_up,
        what_was_asked,
        filters_hold,
        pages_are_pages,
        errors_have_a_message,
    )
}
"""Every rule about a single call, by name."""


def findings_of(call: Call) -> Iterator[Finding]:
    """Yield what all rules find in a call."""
    for rule in RULES.values():
        yield from rule(call)


# For Schemathesis ----------------------------------------------------------------------------------------------------


def register() -> None:
    """Make each rule a check of Schemathesis, by its name; twice is as good as once."""
    import schemathesis
    from schemathesis.checks import CHECKS

    known = set(CHECKS.get_all_names())
    for name, rule in RULES.items():
        if name not in known:
            schemathesis.check(_as_check(name, rule))


def _as_check(name: str, rule: Rule) -> Callable[[CheckContext, Response, Case[Any]], bool | None]:
    from schemathesis.core.failures import Failure

    # A class of its own for each rule: Schemathesis takes two failures of one class for the same.
    broken: type[Failure] = type(name, (Failure,), {"checks": (name,), "kind_title": name.replace("_", " ")})

    def check(context: CheckContext, response: Response, case: Case[Any]) -> bool | None:
        found = list(rule(call_of(response, case)))
        if found:
            raise broken(operation=case.operation.label, message="; ".join(map(str, found[:3])))
        return None

    check.__name__ = name
    check.__doc__ = rule.__doc__
    return check


def call_of(response: Response, case: Case[Any]) -> Call:
    """Return what Schemathesis sent and got as a call."""
    content_types = response.headers.get("content-type") or [""]
    return Call(
        operation_id=str(case.operation.definition.raw["operationId"]),
        parameters={name: str(value) for name, value in (case.path_parameters or {}).items()},
        query=dict(parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)),
        body=case.body if isinstance(case.body, Mapping | list) else None,
        status=response.status_code,
        content_type=content_types[0],
        data=parsed(response.content),
    )


# Reading -------------------------------------------------------------------------------------------------------------


def parsed(body: bytes) -> Any:
    """Return JSON, numbers as they are written; None when it is none."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def invoices_in(data: Any, where: str = "") -> Iterator[tuple[str, JsonObject]]:
    """Yield every invoice in an answer with its place."""
    return _objects_with(data, "line_items", "total", where=where)


def near(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts are the same, but for the last printed digits."""
    return abs(one - other) <= TOLERANCE * max(Decimal(1), abs(one), abs(other))


def instant(text: Any) -> datetime | None:
    """Return a time with an offset; None for anything else."""
    try:
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return value if value.tzinfo is not None else None


def amount(value: Any) -> Decimal:
    """Return a number of an answer; zero where there is none."""
    return _number(value) or Decimal(0)


def total_of(things: Iterable[Any], name: str) -> Decimal:
    """Return the sum of one field of several objects."""
    return sum((amount(thing.get(name)) for thing in things), Decimal(0))


def _objects_with(data: Any, *names: str, where: str = "") -> Iterator[tuple[str, JsonObject]]:
    if isinstance(data, Mapping):
        if all(name in data for name in names) and not (
            "line_items" in names and not isinstance(data["line_items"], list)
        ):
            yield where, data
        for name, value in data.items():
            yield from _objects_with(value, *names, where=f"{where}.{name}" if where else name)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _objects_with(value, *names, where=f"{where}[{number}]")


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _id_of(credit_type: Any) -> Any:
    return credit_type.get("id") if isinstance(credit_type, Mapping) else None


def _at(item: JsonObject, path: str) -> Any:
    value: Any = item
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
