"""What time does: periods are granted anew and drafts become final, in the order of their instants.

Nothing runs by itself. Each request first lets the tenant catch up with its clock, and moving the clock answers with
what happened on the way. Everything else that depends on time (drafts, open segments, balances) is computed from the
state and the instant when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

import msgspec

from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import billing_periods
from metronome_sandbox.services.charges import (
    charges_on_usage_invoice,
    next_scheduled,
    reschedule,
    reschedule_true_ups,
    scheduled_invoice,
    settle,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import draft, taken_before, usage_invoice_id, waiting_import
from metronome_sandbox.services.recurring import grant_next
from metronome_sandbox.services.subscription_charges import horizon, looking_further
from metronome_sandbox.services.true_ups import fulfil


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
    """Whether something is due that has not happened yet. Cheap: it looks at the heads of four indexes."""
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
    reached: datetime | None = None
    while (due := _next_due(context)) is not None and due[0] <= now:
        instant, kind, identity = due
        if reached is not None and instant < reached:
            instant = reached  # what waited for something else to be final happens then, not at its own date
        reached = instant
        if kind == "grant":
            grant_next(context, ContractId(identity))
            continue
        invoice = _FINALIZE[kind](context, identity)
        if invoice is not None:
            events.append(Event("invoice.finalized", instant, invoice.customer_id, invoice.contract_id, invoice.id))
    return events


def _next_due(context: Context) -> tuple[datetime, str, str] | None:
    """Return what is due first: its instant, its kind, and the contract or import that it is about.

    At one instant grants come first, then charges (a grant may bring one), then usage, then imports that waited for
    their issue date.
    """
    store = context.store
    found: list[tuple[datetime, int, str, str]] = []
    for contract_id in store.grants_due.ids("")[:1]:
        grant_at = store.contracts[contract_id].next_grant_at
        if grant_at is not None:
            found.append((grant_at, -1, "grant", contract_id))
    for contract_id in store.charges_due.ids("")[:1]:
        charge_at = store.contracts[contract_id].next_charge_at
        if charge_at is not None:
            found.append((charge_at, 0, "charge", contract_id))
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
    settle(context, charges_on_usage_invoice(context, contract, period), final.id)
    store.contracts.put(contract.id, contract.with_generated_until(period.ending_before))
    if contract.subscriptions:
        reschedule(context, contract.id)
    reschedule_true_ups(context, contract.customer_id)
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
    reschedule_true_ups(context, contract.customer_id)
    return final


def _finalize_charges(context: Context, contract_id: str) -> Invoice | None:
    """Store the scheduled invoice of the charges that one contract has at one instant in one currency."""
    store = context.store
    contract = store.contracts[ContractId(contract_id)]
    due = next_scheduled(context, contract)
    known_until = horizon(contract)
    if known_until is not None and known_until <= context.now and (due is None or known_until < due[0]):
        store.contracts.put(contract.id, looking_further(contract))
        reschedule(context, contract.id)
        return None
    if due is None or due[0] > context.now:
        reschedule(context, contract.id)
        return None
    together = due[1]
    if not all(charge.is_needed for charge in together):
        for charge in together:
            fulfil(context, charge)
        reschedule(context, contract.id)
        return None
    draws = any(charge.part is not None for charge in together)
    invoice = scheduled_invoice(context, together, taken_before(context, contract, due[0]) if draws else None)
    final = store_invoice(context, msgspec.structs.replace(invoice, status=InvoiceStatus.FINALIZED))
    settle(context, together, final.id)
    reschedule(context, contract.id)
    return final


_FINALIZE = {"usage": _finalize_usage, "import": _finalize_import, "charge": _finalize_charges}


def store_invoice(context: Context, invoice: Invoice) -> Invoice:
    """Put a new invoice and return it as stored. A true-up may have waited for it."""
    stored = msgspec.structs.replace(invoice, sequence=len(context.store.invoices) + 1)
    context.store.invoices.put(stored.id, stored)
    if stored.period is not None:
        reschedule_true_ups(context, stored.customer_id)
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
    yield from _segments(store.balances.values(), after, until)


def _segments(balances: Iterable[Balance], after: datetime, until: datetime) -> Iterator[Event]:
    """Yield which segments begin and end in ``(after, until]``."""
    for balance in balances:
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
    balances = context.store.balances
    known = len(balances)
    begun = list(milestones(context, after, context.now))
    passed = pass_time(context)
    granted = list(_segments(islice(balances.values(), known, None), after, context.now))
    return sorted(begun + passed + granted, key=lambda event: event.timestamp)
