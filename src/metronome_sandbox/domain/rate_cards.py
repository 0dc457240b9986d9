"""Rate cards and the prices on them, through time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import attrgetter

import msgspec

from metronome_sandbox.domain.aliases import Alias
from metronome_sandbox.domain.amounts import DUST, ZERO
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId, RateCardId
from metronome_sandbox.domain.periods import Period


class RateType(StrEnum):
    """How a rate prices a quantity. Source: schema ``RatePayload``."""

    FLAT = "FLAT"
    TIERED = "TIERED"
    PERCENTAGE = "PERCENTAGE"
    TIERED_PERCENTAGE = "TIERED_PERCENTAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    CUSTOM = "CUSTOM"


class Tier(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a graduated price.

    Attributes:
        price: Of one unit inside the stretch.
        size: How many units the stretch holds (its width, not its upper bound); None on the last one.
    """

    price: Decimal
    size: Decimal | None = None


PERCENTAGES = (RateType.PERCENTAGE, RateType.TIERED_PERCENTAGE)
"""Prices of a unit of spend: a fraction, 0.1 is a tenth. Source: schema ``RatePayload``."""


class Price(msgspec.Struct, frozen=True, gc=False):
    """What one unit costs: one price, or a ladder of tiers.

    A FLAT or PERCENTAGE price is a ladder of one endless tier, so that nothing downstream tells the two apart but to
    print them.

    Attributes:
        minimum: The least that a composite product costs in a billing period; only beside a percentage.
    """

    rate_type: RateType
    tiers: tuple[Tier, ...]
    minimum: Decimal | None = None

    @property
    def is_flat(self) -> bool:
        """Whether one price holds for every unit."""
        return self.rate_type in (RateType.FLAT, RateType.PERCENTAGE)


def flat(price: Decimal) -> Price:
    """Return the price that is the same for every unit."""
    return Price(RateType.FLAT, (Tier(price),))


class TierSlice(msgspec.Struct, frozen=True, gc=False):
    """The part of a quantity that falls into one tier.

    Attributes:
        level: Number of the tier, from 1.
        starting_at: Where the tier begins on the ladder (exclusive: the unit after it is the tier's first).
        size: Width of the tier; None on the last one.
    """

    quantity: Decimal
    unit_price: Decimal
    level: int
    starting_at: Decimal
    size: Decimal | None


def slices(price: Price, position: Decimal, quantity: Decimal) -> list[TierSlice]:
    """Split ``quantity`` units, of which the first stands right after ``position``, over the tiers of ``price``.

    A quantity of zero gives one slice of zero in the tier that the next unit would fall into. A negative one, as a
    falling metric has, takes units back from the top: its slices are negative, the highest tier first.

    Source: guide "Create and manage rate cards": a tier's upper bound is inclusive, usage is graduated.
    Assumed: a last tier that has a size is endless all the same.  [A-last-tier]
    """
    if quantity < 0:
        taken = slices(price, position + quantity, -quantity)
        return [msgspec.structs.replace(piece, quantity=-piece.quantity) for piece in reversed(taken)]
    found: list[TierSlice] = []
    tier_start = ZERO
    last = len(price.tiers)
    for level, tier in enumerate(price.tiers, start=1):
        tier_end = None if level == last or tier.size is None else tier_start + tier.size
        if tier_end is None:
            found.append(TierSlice(quantity, tier.price, level, tier_start, None))
            break
        if tier_end - position > DUST:  # a balance's division may end just before the edge that it stands for
            inside = min(quantity, tier_end - position)
            found.append(TierSlice(inside, tier.price, level, tier_start, tier.size))
            position += inside
            quantity -= inside
            if not quantity:
                break
        tier_start = tier_end
    return found


