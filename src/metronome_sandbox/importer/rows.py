"""The rows of an old file, whatever it is written in: position and cells, one after the other, never all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from metronome_sandbox.importer import delimited, json_lines, parquet, stripe
from metronome_sandbox.importer.findings import Findings
from metronome_sandbox.importer.mapping import Format, Mapping
from metronome_sandbox.importer.row import Reading, Row
from metronome_sandbox.importer.text_lines import encoding_of, head_of

READERS: dict[Format, Callable[[Reading], Iterator[Row]]] = {
    Format.CSV: delimited.read,
    Format.NDJSON: json_lines.read,
    Format.PARQUET: parquet.read,
    Format.STRIPE: stripe.read,
}

PARQUET_MARK = b"PAR1"


def rows(
    path: Path,
    mapping: Mapping,
    findings: Findings,
    note: Callable[[str], None] = lambda _: None,
    moved: Callable[[int], None] = lambda _: None,
) -> Iterator[Row]:
    """Yield the rows of a file with the columns that a mapping names.

    Raises:
        Unusable: The file as a whole cannot be used. What is wrong with one row goes to ``findings``.
    """
    named: dict[str, str] = {}
    for field, column in mapping.columns():
        named.setdefault(column, field)
    reading = Reading(path, findings, tuple(named), named, mapping.delimiter, mapping.encoding, note, moved)
    return READERS[mapping.format or format_of(path, mapping.encoding)](reading)


def all_rows(path: Path, form: Format, findings: Findings) -> Iterator[Row]:
    """Yield the rows of a file with all of their columns.

    Raises:
        Unusable: The file as a whole cannot be used.
    """
    return READERS[form](Reading(path, findings))


def format_of(path: Path, encoding: str | None = None) -> Format:
    """Return what a file is written in, by what stands at its beginning.

    Raises:
        Unusable: It cannot be read.
    """
    head = head_of(path)
    if head.startswith(PARQUET_MARK):
        return Format.PARQUET
    text = head.decode(encoding_of(path, head, encoding), errors="replace").lstrip()
    if text.startswith("["):
        return Format.STRIPE
    if not text.startswith("{"):
        return Format.CSV
    first = text.partition("\n")[0]
    try:
        return Format.STRIPE if "data" in json.loads(first) and '"list"' in first else Format.NDJSON
    except (ValueError, RecursionError):  # an object that is not whole on its first line
        return Format.NDJSON if '"list"' not in text and '"data"' not in text else Format.STRIPE
