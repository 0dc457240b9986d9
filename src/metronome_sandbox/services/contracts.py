"""Contracts: created with their terms, read, ended and archived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import (
    ContractNotFound,
    InvalidRequest,
    NotAllowedNow,
    NotFound,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CustomerId,
    GroupValues,
    OverrideId,
    ProductId,
    RateCardId,
)
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.overrides import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideType,
    Prioritization,
    in_force,
    is_entitled,
    overridden,
    winner,
)
from metronome_sandbox.domain.periods import (
    Frequency,
    StatementDay,
    StatementSchedule,
    billing_periods,
    require_hour,
    statement_anchor,
)
from metronome_sandbox.domain.rate_cards import Price, Rate, RateCard, RateKey
from metronome_sandbox.domain.targeting import Target
from metronome_sandbox.services import balances
from metronome_sandbox.services.balances import NewBalance
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.customers import active_customer, get_customer
from metronome_sandbox.services.passage import catch_up
from metronome_sandbox.services.rate_cards import active_rate_card, rate_card_by_alias

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
    schedule = _statement_schedule(new)
    _check_number_of_periods(context, new, schedule)
    _check_balances(context, new)
    for index, override in enumerate(new.overrides):
        with _errors_below(f"overrides[{index}]"):
            _check_override(context, new, card, override)
    with context.transaction():
        contract_id = ContractId(context.ids.next("contract"))
        made: list[Balance] = []
        temporary_ids: dict[str, BalanceId] = {}
        for item in (*new.commits, *new.credits):
            balance = balances.make(context, item, new.customer_id, contract_id)
            store.balances.put(balance.id, balance)
            made.append(balance)
            if item.temporary_id is not None:
                temporary_ids[item.temporary_id] = balance.id
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
            overrides=tuple(_numbered(context, contract_id, new.overrides, temporary_ids)),
            prioritization=new.prioritization,
            balance_ids=tuple(balance.id for balance in made),
            net_payment_terms_days=new.net_payment_terms_days,
            uniqueness_key=new.uniqueness_key,
            custom_fields=new.custom_fields,
            netsuite_sales_order_id=new.netsuite_sales_order_id,
            salesforce_opportunity_id=new.salesforce_opportunity_id,
            total_contract_value=new.total_contract_value,
        )
        first = max(new.starting_at, schedule.generation_starting_at or new.starting_at)
        store.contracts.put(contract_id, contract.with_generated_until(first))
        if new.uniqueness_key is not None:
            store.uniqueness_keys.put(("contract", new.uniqueness_key), contract_id)
        reschedule(context, contract_id)
        catch_up(context)
    return store.contracts[contract_id]


@contextmanager
def _errors_below(path: str) -> Iterator[None]:
    """Let errors whose paths are relative to ``path`` name the whole path."""
    try:
        yield
    except InvalidRequest as error:
        raise error.below(path) from None


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


def _statement_schedule(new: NewContract) -> StatementSchedule:
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


def _check_balances(context: Context, new: NewContract) -> None:
    names: set[str] = set()
    for field, items in (("commits", new.commits), ("credits", new.credits)):
        for index, item in enumerate(items):
            with _errors_below(f"{field}[{index}]"):
                balances.check(context, item)
            if item.temporary_id is not None:
                if item.temporary_id in names:
                    raise InvalidRequest(f"{field}[{index}].temporary_id", f"{item.temporary_id!r} is used twice")
                names.add(item.temporary_id)


def _check_override(context: Context, new: NewContract, card: RateCard | None, override: Override) -> None:
    """Hold an override against the rules of the reference (pricing, section 6.3). Paths are relative to it."""
    if override.ending_before is not None and override.ending_before <= override.starting_at:
        raise InvalidRequest("ending_before", f"{override.ending_before.isoformat()} is not after starting_at")
    for field in ("starting_at", "ending_before"):
        instant = getattr(override, field)
        if instant is not None:
            require_hour(instant, field)
    if override.specifiers and (override.product_id is not None or override.applicable_product_tags):
        raise InvalidRequest("override_specifiers", "cannot stand beside product_id or applicable_product_tags")
    if override.type is None and override.entitled is None:
        raise InvalidRequest("type", "is missing; an override changes a price (type) or the availability (entitled)")
    if override.target is OverrideTarget.COMMIT_RATE and not override.is_commit_specific:
        raise InvalidRequest("target", "COMMIT_RATE needs is_commit_specific: true")
    _check_commit_names(context, new, override)
    _check_price_change(new, override)
    _check_products(context, card, override)


def _check_commit_names(context: Context, new: NewContract, override: Override) -> None:
    names = {item.temporary_id for item in (*new.commits, *new.credits)}
    for index, specifier in enumerate(override.specifiers):
        for name in specifier.balance_ids:
            path = f"override_specifiers[{index}].commit_ids"
            if not override.is_commit_specific:
                raise InvalidRequest(path, "needs is_commit_specific: true")
            known = context.store.balances.get(name)
            if name not in names and (known is None or known.customer_id != new.customer_id):
                raise InvalidRequest(
                    path, f"{name!r} is neither a temporary_id of this request nor a commit or credit of the customer"
                )


def _check_price_change(new: NewContract, override: Override) -> None:
    is_explicit = new.prioritization is Prioritization.EXPLICIT
    if override.type is OverrideType.OVERWRITE:
        if override.overwrite_price is None:
            raise InvalidRequest("overwrite_rate", "is missing; type OVERWRITE needs it")
        if override.applicable_product_tags or any(item.target.product_tags for item in override.specifiers):
            raise InvalidRequest("applicable_product_tags", "cannot choose what an OVERWRITE changes; name the product")
    if override.type is OverrideType.MULTIPLIER and override.multiplier is None:
        raise InvalidRequest("multiplier", "is missing; type MULTIPLIER needs it")
    if override.multiplier is not None and override.multiplier < 0:
        raise InvalidRequest("multiplier", f"{override.multiplier} is less than 0")
    if override.type is OverrideType.TIERED:
        if not is_explicit:
            raise InvalidRequest("type", "TIERED needs multiplier_override_prioritization EXPLICIT on the contract")
        if not override.tiers:
            raise InvalidRequest("tiers", "is missing; type TIERED needs at least one")
    needs_priority = override.type is OverrideType.TIERED or (is_explicit and override.type is OverrideType.MULTIPLIER)
    if needs_priority and (override.priority is None or override.priority <= 0):
        raise InvalidRequest("priority", f"{override.priority} is not above 0; EXPLICIT prioritization needs one")


def _check_products(context: Context, card: RateCard | None, override: Override) -> None:
    """Every named product must exist and be on the contract's card."""
    on_card = set(card.product_ids) if card is not None else set()
    named: list[tuple[str, ProductId, GroupValues]] = []
    if override.product_id is not None:
        named.append(("product_id", override.product_id, ()))
    named += [
        (f"override_specifiers[{index}].product_id", item.target.product_id, item.target.pricing_group_values)
        for index, item in enumerate(override.specifiers)
        if item.target.product_id is not None
    ]
    for path, product_id, values in named:
        product = context.store.products.get(product_id)
        if product is None:
            raise NotFound("product", product_id)
        if product_id not in on_card:
            raise InvalidRequest(
                path, f"No such product in rate card: {product_id} ({product.name}) has no rate on the contract's card"
            )
        if override.type is OverrideType.OVERWRITE and _lacks_a_key(product, values):
            raise InvalidRequest(
                path.replace("product_id", "pricing_group_values"),
                f"must name every key of {list(product.pricing_group_key)} to OVERWRITE a dimensional price",
            )


