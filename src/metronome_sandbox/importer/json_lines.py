"""NDJSON: an object on each line. Numbers become decimals as they stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from metronome_sandbox.importer.findings import Wrong, shortened
from metronome_sandbox.importer.row import Cell, Reading, Row
from metronome_sandbox.importer.text_lines import encoding_of, head_of, lines, unusable

MAX_DEPTH = 8
LOOKED_AT_FOR_COLUMNS = 1_000


def read(reading: Reading) -> Iterator[Row]:
    """Yield the rows of a file. A dot in a column's name leads into an object, where no name has the dot itself."""
    encoding = encoding_of(reading.path, head_of(reading.path), reading.encoding)
    columns = reading.columns
    unseen = set(columns or ())
    number = known_at = 0
    known: dict[str, None] = {}
    for number, line in enumerate(lines(reading.path, encoding, reading.findings, reading.moved), 1):
        if not line.strip():
            continue
        try:
            value = parse(line)
        except Wrong as wrong:
            reading.findings.add(number, None, line[:60].strip(), str(wrong))
            continue
        if not isinstance(value, dict):
            reading.findings.add(number, None, line[:60].strip(), "is no object; expected {...} on every line")
            continue
        if columns is None:
            yield Row(number, dict(flat(value)))
            continue
        cells = {column: cell(found(value, column)) for column in columns}
        if unseen:
            unseen.difference_update(name for name in list(unseen) if found(value, name) is not None)
            if known_at < LOOKED_AT_FOR_COLUMNS:
                known_at += 1
                known.update(dict.fromkeys(name for name, _ in flat(value)))
        yield Row(number, cells)
    if not number:
        raise unusable(reading.path, "is empty")
    for column in sorted(unseen):
        reading.missing(column, known)


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        Wrong: It is none, names something twice in an object, or holds NaN or Infinity.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Wrong(f"is no JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise Wrong("is nested too deeply") from None


def found(value: Any, column: str) -> Any:
    """Return what a column names in an object: a name, or names with dots between them."""
    if column in value:
        return value[column]
    if "." not in column:
        return None
    for name in column.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def cell(value: Any) -> Cell:
    """Return a JSON value as a cell. What is neither text nor number is shown, and fails where it is used."""
    if value is None or isinstance(value, str | Decimal):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, default=str)[:200]


def flat(value: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Cell]]:
    """Yield every text and number of an object with its column."""
    for name, one in value.items():
        if isinstance(one, dict) and depth < MAX_DEPTH:
            yield from flat(one, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", cell(one)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Wrong(f"names {twice!r} twice; which one is meant?")
    return value


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Wrong(f"holds {shortened(text)}, which is larger than any number") from None


def _constant(text: str) -> Any:
    raise Wrong(f"holds {text}, and no number to bill")


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_object)
DECODER = _DECODER
