"""Overrides: what a contract changes about the rates of its card, and which of several changes wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, OverrideId, ProductId, RecurringId
from metronome_sandbox.domain.periods import Period
from metronome_sandbox.domain.rate_cards import PERCENTAGES, BillingFrequency, Price, RateType, Tier
from metronome_sandbox.domain.targeting import Specifier, Target, has_any


class OverrideType(StrEnum):
    """How an override changes a rate. Source: schema ``OverrideInput``."""

    OVERWRITE = "OVERWRITE"
    MULTIPLIER = "MULTIPLIER"
    TIERED = "TIERED"


class OverrideTarget(StrEnum):
    """Which of a product's two rates an override changes."""

    LIST_RATE = "LIST_RATE"
    COMMIT_RATE = "COMMIT_RATE"


class Prioritization(StrEnum):
    """How several multipliers compete. Source: schema ``CreateContractPayload``."""

    LOWEST_MULTIPLIER = "LOWEST_MULTIPLIER"
    EXPLICIT = "EXPLICIT"


class OverrideTier(msgspec.Struct, frozen=True, gc=False):
    """A factor for ``size`` units; None on the last one."""

    multiplier: Decimal
    size: Decimal | None = None


class OverrideSpecifier(msgspec.Struct, frozen=True, gc=False):
    """A :class:`Specifier` with what only overrides may name."""

    target: Specifier = Specifier()
    billing_frequency: BillingFrequency | None = None
    """Of a subscription; None is any, and usage too."""
    balance_ids: tuple[BalanceId, ...] = ()
    """Commits and credits it is for; empty means any. Source: fields ``commit_ids``, ``any_commit_or_credit_ids``."""
    recurring_ids: tuple[RecurringId, ...] = ()
    """Those whose grants it is for as well. Source: field ``recurring_commit_ids``."""

    def matches(self, target: Target) -> bool:
        """Whether it is for this usage, or for this subscription."""
        return self.billing_frequency in (None, target.billing_frequency) and self.target.matches(target)

    def is_for(self, names: Collection[str]) -> bool:
        """Whether it is for the commit or credit of these ids."""
        wanted = (*self.balance_ids, *self.recurring_ids)
        return not wanted or any(name in wanted for name in names)


class Override(msgspec.Struct, frozen=True, gc=False):
    """One change of price or availability on a contract. Source: schema ``OverrideV2``.

    Attributes:
        type: None when only the availability changes.
        entitled: Sets availability; None leaves it.
        overwrite_price: In units of ``overwrite_credit_type_id``; set on OVERWRITE.
        multiplier: Factor on the rate; set on MULTIPLIER.
        is_commit_specific: For usage that a commit or credit pays, and for no other.
    """

    id: OverrideId
    created_at: datetime
    starting_at: datetime
    ending_before: datetime | None = None
    type: OverrideType | None = None
    entitled: bool | None = None
    product_id: ProductId | None = None
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[OverrideSpecifier, ...] = ()
    priority: Decimal | None = None
    multiplier: Decimal | None = None
    overwrite_price: Price | None = None
    overwrite_credit_type_id: CreditTypeId | None = None
    tiers: tuple[OverrideTier, ...] = ()
    is_commit_specific: bool = False
    target: OverrideTarget = OverrideTarget.LIST_RATE

    @property
    def period(self) -> Period:
        """When it applies."""
        return Period(self.starting_at, self.ending_before)

    def applies_at(self, instant: datetime) -> bool:
        """Whether it is in force at an instant. There may be thousands to ask, so no period is made for it."""
        return self.starting_at <= instant and (self.ending_before is None or instant < self.ending_before)

    def concerns(self, target: Target, balance_names: Collection[str] | None = None) -> bool:
        """Whether it is for this usage, paid by the commit or credit of these ids (None: whoever pays).

        Source: guide "Edit or override a contract": specifiers are alternatives, tags outside of them too. A
        commit-specific override that names no balance is for all of them.
        """
        if self.specifiers:
            return any(
                specifier.matches(target) and (balance_names is None or specifier.is_for(balance_names))
                for specifier in self.specifiers
            )
        if self.product_id is None and not self.applicable_product_tags:
            return True
        return has_any(
            target.product, () if self.product_id is None else (self.product_id,), self.applicable_product_tags
        )


