"""The kinds of companies whose billing can be generated, each with its catalog, its habits and its stated bands.

A band is what a run of several hundred customers and 24 months must show; ``generate --report`` measures it. How each
is measured is said at its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from metronome_sandbox.generator.world import Metric, Product, Tier

Band = tuple[float, float]
"""The least and the most that is right."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How usage moves through a month.

    Attributes:
        weekdays: Factors from Monday to Sunday.
        month_end: Factor of the last two days of a month.
        noise: Standard deviation of the logarithm of a day's own factor.
        hours: Weights of the hours of a day in UTC, whole numbers.
    """

    weekdays: tuple[float, float, float, float, float, float, float]
    month_end: float
    noise: str
    hours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A pricing group key: its values, from the most used to the least, with the factor on the price of each."""

    key: str
    values: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A product on the list of prices.

    Attributes:
        popularity: Weight of its spend among the products'.
        tiers: Prices in cents before the factors of the dimensions.
        later: Whether customers take it up in the course of time and not at once.
    """

    product: Product
    metric: Metric
    rhythm: Rhythm
    popularity: float
    tiers: tuple[Tier, ...]
    dimensions: tuple[Dimension, ...]
    later: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """Customers of one size, and what such customers sign.

    Attributes:
        share: Of 100 customers, how many, from the smallest up.
        lines: The least and the most products and groups in use.
        churn: Of 1000 that come up for renewal, how many leave.
        commit_share: The least and the most of a year's expected spend that is committed to; None for pay as you go.
        discounts: Multipliers that overrides may have; empty for list prices.
        trial_share: Credit given at the start, as a share of a month's expected spend.
    """

    name: str
    share: int
    lines: tuple[int, int]
    churn: int
    commit_share: tuple[float, float] | None
    discounts: tuple[Decimal, ...]
    trial_share: float


@dataclass(frozen=True, slots=True)
class Bands:
    """What is stated about a profile.

    Attributes:
        top_tenth_share: Revenue (line amounts, before balances) of the tenth of customers with the most, of all
            revenue.
        net_revenue_retention: Revenue of the last twelve months from the customers that had any in the twelve before,
            by what they paid then. With 24 months: second year by first, of customers billed from the first month on.
        weekday_ratio: Amount per Saturday and Sunday by amount per day from Monday to Friday.
        month_end_ratio: Amount per day of the last two days of months by amount per other day.
        zipf_exponent: Slope of log revenue over log rank, products and groups with at least 0.1 % of revenue.
        renewal_rate: Contracts that were followed by one, of all that ended inside the months generated.
        zero_months: Invoices without any quantity, of all.
        corrections: Invoices that were voided and imported anew, of all.
        covered_share: What balances paid, of revenue.
        exhausted_share: Commits that were spent to the last cent before they ended, of all that ended.
        spikes: Months in which a day of a product had four times its month's median or more, of months with usage.
    """

    top_tenth_share: Band
    net_revenue_retention: Band
    weekday_ratio: Band
    month_end_ratio: Band
    zipf_exponent: Band
    renewal_rate: Band
    zero_months: Band
    corrections: Band
    covered_share: Band
    exhausted_share: Band
    spikes: Band


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of company.

    Attributes:
        granularity: DAY or HOUR, of the quantities of a line. The sums of a day are the same in both.
        median_spend: Cents a month that the customer in the middle spends, at list price and full usage.
        spread: Standard deviation of the logarithm of spend, of the body of customers.
        tail: Exponent of Pareto's law, of the greatest tenth.
        zipf: Exponent of the popularity of a dimension's values.
        ramp_months: Until usage is full after the first contract starts.
        growth: Mean of a customer's own monthly growth, in thousandths.
        growth_spread: Standard deviation of it, in thousandths.
        season: Factors from January to December.
        zero_months, corrections, spikes: Of 10,000 invoices, how many.
    """

    name: str
    title: str
    granularity: str
    offers: tuple[Offer, ...]
    segments: tuple[Segment, ...]
    median_spend: int
    spread: str
    tail: str
    zipf: str
    ramp_months: int
    growth: int
    growth_spread: int
    season: tuple[float, ...]
    zero_months: int
    corrections: int
    spikes: int
    bands: Bands


