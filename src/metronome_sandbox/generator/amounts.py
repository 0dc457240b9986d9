"""Amounts without the zeros that arithmetic leaves behind."""

from __future__ import annotations

from decimal import Decimal

ZERO = Decimal(0)
ONE = Decimal(1)


def tidied(amount: Decimal) -> Decimal:
    """Return the same number as people write it: ``12.5``, neither ``12.500`` nor ``1E+2``."""
    whole = amount.to_integral_value()
    return whole.quantize(ONE) if whole == amount else amount.normalize()
