"""``import --init``: a mapping proposed for a file, with the reason for every guess beside it.

Names of columns give a hint, values decide: a column is the customer because its values are customers of the target,
a date because all of it can be read as one, and in one way only. What nobody can know stands there as ``"?"``, which
:func:`~metronome_sandbox.importer.mapping.load_mapping` names until somebody decides it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.dates import DAY, ISO, UNIX, Moment, month_of
from metronome_sandbox.importer.delimited import delimiter_of
from metronome_sandbox.importer.findings import Findings, shortened
from metronome_sandbox.importer.lookups import near_names
from metronome_sandbox.importer.mapping import MARK_NAMES, STRIPE_DEFAULTS, THOUSANDS_NAMES, Format
from metronome_sandbox.importer.profile import DAY_FIRST, MONTH_FIRST, Column, columns_of, marks_of
from metronome_sandbox.importer.row import Row
from metronome_sandbox.importer.rows import all_rows, format_of
from metronome_sandbox.importer.target_catalog import USAGE, TargetCatalog, TargetCustomer, TargetProduct
from metronome_sandbox.importer.text_lines import encoding_of, head_of
from metronome_sandbox.importer.yaml_tree import UNDECIDED

SAMPLE = 2_000
"""Rows that are looked at."""

MAX_TABLE = 200
NAMED_IN_A_COMMENT = 10
COMMENT_COLUMN = 44

HINTS: dict[str, tuple[str, ...]] = {
    "invoice_number": (
        "invoicenumber",
        "invoiceno",
        "invoiceid",
        "invoice",
        "invno",
        "billnumber",
        "number",
        "rechnungsnummer",
        "rechnungsnr",
        "rechnung",
    ),
    "customer": ("customer", "customername", "customerid", "account", "accountname", "client", "company", "kunde"),
    "product": ("product", "productname", "sku", "item", "service", "description", "meter", "produkt", "artikel"),
    "quantity": ("quantity", "qty", "units", "usage", "usagequantity", "consumed", "menge"),
    "unit_price": ("unitprice", "price", "rate", "unitcost", "priceperunit", "einzelpreis", "preis"),
    "amount": (
        "amount",
        "lineamount",
        "linetotal",
        "subtotal",
        "extendedprice",
        "net",
        "netamount",
        "cost",
        "betrag",
        "nettobetrag",
        "betragnetto",
    ),
    "total": ("invoicetotal", "total", "invoiceamount", "totaldue", "totalamount", "amountdue", "gesamt"),
    "currency": ("currency", "currencycode", "iso", "waehrung", "währung"),
    "start": (
        "servicestart",
        "usagestart",
        "start",
        "startdate",
        "from",
        "linestart",
        "datefrom",
        "windowstart",
        "leistungvon",
        "von",
    ),
    "end": (
        "serviceend",
        "usageend",
        "end",
        "enddate",
        "to",
        "until",
        "lineend",
        "dateto",
        "windowend",
        "leistungbis",
        "bis",
    ),
    "period_start": ("periodstart", "billingperiodstart", "billingstart", "invoiceperiodstart", "periodfrom"),
    "period_end": ("periodend", "billingperiodend", "billingend", "invoiceperiodend", "periodto"),
    "issue_date": (
        "issuedate",
        "issued",
        "issuedat",
        "invoicedate",
        "billdate",
        "dateissued",
        "finalizedat",
        "rechnungsdatum",
    ),
    "date": ("date", "day", "usagedate", "servicedate", "timestamp", "hour", "time", "usagehour", "datum"),
}
"""How columns are called, in small letters without marks, the surest first."""

Things = Iterable[TargetCustomer] | Iterable[TargetProduct]


@dataclass(frozen=True, slots=True)
class Guess:
    """A line of the mapping and why it says what it says."""

    line: str
    reason: str = ""

    def __str__(self) -> str:
        if not self.reason:
            return self.line
        return f"{self.line:<{COMMENT_COLUMN}}  # {plain(self.reason)}"


@dataclass(frozen=True, slots=True)
class Match:
    """A column whose values are things of the target, by what they are."""

    column: Column
    by: str
    field: str | None
    found: int

    @property
    def way(self) -> str:
        """How the mapping says it."""
        return self.by if self.field is None else f"{self.by}, field: {quoted(self.field)}"


def propose(path: Path, catalog: TargetCatalog) -> str:
    """Return a mapping for a file as YAML, with comments.

    Raises:
        Unusable: The file cannot be read.
    """
    findings = Findings(str(path))
    form = format_of(path)
    rows = list(islice(all_rows(path, form, findings), SAMPLE))
    findings_of_rows = f"; {findings.total} of them could not be read" if findings.total else ""
    if not rows:
        findings.add(None, None, None, "has no rows to look at")
        findings.raise_any()
    head = f"# A mapping for {plain(path.name)}, proposed from its first {len(rows)} rows{findings_of_rows}."
    guesses = _Guesses(path, form, rows, catalog).all()
    return (
        "\n".join(
            (
                head,
                '# Read every line; put something in place of each "?", or take the line away.',
                "",
                *map(str, guesses),
            )
        )
        + "\n"
    )


class _Guesses:
    """What is guessed about one file, field by field."""

    def __init__(self, path: Path, form: Format, rows: Sequence[Row], catalog: TargetCatalog) -> None:
        self._path = path
        self._form = form
        self._rows = rows
        self._catalog = catalog
        self._columns = columns_of(rows)
        self._taken: set[str] = set()
        self._forms = {name: forms for name, column in self._columns.items() if (forms := column.forms())}

    def all(self) -> Iterator[Guess]:
        """Yield the lines of the mapping."""
        yield from self._reading()
        customers, products = self._catalog.customers.values(), self._usage_products()
        customer = self._matching("customer", customers, ("id", "ingest_alias", "name"))
        product = self._matching("product", products, ("id", "name"))
        number = self._named("invoice_number", lambda column: column.name not in self._forms)
        times = list(self._times(customer, product))
        numbers = list(self._numbers())
        yield from numbers
        yield from times
        if number is not None:
            yield Guess(f"invoice_number: {quoted(number.name)}", "by its name; rows with one number are one invoice")
        else:
            yield Guess("# invoice_number:", "no column is called so; customer and period are an invoice then")
        yield from self._customer_lines(customer, [one.name for one in customers])
        yield from self._product_lines(product, [one.name for one in products])
        yield from self._groups()
        yield Guess(
            "repeated_rows: refuse", "refuse or add: whether rows that say the same are a mistake, or are meant"
        )

    # How the file is written

    def _reading(self) -> Iterator[Guess]:
        yield Guess(f"format: {self._form}", "by what the file begins with")
        if self._form is Format.PARQUET:
            return
        head = head_of(self._path)
        encoding = encoding_of(self._path, head, None)
        if not encoding.startswith("utf-32"):
            reason = "by the mark at its beginning" if encoding != "utf-8" else "nothing else was found in it"
            yield Guess(f"encoding: {encoding.removesuffix('-sig')}", reason)
        if self._form is Format.CSV:
            delimiter = delimiter_of(self._path, encoding)
            names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
            yield Guess(f"delimiter: {names[delimiter]}", "makes the same number of cells of every line")

    # Which column is what

    def _usage_products(self) -> list[TargetProduct]:
        return [one for one in self._catalog.products.values() if one.type == USAGE]

    def _named(self, role: str, fits: Callable[[Column], bool]) -> Column | None:
        """Return the column that is called like a role, and has values that fit."""
        names = {_folded(name): name for name in reversed(self._columns)}
        for hint in (*HINTS[role], *(f"{folded}" for folded in names if HINTS[role][0] in folded)):
            name = names.get(hint)
            if name is not None and name not in self._taken and fits(self._columns[name]):
                self._taken.add(name)
                return self._columns[name]
        return None

    def _matching(self, role: str, things: Things, ways: Sequence[str]) -> Match | None:
        """Return the column with the most values that are things of the target."""
        keys: dict[tuple[str, str | None], set[str]] = {(way, None): set() for way in ways}
        for thing in things:
            keys["id", None].add(thing.id)
            keys["name", None].add(thing.name)
            if isinstance(thing, TargetCustomer):
                keys["ingest_alias", None].update(thing.ingest_aliases)
            for field, value in thing.custom_fields.items():
                keys.setdefault(("custom_field", field), set()).add(value)
        matches = [
            Match(column, by, field, sum(value in known for value in column.distinct))
            for name, column in self._columns.items()
            if name not in self._taken
            for (by, field), known in keys.items()
        ]
        hints = HINTS[role]
        best = max(
            matches,
            key=lambda match: (match.found, _folded(match.column.name) in hints, -len(match.column.name)),
            default=None,
        )
        if best is None or not best.found:
            return None
        self._taken.add(best.column.name)
        return best

    # Numbers

    def _numbers(self) -> Iterator[Guess]:
        is_stripe = self._form is Format.STRIPE
        found = {
            role: self._columns.get(STRIPE_DEFAULTS[role])
            if is_stripe
            else self._named(role, lambda column: column.is_number)
            for role in ("quantity", "unit_price", "total", "amount")
        }
        columns = [column for column in found.values() if column is not None]
        yield from self._marks(columns)
        money = [column for role, column in found.items() if column is not None and role != "quantity"]
        if is_stripe:
            yield Guess("units: cents", "Stripe counts so")
        elif money:
            yield self._units(money)
        for role, column in found.items():
            if column is not None:
                share = "all of it is" if column.numbers == len(column.values) else f"most of it, {column.numbers}, are"
                yield Guess(f"{role}: {quoted(column.name)}", f"by its name, and {share} numbers")
            elif role == "quantity":
                yield Guess(f'{role}: "{UNDECIDED}"', f"no column of numbers is called so; columns: {self._names()}")
            if role == "quantity" and column is not None:
                line = f"# quantity: {{column: {quoted(column.name)}, multiply_by: 0.001}}"
                yield Guess(line, "if the product counts thousands of what the file counts")
        currency = self._named("currency", lambda column: all(len(value) == 3 for value in column.distinct))
        if currency is not None:
            yield Guess(f"currency: {quoted(currency.name)}", "by its name; held against the currency of the contract")

    def _marks(self, columns: Sequence[Column]) -> Iterator[Guess]:
        mark, thousands, is_unclear = marks_of(columns)
        if is_unclear:
            yield Guess(f'decimal_mark: "{UNDECIDED}"', "point or comma: numbers such as 1,234 could be either")
        elif mark is not None or thousands is not None:
            name = MARK_NAMES[mark] if mark else "point" if thousands != "." else "comma"
            yield Guess(f"decimal_mark: {name}", "as the numbers have it")
            if thousands is not None:
                yield Guess(f"thousands: {THOUSANDS_NAMES[thousands]}", "as the numbers have it")

    @staticmethod
    def _units(money: Sequence[Column]) -> Guess:
        if any("cent" in _folded(column.name) for column in money):
            return Guess("units: cents", "a column is called so")
        if any(column.has_fractions for column in money):
            return Guess("units: dollars", "amounts have fractions; say cents if they are fractions of cents")
        return Guess(f'units: "{UNDECIDED}"', "dollars or cents: the amounts are whole, so they could be either")

    # Times

    def _times(self, customer: Match | None, product: Match | None) -> Iterator[Guess]:
        if self._form is Format.STRIPE:
            yield Guess(f"dates: [{UNIX}]", "Stripe writes seconds since 1970")
            yield Guess(
                "# service, period, issue_date:", "those of Stripe's lines and invoices, unless something is said"
            )
            return

        def is_date(column: Column) -> bool:
            return column.name in self._forms or column.is_dated

        issued = self._named("issue_date", is_date)
        spans = {
            name: (self._named(first, is_date), self._named(last, is_date))
            for name, first, last in (("period", "period_start", "period_end"), ("service", "start", "end"))
        }
        date = self._named("date", is_date) if spans["service"] == (None, None) else None
        if date is None and spans["service"][0] is not None and spans["service"][1] is None:
            date, spans["service"] = spans["service"][0], (None, None)
        used = [one for one in (issued, date, *spans["period"], *spans["service"]) if one is not None]
        form = self._form_of(used)
        yield self._dates(used, form)
        yield Guess("time_zone: UTC", "of times without a zone of their own; a name such as Europe/Berlin")
        yield self._granularity(date or spans["service"][0], spans["service"][1], form, customer, product)
        for name, (start, end) in spans.items():
            if start is not None and end is not None:
                yield self._span(name, start, end, form)
        if date is not None:
            yield Guess(f"date: {quoted(date.name)}", "by its name, and all of it is dates")
        if None in spans["period"]:
            known = date is not None or None not in spans["service"]
            line = "period: month" if known else f'period: "{UNDECIDED}"'
            yield Guess(line, "month, quarter or year of the calendar, or {start: ..., end: ..., end_is: ...}")
        if issued is not None:
            yield Guess(f"issue_date: {quoted(issued.name)}", "by its name, and all of it is dates")
        else:
            yield Guess(
                "issue_date: {days_after_period: 2}", "no column is called so; two days is the vendor's example"
            )

    def _form_of(self, columns: Sequence[Column]) -> str | None:
        """Return the one form that all dates can be read in, None where there is none or more than one."""
        common = list(self._forms.get(columns[0].name, ())) if columns else []
        for column in columns[1:]:
            common = [form for form in common if form in self._forms.get(column.name, ())]
        if DAY_FIRST in common and MONTH_FIRST in common:
            return None
        return common[0] if common else None

    def _dates(self, columns: Sequence[Column], form: str | None) -> Guess:
        if form is not None:
            return Guess(
                f"dates: [{form if form in (ISO, UNIX) else quoted(form)}]", "the form of every date that was looked at"
            )
        unnamed = [column for name, column in self._columns.items() if name in self._forms and name not in self._taken]
        if not columns and unnamed and (form := self._form_of(unnamed)) not in (None, UNIX):
            names = ", ".join(shortened(column.name) for column in unnamed[:NAMED_IN_A_COMMENT])
            return Guess(
                f"dates: [{form if form == ISO else quoted(form)}]",
                f"as in {names}; say which of them is date, service or issue_date",
            )
        if not columns:
            return Guess("dates: [iso]", "no column of dates was found")
        shown = ", ".join(shortened(one) for column in columns[:2] for one in list(column.distinct)[:2])
        return Guess(
            f'dates: "{UNDECIDED}"',
            f"these could be read in more than one form: {shown}; such as [{quoted(DAY_FIRST)}]",
        )

    def _granularity(
        self, start: Column | None, end: Column | None, form: str | None, customer: Match | None, product: Match | None
    ) -> Guess:
        """Guess whether rows are days or hours: there are several of a product in a month, each at another time."""
        if start is None or form is None or product is None:
            return Guess("granularity: none", "none, day or hour: what a row tells the quantity of")
        times: dict[tuple[object, ...], list[str]] = {}
        names = [match.column.name for match in (customer, product) if match is not None]
        moments = dict(zip(map(str, start.values), start.moments(form), strict=True))
        ends = (
            None if end is None else {str(value): one for value, one in zip(end.values, end.moments(form), strict=True)}
        )
        lengths: set[int] = set()
        for row in self._rows:
            said = str(row.cells.get(start.name) or "").strip()
            if said not in moments:
                continue
            key = (*(row.cells.get(name) for name in names), month_of(moments[said].at))
            times.setdefault(key, []).append(said)
            if ends is not None and end is not None:
                until = ends.get(str(row.cells.get(end.name) or "").strip())
                lengths.add(until.at - moments[said].at if until is not None else -1)
        has_many = sum(len(one) for one in times.values()) >= 3 * len(times)
        if not has_many or lengths - {0, DAY}:
            return Guess("granularity: none", "a row is the quantity of its whole time; day or hour for subtotals")
        if any(moment.has_time for moment in moments.values()):
            return Guess("granularity: hour", "there are several rows of a product in a month, with times of day")
        return Guess("granularity: day", "there are several rows of a product in a month, each of another day")

    @staticmethod
    def _span(name: str, start: Column, end: Column, form: str | None) -> Guess:
        columns = f"start: {quoted(start.name)}, end: {quoted(end.name)}"
        if form is not None:
            pairs = list(zip(start.moments(form), end.moments(form), strict=False))
            word, reason = _end_is(pairs)
        else:
            word, reason = f'"{UNDECIDED}"', "inclusive if the end is the last day, exclusive if it is the day after it"
        return Guess(f"{name}: {{{columns}, end_is: {word}}}", reason)

    # Customers and products

    def _customer_lines(self, match: Match | None, names: Sequence[str]) -> Iterator[Guess]:
        if match is None:
            yield from self._unmatched("customer", "id, ingest_alias, name or custom_field", names)
            return
        yield Guess(f"customer: {{column: {quoted(match.column.name)}, by: {match.way}}}", _share(match, "customers"))
        unknown = [value for value in match.column.distinct if value not in _known(match, self._catalog.customers)]
        for value in unknown[:NAMED_IN_A_COMMENT]:
            yield Guess(f"  # {plain(shortened(value))} is no customer of the target{_near(value, names)}")
        if len(unknown) > NAMED_IN_A_COMMENT:
            yield Guess(f"  # ... and {len(unknown) - NAMED_IN_A_COMMENT} more are none")

    def _product_lines(self, match: Match | None, names: Sequence[str]) -> Iterator[Guess]:
        if match is None:
            column = yield from self._unmatched("product", "id, name or custom_field", names)
            values, way = ([] if column is None else list(column.distinct)), "name"
            if column is None:
                return
        else:
            products = {one.id: one for one in self._usage_products()}
            column, way = match.column, match.way
            values = [value for value in column.distinct if value not in _known(match, products)]
            if not values:
                yield Guess(f"product: {{column: {quoted(column.name)}, by: {way}}}", _share(match, "products"))
                return
            yield Guess("product:")
            yield Guess(f"  column: {quoted(column.name)}", _share(match, "products"))
            yield from (Guess(f"  {part}") for part in f"by: {way}".split(", "))
        yield Guess("  table:", "what the other names of the file stand for; leave tax and discounts out with skip")
        for value in values[:MAX_TABLE]:
            yield self._entry(value, names, is_name=way == "name")
        if len(values) > MAX_TABLE:
            yield Guess(f"    # ... and {len(values) - MAX_TABLE} more that are no products")

    @staticmethod
    def _entry(value: str, names: Sequence[str], *, is_name: bool) -> Guess:
        folded = [name for name in names if _folded(name) == _folded(value)]
        if is_name and len(folded) == 1:
            return Guess(
                f"    {quoted(value)}: {quoted(folded[0])}", "but for capitals and marks, the name of a product"
            )
        return Guess(f'    {quoted(value)}: "{UNDECIDED}"', f"no product{_near(value, names)}")

    def _unmatched(self, role: str, ways: str, names: Sequence[str]) -> Generator[Guess, None, Column | None]:
        """Yield the lines of a field none of whose values were found; return the column that it may be in."""
        column = self._named(role, lambda column: column.name not in self._forms and not column.is_number)
        some = ", ".join(shortened(name) for name in names[:3])
        yield Guess(f"{role}:", f"no column holds a {role} of the target, such as {some or 'there is none'}")
        yield Guess(f"  column: {quoted(column.name) if column else quoted(UNDECIDED)}", f"columns: {self._names()}")
        if role == "product" and column is not None:
            yield Guess("  by: name", ways)
        else:
            yield Guess(f'  by: "{UNDECIDED}"', ways)
        return column

    def _groups(self) -> Iterator[Guess]:
        for name in ("pricing", "presentation"):
            keys = {key for one in self._usage_products() for key in getattr(one, f"{name}_group_key")}
            found = {
                key: column
                for key in sorted(keys)
                for column in self._columns
                if _folded(column) == _folded(key) and column not in self._taken
            }
            if found:
                pairs = ", ".join(f"{quoted(key)}: {quoted(column)}" for key, column in found.items())
                yield Guess(f"{name}_groups: {{{pairs}}}", f"columns called like {name} group keys of products")
            missing = sorted(keys - found.keys())
            if missing:
                yield Guess(f"# {name}_groups:", f"products have {', '.join(missing)}, and no column is called so")

    def _names(self) -> str:
        return shortened(", ".join(self._columns))


def _end_is(pairs: Sequence[tuple[Moment, Moment]]) -> tuple[str, str]:
    """Return whether ends are days that count, and why."""
    if any(end.at == start.at for start, end in pairs):
        return "inclusive", "some spans end on the day on which they start"
    starts = {start.at for start, _ in pairs}
    exclusive = sum(end.at == month_of(end.at)[0] or end.at in starts for _, end in pairs)
    inclusive = sum(end.after == month_of(end.at)[1] or end.after in starts for _, end in pairs)
    if exclusive > inclusive:
        return "exclusive", "spans end where the next month or span begins"
    if inclusive > exclusive:
        return "inclusive", "spans end on the last day of a month, or the day before another one begins"
    return f'"{UNDECIDED}"', "inclusive if the end is the last day, exclusive if it is the day after it"


def _known(match: Match, things: Mapping[str, TargetCustomer] | Mapping[str, TargetProduct]) -> set[str]:
    known: set[str] = set()
    for thing in things.values():
        if match.by == "id":
            known.add(thing.id)
        elif match.by == "name":
            known.add(thing.name)
        elif match.by == "ingest_alias" and isinstance(thing, TargetCustomer):
            known.update(thing.ingest_aliases)
        elif match.field is not None:
            known.update(value for name, value in thing.custom_fields.items() if name == match.field)
    return known


def _share(match: Match, what: str) -> str:
    return f"{match.found} of {len(match.column.distinct)} different values are {what} of the target"


def _near(value: str, names: Sequence[str]) -> str:
    near = near_names(value, names)
    return f"; did you mean {' or '.join(quoted(plain(one)) for one in near)}?" if near else ""


def _folded(name: str) -> str:
    """Return the last part of a name in small letters without marks."""
    return re.sub(r"[\W_]+", "", name.rpartition(".")[2].casefold())


def quoted(text: str) -> str:
    """Return a text as YAML."""
    return (
        text
        if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
        else json.dumps(text, ensure_ascii=not text.isprintable())
    )


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*", re.ASCII)
_WORDS = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null"))
