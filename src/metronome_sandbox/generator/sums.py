"""What a part of a world comes to, by plain arithmetic: counts of what is in the files, sums of what stands at the end.

An invoice that was voided is in the counts and in no sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any

from metronome_sandbox.generator.world import Contract, History, Invoice

EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
"""Sums that lose a digit raise, however many customers there are."""

COUNTS = ("customers", "contracts", "invoices", "voids", "lines", "subtotals")
AMOUNTS = ("gross", "paid_by_credits", "paid_by_commits", "total")


@dataclass(slots=True)
class Money:
    """What an invoice comes to, or many of them, in cents: ``gross`` less what balances pay is ``total``."""

    gross: Decimal = Decimal(0)
    paid_by_credits: Decimal = Decimal(0)
    paid_by_commits: Decimal = Decimal(0)
    total: Decimal = Decimal(0)

    def add(self, other: Money) -> None:
        """Add another one to this."""
        for name in AMOUNTS:
            setattr(self, name, EXACT.add(getattr(self, name), getattr(other, name)))

    def to_json(self) -> dict[str, Decimal]:
        """Return it by name, without zeros at the end of a number."""
        return {name: shortest(getattr(self, name)) for name in AMOUNTS}


@dataclass(slots=True)
class Sums:
    """Counts and sums of customers. ``quantity`` is by product key."""

    customers: int = 0
    contracts: int = 0
    invoices: int = 0
    voids: int = 0
    lines: int = 0
    subtotals: int = 0
    money: Money = field(default_factory=Money)
    quantity: dict[str, int] = field(default_factory=dict)

    def add_history(self, history: History, money: Mapping[str, Money]) -> None:
        """Add a customer; ``money`` is of each of its invoices, by key."""
        voided = voided_in(history)
        self.customers += 1
        self.contracts += len(history.contracts)
        self.invoices += len(history.invoices)
        self.voids += len(voided)
        for invoice in history.invoices:
            self.lines += len(invoice.lines)
            stands = invoice.key not in voided
            if stands:
                self.money.add(money[invoice.key])
            for line in invoice.lines:
                self.subtotals += len(line.quantities)
                if stands:  # a sum of few whole numbers is quicker outside of numpy
                    quantity = sum(line.quantities.tolist())
                    self.quantity[line.product] = self.quantity.get(line.product, 0) + quantity

    def add(self, other: Sums) -> None:
        """Add another part to this one."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.money.add(other.money)
        for product, quantity in other.quantity.items():
            self.quantity[product] = self.quantity.get(product, 0) + quantity

    def to_json(self) -> dict[str, Any]:
        """Return ``counts`` and ``sums``."""
        return {
            "counts": {name: getattr(self, name) for name in COUNTS},
            "sums": {**self.money.to_json(), "quantity": dict(sorted(self.quantity.items()))},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Sums:
        """Return what :meth:`to_json` told.

        Raises:
            KeyError, TypeError, ArithmeticError: It is something else.
        """
        sums = value["sums"]
        return cls(
            **{name: int(value["counts"][name]) for name in COUNTS},
            money=Money(**{name: Decimal(sums[name]) for name in AMOUNTS}),
            quantity={product: int(quantity) for product, quantity in sums["quantity"].items()},
        )


def voided_in(history: History) -> frozenset[str]:
    """Return the keys of invoices that another one took the place of."""
    return frozenset(invoice.corrects for invoice in history.invoices if invoice.corrects is not None)


def credits_in(contracts: tuple[Contract, ...]) -> frozenset[str]:
    """Return the keys of balances that are credits."""
    return frozenset(balance.key for contract in contracts for balance in contract.balances if balance.is_credit)


def money_of(invoice: Invoice, credits: frozenset[str]) -> Money:
    """Return what an invoice comes to; ``credits`` are the keys of all credits of its customer."""
    money = Money(total=invoice.total)
    for line in invoice.lines:
        money.gross = EXACT.add(money.gross, line.amount)
    for payment in invoice.payments:
        name = "paid_by_credits" if payment.balance in credits else "paid_by_commits"
        setattr(money, name, EXACT.add(getattr(money, name), payment.amount))
    return money


def shortest(amount: Decimal) -> Decimal:
    """Return an amount without zeros at its end, and without an exponent: 1.50 is 1.5, and 100 stays 100."""
    return Decimal(f"{amount.normalize(EXACT):f}")
