"""Every old invoice is previewed: what it would come to on the contract, without anything being saved.

A later period meets balances as the earlier ones leave them, and a preview sees only what its own request holds. So all
invoices of a customer go into one request, in the order of their periods; balances may belong to the customer and not
to one contract. Customers whose contracts stand in one hierarchy share balances too and are previewed as one.

Where they do not fit into one body, each further request repeats the earlier invoices with their quantities as wholes,
without the subtotals that take the room. Whether balances then are what they would be is not assumed: the repeated
invoices must come to the totals that they came to before. Where they do not, or do not fit either, the outcome says
that balances could not be previewed exactly.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from metronome_sandbox.client.asking import Answer, CannotAsk, message_of, value_of
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.request import request_of

PATH = "/v1/contracts/createHistoricalInvoices"
MAX_BYTES = 8 * 1024 * 1024
"""Of one body, unless the target says that it is too much. A sandbox takes 10 MiB; the real limit is in no document."""

BODY_AROUND = 64
"""Bytes of a body that belong to no invoice, and more."""

ORDER = ("starting_at", "ending_before", "contract_id", "number")
ZERO = Decimal(0)
MESSAGE = 2000
NOISE = Decimal("0.000001")
"""Answers have up to 15 significant digits."""

TOO_LARGE = 413
SERVER_ERRORS = 500
NOT_IMITATED = 501
UNREADABLE = 599
"""In the place of a status: an answer came that is none."""

TRIES = 4
"""Of a call that a server in trouble answers. A preview changes nothing, so it may be repeated."""

PAUSE_SECONDS = 0.5

INVOICE = re.compile(r"invoices(?:\[|[./])(\d+)\]?")
LINE = re.compile(r"usage_line_items(?:\[|[./])(\d+)\]?")

Result = TypeVar("Result")


# What comes back -----------------------------------------------------------------------------------------------------


class CreditType(msgspec.Struct, frozen=True, gc=False):
    """A currency or a custom unit."""

    id: str
    name: str


class Tier(msgspec.Struct, frozen=True, gc=False):
    """Which tier a line is priced at."""

    level: Decimal
    starting_at: str
    size: str | None = None


class Applied(msgspec.Struct, frozen=True, gc=False):
    """The balance that a line belongs to."""

    id: str
    type: str


class PreviewLine(msgspec.Struct, frozen=True, gc=False):
    """A line item of a preview, as far as a reconciliation reads it. Source: schema ``InvoiceLineItem``."""

    type: str
    name: str
    total: Decimal
    credit_type: CreditType
    product_id: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    tier: Tier | None = None
    applied_commit_or_credit: Applied | None = None

    @property
    def is_application(self) -> bool:
        """Whether it shows what a balance pays."""
        return self.type == "applied_commit_or_credit"

    @property
    def is_postpaid(self) -> bool:
        """Whether the balance is a postpaid commit, whose application lines are in no total."""
        return self.applied_commit_or_credit is not None and self.applied_commit_or_credit.type == "POSTPAID"

    @property
    def is_conversion(self) -> bool:
        """Whether it brings custom units into the currency."""
        return self.type == "cpu_conversion"


class PreviewInvoice(msgspec.Struct, frozen=True, gc=False):
    """An invoice as it would be. Source: schema ``Invoice``."""

    credit_type: CreditType
    line_items: list[PreviewLine]
    total: Decimal
    contract_id: str | None = None
    start_timestamp: datetime | None = None
    end_timestamp: datetime | None = None

    def moves(self) -> Moves:
        """Return what it comes to and takes from balances."""
        draws: dict[str, Decimal] = {}
        for line in self.line_items:
            if line.is_application and line.applied_commit_or_credit is not None:
                balance = line.applied_commit_or_credit.id
                draws[balance] = draws.get(balance, ZERO) + line.total
        return Moves(self.total, draws)


@dataclass(frozen=True, slots=True)
class Moves:
    """What an invoice comes to, and what it takes from each balance, by its id."""

    total: Decimal
    draws: Mapping[str, Decimal]

    def are_those_of(self, other: Moves) -> bool:
        """Whether another invoice moves the same."""
        balances = {*self.draws, *other.draws}
        pairs = [(self.draws.get(one, ZERO), other.draws.get(one, ZERO)) for one in balances]
        return all(abs(one - another) <= NOISE for one, another in [(self.total, other.total), *pairs])


class _Previews(msgspec.Struct, frozen=True, gc=False):
    data: list[PreviewInvoice]


class _Link(msgspec.Struct, frozen=True, gc=False):
    customer_id: str


class _Hierarchy(msgspec.Struct, frozen=True, gc=False):
    parent: _Link | None = None
    children: list[_Link] = []


class _Contract(msgspec.Struct, frozen=True, gc=False):
    hierarchy_configuration: _Hierarchy | None = None


class _Contracts(msgspec.Struct, frozen=True, gc=False):
    data: list[_Contract]


_PREVIEWS = msgspec.json.Decoder(_Previews)
_CONTRACTS = msgspec.json.Decoder(_Contracts)
_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(LegacyInvoice)


@dataclass(frozen=True, slots=True)
class Previewed:
    """What an old invoice comes to. ``doubt`` says why its balances may not be what they would be, else it is None."""

    invoice: LegacyInvoice
    preview: PreviewInvoice
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An old invoice that the API would not take, in its own words, and the lines of the file that it means."""

    invoice: LegacyInvoice
    message: str
    rows: tuple[int, int] | None


