"""What the target has: usage invoices of a customer, and which of them an old invoice became."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from metronome_sandbox.client.asking import Answer, CannotAsk, message_of
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.legacy import Groups, LegacyInvoice, LegacyLine, sorted_groups
from metronome_sandbox.importer.preview import PreviewInvoice, PreviewLine

PAGE = 100
VOID = "VOID"
USAGE_PRODUCT = "UsageProductListItem"
SAME = Decimal("1e-12")
"""Of a quantity: a part that a balance covers may have been divided and printed with 15 digits."""

Place = tuple[str | None, str, datetime | None, datetime | None]
"""Contract, credit type and period: of these there is one invoice."""


class TargetLine(PreviewLine, frozen=True, gc=False):
    """A line item. Source: schema ``InvoiceLineItem``."""

    product_type: str | None = None


class TargetInvoice(PreviewInvoice, frozen=True, gc=False, kw_only=True):
    """An invoice that exists. Source: schema ``Invoice``."""

    id: str
    customer_id: str
    status: str
    line_items: list[TargetLine]  # type: ignore[assignment]  # read only, so a list of more is one of less
    issued_at: datetime | None = None

    @property
    def place(self) -> Place:
        """Which invoice of which contract it is."""
        return self.contract_id, self.credit_type.id, self.start_timestamp, self.end_timestamp

    @property
    def draws(self) -> dict[str, Decimal]:
        """What each balance pays of it, by the id of the balance."""
        found: dict[str, Decimal] = {}
        for line in self.line_items:
            if line.is_application and line.applied_commit_or_credit is not None:
                balance = line.applied_commit_or_credit.id
                found[balance] = found.get(balance, Decimal(0)) - line.total
        return found


class _Page(msgspec.Struct, frozen=True, gc=False):
    data: list[TargetInvoice]
    next_page: str | None = None


class _Made(msgspec.Struct, frozen=True, gc=False):
    data: list[TargetInvoice]


_PAGES = msgspec.json.Decoder(_Page)
_MADE = msgspec.json.Decoder(_Made)


def place_of(invoice: LegacyInvoice) -> Place:
    """Return which invoice of which contract an old one is."""
    return invoice.contract_id, invoice.credit_type_id, invoice.starting_at, invoice.ending_before


def made(answer: Answer) -> list[TargetInvoice] | None:
    """Return the invoices that an answer to ``createHistoricalInvoices`` names, None where it is no such answer."""
    try:
        return _MADE.decode(answer.body).data if answer.status == 200 else None
    except msgspec.DecodeError:
        return None


def usage_invoices(sender: Sender, customer_id: str, places: Iterable[Place]) -> Iterator[TargetInvoice]:
    """Yield the customer's usage invoices, void ones as well, from the first of some periods to the last.

    Raises:
        CannotAsk: The target does not say.
    """
    periods = [(start, end) for _, _, start, end in places if start is not None and end is not None]
    query = {
        "type": "USAGE",
        "limit": str(PAGE),
        "starting_on": _time(min(start for start, _ in periods)),
        # Whether "before" leaves out what ends at that very instant is documented in two ways; a day more finds both.
        "ending_before": _time(max(end for _, end in periods) + timedelta(days=1)),
    }
    path = f"/v1/customers/{customer_id}/invoices"
    page: str | None = ""
    while page is not None:
        answer = sender.send("GET", f"{path}?{urlencode({**query, 'next_page': page} if page else query)}")
        if answer.status != 200:
            raise CannotAsk(f"{path} answered {answer.status}: {message_of(answer)}")
        try:
            found = _PAGES.decode(answer.body)
        except msgspec.DecodeError as error:
            raise CannotAsk(f"{path}: the answer is not what the document says: {error}") from None
        yield from found.data
        if found.next_page == page:
            raise CannotAsk(f"{path}: a page names itself as the next one")
        page = found.next_page


def differences(invoice: LegacyInvoice, there: TargetInvoice) -> list[str]:
    """Return in what an invoice of the target differs from the old one that it should be; totals are not compared."""
    found = []
    if place_of(invoice) != there.place:
        period = f"{_shown(there.start_timestamp)} to {_shown(there.end_timestamp)}"
        found.append(f"it is of contract {there.contract_id}, in {there.credit_type.name}, for {period}")
    if there.issued_at != invoice.issued_at:
        found.append(f"it was issued at {_shown(there.issued_at)} and not at {_shown(invoice.issued_at)}")
    wanted = _quantities(invoice.lines)
    has = _billed(there.line_items)
    for key in dict.fromkeys((*wanted, *has)):
        one, other = wanted.get(key, Decimal(0)), has.get(key, Decimal(0))
        if abs(one - other) > SAME * max(abs(one), Decimal(1)):
            what = ", ".join((key[0], *(f"{name} {value}" for name, value in (*key[1], *key[2]))))
            found.append(f"its quantity of product {what} is {other.normalize():f} and not {one.normalize():f}")
    return found


def _quantities(lines: Sequence[LegacyLine]) -> dict[tuple[str, Groups, Groups], Decimal]:
    found: dict[tuple[str, Groups, Groups], Decimal] = {}
    for line in lines:
        key = line.product_id, sorted_groups(line.pricing_group_values), sorted_groups(line.presentation_group_values)
        quantity = sum((each.quantity for each in line.subtotals), Decimal(0)) if line.subtotals else line.quantity
        found[key] = found.get(key, Decimal(0)) + quantity
    return found


def _billed(lines: Sequence[TargetLine]) -> dict[tuple[str, Groups, Groups], Decimal]:
    """Return quantities over tiers, prices and what balances cover; applications have none."""
    found: dict[tuple[str, Groups, Groups], Decimal] = {}
    for line in lines:
        if line.product_id is None or line.quantity is None or line.product_type != USAGE_PRODUCT:
            continue
        pricing = sorted_groups((line.pricing_group_values or {}).items())
        presentation = sorted_groups((line.presentation_group_values or {}).items())
        key = line.product_id, pricing, presentation
        found[key] = found.get(key, Decimal(0)) + line.quantity
    return found


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _shown(instant: datetime | None) -> str:
    return "none" if instant is None else _time(instant)