def _lacks_a_key(product: Product, values: GroupValues) -> bool:
    return {key for key, _ in values} != set(product.pricing_group_key)


def _numbered(
    context: Context, contract_id: ContractId, overrides: Sequence[Override], names: Mapping[str, BalanceId]
) -> list[Override]:
    """Return overrides with ids, temporary ids replaced by those of the commits that were made."""
    return [
        msgspec.structs.replace(
            override,
            id=OverrideId(context.ids.derived("override", contract_id, str(index))),
            created_at=context.now,
            specifiers=tuple(_named(specifier, names) for specifier in override.specifiers),
        )
        for index, override in enumerate(overrides)
    ]


def _named(specifier: OverrideSpecifier, names: Mapping[str, BalanceId]) -> OverrideSpecifier:
    ids = tuple(names.get(name, name) for name in specifier.balance_ids)
    return msgspec.structs.replace(specifier, balance_ids=ids)


def get_contract(context: Context, customer_id: CustomerId, contract_id: ContractId) -> Contract:
    """Return a contract of a customer, archived or not.

    Raises:
        CustomerNotFound, ContractNotFound: There is none; also when it is another customer's.
    """
    get_customer(context, customer_id)
    contract = context.store.contracts.get(contract_id)
    if contract is None or contract.customer_id != customer_id:
        raise ContractNotFound(contract_id)
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
    contract = _active_contract(context, customer_id, contract_id)
    store = context.store
    if ending_before is not None:
        require_hour(ending_before, "ending_before")
        if ending_before <= contract.starting_at:
            raise InvalidRequest(
                "ending_before",
                f"{ending_before.isoformat()} is not after the contract's start, {contract.starting_at.isoformat()}",
            )
        if not allow_ending_before_finalized_invoice:
            _refuse_end_inside_finalized(context, contract, ending_before)
    with context.transaction():
        changed = msgspec.structs.replace(contract, ending_before=ending_before)
        store.contracts.put(contract.id, changed.with_generated_until(contract.generated_until))
        if ending_before is not None:
            for balance in _balances_on(context, contract):
                kept = _ending(context, balance, ending_before) if balance.contract_id == contract.id else balance
                store.balances.put(balance.id, _without_payments_from(context, kept, ending_before))
            reschedule(context, contract.id)
        catch_up(context)
    return store.contracts[contract.id]


