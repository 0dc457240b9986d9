"""What a customer uses: which products and groups, and how much of each on every day."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from metronome_sandbox.generator.catalog import rates_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import Dimension, Profile, Rhythm
from metronome_sandbox.generator.streams import EXACT, SPARE_BITS, STEPS, Stream, in_turn, log_normal_quantiles
from metronome_sandbox.generator.world import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_MONTH, SHORTEST_MONTH = 31, 28
LEAST_TASTE, MOST_TASTE = 0.5, 2.0
"""How much less or more than others a customer spends on a rate."""
LEAST_SPIKE, MOST_SPIKE = 5, 14
"""Times an ordinary day."""
DAYS_AT_MONTH_END = 2
DAYS_OF_A_MONTH = 30.4
LOW_BITS = (1 << SPARE_BITS) - 1
MONTHS_TO_TAKE_UP = 18
"""Until a customer uses the last of the products that are taken up later."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A rate that customers may use, with how popular it is, its place on the list, and the rhythm of its usage."""

    rate: Rate
    weight: float
    rhythm: int
    later: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """All choices of a profile and their rhythms, each with the table of a day's noise."""

    choices: tuple[Choice, ...]
    rhythms: tuple[Rhythm, ...]
    noise: NDArray[np.float64]
    drift: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Appetite:
    """What a customer uses, in the order of the list of prices.

    Attributes:
        from_month: Month of the customer, counted from 0, from which on each rate is used.
        daily: Quantity of each on an ordinary day at full usage.
    """

    rates: tuple[Rate, ...]
    from_month: NDArray[np.int64]
    daily: NDArray[np.float64]
    rhythms: NDArray[np.int64]


@lru_cache
def menu_of(profile: Profile) -> Menu:
    """Return what the customers of a profile choose from."""
    rhythms = tuple(dict.fromkeys(offer.rhythm for offer in profile.offers))
    choices = [
        Choice(rate, _zipf(profile.zipf, rank) * weight, rhythms.index(offer.rhythm), offer.later)
        for rank, offer in enumerate(profile.offers, 1)
        for rate, weight in zip(rates_of(offer), _weights(profile, offer.dimensions), strict=True)
    ]
    noise = np.array([log_normal_quantiles(rhythm.noise) for rhythm in rhythms])
    return Menu(tuple(choices), rhythms, noise, log_normal_quantiles("0.12"))


def _weights(profile: Profile, dimensions: tuple[Dimension, ...]) -> list[float]:
    """Return the share of each combination of group values in its product: Zipf's law for each dimension."""
    weights = [1.0]
    for dimension in sorted(dimensions, key=lambda dimension: dimension.key):
        ranks = [_zipf(profile.zipf, rank) for rank in range(1, len(dimension.values) + 1)]
        weights = [weight * rank for weight in weights for rank in ranks]
    whole = in_turn(weights)
    return [weight / whole for weight in weights]


def _zipf(exponent: str, rank: int) -> float:
    return float(EXACT.exp(-Decimal(exponent) * EXACT.ln(Decimal(rank))))


def appetite_of(profile: Profile, stream: Stream, lines: tuple[int, int], spend: float) -> Appetite:
    """Return what a customer uses that spends so many cents a month on ``lines``, the least and the most, rates.

    A rate is chosen by a draw over its weight, so that popular ones are nearly always among them; its share of the
    spend is its weight and some taste.
    """
    menu = menu_of(profile)
    count = len(menu.choices)
    races = stream.units("choice", count + 1)
    wanted = lines[0] + int(races.pop() * (lines[1] + 1 - lines[0]))
    winners = sorted(range(count), key=lambda place: races[place] / menu.choices[place].weight)[:wanted]
    places = sorted(winners)
    taste = stream.units("taste", 2 * count)
    weights = [
        menu.choices[place].weight * (LEAST_TASTE + (MOST_TASTE - LEAST_TASTE) * taste[place]) for place in places
    ]
    whole = in_turn(weights)
    daily = [
        spend * weight / whole / DAYS_OF_A_MONTH / float(typical_price(menu.choices[place].rate))
        for place, weight in zip(places, weights, strict=True)
    ]
    first = [
        1 + int(taste[count + place] * MONTHS_TO_TAKE_UP) if menu.choices[place].later and place != winners[0] else 0
        for place in places
    ]
    return Appetite(
        tuple(menu.choices[place].rate for place in places),
        np.array(first),
        np.array(daily),
        np.array([menu.choices[place].rhythm for place in places]),
    )


