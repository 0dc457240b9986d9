"""The words that sentences are made of: numbers, days, lists, and names of balances."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Context, Decimal

from metronome_sandbox.domain.balances import ENDLESS, Balance, BalanceType
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.ids import ProductId
from metronome_sandbox.domain.lookups import Lookup

_FIFTEEN_DIGITS = Context(prec=15)


def shown(value: Decimal) -> str:
    """Return a number as people write it, with the digits that answers have."""
    if value != value.to_integral_value():
        value = _FIFTEEN_DIGITS.plus(value).normalize()
    return f"{value.normalize():f}" if value else "0"


def day(instant: datetime) -> str:
    """Return ``1 June 2024``, with the time of day where it is not midnight."""
    time = f", {instant:%H:%M} UTC" if instant.hour or instant.minute or instant.second else ""
    return f"{instant.day} {instant:%B %Y}{time}"


def counted(number: int, noun: str) -> str:
    """Return ``2 products``, or ``all products`` where the count is endless."""
    if number == ENDLESS:
        return f"all {noun}s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def joined(words: Sequence[str], last: str) -> str:
    """Return words in a row, with ``last`` before the last one."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def sentence(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[:1].upper() + text[1:]


KINDS = {
    BalanceType.PREPAID: "prepaid commit",
    BalanceType.POSTPAID: "postpaid commit",
    BalanceType.CREDIT: "credit",
}


def name_of(balance: Balance, products: Lookup[ProductId, Product]) -> str:
    """Return the name of a balance, or what its product was called when it began: what lines that apply it say."""
    start = balance.segments[0].starting_at if balance.segments else balance.created_at
    return balance.name or products[balance.product_id].at(start).name


def called(balance: Balance, products: Lookup[ProductId, Product]) -> str:
    """Return ``the commit Prepaid``, for the middle of a sentence."""
    kind = "credit" if balance.type is BalanceType.CREDIT else "commit"
    return f"the {kind} {name_of(balance, products)}"


def pays(balance: Balance, them: str, products: Lookup[ProductId, Product]) -> str:
    """Return ``The commit Prepaid pays for them.``; what a postpaid commit counts is billed.

    Args:
        them: What it pays for: ``it`` or ``them``.
    """
    payer = sentence(called(balance, products))
    if balance.type is BalanceType.POSTPAID:
        return f"{payer} counts {them}, and {'it is' if them == 'it' else 'they are'} billed."
    return f"{payer} pays for {them}."
