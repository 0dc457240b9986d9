"""Parquet: columns with types. Read in batches, of the columns that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from metronome_sandbox.importer.row import Cell, Reading, Row
from metronome_sandbox.importer.text_lines import head_of, unusable

BATCH_ROWS = 4_096


def read(reading: Reading) -> Iterator[Row]:
    """Yield the rows of a file.

    A float is read as the shortest decimal that is this float, which is what it was written from; a float of 32 bits
    has lost too much for that and is refused.

    Raises:
        Unusable: It is no Parquet file, or lacks a column.
    """
    import pyarrow as pa
    from pyarrow import parquet as files

    head_of(reading.path)
    try:
        with files.ParquetFile(reading.path, pre_buffer=False) as file:
            schema = file.schema_arrow
            names = list(schema.names) if reading.columns is None else list(dict.fromkeys(reading.columns))
            converters = _converters(reading, schema, names)
            reading.findings.raise_any()
            number = 0
            size = reading.path.stat().st_size
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
                columns = [
                    [None if value is None else convert(value) for value in batch.column(name).to_pylist()]
                    for name, convert in zip(names, converters, strict=True)
                ]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield Row(number, dict(zip(names, cells, strict=True)))
                reading.moved(size * number // max(file.metadata.num_rows, 1))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise unusable(reading.path, f"cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from None


def _converters(reading: Reading, schema: Any, names: list[str]) -> list[Callable[[Any], Cell]]:
    """Return what makes a cell of a value, for each column."""
    import pyarrow as pa

    converters: list[Callable[[Any], Cell]] = []
    for name in names:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            if places:
                reading.findings.add(None, name, None, f"is there {len(places)} times; which one is meant?")
            else:
                reading.missing(name, schema.names)
            continue
        kind = schema.field(places[0]).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_float64(kind):
            reading.note(f"{name} is stored as float64; each value is read as the shortest decimal that is this float")
        converter = _converter(kind)
        if converter is None:
            reading.findings.add(
                None,
                name,
                str(kind),
                "is of a type that cannot be read; expected texts, whole numbers, decimals, double, "
                "dates or timestamps",
            )
        else:
            converters.append(converter)
    return converters


def _converter(kind: Any) -> Callable[[Any], Cell] | None:
    import pyarrow as pa

    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return str
    if types.is_integer(kind):
        return Decimal
    if types.is_decimal(kind):
        return Decimal
    if types.is_float64(kind):
        return _of_float
    if types.is_date(kind) or types.is_timestamp(kind):
        return _of_date
    return _of_bool if types.is_boolean(kind) else None


def _of_float(value: float) -> Decimal:
    return Decimal(repr(value))


def _of_date(value: date | datetime) -> str:
    """Return ISO 8601. A timestamp with a zone is UTC inside, and is written so."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return value.isoformat()


def _of_bool(value: bool) -> str:
    return "true" if value else "false"
