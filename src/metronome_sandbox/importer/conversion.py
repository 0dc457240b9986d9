"""A row of an old file as what is staged of it: ids, seconds and exact numbers, or findings.

Every cell is looked at, so that a row with three mistakes has three findings. What repeats from row to row (customers,
products, dates, contracts) is worked out once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from operator import itemgetter
from typing import NamedTuple, TypeVar

import msgspec

from metronome_sandbox.importer.dates import DAY, HOUR, DateReader, Moment
from metronome_sandbox.importer.findings import Findings, Wrong
from metronome_sandbox.importer.lookups import CACHED, Products, Things, text_of
from metronome_sandbox.importer.mapping import Calendar, Granularity, Mapping, Span
from metronome_sandbox.importer.numbers import NumberReader, checked
from metronome_sandbox.importer.row import Cell, Row, text
from metronome_sandbox.importer.target_catalog import USD, TargetCatalog, TargetContract, TargetCustomer, TargetProduct

EXACT = Context(prec=80)
ONE = Decimal(1)
SHORT = Decimal(10) ** 12
"""Below it, no amount gets too many digits by the factors that there are."""

MONTHS = {Calendar.MONTH: 1, Calendar.QUARTER: 3, Calendar.YEAR: 12}
NO_MINOR_UNIT = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
THOUSANDTHS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))

Found = TypeVar("Found")
Seen = dict[object, Found | Wrong]
"""What cells have said so far: they repeat from row to row."""


class StagedRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of a row: times as seconds, numbers as texts, contract and product as places in lists.

    Attributes:
        cells: A hash of all cells that the mapping reads; equal rows have equal ones.
        groups: JSON of pricing and presentation group values, ``""`` for none.
    """

    line: int
    cells: int
    contract: int
    starting_at: int
    ending_before: int
    issued_at: int
    total: str | None
    product: int
    groups: str
    window_start: int
    window_end: int
    quantity: str
    unit_price: str | None
    amount: str | None


class Times(NamedTuple):
    """What the dates of a row say: the period of its invoice, when that was issued, and what its quantity is of."""

    starting_at: int
    ending_before: int
    issued_at: int
    window_start: int
    window_end: int


class Party(NamedTuple):
    """A customer and one of its contracts, and how many of the API's units one of the file's amounts is."""

    customer: TargetCustomer
    contract: TargetContract
    factor: Decimal


