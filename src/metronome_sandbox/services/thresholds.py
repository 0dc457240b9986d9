"""Threshold configurations of a contract: made with it, added and changed by edits."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.amounts import ONE, USD_CENTS, ZERO
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow
from metronome_sandbox.domain.ids import CreditTypeId, ProductId
from metronome_sandbox.domain.payment_gates import PaymentGate, WorkflowType
from metronome_sandbox.domain.relative_dates import RelativeDate
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.domain.thresholds import (
    LEAST_RECHARGE,
    LEAST_THRESHOLD,
    Exclusion,
    PrepaidThreshold,
    SpendThreshold,
    ThresholdCommit,
)
from metronome_sandbox.services.balances import check_product, check_targets
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_terms import errors_below
from metronome_sandbox.services.payment_gates import check_gate
from metronome_sandbox.services.pricing import fiat_credit_type

SPEND, PREPAID = "spend_threshold_configuration", "prepaid_balance_threshold_configuration"
T = TypeVar("T", bound=SpendThreshold)


class CommitChange(msgspec.Struct, frozen=True):
    """What an edit changes on the commit that a threshold buys. UNSET leaves a field as it is, None clears it.

    Source: schemas ``UpdateBaseThresholdCommit`` and ``UpdatePrepaidBalanceThresholdCommit``.
    """

    product_id: ProductId | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    priority: Decimal | UnsetType | None = UNSET
    duration: RelativeDate | UnsetType | None = UNSET
    rate_type: SpendingRate | UnsetType | None = UNSET
    rollover_fraction: Decimal | UnsetType | None = UNSET
    applicable_product_ids: tuple[ProductId, ...] | UnsetType | None = UNSET
    applicable_product_tags: tuple[str, ...] | UnsetType | None = UNSET
    specifiers: tuple[Specifier, ...] | UnsetType | None = UNSET

    def of(self, commit: ThresholdCommit) -> ThresholdCommit:
        """Return the commit after the change."""
        cleared = {"priority": DEFAULT_PRIORITY, "rate_type": SpendingRate.LIST_RATE}
        cleared |= dict.fromkeys(("applicable_product_ids", "applicable_product_tags", "specifiers"), ())
        fields = {
            name: cleared.get(name) if value is None else value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return msgspec.structs.replace(commit, **fields)


class ThresholdChange(msgspec.Struct, frozen=True):
    """What an edit changes on a threshold. UNSET leaves a field as it is.

    Source: schemas ``UpdateSpendThresholdConfiguration`` and ``UpdatePrepaidBalanceThresholdConfiguration``.

    Attributes:
        recharge_to_amount, custom_credit_type_id, excluded: Only of a prepaid balance threshold.
    """

    is_enabled: bool | UnsetType = UNSET
    threshold_amount: Decimal | UnsetType = UNSET
    commit: CommitChange = CommitChange()
    gate: PaymentGate | UnsetType = UNSET
    payment_fraction: Decimal | UnsetType | None = UNSET
    recharge_to_amount: Decimal | UnsetType = UNSET
    custom_credit_type_id: CreditTypeId | UnsetType | None = UNSET
    excluded: tuple[Exclusion, ...] | UnsetType = UNSET

    def of(self, threshold: T) -> T:
        """Return the threshold after the change."""
        fields = {
            name: value
            for name in threshold.__struct_fields__
            if name != "commit" and (value := getattr(self, name)) is not UNSET
        }
        return msgspec.structs.replace(threshold, commit=self.commit.of(threshold.commit), **fields)


class ThresholdEdits(msgspec.Struct, frozen=True):
    """What an edit says of thresholds."""

    add_spend: SpendThreshold | None = None
    update_spend: ThresholdChange | None = None
    add_prepaid: PrepaidThreshold | None = None
    update_prepaid: ThresholdChange | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return (self.add_spend, self.update_spend, self.add_prepaid, self.update_prepaid) == (None,) * 4


def with_thresholds(
    context: Context, contract: Contract, spend: SpendThreshold | None, prepaid: PrepaidThreshold | None
) -> Contract:
    """Return a new contract with its thresholds.

    Raises:
        NotFound: A product does not exist.
        InvalidRequest: A rule of the reference (pricing, section 4.9) is broken.
    """
    if spend is not None:
        with errors_below(SPEND):
            _check(context, spend)
    if prepaid is not None:
        with errors_below(PREPAID):
            _check_prepaid(context, contract, prepaid)
    return msgspec.structs.replace(contract, spend_threshold=spend, prepaid_threshold=prepaid)


def with_threshold_edits(context: Context, contract: Contract, edits: ThresholdEdits) -> Contract:
    """Return a contract with its thresholds added and changed.

    Raises:
        NotAllowedNow: The contract has not started, has such a threshold already, or has none to change.
        NotFound, InvalidRequest: As for :func:`with_thresholds`.

    Source: observed for a contract that has not started.
    """
    if edits.is_empty:
        return contract
    if context.now < contract.starting_at:
        raise NotAllowedNow(
            "contract_id", "Threshold billing cannot be configured on a contract that has not started yet"
        )
    spend, prepaid = contract.spend_threshold, contract.prepaid_threshold
    if edits.add_spend is not None:
        _refuse_second(spend, SPEND)
        spend = edits.add_spend
        with errors_below(f"add_{SPEND}"):
            _check(context, spend)
    if edits.update_spend is not None:
        spend = edits.update_spend.of(_existing(spend, SPEND))
        with errors_below(f"update_{SPEND}"):
            _check(context, spend)
    if edits.add_prepaid is not None:
        _refuse_second(prepaid, PREPAID)
        prepaid = edits.add_prepaid
        with errors_below(f"add_{PREPAID}"):
            _check_prepaid(context, contract, prepaid)
    if edits.update_prepaid is not None:
        prepaid = edits.update_prepaid.of(_existing(prepaid, PREPAID))
        with errors_below(f"update_{PREPAID}"):
            _check_prepaid(context, contract, prepaid)
    return msgspec.structs.replace(contract, spend_threshold=spend, prepaid_threshold=prepaid)


def _refuse_second(threshold: SpendThreshold | None, name: str) -> None:
    if threshold is not None:
        raise NotAllowedNow(f"add_{name}", f"the contract has one already; send update_{name}")


def _existing(threshold: T | None, name: str) -> T:
    if threshold is None:
        raise NotAllowedNow(f"update_{name}", f"the contract has none; send add_{name}")
    return threshold


def disabled(contract: Contract, kind: WorkflowType) -> Contract:
    """Return a contract whose threshold buys no more, as its payment failed.

    Source: guide "Prepaid balance thresholds": the configuration is disabled and nothing is tried again.
    """
    spend, prepaid = contract.spend_threshold, contract.prepaid_threshold
    if kind is WorkflowType.SPEND and spend is not None:
        return msgspec.structs.replace(contract, spend_threshold=msgspec.structs.replace(spend, is_enabled=False))
    if kind is WorkflowType.PREPAID_BALANCE and prepaid is not None:
        return msgspec.structs.replace(contract, prepaid_threshold=msgspec.structs.replace(prepaid, is_enabled=False))
    return contract


def _check(context: Context, threshold: SpendThreshold) -> None:
    """Hold what both kinds have in common against the rules. Paths are relative to the threshold."""
    commit, fraction = threshold.commit, threshold.payment_fraction
    if threshold.threshold_amount <= 0:
        raise InvalidRequest("threshold_amount", f"{threshold.threshold_amount} is not above 0")
    if fraction is not None and not ZERO <= fraction <= ONE:
        raise InvalidRequest("discount_configuration.payment_fraction", f"{fraction} is not from 0 to 1")
    check_gate(threshold.gate)
    with errors_below("commit"):
        check_product(context, commit.product_id)
        check_targets(context, commit.applicable_product_ids, commit.applicable_product_tags, commit.specifiers)


def _check_prepaid(context: Context, contract: Contract, threshold: PrepaidThreshold) -> None:
    """Hold a prepaid balance threshold against the rules. Paths are relative to it.

    Source: guide "Prepaid balance thresholds": 5 dollars at least, and 10 dollars between the two amounts.
    Assumed: the least amounts are those of USD, by the card's conversion for a custom unit; in other currencies the
    recharge is only above the threshold.  [A-threshold-minimums]
    """
    _check(context, threshold)
    unit, currency = threshold.custom_credit_type_id, fiat_credit_type(context, contract)
    worth: Decimal | None = ONE
    if unit is not None and unit != currency:
        card = None if contract.rate_card_id is None else context.store.rate_cards[contract.rate_card_id]
        conversions = () if card is None else card.conversions
        worth = next((one.fiat_per_custom_credit for one in conversions if one.custom_credit_type_id == unit), None)
        if worth is None:
            raise InvalidRequest("custom_credit_type_id", f"the contract's rate card has no conversion for {unit}")
    amount, target = threshold.threshold_amount, threshold.recharge_to_amount
    if target <= amount:
        raise InvalidRequest("recharge_to_amount", f"{target} is not above threshold_amount {amount}")
    if currency != USD_CENTS or worth is None:
        return
    if amount * worth < LEAST_THRESHOLD:
        raise InvalidRequest("threshold_amount", f"{amount} is worth less than {LEAST_THRESHOLD} cents")
    if (target - amount) * worth < LEAST_RECHARGE:
        raise InvalidRequest(
            "recharge_to_amount", f"{target} is worth less than {LEAST_RECHARGE} cents more than the {amount} before"
        )
