"""What time does: drafts become final, in the order of their instants.

Nothing runs by itself. Each request first lets the tenant catch up with its clock, and moving the clock answers with
what happened on the way. Everything else that depends on time (drafts, open segments, balances) is computed from the
state and the instant when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import billing_periods
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import draft, payment_invoice, taken_before, usage_invoice_id, waiting_import


class Event(msgspec.Struct, frozen=True):
    """Something that happened at an instant, in the words of the vendor's system notifications where it has them."""

    type: str
    timestamp: datetime
    customer_id: CustomerId
    contract_id: ContractId | None = None
    invoice_id: InvoiceId | None = None
    balance_id: BalanceId | None = None
    segment_id: str | None = None


def is_behind(context: Context) -> bool:
    """Whether something is due that has not happened yet. Cheap: it looks at the head of three indexes."""
    next_due = _next_due(context)
    return next_due is not None and next_due[0] <= context.now


def pass_time(context: Context) -> list[Event]:
    """Let everything happen that is due at the tenant's time; return it in the order of time."""
    if not is_behind(context):
        return []
    with context.transaction():
        return catch_up(context)


def catch_up(context: Context) -> list[Event]:
    """Do the work of :func:`pass_time` inside of an open transaction."""
    events: list[Event] = []
    now = context.now
    while (due := _next_due(context)) is not None and due[0] <= now:
        instant, kind, identity = due
        invoice = _FINALIZE[kind](context, identity)
        if invoice is not None:
            events.append(Event("invoice.finalized", instant, invoice.customer_id, invoice.contract_id, invoice.id))
    return events


def _next_due(context: Context) -> tuple[datetime, str, str] | None:
    """Return what is due first: its instant, its kind, and the contract, import or commit that it is about.

    At one instant payments come first, then usage, then imports that waited for their issue date.
    """
    store = context.store
    found: list[tuple[datetime, int, str, str]] = []
    for balance_id in store.payments_due.ids("")[:1]:
        payment_at = store.balances[balance_id].next_payment_at
        if payment_at is not None:
            found.append((payment_at, 0, "payment", balance_id))
    for contract_id in store.contracts_due.ids("")[:1]:
        period = store.contracts[contract_id].next_period
        if period is not None:
            found.append((period.ending_before + context.grace_period, 1, "usage", contract_id))
    waiting = store.stored_drafts.ids("")[:1]
    found += [(store.invoices[invoice_id].issued_at, 2, "import", invoice_id) for invoice_id in waiting]
    if not found:
        return None
    instant, _, kind, identity = min(found)
    return instant, kind, identity


def _finalize_usage(context: Context, contract_id: str) -> Invoice | None:
    """Store the usage invoice of a contract's next period and move on to the one after.

    The draft becomes final as it stands: it keeps its id, and what it draws is what it drew as a draft.
    """
    store = context.store
    contract = store.contracts[ContractId(contract_id)]
    period = contract.next_period
    if period is None:
        return None
    invoice = draft(context, contract, period, taken_before(context, contract, period.starting_at))
    final = store_invoice(context, msgspec.structs.replace(invoice, status=InvoiceStatus.FINALIZED))
    store.contracts.put(contract.id, contract.with_generated_until(period.ending_before))
    return final


def _finalize_import(context: Context, invoice_id: str) -> Invoice | None:
    """Price an import that waited for its issue date a last time and make it final."""
    store = context.store
    invoice = store.invoices[InvoiceId(invoice_id)]
    if invoice.period is None:
        return None
    contract = store.contracts[invoice.contract_id]
    priced = waiting_import(context, invoice, taken_before(context, contract, invoice.period.starting_at))
    final = msgspec.structs.replace(priced, status=InvoiceStatus.FINALIZED)
    store.invoices.put(final.id, final)
    return final


def _finalize_payment(context: Context, balance_id: str) -> Invoice | None:
    """Store the scheduled invoice of the payments that one contract has at one instant in one currency."""
    store = context.store
    first = store.balances[BalanceId(balance_id)]
    timestamp, contract_id, schedule = first.next_payment_at, first.invoice_contract_id, first.invoice_schedule
    if timestamp is None or contract_id is None or schedule is None:
        return None
    together = [
        balance
        for balance in (store.balances[other] for other in store.balances_of.ids(first.customer_id))
        if balance.next_payment_at == timestamp
        and balance.invoice_contract_id == contract_id
        and balance.archived_at is None
        and balance.invoice_schedule is not None
        and balance.invoice_schedule.credit_type_id == schedule.credit_type_id
    ]
    invoice = payment_invoice(context, contract_id, timestamp, schedule.credit_type_id, together)
    final = store_invoice(context, msgspec.structs.replace(invoice, status=InvoiceStatus.FINALIZED))
    for balance in together:
        items = balance.invoice_schedule.items if balance.invoice_schedule is not None else ()
        later = min((item.timestamp for item in items if item.timestamp > timestamp), default=None)
        store.balances.put(balance.id, msgspec.structs.replace(balance, next_payment_at=later))
    return final


_FINALIZE = {"usage": _finalize_usage, "import": _finalize_import, "payment": _finalize_payment}


def store_invoice(context: Context, invoice: Invoice) -> Invoice:
    """Put a new invoice and return it as stored."""
    stored = msgspec.structs.replace(invoice, sequence=len(context.store.invoices) + 1)
    context.store.invoices.put(stored.id, stored)
    return stored


def milestones(context: Context, after: datetime, until: datetime) -> Iterator[Event]:
    """Yield what begins and ends in ``(after, until]`` without anything being written: contracts, segments, drafts."""
    store = context.store
    for contract in store.contracts.values():
        if contract.archived_at is not None:
            continue
        about = (contract.customer_id, contract.id)
        if after < contract.starting_at <= until:
            yield Event("contract.start", contract.starting_at, *about)
        if contract.ending_before is not None and after < contract.ending_before <= until:
            yield Event("contract.end", contract.ending_before, *about)
        for period in billing_periods(contract.statement_schedule, contract.period, contract.generated_until):
            if period.starting_at > until:
                break
            if period.starting_at > after:
                invoice_id = usage_invoice_id(context, contract.id, period)
                yield Event("invoice.draft_created", period.starting_at, *about, invoice_id)
    for balance in store.balances.values():
        if balance.archived_at is not None:
            continue
        kind = "credit" if balance.type is BalanceType.CREDIT else "commit"
        for segment in balance.segments:
            for name, instant in (("start", segment.starting_at), ("end", segment.ending_before)):
                if after < instant <= until:
                    yield Event(
                        f"{kind}.segment.{name}",
                        instant,
                        balance.customer_id,
                        balance.contract_id,
                        None,
                        balance.id,
                        segment.id,
                    )


def travel(context: Context, after: datetime) -> list[Event]:
    """Return everything that happens between ``after`` and the tenant's time, in the order of time, and let it
    happen.
    """
    begun = list(milestones(context, after, context.now))
    return sorted(begun + pass_time(context), key=lambda event: event.timestamp)
