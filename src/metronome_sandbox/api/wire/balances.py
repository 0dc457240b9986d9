"""Commits, credits and their ledgers on the wire. Source: schemas ``Commit``, ``Credit`` and their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType, field

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    invoice_time,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.payment_gates import GateInput, new_gate
from metronome_sandbox.domain.amounts import ONE, USD_CENTS, ZERO, checked, quotient
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, Balance, BalanceType, InvoiceSchedule, SpendingRate
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CreditTypeId,
    CustomerId,
    ProductId,
    SegmentId,
    group_values,
)
from metronome_sandbox.domain.ledger import FAMILIES, EntryKind, LedgerEntry
from metronome_sandbox.domain.payment_gates import GateType
from metronome_sandbox.domain.payment_schedules import (
    AmountDistribution,
    Payment,
    PaymentFrequency,
    RecurringPayments,
    expand,
)
from metronome_sandbox.domain.recurring import Recurring
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services.balance_edits import BalanceChange, NewManualEntry, PaymentChange, SegmentChange
from metronome_sandbox.services.balances import (
    BalanceFilter,
    NetBalanceFilter,
    NewBalance,
    NewPayments,
    NewSegment,
    balance_now,
    current,
    ledger_now,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.store.interface import Store

T = TypeVar("T")
V = TypeVar("V")


class AccessItem(WireType):
    """An item of ``access_schedule.schedule_items``."""

    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class AccessSchedule(WireType):
    """``access_schedule``."""

    schedule_items: list[AccessItem]
    credit_type_id: str | None = None
    access_type: str | None = None


class PaymentItem(WireType):
    """An item of ``invoice_schedule.schedule_items``."""

    timestamp: datetime
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class RecurringSchedule(WireType):
    """``invoice_schedule.recurring_schedule``."""

    starting_at: datetime
    ending_before: datetime
    frequency: str
    amount_distribution: str
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class PaymentSchedule(WireType):
    """``invoice_schedule``."""

    credit_type_id: str | None = None
    schedule_items: list[PaymentItem] | None = None
    recurring_schedule: RecurringSchedule | None = None
    do_not_invoice: bool = False


class Exclusion(WireType):
    """An item of a specifier's ``exclude``."""

    product_tags: tuple[str, ...] = ()


class SpecifierInput(WireType):
    """An item of ``specifiers``."""

    product_id: str | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str] | None = None
    exclude: list[Exclusion] = []


class BalanceInput(WireType):
    """A commit or credit in any of the four requests; each has some of these fields."""

    product_id: str
    type: str = "CREDIT"
    customer_id: str = ""
    access_schedule: AccessSchedule | None = None
    invoice_schedule: PaymentSchedule | None = None
    invoice_contract_id: str | None = None
    amount: Decimal | None = None
    name: str | None = None
    description: str | None = None
    priority: Decimal | None = None
    rate_type: str | None = None
    applicable_product_ids: list[str] = []
    applicable_product_tags: tuple[str, ...] = ()
    applicable_contract_ids: list[str] = []
    specifiers: list[SpecifierInput] = []
    rollover_fraction: Decimal | None = None
    temporary_id: str | None = None
    payment_gate_config: GateInput | None = None
    hierarchy_configuration: dict[str, Any] | None = None
    spend_tracker_attributes: dict[str, Any] | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None


_CREATE = decoder(BalanceInput)


def parse_create(body: bytes, *, is_credit: bool) -> tuple[CustomerId, NewBalance]:
    """Return the customer and the commit or credit of ``customerCommits/create`` or ``customerCredits/create``."""
    wire = decode(_CREATE, body)
    if is_credit:
        wire.type = BalanceType.CREDIT
    return CustomerId(wire.customer_id.lower()), new_balance(wire, "")


