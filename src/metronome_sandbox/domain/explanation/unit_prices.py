"""Where the unit price of a line comes from: the rate, its tier, the override, the part of a period."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.explanation.surroundings import Surroundings
from metronome_sandbox.domain.explanation.words import shown
from metronome_sandbox.domain.invoices import LineItem
from metronome_sandbox.domain.overrides import Override, OverrideTarget, OverrideType, overridden
from metronome_sandbox.domain.rate_cards import PERCENTAGES, Price, RateType
from metronome_sandbox.domain.subscriptions import Share
from metronome_sandbox.domain.trace import Pricing


def is_minimum(pricing: Pricing) -> bool:
    """Return whether a line bills the minimum of a percentage."""
    return pricing.price.rate_type is RateType.FLAT and _base(pricing).rate_type in PERCENTAGES


def _base(pricing: Pricing) -> Price:
    """Return the price of the card that the line starts from."""
    rate = pricing.rate
    if pricing.choice.base is OverrideTarget.COMMIT_RATE and rate.commit_price is not None:
        return rate.commit_price
    return rate.price


BASES = {OverrideTarget.LIST_RATE: "list rate", OverrideTarget.COMMIT_RATE: "commit rate"}


def origin(line: LineItem, pricing: Pricing, around: Surroundings) -> str:
    """Return where a unit price comes from, for the middle of a sentence."""
    if pricing.share is not None:
        return _origin_of_share(line, pricing, pricing.share, around)
    base, choice = _base(pricing), pricing.choice
    name = BASES[choice.base]
    if choice.winner is None:
        return f"the {name}" if base.is_flat else f"the {name} of its tier"
    override = around.overrides.get(choice.winner)
    listed = _at_place(base, line)
    if override is not None and override.type is OverrideType.OVERWRITE:
        return f"which an override sets in place of the {name} {shown(listed)}"
    factor = None if override is None else _factor(override, line)
    if factor is not None and listed * factor == line.unit_price:
        return f"which is the {name} {shown(listed)} times {shown(factor)}"
    return f"which an override makes of the {name} {shown(listed)}"


def _origin_of_share(line: LineItem, pricing: Pricing, share: Share, around: Surroundings) -> str:
    """Return where the price of a part of a period comes from, for the middle of a sentence."""
    override = None if pricing.choice.winner is None else around.overrides.get(pricing.choice.winner)
    part = f"{shown(share.seconds / SECONDS_A_DAY)} of {shown(share.whole_seconds / SECONDS_A_DAY)} days"
    rounded = "" if share.rounding is None else ", rounded"
    if pricing.choice.winner is not None and override is None:
        return f"the part for {part} of the price of a period{rounded}"
    base = _base(pricing)
    whole = base if override is None else overridden(base, override)
    unit_price = whole.tiers[0].price
    of_period = origin(
        msgspec.structs.replace(line, unit_price=unit_price),
        msgspec.structs.replace(pricing, price=whole, share=None),
        around,
    )
    return f"the part for {part} of {shown(unit_price)}{rounded}, {of_period}"


SECONDS_A_DAY = 24 * 60 * 60


def _at_place(price: Price, line: LineItem) -> Decimal:
    """Return what the card asks for the units of a line: the price of the tier in which the line's tier begins."""
    start = ZERO if line.tier is None else line.tier.starting_at
    end = ZERO
    for tier in price.tiers:
        if tier.size is None or start < end + tier.size:
            return tier.price
        end += tier.size
    return price.tiers[-1].price


def _factor(override: Override, line: LineItem) -> Decimal | None:
    """Return what an override multiplies the units of a line with; None where it has no tier for them."""
    if override.multiplier is not None:
        return override.multiplier
    start = ZERO if line.tier is None else line.tier.starting_at
    end = ZERO
    for tier in override.tiers:
        if tier.size is None or start < end + tier.size:
            return tier.multiplier
        end += tier.size
    return None
