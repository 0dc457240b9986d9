"""The lines of a text file: decoded on the way, none longer than a bound, whatever the file holds."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from metronome_sandbox.importer.findings import Findings, Unusable
from metronome_sandbox.importer.legacy import Finding

MAX_LINE = 1024 * 1024
"""Letters. Nobody's line of an invoice is longer; a file without line ends is."""

UNREADABLE = "\ufffd"
HEAD_BYTES = 64 * 1024
LINES_BETWEEN_STEPS = 4096

_MARKS = (  # UTF-32 first, for its mark begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def open_bytes(path: Path) -> IO[bytes]:
    """Return an open file.

    Raises:
        Unusable: There is none, or it holds nothing.
    """
    if path.is_dir():
        raise unusable(path, "is a directory; name the file")
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise unusable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return file


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises:
        Unusable: It cannot be read, or is empty.
    """
    with open_bytes(path) as file:
        try:
            head = file.read(HEAD_BYTES)
        except OSError as error:
            raise unusable(path, f"cannot be read: {error.strerror or error}") from None
    if not head:
        raise unusable(path, "is empty")
    return head


def unusable(path: Path, problem: str, line: int | None = None) -> Unusable:
    """Return what to raise about a whole file."""
    return Unusable([Finding(str(path), line, None, None, problem)])


def encoding_of(path: Path, head: bytes, said: str | None) -> str:
    """Return the encoding of a text: by its mark, then by what the mapping says, then UTF-8.

    Raises:
        Unusable: It is no text, or the mark contradicts the mapping.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            family = encoding.split("-sig")[0]
            if said is not None and not said.startswith(family):
                raise unusable(path, f"begins with the mark of {family.upper()}, but the mapping says {said}")
            return encoding
    if said is not None:
        return said
    if b"\0" in head:
        raise unusable(
            path,
            "is no text that can be read: it holds NUL bytes; if it is UTF-16 without a byte order mark, say "
            "encoding: utf-16-le in the mapping",
        )
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise unusable(path, "is compressed, or a workbook of a spreadsheet; name a file of text")
    return "utf-8"


def lines(
    path: Path, encoding: str, findings: Findings, moved: Callable[[int], None] = lambda _: None
) -> Iterator[str]:
    """Yield every line with its end. One that cannot be used is a finding, and an empty line stands for it."""
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding, errors="replace", newline="") as text:
        read = text.readline
        number = 0
        try:
            while line := read(MAX_LINE):
                number += 1
                if not number % LINES_BETWEEN_STEPS:
                    moved(raw.tell())
                if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
                    findings.add(number, None, line[:40], f"is longer than {MAX_LINE} letters; is a line end missing?")
                    _skip_rest(text)
                    line = "\n"
                elif "\0" in line:
                    findings.add(number, None, line[:40].replace("\0", "?"), "holds a NUL byte; is it a text?")
                    line = "\n"
                elif UNREADABLE in line:
                    findings.add(
                        number,
                        None,
                        line[:40],
                        f"holds what is no {encoding.removesuffix('-sig')}; say encoding: cp1252 in the mapping if the "
                        "file comes from Windows, or export it in UTF-8",
                    )
                    line = "\n"
                yield line
        except (OSError, UnicodeError) as error:
            raise unusable(path, f"cannot be read on: {error}", number + 1) from None


def _skip_rest(text: io.TextIOWrapper) -> None:
    while (part := text.readline(MAX_LINE)) and not part.endswith(("\n", "\r")):
        pass
