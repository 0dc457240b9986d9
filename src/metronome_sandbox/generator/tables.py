"""Customers, contracts, invoices and their quantities as flat rows: what the files of CSV and Parquet hold.

One row of ``subtotals`` is the quantity of one day or hour. Money is in cents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from metronome_sandbox.generator.rendering import IdOf
from metronome_sandbox.generator.sums import Money, voided_in
from metronome_sandbox.generator.world import Contract, History, Invoice, Line

Row = tuple[Any, ...]

CUSTOMERS = (
    "customer",
    "id",
    "name",
    "country",
    "locale",
    "address",
    "email",
    "tax_id",
    "segment",
    "signed_at",
)
CONTRACTS = ("contract", "id", "customer", "name", "rate_card", "starting_at", "ending_before", "renews", "request")
INVOICES = (
    "invoice",
    "customer",
    "contract",
    "starting_at",
    "ending_before",
    "issued_at",
    "corrects",
    "is_void",
    "gross",
    "paid_by_credits",
    "paid_by_commits",
    "total",
)
SUBTOTALS = (
    "invoice",
    "customer",
    "contract",
    "product",
    "pricing_group_values",
    "starting_at",
    "ending_before",
    "quantity",
)


def customer_row(history: History, id_of: IdOf) -> Row:
    """Return the row of a customer."""
    one = history.customer
    named = (one.name, one.country, one.locale, one.address, one.email, one.tax_id, one.segment)
    return (one.key, id_of("customer", one.key), *named, one.signed_at)


def contract_rows(history: History, id_of: IdOf, request_of: Callable[[Contract], Any]) -> Iterator[Row]:
    """Yield the rows of a customer's contracts; the request that makes one has all its terms."""
    for one in history.contracts:
        yield (
            one.key,
            id_of("contract", one.key),
            one.customer,
            one.name,
            one.rate_card,
            one.starting_at,
            one.ending_before,
            one.renews,
            request_of(one),
        )


def invoice_rows(history: History, money: Mapping[str, Money]) -> Iterator[Row]:
    """Yield the rows of a customer's invoices."""
    voided = voided_in(history)
    for one in history.invoices:
        of = money[one.key]
        yield (
            one.key,
            history.customer.key,
            one.contract,
            one.starting_at,
            one.ending_before,
            one.issued_at,
            one.corrects,
            one.key in voided,
            of.gross,
            of.paid_by_credits,
            of.paid_by_commits,
            of.total,
        )


def line_row(history: History, invoice: Invoice, line: Line) -> Row:
    """Return what all rows of a line in ``subtotals`` begin with."""
    return (invoice.key, history.customer.key, invoice.contract, line.product, json.dumps(dict(line.groups)))
