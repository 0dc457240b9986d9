"""The same world as its old billing system would export it: rows of line items in dollars, and how to read them.

Only invoices that stand are in it. Line amounts are before balances, an invoice's total is after them: what was due.
What a company finds wrong on the day it moves can be planted (:mod:`metronome_sandbox.generator.plants`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from metronome_sandbox.client.encoding import laid_out
from metronome_sandbox.generator.aside import whole
from metronome_sandbox.generator.old_invoices import OldInvoice
from metronome_sandbox.generator.plants import Gardener
from metronome_sandbox.generator.sums import voided_in
from metronome_sandbox.generator.world import Catalog
from metronome_sandbox.generator.worlds import World

FOLDER = "legacy"
ROWS_FILE, MAPPING_FILE, PLANTED_FILE = "legacy.csv", "mapping.yaml", "planted.json"
BLOCK_ROWS = 1000


def write_legacy(world: World, folder: Path, gardener: Gardener | None) -> Iterator[int]:
    """Write the files, and yield the number of each customer whose rows are written.

    Args:
        gardener: Who plants differences; None for none.

    Raises:
        CannotWrite: The disk or its owner refuses.
    """
    catalog = world.catalog
    keys = group_keys(catalog)
    names = {product.key: product.name for product in catalog.products}
    with whole(folder / FOLDER / ROWS_FILE, waits=True) as written:
        written.write(_csv([header(keys)]))
        for number in range(1, world.plan.customers + 1):
            for invoice in old_invoices(world, number, gardener):
                written.write(_csv(list(_rows(invoice, names, keys))))
            yield number
    with whole(folder / FOLDER / MAPPING_FILE, waits=True) as written:
        written.write(mapping(keys).encode())
    if gardener is not None:
        with whole(folder / FOLDER / PLANTED_FILE, waits=True) as written:
            written.write(laid_out(gardener.planted))


def old_invoices(world: World, number: int, gardener: Gardener | None) -> Iterator[OldInvoice]:
    """Yield the invoices of a customer that stand, as the old system has them."""
    history = world.history(number)
    voided = voided_in(history)
    contracts = {contract.key: contract for contract in history.contracts}
    for invoice in history.invoices:
        if invoice.key not in voided:
            old = OldInvoice.of(history.customer, contracts[invoice.contract], invoice)
            yield old if gardener is None else gardener.tended(old)


def group_keys(catalog: Catalog) -> tuple[str, ...]:
    """Return the pricing group keys of all products; each is a column."""
    return tuple(sorted({key for product in catalog.products for key in product.group_keys}))


def header(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns."""
    service = ("service_start", "service_end", "quantity", "amount", "invoice_total")
    return ("invoice", "issued", "customer", "account", "product", *keys, *service)


def _rows(invoice: OldInvoice, names: dict[str, str], keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    period = (f"{invoice.starting_at}", f"{invoice.ending_before - timedelta(days=1)}")
    for line in invoice.lines:
        groups = dict(line.groups)
        yield (
            invoice.number,
            f"{invoice.issued_on}",
            invoice.customer,
            invoice.account,
            names[line.product],
            *(groups.get(key, "") for key in keys),
            *period,
            f"{line.quantity:f}",
            _dollars(line.amount),
            _dollars(invoice.total),
        )


def _dollars(cents: Decimal) -> str:
    """Return cents as dollars with all of their digits, two at least."""
    amount = cents.scaleb(-2).normalize()
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount:f}"


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def mapping(keys: tuple[str, ...]) -> str:
    """Return the mapping that ``import`` reads the rows by."""
    groups = f"pricing_groups: {{{', '.join(f'{key}: {key}' for key in keys)}}}\n" if keys else ""
    return f"""\
# How `metronome-sandbox import` reads legacy.csv. One row is a line item of an invoice, for a month.
decimal_mark: point
units: dollars
invoice_number: invoice
customer: {{column: account, by: ingest_alias}}
product: {{column: product, by: name}}
{groups}quantity: quantity
amount: amount         # before commits and credits
total: invoice_total   # after them: what was due
service: {{start: service_start, end: service_end, end_is: inclusive}}
period: month
issue_date: issued
"""
