"""Contracts: created with their terms, read, ended and archived."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile

import msgspec

from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.contract_history import ContractEdit
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import ContractNotFound, InvalidRequest, NotAllowedNow, UniquenessKeyTaken
from metronome_sandbox.domain.ids import ContractId, CustomerId, PackageId, RateCardId
from metronome_sandbox.domain.invoices import InvoiceStatus
from metronome_sandbox.domain.overrides import Override, Prioritization, in_force, is_entitled, overridden, winner
from metronome_sandbox.domain.periods import (
    Frequency,
    Period,
    StatementDay,
    StatementSchedule,
    billing_periods,
    require_hour,
    statement_anchor,
)
from metronome_sandbox.domain.rate_cards import Price, Rate, RateCard, RateKey
from metronome_sandbox.domain.reseller_royalties import RoyaltyChange
from metronome_sandbox.domain.scheduled_charges import ProfessionalService
from metronome_sandbox.domain.targeting import Target
from metronome_sandbox.domain.thresholds import PrepaidThreshold, SpendThreshold
from metronome_sandbox.services.balances import NewBalance
from metronome_sandbox.services.charges import reschedule, reschedule_true_ups
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_ends import balances_on, check_end, invoices_on, set_end
from metronome_sandbox.services.contract_history import record, remember
from metronome_sandbox.services.contract_terms import NewTerms, with_terms
from metronome_sandbox.services.customers import active_customer, get_customer
from metronome_sandbox.services.hierarchies import NewHierarchy, check_hierarchy
from metronome_sandbox.services.passage import catch_up
from metronome_sandbox.services.payment_gates import fail, waiting_on
from metronome_sandbox.services.rate_cards import active_rate_card, rate_card_by_alias
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.subscriptions import NewSubscription
from metronome_sandbox.services.thresholds import with_thresholds
from metronome_sandbox.services.transitions import NewTransition, follow
from metronome_sandbox.services.usage_filters import NewUsageFilter, with_usage_filter

MAX_PAST_PERIODS = 1200
"""How many usage invoices one new contract may bring at once. Ours; the vendor states no bound."""


class NewStatementSchedule(msgspec.Struct, frozen=True):
    """``usage_statement_schedule`` of a request; the default is monthly on the first."""

    frequency: Frequency = Frequency.MONTHLY
    day: StatementDay = StatementDay.FIRST_OF_MONTH
    billing_anchor_date: datetime | None = None
    invoice_generation_starting_at: datetime | None = None


class NewContract(msgspec.Struct, frozen=True):
    """What ``createContract-v1`` asks for.

    Attributes:
        overrides: With empty ids; commits of the same request are named by their temporary ids.
        usage_filter: Without a start it holds from the contract's start on.
        package_id: The package that the terms came from.
    """

    customer_id: CustomerId
    starting_at: datetime
    ending_before: datetime | None = None
    name: str | None = None
    rate_card_id: RateCardId | None = None
    rate_card_alias: str | None = None
    uniqueness_key: str | None = None
    statement_schedule: NewStatementSchedule = NewStatementSchedule()
    overrides: tuple[Override, ...] = ()
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    commits: tuple[NewBalance, ...] = ()
    credits: tuple[NewBalance, ...] = ()
    net_payment_terms_days: Decimal | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    scheduled_charges: tuple[NewScheduledTerm, ...] = ()
    charges_on_usage_invoices: bool = False
    discounts: tuple[NewScheduledTerm, ...] = ()
    professional_services: tuple[ProfessionalService, ...] = ()
    reseller_royalties: tuple[RoyaltyChange, ...] = ()
    usage_filter: NewUsageFilter | None = None
    transition: NewTransition | None = None
    recurring_commits: tuple[NewRecurring, ...] = ()
    recurring_credits: tuple[NewRecurring, ...] = ()
    package_id: PackageId | None = None
    subscriptions: tuple[NewSubscription, ...] = ()
    hierarchy: NewHierarchy = NewHierarchy()
    spend_threshold: SpendThreshold | None = None
    prepaid_threshold: PrepaidThreshold | None = None

    @property
    def terms(self) -> NewTerms:
        """What an edit could have added as well."""
        return NewTerms(
            self.commits,
            self.credits,
            self.overrides,
            self.scheduled_charges,
            self.discounts,
            self.professional_services,
            self.reseller_royalties,
            self.recurring_commits,
            self.recurring_credits,
            self.subscriptions,
        )


def create_contract(context: Context, new: NewContract) -> Contract:
    """Create a contract with its commits, credits and overrides.

    Usage invoices of periods that are over already come into being at once and are final; periods before
    ``invoice_generation_starting_at`` get none and wait for an import.

    Raises:
        CustomerNotFound, NotFound: It names a customer, rate card or product that does not exist.
        UniquenessKeyTaken: The key was used for another contract.
        InvalidRequest: A rule of the reference (pricing, section 6.3) is broken.
    """
    active_customer(context, new.customer_id, "customer_id")
    store = context.store
    if new.uniqueness_key is not None and ("contract", new.uniqueness_key) in store.uniqueness_keys:
        raise UniquenessKeyTaken(new.uniqueness_key)
    _check_dates(new)
    card = _rate_card(context, new)
    schedule = new_statement_schedule(new)
    _check_number_of_periods(context, new, schedule)
    during, follows = Period(new.starting_at, new.ending_before), new.transition
    replaces = None if follows is None else follows.from_contract_id
    check_hierarchy(context, new.customer_id, new.hierarchy, during, replaces)
    with context.transaction():
        contract_id = ContractId(context.ids.next("contract"))
        contract = Contract(
            id=contract_id,
            customer_id=new.customer_id,
            starting_at=new.starting_at,
            ending_before=new.ending_before,
            created_at=context.now,
            sequence=len(store.contracts) + 1,
            statement_schedule=schedule,
            generated_until=new.starting_at,
            name=new.name,
            rate_card_id=card.id if card is not None else None,
            prioritization=new.prioritization,
            net_payment_terms_days=new.net_payment_terms_days,
            uniqueness_key=new.uniqueness_key,
            custom_fields=new.custom_fields,
            netsuite_sales_order_id=new.netsuite_sales_order_id,
            salesforce_opportunity_id=new.salesforce_opportunity_id,
            total_contract_value=new.total_contract_value,
            charges_on_usage_invoices=new.charges_on_usage_invoices,
            package_id=new.package_id,
            child_of=new.hierarchy.child_of,
            invoice_consolidation=new.hierarchy.invoice_consolidation,
        )
        first = max(new.starting_at, schedule.generation_starting_at or new.starting_at)
        contract = with_terms(context, contract.with_generated_until(first), new.terms, contract_id)
        if new.usage_filter is not None:
            contract = with_usage_filter(context, contract, new.usage_filter, "usage_filter.")
        contract = with_thresholds(context, contract, new.spend_threshold, new.prepaid_threshold)
        store.contracts.put(contract_id, contract)
        if new.uniqueness_key is not None:
            store.uniqueness_keys.put(("contract", new.uniqueness_key), contract_id)
        if new.transition is not None:
            follow(context, contract, new.transition)
        reschedule(context, contract_id)
        catch_up(context)
    return store.contracts[contract_id]


def _check_dates(new: NewContract) -> None:
    require_hour(new.starting_at, "starting_at")
    if new.ending_before is not None:
        require_hour(new.ending_before, "ending_before")
        if new.ending_before <= new.starting_at:
            raise InvalidRequest(
                "ending_before",
                f"{new.ending_before.isoformat()} is not after starting_at {new.starting_at.isoformat()}",
            )


def _rate_card(context: Context, new: NewContract) -> RateCard | None:
    """Return the card that the contract is priced from; None prices nothing.

    Assumed: an id and an alias together are refused (question 21).  [A-rate-card-alias]
    """
    if new.rate_card_id is not None and new.rate_card_alias is not None:
        raise InvalidRequest("rate_card_alias", "cannot stand beside rate_card_id; send one of them")
    if new.rate_card_id is not None:
        return active_rate_card(context, new.rate_card_id, "rate_card_id")
    if new.rate_card_alias is not None:
        return rate_card_by_alias(context, new.rate_card_alias, new.starting_at)
    return None


def new_statement_schedule(new: NewContract) -> StatementSchedule:
    """Return when the usage invoices of a new contract are cut.

    Raises:
        InvalidRequest: CUSTOM_DATE comes without its date, or the first generated invoice lies before the contract.
    """
    given = new.statement_schedule
    path = "usage_statement_schedule"
    if given.day is StatementDay.CUSTOM_DATE:
        if given.billing_anchor_date is None:
            raise InvalidRequest(f"{path}.billing_anchor_date", "is missing; day CUSTOM_DATE needs it")
        anchor = require_hour(given.billing_anchor_date, f"{path}.billing_anchor_date")
    else:
        anchor = statement_anchor(given.frequency, given.day, new.starting_at)
    start = given.invoice_generation_starting_at
    if start is not None:
        require_hour(start, f"{path}.invoice_generation_starting_at")
        if start < new.starting_at:
            raise InvalidRequest(
                f"{path}.invoice_generation_starting_at",
                f"{start.isoformat()} is before the contract's starting_at {new.starting_at.isoformat()}",
            )
    return StatementSchedule(given.frequency, anchor, start)


def _check_number_of_periods(context: Context, new: NewContract, schedule: StatementSchedule) -> None:
    start = schedule.generation_starting_at or new.starting_at
    value = Contract(
        ContractId(""), new.customer_id, new.starting_at, start, 0, schedule, start, None, new.ending_before
    )
    now = context.now
    past = takewhile(lambda period: period.starting_at <= now, billing_periods(schedule, value.period, start))
    if next(islice(past, MAX_PAST_PERIODS, None), None) is not None:
        raise InvalidRequest(
            "starting_at",
            f"{new.starting_at.isoformat()} would bring more than {MAX_PAST_PERIODS} usage invoices at once; "
            "send a later usage_statement_schedule.invoice_generation_starting_at",
        )


def get_contract(context: Context, customer_id: CustomerId, contract_id: ContractId) -> Contract:
    """Return a contract of a customer, archived or not.

    Raises:
        CustomerNotFound, ContractNotFound: There is none; also when it is another customer's.
    """
    get_customer(context, customer_id, "customer_id")
    contract = context.store.contracts.get(contract_id)
    if contract is None or contract.customer_id != customer_id:
        raise ContractNotFound(contract_id, "contract_id")
    return contract


def list_contracts(
    context: Context,
    customer_id: CustomerId,
    *,
    include_archived: bool = False,
    covering_date: datetime | None = None,
    starting_at: datetime | None = None,
) -> list[Contract]:
    """Return a customer's contracts by start, then creation (question 39).

    Args:
        covering_date: Only contracts in force then.
        starting_at: Only contracts that start then or later. Not together with ``covering_date``.
    """
    get_customer(context, customer_id)
    if covering_date is not None and starting_at is not None:
        raise InvalidRequest("covering_date", "cannot stand beside starting_at; send one of them")
    store = context.store
    found = [
        contract
        for contract in (store.contracts[contract_id] for contract_id in store.contracts_of.ids(customer_id))
        if (include_archived or contract.archived_at is None)
        and (covering_date is None or covering_date in contract.period)
        and (starting_at is None or contract.starting_at >= starting_at)
    ]
    return sorted(found, key=lambda contract: (contract.starting_at, contract.sequence))


def update_contract_end_date(
    context: Context,
    customer_id: CustomerId,
    contract_id: ContractId,
    ending_before: datetime | None,
    *,
    allow_ending_before_finalized_invoice: bool = True,
) -> Contract:
    """Set, move or clear the end of a contract.

    Earlier cuts the draft and the access to the contract's own balances, and drops the payments that its invoices would
    carry afterwards; later brings none of those back.

    Raises:
        InvalidRequest: The end is not after the start, or before a finalized invoice's end although that was excluded.

    Source: operation ``updateContractEndDate-v1`` and reference, pricing section 4.23.
    """
    contract = active_contract(context, customer_id, contract_id)
    check_end(
        context, contract, ending_before, "ending_before", allow_inside_finalized=allow_ending_before_finalized_invoice
    )
    with context.transaction():
        edit_id = context.ids.next("contract edit")
        remember(context, contract)
        set_end(context, contract, ending_before)
        record(context, contract.id, ContractEdit(id=edit_id, timestamp=context.now, ending_before=ending_before))
        catch_up(context)
    return context.store.contracts[contract.id]


def active_contract(context: Context, customer_id: CustomerId, contract_id: ContractId) -> Contract:
    """Return a contract of a customer that can be changed.

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
        NotAllowedNow: It is archived.
    """
    contract = get_contract(context, customer_id, contract_id)
    if contract.archived_at is not None:
        raise NotAllowedNow("contract_id", f"contract {contract_id} is archived; it can be read and no longer changed")
    return contract


def archive_contract(
    context: Context, customer_id: CustomerId, contract_id: ContractId, *, void_invoices: bool
) -> Contract:
    """End and archive a contract with its balances; drafts vanish, finalized invoices only with ``void_invoices``.

    Assumed: a payment that still waits fails, so its invoice is void in any case.  [A-archive-waiting-payment]

    Raises:
        NotAllowedNow: It is archived already (question 25).
    """
    contract = active_contract(context, customer_id, contract_id)
    with context.transaction():
        _archive(context, contract, void_invoices=void_invoices)
    return context.store.contracts[contract.id]


def _archive(context: Context, contract: Contract, *, void_invoices: bool) -> None:
    store, now = context.store, context.now
    remember(context, contract)
    store.contracts.put(contract.id, msgspec.structs.replace(contract, archived_at=now))
    for balance in balances_on(context, contract):
        if balance.archived_at is None and balance.contract_id == contract.id:
            store.balances.put(balance.id, msgspec.structs.replace(balance, archived_at=now))
    for invoice in invoices_on(context, contract):
        is_draft = invoice.status is InvoiceStatus.DRAFT
        if is_draft or (void_invoices and invoice.status is InvoiceStatus.FINALIZED):
            store.invoices.put(invoice.id, msgspec.structs.replace(invoice, status=InvoiceStatus.VOID))
    for workflow in waiting_on(context, contract.id):
        fail(context, workflow)
    reschedule_true_ups(context, contract.customer_id)


def archive_customer(context: Context, customer_id: CustomerId) -> None:
    """Archive a customer with all contracts as of now, and void their invoices. Aliases stay taken.

    Raises:
        CustomerNotFound: There is none.
        NotAllowedNow: It is archived already.

    Source: operation ``archiveCustomer-v1``.
    """
    customer = active_customer(context, customer_id, "id")
    store, now = context.store, context.now
    with context.transaction():
        store.customers.put(customer_id, msgspec.structs.replace(customer, archived_at=now, updated_at=now))
        for contract_id in store.contracts_of.ids(customer_id):
            contract = store.contracts[contract_id]
            if contract.archived_at is None:
                _archive(context, contract, void_invoices=True)
        for balance_id in store.balances_of.ids(customer_id):
            balance = store.balances[balance_id]
            if balance.archived_at is None:
                store.balances.put(balance_id, msgspec.structs.replace(balance, archived_at=now))


class ContractRate(msgspec.Struct, frozen=True):
    """A rate as a contract sees it at an instant. Source: schema ``ContractRateSchedule``.

    Attributes:
        override: The price after the winning contract-level override; None when none applies.
    """

    rate_card_id: RateCardId
    product: Product
    key: RateKey
    rate: Rate
    starting_at: datetime
    ending_before: datetime | None
    override: Price | None


def get_contract_rate_schedule(
    context: Context, customer_id: CustomerId, contract_id: ContractId, at: datetime
) -> list[ContractRate]:
    """Return the entitled rates of a contract at ``at``, in the order of products on its card.

    Assumed: overrides for commits or presentation values have no place in this shape and are left out; a stretch ends
    where the rate or an override that concerns it changes.  [A-contract-rate-schedule]
    """
    contract = get_contract(context, customer_id, contract_id)
    store = context.store
    card = store.rate_cards.get(contract.rate_card_id) if contract.rate_card_id is not None else None
    if card is None:
        return []
    found: list[ContractRate] = []
    place = {product_id: number for number, product_id in enumerate(card.product_ids)}
    for key in sorted(store.rate_keys.ids(card.id), key=lambda key: place[key.product_id]):
        segment = next(
            (item for item in store.rate_schedules[key].segments if _holds(item.starting_at, item.ending_before, at)),
            None,
        )
        if segment is None:
            continue
        product = store.products[key.product_id].at(at)
        target = Target(product, key.pricing_group_values, billing_frequency=key.billing_frequency)
        concerned = [item for item in contract.overrides if not item.is_commit_specific and item.concerns(target)]
        applying = in_force(concerned, target, at)
        if not is_entitled(applying, segment.rate.is_entitled):
            continue
        chosen = winner(applying, contract.prioritization)
        edges = [edge for item in concerned for edge in (item.starting_at, item.ending_before) if edge is not None]
        ends = [segment.ending_before] if segment.ending_before is not None else []
        found.append(
            ContractRate(
                card.id,
                product,
                key,
                segment.rate,
                max([segment.starting_at, *(edge for edge in edges if edge <= at)]),
                min([*ends, *(edge for edge in edges if edge > at)], default=None),
                None if chosen is None else overridden(segment.rate.price, chosen),
            )
        )
    return found


def _holds(starting_at: datetime, ending_before: datetime | None, instant: datetime) -> bool:
    return starting_at <= instant and (ending_before is None or instant < ending_before)
