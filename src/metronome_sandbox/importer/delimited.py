"""CSV: a line of headers, then rows that have as many cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

from metronome_sandbox.importer.findings import Findings
from metronome_sandbox.importer.row import Reading, Row
from metronome_sandbox.importer.text_lines import encoding_of, head_of, lines, unusable

DELIMITERS = (",", ";", "\t", "|")
LINES_LOOKED_AT = 20
MAX_COLUMNS = 2_000


def read(reading: Reading) -> Iterator[Row]:
    """Yield the rows of a file. A row that cannot be used is a finding.

    Raises:
        Unusable: There is no header that could be used.
    """
    encoding = encoding_of(reading.path, head_of(reading.path), reading.encoding)
    delimiter = reading.delimiter or delimiter_of(reading.path, encoding)
    reader = csv.reader(
        lines(reading.path, encoding, reading.findings, reading.moved), delimiter=delimiter, strict=True
    )
    header = _header(reading, reader)
    names, pick = _picker(reading, header)
    width = len(header)
    add = reading.findings.add
    before = reader.line_num
    while True:
        try:
            for cells in reader:
                line, before = before + 1, reader.line_num
                if len(cells) == width:
                    yield Row(line, dict(zip(names, pick(cells), strict=True)))
                elif cells:
                    add(
                        line,
                        None,
                        delimiter.join(cells),
                        f"has {len(cells)} cells, the header has {width}; is a {delimiter!r} missing or not quoted?",
                    )
            return
        except csv.Error as error:
            line, before = before + 1, reader.line_num
            add(line, None, None, _problem(str(error)))
            if "limit" in str(error):  # what follows is inside of a quotation that nobody closed
                return


def _header(reading: Reading, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise unusable(reading.path, f"the header {_problem(str(error))}", 1) from None
    if reading.findings.total:  # the first line could not be decoded
        reading.findings.raise_any()
    if not any(header):
        raise unusable(reading.path, "begins with an empty line; expected the names of the columns", 1)
    if len(header) > MAX_COLUMNS:
        raise unusable(reading.path, f"has {len(header)} columns; expected at most {MAX_COLUMNS}", 1)
    wanted = set(header) if reading.columns is None else set(reading.columns)
    for name, times in Counter(header).items():
        if times > 1 and name and name in wanted:
            reading.findings.add(1, name, None, f"stands {times} times in the header; which one is meant?")
    for column in dict.fromkeys(reading.columns or ()):
        if column not in header:
            reading.missing(column, header)
    reading.findings.raise_any()
    return header


def _picker(reading: Reading, header: Sequence[str]) -> tuple[list[str], Callable[[list[str]], Sequence[str]]]:
    if reading.columns is None:
        return list(header), lambda cells: cells
    names = list(dict.fromkeys(reading.columns))
    places = [header.index(name) for name in names]
    if len(places) == 1:
        return names, lambda cells: (cells[places[0]],)
    return names, itemgetter(*places)


def delimiter_of(path: Path, encoding: str) -> str:
    """Return the mark that separates the cells of the first lines: the one that makes the same number of each.

    Raises:
        Unusable: None does, or two do.
    """
    head = list(islice(lines(path, encoding, Findings(str(path))), LINES_LOOKED_AT))
    counts: dict[str, int] = {}
    for delimiter in DELIMITERS:
        try:
            widths = {len(cells) for cells in csv.reader(head, delimiter=delimiter) if cells}
        except csv.Error:
            continue
        if len(widths) == 1 and max(widths) > 1:
            counts[delimiter] = max(widths)
    header = head[0] if head else ""
    if not counts:  # ragged rows: what the header is separated by, so that each of them is named
        counts = {delimiter: header.count(delimiter) for delimiter in DELIMITERS if delimiter in header}
    best = sorted(counts, key=lambda delimiter: counts[delimiter], reverse=True)
    if not best:
        return ","
    if len(best) > 1 and counts[best[0]] == counts[best[1]]:
        raise unusable(
            path,
            f"may be separated by {best[0]!r} or by {best[1]!r}; say delimiter in the mapping",
            1,
        )
    return best[0]


def _problem(error: str) -> str:
    if "limit" in error:
        return "begins a quotation that is not closed within 128 KiB; nothing after it was read"
    if "unexpected end of data" in error:
        return "begins a quotation that is not closed until the end of the file"
    if "expected after" in error:
        return "has a quotation mark inside of a cell; write it twice"
    return f"is no CSV: {error}"
