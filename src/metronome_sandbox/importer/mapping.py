"""The mapping: what the columns of an old file mean. Read from YAML, with everything that is wrong told at once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import msgspec

from metronome_sandbox.importer.dates import ISO, UNIX, is_zone, problem_of
from metronome_sandbox.importer.findings import Unusable
from metronome_sandbox.importer.yaml_tree import UNDECIDED, Node, load

FORMATS = ("csv", "ndjson", "parquet", "stripe")
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "iso-8859-1", "iso-8859-15")
MAX_ISSUE_DAYS = 366


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    STRIPE = "stripe"


class Granularity(StrEnum):
    """What a row tells the quantity of: the whole service time, a day or an hour."""

    NONE = "none"
    DAY = "day"
    HOUR = "hour"


class By(StrEnum):
    """What a cell holds of the thing that it names."""

    ID = "id"
    INGEST_ALIAS = "ingest_alias"
    NAME = "name"
    CUSTOM_FIELD = "custom_field"


class Lookup(msgspec.Struct, frozen=True):
    """A column that names a customer or a product.

    Attributes:
        field: Name of the custom field, where it is one.
    """

    column: str
    by: By
    field: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """The product that a legacy name stands for, named as ``by`` says, and what its quantities are multiplied by."""

    product: str
    multiply_by: Decimal = Decimal(1)


class Quantity(msgspec.Struct, frozen=True):
    """The column of the quantity, and how many of the product's units one of it is."""

    column: str
    multiply_by: Decimal = Decimal(1)


class Span(msgspec.Struct, frozen=True):
    """Two columns with the first day and the last one, or with the day after the last one."""

    start: str
    end: str
    is_inclusive: bool


class Calendar(StrEnum):
    """A billing period that begins with the calendar's."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class IssueDate(msgspec.Struct, frozen=True):
    """A column, or so many days after the end of the period."""

    column: str | None = None
    days_after_period: int = 0


class Skip(msgspec.Struct, frozen=True):
    """Rows that are left out: where one column is one of some texts, begins with one, or is empty."""

    column: str
    equals: frozenset[str] = frozenset()
    starts_with: tuple[str, ...] = ()
    is_empty: bool = False

    def holds(self, text: str) -> bool:
        """Whether a row with this cell is left out."""
        if text in self.equals or (self.is_empty and not text):
            return True
        return bool(self.starts_with) and text.startswith(self.starts_with)


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of a file mean. README, "Import legacy invoices", says what each of them is.

    Attributes:
        file: Name of the file that it was read from.
        format: None to find out.
        delimiter: None to find out.
        encoding: None to find out.
        decimal_mark: ``.`` or ``,``; None where only whole numbers are read from texts.
        thousands: What may separate thousands, ``""`` for nothing.
        is_cents: Whether amounts are hundredths of the currency; None where there are no amounts.
        contract: Column with the contract's id; None where customer and period say it.
        period: Columns, or the calendar.
        repeated_rows_add: Whether rows that repeat others are meant, and not a mistake of the export.
    """

    file: str
    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal_mark: str | None = None
    thousands: str = ""
    is_cents: bool | None = None
    date_formats: tuple[str, ...] = (ISO,)
    time_zone: str = "UTC"
    granularity: Granularity = Granularity.NONE
    invoice_number: str | None = None
    customer: Lookup
    contract: str | None = None
    product: Lookup
    product_table: dict[str, Entry] = {}
    quantity: Quantity
    unit_price: str | None = None
    amount: str | None = None
    total: str | None = None
    currency: str | None = None
    service: Span | None = None
    date: str | None = None
    period: Span | Calendar
    issue_date: IssueDate
    pricing_groups: dict[str, str] = {}
    presentation_groups: dict[str, str] = {}
    skip: tuple[Skip, ...] = ()
    repeated_rows_add: bool = False

    def columns(self) -> Iterator[tuple[str, str]]:
        """Yield each column that is read, with the path of the field that names it."""
        for name in ("invoice_number", "contract", "unit_price", "amount", "total", "currency", "date"):
            column = getattr(self, name)
            if column is not None:
                yield name, column
        yield "customer", self.customer.column
        yield "product", self.product.column
        yield "quantity", self.quantity.column
        for name, span in (("service", self.service), ("period", self.period)):
            if isinstance(span, Span):
                yield f"{name}.start", span.start
                yield f"{name}.end", span.end
        if self.issue_date.column is not None:
            yield "issue_date", self.issue_date.column
        for name, groups in (
            ("pricing_groups", self.pricing_groups),
            ("presentation_groups", self.presentation_groups),
        ):
            for key, column in groups.items():
                yield f"{name}.{key}", column
        for place, skip in enumerate(self.skip):
            yield f"skip[{place}].column", skip.column


