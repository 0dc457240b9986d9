"""What a tenant has, in a few words for each thing, and how that differs between two moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from metronome_sandbox.toolkit.connection import Connection

MANY_CUSTOMERS = 25
"""The things of further customers are not looked at: this is for a person who reads what one test did."""

SHOWN_LINES = 60
USUAL_UNIT = "USD (cents)"

Things = Mapping[str, Mapping[str, str]]
"""Facts by name, of each thing by what it is called."""


def described(connection: Connection) -> Things:
    """Return the customers of a tenant with their contracts, balances and invoices.

    Raises:
        CallFailed: The API does not answer.
    """
    things: dict[str, Mapping[str, str]] = {}
    customers = list(_pages(lambda query: connection.ok("GET", f"/v1/customers?limit=100{query}")))
    for customer in customers:
        things[_called("customer", customer)] = {"name": customer["name"]}
    for customer in customers[:MANY_CUSTOMERS]:
        things.update(_things_of(connection, customer["id"]))
    return things


def _things_of(connection: Connection, customer_id: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    owner = {"customer_id": customer_id}
    for contract in connection.ok("POST", "/v2/contracts/list", owner)["data"]:
        yield (
            _called("contract", contract),
            _facts(contract, "name", "starting_at", "ending_before", "archived_at"),
        )
    path = "/v1/contracts/customerBalances/list"
    asked = {**owner, "include_balance": True, "include_contract_balances": True, "include_archived": True}
    for balance in _pages(lambda query: connection.ok("POST", path, {**asked, **_cursor_of(query)})):
        kind = str(balance["type"]).lower()
        yield (
            _called(f"{kind} balance", balance),
            {**_facts(balance, "name", "balance", "archived_at"), **_unit(balance.get("access_schedule") or {})},
        )
    path = f"/v1/customers/{customer_id}/invoices"
    for invoice in _pages(lambda query: connection.ok("GET", f"{path}?limit=100{query}")):
        lines = [f"{line['name']} {_short(line['total'])}" for line in invoice.get("line_items", ())]
        yield (
            _called(f"{str(invoice['type']).lower()} invoice", invoice),
            {
                **_facts(invoice, "status", "total", "start_timestamp", "end_timestamp"),
                **_unit(invoice),
                "lines": ", ".join(lines[:10]) + (f" and {len(lines) - 10} more" if len(lines) > 10 else ""),
            },
        )


def _pages(read: Callable[[str], Any]) -> Iterator[Any]:
    query = ""
    while True:
        page = read(query)
        yield from page["data"]
        if not page.get("next_page"):
            return
        query = f"&next_page={page['next_page']}"


def _cursor_of(query: str) -> dict[str, str]:
    return {"next_page": query.partition("=")[2]} if query else {}


def _called(kind: str, thing: Mapping[str, Any]) -> str:
    return f"{kind} {thing['id']}"


def _facts(thing: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: _short(thing[name]) for name in names if thing.get(name) is not None}


def _unit(thing: Mapping[str, Any]) -> dict[str, str]:
    """Return the unit of an amount, unless it is the usual one."""
    name = (thing.get("credit_type") or {}).get("name", USUAL_UNIT)
    return {} if name == USUAL_UNIT else {"unit": name}


def _short(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def difference(before: Things, after: Things) -> Iterator[str]:
    """Yield a line for each thing that is new (``+``), has changed (``~``) or is gone (``-``)."""
    lines = list(_difference(before, after))
    yield from lines[:SHOWN_LINES]
    if len(lines) > SHOWN_LINES:
        yield f"(and {len(lines) - SHOWN_LINES} more)"


def _difference(before: Things, after: Things) -> Iterator[str]:
    for name, facts in after.items():
        known = before.get(name)
        if known is None:
            yield f"+ {name}: " + "; ".join(f"{fact} {value}" for fact, value in facts.items() if value)
        elif known != facts:
            changed = [fact for fact in {**known, **facts} if known.get(fact) != facts.get(fact)]
            yield f"~ {name}: " + "; ".join(
                f"{fact} {known.get(fact, 'none')} -> {facts.get(fact, 'none')}" for fact in changed
            )
    for name in before.keys() - after.keys():
        yield f"- {name}"
