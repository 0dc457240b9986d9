"""Overrides on the wire: of contracts, of edits and of packages. Source: schemas ``Override`` and ``OverrideInput``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, present, time, utc
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.api.wire.prices import WirePrice, new_price, render_price
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.specifiers import SpecifierInput, render_specifier, specifier
from metronome_sandbox.domain.amounts import USD_CENTS, checked
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, OverrideId, ProductId, RecurringId
from metronome_sandbox.domain.overrides import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
)
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.prices import checked_price


class OverwriteRate(WirePrice, kw_only=True):
    """``overwrite_rate``."""

    credit_type_id: str | None = None


class OverrideTierInput(WireType):
    """An item of an override's ``tiers``."""

    multiplier: Decimal
    size: Decimal | None = None


class OverrideSpecifierInput(SpecifierInput):
    """An item of ``override_specifiers``."""

    billing_frequency: str | None = None
    commit_ids: list[str] = []
    recurring_commit_ids: list[str] = []
    any_commit_or_credit_ids: list[str] = []


class OverrideInput(WireType):
    """An item of ``overrides``."""

    starting_at: datetime
    ending_before: datetime | None = None
    type: str | None = None
    entitled: bool | None = None
    multiplier: Decimal | None = None
    priority: Decimal | None = None
    overwrite_rate: OverwriteRate | None = None
    tiers: list[OverrideTierInput] = []
    product_id: str | None = None
    applicable_product_tags: tuple[str, ...] = ()
    override_specifiers: list[OverrideSpecifierInput] = []
    is_commit_specific: bool = False
    target: str = "LIST_RATE"


def new_override(wire: OverrideInput, path: str) -> Override:
    """Return an override with an empty id. ``path`` is its own."""
    rate = wire.overwrite_rate
    credit_type_id = None if rate is None else rate.credit_type_id
    return Override(
        id=OverrideId(""),
        created_at=utc(wire.starting_at),
        starting_at=utc(wire.starting_at),
        ending_before=None if wire.ending_before is None else utc(wire.ending_before),
        type=None if wire.type is None else canonical(wire.type, OverrideType),
        entitled=wire.entitled,
        product_id=None if wire.product_id is None else ProductId(wire.product_id.lower()),
        applicable_product_tags=wire.applicable_product_tags,
        specifiers=tuple(_specifier(item) for item in wire.override_specifiers),
        priority=None if wire.priority is None else checked(wire.priority, f"{path}.priority"),
        multiplier=None if wire.multiplier is None else checked(wire.multiplier, f"{path}.multiplier"),
        overwrite_price=None if rate is None else checked_price(new_price(rate), f"{path}.overwrite_rate."),
        overwrite_credit_type_id=None if credit_type_id is None else CreditTypeId(credit_type_id.lower()),
        tiers=tuple(_tier(item, f"{path}.tiers[{index}]") for index, item in enumerate(wire.tiers)),
        is_commit_specific=wire.is_commit_specific,
        target=canonical(wire.target, OverrideTarget),
    )


def _tier(wire: OverrideTierInput, path: str) -> OverrideTier:
    multiplier = checked(wire.multiplier, f"{path}.multiplier")
    if multiplier < 0:
        raise InvalidRequest(f"{path}.multiplier", f"{multiplier} is less than 0")
    if wire.size is not None and checked(wire.size, f"{path}.size") <= 0:
        raise InvalidRequest(f"{path}.size", f"{wire.size} is not above 0")
    return OverrideTier(multiplier, wire.size)


def _specifier(wire: OverrideSpecifierInput) -> OverrideSpecifier:
    names = (*wire.commit_ids, *wire.any_commit_or_credit_ids)
    recurring = (RecurringId(name) for name in wire.recurring_commit_ids)
    frequency = None if wire.billing_frequency is None else canonical(wire.billing_frequency, BillingFrequency)
    return OverrideSpecifier(specifier(wire), frequency, tuple(BalanceId(name) for name in names), tuple(recurring))


def render_override(context: Context, override: Override, *, is_v2: bool) -> JsonObject:
    """Return an override; one that names a product or tags reads back with a specifier for it.

    Source: a sample in guide "Edit a contract".
    """
    product_id, store = override.product_id, context.store
    specifiers = [_render_specifier(item) for item in override.specifiers]
    if product_id is not None:
        specifiers = [{"product_id": product_id}]
    price, unit = override.overwrite_price, store.credit_types[override.overwrite_credit_type_id or USD_CENTS]
    rendered = present(
        id=override.id,
        created_at=time(override.created_at),
        starting_at=time(override.starting_at),
        ending_before=None if override.ending_before is None else time(override.ending_before),
        type=None if override.type is None else override.type.value,
        entitled=override.entitled,
        product=None if product_id is None else render_product(context, product_id),
        applicable_product_tags=list(override.applicable_product_tags),
        override_specifiers=specifiers,
        multiplier=None if override.multiplier is None else number(override.multiplier),
        priority=None if override.priority is None else number(override.priority),
        overwrite_rate=None if price is None else {**render_price(price), "credit_type": render_credit_type(unit)},
        override_tiers=[
            present(multiplier=number(tier.multiplier), size=None if tier.size is None else number(tier.size))
            for tier in override.tiers
        ]
        or None,
        is_commit_specific=override.is_commit_specific,
        target=override.target.value if override.is_commit_specific else None,
    )
    if price is not None and not is_v2:
        without_minimum = msgspec.structs.replace(price, minimum=None)  # the older fields have no place for it
        rendered |= {**render_price(without_minimum), "credit_type": render_credit_type(unit)}
    return rendered


def _render_specifier(value: OverrideSpecifier) -> JsonObject:
    return {
        **render_specifier(value.target),
        **present(billing_frequency=value.billing_frequency and value.billing_frequency.value),
        **present(commit_ids=list(value.balance_ids) or None, recurring_commit_ids=list(value.recurring_ids) or None),
    }
