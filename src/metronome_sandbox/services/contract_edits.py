"""Contracts changed after they were made: edits and their history, the older amendments, calls for one term only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.amounts import ONE
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.contract_history import AddedTerms, Amendment, ContractEdit
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated, UniquenessKeyTaken
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, InvoiceId, OverrideId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.scheduled_charges import ScheduledCharge, ServiceCharge
from metronome_sandbox.services.balance_changes import BalanceChange
from metronome_sandbox.services.balance_edits import edit_balance
from metronome_sandbox.services.balance_ends import archive_balance
from metronome_sandbox.services.charges import reschedule, scheduled_invoice_of
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_ends import check_end, set_end
from metronome_sandbox.services.contract_history import history_of, own_balances, record, record_amendment, remember
from metronome_sandbox.services.contract_terms import NewTerms, errors_below, with_terms
from metronome_sandbox.services.contracts import active_contract, get_contract
from metronome_sandbox.services.drafts import find_invoice
from metronome_sandbox.services.passage import catch_up
from metronome_sandbox.services.pricing import fiat_credit_type
from metronome_sandbox.services.recurring_edits import RecurringChange, with_change
from metronome_sandbox.services.schedule_edits import changed_schedule
from metronome_sandbox.services.scheduled_charges import archived, billing_invoices
from metronome_sandbox.services.subscriptions import SubscriptionChange, with_changed_subscriptions
from metronome_sandbox.services.thresholds import ThresholdEdits, with_threshold_edits
from metronome_sandbox.services.usage_filters import NewUsageFilter, with_usage_filter

T = TypeVar("T")


class ScheduledChargeChange(msgspec.Struct, frozen=True):
    """An item of ``update_scheduled_charges``; of ``schedule`` only what is about payments."""

    id: str
    schedule: BalanceChange = BalanceChange()
    netsuite_sales_order_id: str | UnsetType | None = UNSET


class EditContract(msgspec.Struct, frozen=True, kw_only=True):
    """What ``editContract-v2`` asks for. A field that is UNSET stays as it is.

    Attributes:
        add: New terms.
        updates: JSON text of the fields ``update_...`` of commits, credits and charges, for the history.
    """

    customer_id: CustomerId
    contract_id: ContractId
    uniqueness_key: str | None = None
    add: NewTerms = NewTerms()
    name: str | UnsetType | None = UNSET
    ending_before: datetime | UnsetType | None = UNSET
    allow_ending_before_finalized_invoice: bool = True
    net_payment_terms_days: Decimal | UnsetType | None = UNSET
    update_commits: tuple[tuple[BalanceId, BalanceChange], ...] = ()
    update_credits: tuple[tuple[BalanceId, BalanceChange], ...] = ()
    update_scheduled_charges: tuple[ScheduledChargeChange, ...] = ()
    update_recurring_commits: tuple[RecurringChange, ...] = ()
    update_recurring_credits: tuple[RecurringChange, ...] = ()
    update_subscriptions: tuple[SubscriptionChange, ...] = ()
    archive_commits: tuple[BalanceId, ...] = ()
    archive_credits: tuple[BalanceId, ...] = ()
    archive_scheduled_charges: tuple[str, ...] = ()
    remove_overrides: tuple[OverrideId, ...] = ()
    thresholds: ThresholdEdits = ThresholdEdits()
    updates: str = "{}"


def edit_contract(context: Context, new: EditContract) -> ContractEdit:
    """Change a contract, all of it or nothing. Drafts follow at once; finalized invoices only by void and regenerate.

    Assumed: overrides are taken out first, then the new end cuts, then other terms are taken out, changed and added, so
    that an end that is moved earlier leaves alone what the same edit says of later dates.  [A-edit-order]

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
        NotFound: It names a term that the contract does not have, or a product that does not exist.
        UniquenessKeyTaken: The key was used for another edit. Keys of contracts are apart (pricing, section 4.15).
        NotAllowedNow: The contract is archived, or a finalized invoice holds what would change.
        InvalidRequest: A rule is broken.

    Source: guide "Edit a contract".
    """
    contract = active_contract(context, new.customer_id, new.contract_id)
    store = context.store
    key = None if new.uniqueness_key is None else ("contract edit", new.uniqueness_key)
    if key is not None and key in store.uniqueness_keys:
        raise UniquenessKeyTaken(key[1])
    if new.ending_before is not UNSET:
        check_end(
            context,
            contract,
            new.ending_before,
            "update_contract_end_date",
            allow_inside_finalized=new.allow_ending_before_finalized_invoice,
        )
    with context.transaction():
        edit_id = context.ids.next("contract edit")
        remember(context, contract)
        contract = _without_overrides(contract, new.remove_overrides)
        if new.ending_before is not UNSET:
            contract = set_end(context, contract, new.ending_before)
        contract = _with_archived_charges(context, contract, new.archive_scheduled_charges)
        contract = _with_changed_charges(context, contract, new.update_scheduled_charges)
        contract = _with_changed_recurring(context, contract, new)
        contract = with_changed_subscriptions(context, contract, new.update_subscriptions, "update_subscriptions")
        contract = with_threshold_edits(context, contract, new.thresholds)
        contract = _with_plain_fields(contract, new)
        before = contract
        contract = with_terms(context, contract, new.add, edit_id, "add_")
        store.contracts.put(contract.id, contract)
        _change_balances(context, contract, new)
        edit = ContractEdit(
            id=edit_id,
            timestamp=context.now,
            uniqueness_key=new.uniqueness_key,
            added=_added(context, before, contract, new.add),
            name=new.name,
            ending_before=new.ending_before,
            updates=new.updates,
            archived_commits=new.archive_commits,
            archived_credits=new.archive_credits,
            archived_charges=new.archive_scheduled_charges,
            removed_overrides=new.remove_overrides,
        )
        record(context, contract.id, edit)
        if key is not None:
            store.uniqueness_keys.put(key, edit_id)
        reschedule(context, contract.id)
        catch_up(context)
    return edit


def _with_plain_fields(contract: Contract, new: EditContract) -> Contract:
    if new.name is not UNSET:
        contract = msgspec.structs.replace(contract, name=new.name)
    if new.net_payment_terms_days is not UNSET:
        contract = msgspec.structs.replace(contract, net_payment_terms_days=new.net_payment_terms_days)
    return contract


def _without_overrides(contract: Contract, removed: Sequence[OverrideId]) -> Contract:
    known = {override.id for override in contract.overrides}
    for index, override_id in enumerate(removed):
        if override_id not in known:
            raise NotFound("override", override_id, f"remove_overrides[{index}].id")
    kept = tuple(override for override in contract.overrides if override.id not in removed)
    return msgspec.structs.replace(contract, overrides=kept)


def _with_archived_charges(context: Context, contract: Contract, charge_ids: Sequence[str]) -> Contract:
    for index, charge_id in enumerate(charge_ids):
        path = f"archive_scheduled_charges[{index}].id"
        contract = _with_charge(contract, archived(context, _charge(contract, charge_id, path), path))
    return contract


def _with_changed_charges(context: Context, contract: Contract, changes: Sequence[ScheduledChargeChange]) -> Contract:
    for index, change in enumerate(changes):
        path = f"update_scheduled_charges[{index}]"
        charge = _charge(contract, change.id, f"{path}.scheduled_charge_id")
        if charge.archived_at is not None:
            raise NotAllowedNow(f"{path}.scheduled_charge_id", f"scheduled charge {charge.id} is archived")
        with errors_below(path):
            charge = msgspec.structs.replace(
                charge, schedule=changed_schedule(context, charge.schedule, change.schedule)
            )
        if change.netsuite_sales_order_id is not UNSET:
            charge = msgspec.structs.replace(charge, netsuite_sales_order_id=change.netsuite_sales_order_id)
        contract = _with_charge(contract, charge)
    return contract


def _with_changed_recurring(context: Context, contract: Contract, new: EditContract) -> Contract:
    for is_credit, path, changes in (
        (False, "update_recurring_commits", new.update_recurring_commits),
        (True, "update_recurring_credits", new.update_recurring_credits),
    ):
        for index, change in enumerate(changes):
            with errors_below(f"{path}[{index}]"):
                contract = with_change(context, contract, change, is_credit=is_credit)
    return contract


def _charge(contract: Contract, charge_id: str, path: str) -> ScheduledCharge:
    for charge in contract.scheduled_charges:
        if charge.id == charge_id:
            return charge
    raise NotFound("scheduled charge", charge_id, path)


def _with_charge(contract: Contract, changed: ScheduledCharge) -> Contract:
    charges = tuple(changed if charge.id == changed.id else charge for charge in contract.scheduled_charges)
    return msgspec.structs.replace(contract, scheduled_charges=charges)


def _change_balances(context: Context, contract: Contract, new: EditContract) -> None:
    """Archive and change commits and credits of the contract itself."""
    for is_credit, what, archive, updates in (
        (False, "commit", new.archive_commits, new.update_commits),
        (True, "credit", new.archive_credits, new.update_credits),
    ):
        for index, balance_id in enumerate(archive):
            path = f"archive_{what}s[{index}].id"
            balance = _own_balance(context, contract, balance_id, path, is_credit=is_credit)
            with errors_below(path):
                archive_balance(context, balance)
        for index, (balance_id, change) in enumerate(updates):
            path = f"update_{what}s[{index}]"
            balance = _own_balance(context, contract, balance_id, f"{path}.{what}_id", is_credit=is_credit)
            with errors_below(path):
                edit_balance(context, balance, change)


def _own_balance(context: Context, contract: Contract, balance_id: BalanceId, path: str, *, is_credit: bool) -> Balance:
    balance = context.store.balances.get(balance_id)
    if balance is None or balance.contract_id != contract.id or (balance.type is BalanceType.CREDIT) is not is_credit:
        raise NotFound("credit" if is_credit else "commit", balance_id, path)
    return balance


def _added(context: Context, before: Contract, after: Contract, new: NewTerms) -> AddedTerms:
    """Return what came to a contract."""
    balances = own_balances(context, after)[len(before.balance_ids) :]
    return AddedTerms(
        tuple(balance for balance in balances if balance.type is not BalanceType.CREDIT),
        tuple(balance for balance in balances if balance.type is BalanceType.CREDIT),
        _behind(before.overrides, after.overrides),
        _behind(before.scheduled_charges, after.scheduled_charges),
        _behind(before.discounts, after.discounts),
        _behind(before.professional_services, after.professional_services),
        new.reseller_royalties,
        _behind(before.recurring, after.recurring),
        _behind(before.subscriptions, after.subscriptions),
    )


def _behind(before: Sequence[T], after: Sequence[T]) -> tuple[T, ...]:
    return tuple(after[len(before) :])


def get_edit_history(context: Context, customer_id: CustomerId, contract_id: ContractId) -> tuple[ContractEdit, ...]:
    """Return the edits of a contract, its new ends and its usage filters, oldest first.

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
    """
    return history_of(context, get_contract(context, customer_id, contract_id).id).edits


class AmendContract(msgspec.Struct, frozen=True, kw_only=True):
    """What ``amendContract-v1`` asks for."""

    customer_id: CustomerId
    contract_id: ContractId
    starting_at: datetime
    add: NewTerms = NewTerms()
    total_contract_value: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None


def amend_contract(context: Context, new: AmendContract) -> Amendment:
    """Add terms to a contract, the older way.

    Assumed: the amendment's start lies in the contract and changes no date of what it adds; the contract value given
    takes the place of the earlier one; an amendment is no edit in the history.  [A-amendment]

    Raises:
        CustomerNotFound, ContractNotFound, NotFound: It names what does not exist.
        NotAllowedNow: The contract is archived.
        InvalidRequest: A rule is broken.
    """
    contract = active_contract(context, new.customer_id, new.contract_id)
    require_hour(new.starting_at, "starting_at")
    if new.starting_at not in contract.period:
        raise InvalidRequest("starting_at", f"{new.starting_at.isoformat()} is outside of the contract's time")
    with context.transaction():
        amendment_id = context.ids.next("amendment")
        remember(context, contract)
        amended = with_terms(context, contract, new.add, amendment_id)
        if new.total_contract_value is not None:
            amended = msgspec.structs.replace(amended, total_contract_value=new.total_contract_value)
        context.store.contracts.put(contract.id, amended)
        amendment = Amendment(
            id=amendment_id,
            created_at=context.now,
            starting_at=new.starting_at,
            added=_added(context, contract, amended, new.add),
            netsuite_sales_order_id=new.netsuite_sales_order_id,
            salesforce_opportunity_id=new.salesforce_opportunity_id,
        )
        record_amendment(context, contract.id, amendment)
        reschedule(context, contract.id)
        catch_up(context)
    return amendment


def set_usage_filter(context: Context, customer_id: CustomerId, contract_id: ContractId, new: NewUsageFilter) -> None:
    """Bill from a date on only the usage that a filter lets through. Finalized invoices stay, drafts follow.

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
        NotAllowedNow: The contract is archived.
        InvalidRequest: The filter breaks a rule of :func:`with_usage_filter`.
    """
    contract = active_contract(context, customer_id, contract_id)
    filtered = with_usage_filter(context, contract, new)
    with context.transaction():
        edit_id = context.ids.next("contract edit")
        remember(context, contract)
        context.store.contracts.put(contract.id, filtered)
        added = tuple(item for item in filtered.usage_filters if item not in contract.usage_filters)
        record(context, contract.id, ContractEdit(id=edit_id, timestamp=context.now, usage_filters=added))
        catch_up(context)


def update_invoice_issue_date(context: Context, invoice_id: InvoiceId, issue_date: datetime) -> None:
    """Move the issue time of a draft: a scheduled one's, or an import's that waits for it.

    The schedule of what it bills stays. With a time that is over the invoice is final at once.

    Assumed: a time equal to the contract's end is right, a later one is not.  [A-issue-date]

    Raises:
        NotFound: There is no such invoice.
        NotAllowedNow: It is no draft.
        InvalidRequest: The time is after the contract's end.
        NotImitated: It is the draft of a billing period, which is issued when its grace period is over.
    """
    store = context.store
    invoice = find_invoice(context, invoice_id)
    if invoice.status is not InvoiceStatus.DRAFT:
        raise NotAllowedNow("invoice_id", f"invoice {invoice_id} is {invoice.status}; only a DRAFT can be moved")
    contract = store.contracts[invoice.contract_id]
    if contract.ending_before is not None and issue_date > contract.ending_before:
        raise InvalidRequest(
            "issue_date",
            f"{issue_date.isoformat()} is after the contract's end, {contract.ending_before.isoformat()}",
        )
    if invoice.period is not None and not invoice.sequence:
        raise NotImitated("invoice_id", "other issue dates for the invoices of billing periods")
    with context.transaction():
        if invoice.sequence:
            stored = store.invoices[invoice.id]
            store.invoices.put(invoice.id, msgspec.structs.replace(stored, issued_at=issue_date))
        else:
            moved = {**contract.issue_dates, invoice.id: issue_date}
            store.contracts.put(contract.id, msgspec.structs.replace(contract, issue_dates=moved))
            reschedule(context, contract.id)
        catch_up(context)


class NewServiceLine(msgspec.Struct, frozen=True):
    """An item of ``line_items`` of ``scheduleProServicesInvoice-v1``; an amount alone has quantity 1."""

    service_id: str
    unit_price: Decimal
    quantity: Decimal = ONE
    amendment_id: str | None = None
    metadata: str | None = None


def schedule_pro_services_invoice(
    context: Context,
    customer_id: CustomerId,
    contract_id: ContractId,
    issued_at: datetime,
    lines: Sequence[NewServiceLine],
) -> Invoice:
    """Invoice professional services of a contract at ``issued_at``; return the invoice, a draft until then.

    Assumed: lines of one date share the contract's scheduled invoice of that date; all invoices of a service together
    may not exceed its ``max_amount``.  [A-pro-service-invoice]

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
        InvalidRequest: There is no line, or it names a service that the contract does not have.
        NotAllowedNow: The contract is archived, or more would be invoiced than agreed.
    """
    contract = active_contract(context, customer_id, contract_id)
    if not lines:
        raise InvalidRequest("line_items", "is empty; send what to invoice")
    with context.transaction():
        for index, line in enumerate(lines):
            contract = _with_service_line(context, contract, issued_at, line, f"line_items[{index}]")
        context.store.contracts.put(contract.id, contract)
        reschedule(context, contract.id)
        catch_up(context)
    return scheduled_invoice_of(context, context.store.contracts[contract.id], contract.service_charges[-1].id)


def _with_service_line(
    context: Context, contract: Contract, issued_at: datetime, line: NewServiceLine, path: str
) -> Contract:
    """Return the contract with one more line to invoice."""
    service = next((item for item in contract.professional_services if item.id == line.service_id), None)
    if service is None:
        raise InvalidRequest(
            f"{path}.professional_service_id", f"contract {contract.id} has no service {line.service_id}"
        )
    if line.amendment_id is not None:
        amendments = history_of(context, contract.id).amendments
        if not any(item.id == line.amendment_id and service in item.added.professional_services for item in amendments):
            raise InvalidRequest(
                f"{path}.amendment_id", f"amendment {line.amendment_id} did not add service {service.id}"
            )
    charge = ServiceCharge(
        context.ids.next("service charge"),
        service.id,
        issued_at,
        fiat_credit_type(context, contract),
        line.unit_price,
        line.quantity,
        line.metadata,
    )
    others = [item for item in contract.service_charges if item.service_id == service.id]
    void = {item.id for item in others if billing_invoices(context, [item.id], InvoiceStatus.VOID)}
    invoiced = sum((item.amount for item in others if item.id not in void), charge.amount)
    if invoiced > service.max_amount:
        raise NotAllowedNow(
            path, f"service {service.id} would come to {invoiced}, above its max_amount {service.max_amount}"
        )
    return msgspec.structs.replace(contract, service_charges=(*contract.service_charges, charge))
