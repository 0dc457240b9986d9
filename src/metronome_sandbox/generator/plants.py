"""Differences that a company finds when it moves, planted into old invoices: a few of each kind.

A planted figure is one that the old system could have printed for a reason with a name. Nothing else on the invoice or
on a later one is off: what changes a quantity, and so what balances pay, goes where no balance is open any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from metronome_sandbox.generator.old_invoices import OldInvoice, OldLine
from metronome_sandbox.generator.rating import Ladder, cost, multiplied, multiplier_in_force
from metronome_sandbox.generator.world import Catalog, Groups

EACH = 3
"""Invoices of each kind."""

LEAST_CENTS = Decimal(5000)
"""A line or a total that is tampered with comes to that at least, so that chance explains nothing."""

CENTS_A_DOLLAR = 100
OTHER_UNIT = 1000
FORGOTTEN_DISCOUNT = Decimal("0.75")
LEAST_ROUNDED = Decimal(10)
"""Cents that rounding a price comes to at least."""

Planted = tuple[OldInvoice, dict[str, Any]]


class Gardener:
    """Plants differences into invoices as they come by."""

    def __init__(self, catalog: Catalog) -> None:
        self._prices: Mapping[tuple[str, Groups], Ladder] = {
            (rate.product, rate.groups): rate.tiers for card in catalog.rate_cards for rate in card.rates
        }
        self._done: Counter[str] = Counter()
        self._last_account = ""
        self.planted: list[dict[str, Any]] = []
        """What was planted where: kind, invoice, customer, and the figures as they were and as they are."""

    @property
    def count(self) -> Mapping[str, int]:
        """How many invoices have a difference of each kind."""
        return {kind: self._done[kind] for kind in KINDS}

    def tended(self, invoice: OldInvoice) -> OldInvoice:
        """Return an invoice with a difference in it, if it is one for a kind that is still wanted."""
        if invoice.account == self._last_account:
            return invoice
        for kind in sorted(KINDS, key=lambda kind: self._done[kind]):
            if self._done[kind] == EACH:
                break
            found = KINDS[kind](self, invoice)
            if found is not None:
                changed, told = found
                self._done[kind] += 1
                self._last_account = invoice.account
                about = {"kind": kind, "invoice": invoice.number, "account": invoice.account}
                self.planted.append({**about, "period": f"{invoice.starting_at:%Y-%m}", **told})
                return changed
        return invoice

    # the kinds

    def rounding(self, invoice: OldInvoice) -> Planted | None:
        """The old system rounds the price of a unit."""
        if invoice.invoice.payments:
            return None
        for line in invoice.lines:
            ladder = self._ladder(invoice, line)
            price = ladder[0].price
            decimals = -int(price.normalize().as_tuple().exponent)
            if len(ladder) > 1 or decimals < 1:
                continue
            rounded = price.quantize(Decimal(1).scaleb(1 - decimals), ROUND_HALF_UP)
            amount = rounded * line.quantity
            if rounded and line.amount >= LEAST_CENTS and abs(amount - line.amount) >= LEAST_ROUNDED:
                return _with(invoice, line, amount=amount, price_cents=price, rounded_cents=rounded)
        return None

    def tier(self, invoice: OldInvoice) -> Planted | None:
        """The old system charges all of a quantity at the price of the tier that it reaches."""
        if invoice.invoice.payments:
            return None
        for line in invoice.lines:
            ladder = self._ladder(invoice, line)
            reached = _tier_reached(ladder, int(line.quantity))
            if reached == 0 or line.amount < LEAST_CENTS:
                continue
            amount = ladder[reached].price * line.quantity
            if amount != line.amount:
                return _with(invoice, line, amount=amount, tier=reached + 1)
        return None

    def override(self, invoice: OldInvoice) -> Planted | None:
        """The customer had a discount that nobody put into the contract."""
        if invoice.invoice.payments or invoice.contract.overrides:
            return None
        for line in invoice.lines:
            if line.amount >= LEAST_CENTS and len(self._ladder(invoice, line)) == 1:
                amount = line.amount * FORGOTTEN_DISCOUNT
                return _with(invoice, line, amount=amount, multiplier=FORGOTTEN_DISCOUNT)
        return None

    def currency(self, invoice: OldInvoice) -> Planted | None:
        """Cents stand where dollars should."""
        if invoice.invoice.payments or invoice.total < LEAST_CENTS:
            return None
        lines = tuple(replace(line, amount=line.amount * CENTS_A_DOLLAR) for line in invoice.lines)
        total = invoice.total * CENTS_A_DOLLAR
        return replace(invoice, lines=lines, total=total), {"total_cents": invoice.total, "planted_cents": total}

    def balance(self, invoice: OldInvoice) -> Planted | None:
        """The total was printed before commits and credits."""
        if invoice.gross - invoice.total < LEAST_CENTS:
            return None
        told = {"total_cents": invoice.total, "planted_cents": invoice.gross}
        return replace(invoice, total=invoice.gross), told

    def conversion(self, invoice: OldInvoice) -> Planted | None:
        """The quantity is in another unit than the price."""
        if any(balance.ending_before > invoice.starting_at for balance in invoice.contract.balances):
            return None  # an open balance would pay for what is too much, and lack later
        for line in invoice.lines:
            if line.amount >= LEAST_CENTS and len(self._ladder(invoice, line)) == 1:
                quantity = line.quantity * OTHER_UNIT
                changed = replace(invoice, lines=_replaced(invoice, line, replace(line, quantity=quantity)))
                told = {"product": line.product, "quantity": line.quantity, "planted_quantity": quantity}
                return changed, {**told, "pricing_group_values": dict(line.groups)}
        return None

    def _ladder(self, invoice: OldInvoice, line: OldLine) -> Ladder:
        """Return what a line's product costs under the contract."""
        multiplier = multiplier_in_force(invoice.contract.overrides, line.product, invoice.starting_at)
        ladder = multiplied(self._prices[line.product, line.groups], multiplier)
        assert cost(ladder, int(line.quantity)) == line.amount, f"{invoice.key}: {line.product} costs something else"
        return ladder


KINDS: Mapping[str, Callable[[Gardener, OldInvoice], Planted | None]] = {
    "rounding": Gardener.rounding,
    "tier boundary": Gardener.tier,
    "missing override": Gardener.override,
    "currency unit": Gardener.currency,
    "commit drawn": Gardener.balance,
    "quantity conversion": Gardener.conversion,
}
"""What can be planted, in the words of the report on an import."""


def _tier_reached(ladder: Ladder, quantity: int) -> int:
    for place, tier in enumerate(ladder):
        if tier.size is None or quantity <= tier.size:
            return place
        quantity -= tier.size
    return len(ladder) - 1


def _with(invoice: OldInvoice, line: OldLine, *, amount: Decimal, **told: Any) -> Planted:
    """Return an invoice on which one line comes to another amount, and its total with it."""
    total = invoice.total + amount - line.amount
    changed = replace(invoice, lines=_replaced(invoice, line, replace(line, amount=amount)), total=total)
    where = {"product": line.product, "pricing_group_values": dict(line.groups)}
    return changed, {**where, "amount_cents": line.amount, "planted_cents": amount, **told}


def _replaced(invoice: OldInvoice, line: OldLine, by: OldLine) -> tuple[OldLine, ...]:
    return tuple(by if one is line else one for one in invoice.lines)