Outcome = Previewed | Refused


# One request after the other -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Item:
    invoice: LegacyInvoice
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it adds to a body, with the comma behind it."""
        return len(self.body) + 1


@dataclass(frozen=True, slots=True)
class _Packed:
    """An old invoice that waits, in a tenth of the memory."""

    place: tuple[Any, ...]
    customer_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Repeat:
    """An invoice that was previewed, as a later request repeats it, and what it did then."""

    item: _Item
    moves: Moves


class _Refusal(Exception):
    """A request that was not answered with previews."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def place(self) -> int | None:
        """The invoice of the request that the message names."""
        found = INVOICE.search(self.message)
        return None if found is None else int(found[1])


class _Group:
    """The invoices of customers that share balances, in the order of their periods."""

    def __init__(self, sender: Sender, invoices: Iterable[_Packed], max_bytes: int) -> None:
        self._sender = sender
        self._max_bytes = max_bytes - BODY_AROUND
        self._waiting = deque(sorted(invoices, key=attrgetter("place")))
        self._ready: list[_Item] = []
        """The next ones, as they are sent."""
        self._done: list[_Repeat] = []
        self._first_refused: LegacyInvoice | None = None
        self._doubt: str | None = None
        self._can_repeat = True

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what each invoice comes to."""
        while self._ready or self._waiting:
            repeated = self._repeated()
            chunk = self._chunk(self._max_bytes - sum(item.size for item in repeated))
            try:
                found = self._ask([*repeated, *chunk])
            except _Refusal as refusal:
                yield from self._refused(refusal, repeated, chunk)
                continue
            self._hold_to_earlier(found[: len(repeated)])
            self._leave(chunk)
            for item, preview in zip(chunk, found[len(repeated) :], strict=True):
                if self._can_repeat and (self._ready or self._waiting):
                    self._done.append(_Repeat(_whole(item.invoice), preview.moves()))
                yield Previewed(item.invoice, preview, self._doubt_of(item.invoice))

    def _repeated(self) -> list[_Item]:
        """Return what a request begins with, so that its own invoices meet balances as the earlier ones leave them."""
        if not self._done or not self._can_repeat:
            return []
        wholes = [each.item for each in self._done]
        if sum(item.size for item in wholes) * 2 > self._max_bytes:
            self._stop_repeating("this customer's invoices do not fit into one request")
            return []
        return wholes

    def _stop_repeating(self, reason: str) -> None:
        self._can_repeat = False
        self._done.clear()
        self._doubt = f"{reason}, so balances could not be previewed exactly"

    def _chunk(self, room: int) -> list[_Item]:
        """Return as many of the invoices that wait as there is room for, and one at least."""
        chunk: list[_Item] = []
        while len(chunk) < len(self._ready) or self._waiting:
            if len(chunk) == len(self._ready):
                self._ready.append(_item(_UNPACK.decode(self._waiting.popleft().content)))
            item = self._ready[len(chunk)]
            room -= item.size
            if room < 0 and chunk:
                break
            chunk.append(item)
        return chunk

    def _leave(self, items: Sequence[_Item]) -> None:
        gone = {id(item) for item in items}
        self._ready = [item for item in self._ready if id(item) not in gone]

    def _hold_to_earlier(self, again: Sequence[PreviewInvoice]) -> None:
        """Doubt the balances where a repeated invoice comes to something else than it did."""
        for before, now in zip(self._done, again, strict=False):
            if self._doubt is None and not now.moves().are_those_of(before.moves):
                self._doubt = (
                    f"invoice {before.item.invoice.number} comes to something else without its subtotals, so balances "
                    "could not be previewed exactly over several requests"
                )

    def _doubt_of(self, invoice: LegacyInvoice) -> str | None:
        refused = self._first_refused
        if self._doubt is None and refused is not None and refused.starting_at <= invoice.starting_at:
            return f"invoice {refused.number} was refused, so balances are as if it had never been"
        return self._doubt

    def _refused(self, refusal: _Refusal, repeated: Sequence[_Item], chunk: Sequence[_Item]) -> Iterator[Outcome]:
        """Take out what cannot be previewed, so that the others go on."""
        sent = [*repeated, *chunk]
        is_theirs = refusal.status >= SERVER_ERRORS
        place = None if is_theirs else refusal.place
        if refusal.status == TOO_LARGE and len(sent) > 1:
            self._max_bytes = sum(item.size for item in sent) // 2
            if len(chunk) == 1:
                self._stop_repeating("this customer's invoices do not fit into one request")
        elif place is not None and len(repeated) <= place < len(sent):
            yield self._out(sent[place], refusal, sent)
        elif repeated and not is_theirs:
            self._stop_repeating(f"the target refuses what a request repeats ({refusal.message})")
        elif is_theirs or len(chunk) == 1:
            for item in chunk:
                yield self._out(item, refusal, sent)
        else:
            yield from self._each_alone(chunk, refusal)

    def _out(self, item: _Item, refusal: _Refusal, sent: Sequence[_Item]) -> Refused:
        self._leave([item])
        if self._first_refused is None or item.invoice.starting_at < self._first_refused.starting_at:
            self._first_refused = item.invoice
        return Refused(item.invoice, _named(refusal.message, sent), _rows(item.invoice, refusal.message))

    def _each_alone(self, chunk: Sequence[_Item], together: _Refusal) -> Iterator[Outcome]:
        """Find out which invoices are refused where a message names none; if none is, preview each by itself."""
        previewed: list[tuple[_Item, PreviewInvoice]] = []
        refused: list[tuple[_Item, _Refusal]] = []
        for item in chunk:
            try:
                previewed.append((item, self._ask([item])[0]))
            except _Refusal as refusal:
                refused.append((item, refusal))
        for item, reason in refused:
            yield self._out(item, reason, [item])
        if refused:
            return
        self._stop_repeating(f"the target refuses this customer's invoices together ({together.message})")
        self._leave(chunk)
        for item, preview in previewed:
            yield Previewed(item.invoice, preview, self._doubt)

    def _ask(self, items: Sequence[_Item]) -> list[PreviewInvoice]:
        """Return the previews in the order of the items.

        Raises:
            _Refusal: There are none.
            CannotAsk: Nobody can be asked.
        """
        body = b'{"invoices":[' + b",".join(item.body for item in items) + b'],"preview":true}'
        answer = ask(self._sender, PATH, body)
        if answer.status in (401, 403):
            raise CannotAsk(f"{PATH} answered {answer.status}: {message_of(answer)}")
        if answer.status != 200:
            raise _Refusal(answer.status, _message(answer))
        try:
            found = _PREVIEWS.decode(answer.body).data
        except msgspec.DecodeError as error:
            raise _Refusal(UNREADABLE, f"the answer is not what the document says: {error}") from None
        if len(found) != len(items):
            raise _Refusal(UNREADABLE, f"the answer has {len(found)} invoices for {len(items)} that were sent")
        return _in_order(items, found)


def _message(answer: Answer) -> str:
    """Return what a refusal says, in full: it names ids that a person looks for."""
    value = value_of(answer)
    said = value.get("message") if isinstance(value, dict) else None
    return str(said or answer.body.decode("utf-8", "replace"))[:MESSAGE]


def _in_order(items: Sequence[_Item], found: Sequence[PreviewInvoice]) -> list[PreviewInvoice]:
    """Return previews as their items stand. A sandbox keeps the order; nobody promises that the real API does."""

    def place(contract_id: str | None, start: datetime | None, end: datetime | None) -> tuple[Any, ...]:
        return contract_id, start, end

    places = [place(each.contract_id, each.start_timestamp, each.end_timestamp) for each in found]
    wanted = [place(item.invoice.contract_id, item.invoice.starting_at, item.invoice.ending_before) for item in items]
    if places == wanted or len(set(wanted)) < len(wanted) or set(places) != set(wanted):
        return list(found)
    by_place = dict(zip(places, found, strict=True))
    return [by_place[each] for each in wanted]


def _packed(invoice: LegacyInvoice) -> _Packed:
    return _Packed(attrgetter(*ORDER)(invoice), invoice.customer_id, _PACK.encode(invoice))


def _item(invoice: LegacyInvoice) -> _Item:
    return _Item(invoice, encode(request_of(invoice)))


def _whole(invoice: LegacyInvoice) -> _Item:
    """Return an invoice with each line's quantity as a whole, which is shorter; its lines are kept nowhere else."""
    request = request_of(replace(invoice, granularity=None))
    lines = [_whole_line(line) for line in request["usage_line_items"]]
    return _Item(replace(invoice, lines=()), encode({**request, "usage_line_items": lines}))


