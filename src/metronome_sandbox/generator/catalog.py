"""The catalog of a profile: its metrics, its products and its list of prices."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import product as combinations
from math import prod

from metronome_sandbox.generator.amounts import tidied
from metronome_sandbox.generator.plan import FIRST_MONTH
from metronome_sandbox.generator.profiles import Offer, Profile
from metronome_sandbox.generator.world import Catalog, FixedProduct, Groups, Rate, RateCard, Tier

PREPAID = FixedProduct("product-prepaid", "Prepaid usage")
FREE = FixedProduct("product-free", "Promotional credit")
PRICED_SINCE = FIRST_MONTH
"""From when on the list of prices is in force: before any contract."""


@lru_cache
def catalog_of(profile: Profile) -> Catalog:
    """Return what all customers of a profile share."""
    rates = tuple(rate for offer in profile.offers for rate in rates_of(offer))
    return Catalog(
        tuple(offer.metric for offer in profile.offers),
        tuple(offer.product for offer in profile.offers),
        (RateCard("list-prices", f"List prices of {profile.name}", PRICED_SINCE, rates),),
        (PREPAID, FREE),
    )


def rates_of(offer: Offer) -> tuple[Rate, ...]:
    """Return the rate of each combination of group values, from the most used to the least."""
    return tuple(Rate(offer.product.key, groups, _tiers(offer, factor)) for groups, factor in _combinations(offer))


def _combinations(offer: Offer) -> Iterator[tuple[Groups, Decimal]]:
    dimensions = sorted(offer.dimensions, key=lambda dimension: dimension.key)
    for values in combinations(*(dimension.values for dimension in dimensions)):
        groups = tuple((dimension.key, value) for dimension, (value, _) in zip(dimensions, values, strict=True))
        yield groups, prod((factor for _, factor in values), start=Decimal(1))


def _tiers(offer: Offer, factor: Decimal) -> tuple[Tier, ...]:
    return tuple(Tier(tidied(tier.price * factor), tier.size) for tier in offer.tiers)
