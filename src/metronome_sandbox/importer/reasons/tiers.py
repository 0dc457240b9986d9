"""Tiers that the old system did not know, counted otherwise, or ended elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from itertools import pairwise
from math import log10

from metronome_sandbox.importer.comparison import ZERO, are_equal
from metronome_sandbox.importer.figures import number
from metronome_sandbox.importer.rates import cost
from metronome_sandbox.importer.reasons.case import CHANCE, Case, Kind, Reason, Would


def other_tiers(case: Case) -> Iterator[Would]:
    """Yield what one tier's price for all, and tiers that begin anew in each window, would make."""
    line, tiers = case.line, case.tiers
    if tiers is None or len(tiers) < 2:
        return
    for level, (_, price) in enumerate(tiers, start=1):
        amount = line.quantity * price
        if are_equal(amount, case.amount):
            continue
        cause = (
            "legacy charges all of a quantity at the first tier's price: it knows no tiers"
            if level == 1
            else "legacy charges all of a quantity at the price of the tier that it reaches (volume pricing)"
        )
        evidence = f"{case.both}: {number(line.quantity)} at tier {level}'s {case.says(price)} are {case.says(amount)}"
        yield amount, partial(Reason, Kind.TIER, cause, evidence)
    windows = [window.quantity for old in line.legacy for window in old.subtotals]
    if len(windows) > 1:
        amount = sum((cost(tiers, quantity) for quantity in windows), ZERO)
        evidence = f"{case.both}: tiers counted for each of {len(windows)} windows come to {case.says(amount)}"
        yield amount, partial(Reason, Kind.TIER, "legacy counts tiers anew in each day or hour", evidence)


def pooled(case: Case) -> Iterator[Reason]:
    """Tiers that legacy counts over all lines of a product, where the target counts them for each group."""
    tiers, same = case.tiers, case.comparison.products[case.line.product_id]
    if tiers is None or len(tiers) < 2 or same.lines < 2 or same.legacy is None:
        return
    pooled = cost(tiers, same.quantity)
    slack = case.currency.coin * same.lines
    if abs(pooled - same.legacy) * 2 <= slack < abs(same.amount - same.legacy):
        yield Reason(
            Kind.TIER,
            "legacy counts tiers over all groups of a product together, the target for each by itself",
            f"{same.lines} lines: {number(same.quantity)} together cost {case.says(pooled)}, which is what legacy "
            f"charges; each by itself {case.says(same.amount)}",
        )


def boundary(case: Case) -> Iterator[Reason]:
    """A tier that ends elsewhere."""
    tiers, quantity = case.tiers, case.line.quantity
    if tiers is None:
        return
    if len(tiers) == 1:
        yield from _allowance(case, tiers[0][1])
    start = ZERO
    for level, ((size, price), (next_size, next_price)) in enumerate(pairwise(tiers)):
        if size is None or price == next_price or quantity <= start:
            return
        merged = None if next_size is None else size + next_size
        without = (*tiers[:level], (merged, next_price), *tiers[level + 2 :])
        found = start + (case.legacy - cost(without, quantity)) / (price - next_price)
        width = max(Decimal(1), case.currency.coin / abs(price - next_price))
        last = quantity if merged is None else min(quantity, start + merged)
        boundary = start + size
        place = found.to_integral_value()
        if start <= place <= last and abs(found - place) * 2 <= width and place != boundary:
            yield from _moved(case, level + 1, boundary, place, width)
        start = boundary


def _moved(case: Case, level: int, boundary: Decimal, place: Decimal, width: Decimal) -> Iterator[Reason]:
    moved = abs(place - boundary)
    if moved == 1 and width <= 1 and case.line.quantity >= 2 * CHANCE:
        yield Reason(
            Kind.TIER,
            f"one unit at the boundary of tier {level} is priced at the other tier",
            f"{case.both}: legacy's tier {level} ends at {number(place)}, the contract's at {number(boundary)}",
        )
    elif _is_round(place, case.line.quantity, width):
        yield Reason(
            Kind.TIER,
            f"legacy's tier {level} ends at {number(place)}, the contract's at {number(boundary)}",
            f"{case.both}: {number(moved)} units are priced at the other tier",
        )


def _allowance(case: Case, price: Decimal) -> Iterator[Reason]:
    """The first units for nothing, as a first tier of price 0 would make them."""
    if not price or case.legacy >= case.amount or case.legacy <= 0:
        return
    free = (case.amount - case.legacy) / price
    width = max(Decimal(1), case.currency.coin / price)
    place = free.to_integral_value()
    if abs(free - place) * 2 <= width and _is_round(place, case.line.quantity, width):
        yield Reason(
            Kind.TIER,
            f"legacy gives the first {number(place)} units free: a first tier of price 0 is missing",
            f"{case.both}: {number(place)} of {number(case.line.quantity)} at {case.says(price)} are the difference",
        )


def _is_round(place: Decimal, most: Decimal, width: Decimal) -> bool:
    """Whether a number of units is one that people choose, among so many that chance would not choose it."""
    if place < 1 or most < 1:
        return False
    digits = str(int(place)).rstrip("0")
    if len(digits) > 2 or (len(digits) == 2 and digits[1] != "5"):
        return False
    rounds = 9 * len(digits) * (log10(most) + 1)  # so many are no larger than the most that it could be
    return rounds * CHANCE * float(width) <= most
