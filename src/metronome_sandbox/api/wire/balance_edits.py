"""Changes of commits and credits on the wire: edits, earlier ends, archiving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec import UNSET, UnsetType, field

from metronome_sandbox.api.wire.common import WireType, canonical, decode, decoder, utc
from metronome_sandbox.api.wire.hierarchies import BalanceHierarchyInput, child_access
from metronome_sandbox.api.wire.schedules import (
    AccessScheduleChange,
    PaymentScheduleChange,
    payment_change,
    segment_change,
    unit_price_and_quantity,
)
from metronome_sandbox.api.wire.specifiers import SpecifierInput, specifier
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, SpendingRate
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, ProductId, SegmentId
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.services.balance_changes import BalanceChange
from metronome_sandbox.services.balances import NewSegment

T = TypeVar("T")
V = TypeVar("V")


class BalanceEdit(WireType):
    """A change of a commit or credit in any of the requests that have one; each has some of these fields.

    A field that is absent is UNSET, which tells it from null.
    """

    customer_id: str = ""
    commit_id: str = ""
    credit_id: str = ""
    name: str | None = None
    description: str | None = None
    product_id: str | None = None
    access_schedule: AccessScheduleChange = field(default_factory=AccessScheduleChange)
    invoice_schedule: PaymentScheduleChange = field(default_factory=PaymentScheduleChange)
    invoice_contract_id: str | None = None
    priority: Decimal | UnsetType | None = UNSET
    rate_type: str | None = None
    applicable_product_ids: list[str] | UnsetType | None = UNSET
    applicable_product_tags: list[str] | UnsetType | None = UNSET
    applicable_contract_ids: list[str] | UnsetType | None = UNSET
    specifiers: list[SpecifierInput] | UnsetType | None = UNSET
    rollover_fraction: Decimal | UnsetType | None = UNSET
    netsuite_sales_order_id: str | UnsetType | None = UNSET
    hierarchy_configuration: BalanceHierarchyInput | None = None

    @property
    def balance_id(self) -> BalanceId:
        """The commit or credit, in the canonical spelling."""
        return BalanceId((self.commit_id or self.credit_id).lower())


class BalanceReference(WireType):
    """Body of the calls about one commit or credit; each has some of these fields."""

    customer_id: str
    commit_id: str = ""
    credit_id: str = ""
    access_ending_before: datetime | None = None
    invoices_ending_before: datetime | None = None

    @property
    def customer(self) -> CustomerId:
        """The customer, in the canonical spelling."""
        return CustomerId(self.customer_id.lower())

    @property
    def balance_id(self) -> BalanceId:
        """The commit or credit, in the canonical spelling."""
        return BalanceId((self.commit_id or self.credit_id).lower())


class CreditEnd(BalanceReference, kw_only=True):
    """Body of ``updateCreditEndDate-v1``."""

    access_ending_before: datetime


class DisableTrueUp(BalanceReference, kw_only=True):
    """Body of ``disableCommitTrueup-v1``."""

    contract_id: str
    amendment_id: str | None = None


_EDIT = decoder(BalanceEdit)
_ONE = decoder(BalanceReference)
_CREDIT_END = decoder(CreditEnd)
_DISABLE = decoder(DisableTrueUp)


def parse_edit(body: bytes) -> tuple[CustomerId, BalanceId, BalanceChange]:
    """Return the customer, the commit or credit, and the change of ``editCommit-v2`` or ``editCredit-v2``."""
    wire = decode(_EDIT, body)
    return CustomerId(wire.customer_id.lower()), wire.balance_id, balance_change(wire, "")


def parse_balance_reference(body: bytes) -> BalanceReference:
    """Return the body of a call about one commit or credit."""
    return decode(_ONE, body)


def parse_credit_end(body: bytes) -> CreditEnd:
    """Return the body of ``updateCreditEndDate-v1``."""
    return decode(_CREDIT_END, body)


def parse_disable_true_up(body: bytes) -> tuple[CustomerId, BalanceId, ContractId]:
    """Return the customer, the commit and its contract. The contract is enough, whatever amendment added the commit."""
    wire = decode(_DISABLE, body)
    return wire.customer, wire.balance_id, ContractId(wire.contract_id.lower())


def balance_change(wire: BalanceEdit, prefix: str) -> BalanceChange:
    """Return the command for one change. ``prefix`` is its path with a dot behind it, or nothing."""
    access, payments = wire.access_schedule, wire.invoice_schedule
    product_id, contract_id = wire.product_id, wire.invoice_contract_id
    fraction = wire.rollover_fraction
    return BalanceChange(
        name=wire.name,
        description=wire.description,
        product_id=None if product_id is None else ProductId(product_id.lower()),
        priority=_changed_priority(wire.priority, f"{prefix}priority"),
        rate_type=None if wire.rate_type is None else canonical(wire.rate_type, SpendingRate),
        applicable_product_ids=_changed_list(wire.applicable_product_ids, lambda value: ProductId(value.lower())),
        applicable_product_tags=_changed_list(wire.applicable_product_tags, str),
        applicable_contract_ids=_changed_list(wire.applicable_contract_ids, lambda value: ContractId(value.lower())),
        specifiers=_changed_list(wire.specifiers, specifier),
        rollover_fraction=checked(fraction, f"{prefix}rollover_fraction") if fraction else fraction,
        netsuite_sales_order_id=wire.netsuite_sales_order_id,
        invoice_contract_id=None if contract_id is None else ContractId(contract_id.lower()),
        child_access=child_access(wire.hierarchy_configuration),
        added_segments=tuple(
            NewSegment(
                checked(item.amount, f"{prefix}access_schedule.add_schedule_items[{index}].amount"),
                utc(item.starting_at),
                utc(item.ending_before),
            )
            for index, item in enumerate(access.add_schedule_items)
        ),
        changed_segments=tuple(
            segment_change(item, f"{prefix}access_schedule.update_schedule_items[{index}]")
            for index, item in enumerate(access.update_schedule_items)
        ),
        removed_segments=tuple(SegmentId(item.id.lower()) for item in access.remove_schedule_items),
        added_payments=tuple(
            Payment(
                utc(item.timestamp),
                *unit_price_and_quantity(item, f"{prefix}invoice_schedule.add_schedule_items[{index}]"),
            )
            for index, item in enumerate(payments.add_schedule_items)
        ),
        changed_payments=tuple(
            payment_change(item, f"{prefix}invoice_schedule.update_schedule_items[{index}]")
            for index, item in enumerate(payments.update_schedule_items)
        ),
        removed_payments=tuple(item.id.lower() for item in payments.remove_schedule_items),
    )


def _changed_priority(value: Decimal | UnsetType | None, path: str) -> Decimal | None:
    """Return the new priority; None leaves it. Null stands for the default."""
    if isinstance(value, UnsetType):
        return None
    return DEFAULT_PRIORITY if value is None else checked(value, path)


def _changed_list(values: Sequence[T] | UnsetType | None, parsed: Callable[[T], V]) -> tuple[V, ...] | None:
    """Return the new list; None leaves it. Null clears it."""
    if isinstance(values, UnsetType):
        return None
    return tuple(parsed(value) for value in values or ())