class Converter:
    """Makes staged rows. What cannot be used goes to ``findings``.

    Attributes:
        parties: Customers with contracts, in the order in which the file names them.
        products: Likewise.
        skipped: Rows that a filter of the mapping leaves out.
    """

    def __init__(self, mapping: Mapping, catalog: TargetCatalog, findings: Findings) -> None:
        self._mapping = mapping
        self._catalog = catalog
        self._findings = findings
        self.parties: list[Party] = []
        self.products: list[TargetProduct] = []
        self.skipped = 0
        self._row = Row(0, {})
        self._is_good = True
        self._numbers = NumberReader(mapping.decimal_mark, mapping.thousands)
        self._is_plain = self._numbers.is_plain
        self._dates = DateReader(
            mapping.date_formats, mapping.time_zone, is_hourly=mapping.granularity is Granularity.HOUR
        )
        self._customers = Things("customer", catalog.customers.values(), mapping.customer)
        self._products = Products(catalog.products, mapping.product, mapping.product_table)
        for name, product, problem in self._products.problems():
            findings.add(None, f"product.table.{name}", product, f"{problem} (in {mapping.file})")
        self._product_places: dict[str, int] = {}
        self._party_places: dict[str, int] = {}
        self._seen_customers: Seen[TargetCustomer] = {}
        self._seen_products: Seen[tuple[int, Decimal]] = {}
        self._seen_parties: Seen[int] = {}
        self._seen_groups: Seen[str] = {}
        self._seen_texts: Seen[str] = {}
        self._seen_amounts: dict[tuple[Cell, int | None], str] = {}
        self._seen_times: dict[object, Times] = {}
        self._time_cells = _cells_of(_time_columns(mapping))
        self._group_cells = _cells_of([*mapping.pricing_groups.values(), *mapping.presentation_groups.values()])

    def convert(self, row: Row) -> tuple[str, StagedRow] | None:
        """Return the key of a row's invoice and what is kept of the row, None when it is left out or has findings."""
        mapping, cells = self._mapping, row.cells
        for skip in mapping.skip:
            if skip.holds(text(cells[skip.column])):
                self.skipped += 1
                return None
        self._row, self._is_good = row, True
        customer = self._seen(self._seen_customers, mapping.customer.column, self._customer)
        product = self._seen(self._seen_products, mapping.product.column, self._product)
        quantity = self._quantity(mapping.quantity.column, ONE if product is None else product[1])
        times = self._times(cells)
        party = None if customer is None or times is None else self._party(customer, times)
        total = None if mapping.total is None else self._often(mapping.total, party)
        price = None if mapping.unit_price is None else self._often(mapping.unit_price, party)
        amount = None if mapping.amount is None else self._money(mapping.amount, party)
        key = "" if mapping.invoice_number is None else self._number_of(mapping.invoice_number)
        groups = "" if product is None or not self._group_cells else self._groups(product[0])
        if not self._is_good or party is None or times is None or product is None:
            return None
        start, end, issued_at, window_start, window_end = times
        return key or f"{party}:{start}", StagedRow(
            row.line,
            hash(tuple(cells.values())),
            party,
            start,
            end,
            issued_at,
            total,
            product[0],
            groups,
            window_start,
            window_end,
            quantity,
            price,
            amount,
        )

    def _wrong(self, column: str, problem: str) -> None:
        """Note that a cell of the row cannot be used."""
        self._is_good = False
        place = f"{self._row.place}: {column}" if self._row.place else column
        self._findings.add(self._row.line, place, self._row.cells.get(column), problem)

    def _seen(self, seen: Seen[Found], column: str, read: Callable[[Cell], Found]) -> Found | None:
        """Return what a cell names; what one cell says, all cells like it say."""
        cell = self._row.cells[column]
        known = seen.get(cell)
        if known is None:
            known = _remember(seen, cell, lambda: read(cell))
        if type(known) is Wrong:
            self._wrong(column, str(known))
            return None
        return known  # type: ignore[return-value]

    def _customer(self, cell: Cell) -> TargetCustomer:
        return self._customers.named(text_of(cell))

    def _product(self, cell: Cell) -> tuple[int, Decimal]:
        product, factor = self._products.named(text_of(cell))
        place = self._product_places.get(product.id)
        if place is None:
            place = self._product_places[product.id] = len(self.products)
            self.products.append(product)
        factor = EXACT.multiply(factor, self._mapping.quantity.multiply_by)
        return place, ONE if factor == 1 else factor

    def _number(self, column: str) -> Decimal | None:
        cell = self._row.cells[column]
        if cell is None:
            self._wrong(column, "is empty; expected a number")
            return None
        try:
            return self._numbers.read(cell)
        except Wrong as wrong:
            self._wrong(column, str(wrong))
            return None

    def _quantity(self, column: str, factor: Decimal) -> str:
        """Return a quantity in the unit of its product, ``""`` where there is none."""
        cell = self._row.cells[column]
        if factor is ONE and type(cell) is str and self._is_plain(cell):
            return cell
        number = self._number(column)
        if number is None:
            return ""
        if number < 0:
            self._wrong(
                column,
                "is less than 0, as on a credit note; an import has no such quantities: leave the row out with skip, "
                "and give the customer a credit",
            )
        if factor is ONE:
            return str(number)
        try:
            return str(checked(EXACT.multiply(number, factor)))
        except Wrong as wrong:
            self._wrong(column, f"multiplied by {factor} {wrong}")
            return ""

    def _money(self, column: str, party: int | None) -> str | None:
        """Return an amount in the API's unit; an empty cell says none."""
        cell = self._row.cells[column]
        if not cell and not isinstance(cell, Decimal):
            return None
        if isinstance(cell, str) and cell.isspace():
            return None
        number = self._number(column)
        if number is None:
            return None
        if number < 0:
            self._wrong(
                column,
                "is less than 0, as for a discount or a credit note; an import has quantities of products only: leave "
                "the row out with skip",
            )
        if party is None:
            return None
        factor = self.parties[party].factor
        if factor is ONE:
            return str(number)
        try:
            number = EXACT.multiply(number, factor)
            return str(number if number < SHORT else checked(number))
        except Wrong as wrong:
            self._wrong(column, f"in the unit of the API {wrong}")
            return None

    def _often(self, column: str, party: int | None) -> str | None:
        """Return an amount that many rows share, as prices and totals are."""
        key = self._row.cells[column], party
        known = self._seen_amounts.get(key)
        if known is None:
            known = self._money(column, party)
            if known is not None and self._is_good:
                if len(self._seen_amounts) >= CACHED:
                    self._seen_amounts.clear()
                self._seen_amounts[key] = known
        return known

    def _number_of(self, column: str) -> str:
        """Return the number of the invoice."""
        try:
            number = text_of(self._row.cells[column])
        except Wrong as wrong:
            self._wrong(column, str(wrong))
            return ""
        if not number:
            self._wrong(column, "is empty; expected the number of the invoice")
        return number

    def _times(self, cells: dict[str, Cell]) -> Times | None:
        """Return what the dates say, None where one of them cannot be used."""
        said = self._time_cells(cells) if self._time_cells else None
        known = self._seen_times.get(said)
        if known is not None:
            return known
        window = self._window()
        period = self._period(window)
        issued_at = self._issued_at(period)
        window = None if period is None else self._inside(window, period)
        if period is None or issued_at is None or window is None:
            return None
        if len(self._seen_times) >= CACHED:
            self._seen_times.clear()
        times = self._seen_times[said] = Times(*period, issued_at, *window)
        return times

    def _moment(self, column: str) -> Moment | None:
        cell = self._row.cells[column]
        try:
            if cell is None or cell == "":
                raise Wrong("is empty; expected a date")
            return self._dates.read(cell.strip() if isinstance(cell, str) else cell)
        except Wrong as wrong:
            self._wrong(column, str(wrong))
            return None

    def _span(self, span: Span) -> tuple[int, int] | None:
        start, end = self._moment(span.start), self._moment(span.end)
        if start is None or end is None:
            return None
        if not span.is_inclusive and end.is_last_minute:
            self._wrong(span.end, "is the last minute of a day, and no end that is exclusive; say end_is: inclusive")
            return None
        ending_before = end.after if span.is_inclusive else end.at
        if ending_before <= start.at:
            said = "before" if span.is_inclusive else "not after"
            self._wrong(span.end, f"is {said} {span.start}, {self._row.cells[span.start]}")
            return None
        return start.at, ending_before

    def _window(self) -> tuple[int, int] | None:
        """Return the time that the row's quantity is of; None where that is the whole period, or where it is wrong."""
        mapping = self._mapping
        if mapping.service is not None:
            window = self._span(mapping.service)
            length = {Granularity.DAY: DAY, Granularity.HOUR: HOUR}.get(mapping.granularity)
            if window is not None and length is not None and window[1] - window[0] != length:
                start = self._row.cells[mapping.service.start]
                self._wrong(
                    mapping.service.end,
                    f"is no {mapping.granularity} after {mapping.service.start}, {start}; "
                    f"granularity: {mapping.granularity} wants a row for each",
                )
                return None
            return window
        if mapping.date is None:
            return None
        moment = self._moment(mapping.date)
        if moment is None:
            return None
        if mapping.granularity is Granularity.HOUR and not moment.has_time:
            self._wrong(mapping.date, "has no time of day, and granularity is hour")
            return None
        return moment.at, moment.after

    def _period(self, window: tuple[int, int] | None) -> tuple[int, int] | None:
        period = self._mapping.period
        if isinstance(period, Span):
            return self._span(period)
        if window is None:
            return None
        try:
            return self._dates.calendar(window[0], MONTHS[period])
        except Wrong as wrong:
            span = self._mapping.service
            self._wrong(
                (self._mapping.date if span is None else span.start) or "", f"is in a {period} whose begin {wrong}"
            )
            return None

    def _inside(self, window: tuple[int, int] | None, period: tuple[int, int]) -> tuple[int, int] | None:
        """Return the window to stage: the row's own, or the period where rows have none or only a date."""
        mapping = self._mapping
        if window is not None and (window[0] < period[0] or window[1] > period[1]):
            column = mapping.date if mapping.service is None else mapping.service.start
            self._wrong(column or "", f"is not inside the billing period {shown(*period)}")
            return None
        if mapping.service is None and mapping.granularity is Granularity.NONE:
            return period
        return window

    def _issued_at(self, period: tuple[int, int] | None) -> int | None:
        issue = self._mapping.issue_date
        if issue.column is None:
            return None if period is None else period[1] + issue.days_after_period * DAY
        moment = self._moment(issue.column)
        return None if moment is None else moment.at

    def _party(self, customer: TargetCustomer, times: Times) -> int | None:
        cells, mapping = self._row.cells, self._mapping
        said = None if mapping.contract is None else cells[mapping.contract]
        currency = None if mapping.currency is None else cells[mapping.currency]
        period = times[:2]
        key = customer.id, said, currency, period
        known = self._seen_parties.get(key)
        if known is None:
            known = _remember(self._seen_parties, key, lambda: self._place(customer, said, currency, period))
        if isinstance(known, _At):
            self._wrong(known.column, str(known))
            return None
        return known  # type: ignore[return-value]

    def _contract(self, customer: TargetCustomer, cell: Cell, period: tuple[int, int]) -> TargetContract:
        contracts = self._catalog.contracts(customer.id)
        start, end = instant(period[0]), instant(period[1])
        if self._mapping.contract is not None:
            said = text_of(cell).lower()
            own = next((one for one in contracts if one.id.lower() == said), None)
            if own is None:
                raise Wrong(f"is the id of no contract of {customer.name}; it has {_named(contracts)}")
            if not own.holds(start, end):
                raise Wrong(f"is {_named([own])}, which does not hold the billing period {shown(*period)}")
            return own
        holding = [one for one in contracts if one.holds(start, end)]
        if len(holding) == 1:
            return holding[0]
        if holding:
            raise Wrong(
                f"has {len(holding)} contracts in {shown(*period)}: {_named(holding)}; name a column for contract"
            )
        raise Wrong(f"has no contract that holds the billing period {shown(*period)}; there is {_named(contracts)}")

    def _place(self, customer: TargetCustomer, said: Cell, currency: Cell, period: tuple[int, int]) -> int:
        """Return the place of a customer with a contract among the parties.

        Raises:
            Wrong: There is no such contract, or it bills another currency.
        """
        try:
            contract = self._contract(customer, said, period)
        except Wrong as wrong:
            raise _At(self._mapping.contract or self._mapping.customer.column, str(wrong)) from None
        code = contract.credit_type_name.split()[0].upper() if contract.credit_type_name else ""
        try:
            own = text_of(currency).upper()
        except Wrong as wrong:
            raise _At(self._mapping.currency or "", str(wrong)) from None
        if own and own != code:
            problem = f"is not the currency of the contract, {contract.credit_type_name}"
            raise _At(self._mapping.currency or "", problem)
        place = self._party_places.get(contract.id)
        if place is None:
            place = self._party_places[contract.id] = len(self.parties)
            factor = _factor(contract, code, is_cents=bool(self._mapping.is_cents))
            self.parties.append(Party(customer, contract, factor))
        return place

    def _groups(self, product: int) -> str:
        """Return the group values of the row that its product has keys for.

        A product that is not priced by a key would be refused with a value of it.
        """
        said = product, self._group_cells(self._row.cells) if self._group_cells else None
        known = self._seen_groups.get(said)
        if isinstance(known, str):
            return known
        mapping, one = self._mapping, self.products[product]
        parts: list[list[tuple[str, str]]] = []
        for columns, keys in (
            (mapping.pricing_groups, one.pricing_group_key),
            (mapping.presentation_groups, one.presentation_group_key),
        ):
            pairs = [
                (key, self._seen(self._seen_texts, columns[key], text_of)) for key in sorted(keys) if key in columns
            ]
            parts.append([(key, value) for key, value in pairs if value])
        groups = json.dumps(parts, ensure_ascii=False, separators=(",", ":")) if parts[0] or parts[1] else ""
        return str(_remember(self._seen_groups, said, lambda: groups)) if self._is_good else groups