STRIPE_DEFAULTS = {
    "invoice_number": "invoice.number",
    "quantity": "line.quantity",
    "unit_price": "line.unit_amount",
    "amount": "line.amount",
    "total": "invoice.subtotal",
    "currency": "invoice.currency",
}
"""What Stripe's columns mean, unless the mapping says otherwise. The total is that before tax: imports have none."""

STRIPE_SERVICE = Span("line.period.start", "line.period.end", is_inclusive=False)
STRIPE_PERIOD = Span("invoice.period_start", "invoice.period_end", is_inclusive=False)
STRIPE_ISSUED = IssueDate("invoice.status_transitions.finalized_at")
STRIPE_SKIP = (Skip("invoice.status", frozenset(("draft", "void"))),)

_MARKS = {"point": ".", "comma": ","}
_THOUSANDS = {"none": "", "point": ".", "comma": ",", "space": " ", "apostrophe": "'"}
MARK_NAMES = {mark: name for name, mark in _MARKS.items()}
THOUSANDS_NAMES = {mark: name for name, mark in _THOUSANDS.items()}
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_DECIMAL_MARK, _UNITS = ("point", "comma"), ("dollars", "cents")


def load_mapping(path: Path) -> Mapping:
    """Return the mapping in a file of YAML.

    Raises:
        Unusable: It is none; every finding names line and path.
    """
    tree = load(path)
    mapping = _Reader(tree, str(path)).mapping()
    if tree.findings.total:
        raise Unusable(sorted(tree.findings.kept, key=lambda one: one.line or 0))
    return mapping