def _whole_line(line: dict[str, Any]) -> dict[str, Any]:
    windows = line.get("subtotals_with_quantity")
    if windows is None:
        return line
    rest = {name: value for name, value in line.items() if name != "subtotals_with_quantity"}
    return {**rest, "quantity": sum((window["quantity"] for window in windows), ZERO)}


def _named(message: str, sent: Sequence[_Item]) -> str:
    """Return a message with the numbers of old invoices in the place of their indexes."""

    def number(found: re.Match[str]) -> str:
        place = int(found[1])
        return f"invoice {sent[place].invoice.number}" if place < len(sent) else found[0]

    return INVOICE.sub(number, message)


def _rows(invoice: LegacyInvoice, message: str) -> tuple[int, int] | None:
    """Return the rows of the line that a message names, else of the invoice."""
    found = LINE.search(message)
    if found is not None and int(found[1]) < len(invoice.lines):
        return invoice.lines[int(found[1])].rows
    rows = [line.rows for line in invoice.lines]
    return (min(first for first, _ in rows), max(last for _, last in rows)) if rows else None


# Many customers at the same time -------------------------------------------------------------------------------------


def previews(
    invoices: Iterable[LegacyInvoice],
    sender: Sender,
    finish: Callable[[Outcome], Result],
    *,
    max_bytes: int = MAX_BYTES,
    on_family: Callable[[frozenset[str]], object] = lambda _: None,
) -> Iterator[Result]:
    """Preview all invoices and yield what ``finish`` makes of each outcome.

    As many customers are asked for at the same time as the sender has calls, and few more wait in memory, packed. Those
    of one customer come in the order of their periods, customers as they are done. Customers of hierarchies come last:
    theirs are kept until all of a family are there.

    Args:
        invoices: Those of one customer stand together.
        finish: Called in the thread that asked.
        max_bytes: The longest body.
        on_family: Told the ids of customers that share balances.

    Raises:
        CannotAsk: Nobody can be asked.
    """

    def preview(group: Sequence[_Packed]) -> list[Result]:
        return [finish(outcome) for outcome in _Group(sender, group, max_bytes).outcomes()]

    def of_customer(group: Sequence[_Packed]) -> list[Result] | _Relatives:
        relatives = relatives_of(sender, group[0].customer_id)
        return _Relatives(relatives, group) if relatives else preview(group)

    families: list[_Relatives] = []
    customers = ([_packed(invoice) for invoice in own] for _, own in groupby(invoices, attrgetter("customer_id")))
    for found in sender.in_order(customers, of_customer):
        if isinstance(found, _Relatives):
            families = _united(families, found)
        else:
            yield from found
    for family in families:
        on_family(family.customer_ids)
    for results in sender.in_order((family.invoices for family in families), preview):
        yield from results


