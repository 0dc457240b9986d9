"""Packages: made, read, archived, and turned into contracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.aliases import named_at, without_claim
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import AlreadyArchived, InvalidRequest, NotAllowedNow, NotFound, UniquenessKeyTaken
from metronome_sandbox.domain.ids import ContractId, CustomerId, PackageId, RateCardId
from metronome_sandbox.domain.packages import (
    BalanceTemplate,
    ChargeTemplate,
    Package,
    PackageAlias,
    PaymentsTemplate,
    PaymentTemplate,
    RecurringTemplate,
    SegmentTemplate,
    SubscriptionTemplate,
)
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.services import scheduled_charges
from metronome_sandbox.services.balances import NewBalance, NewPayments, NewSegment
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_terms import checked_overrides, with_subscriptions
from metronome_sandbox.services.contracts import (
    NewContract,
    NewStatementSchedule,
    create_contract,
    new_statement_schedule,
)
from metronome_sandbox.services.rate_cards import active_rate_card, rate_card_by_alias
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.subscriptions import NewSeats, NewSubscription
from metronome_sandbox.services.thresholds import with_thresholds
from metronome_sandbox.services.transitions import NewTransition


class ArchiveFilter(StrEnum):
    """Which packages a list shows. Source: operation ``listPackages-v1``."""

    ARCHIVED = "ARCHIVED"
    NOT_ARCHIVED = "NOT_ARCHIVED"
    ALL = "ALL"


class NewContractOnPackage(msgspec.Struct, frozen=True):
    """What ``createContract-v1`` asks for when the terms come from a package: an id or an alias, not both."""

    customer_id: CustomerId
    starting_at: datetime
    package_id: PackageId | None = None
    package_alias: str | None = None
    uniqueness_key: str | None = None
    transition: NewTransition | None = None
    custom_fields: dict[str, str] = {}


def create_package(context: Context, new: Package) -> Package:
    """Create a package. Its aliases are taken from the packages that hold them.

    Args:
        new: With empty ids, also of the templates.

    Raises:
        UniquenessKeyTaken: The key was used for another package.
        NotFound: It names a rate card, product or currency that does not exist.
        InvalidRequest: A contract made from it would break a rule.

    Source: operation ``createPackage-v1``.
    Assumed: its terms are held against the rules as those of a contract that starts now, on the card that
    ``rate_card_alias`` names now; contracts are held against them again.  [A-package-check]
    """
    store = context.store
    key = None if new.uniqueness_key is None else ("package", new.uniqueness_key)
    if key is not None and key in store.uniqueness_keys:
        raise UniquenessKeyTaken(key[1])
    for index, alias in enumerate(new.aliases):
        start, end = alias.starting_at, alias.ending_before
        if start is not None and end is not None and end <= start:
            raise InvalidRequest(
                f"aliases[{index}].ending_before", f"{end.isoformat()} is not after starting_at {start.isoformat()}"
            )
    _check_terms(context, new)
    with context.transaction():
        package_id = PackageId(context.ids.next("package"))
        for alias in new.aliases:
            _take_over(context, alias)
        package = _identified(context, msgspec.structs.replace(new, id=package_id, created_at=context.now))
        store.packages.put(package_id, package)
        if key is not None:
            store.uniqueness_keys.put(key, package_id)
    return package


def _check_terms(context: Context, new: Package) -> None:
    """Hold the terms of a package against the rules, on a contract that is never made."""
    start = context.now.replace(minute=0, second=0, microsecond=0)
    card_id = _rate_card_id(context, new, start)
    terms = _terms(new, CustomerId(""), start)
    trial = Contract(
        id=ContractId(""),
        customer_id=CustomerId(""),
        starting_at=start,
        ending_before=terms.ending_before,
        created_at=start,
        sequence=0,
        statement_schedule=new_statement_schedule(terms),
        generated_until=start,
        rate_card_id=card_id,
        prioritization=new.prioritization,
    )
    _check_starts(new, terms)
    trial, added = with_subscriptions(context, trial, terms.terms, "")
    checked_overrides(context, trial, added)
    with_thresholds(context, trial, new.spend_threshold, new.prepaid_threshold)
    scheduled_charges.with_charges(context, trial, terms.scheduled_charges, "scheduled_charges", "")


def _check_starts(new: Package, terms: NewContract) -> None:
    """Refuse a subscription that begins when the contract is over, and name the field that says so."""
    for index, (template, made) in enumerate(zip(new.subscriptions, terms.subscriptions, strict=True)):
        offset, start, end = template.starting_at_offset, made.starting_at, terms.ending_before
        if offset is not None and start is not None and end is not None and start >= end:
            raise InvalidRequest(
                f"subscriptions[{index}].starting_at_offset.value",
                f"{offset.value} {offset.unit} lead to the end of the contract or beyond; send less than its duration",
            )


def _rate_card_id(context: Context, new: Package, start: datetime) -> RateCardId | None:
    if new.rate_card_id is not None and new.rate_card_alias is not None:
        raise InvalidRequest("rate_card_alias", "cannot stand beside rate_card_id; send one of them")
    if new.rate_card_id is not None:
        return active_rate_card(context, new.rate_card_id, "rate_card_id").id
    if new.rate_card_alias is not None:
        return rate_card_by_alias(context, new.rate_card_alias, start).id
    return None


def _take_over(context: Context, alias: PackageAlias) -> None:
    """Take the time that a new alias claims from every package that holds the name."""
    packages = context.store.packages
    for package in list(packages.values()):
        if any(held.name == alias.name for held in package.aliases):
            left = without_claim(package.aliases, alias, context.now)
            packages.put(package.id, msgspec.structs.replace(package, aliases=left))


def _identified(context: Context, package: Package) -> Package:
    """Return the package with ids for its templates, which derive from its own."""

    def identity(kind: str, *parts: int) -> str:
        return context.ids.derived(kind, package.id, *(str(part) for part in parts))

    def payments(schedule: PaymentsTemplate, kind: str, index: int) -> PaymentsTemplate:
        items = tuple(
            msgspec.structs.replace(item, id=identity(f"{kind} payment", index, number))
            for number, item in enumerate(schedule.items)
        )
        return msgspec.structs.replace(schedule, items=items)

    def balances(templates: Sequence[BalanceTemplate], kind: str) -> tuple[BalanceTemplate, ...]:
        return tuple(
            msgspec.structs.replace(
                one,
                id=identity(kind, index),
                segments=tuple(
                    msgspec.structs.replace(item, id=identity(f"{kind} segment", index, number))
                    for number, item in enumerate(one.segments)
                ),
                payments=None if one.payments is None else payments(one.payments, kind, index),
            )
            for index, one in enumerate(templates)
        )

    def recurring(templates: Sequence[RecurringTemplate], kind: str) -> tuple[RecurringTemplate, ...]:
        return tuple(
            msgspec.structs.replace(one, terms=msgspec.structs.replace(one.terms, id=identity(kind, index)))
            for index, one in enumerate(templates)
        )

    return msgspec.structs.replace(
        package,
        commits=balances(package.commits, "commit template"),
        credits=balances(package.credits, "credit template"),
        recurring_commits=recurring(package.recurring_commits, "recurring commit template"),
        recurring_credits=recurring(package.recurring_credits, "recurring credit template"),
        overrides=tuple(
            msgspec.structs.replace(
                one, terms=msgspec.structs.replace(one.terms, id=identity("override template", index))
            )
            for index, one in enumerate(package.overrides)
        ),
        scheduled_charges=tuple(
            msgspec.structs.replace(
                one, id=identity("charge template", index), payments=payments(one.payments, "charge template", index)
            )
            for index, one in enumerate(package.scheduled_charges)
        ),
        subscriptions=tuple(
            msgspec.structs.replace(one, id=identity("subscription template", index))
            for index, one in enumerate(package.subscriptions)
        ),
    )


def get_package(context: Context, package_id: PackageId, path: str = "") -> Package:
    """Return a package, archived or not; ``path`` is that of the field that names it.

    Raises:
        NotFound: There is none.
    """
    package = context.store.packages.get(package_id)
    if package is None:
        raise NotFound("package", package_id, path)
    return package


def list_packages(context: Context, chosen: ArchiveFilter) -> list[Package]:
    """Return the packages of the tenant, oldest first."""
    return [
        package
        for package in context.store.packages.values()
        if chosen is ArchiveFilter.ALL or (package.archived_at is not None) is (chosen is ArchiveFilter.ARCHIVED)
    ]


def archive_package(context: Context, package_id: PackageId) -> Package:
    """Take a package off sale; contracts made from it stay as they are.

    Raises:
        NotFound: There is none.
        AlreadyArchived: It is archived already.
    """
    package = get_package(context, package_id)
    if package.archived_at is not None:
        raise AlreadyArchived("package_id", f"package {package_id} is already archived")
    with context.transaction():
        archived = msgspec.structs.replace(package, archived_at=context.now)
        context.store.packages.put(package_id, archived)
    return archived


def list_contracts_on_package(
    context: Context,
    package_id: PackageId,
    *,
    include_archived: bool = False,
    covering_date: datetime | None = None,
    starting_at: datetime | None = None,
) -> list[Contract]:
    """Return the contracts of all customers that were made from a package, by start, then creation.

    Args:
        covering_date: Only contracts in force then.
        starting_at: Only contracts that start then or later. Not together with ``covering_date``.

    Raises:
        NotFound: There is no such package.
    """
    get_package(context, package_id)
    if covering_date is not None and starting_at is not None:
        raise InvalidRequest("covering_date", "cannot stand beside starting_at; send one of them")
    store = context.store
    found = (store.contracts[contract_id] for contract_id in store.contracts_from.ids(package_id))
    return [
        contract
        for contract in found
        if (include_archived or contract.archived_at is None)
        and (covering_date is None or covering_date in contract.period)
        and (starting_at is None or contract.starting_at >= starting_at)
    ]


def create_contract_on_package(context: Context, new: NewContractOnPackage) -> Contract:
    """Create a contract with the terms of a package, its dates counted from the contract's start.

    Raises:
        NotFound: There is no such package, or no such customer.
        NotAllowedNow: The package is archived.
        InvalidRequest: No package holds the alias at the contract's start, or a rule for contracts is broken.

    Source: reference, pricing section 4.17.
    """
    package = _package_of(context, new)
    terms = _terms(package, new.customer_id, new.starting_at)
    return create_contract(
        context,
        msgspec.structs.replace(
            terms,
            uniqueness_key=new.uniqueness_key,
            transition=new.transition,
            custom_fields=new.custom_fields,
            package_id=package.id,
        ),
    )


def _package_of(context: Context, new: NewContractOnPackage) -> Package:
    """Return the package that a contract is made from.

    Assumed: an alias that no active package holds at the contract's start is answered with 400, as one of a rate card
    is.  [A-package-alias-unknown]
    """
    if new.package_id is not None and new.package_alias is not None:
        raise InvalidRequest("package_alias", "cannot stand beside package_id; send one of them")
    if new.package_id is not None:
        package = get_package(context, new.package_id, "package_id")
        if package.archived_at is not None:
            raise NotAllowedNow("package_id", f"package {package.id} is archived; name an active one")
        return package
    packages = context.store.packages.values()
    named = ((alias, package) for package in packages for alias in package.aliases if package.archived_at is None)
    found = named_at(named, new.package_alias or "", new.starting_at)
    if found is None:
        raise InvalidRequest(
            "package_alias", f"no package has the alias {new.package_alias!r} at {new.starting_at.isoformat()}"
        )
    return found


def _terms(package: Package, customer_id: CustomerId, start: datetime) -> NewContract:
    """Return the contract that a package makes from ``start`` on."""
    statements, duration = package.statements, package.duration
    offset = statements.generation_offset
    return NewContract(
        customer_id,
        start,
        None if duration is None else duration.after(start),
        package.contract_name,
        package.rate_card_id,
        package.rate_card_alias,
        statement_schedule=NewStatementSchedule(
            statements.frequency,
            statements.day,
            invoice_generation_starting_at=None if offset is None else offset.after(start),
        ),
        overrides=tuple(template.dated(start) for template in package.overrides),
        prioritization=package.prioritization,
        commits=tuple(_balance(template, start) for template in package.commits),
        credits=tuple(_balance(template, start) for template in package.credits),
        net_payment_terms_days=package.net_payment_terms_days,
        scheduled_charges=tuple(_charge(template, start) for template in package.scheduled_charges),
        charges_on_usage_invoices=package.charges_on_usage_invoices,
        spend_threshold=package.spend_threshold,
        prepaid_threshold=package.prepaid_threshold,
        recurring_commits=tuple(_recurring(template, start) for template in package.recurring_commits),
        recurring_credits=tuple(_recurring(template, start) for template in package.recurring_credits),
        subscriptions=tuple(_subscription(template, start) for template in package.subscriptions),
    )


def _balance(template: BalanceTemplate, start: datetime) -> NewBalance:
    return NewBalance(
        type=template.type,
        product_id=template.product_id,
        segments=tuple(_segment(item, start) for item in template.segments),
        credit_type_id=template.credit_type_id,
        name=template.name,
        description=template.description,
        priority=template.priority,
        rate_type=template.rate_type,
        payments=None if template.payments is None else _payments(template.payments, start),
        applicable_product_ids=template.applicable_product_ids,
        applicable_product_tags=template.applicable_product_tags,
        specifiers=template.specifiers,
        rollover_fraction=template.rollover_fraction,
        custom_fields=template.custom_fields,
        temporary_id=template.temporary_id,
    )


def _segment(template: SegmentTemplate, start: datetime) -> NewSegment:
    begins = template.starting_at_offset.after(start)
    return NewSegment(template.amount, begins, template.duration.after(begins))


def _payments(template: PaymentsTemplate, start: datetime) -> NewPayments:
    items = tuple(_payment(item, start) for item in template.items)
    return NewPayments(items, template.credit_type_id, template.do_not_invoice)


def _payment(template: PaymentTemplate, start: datetime) -> Payment:
    return Payment(template.date_offset.after(start), template.unit_price, template.quantity)


def _charge(template: ChargeTemplate, start: datetime) -> NewScheduledTerm:
    return NewScheduledTerm(
        template.product_id, _payments(template.payments, start), template.name, custom_fields=template.custom_fields
    )


def _recurring(template: RecurringTemplate, start: datetime) -> NewRecurring:
    return NewRecurring(template.dated(start), template.temporary_id)


def _subscription(template: SubscriptionTemplate, start: datetime) -> NewSubscription:
    offset, duration, key = template.starting_at_offset, template.duration, template.seat_group_key
    begins = None if offset is None else offset.after(start)
    return NewSubscription(
        product_id=template.product_id,
        frequency=template.frequency,
        collection=template.collection,
        quantity=template.quantity,
        seats=None if key is None else NewSeats(key, unassigned=template.unassigned_seats),
        management=template.management,
        starting_at=begins,
        ending_before=None if duration is None else duration.after(begins or start),
        is_prorated=template.is_prorated,
        increase_billing=template.increase_billing,
        rounding=template.rounding,
        placement=template.placement,
        name=template.name,
        description=template.description,
        custom_fields=template.custom_fields,
        temporary_id=template.temporary_id,
    )
