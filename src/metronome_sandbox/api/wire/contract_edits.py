"""Changes of contracts on the wire: edits and their history, amendments, calls for one term only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.api.wire import balances as balances_wire
from metronome_sandbox.api.wire.balance_edits import BalanceEdit, balance_change
from metronome_sandbox.api.wire.balances import BalanceInput, new_balance
from metronome_sandbox.api.wire.common import (
    JsonObject,
    WireType,
    decode,
    decoder,
    instant,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.contract_terms import (
    ProfessionalServiceInput,
    RoyaltyInput,
    ScheduledTermInput,
    new_scheduled_terms,
    new_services,
    render_royalty,
    render_scheduled_term,
    render_service,
    render_usage_filter,
    royalty_changes,
)
from metronome_sandbox.api.wire.overrides import OverrideInput, new_override, render_override
from metronome_sandbox.api.wire.recurring import (
    RecurringEdit,
    RecurringInput,
    new_recurring,
    recurring_change,
    render_recurring,
)
from metronome_sandbox.api.wire.schedules import PaymentScheduleChange
from metronome_sandbox.api.wire.subscriptions import (
    SubscriptionEdit,
    SubscriptionInput,
    new_subscriptions,
    render_subscription,
    subscription_changes,
)
from metronome_sandbox.api.wire.thresholds import (
    PrepaidInput,
    SpendInput,
    ThresholdEdit,
    new_prepaid,
    new_spend,
    render_change,
    render_prepaid,
    render_spend,
    threshold_change,
)
from metronome_sandbox.domain.amounts import ONE, checked
from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.contract_history import ContractEdit
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, InvoiceId, OverrideId
from metronome_sandbox.services.balances import NewBalance
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_edits import (
    AmendContract,
    EditContract,
    NewServiceLine,
    ScheduledChargeChange,
)
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.thresholds import ThresholdEdits
from metronome_sandbox.services.usage_filters import NewUsageFilter


class IdReference(WireType):
    """An item of the fields ``archive_...`` and ``remove_...``."""

    id: str


class ChargeEdit(WireType):
    """An item of ``update_scheduled_charges``."""

    scheduled_charge_id: str
    invoice_schedule: PaymentScheduleChange = msgspec.field(default_factory=PaymentScheduleChange)
    netsuite_sales_order_id: str | UnsetType | None = UNSET


class EditBody(WireType):
    """Body of ``editContract-v2``: what the sandbox does. A field that is absent is UNSET, which tells it from null."""

    customer_id: str
    contract_id: str
    uniqueness_key: str | None = None
    add_commits: list[BalanceInput] = []
    add_credits: list[BalanceInput] = []
    add_recurring_commits: list[RecurringInput] = []
    add_recurring_credits: list[RecurringInput] = []
    add_overrides: list[OverrideInput] = []
    add_scheduled_charges: list[ScheduledTermInput] = []
    add_discounts: list[ScheduledTermInput] = []
    add_professional_services: list[ProfessionalServiceInput] = []
    add_reseller_royalties: list[RoyaltyInput] = []
    add_subscriptions: list[SubscriptionInput] = []
    update_contract_name: str | UnsetType | None = UNSET
    update_contract_end_date: datetime | UnsetType | None = UNSET
    allow_contract_ending_before_finalized_invoice: bool = True
    update_net_payment_terms_days: Decimal | UnsetType | None = UNSET
    update_commits: list[BalanceEdit] = []
    update_credits: list[BalanceEdit] = []
    update_scheduled_charges: list[ChargeEdit] = []
    update_recurring_commits: list[RecurringEdit] = []
    update_recurring_credits: list[RecurringEdit] = []
    update_subscriptions: list[SubscriptionEdit] = []
    add_spend_threshold_configuration: SpendInput | None = None
    update_spend_threshold_configuration: ThresholdEdit | None = None
    add_prepaid_balance_threshold_configuration: PrepaidInput | None = None
    update_prepaid_balance_threshold_configuration: ThresholdEdit | None = None
    archive_commits: list[IdReference] = []
    archive_credits: list[IdReference] = []
    archive_scheduled_charges: list[IdReference] = []
    remove_overrides: list[IdReference] = []


LATER_EDITS = {
    "add_spend_trackers": "spend trackers",
    "archive_spend_trackers": "spend trackers",
    "add_billing_provider_configuration_update": "billing providers",
    "add_revenue_system_configuration_update": "revenue systems",
}
"""Groups of an edit that the sandbox does not do yet: refused, never left out in silence."""

_ANY = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_EDIT = decoder(EditBody)
_TEXT = msgspec.json.Encoder(decimal_format="number")


def parse_edit(body: bytes) -> EditContract:
    """Return the command of ``editContract-v2``.

    Raises:
        NotImitated: The edit has a group that the sandbox does not do yet.
    """
    fields = decode(_ANY, body)
    for field, feature in LATER_EDITS.items():
        if fields.get(field):
            raise NotImitated(field, feature)
    wire = decode(_EDIT, body)
    end, terms = wire.update_contract_end_date, wire.update_net_payment_terms_days
    thresholds = _thresholds(wire)
    return EditContract(
        customer_id=CustomerId(wire.customer_id.lower()),
        contract_id=ContractId(wire.contract_id.lower()),
        uniqueness_key=wire.uniqueness_key,
        add=NewTerms(
            commits=tuple(
                new_balance(item, f"add_commits[{index}].", may_wait=True)
                for index, item in enumerate(wire.add_commits)
            ),
            credits=tuple(new_balance(item, f"add_credits[{index}].") for index, item in enumerate(wire.add_credits)),
            overrides=tuple(
                new_override(item, f"add_overrides[{index}]") for index, item in enumerate(wire.add_overrides)
            ),
            scheduled_charges=new_scheduled_terms(wire.add_scheduled_charges, "add_scheduled_charges"),
            discounts=new_scheduled_terms(wire.add_discounts, "add_discounts"),
            professional_services=new_services(wire.add_professional_services, "add_professional_services"),
            reseller_royalties=royalty_changes(wire.add_reseller_royalties, "add_reseller_royalties"),
            recurring_commits=tuple(
                new_recurring(item, f"add_recurring_commits[{index}]", is_credit=False)
                for index, item in enumerate(wire.add_recurring_commits)
            ),
            recurring_credits=tuple(
                new_recurring(item, f"add_recurring_credits[{index}]", is_credit=True)
                for index, item in enumerate(wire.add_recurring_credits)
            ),
            subscriptions=new_subscriptions(wire.add_subscriptions, "add_subscriptions"),
        ),
        name=wire.update_contract_name,
        ending_before=utc(end) if isinstance(end, datetime) else end,
        allow_ending_before_finalized_invoice=wire.allow_contract_ending_before_finalized_invoice,
        net_payment_terms_days=(
            checked(terms, "update_net_payment_terms_days") if isinstance(terms, Decimal) else terms
        ),
        update_commits=tuple(
            (item.balance_id, balance_change(item, f"update_commits[{index}]."))
            for index, item in enumerate(wire.update_commits)
        ),
        update_credits=tuple(
            (item.balance_id, balance_change(item, f"update_credits[{index}]."))
            for index, item in enumerate(wire.update_credits)
        ),
        update_scheduled_charges=tuple(
            _charge_change(item, f"update_scheduled_charges[{index}].")
            for index, item in enumerate(wire.update_scheduled_charges)
        ),
        update_recurring_commits=tuple(
            recurring_change(item, f"update_recurring_commits[{index}]")
            for index, item in enumerate(wire.update_recurring_commits)
        ),
        update_recurring_credits=tuple(
            recurring_change(item, f"update_recurring_credits[{index}]")
            for index, item in enumerate(wire.update_recurring_credits)
        ),
        update_subscriptions=subscription_changes(wire.update_subscriptions, "update_subscriptions"),
        archive_commits=tuple(BalanceId(item.id.lower()) for item in wire.archive_commits),
        archive_credits=tuple(BalanceId(item.id.lower()) for item in wire.archive_credits),
        archive_scheduled_charges=tuple(item.id.lower() for item in wire.archive_scheduled_charges),
        remove_overrides=tuple(OverrideId(item.id.lower()) for item in wire.remove_overrides),
        thresholds=thresholds,
        updates=_TEXT.encode({**_updates(fields), **_threshold_updates(wire, thresholds)}).decode(),
    )


def _amended_balances(wire: Sequence[BalanceInput], path: str) -> tuple[NewBalance, ...]:
    for index, item in enumerate(wire):
        gate = item.payment_gate_config
        if gate is not None and gate.payment_gate_type != "NONE":
            raise NotImitated(f"{path}[{index}].payment_gate_config", "payment gates of amendments")
    return tuple(new_balance(item, f"{path}[{index}].") for index, item in enumerate(wire))


def _charge_change(wire: ChargeEdit, prefix: str) -> ScheduledChargeChange:
    schedule = balance_change(BalanceEdit(invoice_schedule=wire.invoice_schedule), prefix)
    return ScheduledChargeChange(wire.scheduled_charge_id.lower(), schedule, wire.netsuite_sales_order_id)


UPDATES = {
    "update_commits": "commit_id",
    "update_credits": "credit_id",
    "update_scheduled_charges": "scheduled_charge_id",
    "update_recurring_commits": "recurring_commit_id",
    "update_recurring_credits": "recurring_credit_id",
    "update_subscriptions": "subscription_id",
}
"""Groups of changes, and what names the thing that changes."""


HIDDEN = frozenset({*UPDATES.values(), "ending_before"})
"""What the history has no place for as null: the older names of ids, an end that was cleared."""


def _thresholds(wire: EditBody) -> ThresholdEdits:
    return ThresholdEdits(
        new_spend(wire.add_spend_threshold_configuration, "add_spend_threshold_configuration"),
        threshold_change(wire.update_spend_threshold_configuration, "update_spend_threshold_configuration"),
        new_prepaid(wire.add_prepaid_balance_threshold_configuration, "add_prepaid_balance_threshold_configuration"),
        threshold_change(
            wire.update_prepaid_balance_threshold_configuration, "update_prepaid_balance_threshold_configuration"
        ),
    )


def _threshold_updates(wire: EditBody, edits: ThresholdEdits) -> JsonObject:
    """Return what the history shows of thresholds."""
    spend, prepaid = wire.update_spend_threshold_configuration, wire.update_prepaid_balance_threshold_configuration
    return present(
        add_spend_threshold_configuration=None if edits.add_spend is None else render_spend(edits.add_spend),
        update_spend_threshold_configuration=None if spend is None else _spelt(render_change(spend)),
        add_prepaid_balance_threshold_configuration=(
            None if edits.add_prepaid is None else render_prepaid(edits.add_prepaid)
        ),
        update_prepaid_balance_threshold_configuration=None if prepaid is None else _spelt(render_change(prepaid)),
    )


def _updates(fields: JsonObject) -> JsonObject:
    """Return the changes of an edit as its history shows them: as they were sent, in the spellings of answers."""
    return {
        group: [{"id": item[name].lower(), **_spelt(_told(group, {**item, name: None}))} for item in fields[group]]
        for group, name in UPDATES.items()
        if fields.get(group)
    }


NOT_TOLD = {"update_subscriptions": frozenset({"proration_rounding", "quantity_management_mode_update"})}
"""What an edit changes and its history has no place for, by group. Source: schema ``SubscriptionsUpdate``."""


def _told(group: str, fields: JsonObject) -> JsonObject:
    return {field: value for field, value in fields.items() if field not in NOT_TOLD.get(group, ())}


def _spelt(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        unsaid = (*HIDDEN, "ending_before")  # a cleared end has no place in the shape of an edit
        return {key: _spelt(item, key) for key, item in value.items() if not (item is None and key in unsaid)}
    if isinstance(value, list):
        return [_spelt(item, field) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, Decimal)):
        return number(Decimal(value))
    if field in ("starting_at", "ending_before", "timestamp"):
        return time(instant(value, field))
    if field in ("rate_type", "type"):
        return value.upper()
    return value.lower() if field.endswith(("id", "_ids")) and field != "seat_ids" else value


class AmendBody(WireType):
    """Body of ``amendContract-v1``."""

    customer_id: str
    contract_id: str
    starting_at: datetime
    commits: list[BalanceInput] = []
    credits: list[BalanceInput] = []
    overrides: list[OverrideInput] = []
    scheduled_charges: list[ScheduledTermInput] = []
    discounts: list[ScheduledTermInput] = []
    professional_services: list[ProfessionalServiceInput] = []
    reseller_royalties: list[RoyaltyInput] = []
    total_contract_value: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    custom_fields: dict[str, str] = {}


_AMEND = decoder(AmendBody)


def parse_amend(body: bytes) -> AmendContract:
    """Return the command of ``amendContract-v1``.

    Raises:
        NotImitated: It has custom fields, which no answer shows, or a payment gate.
    """
    wire = decode(_AMEND, body)
    if wire.custom_fields:
        raise NotImitated("custom_fields", "custom fields of amendments")
    value = wire.total_contract_value
    return AmendContract(
        customer_id=CustomerId(wire.customer_id.lower()),
        contract_id=ContractId(wire.contract_id.lower()),
        starting_at=utc(wire.starting_at),
        add=NewTerms(
            commits=_amended_balances(wire.commits, "commits"),
            credits=_amended_balances(wire.credits, "credits"),
            overrides=tuple(new_override(item, f"overrides[{index}]") for index, item in enumerate(wire.overrides)),
            scheduled_charges=new_scheduled_terms(wire.scheduled_charges, "scheduled_charges"),
            discounts=new_scheduled_terms(wire.discounts, "discounts"),
            professional_services=new_services(wire.professional_services, "professional_services"),
            reseller_royalties=royalty_changes(wire.reseller_royalties, "reseller_royalties"),
        ),
        total_contract_value=None if value is None else checked(value, "total_contract_value"),
        netsuite_sales_order_id=wire.netsuite_sales_order_id,
        salesforce_opportunity_id=wire.salesforce_opportunity_id,
    )


class UsageFilterBody(WireType):
    """Body of ``setUsageFilter-v1``."""

    customer_id: str
    contract_id: str
    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime


_FILTER = decoder(UsageFilterBody)


def parse_set_usage_filter(body: bytes) -> tuple[CustomerId, ContractId, NewUsageFilter]:
    """Return the customer, the contract and the filter of ``setUsageFilter-v1``."""
    wire = decode(_FILTER, body)
    chosen = NewUsageFilter(wire.group_key, wire.group_values, utc(wire.starting_at))
    return CustomerId(wire.customer_id.lower()), ContractId(wire.contract_id.lower()), chosen


class IssueDateBody(WireType):
    """Body of ``updateInvoiceIssueDate-v1``."""

    invoice_id: str
    issue_date: datetime


_ISSUE_DATE = decoder(IssueDateBody)


def parse_issue_date(body: bytes) -> tuple[InvoiceId, datetime]:
    """Return the invoice and its new issue time."""
    wire = decode(_ISSUE_DATE, body)
    return InvoiceId(wire.invoice_id.lower()), utc(wire.issue_date)


class ServiceLine(WireType):
    """An item of ``line_items``."""

    professional_service_id: str
    amendment_id: str | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None
    metadata: str | None = None
    netsuite_invoice_billing_start: datetime | None = None
    netsuite_invoice_billing_end: datetime | None = None


class ServiceInvoiceBody(WireType):
    """Body of ``scheduleProServicesInvoice-v1``."""

    customer_id: str
    contract_id: str
    issued_at: datetime
    line_items: list[ServiceLine]
    netsuite_invoice_header_start: datetime | None = None
    netsuite_invoice_header_end: datetime | None = None


_SERVICES = decoder(ServiceInvoiceBody)


def parse_service_invoice(body: bytes) -> tuple[CustomerId, ContractId, datetime, list[NewServiceLine]]:
    """Return the customer, the contract, the date and the lines of ``scheduleProServicesInvoice-v1``.

    Raises:
        NotImitated: It has dates for NetSuite, where the sandbox sends nothing.
    """
    wire = decode(_SERVICES, body)
    for field in ("netsuite_invoice_header_start", "netsuite_invoice_header_end"):
        if getattr(wire, field) is not None:
            raise NotImitated(field, "NetSuite invoices")
    lines = [_service_line(item, f"line_items[{index}]") for index, item in enumerate(wire.line_items)]
    return CustomerId(wire.customer_id.lower()), ContractId(wire.contract_id.lower()), utc(wire.issued_at), lines


def _service_line(wire: ServiceLine, path: str) -> NewServiceLine:
    for field in ("netsuite_invoice_billing_start", "netsuite_invoice_billing_end"):
        if getattr(wire, field) is not None:
            raise NotImitated(f"{path}.{field}", "NetSuite invoices")
    if wire.amount is not None:
        if wire.unit_price is not None or wire.quantity is not None:
            raise InvalidRequest(f"{path}.amount", "cannot stand beside unit_price and quantity; send one or the other")
        unit_price, quantity = checked(wire.amount, f"{path}.amount"), ONE
    elif wire.unit_price is None or wire.quantity is None:
        raise InvalidRequest(f"{path}.amount", "is missing; send amount, or unit_price and quantity together")
    else:
        unit_price = checked(wire.unit_price, f"{path}.unit_price")
        quantity = checked(wire.quantity, f"{path}.quantity")
    amendment_id = wire.amendment_id
    return NewServiceLine(
        wire.professional_service_id.lower(),
        unit_price,
        quantity,
        None if amendment_id is None else amendment_id.lower(),
        wire.metadata,
    )


def render_edit(context: Context, contract: Contract, edit: ContractEdit) -> JsonObject:
    """Return an edit with the fields that it changed and no others.

    An end that was cleared has no place in this shape, and neither have payment terms.
    """
    added, end = edit.added, edit.ending_before
    granting = msgspec.structs.replace(contract, recurring=added.recurring)
    lists: dict[str, list[JsonObject]] = {
        "add_commits": [_added_balance(context, balance) for balance in added.commits],
        "add_credits": [_added_balance(context, balance) for balance in added.credits],
        "add_recurring_commits": render_recurring(context, granting, is_credit=False),
        "add_recurring_credits": render_recurring(context, granting, is_credit=True),
        "add_overrides": [render_override(context, override, is_v2=True) for override in added.overrides],
        "add_scheduled_charges": [
            _without_custom_fields(render_scheduled_term(context, charge)) for charge in added.scheduled_charges
        ],
        "add_discounts": [render_scheduled_term(context, discount) for discount in added.discounts],
        "add_pro_services": [render_service(service) for service in added.professional_services],
        "add_reseller_royalties": [render_royalty(change) for change in added.reseller_royalties],
        "add_subscriptions": [render_subscription(context, contract, each) for each in added.subscriptions],
        "add_usage_filters": [render_usage_filter(item) for item in edit.usage_filters],
        "archive_commits": [{"id": balance_id} for balance_id in edit.archived_commits],
        "archive_credits": [{"id": balance_id} for balance_id in edit.archived_credits],
        "archive_scheduled_charges": [{"id": charge_id} for charge_id in edit.archived_charges],
        "remove_overrides": [{"id": override_id} for override_id in edit.removed_overrides],
    }
    rendered = present(
        id=edit.id,
        timestamp=time(edit.timestamp),
        uniqueness_key=edit.uniqueness_key,
        update_contract_end_date=time(end) if isinstance(end, datetime) else None,
    )
    if edit.name is not UNSET:
        rendered["update_contract_name"] = edit.name
    filled = {field: items for field, items in lists.items() if items}
    return {**rendered, **filled, **_ANY.decode(edit.updates)}


ADDED_BALANCE = frozenset(
    {
        *("id", "type", "name", "description", "priority", "rate_type", "product", "access_schedule"),
        *("invoice_schedule", "applicable_product_ids", "applicable_product_tags", "specifiers", "rollover_fraction"),
        *("netsuite_sales_order_id", "salesforce_opportunity_id", "hierarchy_configuration"),
    }
)
"""What the history shows of a commit or credit. Source: schemas ``CommitAdd`` and ``CreditAdd``."""


def _added_balance(context: Context, balance: Balance) -> JsonObject:
    whole = balances_wire.render(context, balance)
    return {field: value for field, value in whole.items() if field in ADDED_BALANCE}


def _without_custom_fields(rendered: JsonObject) -> JsonObject:
    return {field: value for field, value in rendered.items() if field != "custom_fields"}
