"""What thresholds buy: checked at an instant, against drafts and balances as they are then.

Nothing here knows when it is called; ``services/passage.py`` does: whenever something changed, and at the instants at
which time alone changes what a threshold sees.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, InvoiceSchedule, InvoiceScheduleItem, Segment
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import BalanceId, ContractId, CreditTypeId, CustomerId, InvoiceId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceType
from metronome_sandbox.domain.payment_gates import WorkflowType
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.thresholds import A_YEAR, PrepaidThreshold, SpendThreshold, next_boundary, unpaid_spend
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import drafts_of
from metronome_sandbox.services.hierarchies import relatives
from metronome_sandbox.services.payment_gates import initiate, waiting_on
from metronome_sandbox.services.pricing import add_draws, fiat_credit_type
from metronome_sandbox.services.rollovers import as_it_stands

MAX_PURCHASES = 100
"""How many commits one contract may buy at one instant. Ours; the vendor states no bound."""


class Purchase(msgspec.Struct, frozen=True):
    """A threshold was reached and a commit was bought, or waits for its payment.

    Attributes:
        invoice_id: Of the invoice that waits; None when nothing waits.
    """

    timestamp: datetime
    customer_id: CustomerId
    contract_id: ContractId
    invoice_id: InvoiceId | None = None


def check_customer(context: Context, customer_id: CustomerId, instant: datetime) -> list[Purchase]:
    """Let the thresholds of a customer's contracts buy what they are due at ``instant``, inside of a transaction."""
    watched = list(context.store.watched.ids(customer_id))
    return [one for contract_id in watched for one in check_contract(context, contract_id, instant)]


def check_contract(context: Context, contract_id: ContractId, instant: datetime) -> list[Purchase]:
    """Let the thresholds of a contract buy what they are due at ``instant``, inside of an open transaction.

    Note also when time alone may change what they see.
    """
    found: list[Purchase] = []
    while len(found) < MAX_PURCHASES:
        then = context.at(instant)  # a new one each time, as its drafts do not follow an open transaction
        purchase = _bought(then, then.store.contracts[contract_id])
        if purchase is None:
            break
        found.append(purchase)
    _note_next_check(context, contract_id, instant)
    return found


def _note_next_check(context: Context, contract_id: ContractId, instant: datetime) -> None:
    store = context.store
    contract = store.contracts[contract_id]
    balances = (store.balances[balance_id] for balance_id in store.balances_of.ids(contract.customer_id))
    family = relatives(context, contract.customer_id)
    contracts = (store.contracts[other] for each in family for other in store.contracts_of.ids(each))
    others = [contract.starting_at, *(one.next_charge_at for one in contracts if one.next_charge_at is not None)]
    period = _period(context.at(instant), contract)
    if period is not None:
        others.append(period.ending_before)
    following = next_boundary(balances, others, instant)
    if following != contract.next_check_at:
        store.contracts.put(contract_id, msgspec.structs.replace(contract, next_check_at=following))


def _bought(context: Context, contract: Contract) -> Purchase | None:
    """Return what one of a contract's thresholds has just bought, or None when none is reached."""
    if context.now not in contract.period or not contract.is_watched:
        return None
    waiting = {workflow.type for workflow in waiting_on(context, contract.id)}
    spend, prepaid = contract.spend_threshold, contract.prepaid_threshold
    if spend is not None and spend.is_enabled and WorkflowType.SPEND not in waiting:
        purchase = _spend_purchase(context, contract, spend)
        if purchase is not None:
            return purchase
    if prepaid is not None and prepaid.is_enabled and WorkflowType.PREPAID_BALANCE not in waiting:
        return _recharge(context, contract, prepaid)
    return None


def _spend_purchase(context: Context, contract: Contract, threshold: SpendThreshold) -> Purchase | None:
    """Buy a commit for the unpaid usage of the current billing period, if it has reached the threshold.

    Assumed: the commit is worth all of that usage and can be spent in that billing period.  [A-spend-threshold]
    """
    draft = _current_draft(context, contract)
    if draft is None or draft.period is None:
        return None
    unpaid = unpaid_spend(draft)
    if unpaid < threshold.threshold_amount:
        return None
    unit = draft.credit_type_id
    return _buy(
        context, contract, threshold, WorkflowType.SPEND, unit, unpaid, draft.period, threshold.price_of(unpaid)
    )


