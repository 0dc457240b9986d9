"""An old file as invoices: rows that may lie anywhere in it, brought together in a file of SQLite.

The file is read once, row by row; then SQLite gives the rows back sorted by invoice, and each invoice is built, held
against the rules of the import and stored. Memory holds one invoice and the catalog, however long the file is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from metronome_sandbox.importer.conversion import Converter, StagedRow, shown
from metronome_sandbox.importer.findings import Findings, Unusable, shortened
from metronome_sandbox.importer.invoices import Builder
from metronome_sandbox.importer.legacy import Finding, LegacyInvoice
from metronome_sandbox.importer.mapping import Mapping
from metronome_sandbox.importer.row import Row
from metronome_sandbox.importer.rows import rows
from metronome_sandbox.importer.target_catalog import TargetCatalog
from metronome_sandbox.importer.watch import BUILT, BYTES, ROWS

FILE = "staging.sqlite"
BATCH = 5_000
BATCH_BYTES = 1024 * 1024
MAX_ROWS_OF_AN_INVOICE = 100_000
"""What one request could carry, and memory hold."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -16000;
CREATE TABLE rows (key, line, content);
CREATE TABLE invoices (contract, starting_at, ending_before, line, number, customer_id, content);
"""
_ROW = "INSERT INTO rows VALUES (?, ?, ?)"
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(LegacyInvoice)
_ROWS = msgspec.msgpack.Decoder(StagedRow)

Progress = Callable[[str, int], None]
"""Told what is counted, a word of :mod:`~metronome_sandbox.importer.watch`, and how many of it are done."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was read: rows of the file, those left out by a filter, those staged, and what they make."""

    rows: int
    skipped: int
    lines: int
    invoices: int
    customers: int
    contracts: int
    products: int


