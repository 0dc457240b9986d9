"""What time does: periods are granted anew and drafts become final, in the order of their instants.

Nothing runs by itself. Each request first lets the tenant catch up with its clock, and moving the clock answers with
what happened on the way. Everything else that depends on time (drafts, open segments, balances) is computed from the
state and the instant when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

import msgspec

from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import billing_periods
from metronome_sandbox.services.charges import (
    charges_on_usage_invoice,
    note_next_charge,
    reschedule,
    reschedule_true_ups,
    scheduled_ahead,
    scheduled_invoice,
    settle,
    store_invoice,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import draft, taken_before, usage_invoice_id, waiting_import
from metronome_sandbox.services.recurring import grant_next
from metronome_sandbox.services.subscription_charges import horizon, looking_further
from metronome_sandbox.services.threshold_billing import check_customer
from metronome_sandbox.services.true_ups import fulfil


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that happened at an instant, in the words of the vendor's system notifications where it has them."""

    type: str
    timestamp: datetime
    customer_id: CustomerId
    contract_id: ContractId | None = None
    invoice_id: InvoiceId | None = None
    balance_id: BalanceId | None = None
    segment_id: str | None = None


def is_behind(context: Context) -> bool:
    """Whether something is due that has not happened yet. Cheap: it is kept while tables stand still."""
    store = context.store
    revision, instant = context.next_due
    if revision != store.revision:
        if _is_unchecked(context):
            return True
        due = _next_due(context)
        instant = None if due is None else due[0]
        context.next_due = store.revision, instant
    return instant is not None and instant <= context.now


def _is_unchecked(context: Context) -> bool:
    """Whether something changed since thresholds were checked last, so that one may be reached."""
    return context.checked_revision != context.store.revision and bool(context.store.watched.ids(""))


def pass_time(context: Context) -> list[Event]:
    """Let everything happen that is due at the tenant's time; return it in the order of time."""
    if not is_behind(context):
        return []
    with context.transaction():
        events = catch_up(context)
    context.checked_revision = context.store.revision
    return events


def catch_up(context: Context) -> list[Event]:
    """Do the work of :func:`pass_time` inside of an open transaction.

    Assumed: thresholds are checked whenever something changed, at the latest when the next request comes, and at the
    instants at which a balance begins or ends or a billing period begins; an invoice that is bought is due at once.
    [A-threshold-checks]
    """
    events: list[Event] = []
    _let_happen(context, events)
    return events + check_thresholds(context)


def check_thresholds(context: Context) -> list[Event]:
    """Let every threshold buy what it is due now, inside of an open transaction, and what that brings happen.

    To be called by operations that change what is spent and do not catch up, so that time cannot pass in between.
    """
    events: list[Event] = []
    store, now = context.store, context.now
    watched = dict.fromkeys(store.contracts[contract_id].customer_id for contract_id in store.watched.ids(""))
    bought = [event for customer_id in watched for event in _checked(context, customer_id, now)]
    if bought:
        events += bought
        _let_happen(context, events)
    return events


def _checked(context: Context, customer_id: CustomerId, instant: datetime) -> list[Event]:
    """Let a customer's thresholds buy, and return that they were reached, in the words of the vendor's webhooks."""
    events: list[Event] = []
    for purchase in check_customer(context, customer_id, instant):
        about = (purchase.timestamp, purchase.customer_id, purchase.contract_id)
        events.append(Event("payment_gate.threshold_reached", *about))
        if purchase.invoice_id is not None:
            events.append(Event("payment_gate.external_initiate", *about, purchase.invoice_id))
    return events


def _let_happen(context: Context, events: list[Event]) -> None:
    """Let everything happen that is due, in the order of time, and note it."""
    now = context.now
    reached: datetime | None = None
    ahead: dict[ContractId, ChargesAhead] = {}
    while (due := _next_due(context)) is not None and due[0] <= now:
        instant, kind, identity = due
        if reached is not None and instant < reached:
            instant = reached  # what waited for something else to be final happens then, not at its own date
        reached = instant
        if kind == "charge":
            invoice = _finalize_charges(context, ContractId(identity), ahead)
        else:
            ahead.clear()
            if kind == "grant":
                granted = grant_next(context, ContractId(identity))
                if granted is not None:
                    events += _checked(context, granted.customer_id, instant)
                continue
            if kind == "check":
                events += _checked(context, context.store.contracts[ContractId(identity)].customer_id, instant)
                continue
            invoice = _FINALIZE[kind](context, identity)
        if invoice is not None:
            events.append(Event("invoice.finalized", instant, invoice.customer_id, invoice.contract_id, invoice.id))


def _next_due(context: Context) -> tuple[datetime, str, str] | None:
    """Return what is due first: its instant, its kind, and the contract or import that it is about.

    At one instant grants come first, then charges (a grant may bring one), then usage, then imports that waited for
    their issue date, and thresholds last.
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
    for contract_id in store.checks_due.ids("")[:1]:
        check_at = store.contracts[contract_id].next_check_at
        if check_at is not None:
            found.append((check_at, 3, "check", contract_id))
    waiting = store.stored_drafts.ids("")[:1]
    found += [(store.invoices[invoice_id].issued_at, 2, "import", invoice_id) for invoice_id in waiting]
    if not found:
        return None
    instant, _, kind, identity = min(found)
    return instant, kind, identity


ChargesAhead = deque[tuple[datetime, list[Charge]]]
"""What the scheduled invoices of a contract bill that are not final yet, by their issue date."""


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


def _finalize_charges(
    context: Context, contract_id: ContractId, ahead: dict[ContractId, ChargesAhead]
) -> Invoice | None:
    """Store the scheduled invoice of the charges that one contract has at one instant in one currency.

    Args:
        ahead: What is known of each contract's charges; what is missing is added, what becomes final taken away.
    """
    store = context.store
    contract = store.contracts[contract_id]
    waiting = ahead.get(contract_id)
    if waiting is None:
        waiting = ahead[contract_id] = deque(scheduled_ahead(context, contract))
    known_until = horizon(contract)
    if known_until is not None and known_until <= context.now and (not waiting or known_until < waiting[0][0]):
        del ahead[contract_id]
        store.contracts.put(contract.id, looking_further(contract))
        reschedule(context, contract.id)
        return None
    final = None
    if waiting and waiting[0][0] <= context.now:
        issued_at, together = waiting.popleft()
        if all(charge.is_needed for charge in together):
            draws = any(charge.part is not None for charge in together)
            taken = taken_before(context, contract, issued_at) if draws else None
            invoice = scheduled_invoice(context, together, taken)
            final = store_invoice(context, msgspec.structs.replace(invoice, status=InvoiceStatus.FINALIZED))
            settle(context, together, final.id)
            if draws:  # what is left for other contracts, and what true-ups will bill, is less by now
                ahead.clear()
        else:
            for charge in together:
                fulfil(context, charge)
    note_next_charge(context, contract_id, waiting)
    return final


_FINALIZE = {"usage": _finalize_usage, "import": _finalize_import}


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
    passed = pass_time(context.at(after)) if _is_unchecked(context) else []
    passed += pass_time(context)
    granted = list(_segments(islice(balances.values(), known, None), after, context.now))
    return sorted(begun + passed + granted, key=lambda event: event.timestamp)
