"""What usage costs and which balances pay for it: the generator's own arithmetic, in plain decimals.

It knows as much of pricing as the generated contracts use, and no more: tiers that begin anew each month, one
multiplier on a product's rates, and balances that are open for whole months and go to all products or come before
those that do. So what is taken from a balance is the lesser of what is left of it and of what is not paid yet; which
line it pays for changes nothing. Source: reference, pricing sections 3.5 and 5.1, invoices and balances section 3.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from metronome_sandbox.generator.amounts import ZERO, tidied
from metronome_sandbox.generator.world import Balance, Contract, Override, Payment, Tier

MANY = 1 << 30
"""How many products a balance is for that names none."""

Ladder = tuple[Tier, ...]


def cost(ladder: Ladder, quantity: int) -> Decimal:
    """Return what a month's quantity costs, in cents. An upper edge of a tier belongs to it."""
    if len(ladder) == 1:
        return quantity * ladder[0].price
    amount = ZERO
    for tier in ladder:
        inside = quantity if tier.size is None else min(quantity, tier.size)
        amount += inside * tier.price
        quantity -= inside
        if not quantity:
            break
    return amount


def multiplied(ladder: Ladder, multiplier: Decimal) -> Ladder:
    """Return the ladder at a multiple of its prices."""
    return tuple(Tier(tier.price * multiplier, tier.size) for tier in ladder)


def multiplier_in_force(overrides: Iterable[Override], product: str, month: date) -> Decimal:
    """Return what the list price of a product is multiplied with in a month; the lowest one wins."""
    return min(
        (
            override.multiplier
            for override in overrides
            if override.product == product
            and override.starting_at <= month
            and (override.ending_before is None or month < override.ending_before)
        ),
        default=Decimal(1),
    )


def in_spending_order(contract: Contract) -> list[Balance]:
    """Return a contract's balances in the order in which they are spent."""
    return sorted(
        contract.balances,
        key=lambda balance: (
            balance.priority,
            balance.price > 0,
            len(balance.products) or MANY,
            balance.ending_before,
            balance.starting_at,
        ),
    )


def payments(
    balances: Sequence[Balance], left: Mapping[str, Decimal], month: date, spend: Mapping[str, Decimal]
) -> tuple[Payment, ...]:
    """Return what balances pay of a month's spend.

    Args:
        balances: In the order of spending.
        left: What is left of each, by key.
        spend: Cents of each product.
    """
    unpaid = dict(spend)
    paid: list[Payment] = []
    for balance in balances:
        if not balance.starting_at <= month < balance.ending_before:
            continue
        amount = left[balance.key]
        for product in balance.products or unpaid:
            part = min(amount, unpaid.get(product, ZERO))
            if part:
                unpaid[product] -= part
                amount -= part
        if amount < left[balance.key]:
            paid.append(Payment(balance.key, tidied(left[balance.key] - amount)))
    return tuple(paid)