@dataclass(frozen=True, slots=True)
class _Relatives:
    """Customers that share balances, and what there is of them."""

    customer_ids: frozenset[str]
    invoices: Sequence[_Packed]


def _united(families: Iterable[_Relatives], one: _Relatives) -> list[_Relatives]:
    """Return families with one more customer's part, those that turn out to be one united."""
    apart = []
    for family in families:
        if family.customer_ids & one.customer_ids:
            one = _Relatives(family.customer_ids | one.customer_ids, [*family.invoices, *one.invoices])
        else:
            apart.append(family)
    return [*apart, one]


def relatives_of(sender: Sender, customer_id: str) -> frozenset[str]:
    """Return the customers that stand in a hierarchy with one, with itself; none where there is no hierarchy.

    A target that does not tell is asked for previews all the same.
    """
    answer = ask(sender, "/v2/contracts/list", {"customer_id": customer_id})
    try:
        contracts = _CONTRACTS.decode(answer.body).data if answer.status == 200 else []
    except msgspec.DecodeError:
        contracts = []
    places = [each.hierarchy_configuration for each in contracts if each.hierarchy_configuration is not None]
    others = {link.customer_id for place in places for link in (*place.children, *filter(None, [place.parent]))}
    return frozenset({*others, customer_id}) if others else frozenset()


def ask(sender: Sender, path: str, body: Any) -> Answer:
    """Return the answer to a call that changes nothing although it is a POST, asked for again where that may help."""
    for attempt in range(1, TRIES):
        answer = sender.send("POST", path, body, is_read=True)
        if answer.status < SERVER_ERRORS or answer.status == NOT_IMITATED:
            return answer
        time.sleep(PAUSE_SECONDS * 2**attempt)
    return sender.send("POST", path, body, is_read=True)
