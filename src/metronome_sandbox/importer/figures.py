"""How amounts, quantities and times of a reconciliation are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from metronome_sandbox.importer.comparison import Currency

MOST_DECIMALS = 12
DIGITS = 60
"""Enough for any product of two numbers that an API takes."""


def number(value: Decimal, decimals: int = MOST_DECIMALS) -> str:
    """Return a number with its thousands apart and no zeros at its end."""
    with localcontext(prec=DIGITS):
        short = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    text = f"{short:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def money(amount: Decimal, currency: Currency) -> str:
    """Return an amount of the API as ``1,234.50 USD``: two decimals, and more where it has more."""
    return f"{bare_money(amount, currency)} {currency.code}"


def bare_money(amount: Decimal, currency: Currency, most_decimals: int = 8) -> str:
    """Return an amount of the API in whole units, without the currency."""
    text = number(currency.in_units(amount), most_decimals)
    decimals = 0 if currency.per_unit == currency.coin == 1 else 2
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}" if fraction or decimals else whole


def percent(ratio: Decimal) -> str:
    """Return 0.9 as ``90 %``."""
    return f"{number(ratio * 100, 4)} %"


def day(instant: datetime) -> str:
    """Return an instant as ``2024-06-01``, with its time where that is not midnight in UTC."""
    at = instant.astimezone(UTC)
    is_midnight = (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
    return at.strftime("%Y-%m-%d" if is_midnight else "%Y-%m-%dT%H:%M:%SZ")


def period(starting_at: datetime, ending_before: datetime) -> str:
    """Return a period as ``2024-06`` or ``2024-06..2024-08`` where it is months, else its first and its last day."""
    start, end = starting_at.astimezone(UTC), ending_before.astimezone(UTC)
    if "T" in day(start) + day(end):
        return f"{day(start)}..{day(end)}"
    last = end - timedelta(days=1)
    form = "%Y-%m" if start.day == end.day == 1 else "%Y-%m-%d"
    first, until = start.strftime(form), last.strftime(form)
    return first if first == until else f"{first}..{until}"
