"""Numbers of an old file, as exact decimals, by the marks that the mapping names and by no guess.

``1,234`` is a thousand and more in one country and one and a bit in another one. So a text with a mark in it is only
read where the mapping says what the marks are; whole digits are read anyway. Numbers of JSON and Parquet have no marks.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

from metronome_sandbox.importer.findings import Wrong

MAX_INTEGER_DIGITS = 15
MAX_DECIMAL_PLACES = 18
"""What the sandbox can count with exactly; a number beyond is a mistake of the export."""

_WIDE = Context(prec=80)
_NAMES = {".": "decimal_mark: point", ",": "decimal_mark: comma"}
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'"})


class NumberReader:
    """Reads the numbers of one file.

    Args:
        mark: The decimal mark, ``.`` or ``,``; None where only whole numbers are read from a text.
        thousands: What may stand between groups of three digits, ``""`` for nothing.

    Attributes:
        is_plain: Matches a text that is a number of 0 or more just as it stands, for Python too.
    """

    def __init__(self, mark: str | None, thousands: str) -> None:
        self._mark = mark
        self._thousands = thousands
        fraction = rf"(?:{re.escape(mark)}\d{{1,{MAX_DECIMAL_PLACES}}})?" if mark else ""
        self._plain = re.compile(rf"[+-]?\d{{1,{MAX_INTEGER_DIGITS}}}{fraction}", re.ASCII).fullmatch
        decimals = fraction if mark == "." else ""
        self.is_plain = re.compile(rf"\d{{1,{MAX_INTEGER_DIGITS}}}{decimals}", re.ASCII).fullmatch
        between = re.escape(thousands)
        self._grouped = re.compile(rf"[+-]?\d{{1,3}}(?:{between}\d{{3}}){{1,4}}{fraction}", re.ASCII).fullmatch

    def read(self, cell: str | Decimal) -> Decimal:
        """Return the number in a cell.

        Raises:
            Wrong: There is none, or one with more digits than anybody counts with.
        """
        if isinstance(cell, Decimal):
            return checked(cell)
        if self._plain(cell):
            return Decimal(cell if self._mark != "," else cell.replace(",", "."))
        return self._otherwise(cell.strip())

    def _otherwise(self, text: str) -> Decimal:
        """Return a number that is not written plainly, or say what is wrong with it."""
        spaced = text.translate(_SPACES)
        if self._thousands and self._grouped(spaced):
            plain = spaced.replace(self._thousands, "")
            return Decimal(plain.replace(",", ".") if self._mark == "," else plain)
        if self._plain(text):
            return self.read(text)
        raise Wrong(self._problem(text))

    def _problem(self, text: str) -> str:
        if text.startswith("="):
            return "is a formula; export values, and no formulas"
        if not text:
            return "is empty; expected a number"
        if text.startswith("(") and text.endswith(")"):
            return "is a negative number in brackets; write it with a minus"
        digits = text[1:] if text[0] in "+-" else text
        if re.fullmatch(r"[\d.]+[eE][+-]?\d+", digits, re.ASCII):
            return "is a shortened number, as spreadsheets write them; export it with all of its digits"
        if re.fullmatch(r"[\d.,]+", digits, re.ASCII) and any(letter.isdigit() for letter in digits):
            return self._mark_problem(digits)
        return "is no number; expected digits without a currency, a unit or spaces"

    def _mark_problem(self, digits: str) -> str:
        used = [mark for mark in _NAMES if mark in digits]
        if self._mark is None and used:
            named = " or ".join(_NAMES[mark] for mark in used)
            return f"could be read in two ways; say {named} in the mapping, and thousands if they are separated"
        other = [mark for mark in used if mark not in (self._mark, self._thousands)]
        if other:
            return (
                f"has a {other[0]!r}, but the mapping says {_NAMES.get(self._mark or '', 'no decimal_mark')}"
                f" and {'no thousands' if not self._thousands else f'thousands {self._thousands!r}'}"
            )
        whole, _, fraction = digits.partition(self._mark or "?")
        if len(fraction) > MAX_DECIMAL_PLACES or len(whole) > MAX_INTEGER_DIGITS:
            return _TOO_LONG
        return "has marks in places where no number has them"


_TOO_LONG = f"has more than {MAX_INTEGER_DIGITS} digits before or {MAX_DECIMAL_PLACES} after the decimal mark"


def checked(number: Decimal) -> Decimal:
    """Return a number that is one, and short enough to count with.

    Raises:
        Wrong: It is not.
    """
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise Wrong(f"is {number}, and no number to bill")
    if number.adjusted() >= MAX_INTEGER_DIGITS and number:
        raise Wrong(_TOO_LONG)
    if exponent < -MAX_DECIMAL_PLACES:
        places = Decimal(1).scaleb(-MAX_DECIMAL_PLACES)
        rounded = number.quantize(places, context=_WIDE)
        if rounded != number:
            raise Wrong(_TOO_LONG)
        return rounded
    return number