@dataclass(frozen=True, slots=True)
class Staging:
    """The invoices of an old file, and what is wrong with it.

    Attributes:
        findings: The kept ones, in the order of the file; nothing may be sent while there is any.
        findings_total: All of them.
        notes: Sentences about how the file was read that a person should know.
    """

    path: Path
    database: Path
    counts: Counts
    findings: tuple[Finding, ...]
    findings_total: int
    notes: tuple[str, ...]

    def invoices(self) -> Iterator[LegacyInvoice]:
        """Yield the invoices by contract, then by start."""
        return (
            _DECODER.decode(content)
            for (content,) in self._read("SELECT content FROM invoices ORDER BY contract, starting_at")
        )

    def customers(self) -> Iterator[str]:
        """Yield the id of every customer that has an invoice here."""
        return (found for (found,) in self._read("SELECT DISTINCT customer_id FROM invoices ORDER BY customer_id"))

    def of_customer(self, customer_id: str) -> Iterator[tuple[int, LegacyInvoice]]:
        """Yield the invoices of a customer, each with the line of the file on which it begins."""
        query = "SELECT line, content FROM invoices WHERE customer_id = ? ORDER BY contract, starting_at"
        return ((line, _DECODER.decode(content)) for line, content in self._read(query, customer_id))

    def _read(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            yield from connection.execute(query, values)


def stage(
    path: Path,
    mapping: Mapping,
    catalog: TargetCatalog,
    work_dir: Path,
    progress: Progress = lambda _, __: None,
) -> Staging:
    """Read a file and return its invoices with all that is wrong.

    Args:
        work_dir: Where ``staging.sqlite`` is written; it is there for this run only, a later one begins anew.

    Raises:
        Unusable: The file cannot be read at all.
        CannotAsk: The target does not answer.
        OSError: There is no place to work in.
        sqlite3.Error: Likewise.
    """
    database = work_dir / FILE
    work_dir.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    findings = Findings(str(path))
    notes: list[str] = []
    converter = Converter(mapping, catalog, findings)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executescript(_TABLES)
        with _transaction(connection):
            try:
                read = rows(path, mapping, findings, notes.append, lambda at: progress(BYTES, at))
                number = _read_in(connection, converter, read, progress)
            except Unusable as unusable:
                if unusable.findings[0] not in findings.kept:
                    one = unusable.findings[0]
                    findings.add(one.line, one.column, one.value, one.problem)
                number = 0
        builder = Builder(mapping, converter.parties, converter.products, findings)
        with _transaction(connection):
            lines, invoices = _build(connection, builder, findings, progress)
        connection.execute("CREATE INDEX by_contract ON invoices (contract, starting_at)")
        connection.execute("CREATE INDEX by_customer ON invoices (customer_id, contract, starting_at)")
        _refuse_overlaps(connection, findings)
        customers = connection.execute("SELECT count(DISTINCT customer_id) FROM invoices").fetchone()[0]
    counts = Counts(
        number, converter.skipped, lines, invoices, customers, len(converter.parties), len(converter.products)
    )
    if not number and not findings.total:
        findings.add(None, None, None, "has no rows")
    elif not lines and not findings.total:
        findings.add(None, None, None, f"has no rows left: skip leaves out all {number}")
    kept = tuple(sorted(findings.kept, key=lambda one: one.line or 0))
    return Staging(path, database, counts, kept, findings.total, tuple(dict.fromkeys(notes)))


def _read_in(connection: sqlite3.Connection, converter: Converter, read: Iterator[Row], progress: Progress) -> int:
    """Stage the rows; return how many there were."""
    number = 0
    convert, encode = converter.convert, _ENCODER.encode
    while batch := list(islice(read, BATCH)):
        number += len(batch)
        staged = [one for row in batch if (one := convert(row)) is not None]
        connection.executemany(_ROW, [(key, row.line, encode(row)) for key, row in staged])
        progress(ROWS, number)
    return number


def _build(connection: sqlite3.Connection, builder: Builder, findings: Findings, progress: Progress) -> tuple[int, int]:
    """Build and store the invoices; return how many lines and invoices there are."""
    lines = invoices = built = waiting = 0
    made: list[tuple[object, ...]] = []
    insert = "INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?, ?)"
    found = connection.execute("SELECT key, content FROM rows ORDER BY key, line")
    for key, group in groupby(found, itemgetter(0)):
        own = [_ROWS.decode(content) for _, content in islice(group, MAX_ROWS_OF_AN_INVOICE + 1)]
        if len(own) > MAX_ROWS_OF_AN_INVOICE:
            problem = f"invoice {shortened(key)} has more than {MAX_ROWS_OF_AN_INVOICE} rows; is this its number?"
            findings.add(own[0].line, None, None, problem)
            continue
        invoice = builder.build(key, own)
        lines += len(invoice.lines)
        invoices += 1
        built += len(own)
        start, end = own[0].starting_at, own[0].ending_before
        content = _ENCODER.encode(invoice)
        made.append((invoice.contract_id, start, end, own[0].line, invoice.number, invoice.customer_id, content))
        waiting += len(content)
        if waiting >= BATCH_BYTES:
            connection.executemany(insert, made)
            made.clear()
            waiting = 0
            progress(BUILT, built)
    connection.executemany(insert, made)
    progress(BUILT, built)
    return lines, invoices


def _refuse_overlaps(connection: sqlite3.Connection, findings: Findings) -> None:
    """Find invoices of one contract that share time. Source: reference, section 1.4."""
    contract, until, holder = None, 0, ""
    query = (
        "SELECT contract, starting_at, ending_before, line, number FROM invoices ORDER BY contract, starting_at, line"
    )
    for own, start, end, line, number in connection.execute(query):
        if own == contract and start < until:
            findings.add(
                line,
                "period",
                shown(start, end),
                f"invoice {number} shares time with {holder} of the same contract, which has one invoice at a time",
            )
        if own != contract or end > until:
            contract, until, holder = own, end, f"{number} ({shown(start, end)}, line {line})"


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")
