"""Amounts, parts and prices that were rounded."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from metronome_sandbox.importer.comparison import ZERO, Currency
from metronome_sandbox.importer.figures import money, number
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason, is_near, is_telling

PRICE_DECIMALS = 7
"""To so many a price may have been rounded, less one."""


def rounded(case: Case) -> Iterator[Reason]:
    """A line, its tiers, its windows or its price, to the coin or to a few decimals."""
    coin, prices = case.currency.coin, case.line.parts
    told = f"{case.says(case.amount)} exactly, legacy {case.says(case.legacy)}"
    how = rounded_how(case.amount, case.legacy, coin)
    if how is not None:
        yield Reason(Kind.ROUNDING, f"legacy rounds each line to {coin_of(case.currency)}", f"{told}: {how}")
        return
    for parts, each in ((tuple(part.total for part in prices), "tier"), (_by_window(case), "window")):
        for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN):
            amount = sum((part.quantize(coin, mode) for part in parts), ZERO)
            if len(parts) > 1 and amount == case.legacy:
                yield Reason(
                    Kind.ROUNDING,
                    f"legacy rounds each {each} of a line to {coin_of(case.currency)}",
                    f"{told}: {len(parts)} {each}s, each rounded",
                )
                return
    price = case.line.price
    if price is not None and all(part.tier is None for part in prices):
        yield from _rounded_price(case, price)


def _rounded_price(case: Case, price: Decimal) -> Iterator[Reason]:
    if not is_telling(case.amount, PRICE_DECIMALS, case.currency):
        return
    for decimals in range(PRICE_DECIMALS):
        short = price.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if short != price and is_near(case.legacy, short * case.line.quantity, case.currency):
            yield Reason(
                Kind.ROUNDING,
                f"legacy rounds the price of a unit to {case.says(short)}",
                f"{number(case.line.quantity)} at {case.says(short)} are {case.says(case.legacy)}, at "
                f"{case.says(price)} {case.says(case.amount)}",
            )
            return


def _by_window(case: Case) -> tuple[Decimal, ...]:
    price = case.line.price
    if price is None:
        return ()
    return tuple(window.quantity * price for line in case.line.legacy for window in line.subtotals)


def rounded_how(amount: Decimal, legacy: Decimal, coin: Decimal) -> str | None:
    """Return how an amount was rounded to the old one, None where it was not."""
    if amount == amount.quantize(coin, ROUND_HALF_EVEN) or legacy != legacy.quantize(coin, ROUND_HALF_EVEN):
        return None
    up, even = (amount.quantize(coin, mode) for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN))
    if legacy == up == even:
        return "rounded to the nearest"
    if legacy == up:
        return "rounded half up"
    if legacy == even:
        return "rounded half to even"
    return "cut off" if legacy == amount.quantize(coin, ROUND_DOWN) else None


def coin_of(currency: Currency) -> str:
    """Return the smallest coin for people."""
    return money(currency.coin, currency)
