"""The kinds of companies whose billing can be generated, each with its catalog, its habits and its stated bands.

A band is what a run of several hundred customers and 24 months must show; ``generate --report`` measures it. How each
is measured is said at its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
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
        tiers: Prices in cents before the factors of the dimensions.
        later: Whether customers take it up in the course of time and not at once.
    """

    product: Product
    metric: Metric
    rhythm: Rhythm
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
        growth_spread: Standard deviation of monthly growth between customers, in thousandths; the larger, the steadier.
        commit_share: The least and the most of a year's expected spend that is committed to; None for pay as you go.
        discounts: Multipliers that overrides may have; empty for list prices.
        trial_share: Credit given at the start, as a share of a month's expected spend.
    """

    name: str
    share: int
    lines: tuple[int, int]
    churn: int
    growth_spread: int
    commit_share: tuple[float, float] | None
    discounts: tuple[Decimal, ...]
    trial_share: float


@dataclass(frozen=True, slots=True)
class Bands:
    """What is stated about a profile, of what is billed in the end: not of invoices that were voided.

    Attributes:
        top_tenth_share: Revenue (line amounts, before balances) of the tenth of customers with the most, of all
            revenue.
        tail_exponent: Of Pareto's law, by Hill's estimator, of the revenue of the tenth of customers with the most.
        ramp_up: Revenue of the seventh month of customers by revenue of their first one, of those that sign after the
            first month and stay so long.
        net_revenue_retention: Revenue of months 13 to 24 by revenue of months 1 to 12, of the customers with an invoice
            for the first month.
        weekend_ratio: Revenue per Saturday and Sunday by revenue per day from Monday to Friday. The revenue of a line
            is spread over its days by quantity.
        month_end_ratio: Revenue per day of the last two days of months by revenue per other day.
        zipf_exponent: Slope of log revenue over log rank, negated, by least squares; of product and group values
            together, those with at least 0.1 % of revenue.
        renewal_rate: Contracts that another one renews, of all that end before the last of the months.
        upgrades: Contracts that commit to more a month than the one they renew, of those where both have commits.
        zero_months: Invoices without any quantity, of all.
        corrections: Invoices that were voided and imported anew, of all.
        covered_share: What balances paid, of revenue.
        exhausted_share: Commits that were spent to the last cent, of all whose access ends inside the months.
        spikes: Invoices with a line whose highest day is at least four times its middle day, where that is 5 or more;
            of invoices with usage.
    """

    top_tenth_share: Band
    tail_exponent: Band
    ramp_up: Band
    net_revenue_retention: Band
    weekend_ratio: Band
    month_end_ratio: Band
    zipf_exponent: Band
    renewal_rate: Band
    upgrades: Band
    zero_months: Band
    corrections: Band
    covered_share: Band
    exhausted_share: Band
    spikes: Band


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A kind of company. There is one value of each, known by its identity.

    Attributes:
        granularity: DAY or HOUR, of the quantities of a line. The sums of a day are the same in both.
        median_spend: Cents a month that the customer in the middle spends, at list price and full usage.
        spread: Standard deviation of the logarithm of spend, of the body of customers.
        tail: Exponent of Pareto's law, of the greatest tenth.
        offers: From the most used to the least.
        zipf: Exponent of the popularity of products, and of the values of a dimension.
        old_customers: Of 100, how many were customers before the first month.
        ramp_months: Until usage is full after the first contract starts.
        growth: Mean of a customer's own monthly growth, in thousandths.
        growth_noise: Standard deviation of it between months of a customer, in thousandths.
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
    old_customers: int
    ramp_months: int
    growth: int
    growth_noise: int
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
    return Offer(product, metric, rhythm, tuple(map(_tier, prices.split(", "))), dimensions, later)


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
        _offer("output", "Output tokens (1K)", "completion SUM output", _TOKENS, "0.8", _MODELS),
        _offer("input", "Input tokens (1K)", "completion SUM input", _TOKENS, "0.2", _MODELS),
        _offer("images", "Images", "image COUNT", _TOKENS, "4"),
        _offer("cached", "Cached input tokens (1K)", "completion SUM cached", _TOKENS, "0.05", _MODELS, later=True),
        _offer("embedding", "Embedding tokens (1K)", "embedding SUM tokens", _BATCH, "0.002", _EMBEDDERS),
        _offer("speech", "Speech minutes", "speech SUM minutes", _TOKENS, "10000 at 0.6, 90000 at 0.5, 0.4"),
        _offer("searches", "Web searches", "search COUNT", _TOKENS, "1000 at 0, 1", later=True),
        _offer("tuning", "Fine-tuning tokens (1K)", "tuning SUM tokens", _BATCH, "0.8", later=True),
    ),
    segments=(
        Segment("self-serve", 58, (2, 6), 170, 35, None, (), 0.5),
        Segment("growth", 32, (5, 11), 100, 28, (0.6, 1.15), (Decimal("0.95"), Decimal("0.9")), 0.35),
        Segment("enterprise", 10, (8, 16), 50, 15, (0.7, 1.2), (Decimal("0.9"), Decimal("0.85"), Decimal("0.8")), 0.2),
    ),
    median_spend=90_000,
    spread="1.67",
    tail="1.35",
    zipf="0.85",
    old_customers=60,
    ramp_months=5,
    growth=16,
    growth_noise=40,
    season=(0.98, 1.0, 1.02, 1.0, 1.0, 1.0, 0.97, 0.96, 1.02, 1.03, 1.03, 0.97),
    zero_months=120,
    corrections=150,
    spikes=250,
    bands=Bands(
        top_tenth_share=(0.6, 0.8),
        tail_exponent=(1.0, 1.7),
        ramp_up=(4.5, 7.2),
        net_revenue_retention=(1.05, 1.5),
        weekend_ratio=(0.66, 0.79),
        month_end_ratio=(1.05, 1.16),
        zipf_exponent=(1.1, 1.9),
        renewal_rate=(0.8, 0.93),
        upgrades=(0.5, 0.8),
        zero_months=(0.006, 0.015),
        corrections=(0.009, 0.022),
        covered_share=(0.62, 0.85),
        exhausted_share=(0.55, 0.85),
        spikes=(0.05, 0.13),
    ),
)

_MACHINES = Rhythm((1.02, 1.03, 1.03, 1.03, 1.02, 0.93, 0.92), 1.03, "0.06", _ROUND_THE_CLOCK)
_DISKS = Rhythm((1.0,) * 7, 1.0, "0.015", (1,) * 24)
_TRAFFIC = Rhythm((1.08, 1.1, 1.1, 1.09, 1.06, 0.78, 0.76), 1.1, "0.2", _OFFICE)

_REGIONS = _dimension(
    "region",
    us_east_1="1",
    us_west_2="1",
    eu_west_1="1.1",
    eu_central_1="1.2",
    ap_southeast_1="1.2",
    ap_northeast_1="1.3",
    sa_east_1="1.5",
)
_MACHINE_TYPES = _dimension("machine", standard_4="1", standard_2="0.5", memory_8="2.5", standard_16="4", gpu_1="25")
_CLASSES = _dimension("class", standard="1", archive="0.2")

_INFRASTRUCTURE = Profile(
    name="infrastructure",
    title="Machines, storage and traffic in seven regions",
    granularity="DAY",
    offers=(
        _offer("compute", "Compute hours", "machine SUM hours", _MACHINES, "10", _MACHINE_TYPES, _REGIONS),
        _offer("database", "Managed database hours", "database SUM hours", _MACHINES, "18", _REGIONS),
        _offer("block", "Block storage GB-days", "volume SUM gb_days", _DISKS, "0.3", _REGIONS),
        _offer("object", "Object storage GB-days", "object SUM gb_days", _DISKS, "0.08", _CLASSES, _REGIONS),
        _offer("egress", "Egress GB", "transfer SUM gb", _TRAFFIC, "100 at 0, 9900 at 9, 40000 at 8, 6", _REGIONS),
        _offer("balancer", "Load balancer hours", "balancer SUM hours", _MACHINES, "3", _REGIONS),
        _offer("logs", "Log ingestion GB", "log SUM gb", _TRAFFIC, "50 at 50, 950 at 40, 25", later=True),
        _offer("functions", "Function calls (1K)", "call SUM thousands", _TRAFFIC, "0.02", _REGIONS, later=True),
    ),
    segments=(
        Segment("self-serve", 55, (3, 9), 150, 25, None, (), 0.4),
        Segment("growth", 33, (8, 20), 80, 20, (0.6, 1.1), (Decimal("0.95"), Decimal("0.92"), Decimal("0.9")), 0.25),
        Segment(
            "enterprise", 12, (18, 40), 30, 11, (0.7, 1.1), (Decimal("0.9"), Decimal("0.85"), Decimal("0.75")), 0.1
        ),
    ),
    median_spend=150_000,
    spread="1.78",
    tail="1.45",
    zipf="0.9",
    old_customers=65,
    ramp_months=6,
    growth=9,
    growth_noise=20,
    season=(0.99, 0.99, 1.0, 1.0, 1.0, 1.0, 0.99, 0.99, 1.0, 1.01, 1.04, 1.03),
    zero_months=80,
    corrections=120,
    spikes=150,
    bands=Bands(
        top_tenth_share=(0.6, 0.8),
        tail_exponent=(1.05, 1.75),
        ramp_up=(5.2, 8.0),
        net_revenue_retention=(1.0, 1.4),
        weekend_ratio=(0.86, 0.93),
        month_end_ratio=(1.01, 1.06),
        zipf_exponent=(1.0, 1.7),
        renewal_rate=(0.83, 0.95),
        upgrades=(0.45, 0.75),
        zero_months=(0.005, 0.012),
        corrections=(0.006, 0.019),
        covered_share=(0.66, 0.9),
        exhausted_share=(0.55, 0.85),
        spikes=(0.006, 0.025),
    ),
)

_SEATS = Rhythm((1.0, 1.0, 1.0, 1.0, 1.0, 0.97, 0.97), 1.0, "0.01", (1,) * 24)
_WORK = Rhythm((1.25, 1.3, 1.28, 1.27, 1.2, 0.35, 0.35), 1.2, "0.25", _OFFICE)

_PLANS = _dimension("plan", team="1", business="2", enterprise="3.5")
_MODULES = _dimension("module", analytics="1", security="1.5", sandbox="0.8")

_SAAS_SEATS = Profile(
    name="saas-seats",
    title="Software by the seat, with automation and an assistant by usage",
    granularity="DAY",
    offers=(
        _offer("seats", "Seat days", "seat COUNT", _SEATS, "50", _PLANS),
        _offer("modules", "Module seat days", "module COUNT", _SEATS, "20", _MODULES, later=True),
        _offer("assistant", "Assistant messages", "message COUNT", _WORK, "2", later=True),
        _offer("runs", "Automation runs", "run COUNT", _WORK, "1000 at 0, 9000 at 1, 90000 at 0.8, 0.5"),
        _offer("guests", "Guest seat days", "guest COUNT", _SEATS, "8"),
        _offer("storage", "Storage GB-days", "file SUM gb_days", _DISKS, "0.5"),
        _offer("calls", "API calls (1K)", "call SUM thousands", _WORK, "100 at 0, 900 at 4, 2.5"),
    ),
    segments=(
        Segment("self-serve", 60, (2, 5), 140, 18, None, (), 0.6),
        Segment("growth", 30, (4, 8), 90, 13, (0.65, 1.1), (Decimal("0.95"), Decimal("0.9")), 0.3),
        Segment("enterprise", 10, (7, 11), 40, 8, (0.75, 1.1), (Decimal("0.85"), Decimal("0.8"), Decimal("0.7")), 0.1),
    ),
    median_spend=60_000,
    spread="1.75",
    tail="1.35",
    zipf="0.85",
    old_customers=60,
    ramp_months=4,
    growth=0,
    growth_noise=15,
    season=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.98, 0.97, 1.01, 1.01, 1.01, 0.98),
    zero_months=100,
    corrections=150,
    spikes=100,
    bands=Bands(
        top_tenth_share=(0.6, 0.8),
        tail_exponent=(1.0, 1.65),
        ramp_up=(3.5, 5.6),
        net_revenue_retention=(0.98, 1.3),
        weekend_ratio=(0.68, 0.86),
        month_end_ratio=(1.02, 1.08),
        zipf_exponent=(0.6, 1.5),
        renewal_rate=(0.8, 0.94),
        upgrades=(0.35, 0.7),
        zero_months=(0.004, 0.017),
        corrections=(0.009, 0.022),
        covered_share=(0.65, 0.9),
        exhausted_share=(0.4, 0.75),
        spikes=(0.003, 0.02),
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (_AI_API, _INFRASTRUCTURE, _SAAS_SEATS)}
)


@cache
def told_by(profile: Profile, granularity: str) -> Profile:
    """Return the profile with its quantities told by ``DAY`` or ``HOUR``; nothing else differs, no sum either."""
    return profile if profile.granularity == granularity else replace(profile, granularity=granularity)