def new_balance(wire: BalanceInput, prefix: str, *, may_wait: bool = False) -> NewBalance:
    """Return the command for one commit or credit. ``prefix`` is its path with a dot behind it, or nothing.

    Args:
        may_wait: Whether it is added to a contract that exists; only then it can have a payment gate.

    Assumed: an amount without an access schedule says nothing about when it can be spent, so it is refused.
    [A-commit-amount]
    """
    _refuse_what_comes_later(wire, prefix)
    gate = (
        None if wire.payment_gate_config is None else new_gate(wire.payment_gate_config, f"{prefix}payment_gate_config")
    )
    if gate is not None and gate.type is not GateType.NONE and not may_wait:
        raise InvalidRequest(
            f"{prefix}payment_gate_config",
            "only a commit that is added to an existing contract can wait for a payment; send payment_gate_type NONE",
        )
    access, payments = wire.access_schedule, wire.invoice_schedule
    segments = None
    if access is not None:
        if access.access_type not in (None, "SPEND"):
            raise NotImitated(f"{prefix}access_schedule.access_type", "balances that count units (QUANTITY)")
        segments = tuple(
            NewSegment(
                checked(item.amount, f"{prefix}access_schedule.schedule_items[{index}].amount"),
                utc(item.starting_at),
                utc(item.ending_before),
            )
            for index, item in enumerate(access.schedule_items)
        )
    fraction = wire.rollover_fraction
    contract_id = wire.invoice_contract_id
    return NewBalance(
        type=canonical(wire.type, BalanceType),
        product_id=ProductId(wire.product_id.lower()),
        segments=segments,
        credit_type_id=_credit_type(None if access is None else access.credit_type_id),
        name=wire.name,
        description=wire.description,
        priority=DEFAULT_PRIORITY if wire.priority is None else checked(wire.priority, f"{prefix}priority"),
        rate_type=SpendingRate.LIST_RATE if wire.rate_type is None else canonical(wire.rate_type, SpendingRate),
        payments=None if payments is None else new_payments(payments, f"{prefix}invoice_schedule"),
        invoice_contract_id=None if contract_id is None else ContractId(contract_id.lower()),
        applicable_product_ids=tuple(ProductId(value.lower()) for value in wire.applicable_product_ids),
        applicable_product_tags=wire.applicable_product_tags,
        applicable_contract_ids=tuple(ContractId(value.lower()) for value in wire.applicable_contract_ids),
        specifiers=tuple(specifier(item) for item in wire.specifiers),
        rollover_fraction=None if fraction is None else checked(fraction, f"{prefix}rollover_fraction"),
        uniqueness_key=wire.uniqueness_key,
        custom_fields=wire.custom_fields,
        temporary_id=wire.temporary_id,
        netsuite_sales_order_id=wire.netsuite_sales_order_id,
        salesforce_opportunity_id=wire.salesforce_opportunity_id,
        gate=gate,
    )


def _refuse_what_comes_later(wire: BalanceInput, prefix: str) -> None:
    """Refuse what the sandbox would otherwise silently leave out."""
    if wire.hierarchy_configuration is not None:
        raise NotImitated(f"{prefix}hierarchy_configuration", "account hierarchies")
    if wire.spend_tracker_attributes is not None:
        raise NotImitated(f"{prefix}spend_tracker_attributes", "spend trackers")


def _credit_type(value: str | None) -> CreditTypeId:
    return USD_CENTS if value is None else CreditTypeId(value.lower())


def new_payments(wire: PaymentSchedule, path: str) -> NewPayments:
    """Return the invoice schedule of a commit, scheduled charge or discount. ``path`` is its own."""
    if (wire.schedule_items is None) == (wire.recurring_schedule is None):
        raise InvalidRequest(path, "needs exactly one of schedule_items and recurring_schedule")
    if wire.schedule_items is not None:
        items = tuple(
            Payment(utc(item.timestamp), *_price(item, f"{path}.schedule_items[{index}]"))
            for index, item in enumerate(wire.schedule_items)
        )
    elif wire.recurring_schedule is not None:
        recurring = wire.recurring_schedule
        path = f"{path}.recurring_schedule"
        items = expand(
            RecurringPayments(
                utc(recurring.starting_at),
                utc(recurring.ending_before),
                canonical(recurring.frequency, PaymentFrequency),
                canonical(recurring.amount_distribution, AmountDistribution),
                *_price(recurring, path),
            ),
            path,
        )
    return NewPayments(items, _credit_type(wire.credit_type_id), wire.do_not_invoice)


