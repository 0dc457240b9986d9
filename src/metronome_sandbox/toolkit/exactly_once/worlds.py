"""What a tenant has in the end, in a form in which two runs of the same test can be compared.

A snapshot holds everything, invoices and their sums are asked from the API. Three things are taken out, since they
differ between runs in which nothing went wrong, or between a call and its harmless repetition:

*Ids.* They are made from running numbers, and a repetition may take a number. Every UUID, also a client's own, stands
for what it leads to: the row that it is the key of, as that row is without ids, and so on, :data:`DEPTH` steps far. One
that leads to nothing stands for nothing. Counters of ids and positions in a sequence are left out.

*The time of the run.* An instant whose time of day lies within the run, to the microsecond, comes from a real clock;
its day is kept. Instants at full minutes are a client's own and stay.

*Order.* Tables are compared as sets of rows, however often each occurs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
DEPTH = 3
LEFT_OUT = frozenset(("sequence",))
DAY = timedelta(days=1)
SLACK = timedelta(milliseconds=2)
"""The tenant's time is in whole milliseconds."""

Row = tuple[str, str]
"""A table's name, and a row of it as text without ids."""


@dataclass(frozen=True, slots=True)
class World:
    """What a tenant has.

    Attributes:
        money: By what it is: the sum of all invoices that are not void, and of all balances, in each unit.
        rows: How often each row of each table is there.
    """

    money: Mapping[str, Decimal]
    rows: Counter[Row]


def world_of(told: Mapping[str, Any]) -> World:
    """Return what a tenant has, from what the plugin wrote down."""
    began_at, ended_at = (datetime.fromisoformat(told[name]) for name in ("began_at", "ended_at"))
    tables = _without_times(told["snapshot"]["state"]["store"], began_at, ended_at - began_at)
    return World(_money(told["things"]), Counter(_rows(tables)))


def _money(things: Mapping[str, Mapping[str, str]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for name, facts in things.items():
        kind = name.split()[-2]
        amount = facts.get("total" if kind == "invoice" else "balance")
        if kind in ("invoice", "balance") and amount is not None and facts.get("status") != "VOID":
            unit = facts.get("unit")
            what = f"{kind}s in {unit}" if unit else f"{kind}s"
            sums[what] = sums.get(what, Decimal(0)) + Decimal(amount)
    return sums


def _rows(tables: Mapping[str, list[Any]]) -> Iterator[Row]:
    meant: dict[str, str] = {}
    for _ in range(DEPTH):
        found: dict[str, str] = {}
        for rows in tables.values():
            for key, value in rows:
                if isinstance(key, str) and UUID.fullmatch(key):
                    found[key] = sha256((found.get(key, "") + _text(value, meant)).encode()).hexdigest()[:12]
        meant = found
    for table, rows in tables.items():
        for row in rows:
            yield table, _text(row, meant)


def _text(value: Any, meant: Mapping[str, str]) -> str:
    return UUID.sub(lambda id: f"<{meant.get(id[0], '')}>", json.dumps(value, sort_keys=True))


def _without_times(value: Any, began_at: datetime, duration: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(one, began_at, duration) for name, one in value.items() if name not in LEFT_OUT}
    if isinstance(value, list):
        return [_without_times(one, began_at, duration) for one in value]
    if isinstance(value, str) and INSTANT.fullmatch(value):
        instant = datetime.fromisoformat(value)
        is_of_the_run = (instant - began_at + SLACK) % DAY <= duration + 2 * SLACK
        if is_of_the_run and (instant.second or instant.microsecond):
            return f"{instant.date()} of the run"
    return value


def told(before: World, after: World) -> list[str]:
    """Return what differs, in a few words for each thing: money first, then tables."""
    lines = [
        f"sum of {name}: {before.money.get(name, Decimal(0)):f} -> {after.money.get(name, Decimal(0)):f}"
        for name in sorted({**before.money, **after.money})
        if before.money.get(name, 0) != after.money.get(name, 0)
    ]
    return lines + [
        line for table, (more, less) in sorted(changed(before, after).items()) for line in _of(table, more, less)
    ]


def changed(before: World, after: World) -> dict[str, tuple[int, int]]:
    """Return how many rows of each table are more and how many are less, of the tables that differ."""
    more, less = Counter[str](), Counter[str]()
    for (table, _), number in (after.rows - before.rows).items():
        more[table] += number
    for (table, _), number in (before.rows - after.rows).items():
        less[table] += number
    return {table: (more[table], less[table]) for table in {**more, **less}}


def money_differs(before: World, after: World) -> bool:
    """Whether anything else is billed or granted."""
    return any(before.money.get(name, 0) != after.money.get(name, 0) for name in {**before.money, **after.money})


def _of(table: str, more: int, less: int) -> Iterator[str]:
    name = table.replace("_", " ")
    if more > less:
        yield f"{name}: {more - less} more"
    if less > more:
        yield f"{name}: {less - more} less"
    if min(more, less):
        yield f"{name}: {min(more, less)} otherwise"
