"""What a reconciliation found, for a spreadsheet (CSV) and for another program (JSON)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from sqlite3 import Row
from typing import IO, Any

from metronome_sandbox import __version__
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.importer.reconcile import Reconciliation, State
from metronome_sandbox.importer.report.words import number_of, units_of

FORMAT = "metronome-sandbox reconciliation 1"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(found: Reconciliation, out: IO[str]) -> None:
    """Write a row for each figure that differs and each invoice that was refused."""
    writer = csv.writer(out)
    writer.writerow([*COLUMNS])
    for row in found.differences():
        writer.writerow(_cell(value) for value in _flat(row).values())
    for row in found.invoices(State.REFUSED):
        writer.writerow(_cell(value) for value in _refused_flat(row).values())


def _cell(value: Any) -> str:
    """Return a cell: numbers as they are, texts so that no spreadsheet takes them for a formula."""
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


COLUMNS = (
    "state",
    "customer",
    "customer_id",
    "contract_id",
    "invoice",
    "period_start",
    "period_end",
    "scope",
    "product",
    "product_id",
    "groups",
    "window_start",
    "window_end",
    "first_line",
    "last_line",
    "quantity",
    "legacy_price",
    "preview_price",
    "legacy",
    "preview",
    "difference",
    "currency",
    "reason",
    "cause",
    "evidence",
)


def _flat(row: Row) -> dict[str, Any]:
    """Return a difference by column."""
    return dict(
        zip(
            COLUMNS,
            (
                row["state"],
                row["customer"],
                row["customer_id"],
                row["contract_id"],
                row["number"],
                _time(row["period_start"]),
                _time(row["period_end"]),
                row["scope"],
                row["product"],
                row["product_id"],
                row["groups"],
                _time(row["starting_at"]),
                _time(row["ending_before"]),
                row["first_row"],
                row["last_row"],
                number_of(row, "quantity"),
                units_of(row, "legacy_price"),
                units_of(row, "price"),
                units_of(row, "legacy"),
                units_of(row, "preview"),
                units_of(row, "difference"),
                row["currency"],
                row["kind"],
                row["cause"],
                row["evidence"],
            ),
            strict=True,
        )
    )


def _refused_flat(row: Row) -> dict[str, Any]:
    known = {
        "state": row["state"],
        "customer": row["customer"],
        "customer_id": row["customer_id"],
        "contract_id": row["contract_id"],
        "invoice": row["number"],
        "period_start": _time(row["starting_at"]),
        "period_end": _time(row["ending_before"]),
        "first_line": row["first_row"],
        "last_line": row["last_row"],
        "evidence": row["note"],
    }
    return {column: known.get(column) for column in COLUMNS}


def _time(text: str | None) -> str | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_json(found: Reconciliation, out: IO[str]) -> None:
    """Write all results; the README says what stands where. Numbers have all their digits."""
    head = {
        "format": FORMAT,
        "version": __version__,
        "tolerance": found.tolerance,
        "invoices": {state.name.lower(): many for state, many in found.counts.items()},
        "sums": [
            {
                "currency": row["currency"],
                "invoices": row["invoices"],
                **{name: units_of(row, name) for name in ("legacy", "preview", "difference")},
            }
            for row in found.sums()
        ],
        "reasons": [
            {
                "reason": row["kind"],
                "currency": row["currency"],
                "invoices": row["invoices"],
                "differences": row["differences"],
                "out_of_tolerance": row["out"],
                "difference": units_of(row, "difference"),
            }
            for row in found.kinds()
        ],
    }
    out.write(_json(head)[:-1])
    _write_list(out, "causes", (_cause(row) for row in found.causes(-1)))
    _write_list(out, "differences", (_difference(found, row) for row in found.differences()))
    _write_list(out, "refused", (_refused(row) for row in found.invoices(State.REFUSED)))
    _write_list(out, "nothing_to_compare", (_named(row) for row in found.invoices(State.NOTHING)))
    out.write("\n}\n")


def _write_list(out: IO[str], name: str, items: Iterable[Mapping[str, Any]]) -> None:
    out.write(f',\n"{name}": [')
    for place, item in enumerate(items):
        out.write(("," if place else "") + "\n" + _json(item))
    out.write("]")


def _json(value: Any) -> str:
    return encode(value).decode()


def _cause(row: Row) -> dict[str, Any]:
    return {
        "reason": row["kind"],
        "cause": row["cause"],
        "customer": row["customer"] if row["customers"] == 1 else None,
        "customers": row["customers"],
        "product": row["product"],
        "invoices": row["invoices"],
        "differences": row["lines"],
        "first_period_start": _time(row["starting_at"]),
        "last_period_end": _time(row["ending_before"]),
        "difference": units_of(row, "difference"),
        "currency": row["currency"],
        "example": row["evidence"],
    }


def _difference(found: Reconciliation, row: Row) -> dict[str, Any]:
    others = [{"reason": one["kind"], "cause": one["cause"], "evidence": one["evidence"]} for one in found.others(row)]
    return {**_flat(row), "also_possible": others}


def _named(row: Row) -> dict[str, Any]:
    kept = (
        "customer",
        "customer_id",
        "contract_id",
        "invoice",
        "period_start",
        "period_end",
        "first_line",
        "last_line",
    )
    flat = _refused_flat(row)
    return {name: flat[name] for name in kept}


def _refused(row: Row) -> dict[str, Any]:
    return {**_named(row), "message": row["note"]}