def typical_price(rate: Rate) -> Decimal:
    """Return the price of a unit that is taken for ordinary: of the first tier that costs something."""
    return next(tier.price for tier in rate.tiers if tier.price)


@lru_cache(maxsize=1024)
def calendar_of(profile: Profile, first: date, months: int) -> NDArray[np.float64]:
    """Return factors by month, rhythm and day; 0 for days that a month does not have."""
    calendar = np.zeros((months, len(menu_of(profile).rhythms), LONGEST_MONTH))
    for place in range(months):
        month = months_after(first, place)
        weekday, length = monthrange(month.year, month.month)
        for row, rhythm in enumerate(menu_of(profile).rhythms):
            for day in range(length):
                at_end = rhythm.month_end if day >= length - DAYS_AT_MONTH_END else 1.0
                factor = rhythm.weekdays[(weekday + day) % 7] * at_end * profile.season[month.month - 1]
                calendar[place, row, day] = factor
    return calendar


def used_in(
    profile: Profile, stream: Stream, appetite: Appetite, first: date, number: int, levels: Sequence[float]
) -> NDArray[np.int64]:
    """Return the quantities of some months by month, rate and day; always 31 days, 0 in those a month does not have.

    Args:
        first: The first of the months.
        number: Of that month, counted from the customer's first.
        levels: Factor on the ordinary quantities for each month. At 0 nothing is used.
    """
    menu, months, count = menu_of(profile), len(levels), len(appetite.rates)
    numbers = range(number, number + months)
    drawn = stream.shorts((f"usage/{each}" for each in numbers), count * (LONGEST_MONTH + 1))
    drawn = drawn.reshape(months, count, LONGEST_MONTH + 1)
    drift = menu.drift[drawn[:, :, LONGEST_MONTH] >> SPARE_BITS]
    has_begun = appetite.from_month <= np.array(numbers)[:, None]
    usual = np.where(has_begun, appetite.daily, 0.0) * np.array(levels)[:, None] * drift
    days = drawn[:, :, :LONGEST_MONTH]
    expected = menu.noise.take((days >> SPARE_BITS) + (appetite.rhythms * STEPS)[:, None])
    expected *= calendar_of(profile, first, months)[:, appetite.rhythms]
    expected *= usual[:, :, None]
    # The spare bits round up or down by chance, so that small quantities are right on average.
    expected += (days & LOW_BITS) / (LOW_BITS + 1)
    return expected.astype(np.int64)


@cache
def _edges(hours: tuple[int, ...]) -> NDArray[np.int64]:
    return np.cumsum([0, *hours])


def by_hour(quantities: NDArray[np.int64], hours: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the quantities of days, spread over their hours by these weights; each day's sum stays what it is."""
    edges = _edges(hours)
    until: NDArray[np.int64] = quantities[:, None] * edges // edges[-1]
    return (until[:, 1:] - until[:, :-1]).ravel()


def hours_of(profile: Profile, appetite: Appetite) -> tuple[tuple[int, ...], ...] | None:
    """Return the weights of the hours of a day for each rate, or None where quantities are told by day."""
    if profile.granularity == "DAY":
        return None
    return tuple(menu_of(profile).rhythms[row].hours for row in appetite.rhythms.tolist())


@dataclass(frozen=True, slots=True)
class Surprise:
    """Three draws that tell how something out of the ordinary went."""

    where: int
    how: int
    when: int


def spike(used: NDArray[np.int64], surprise: Surprise) -> None:
    """Let one rate of a month go wild for a day."""
    times = LEAST_SPIKE + surprise.how % (MOST_SPIKE + 1 - LEAST_SPIKE)
    used[surprise.where % used.shape[0], surprise.when % SHORTEST_MONTH] *= times
