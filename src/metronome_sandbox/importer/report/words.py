"""How the figures, periods and products of what was found are told, wherever they are told."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from sqlite3 import Row

from metronome_sandbox.importer.comparison import Currency
from metronome_sandbox.importer.figures import bare_money, period
from metronome_sandbox.importer.reconcile import Reconciliation, State


def money_of(row: Row, column: str) -> str:
    """Return an amount of a row for people, to the coin unless the row differs by less; nothing where there is none."""
    if row[column] is None:
        return ""
    currency = Currency("", row["currency"], Decimal(row["per_unit"]), Decimal(row["coin"]))
    is_fine = abs(Decimal(row["difference"])) < currency.coin
    return bare_money(Decimal(row[column]), currency, *(() if is_fine else (2,)))


def units_of(row: Row, column: str) -> Decimal | None:
    """Return an amount of a row in the currency's unit; None where there is none."""
    return None if row[column] is None else _short(Decimal(row[column]) / Decimal(row["per_unit"]))


def number_of(row: Row, column: str) -> Decimal | None:
    """Return a number of a row; None where there is none."""
    return None if row[column] is None else _short(Decimal(row[column]))


def _short(value: Decimal) -> Decimal:
    """Return a number without zeros at its end and without an exponent."""
    return Decimal(f"{value.normalize():f}")


def period_of(start: str, end: str) -> str:
    """Return a period for people, from what a row has of it."""
    return period(datetime.fromisoformat(start), datetime.fromisoformat(end))


def subject_of(row: Row) -> str:
    """Return what a difference is about."""
    if row["scope"] == "line" or row["product"] is not None:
        return f"{row['product']} ({row['groups']})" if row["groups"] else str(row["product"])
    if row["scope"] == "small":
        return "(small differences)"
    by_lines = Decimal(row["preview"]) - Decimal(row["legacy"]) - Decimal(row["difference"])
    return "(total)" if abs(by_lines) < Decimal(row["coin"]) else "(rest of the total)"


def lines_of(row: Row) -> str:
    """Return the lines of the file, as ``lines 4-6``."""
    first, last = row["first_row"], row["last_row"]
    if first is None:
        return ""
    return f"line {first}" if first == last else f"lines {first}-{last}"


def place_of(cause: Row) -> str:
    """Return whom a cause meets, on what, and when."""
    who = cause["customer"] if cause["customers"] == 1 else count_of(cause["customers"], "customer")
    what = "" if cause["product"] is None else f", {cause['product']}"
    return f"{who}{what}, {period_of(cause['starting_at'], cause['ending_before'])}"


def count_of(many: int, what: str) -> str:
    """Return ``1,200 invoices``."""
    return f"{many:,} {what if many == 1 else what + 's'}"


def verdict(found: Reconciliation) -> str:
    """Return the outcome in one sentence."""
    counts = found.counts
    compared = counts[State.EQUAL] + counts[State.WITHIN] + counts[State.OUT]
    sentence = f"{counts[State.OUT]:,} of {count_of(compared, 'invoice')} out of tolerance"
    if counts[State.REFUSED]:
        sentence += f", {counts[State.REFUSED]:,} refused"
    if counts[State.NOTHING]:
        sentence += f", {counts[State.NOTHING]:,} with nothing to compare"
    return sentence
