"""The files of one part in each format: histories go in, one after the other.

All of them are written aside and get their names when the part is whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.generator import tables
from metronome_sandbox.generator.aside import Written, whole
from metronome_sandbox.generator.rendering import Renderer
from metronome_sandbox.generator.requests import LENGTHS, edges_of, timestamp
from metronome_sandbox.generator.sums import Money
from metronome_sandbox.generator.world import History

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metronome_sandbox.generator.worlds import World

FORMATS = ("ndjson", "csv", "parquet")


@dataclass(slots=True)
class File:
    """A file of a part: what it holds and what that hashes to."""

    path: str
    rows: int = 0
    size: int = 0
    sha256: str = ""

    def to_json(self) -> dict[str, object]:
        """Return it as the manifest has it."""
        return {"path": self.path, "rows": self.rows, "bytes": self.size, "sha256": self.sha256}


class Part(Protocol):
    """Takes the customers of a part in order."""

    def add(self, history: History, money: Mapping[str, Money]) -> None:
        """Write a customer; ``money`` is of each of its invoices, by key."""

    def end(self) -> None:
        """Write what is left."""


class _Ndjson:
    """Three files, a line for each thing, with the request that makes it."""

    TABLES = ("customers", "contracts", "invoices")

    def __init__(self, world: World, write: Callable[[str, bytes, int], None]) -> None:
        self._world = world
        self._write = write
        self._renderer = Renderer(world.granularity, world.id_of)

    def add(self, history: History, money: Mapping[str, Money]) -> None:
        world = self._world
        customer = history.customer
        line = {
            "key": customer.key,
            "id": world.id_of("customer", customer.key),
            "country": customer.country,
            "locale": customer.locale,
            "address": customer.address,
            "email": customer.email,
            "tax_id": customer.tax_id,
            "segment": customer.segment,
            "signed_at": customer.signed_at,
            "request": world.customer(customer).body,
        }
        self._write("customers", encode(line) + b"\n", 1)
        for contract in history.contracts:
            line = {
                "key": contract.key,
                "id": world.id_of("contract", contract.key),
                "customer": customer.key,
                "renews": contract.renews,
                "request": world.contract(contract).body,
            }
            self._write("contracts", encode(line) + b"\n", 1)
        pieces: list[str] = []
        rows = 0
        for invoice in history.invoices:
            rows += 1
            if invoice.corrects is not None:
                pieces.append(f'{{"operation":"void","key":"{invoice.corrects}"}}\n')
                rows += 1
            of = money[invoice.key]
            pieces.append(
                f'{{"operation":"import","key":"{invoice.key}","gross":{of.gross},'
                f'"paid_by_credits":{of.paid_by_credits},"paid_by_commits":{of.paid_by_commits},"total":{of.total},'
                '"invoice":'
            )
            self._renderer.add(pieces, invoice, customer.key)
            pieces.append("}\n")
        self._write("invoices", "".join(pieces).encode(), rows)

    def end(self) -> None:
        pass


class _Csv:
    """Four tables with a line of column names each."""

    TABLES = ("customers", "contracts", "invoices", "subtotals")

    def __init__(self, world: World, write: Callable[[str, bytes, int], None]) -> None:
        self._world = world
        self._write = write
        for name, columns in _COLUMNS.items():
            write(name, _csv_rows([columns]), 0)

    def add(self, history: History, money: Mapping[str, Money]) -> None:
        world = self._world
        self._rows("customers", [tables.customer_row(history, world.id_of)])
        self._rows("contracts", list(tables.contract_rows(history, world.id_of, lambda one: world.contract(one).body)))
        self._rows("invoices", list(tables.invoice_rows(history, money)))
        for invoice in history.invoices:
            windows = _csv_windows(world.granularity, invoice.starting_at, invoice.ending_before)
            for line in invoice.lines:
                head = _csv_rows([tables.line_row(history, invoice, line)]).decode().rstrip("\n")
                filled = windows % tuple(line.quantities.tolist())
                self._write("subtotals", filled.replace(_HEAD, head).encode(), len(line.quantities))

    def _rows(self, table: str, rows: Sequence[tables.Row]) -> None:
        self._write(table, _csv_rows(rows), len(rows))

    def end(self) -> None:
        pass


_COLUMNS = {
    "customers": tables.CUSTOMERS,
    "contracts": tables.CONTRACTS,
    "invoices": tables.INVOICES,
    "subtotals": tables.SUBTOTALS,
}
_HEAD = "\0"
"""Stands for what all rows of a line begin with; no name holds it."""


def _csv_rows(rows: Sequence[tables.Row]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([map(_cell, row) for row in rows])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return timestamp(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return encode(value).decode()
    return value


@lru_cache(64)
def _csv_windows(granularity: str, starting_at: date, ending_before: date) -> str:
    edges = edges_of(granularity, starting_at, ending_before)
    return "".join(f"{_HEAD},{start},{end},%s\n" for start, end in pairwise(edges))


@dataclass(slots=True)
class _Lines:
    """The lines of a part for ``subtotals``, a value for each line; rows come of them at the end."""

    heads: list[tables.Row] = field(default_factory=list)
    starts: list[NDArray[np.datetime64]] = field(default_factory=list)
    quantities: list[NDArray[np.int64]] = field(default_factory=list)


class _Parquet:
    """Four tables, a row group each. Nothing in them depends on when or where they were written."""

    TABLES = ("customers", "contracts", "invoices", "subtotals")

    def __init__(self, world: World, write: Callable[[str, bytes, int], None]) -> None:
        self._world = world
        self._write = write
        self._rows: dict[str, list[tables.Row]] = {name: [] for name in _COLUMNS if name != "subtotals"}
        self._lines = _Lines()
        self._length = np.timedelta64(LENGTHS[world.granularity])

    def add(self, history: History, money: Mapping[str, Money]) -> None:
        world, lines = self._world, self._lines
        self._rows["customers"].append(tables.customer_row(history, world.id_of))
        self._rows["contracts"] += tables.contract_rows(history, world.id_of, lambda one: world.contract(one).body)
        self._rows["invoices"] += tables.invoice_rows(history, money)
        for invoice in history.invoices:
            first = np.datetime64(invoice.starting_at, "s")
            for line in invoice.lines:
                lines.heads.append(tables.line_row(history, invoice, line))
                lines.starts.append(first + np.arange(len(line.quantities)) * self._length)
                lines.quantities.append(line.quantities)

    def end(self) -> None:
        import pyarrow as pa

        for name, rows in self._rows.items():
            schema = _schemas()[name]
            columns = zip(*rows, strict=True) if rows else [()] * len(schema)
            arrays = [pa.array(map(_value, column), of.type) for column, of in zip(columns, schema, strict=True)]
            self._put(name, pa.Table.from_arrays(arrays, schema=schema))
        self._put("subtotals", self._subtotals())

    def _subtotals(self) -> Any:
        import pyarrow as pa

        lines, schema = self._lines, _schemas()["subtotals"]
        if not lines.heads:
            return schema.empty_table()
        counts = [len(quantities) for quantities in lines.quantities]
        starts = np.concatenate(lines.starts)
        ends = starts + self._length
        arrays = [_repeated(column, counts) for column in zip(*lines.heads, strict=True)]
        for column in (
            starts.astype("datetime64[ms]"),
            ends.astype("datetime64[ms]"),
            np.concatenate(lines.quantities),
        ):
            arrays.append(pa.array(column).cast(schema.field(len(arrays)).type))
        return pa.Table.from_arrays(arrays, schema=schema)

    def _put(self, name: str, table: Any) -> None:
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd", row_group_size=max(table.num_rows, 1))
        self._write(name, out.getvalue(), table.num_rows)


def _repeated(column: Sequence[str], counts: Sequence[int]) -> Any:
    """Return a column in which each value stands as often as its count, once in memory."""
    import pyarrow as pa

    different = list(dict.fromkeys(column))
    places = {value: place for place, value in enumerate(different)}
    indices = np.repeat(np.array([places[value] for value in column], np.int32), counts)
    return pa.DictionaryArray.from_arrays(indices, pa.array(different, pa.string()))


def _value(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return encode(value).decode() if isinstance(value, dict) else value


@lru_cache(1)
def _schemas() -> Mapping[str, Any]:
    import pyarrow as pa

    instant, money = pa.timestamp("ms", "UTC"), pa.decimal128(38, 15)
    special = {
        "signed_at": instant,
        "starting_at": instant,
        "ending_before": instant,
        "issued_at": instant,
        "is_void": pa.bool_(),
        "quantity": pa.int64(),
        **dict.fromkeys(("gross", "paid_by_credits", "paid_by_commits", "total"), money),
    }
    texts = {name: pa.dictionary(pa.int32(), pa.string()) if name == "subtotals" else pa.string() for name in _COLUMNS}
    return {
        table: pa.schema([(column, special.get(column, texts[table])) for column in columns])
        for table, columns in _COLUMNS.items()
    }


_PARTS: Mapping[str, type[_Ndjson] | type[_Csv] | type[_Parquet]] = {
    "ndjson": _Ndjson,
    "csv": _Csv,
    "parquet": _Parquet,
}


def paths_of(format: str, number: int) -> list[str]:
    """Return the files of a part, by their places in the folder."""
    return [f"{table}/part-{number:05}.{format}" for table in _PARTS[format].TABLES]


@contextmanager
def part_of(world: World, folder: Path, format: str, number: int) -> Iterator[tuple[Part, list[File]]]:
    """Write the files of a part. What they hold is known when all is written.

    Raises:
        CannotWrite: The disk or its owner refuses, or another run writes this part.
    """
    kind = _PARTS[format]
    files = {table: File(path) for table, path in zip(kind.TABLES, paths_of(format, number), strict=True)}
    with ExitStack() as stack:
        written: dict[str, Written] = {
            table: stack.enter_context(whole(folder / file.path)) for table, file in files.items()
        }

        def write(table: str, content: bytes, rows: int) -> None:
            written[table].write(content)
            files[table].rows += rows

        part = kind(world, write)
        yield part, list(files.values())
        part.end()
        for table, file in files.items():
            file.size, file.sha256 = written[table].size, written[table].sha256
