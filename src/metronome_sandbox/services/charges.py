"""What a contract bills at instants, and on which invoice.

Each source gives every charge that a contract is known to have, billed or not; ``store.settled`` knows which invoice
billed which. So an edit changes the source and nothing else, and the charge's invoice can be read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import (
    AppliedBalance,
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
    total_of,
)
from metronome_sandbox.services.context import Context

Source = Callable[[Context, Contract], Iterable[Charge]]


def commit_payments(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield the payments of prepaid commits that a contract's invoices carry."""
    store = context.store
    for balance_id in store.balances_of.ids(contract.customer_id):
        balance = store.balances[balance_id]
        schedule = balance.invoice_schedule
        if schedule is None or schedule.do_not_invoice or balance.invoice_contract_id != contract.id:
            continue
        if balance.type is not BalanceType.PREPAID or balance.archived_at is not None:
            continue
        for item in schedule.items:
            line = LineItem(
                type=LineType.COMMIT_PURCHASE,
                name=balance.name or store.products[balance.product_id].name,
                product_id=balance.product_id,
                total=item.amount,
                quantity=item.quantity,
                unit_price=item.unit_price,
                applied=AppliedBalance(balance.id, balance.type),
            )
            yield Charge(item.id, contract.id, item.timestamp, schedule.credit_type_id, line)


SOURCES: tuple[Source, ...] = (commit_payments,)
"""In the order of lines on an invoice."""


def open_charges(context: Context, contract: Contract) -> list[Charge]:
    """Return the charges of a contract that no invoice has billed, by time."""
    if contract.archived_at is not None:
        return []
    settled = context.store.settled
    found = (charge for source in SOURCES for charge in source(context, contract) if charge.id not in settled)
    return sorted(found, key=lambda charge: charge.timestamp)


def reschedule(context: Context, contract_id: ContractId) -> None:
    """Note when the contract's next charge falls due. To be called after anything that changes its charges."""
    contract = context.store.contracts[contract_id]
    ready = [charge.timestamp for charge in open_charges(context, contract) if not charge.holds_back]
    next_charge_at = min(ready, default=None)
    if next_charge_at != contract.next_charge_at:
        context.store.contracts.put(contract_id, msgspec.structs.replace(contract, next_charge_at=next_charge_at))


def scheduled_drafts(context: Context, customer_id: CustomerId) -> list[Invoice]:
    """Return the scheduled invoices ahead: one for each contract, date and currency.

    Source: guide "How invoicing works": charges of one contract with the same date share an invoice; an invoice has
    one currency.
    """
    store = context.store
    found: list[Invoice] = []
    for contract_id in store.contracts_of.ids(customer_id):
        grouped: dict[tuple[datetime, CreditTypeId], list[Charge]] = {}
        for charge in open_charges(context, store.contracts[contract_id]):
            grouped.setdefault((charge.timestamp, charge.credit_type_id), []).append(charge)
        found += (scheduled_invoice(context, charges) for charges in grouped.values())
    return found


def scheduled_invoice(context: Context, charges: list[Charge]) -> Invoice:
    """Return the invoice of charges that share contract, date and currency, as a draft."""
    first = charges[0]
    lines = tuple(charge.line for charge in charges)
    return Invoice(
        id=scheduled_invoice_id(context, first.contract_id, first.timestamp, first.credit_type_id),
        customer_id=context.store.contracts[first.contract_id].customer_id,
        contract_id=first.contract_id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=first.credit_type_id,
        issued_at=first.timestamp,
        lines=lines,
        total=total_of(lines),
    )


def scheduled_invoice_id(
    context: Context, contract_id: ContractId, timestamp: datetime, credit_type_id: CreditTypeId
) -> InvoiceId:
    """Return the id of the next scheduled invoice of a contract, date and currency."""
    store = context.store
    stored = (store.invoices[invoice_id] for invoice_id in store.invoices_on.starting_with(contract_id, timestamp))
    generation = sum(
        1 for invoice in stored if invoice.type is InvoiceType.SCHEDULED and invoice.credit_type_id == credit_type_id
    )
    at = timestamp.isoformat()
    return InvoiceId(
        context.ids.derived("invoice", contract_id, InvoiceType.SCHEDULED, at, credit_type_id, str(generation))
    )


def settle(context: Context, charges: Iterable[Charge], invoice_id: InvoiceId) -> None:
    """Note which invoice billed these charges."""
    for charge in charges:
        context.store.settled.put(charge.id, invoice_id)
