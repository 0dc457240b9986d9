"""Commits and credits on the wire, created and shown. Source: schemas ``Commit``, ``Credit`` and their inputs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.credit_types import credit_type_or_usd
from metronome_sandbox.api.wire.hierarchies import BalanceHierarchyInput, child_access, render_child_access
from metronome_sandbox.api.wire.ledgers import render_entry
from metronome_sandbox.api.wire.payment_gates import GateInput, new_gate
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.schedules import AccessSchedule, PaymentSchedule, new_payments, render_invoice_schedule
from metronome_sandbox.api.wire.specifiers import SpecifierInput, render_specifier, specifier
from metronome_sandbox.domain.amounts import ZERO, checked, quotient
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import ContractId, CustomerId, ProductId
from metronome_sandbox.domain.payment_gates import GateType
from metronome_sandbox.domain.recurring import Recurring
from metronome_sandbox.services.balances import NewBalance, NewSegment
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.ledgers import balance_now, current, ledger_now
from metronome_sandbox.store.interface import Store


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
    hierarchy_configuration: BalanceHierarchyInput | None = None
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
        credit_type_id=credit_type_or_usd(None if access is None else access.credit_type_id),
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
        child_access=child_access(wire.hierarchy_configuration),
    )


def _refuse_what_comes_later(wire: BalanceInput, prefix: str) -> None:
    """Refuse what the sandbox would otherwise silently leave out."""
    if wire.spend_tracker_attributes is not None:
        raise NotImitated(f"{prefix}spend_tracker_attributes", "spend trackers")


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
        product=render_product(context, balance.product_id),
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
        hierarchy_configuration=render_child_access(balance.child_access),
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
        rendered["ledger"] = [render_entry(balance, entry) for entry in ledger_now(context, balance)]
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