def in_force(overrides: Iterable[Override], target: Target, instant: datetime) -> list[Override]:
    """Return the contract-level overrides for this usage at this instant, in the order they were added."""
    return [
        override
        for override in overrides
        if not override.is_commit_specific and override.applies_at(instant) and override.concerns(target)
    ]


def commit_specific_in_force(
    overrides: Iterable[Override],
    target: Target,
    instant: datetime,
    balance_names: Collection[str],
    base: OverrideTarget,
) -> list[Override]:
    """Return the overrides for usage paid from its ``base`` rate by the balance of these ids, in the order they were
    added.
    """
    return [
        override
        for override in overrides
        if override.is_commit_specific
        and override.target is base
        and override.applies_at(instant)
        and override.concerns(target, balance_names)
    ]


def winner(overrides: Sequence[Override], prioritization: Prioritization) -> Override | None:
    """Return the one override of the list that sets the price, or None. Overrides never add up.

    Source: guide "Edit or override a contract": an overwrite before any other, the overwrite added last; among the rest
    the smallest multiplier, or with EXPLICIT the smallest priority.
    Assumed: what is still a tie goes to the one added last.  [A-override-tie]
    """
    overwrites = [override for override in overrides if override.type is OverrideType.OVERWRITE]
    if overwrites:
        return overwrites[-1]
    others = [override for override in reversed(overrides) if override.type is not None]
    if not others:
        return None
    if prioritization is Prioritization.EXPLICIT:
        return min(others, key=lambda override: ZERO if override.priority is None else override.priority)
    return min(others, key=lambda override: ONE if override.multiplier is None else override.multiplier)


class Choice(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Which overrides competed for the price of some usage, and which one made it.

    Attributes:
        base: The one of the two rates that the price is made from.
        considered: In force, and for this usage.
        winner: One of them; None where none sets a price.
    """

    base: OverrideTarget = OverrideTarget.LIST_RATE
    considered: tuple[OverrideId, ...] = ()
    winner: OverrideId | None = None


AT_LIST_RATE = Choice()
AT_COMMIT_RATE = Choice(OverrideTarget.COMMIT_RATE)


def is_entitled(overrides: Iterable[Override], default: bool) -> bool:
    """Return whether the product is available, given the overrides in force in the order they were added.

    Assumed: availability is decided apart from the price, by the override added last that says something.
    [A-entitlement]
    """
    said = [override.entitled for override in overrides if override.entitled is not None]
    return said[-1] if said else default


def overridden(price: Price, override: Override) -> Price:
    """Return the price after the override.

    Assumed: a multiplier changes the price of every tier.  [A-multiplier-on-tiers]
    Assumed: multipliers leave a composite product's minimum as it is; an overwrite brings its own or none.
    [A-override-minimum]
    """
    if override.overwrite_price is not None:
        return override.overwrite_price
    if override.multiplier is not None:
        factor = override.multiplier
        tiers = tuple(Tier(tier.price * factor, tier.size) for tier in price.tiers)
        return Price(price.rate_type, tiers, price.minimum)
    if override.tiers:
        return _on_ladder(price, override.tiers)
    return price


def _on_ladder(price: Price, factors: Sequence[OverrideTier]) -> Price:
    """Return the price with each of its units multiplied by the factor of its place.

    Assumed: units behind the last sized factor keep their price; on a tiered price both ladders are cut where either
    one is.  [A-tiered-override]
    """
    prices = list(price.tiers)
    ladder = [*factors, OverrideTier(ONE)] if factors[-1].size is not None else list(factors)
    tiers: list[Tier] = []
    price_left, factor_left = _width(prices[0].size, len(prices) == 1), ladder[0].size
    while True:
        widths = [width for width in (price_left, factor_left) if width is not None]
        width = min(widths) if widths else None
        tiers.append(Tier(prices[0].price * ladder[0].multiplier, width))
        if width is None:
            is_percentage = price.rate_type in PERCENTAGES
            return Price(RateType.TIERED_PERCENTAGE if is_percentage else RateType.TIERED, tuple(tiers), price.minimum)
        if price_left is not None:
            price_left -= width
            if not price_left:
                prices.pop(0)
                price_left = _width(prices[0].size, len(prices) == 1)
        if factor_left is not None:
            factor_left -= width
            if not factor_left:
                ladder.pop(0)
                factor_left = ladder[0].size


def _width(size: Decimal | None, is_last: bool) -> Decimal | None:
    return None if is_last else size