def _offer(
    key: str,
    name: str,
    counts: str,
    rhythm: Rhythm,
    popularity: float,
    prices: str,
    *dimensions: Dimension,
    later: bool = False,
) -> Offer:
    """Return an offer.

    Args:
        counts: Event type, aggregation and property, such as ``completion SUM input``.
        prices: One price, or tiers such as ``1000 at 0, 9000 at 2.5, 2``.
    """
    event_type, aggregation, *properties = counts.split()
    group_keys = tuple(sorted(dimension.key for dimension in dimensions))
    metric = Metric(f"metric-{key}", name, event_type, aggregation, next(iter(properties), None), group_keys)
    product = Product(f"product-{key}", name, metric.key, group_keys, (event_type,))
    return Offer(product, metric, rhythm, popularity, tuple(map(_tier, prices.split(", "))), dimensions, later)


def _tier(text: str) -> Tier:
    size, _, price = text.rpartition(" at ")
    return Tier(Decimal(price), int(size) if size else None)


def _dimension(key: str, **values: str) -> Dimension:
    return Dimension(key, tuple((value.replace("_", "-"), Decimal(factor)) for value, factor in values.items()))


_OFFICE = (*[1] * 6, 2, 4, 7, 9, 10, 10, 9, 10, 10, 10, 9, 8, 6, 4, 3, 2, 2, 1)
_ROUND_THE_CLOCK = (*[3] * 6, *[4] * 3, *[5] * 9, *[4] * 3, *[3] * 3)

_TOKENS = Rhythm((1.06, 1.12, 1.13, 1.12, 1.04, 0.75, 0.78), 1.08, "0.22", _OFFICE)
_BATCH = Rhythm((1.0, 1.02, 1.02, 1.02, 1.0, 0.96, 0.98), 1.3, "0.5", _ROUND_THE_CLOCK)

_MODELS = _dimension("model", nova_2="1", nova_2_mini="0.15", nova_2_max="5", nova_1="0.75", nova_reason="4")
_EMBEDDERS = _dimension("model", vector_3_small="1", vector_3_large="6")

_AI_API = Profile(
    name="ai-api",
    title="Language models behind an API, paid for by the token",
    granularity="DAY",
    offers=(
        _offer("output", "Output tokens (1K)", "completion SUM output", _TOKENS, 1.0, "0.8", _MODELS),
        _offer("input", "Input tokens (1K)", "completion SUM input", _TOKENS, 0.6, "0.2", _MODELS),
        _offer("images", "Images", "image COUNT", _TOKENS, 0.32, "4"),
        _offer(
            "cached", "Cached input tokens (1K)", "completion SUM cached", _TOKENS, 0.22, "0.05", _MODELS, later=True
        ),
        _offer("embedding", "Embedding tokens (1K)", "embedding SUM tokens", _BATCH, 0.15, "0.002", _EMBEDDERS),
        _offer("speech", "Speech minutes", "speech SUM minutes", _TOKENS, 0.11, "10000 at 0.6, 90000 at 0.5, 0.4"),
        _offer("searches", "Web searches", "search COUNT", _TOKENS, 0.08, "1000 at 0, 1", later=True),
        _offer("tuning", "Fine-tuning tokens (1K)", "tuning SUM tokens", _BATCH, 0.06, "0.8", later=True),
    ),
    segments=(
        Segment("self-serve", 58, (2, 6), 170, None, (), 0.5),
        Segment("growth", 32, (5, 11), 100, (0.5, 0.85), (Decimal("0.95"), Decimal("0.9")), 0.35),
        Segment("enterprise", 10, (8, 16), 50, (0.55, 0.95), (Decimal("0.9"), Decimal("0.85"), Decimal("0.8")), 0.2),
    ),
    median_spend=90_000,
    spread="1.5",
    tail="1.35",
    zipf="1",
    ramp_months=5,
    growth=22,
    growth_spread=35,
    season=(0.98, 1.0, 1.02, 1.0, 1.0, 1.0, 0.97, 0.96, 1.02, 1.03, 1.03, 0.97),
    zero_months=120,
    corrections=150,
    spikes=250,
    bands=Bands(
        top_tenth_share=(0.60, 0.80),
        net_revenue_retention=(1.10, 1.60),
        weekday_ratio=(0.6, 0.8),
        month_end_ratio=(1.02, 1.3),
        zipf_exponent=(0.8, 2.0),
        renewal_rate=(0.75, 0.95),
        zero_months=(0.005, 0.03),
        corrections=(0.005, 0.03),
        covered_share=(0.3, 0.8),
        exhausted_share=(0.3, 0.9),
        spikes=(0.01, 0.1),
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (_AI_API,)})