def _recharge(context: Context, contract: Contract, threshold: PrepaidThreshold) -> Purchase | None:
    """Buy a commit that fills the balance up, if it has fallen to the threshold.

    Source: reference, pricing section 4.9: what is missing to the amount to recharge to, at the card's conversion.
    Assumed: an amount equal to the threshold recharges; all prepaid commits and credits in the unit count that the
    contract may spend now, drafts included; the commit can be spent from the start of the hour on.
    [A-prepaid-threshold]
    """
    unit = threshold.custom_credit_type_id or fiat_credit_type(context, contract)
    left = _watched_balance(context, contract, threshold, unit)
    if left > threshold.threshold_amount:
        return None
    amount = threshold.recharge_to_amount - left
    start = context.now.replace(minute=0, second=0, microsecond=0)
    end = (threshold.commit.duration or A_YEAR).after(start)
    worth = amount * _conversion(context, contract, threshold.custom_credit_type_id)
    access, price = BoundedPeriod(start, end), threshold.price_of(worth)
    return _buy(context, contract, threshold, WorkflowType.PREPAID_BALANCE, unit, amount, access, price)


def _current_draft(context: Context, contract: Contract) -> Invoice | None:
    for invoice in drafts_of(context, contract.customer_id):
        is_own = invoice.contract_id == contract.id and invoice.type is InvoiceType.USAGE and not invoice.sequence
        if is_own and invoice.period is not None and context.now in invoice.period:
            return invoice
    return None


def _period(context: Context, contract: Contract) -> BoundedPeriod | None:
    draft = _current_draft(context, contract)
    return None if draft is None else draft.period


def _watched_balance(context: Context, contract: Contract, threshold: PrepaidThreshold, unit: CreditTypeId) -> Decimal:
    store, now = context.store, context.now
    taken: dict[SegmentId, Decimal] = {}
    for customer_id in relatives(context, contract.customer_id):
        for invoice in drafts_of(context, customer_id):
            add_draws(taken, invoice.draws)
    total = ZERO
    for balance_id in store.balances_of.ids(contract.customer_id):
        balance = as_it_stands(context, store.balances[balance_id], taken)
        if balance.archived_at is not None or balance.credit_type_id != unit or not threshold.counts(balance):
            continue
        if not balance.is_open_to(contract.id):
            continue
        for segment in balance.segments:
            if now in segment.period:
                left = balance.worth(segment) - store.drawn.get(segment.id, ZERO) - taken.get(segment.id, ZERO)
                total += max(left, ZERO)
    return total


def _conversion(context: Context, contract: Contract, unit: CreditTypeId | None) -> Decimal:
    """Return what one of a unit is worth in the contract's currency; 1 of the currency itself."""
    card = None if contract.rate_card_id is None else context.store.rate_cards[contract.rate_card_id]
    conversions = () if card is None else card.conversions
    worth = (one.fiat_per_custom_credit for one in conversions if one.custom_credit_type_id == unit)
    return next(worth, ONE)


def _buy(
    context: Context,
    contract: Contract,
    threshold: SpendThreshold,
    kind: WorkflowType,
    unit: CreditTypeId,
    amount: Decimal,
    access: BoundedPeriod,
    price: Decimal,
) -> Purchase:
    """Add a commit to a contract, or begin its payment; its invoice follows as for any payment that is due."""
    store, now, terms = context.store, context.now, threshold.commit
    balance_id = BalanceId(context.ids.next("commit"))
    payment = InvoiceScheduleItem(context.ids.derived("payment", balance_id, "0"), now, price, ONE)
    segment_id = SegmentId(context.ids.derived("segment", balance_id, "0"))
    balance = Balance(
        id=balance_id,
        type=BalanceType.PREPAID,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        product_id=terms.product_id,
        credit_type_id=unit,
        segments=(Segment(segment_id, amount, access.starting_at, access.ending_before),),
        created_at=now,
        sequence=len(store.balances) + 1,
        name=terms.name or None,
        description=terms.description,
        priority=terms.priority,
        rate_type=terms.rate_type,
        invoice_schedule=InvoiceSchedule(fiat_credit_type(context, contract), (payment,)),
        invoice_contract_id=contract.id,
        applicable_product_ids=terms.applicable_product_ids,
        applicable_product_tags=terms.applicable_product_tags,
        specifiers=terms.specifiers,
        rollover_fraction=terms.rollover_fraction,
    )
    if threshold.gate.waits:
        workflow = initiate(context, contract, balance, kind)
        return Purchase(now, contract.customer_id, contract.id, workflow.invoice_id)
    store.balances.put(balance.id, balance)
    ids = (*contract.balance_ids, balance.id)
    store.contracts.put(contract.id, msgspec.structs.replace(contract, balance_ids=ids))
    reschedule(context, contract.id)
    return Purchase(now, contract.customer_id, contract.id)