class _At(Wrong):
    """What is wrong about a column other than the one that was asked for."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


def _remember(seen: Seen[Found], key: object, work: Callable[[], Found]) -> Found | Wrong:
    """Return what some work gives, or why it gives nothing, and keep that."""
    known: Found | Wrong
    try:
        known = work()
    except Wrong as wrong:
        known = wrong
    if len(seen) >= CACHED:
        seen.clear()
    seen[key] = known
    return known


def _time_columns(mapping: Mapping) -> list[str]:
    """Return the columns that hold dates."""
    columns = [mapping.date, mapping.issue_date.column]
    for span in (mapping.service, mapping.period):
        columns += (span.start, span.end) if isinstance(span, Span) else ()
    return [column for column in columns if column is not None]


def _cells_of(columns: list[str]) -> Callable[[dict[str, Cell]], object] | None:
    """Return what takes the cells of some columns out of a row, None where there are none."""
    return itemgetter(*columns) if columns else None


def _factor(contract: TargetContract, code: str, *, is_cents: bool) -> Decimal:
    """Return how many of the API's units one of the file's is: the API counts USD in cents, others in whole units."""
    if contract.credit_type_id == USD:
        return ONE if is_cents else Decimal(100)
    if not is_cents or code in NO_MINOR_UNIT:
        return ONE
    return Decimal("0.001") if code in THOUSANDTHS else Decimal("0.01")


def instant(seconds: int) -> datetime:
    """Return seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def shown(starting_at: int, ending_before: int) -> str:
    """Return a period as a message has it: days where it is made of days."""
    times = instant(starting_at), instant(ending_before)
    if any(time.hour or time.minute for time in times):
        return " to ".join(time.strftime("%Y-%m-%dT%H:%MZ") for time in times)
    return f"{times[0]:%Y-%m-%d} to {times[1] - timedelta(days=1):%Y-%m-%d}"


def _named(contracts: list[TargetContract] | tuple[TargetContract, ...]) -> str:
    if not contracts:
        return "none"
    shown_ones = [
        f"{one.name} ({one.id}) from {one.starting_at:%Y-%m-%d}"
        + ("" if one.ending_before is None else f" until {one.ending_before - timedelta(seconds=1):%Y-%m-%d}")
        for one in contracts[:4]
    ]
    return ", ".join(shown_ones) + (f" and {len(contracts) - 4} more" if len(contracts) > 4 else "")