class _Reader:
    """Reads the fields of a mapping, one method for each that is more than a text."""

    def __init__(self, tree: Node, file: str) -> None:
        self._tree = tree
        self._file = file
        self._fields = tree.fields(*FIELDS)
        self._is_stripe = "format" in self._fields and self._fields["format"].value == Format.STRIPE

    def mapping(self) -> Mapping:
        mark, thousands = self._of(_MARKS, "decimal_mark"), self._of(_THOUSANDS, "thousands")
        product, table = self._product()
        mapping = Mapping(
            file=self._file,
            format=Format(self._fields["format"].choice(*FORMATS)) if "format" in self._fields else None,
            delimiter=self._delimiter(),
            encoding=self._fields["encoding"].choice(*ENCODINGS) if "encoding" in self._fields else None,
            decimal_mark=mark,
            thousands=thousands or "",
            is_cents=self._is_cents(),
            date_formats=self._dates(),
            time_zone=self._time_zone(),
            granularity=Granularity(self._choice("granularity", "none", "day", "hour")),
            invoice_number=self._column("invoice_number"),
            customer=self._lookup("customer", "id", "ingest_alias", "name", "custom_field"),
            contract=self._contract(),
            product=product,
            product_table=table,
            quantity=self._quantity(),
            unit_price=self._column("unit_price"),
            amount=self._column("amount"),
            total=self._column("total"),
            currency=self._column("currency"),
            service=self._service(),
            date=self._column("date"),
            period=self._period(),
            issue_date=self._issue_date(),
            pricing_groups=self._groups("pricing_groups"),
            presentation_groups=self._groups("presentation_groups"),
            skip=self._skip(),
            repeated_rows_add=self._choice("repeated_rows", "refuse", "add") == "add",
        )
        self._check(mapping)
        return mapping

    def _check(self, mapping: Mapping) -> None:
        """Hold the fields against each other."""
        if mapping.thousands and mapping.thousands == mapping.decimal_mark:
            self._fields["thousands"].wrong("is the decimal mark as well; a number could then be read in two ways")
        if mapping.is_cents is None and (mapping.unit_price or mapping.amount or mapping.total):
            self._missing("units", "dollars or cents, for there are amounts")
        if mapping.service is not None and mapping.date is not None:
            self._fields["date"].wrong("stands beside service; a row has one date or a start and an end")
        if isinstance(mapping.period, Calendar) and mapping.service is None and mapping.date is None:
            self._fields["period"].wrong("needs to know when a row was: name a column for date or for service")
        if mapping.granularity is not Granularity.NONE and mapping.service is None and mapping.date is None:
            self._fields["granularity"].wrong("needs to know when a row was: name a column for date or for service")

    def _missing(self, name: str, expected: str) -> None:
        self._tree.findings.add(None, name, None, f"is missing: expected {expected}")

    def _of(self, table: dict[str, str], name: str) -> str | None:
        return table[self._fields[name].choice(*table)] if name in self._fields else None

    def _choice(self, name: str, *allowed: str) -> str:
        return self._fields[name].choice(*allowed) if name in self._fields else allowed[0]

    def _column(self, name: str) -> str | None:
        if name not in self._fields:
            return STRIPE_DEFAULTS.get(name) if self._is_stripe else None
        return self._fields[name].text("the name of a column")

    def _delimiter(self) -> str | None:
        if "delimiter" not in self._fields:
            return None
        node = self._fields["delimiter"]
        text = node.value if isinstance(node.value, str) else ""
        delimiter = _DELIMITERS.get(text, text)
        if delimiter not in _DELIMITERS.values():
            node.wrong(f"expected {', '.join(_DELIMITERS)}, or the letter itself")
        return delimiter

    def _is_cents(self) -> bool | None:
        if "units" not in self._fields:
            return True if self._is_stripe else None
        return self._fields["units"].choice(*_UNITS) == "cents"

    def _dates(self) -> tuple[str, ...]:
        if "dates" not in self._fields:
            return (UNIX,) if self._is_stripe else (ISO,)
        node = self._fields["dates"]
        formats = tuple(node.texts("a form such as %d.%m.%Y, iso or unix"))
        problem = problem_of(formats)
        if problem is not None and UNDECIDED not in formats:
            node.wrong(problem)
        return formats

    def _time_zone(self) -> str:
        if "time_zone" not in self._fields:
            return "UTC"
        name = self._fields["time_zone"].text("a time zone such as Europe/Berlin")
        if name and not is_zone(name):
            self._fields["time_zone"].wrong("is no time zone of the IANA database, such as UTC or Europe/Berlin")
            return "UTC"
        return name or "UTC"

    def _lookup(self, name: str, *allowed: str) -> Lookup:
        if name not in self._fields:
            self._missing(name, f"a column that names the {name}, {{column: ..., by: {' | '.join(allowed)}}}")
            return Lookup("", By.ID)
        fields = self._fields[name].fields("column", "by", "field", *(("table",) if name == "product" else ()))
        column = self._part(name, fields, "column", "the name of a column")
        by = By(fields["by"].choice(*allowed)) if "by" in fields else None
        if by is None and fields:
            self._part(name, fields, "by", " or ".join(allowed))
        field = fields["field"].text("the name of a custom field") if "field" in fields else None
        if by is By.CUSTOM_FIELD and field is None:
            self._part(name, fields, "field", "the name of the custom field")
        if field is not None and by is not By.CUSTOM_FIELD:
            fields["field"].wrong("is for 'by: custom_field' only")
        return Lookup(column, by or By.ID, field)

    def _part(self, name: str, fields: dict[str, Node], part: str, expected: str) -> str:
        if part in fields:
            return fields[part].text(expected)
        node = self._fields[name]
        self._tree.findings.add(node.line, f"{name}.{part}", None, f"is missing: expected {expected}")
        return ""

    def _product(self) -> tuple[Lookup, dict[str, Entry]]:
        lookup = self._lookup("product", "id", "name", "custom_field")
        node = self._fields.get("product")
        if node is None or not isinstance(node.value, dict) or "table" not in node.value:
            return lookup, {}
        table = node.value["table"].entries("legacy names, each with a product")
        return lookup, {name: self._entry(entry, lookup.by) for name, entry in table.items()}

    def _entry(self, node: Node, by: By) -> Entry:
        expected = f"a product by its {by.replace('_', ' ')}"
        if not isinstance(node.value, dict):
            return Entry(node.text(expected))
        fields = node.fields("product", "multiply_by")
        if "product" not in fields:
            node.wrong(f"product is missing: expected {expected}")
        multiplier = fields["multiply_by"].number(least=Decimal(0)) if "multiply_by" in fields else Decimal(1)
        return Entry(fields["product"].text(expected) if "product" in fields else "", multiplier)

    def _contract(self) -> str | None:
        node = self._fields.get("contract")
        if node is None or isinstance(node.value, str):
            return self._column("contract")
        node.wrong("expected the name of a column with the contract's id")
        return None

    def _quantity(self) -> Quantity:
        node = self._fields.get("quantity")
        if node is not None and isinstance(node.value, dict):
            fields = node.fields("column", "multiply_by")
            factor = fields["multiply_by"].number(least=Decimal(0)) if "multiply_by" in fields else Decimal(1)
            return Quantity(self._part("quantity", fields, "column", "the name of a column"), factor)
        column = self._column("quantity")
        if column is None:
            self._missing("quantity", "the column with the quantity")
        return Quantity(column or "")

    def _span(self, name: str) -> Span:
        fields = self._fields[name].fields("start", "end", "end_is")
        start, end = (self._part(name, fields, part, "the name of a column") for part in ("start", "end"))
        if "end_is" not in fields:
            self._part(name, fields, "end_is", "inclusive (the last day) or exclusive (the day after it)")
            return Span(start, end, is_inclusive=True)
        return Span(start, end, fields["end_is"].choice("inclusive", "exclusive") == "inclusive")

    def _service(self) -> Span | None:
        if "service" in self._fields:
            return self._span("service")
        return STRIPE_SERVICE if self._is_stripe and "date" not in self._fields else None

    def _period(self) -> Span | Calendar:
        node = self._fields.get("period")
        if node is None:
            if self._is_stripe:
                return STRIPE_PERIOD
            self._missing("period", "month, quarter, year, or columns: {start: ..., end: ..., end_is: ...}")
            return Span("", "", is_inclusive=True)
        if isinstance(node.value, str):
            return Calendar(node.choice(*(calendar.value for calendar in Calendar)))
        return self._span("period")

    def _issue_date(self) -> IssueDate:
        node = self._fields.get("issue_date")
        if node is None:
            if self._is_stripe:
                return STRIPE_ISSUED
            self._missing("issue_date", "a column, or {days_after_period: 2}")
            return IssueDate()
        if isinstance(node.value, str):
            return IssueDate(node.text("the name of a column, or {days_after_period: 2}"))
        fields = node.fields("days_after_period")
        if "days_after_period" not in fields:
            node.wrong("expected the name of a column, or {days_after_period: 2}")
            return IssueDate()
        days = fields["days_after_period"]
        text = days.text("a number of days")
        if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > MAX_ISSUE_DAYS:
            days.wrong(f"expected a whole number of days from 0 to {MAX_ISSUE_DAYS}")
            return IssueDate()
        return IssueDate(None, int(text))

    def _groups(self, name: str) -> dict[str, str]:
        if name not in self._fields:
            return {}
        entries = self._fields[name].entries("group keys, each with the name of a column")
        return {key: node.text("the name of a column") for key, node in entries.items()}

    def _skip(self) -> tuple[Skip, ...]:
        if "skip" not in self._fields:
            return STRIPE_SKIP if self._is_stripe else ()
        return tuple(
            self._one_skip(node) for node in self._fields["skip"].items("a list of {column: ..., equals: ...}")
        )

    def _one_skip(self, node: Node) -> Skip:
        fields = node.fields("column", "equals", "starts_with", "is_empty")
        if "column" not in fields or len(fields) < 2:
            node.wrong("expected a column with equals, starts_with or is_empty: true")
            return Skip("")
        return Skip(
            fields["column"].text("the name of a column"),
            frozenset(fields["equals"].texts("a text")) if "equals" in fields else frozenset(),
            tuple(fields["starts_with"].texts("a text")) if "starts_with" in fields else (),
            "is_empty" in fields and fields["is_empty"].choice("true", "false") == "true",
        )


FIELDS = (
    *("format", "delimiter", "encoding", "decimal_mark", "thousands", "units", "dates", "time_zone", "granularity"),
    *("invoice_number", "customer", "contract", "product", "quantity", "unit_price", "amount", "total", "currency"),
    *("service", "date", "period", "issue_date", "pricing_groups", "presentation_groups", "skip", "repeated_rows"),
)