def _price(wire: PaymentItem | PaymentItemChange | RecurringSchedule, path: str) -> tuple[Decimal, Decimal]:
    """Return unit price and quantity; an amount alone is a unit price with quantity 1."""
    pair = (wire.unit_price, wire.quantity)
    if wire.amount is not None:
        if pair != (None, None):
            raise InvalidRequest(f"{path}.amount", "cannot stand beside unit_price and quantity; send one or the other")
        return checked(wire.amount, f"{path}.amount"), ONE
    if wire.unit_price is None or wire.quantity is None:
        raise InvalidRequest(f"{path}.amount", "is missing; send amount, or unit_price and quantity together")
    return checked(wire.unit_price, f"{path}.unit_price"), checked(wire.quantity, f"{path}.quantity")


def specifier(wire: SpecifierInput) -> Specifier:
    """Return the conditions of one specifier."""
    return Specifier(
        None if wire.product_id is None else ProductId(wire.product_id.lower()),
        wire.product_tags,
        group_values(wire.pricing_group_values),
        group_values(wire.presentation_group_values),
        tuple(item.product_tags for item in wire.exclude),
    )


def render_specifier(value: Specifier) -> JsonObject:
    """Return one specifier."""
    return present(
        product_id=value.product_id,
        product_tags=list(value.product_tags) or None,
        pricing_group_values=dict(value.pricing_group_values) or None,
        presentation_group_values=dict(value.presentation_group_values) or None,
        exclude=[{"product_tags": list(tags)} for tags in value.excluded_tags] or None,
    )


class ListFilter(WireType):
    """Body of the three lists; each has some of these fields."""

    customer_id: str
    id: str | None = None
    commit_id: str | None = None
    credit_id: str | None = None
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None
    include_contract_balances: bool = False
    include_contract_commits: bool = False
    include_contract_credits: bool = False
    include_archived: bool = False
    include_ledgers: bool = False
    include_balance: bool = False
    exclude_zero_balances: bool = False
    next_page: str | None = None
    limit: int = 25


class ItemReference(WireType):
    """An item of a ``remove_schedule_items``."""

    id: str


class AccessItemChange(ItemReference, kw_only=True):
    """An item of ``access_schedule.update_schedule_items``."""

    amount: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class AccessScheduleChange(WireType):
    """``access_schedule`` of an edit."""

    add_schedule_items: list[AccessItem] = []
    update_schedule_items: list[AccessItemChange] = []
    remove_schedule_items: list[ItemReference] = []


class PaymentItemChange(ItemReference, kw_only=True):
    """An item of ``invoice_schedule.update_schedule_items``."""

    timestamp: datetime | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class PaymentScheduleChange(WireType):
    """``invoice_schedule`` of an edit."""

    add_schedule_items: list[PaymentItem] = []
    update_schedule_items: list[PaymentItemChange] = []
    remove_schedule_items: list[ItemReference] = []


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
    hierarchy_configuration: dict[str, Any] | None = None

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


class ManualEntryInput(WireType):
    """Body of ``addManualBalanceLedgerEntry-v1``."""

    customer_id: str
    id: str
    segment_id: str
    amount: Decimal
    reason: str
    contract_id: str | None = None
    per_group_amounts: dict[str, Decimal] | None = None
    timestamp: datetime | None = None
    uniqueness_key: str | None = None