class BillingFrequency(StrEnum):
    """Of a subscription's rate. Source: schema ``RatePayload``."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"


class RateKey(msgspec.Struct, frozen=True, gc=False):
    """What a schedule of rates belongs to. Assumed: the vendor names no key; these fields tell two rates apart.

    [A-rate-key]
    """

    rate_card_id: RateCardId
    product_id: ProductId
    pricing_group_values: GroupValues = ()
    billing_frequency: BillingFrequency | None = None


class Rate(msgspec.Struct, frozen=True, gc=False):
    """One dated entry of a rate card.

    Attributes:
        price: What a unit costs by default, in units of ``credit_type_id``.
        commit_price: What it costs while it is paid by a commit or credit with rate type COMMIT_RATE.
        is_entitled: Whether contracts on the card get the product unless an override says otherwise.
    """

    starting_at: datetime
    ending_before: datetime | None
    is_entitled: bool
    price: Price
    credit_type_id: CreditTypeId
    commit_price: Price | None = None

    @property
    def period(self) -> Period:
        """When the entry says to be valid; a later entry may cover part of it."""
        return Period(self.starting_at, self.ending_before)


class RateSegment(msgspec.Struct, frozen=True, gc=False):
    """A stretch of time during which one entry is in force."""

    starting_at: datetime
    ending_before: datetime | None
    rate: Rate


_start = attrgetter("starting_at")


class RateSchedule(msgspec.Struct, frozen=True, gc=False):
    """All entries of one :class:`RateKey` in the order of their creation, and who wins when.

    Assumed: where entries overlap, the one created last is in force; an earlier one shows again after it ends. Entries
    with the same start replace each other (observed on the real API).  [A-rate-overlap]
    """

    key: RateKey
    sequence: int
    """Running number over all of a tenant's schedules."""
    rates: tuple[Rate, ...] = ()
    segments: tuple[RateSegment, ...] = ()

    def at(self, instant: datetime) -> Rate | None:
        """Return the entry in force at ``instant``, or None where there is none."""
        place = bisect_right(self.segments, instant, key=_start)
        if not place:
            return None
        segment = self.segments[place - 1]
        return segment.rate if segment.ending_before is None or instant < segment.ending_before else None


NO_SEGMENTS: tuple[RateSegment, ...] = ()


def with_rate(schedule: RateSchedule, rate: Rate) -> RateSchedule:
    """Return the schedule with ``rate`` added last, replacing an entry with the same start."""
    kept = tuple(entry for entry in schedule.rates if entry.starting_at != rate.starting_at)
    below = schedule.segments if len(kept) == len(schedule.rates) else reduce(_overlaid, kept, NO_SEGMENTS)
    return RateSchedule(schedule.key, schedule.sequence, (*kept, rate), _overlaid(below, rate))


def _overlaid(segments: tuple[RateSegment, ...], rate: Rate) -> tuple[RateSegment, ...]:
    """Return segments with one more entry over them, which is in force wherever it is valid."""
    start, end = rate.starting_at, rate.ending_before
    if end is not None and end <= start:
        return segments
    before = segments[: bisect_left(segments, start, key=_start)]
    if before and (before[-1].ending_before is None or before[-1].ending_before > start):
        before = (*before[:-1], RateSegment(before[-1].starting_at, start, before[-1].rate))
    after: tuple[RateSegment, ...] = ()
    if end is not None:
        place = bisect_left(segments, end, key=_start)
        after = segments[place:]
        covered = segments[place - 1] if place else None
        if covered is not None and (covered.ending_before is None or covered.ending_before > end):
            after = (RateSegment(end, covered.ending_before, covered.rate), *after)
    return (*before, RateSegment(start, end, rate), *after)


class RateCardAlias(Alias, frozen=True, gc=False):
    """A name for a card, usable at contract creation while its window holds the contract's start."""


class CreditTypeConversion(msgspec.Struct, frozen=True, gc=False):
    """What a custom pricing unit is worth on a card. Source: schema ``CreditTypeConversion``.

    Attributes:
        fiat_per_custom_credit: In the card's currency: 10 is ten cents on a card in USD.
    """

    custom_credit_type_id: CreditTypeId
    fiat_per_custom_credit: Decimal


class RateCard(msgspec.Struct, frozen=True, gc=False):
    """A price list. Its rates are kept apart, by :class:`RateKey`. Source: schema ``RateCard``.

    Attributes:
        product_ids: In the order of lines on an invoice; that of their first rates until it is changed.
        conversions: Of the custom units that its rates may count in.
    """

    id: RateCardId
    name: str
    fiat_credit_type_id: CreditTypeId
    created_at: datetime
    description: str | None = None
    aliases: tuple[RateCardAlias, ...] = ()
    custom_fields: dict[str, str] = {}
    product_ids: tuple[ProductId, ...] = ()
    archived_at: datetime | None = None
    conversions: tuple[CreditTypeConversion, ...] = ()
