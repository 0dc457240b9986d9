"""Prices that are not those of the contract: the list's, or a constant ratio of what is charged."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from metronome_sandbox.importer.comparison import ZERO, Currency
from metronome_sandbox.importer.figures import number, percent
from metronome_sandbox.importer.rates import cost
from metronome_sandbox.importer.reasons.case import Case, Kind, Reason, Would, is_near, is_telling


def list_price(case: Case) -> Iterator[Would]:
    """Yield what the list price would make, where an override changes it."""
    line, price = case.line, case.price
    if price is not None and price.overridden is not None and price.overridden != price.listed:
        listed = cost(price.listed, line.quantity)
        yield (
            listed,
            partial(
                Reason,
                Kind.OVERRIDE,
                "legacy charges the list price: the contract's override is one that the old invoices do not have",
                f"{case.both}: {number(line.quantity)} cost {case.says(listed)} by the rate card and "
                f"{case.says(case.amount)} under the contract's override",
            ),
        )


def constant_ratio(case: Case) -> Iterator[Reason]:
    """A multiplier such as 0.9, which an override would have."""
    multiplier = round_ratio(case.legacy, case.amount, case.currency)
    if multiplier is not None:
        yield _discount(case, multiplier)


def _discount(case: Case, multiplier: Decimal) -> Reason:
    """Return the reason of a constant ratio, told by the list price where that is known."""
    price = case.price
    told = f"{case.both}: {percent(multiplier)}"
    if multiplier == 0:
        cause = "legacy charges nothing: an override to 0 or a free allowance is missing"
    elif price is not None and price.overridden is not None and price.overridden != price.listed:
        by_list = cost(price.listed, case.line.quantity)
        of_list = case.legacy / by_list if by_list else ZERO
        cause = (
            f"legacy charges {percent(round(of_list, 4))} of the list price, the contract's override "
            f"{percent(round(case.amount / by_list, 4)) if by_list else 'something else'}"
        )
        told = f"{case.both}, list price {case.says(by_list)}"
    else:
        base = "the list price" if price is not None else "what the contract charges"
        cause = missing_override(multiplier, base)
    return Reason(Kind.OVERRIDE, cause, told, multiplier)


def missing_override(multiplier: Decimal, base: str = "what the contract charges") -> str:
    """Return the cause of a constant ratio."""
    told = f"legacy charges {percent(multiplier)} of {base}"
    return f"{told}: an override with multiplier {number(multiplier)} is missing"


def round_ratio(legacy: Decimal, amount: Decimal, currency: Currency) -> Decimal | None:
    """Return legacy by preview where that is a number such as 0.9 and chance is out of the question, else None."""
    if amount <= 0 or legacy < 0:
        return None
    if legacy == 0:
        return ZERO if is_telling(amount, 1, currency) else None
    for step in (Decimal("0.05"), Decimal("0.01"), Decimal("0.005")):
        ratio = (legacy / amount / step).to_integral_value() * step
        if ratio != 1 and 0 < ratio <= 2 and is_near(legacy, amount * ratio, currency):
            return ratio.normalize() if is_telling(amount, int(2 / step), currency) else None
    return None