def _active_contract(context: Context, customer_id: CustomerId, contract_id: ContractId) -> Contract:
    contract = get_contract(context, customer_id, contract_id)
    if contract.archived_at is not None:
        raise NotAllowedNow("contract_id", f"contract {contract_id} is archived; it can be read and no longer changed")
    return contract


def _refuse_end_inside_finalized(context: Context, contract: Contract, ending_before: datetime) -> None:
    for invoice in _invoices_on(context, contract):
        ends_later = invoice.period is not None and invoice.period.ending_before > ending_before
        if invoice.status is InvoiceStatus.FINALIZED and ends_later and invoice.period is not None:
            raise InvalidRequest(
                "ending_before",
                f"{ending_before.isoformat()} is before the end of finalized invoice {invoice.id} "
                f"({invoice.period.ending_before.isoformat()}); void it first or allow it",
            )


def _balances_on(context: Context, contract: Contract) -> list[Balance]:
    """Return the commits and credits of a contract, and those of the customer that are paid on its invoices."""
    store = context.store
    found = (store.balances[balance_id] for balance_id in store.balances_of.ids(contract.customer_id))
    return [balance for balance in found if contract.id in (balance.contract_id, balance.invoice_contract_id)]


def _ending(context: Context, balance: Balance, instant: datetime) -> Balance:
    """Return a balance whose access ends at ``instant`` at the latest.

    Assumed: a segment that would start later goes, unless an invoice drew on it.  [A-early-end]
    """
    drawn = context.store.drawn
    segments = tuple(
        msgspec.structs.replace(segment, ending_before=min(segment.ending_before, instant))
        if segment.starting_at < instant
        else segment
        for segment in balance.segments
        if segment.starting_at < instant or drawn.get(segment.id, ZERO)
    )
    return msgspec.structs.replace(balance, segments=segments)


def _without_payments_from(context: Context, balance: Balance, instant: datetime) -> Balance:
    """Return a balance whose payments are made before ``instant`` or not at all; those on an invoice already stay."""
    schedule = balance.invoice_schedule
    if schedule is None:
        return balance
    settled = context.store.settled
    items = tuple(item for item in schedule.items if item.timestamp < instant or item.id in settled)
    return msgspec.structs.replace(balance, invoice_schedule=msgspec.structs.replace(schedule, items=items))


def _invoices_on(context: Context, contract: Contract) -> list[Invoice]:
    store = context.store
    return [store.invoices[invoice_id] for invoice_id in store.invoices_on.ids(contract.id)]


def archive_contract(
    context: Context, customer_id: CustomerId, contract_id: ContractId, *, void_invoices: bool
) -> Contract:
    """End and archive a contract with its balances; drafts vanish, finalized invoices only with ``void_invoices``.

    Raises:
        NotAllowedNow: It is archived already (question 25).
    """
    contract = _active_contract(context, customer_id, contract_id)
    with context.transaction():
        _archive(context, contract, void_invoices=void_invoices)
    return context.store.contracts[contract.id]


def _archive(context: Context, contract: Contract, *, void_invoices: bool) -> None:
    store, now = context.store, context.now
    store.contracts.put(contract.id, msgspec.structs.replace(contract, archived_at=now))
    for balance in _balances_on(context, contract):
        if balance.archived_at is None and balance.contract_id == contract.id:
            store.balances.put(balance.id, msgspec.structs.replace(balance, archived_at=now))
    for invoice in _invoices_on(context, contract):
        is_draft = invoice.status is InvoiceStatus.DRAFT
        if is_draft or (void_invoices and invoice.status is InvoiceStatus.FINALIZED):
            store.invoices.put(invoice.id, msgspec.structs.replace(invoice, status=InvoiceStatus.VOID))


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
        product = store.products[key.product_id]
        target = Target(product, key.pricing_group_values)
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