_EDIT = decoder(BalanceEdit)
_ONE = decoder(BalanceReference)
_CREDIT_END = decoder(CreditEnd)
_DISABLE = decoder(DisableTrueUp)
_MANUAL = decoder(ManualEntryInput)


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
    if wire.hierarchy_configuration is not None:
        raise NotImitated(f"{prefix}hierarchy_configuration", "account hierarchies")
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
        added_segments=tuple(
            NewSegment(
                checked(item.amount, f"{prefix}access_schedule.add_schedule_items[{index}].amount"),
                utc(item.starting_at),
                utc(item.ending_before),
            )
            for index, item in enumerate(access.add_schedule_items)
        ),
        changed_segments=tuple(
            _segment_change(item, f"{prefix}access_schedule.update_schedule_items[{index}]")
            for index, item in enumerate(access.update_schedule_items)
        ),
        removed_segments=tuple(SegmentId(item.id.lower()) for item in access.remove_schedule_items),
        added_payments=tuple(
            Payment(utc(item.timestamp), *_price(item, f"{prefix}invoice_schedule.add_schedule_items[{index}]"))
            for index, item in enumerate(payments.add_schedule_items)
        ),
        changed_payments=tuple(
            _payment_change(item, f"{prefix}invoice_schedule.update_schedule_items[{index}]")
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


def _segment_change(wire: AccessItemChange, path: str) -> SegmentChange:
    return SegmentChange(
        SegmentId(wire.id.lower()),
        None if wire.amount is None else checked(wire.amount, f"{path}.amount"),
        None if wire.starting_at is None else utc(wire.starting_at),
        None if wire.ending_before is None else utc(wire.ending_before),
    )


def _payment_change(wire: PaymentItemChange, path: str) -> PaymentChange:
    unit_price = quantity = None
    if (wire.amount, wire.unit_price, wire.quantity) != (None, None, None):
        unit_price, quantity = _price(wire, path)
    return PaymentChange(wire.id.lower(), None if wire.timestamp is None else utc(wire.timestamp), unit_price, quantity)


def parse_manual_entry(body: bytes) -> tuple[CustomerId, NewManualEntry]:
    """Return the customer and the entry of ``addManualBalanceLedgerEntry-v1``.

    Raises:
        InvalidRequest: The amounts of the groups do not add up to the amount.
        NotImitated: They do: seats do not have balances of their own here.
    """
    wire = decode(_MANUAL, body)
    groups = wire.per_group_amounts
    if groups is not None:
        if sum(groups.values()) != wire.amount:
            raise InvalidRequest(
                "per_group_amounts", f"add up to {sum(groups.values())} and not to amount {wire.amount}"
            )
        raise NotImitated("per_group_amounts", "balances of single seats")
    contract_id = wire.contract_id
    return CustomerId(wire.customer_id.lower()), NewManualEntry(
        BalanceId(wire.id.lower()),
        SegmentId(wire.segment_id.lower()),
        checked(wire.amount, "amount"),
        wire.reason,
        None if contract_id is None else ContractId(contract_id.lower()),
        None if wire.timestamp is None else utc(wire.timestamp),
        wire.uniqueness_key,
    )


_LIST = decoder(ListFilter)
COMMITS = frozenset({BalanceType.PREPAID, BalanceType.POSTPAID})
CREDITS = frozenset({BalanceType.CREDIT})


def parse_list(body: bytes) -> ListFilter:
    """Return the body of a list call."""
    return decode(_LIST, body)


def balance_filter(wire: ListFilter, types: frozenset[BalanceType] | None) -> BalanceFilter:
    """Return the conditions of a list call; ``types`` None lists commits and credits."""
    wanted = wire.commit_id or wire.credit_id or wire.id
    return BalanceFilter(
        types=types,
        id=None if wanted is None else BalanceId(wanted.lower()),
        covering_date=None if wire.covering_date is None else utc(wire.covering_date),
        starting_at=None if wire.starting_at is None else utc(wire.starting_at),
        effective_before=None if wire.effective_before is None else utc(wire.effective_before),
        include_contract_balances=(
            wire.include_contract_balances or wire.include_contract_commits or wire.include_contract_credits
        ),
        include_archived=wire.include_archived,
        exclude_zero_balances=wire.exclude_zero_balances,
    )


class NetFilter(WireType):
    """An item of ``filters``."""

    balance_types: list[str] | None = None
    ids: list[str] | None = None
    custom_fields: dict[str, str] | None = None


class NetBalanceRequest(WireType):
    """Body of ``getNetBalance-v1``."""

    customer_id: str
    credit_type_id: str | None = None
    filters: list[NetFilter] = []
    invoice_inclusion_mode: str = "FINALIZED_AND_DRAFT"


_NET = decoder(NetBalanceRequest)
NET_TYPES = {
    "PREPAID_COMMIT": BalanceType.PREPAID,
    "POSTPAID_COMMIT": BalanceType.POSTPAID,
    "CREDIT": BalanceType.CREDIT,
}


def parse_net_balance(body: bytes) -> tuple[CustomerId, CreditTypeId, list[NetBalanceFilter], bool]:
    """Return the customer, the unit, the filters and whether drafts count."""
    wire = decode(_NET, body)
    filters = [
        NetBalanceFilter(
            None if item.balance_types is None else frozenset(NET_TYPES[name] for name in item.balance_types),
            None if item.ids is None else frozenset(value.lower() for value in item.ids),
            item.custom_fields,
        )
        for item in wire.filters
    ]
    customer_id = CustomerId(wire.customer_id.lower())
    return customer_id, _credit_type(wire.credit_type_id), filters, wire.invoice_inclusion_mode != "FINALIZED"


def render(
    context: Context,
    balance: Balance,
    *,
    include_ledgers: bool = False,
    include_balance: bool = False,
    is_v2: bool = False,
) -> JsonObject:
    """Return a commit or a credit, in the shape of the balance lists and v1 contracts, or of v2 contracts."""
    store = context.store
    balance = current(context, balance)
    is_credit = balance.type is BalanceType.CREDIT
    credit_type = store.credit_types[balance.credit_type_id]
    rendered = present(
        id=balance.id,
        type=balance.type.value,
        product={"id": balance.product_id, "name": store.products[balance.product_id].at(context.now).name},
        name=balance.name,
        description=balance.description,
        priority=number(balance.priority),
        rate_type=None if is_credit and is_v2 else balance.rate_type.value,  # a credit of v2 has no such field
        access_schedule={
            "credit_type": {"id": credit_type.id, "name": credit_type.name},
            "schedule_items": [
                {
                    "id": segment.id,
                    "amount": number(segment.amount),
                    "starting_at": time(segment.starting_at),
                    "ending_before": time(segment.ending_before),
                }
                for segment in balance.segments
            ],
        },
        contract=None if balance.contract_id is None else {"id": balance.contract_id},
        applicable_contract_ids=list(balance.applicable_contract_ids) or None,
        applicable_product_ids=list(balance.applicable_product_ids) or None,
        applicable_product_tags=list(balance.applicable_product_tags) or None,
        specifiers=[render_specifier(item) for item in balance.specifiers] or None,
        netsuite_sales_order_id=balance.netsuite_sales_order_id,
        salesforce_opportunity_id=balance.salesforce_opportunity_id,
        custom_fields=balance.custom_fields,
        created_at=time(balance.created_at),
        created_by=None if balance.recurring_id or balance.rolled_over_from else ACTOR,
    )
    rendered |= _provenance(store, balance)
    if not is_credit:
        rendered |= _commit_only(store, balance)
    if balance.archived_at is not None and (is_v2 or not is_credit):
        rendered["archived_at"] = time(balance.archived_at)
    if balance.uniqueness_key is not None and not is_v2:
        rendered["uniqueness_key"] = balance.uniqueness_key
    if include_ledgers and not balance.is_withdrawn:
        rendered["ledger"] = [_entry(balance, entry) for entry in ledger_now(context, balance)]
    if include_balance:
        rendered["balance"] = number(balance_now(context, balance))
    return rendered


def _provenance(store: Store, balance: Balance) -> JsonObject:
    """Return what says where a balance comes from when no request made it."""
    kind, origin = "credit" if balance.type is BalanceType.CREDIT else "commit", balance.rolled_over_from
    rendered: JsonObject = {}
    if balance.recurring_id is not None:
        rendered[f"recurring_{kind}_id"] = balance.recurring_id
        rendered |= present(subscription_config=_seats(store, balance))
    if origin is not None:
        rendered["rolled_over_from"] = {f"{kind}_id": origin.balance_id, "contract_id": origin.contract_id}
    return rendered


def render_seats(recurring: Recurring) -> JsonObject | None:
    """Return the subscription whose seats a recurring commit or credit follows, if it does."""
    seats = recurring.seats
    if seats is None:
        return None
    return {
        "subscription_id": seats.subscription_id,
        "allocation": seats.allocation.value,
        "apply_seat_increase_config": {"is_prorated": seats.is_prorated},
    }


def _seats(store: Store, balance: Balance) -> JsonObject | None:
    """Return the subscription whose seats a grant was made for."""
    contract = None if balance.contract_id is None else store.contracts.get(balance.contract_id)
    granting = () if contract is None else contract.recurring
    return next((render_seats(each) for each in granting if each.id == balance.recurring_id), None)


def _commit_only(store: Store, balance: Balance) -> JsonObject:
    schedule = balance.invoice_schedule
    fraction = balance.rollover_fraction
    invoice_contract = balance.invoice_contract_id
    return present(
        invoice_schedule=None if schedule is None else render_invoice_schedule(store, schedule),
        invoice_contract=None if invoice_contract is None else {"id": invoice_contract},
        rollover_fraction=None if fraction is None else number(fraction),
        cost_basis=_cost_basis(balance),
    )


def render_invoice_schedule(store: Store, schedule: InvoiceSchedule) -> JsonObject:
    """Return the invoice schedule of a commit, scheduled charge or discount."""
    return {
        "credit_type": {"id": schedule.credit_type_id, "name": store.credit_types[schedule.credit_type_id].name},
        "do_not_invoice": schedule.do_not_invoice,
        "schedule_items": [
            {
                "id": item.id,
                "invoice_id": store.settled.get(item.id),
                "amount": number(item.amount),
                "unit_price": number(item.unit_price),
                "quantity": number(item.quantity),
                "timestamp": time(item.timestamp),
            }
            for item in schedule.items
        ],
    }


def _cost_basis(balance: Balance) -> int | Decimal | None:
    """Return what was paid for a unit of access.

    Assumed: the sum of the invoice schedule divided by the sum of the access schedule; 0 for a free commit, nothing
    for one that grants nothing or rolled over.  [A-cost-basis-shown]
    """
    granted = sum((segment.amount for segment in balance.segments), ZERO)
    if not granted or balance.rolled_over_from is not None:
        return None
    schedule = balance.invoice_schedule
    paid = ZERO if schedule is None else sum((item.amount for item in schedule.items), ZERO)
    return number(quotient(paid, granted))


def _entry(balance: Balance, entry: LedgerEntry) -> JsonObject:
    """Return a ledger entry. A postpaid commit names a segment for draws and rollovers only, an entry by hand never."""
    rendered = {
        "type": f"{FAMILIES[balance.type]}_{entry.kind}",
        "timestamp": invoice_time(entry.timestamp),
        "amount": number(entry.amount),
    }
    is_postpaid = balance.type is BalanceType.POSTPAID
    if entry.kind is not EntryKind.MANUAL and (not is_postpaid or entry.kind in _SEGMENTS_OF_POSTPAID):
        rendered["segment_id"] = entry.segment_id
    return rendered | present(
        invoice_id=entry.invoice_id,
        contract_id=entry.contract_id,
        new_contract_id=entry.new_contract_id,
        reason=entry.reason,
    )


_SEGMENTS_OF_POSTPAID = (EntryKind.AUTOMATED_INVOICE_DEDUCTION, EntryKind.ROLLOVER)


def render_all(context: Context, balances: Sequence[Balance], wire: ListFilter) -> list[JsonObject]:
    """Return the balances of a list call, with what it asked for."""
    return [
        render(context, balance, include_ledgers=wire.include_ledgers, include_balance=wire.include_balance)
        for balance in balances
    ]
