"""An invoice as an old billing system has it: a quantity and an amount for each line, and what was due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from metronome_sandbox.generator.sums import EXACT
from metronome_sandbox.generator.world import Contract, Customer, Groups, Invoice


@dataclass(frozen=True, slots=True)
class OldLine:
    """A product under one set of group values for a month, in cents."""

    product: str
    groups: Groups
    quantity: Decimal
    amount: Decimal
    """Before balances."""


@dataclass(frozen=True, slots=True)
class OldInvoice:
    """A month of a contract. ``account`` is the customer's ingest alias."""

    number: str
    key: str
    customer: str
    account: str
    starting_at: date
    ending_before: date
    issued_on: date
    lines: tuple[OldLine, ...]
    total: Decimal
    """After balances, in cents."""
    contract: Contract
    invoice: Invoice

    @classmethod
    def of(cls, customer: Customer, contract: Contract, invoice: Invoice) -> OldInvoice:
        """Return what an old system would have made of an invoice."""
        return cls(
            f"INV-{customer.number:06d}-{invoice.starting_at:%Y%m}",
            invoice.key,
            customer.name,
            customer.key,
            invoice.starting_at,
            invoice.ending_before,
            invoice.issued_at.date(),
            tuple(OldLine(line.product, line.groups, Decimal(line.quantity), line.amount) for line in invoice.lines),
            invoice.total,
            contract,
            invoice,
        )

    @property
    def gross(self) -> Decimal:
        """What its lines come to."""
        total = Decimal(0)
        for line in self.lines:
            total = EXACT.add(total, line.amount)
        return total
