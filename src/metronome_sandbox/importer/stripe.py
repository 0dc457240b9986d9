"""Stripe's invoices as its API lists them: ``{"object": "list", "data": [invoice, ...]}``, or the array alone.

The document is read one invoice at a time. A row is a line of an invoice; its columns are ``line.`` and ``invoice.``
and the names of the API. Three of them are made here, because they moved between the versions of the API:
``line.product``, ``line.unit_amount`` (in cents) and ``invoice.customer``, which is the id also where it is expanded.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from metronome_sandbox.importer.findings import Wrong
from metronome_sandbox.importer.json_lines import DECODER, cell, flat, found
from metronome_sandbox.importer.row import Cell, Reading, Row
from metronome_sandbox.importer.text_lines import encoding_of, head_of, open_bytes, unusable

MAX_INVOICE = 32 * 1024 * 1024
"""Letters of one invoice with its lines."""

STEP = 256 * 1024
DATA = "data"


def read(reading: Reading) -> Iterator[Row]:
    """Yield the rows of a file.

    Raises:
        Unusable: It is no list of invoices.
    """
    encoding = encoding_of(reading.path, head_of(reading.path), reading.encoding)
    with open_bytes(reading.path) as raw, io.TextIOWrapper(raw, encoding, errors="replace") as text:
        for number, (line, invoice) in enumerate(_invoices(_Document(reading, raw, text))):
            yield from _rows(reading, line, f"data[{number}]", invoice)


def _rows(reading: Reading, line: int, place: str, invoice: Any) -> Iterator[Row]:
    if not isinstance(invoice, dict) or not isinstance(invoice.get("lines"), dict):
        reading.findings.add(line, place, None, "is no invoice with lines; expand them in the export")
        return
    lines = invoice["lines"].get(DATA)
    if not isinstance(lines, list):
        reading.findings.add(line, f"{place}.lines.data", None, "expected a list of lines")
        return
    if invoice["lines"].get("has_more") is True:
        reading.findings.add(
            line,
            f"{place}.lines.has_more",
            "true",
            f"only {len(lines)} lines of the invoice are here; export all of them",
        )
    outer = _with_customer(invoice)
    for number, one in enumerate(lines):
        own = f"{place}.lines.data[{number}]"
        if not isinstance(one, dict):
            reading.findings.add(line, own, None, "is no object")
            continue
        both = {"invoice": outer, "line": _with_product(one)}
        if reading.columns is None:
            yield Row(line, dict(flat(both)), own)
        else:
            yield Row(line, {column: cell(found(both, column)) for column in reading.columns}, own)


def _with_customer(invoice: dict[str, Any]) -> dict[str, Any]:
    customer = invoice.get("customer")
    inner = {name: value for name, value in invoice.items() if name != "lines"}
    return inner | {"customer": customer.get("id")} if isinstance(customer, dict) else inner


def _with_product(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line with its product and unit price in one place, whichever version wrote it."""
    product = next(
        (
            value
            for path in ("pricing.price_details.product", "price.product", "plan.product")
            if (value := found(line, path)) is not None
        ),
        None,
    )
    price = next(
        (
            value
            for path in (
                *("pricing.unit_amount_decimal", "price.unit_amount_decimal", "price.unit_amount"),
                *("unit_amount_excluding_tax", "plan.amount_decimal", "plan.amount"),
            )
            if (value := found(line, path)) is not None
        ),
        None,
    )
    made = {
        "product": product.get("id") if isinstance(product, dict) else product,
        "unit_amount": _decimal(price),
    }
    return line | {name: value for name, value in made.items() if value is not None}


def _decimal(value: Any) -> Cell:
    """Return a number that the API writes as a text, for it always has a point."""
    if isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    return value if isinstance(value, Decimal) else None


def _invoices(document: _Document) -> Iterator[tuple[int, Any]]:
    """Yield the items of the list with the line on which each begins."""
    mark = document.peek()
    if mark == "[":
        yield from document.items()
    elif mark == "{":
        has_data = False
        for name in document.names():
            if name == DATA and document.peek() == "[":
                has_data = True
                yield from document.items()
            else:
                document.value()
        if not has_data:
            raise document.wrong('has no list "data" of invoices')
    else:
        raise document.wrong('is no list of invoices; expected {"object": "list", "data": [...]}')
    if document.peek():
        raise document.wrong("goes on after its end")


class _Document:
    """A JSON text that is longer than memory, read from its beginning to its end."""

    def __init__(self, reading: Reading, raw: IO[bytes], text: io.TextIOWrapper) -> None:
        self._path = reading.path
        self._moved = reading.moved
        self._raw = raw
        self._text = text
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._counted = 0

    def wrong(self, problem: str) -> Exception:
        return unusable(self._path, problem, self.line)

    @property
    def line(self) -> int:
        """Where the next value begins."""
        self._line += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """Return the next letter that is no space, ``""`` at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more(STEP):
                return ""

    def take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.wrong(f"is no JSON: expected {mark!r}")
        self._at += 1

    def items(self) -> Iterator[tuple[int, Any]]:
        """Yield the values of an array."""
        self.take("[")
        if self.peek() == "]":
            return self.take("]")
        while True:
            self.peek()
            line = self.line
            yield line, self.value()
            if self.peek() != ",":
                return self.take("]")
            self.take(",")

    def names(self) -> Iterator[str]:
        """Yield the names of an object. Whoever takes one takes its value."""
        self.take("{")
        if self.peek() == "}":
            return self.take("}")
        while True:
            name = self.value()
            self.take(":")
            self.peek()
            yield str(name)
            if self.peek() != ",":
                return self.take("}")
            self.take(",")

    def value(self) -> Any:
        """Return the next value."""
        self.peek()
        step = STEP
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if not self._more(step):
                    raise self.wrong(f"is no JSON: {error.msg}") from None
            except (Wrong, RecursionError) as error:
                said = str(error) if isinstance(error, Wrong) else "is nested too deeply"
                raise self.wrong(said) from None
            else:
                # A number that ends with the buffer may go on behind it.
                if end < len(self._buffer) or not self._more(step):
                    self._at = end
                    return value
            step *= 2
            if len(self._buffer) - self._at > MAX_INVOICE:
                raise self.wrong(f"holds an invoice longer than {MAX_INVOICE} letters")

    def _more(self, letters: int) -> bool:
        part = self._text.read(letters)
        self._moved(self._raw.tell())
        if not part:
            return False
        self._line = self.line
        self._buffer = self._buffer[self._at :] + part
        self._at = self._counted = 0
        return True
