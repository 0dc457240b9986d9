"""Threshold configurations on the wire: of contracts, of edits and of packages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, present
from metronome_sandbox.api.wire.payment_gates import GateInput, new_gate, render_gate
from metronome_sandbox.api.wire.relative_dates import RelativeDateInput, duration, render_relative_date
from metronome_sandbox.api.wire.specifiers import SpecifierInput, render_specifier, specifier
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, SpendingRate
from metronome_sandbox.domain.errors import NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, ProductId
from metronome_sandbox.domain.relative_dates import RelativeDate
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.domain.thresholds import (
    Exclusion,
    FieldCondition,
    PrepaidThreshold,
    SpendThreshold,
    ThresholdCommit,
)
from metronome_sandbox.services.thresholds import CommitChange, ThresholdChange


class CommitInput(WireType):
    """``commit`` of a configuration."""

    product_id: str
    name: str | None = None
    description: str | None = None
    priority: Decimal | None = None
    duration: RelativeDateInput | None = None
    rate_type: str = "LIST_RATE"
    rollover_fraction: Decimal | None = None
    applicable_product_ids: list[str] = []
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: list[SpecifierInput] = []


class DiscountInput(WireType):
    """``discount_configuration``."""

    payment_fraction: Decimal | None = None
    cap: dict[str, Any] | None = None


class FieldFilter(WireType):
    """An item of ``custom_field_filters``."""

    entity: str
    key: str
    value: str


class ExclusionInput(WireType):
    """An item of ``exclude``."""

    custom_field_filters: list[FieldFilter]


class BalancesInput(WireType):
    """An item of ``threshold_balance_specifiers``."""

    exclude: list[ExclusionInput]


class SpendInput(WireType):
    """``spend_threshold_configuration``."""

    is_enabled: bool
    threshold_amount: Decimal
    commit: CommitInput
    payment_gate_config: GateInput
    discount_configuration: DiscountInput | None = None


class PrepaidInput(SpendInput, kw_only=True):
    """``prepaid_balance_threshold_configuration``."""

    recharge_to_amount: Decimal
    custom_credit_type_id: str | None = None
    threshold_balance_specifiers: list[BalancesInput] = []


class CommitEdit(WireType):
    """``commit`` of a change; what is absent is UNSET, which tells it from null."""

    product_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    priority: Decimal | UnsetType | None = UNSET
    duration: RelativeDateInput | UnsetType | None = UNSET
    rate_type: str | UnsetType | None = UNSET
    rollover_fraction: Decimal | UnsetType | None = UNSET
    applicable_product_ids: list[str] | UnsetType | None = UNSET
    applicable_product_tags: tuple[str, ...] | UnsetType | None = UNSET
    specifiers: list[SpecifierInput] | UnsetType | None = UNSET


class DiscountEdit(WireType):
    """``discount_configuration`` of a change."""

    payment_fraction: Decimal | UnsetType | None = UNSET
    cap: dict[str, Any] | UnsetType | None = UNSET


class ThresholdEdit(WireType):
    """Either change; that of a spend threshold has some of these fields."""

    is_enabled: bool | UnsetType = UNSET
    threshold_amount: Decimal | UnsetType = UNSET
    commit: CommitEdit | UnsetType = UNSET
    payment_gate_config: GateInput | UnsetType = UNSET
    discount_configuration: DiscountEdit | UnsetType | None = UNSET
    recharge_to_amount: Decimal | UnsetType = UNSET
    custom_credit_type_id: str | UnsetType | None = UNSET
    threshold_balance_specifiers: list[BalancesInput] | UnsetType | None = UNSET


def new_spend(wire: SpendInput | None, path: str) -> SpendThreshold | None:
    """Return a spend threshold, if there is one. ``path`` is its own.

    Raises:
        NotImitated: Its discount ends by a spend tracker.
    """
    if wire is None:
        return None
    return SpendThreshold(
        checked(wire.threshold_amount, f"{path}.threshold_amount"),
        _commit(wire.commit, f"{path}.commit"),
        new_gate(wire.payment_gate_config, f"{path}.payment_gate_config"),
        wire.is_enabled,
        _fraction(wire.discount_configuration, f"{path}.discount_configuration"),
    )


def new_prepaid(wire: PrepaidInput | None, path: str) -> PrepaidThreshold | None:
    """Return a prepaid balance threshold, if there is one. Arguments and errors as for :func:`new_spend`."""
    if wire is None:
        return None
    unit = wire.custom_credit_type_id
    return PrepaidThreshold(
        checked(wire.threshold_amount, f"{path}.threshold_amount"),
        _commit(wire.commit, f"{path}.commit"),
        new_gate(wire.payment_gate_config, f"{path}.payment_gate_config"),
        wire.is_enabled,
        _fraction(wire.discount_configuration, f"{path}.discount_configuration"),
        checked(wire.recharge_to_amount, f"{path}.recharge_to_amount"),
        None if unit is None else CreditTypeId(unit.lower()),
        _exclusions(wire.threshold_balance_specifiers),
    )


def _commit(wire: CommitInput, path: str) -> ThresholdCommit:
    fraction = wire.rollover_fraction
    return ThresholdCommit(
        ProductId(wire.product_id.lower()),
        wire.name or None,
        wire.description,
        DEFAULT_PRIORITY if wire.priority is None else checked(wire.priority, f"{path}.priority"),
        duration(wire.duration, f"{path}.duration"),
        canonical(wire.rate_type, SpendingRate),
        None if fraction is None else checked(fraction, f"{path}.rollover_fraction"),
        tuple(ProductId(value.lower()) for value in wire.applicable_product_ids),
        wire.applicable_product_tags,
        tuple(specifier(item) for item in wire.specifiers),
    )


def _fraction(wire: DiscountInput | None, path: str) -> Decimal | None:
    if wire is None or wire.payment_fraction is None:
        return None
    if wire.cap is not None:
        raise NotImitated(f"{path}.cap", "spend trackers")
    return checked(wire.payment_fraction, f"{path}.payment_fraction")


def _exclusions(wire: Sequence[BalancesInput]) -> tuple[Exclusion, ...]:
    return tuple(
        tuple(FieldCondition(one.entity, one.key, one.value) for one in excluded.custom_field_filters)
        for item in wire
        for excluded in item.exclude
    )


def threshold_change(wire: ThresholdEdit | None, path: str) -> ThresholdChange | None:
    """Return what an edit changes on a threshold, if it changes one. ``path`` is its own.

    Raises:
        NotImitated: A discount shall end by a spend tracker.
    """
    if wire is None:
        return None
    gate, unit, balances = wire.payment_gate_config, wire.custom_credit_type_id, wire.threshold_balance_specifiers
    return ThresholdChange(
        is_enabled=wire.is_enabled,
        threshold_amount=_number(wire.threshold_amount, f"{path}.threshold_amount"),
        commit=CommitChange() if wire.commit is UNSET else _commit_change(wire.commit, f"{path}.commit"),
        gate=UNSET if gate is UNSET else new_gate(gate, f"{path}.payment_gate_config"),
        payment_fraction=_fraction_change(wire.discount_configuration, f"{path}.discount_configuration"),
        recharge_to_amount=_number(wire.recharge_to_amount, f"{path}.recharge_to_amount"),
        custom_credit_type_id=CreditTypeId(unit.lower()) if isinstance(unit, str) else unit,
        excluded=UNSET if balances is UNSET else _exclusions(balances or ()),
    )


def _number(value: Decimal | UnsetType, path: str) -> Decimal | UnsetType:
    return UNSET if value is UNSET else checked(value, path)


def _commit_change(wire: CommitEdit, path: str) -> CommitChange:
    priority, fraction, rate_type = wire.priority, wire.rollover_fraction, wire.rate_type
    ids, specifiers = wire.applicable_product_ids, wire.specifiers
    chosen: tuple[Specifier, ...] | UnsetType | None
    chosen = tuple(specifier(item) for item in specifiers) if isinstance(specifiers, list) else specifiers
    lasting: RelativeDate | UnsetType | None = UNSET
    if wire.duration is not UNSET:
        lasting = duration(wire.duration, f"{path}.duration")
    return CommitChange(
        product_id=UNSET if wire.product_id is UNSET else ProductId(wire.product_id.lower()),
        name=UNSET if wire.name is UNSET else wire.name or None,
        description=wire.description,
        priority=checked(priority, f"{path}.priority") if isinstance(priority, Decimal) else priority,
        duration=lasting,
        rate_type=canonical(rate_type, SpendingRate) if isinstance(rate_type, str) else rate_type,
        rollover_fraction=(
            checked(fraction, f"{path}.rollover_fraction") if isinstance(fraction, Decimal) else fraction
        ),
        applicable_product_ids=tuple(ProductId(one.lower()) for one in ids) if isinstance(ids, list) else ids,
        applicable_product_tags=wire.applicable_product_tags,
        specifiers=chosen,
    )


def _fraction_change(wire: DiscountEdit | UnsetType | None, path: str) -> Decimal | UnsetType | None:
    if wire is UNSET or wire is None:
        return wire
    if isinstance(wire.cap, dict):
        raise NotImitated(f"{path}.cap", "spend trackers")
    fraction = wire.payment_fraction
    return checked(fraction, f"{path}.payment_fraction") if isinstance(fraction, Decimal) else fraction


def render_spend(threshold: SpendThreshold) -> JsonObject:
    """Return a spend threshold."""
    commit, fraction = threshold.commit, threshold.payment_fraction
    return present(
        is_enabled=threshold.is_enabled,
        threshold_amount=number(threshold.threshold_amount),
        commit=present(
            product_id=commit.product_id,
            name=commit.name,
            description=commit.description,
            priority=number(commit.priority),
        ),
        payment_gate_config=render_gate(threshold.gate),
        discount_configuration=None if fraction is None else {"payment_fraction": number(fraction)},
    )


def render_prepaid(threshold: PrepaidThreshold) -> JsonObject:
    """Return a prepaid balance threshold."""
    rendered, commit = render_spend(threshold), threshold.commit
    fraction, lasting = commit.rollover_fraction, commit.duration
    rendered["commit"] |= present(
        duration=None if lasting is None else render_relative_date(lasting),
        rate_type=commit.rate_type.value,
        rollover_fraction=None if fraction is None else number(fraction),
        applicable_product_ids=list(commit.applicable_product_ids) or None,
        applicable_product_tags=list(commit.applicable_product_tags) or None,
        specifiers=[render_specifier(item) for item in commit.specifiers] or None,
    )
    excluded = [
        {"custom_field_filters": [msgspec.to_builtins(condition) for condition in conditions]}
        for conditions in threshold.excluded
    ]
    return {
        **rendered,
        **present(
            recharge_to_amount=number(threshold.recharge_to_amount),
            custom_credit_type_id=threshold.custom_credit_type_id,
            threshold_balance_specifiers=[{"exclude": excluded}] if excluded else None,
        ),
    }


def render_change(wire: ThresholdEdit) -> JsonObject:
    """Return a change as it was sent, without what the sandbox does not read."""
    shown: JsonObject = msgspec.to_builtins(wire, builtin_types=(Decimal,))
    gate = wire.payment_gate_config
    if gate is not UNSET:
        shown["payment_gate_config"] = render_gate(new_gate(gate, "payment_gate_config"))
    if isinstance(wire.commit, CommitEdit) and isinstance(wire.commit.specifiers, list):
        shown["commit"]["specifiers"] = [render_specifier(specifier(item)) for item in wire.commit.specifiers]
    return shown
