"""What a customer uses: which products and groups, and how much of each on every day."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from metronome_sandbox.generator.catalog import rates_of
from metronome_sandbox.generator.profiles import Dimension, Profile, Rhythm
from metronome_sandbox.generator.streams import EXACT, SHORT, STEPS, Stream, log_normal_quantiles
from metronome_sandbox.generator.world import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_MONTH = 31
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
        Choice(rate, offer.popularity * weight, rhythms.index(offer.rhythm), offer.later)
        for offer in profile.offers
        for rate, weight in zip(rates_of(offer), _weights(profile, offer.dimensions), strict=True)
    ]
    noise = np.array([log_normal_quantiles(rhythm.noise) for rhythm in rhythms])
    return Menu(tuple(choices), rhythms, noise, log_normal_quantiles("0.12"))


def _weights(profile: Profile, dimensions: tuple[Dimension, ...]) -> list[float]:
    """Return how popular each combination of group values is: Zipf's law for each dimension."""
    weights = [1.0]
    for dimension in sorted(dimensions, key=lambda dimension: dimension.key):
        ranks = [_zipf(profile.zipf, rank) for rank in range(1, len(dimension.values) + 1)]
        weights = [weight * rank for weight in weights for rank in ranks]
    return weights


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
    weights = [menu.choices[place].weight * (0.5 + 1.5 * taste[place]) for place in places]
    whole = 0.0
    for weight in weights:  # in this order on every machine
        whole += weight
    days = 30.4
    daily = [
        spend * weight / whole / days / float(typical_price(menu.choices[place].rate))
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


@lru_cache(maxsize=4096)
def days_of(profile: Profile, month: date) -> NDArray[np.float64]:
    """Return the factor of each day of a month, a row for each rhythm."""
    weekday, length = monthrange(month.year, month.month)
    season = profile.season[month.month - 1]
    return np.array(
        [
            [
                rhythm.weekdays[(weekday + day) % 7] * (rhythm.month_end if day >= length - 2 else 1.0) * season
                for day in range(length)
            ]
            for rhythm in menu_of(profile).rhythms
        ]
    )


def used_in(
    profile: Profile, stream: Stream, appetite: Appetite, month: date, number: int, level: float
) -> NDArray[np.int64]:
    """Return the quantities of a month: a row for each rate of the appetite, a column for each day.

    Args:
        number: Of the month, counted from the customer's first.
        level: Factor on the ordinary quantities.
    """
    menu = menu_of(profile)
    count = len(appetite.rates)
    calendar = days_of(profile, month)[appetite.rhythms]
    drawn = stream.shorts(f"usage/{number}", count * (LONGEST_MONTH + 1)).reshape(count, LONGEST_MONTH + 1)
    days = drawn[:, : calendar.shape[1]]
    noise = menu.noise[appetite.rhythms[:, None], days // (SHORT // STEPS)]
    drift = menu.drift[drawn[:, LONGEST_MONTH] // (SHORT // STEPS)]
    usual = np.where(appetite.from_month <= number, appetite.daily, 0.0) * level * drift
    # The low bits round up or down by chance, so that small quantities are right on average.
    return (usual[:, None] * calendar * noise + days % (SHORT // STEPS) / (SHORT // STEPS)).astype(np.int64)
