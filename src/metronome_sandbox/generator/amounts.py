"""Amounts without the zeros that arithmetic leaves behind."""

from __future__ import annotations

from decimal import Decimal

ZERO = Decimal(0)


def tidied(amount: Decimal) -> Decimal:
    """Return the same number as people write it: ``12.5``, neither ``12.500`` nor ``1E+2``."""
    return Decimal(f"{amount.normalize():f}")
