"""Contracts on the wire: one request shape, and the two answers that v1 and v2 give of one value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from metronome_sandbox.api.wire import balances as balances_wire
from metronome_sandbox.api.wire.balances import BalanceInput, new_balance
from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    group_map,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.contract_terms import (
    ProfessionalServiceInput,
    RoyaltyInput,
    ScheduledTermInput,
    UsageFilterInput,
    new_scheduled_terms,
    new_services,
    new_usage_filter,
    render_royalties_by_type,
    render_royalty,
    render_scheduled_charge,
    render_scheduled_term,
    render_service,
    render_transition,
    render_usage_filter_history,
    render_usage_filters,
    royalty_changes,
)
from metronome_sandbox.api.wire.hierarchies import HierarchyInput, new_hierarchy, render_hierarchy
from metronome_sandbox.api.wire.overrides import OverrideInput, new_override, render_override
from metronome_sandbox.api.wire.prices import render_price, render_rate
from metronome_sandbox.api.wire.rate_schedules import WireTaggedSelector
from metronome_sandbox.api.wire.recurring import RecurringInput, new_recurring, render_recurring
from metronome_sandbox.api.wire.subscriptions import SubscriptionInput, new_subscriptions, render_subscriptions
from metronome_sandbox.api.wire.thresholds import (
    PrepaidInput,
    SpendInput,
    new_prepaid,
    new_spend,
    render_prepaid,
    render_spend,
)
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.contract_history import Amendment
from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import (
    ContractId,
    CustomerId,
    PackageId,
    RateCardId,
)
from metronome_sandbox.domain.overrides import (
    Prioritization,
)
from metronome_sandbox.domain.periods import Frequency, StatementDay
from metronome_sandbox.domain.reseller_royalties import RoyaltyChange
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_history import history_of, own_balances
from metronome_sandbox.services.contracts import ContractRate, NewContract, NewStatementSchedule
from metronome_sandbox.services.hierarchies import NewHierarchy
from metronome_sandbox.services.packages import NewContractOnPackage
from metronome_sandbox.services.transitions import NewTransition
from metronome_sandbox.store.interface import Store


class ScheduleInput(WireType):
    """``usage_statement_schedule``."""

    frequency: str
    day: str = "FIRST_OF_MONTH"
    billing_anchor_date: datetime | None = None
    invoice_generation_starting_at: datetime | None = None


class FutureInvoices(WireType):
    """``transition.future_invoice_behavior``."""

    trueup: str | None = None


class TransitionInput(WireType):
    """``transition``."""

    type: str
    from_contract_id: str
    future_invoice_behavior: FutureInvoices = msgspec.field(default_factory=FutureInvoices)


class CreateContract(WireType):
    """Body of ``createContract-v1``: what the sandbox does with a contract."""

    customer_id: str
    starting_at: datetime
    package_id: str | None = None
    package_alias: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    rate_card_id: str | None = None
    rate_card_alias: str | None = None
    uniqueness_key: str | None = None
    usage_statement_schedule: ScheduleInput | None = None
    overrides: list[OverrideInput] = []
    multiplier_override_prioritization: str = "LOWEST_MULTIPLIER"
    commits: list[BalanceInput] = []
    credits: list[BalanceInput] = []
    recurring_commits: list[RecurringInput] = []
    recurring_credits: list[RecurringInput] = []
    scheduled_charges: list[ScheduledTermInput] = []
    scheduled_charges_on_usage_invoices: str | None = None
    discounts: list[ScheduledTermInput] = []
    professional_services: list[ProfessionalServiceInput] = []
    reseller_royalties: list[RoyaltyInput] = []
    usage_filter: UsageFilterInput | None = None
    transition: TransitionInput | None = None
    spend_threshold_configuration: SpendInput | None = None
    prepaid_balance_threshold_configuration: PrepaidInput | None = None
    net_payment_terms_days: Decimal | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    subscriptions: list[SubscriptionInput] = []
    hierarchy_configuration: HierarchyInput | None = None


LATER_FEATURES = {
    "spend_trackers": "spend trackers",
    "billing_provider_configuration": "billing providers",
    "revenue_system_configuration": "revenue systems",
}
"""Terms that would change what is billed and that the sandbox does not do yet: refused, never left out in silence."""

_CREATE = decoder(CreateContract)
_ANY = msgspec.json.Decoder(dict[str, Any])


BESIDE_A_PACKAGE = (
    *("customer_id", "starting_at", "package_id", "package_alias"),
    *("uniqueness_key", "transition", "custom_fields"),
)
"""What a contract may say for itself when its terms come from a package. Source: schema ``CreateContractPayload``."""


def parse_create(body: bytes) -> NewContract | NewContractOnPackage:
    """Return the command.

    Raises:
        InvalidRequest: A term stands beside a package.
        NotImitated: The contract has a term that the sandbox does not do yet.
    """
    fields = decode(_ANY, body)
    wire = decode(_CREATE, body)
    if wire.package_id is not None or wire.package_alias is not None:
        return _on_package(wire, fields)
    for field, feature in LATER_FEATURES.items():
        if fields.get(field):
            raise NotImitated(field, feature)
    terms = wire.net_payment_terms_days
    value = wire.total_contract_value
    hierarchy = wire.hierarchy_configuration
    return NewContract(
        customer_id=CustomerId(wire.customer_id.lower()),
        starting_at=utc(wire.starting_at),
        ending_before=None if wire.ending_before is None else utc(wire.ending_before),
        name=wire.name,
        rate_card_id=None if wire.rate_card_id is None else RateCardId(wire.rate_card_id.lower()),
        rate_card_alias=wire.rate_card_alias,
        uniqueness_key=wire.uniqueness_key,
        statement_schedule=_schedule(wire.usage_statement_schedule),
        overrides=tuple(new_override(item, f"overrides[{index}]") for index, item in enumerate(wire.overrides)),
        prioritization=canonical(wire.multiplier_override_prioritization, Prioritization),
        commits=tuple(new_balance(item, f"commits[{index}].") for index, item in enumerate(wire.commits)),
        credits=tuple(new_balance(item, f"credits[{index}].") for index, item in enumerate(wire.credits)),
        recurring_commits=tuple(
            new_recurring(item, f"recurring_commits[{index}]", is_credit=False)
            for index, item in enumerate(wire.recurring_commits)
        ),
        recurring_credits=tuple(
            new_recurring(item, f"recurring_credits[{index}]", is_credit=True)
            for index, item in enumerate(wire.recurring_credits)
        ),
        scheduled_charges=new_scheduled_terms(wire.scheduled_charges, "scheduled_charges"),
        charges_on_usage_invoices=wire.scheduled_charges_on_usage_invoices is not None,
        discounts=new_scheduled_terms(wire.discounts, "discounts"),
        professional_services=new_services(wire.professional_services, "professional_services"),
        reseller_royalties=royalty_changes(wire.reseller_royalties, "reseller_royalties"),
        usage_filter=None if wire.usage_filter is None else new_usage_filter(wire.usage_filter),
        transition=None if wire.transition is None else _transition(wire.transition),
        spend_threshold=new_spend(wire.spend_threshold_configuration, "spend_threshold_configuration"),
        prepaid_threshold=new_prepaid(
            wire.prepaid_balance_threshold_configuration, "prepaid_balance_threshold_configuration"
        ),
        net_payment_terms_days=None if terms is None else checked(terms, "net_payment_terms_days"),
        custom_fields=wire.custom_fields,
        netsuite_sales_order_id=wire.netsuite_sales_order_id,
        salesforce_opportunity_id=wire.salesforce_opportunity_id,
        total_contract_value=None if value is None else checked(value, "total_contract_value"),
        subscriptions=new_subscriptions(wire.subscriptions, "subscriptions"),
        hierarchy=NewHierarchy() if hierarchy is None else new_hierarchy(hierarchy),
    )


def _on_package(wire: CreateContract, fields: JsonObject) -> NewContractOnPackage:
    for field in (*CreateContract.__struct_fields__, *LATER_FEATURES):
        if field not in BESIDE_A_PACKAGE and fields.get(field) is not None:
            raise InvalidRequest(field, f"cannot stand beside a package; only {', '.join(BESIDE_A_PACKAGE)} can")
    package_id = wire.package_id
    return NewContractOnPackage(
        customer_id=CustomerId(wire.customer_id.lower()),
        starting_at=utc(wire.starting_at),
        package_id=None if package_id is None else PackageId(package_id.lower()),
        package_alias=wire.package_alias,
        uniqueness_key=wire.uniqueness_key,
        transition=None if wire.transition is None else _transition(wire.transition),
        custom_fields=wire.custom_fields,
    )


def _schedule(wire: ScheduleInput | None) -> NewStatementSchedule:
    if wire is None:
        return NewStatementSchedule()
    anchor, start = wire.billing_anchor_date, wire.invoice_generation_starting_at
    return NewStatementSchedule(
        canonical(wire.frequency, Frequency),
        canonical(wire.day, StatementDay),
        None if anchor is None else utc(anchor),
        None if start is None else utc(start),
    )


def _transition(wire: TransitionInput) -> NewTransition:
    trueup = wire.future_invoice_behavior.trueup
    return NewTransition(
        canonical(wire.type, TransitionType),
        ContractId(wire.from_contract_id.lower()),
        trueup is None or trueup.upper() != "REMOVE",
    )


class ContractReference(WireType):
    """Body of the calls about one contract; each has some of these fields."""

    customer_id: str
    contract_id: str
    include_ledgers: bool = False
    include_balance: bool = False
    as_of_date: datetime | None = None
    void_invoices: bool = False
    ending_before: datetime | None = None
    allow_ending_before_finalized_invoice: bool = True
    at: datetime | None = None
    selectors: tuple[WireTaggedSelector, ...] = ()

    @property
    def customer(self) -> CustomerId:
        """The customer, in the canonical spelling."""
        return CustomerId(self.customer_id.lower())

    @property
    def contract(self) -> ContractId:
        """The contract, in the canonical spelling."""
        return ContractId(self.contract_id.lower())


class ContractListing(WireType):
    """Body of the two lists."""

    customer_id: str
    starting_at: datetime | None = None
    covering_date: datetime | None = None
    include_archived: bool = False
    include_ledgers: bool = False
    include_balance: bool = False
    cursor: str | None = None
    limit: int = 20


_REFERENCE = decoder(ContractReference)
_LIST = decoder(ContractListing)


def parse_reference(body: bytes) -> ContractReference:
    """Return which contract is meant, and what else the call says.

    Raises:
        InvalidRequest: ``as_of_date`` stands beside ``include_ledgers``. Source: operation ``getContract-v2``.
    """
    wire = decode(_REFERENCE, body)
    if wire.as_of_date is not None and wire.include_ledgers:
        raise InvalidRequest("as_of_date", "cannot stand beside include_ledgers; send one of them")
    return wire


def parse_list(body: bytes) -> ContractListing:
    """Return the body of a list call."""
    return decode(_LIST, body)


def _balances(
    context: Context,
    found: Sequence[Balance],
    asked: ContractReference | ContractListing,
    *,
    credit: bool,
    is_v2: bool,
) -> list[JsonObject]:
    return [
        balances_wire.render(
            context,
            balance,
            include_ledgers=asked.include_ledgers,
            include_balance=asked.include_balance,
            is_v2=is_v2,
        )
        for balance in found
        if (balance.type is BalanceType.CREDIT) is credit
    ]


def _terms(
    context: Context,
    contract: Contract,
    asked: ContractReference | ContractListing,
    *,
    is_v2: bool,
    balances: Sequence[Balance] | None = None,
) -> JsonObject:
    """Return what both shapes say in the same words.

    Args:
        balances: Its commits and credits as they were; None as they are.
    """
    own = own_balances(context, contract) if balances is None else balances
    terms, value = contract.net_payment_terms_days, contract.total_contract_value
    spend, prepaid = contract.spend_threshold, contract.prepaid_threshold
    return present(
        name=contract.name,
        rate_card_id=contract.rate_card_id,
        starting_at=time(contract.starting_at),
        ending_before=None if contract.ending_before is None else time(contract.ending_before),
        commits=_balances(context, own, asked, credit=False, is_v2=is_v2),
        credits=_balances(context, own, asked, credit=True, is_v2=is_v2),
        recurring_commits=render_recurring(context, contract, is_credit=False),
        recurring_credits=render_recurring(context, contract, is_credit=True),
        overrides=[render_override(context, override, is_v2=is_v2) for override in contract.overrides],
        scheduled_charges=[render_scheduled_charge(context, charge) for charge in contract.scheduled_charges],
        scheduled_charges_on_usage_invoices="ALL" if contract.charges_on_usage_invoices else None,
        discounts=[render_scheduled_term(context, discount) for discount in contract.discounts] or None,
        professional_services=[render_service(service) for service in contract.professional_services] or None,
        hierarchy_configuration=render_hierarchy(context, contract),
        spend_threshold_configuration=None if spend is None else render_spend(spend),
        prepaid_balance_threshold_configuration=None if prepaid is None else render_prepaid(prepaid),
        transitions=[render_transition(transition) for transition in contract.transitions],
        usage_statement_schedule={
            "frequency": contract.statement_schedule.frequency.value,
            "billing_anchor_date": time(contract.statement_schedule.anchor),
        },
        net_payment_terms_days=None if terms is None else number(terms),
        total_contract_value=None if value is None else number(value),
        netsuite_sales_order_id=contract.netsuite_sales_order_id,
        salesforce_opportunity_id=contract.salesforce_opportunity_id,
        created_at=time(contract.created_at),
        created_by=ACTOR,
    )


def render_v1(context: Context, contract: Contract, asked: ContractReference | ContractListing) -> JsonObject:
    """Return the v1 shape: what was agreed first, what was added by amendments, and what holds now."""
    history = history_of(context, contract.id)
    current = _terms_v1(context, contract, asked)
    first = next(iter(history.versions), None)
    initial = current if first is None else _terms_v1(context, first.contract, asked, first.balances)
    return present(
        id=contract.id,
        customer_id=contract.customer_id,
        package_id=contract.package_id,
        uniqueness_key=contract.uniqueness_key,
        initial=initial,
        current=current,
        amendments=[render_amendment(context, amendment, asked) for amendment in history.amendments],
        subscriptions=render_subscriptions(context, contract) or None,
        scheduled_charges_on_usage_invoices="ALL" if contract.charges_on_usage_invoices else None,
        custom_fields=contract.custom_fields,
        archived_at=None if contract.archived_at is None else time(contract.archived_at),
    )


def _terms_v1(
    context: Context,
    contract: Contract,
    asked: ContractReference | ContractListing,
    balances: Sequence[Balance] | None = None,
) -> JsonObject:
    return {
        **_terms(context, contract, asked, is_v2=False, balances=balances),
        **present(
            usage_filter=render_usage_filter_history(contract, context.now),
            reseller_royalties=[render_royalty(royalty) for royalty in contract.reseller_royalties] or None,
        ),
    }


def render_amendment(context: Context, amendment: Amendment, asked: ContractReference | ContractListing) -> JsonObject:
    """Return an amendment, with what it added as it was then."""
    added = amendment.added
    return present(
        id=amendment.id,
        starting_at=time(amendment.starting_at),
        commits=_balances(context, added.commits, asked, credit=False, is_v2=False),
        credits=_balances(context, added.credits, asked, credit=True, is_v2=False),
        overrides=[render_override(context, override, is_v2=False) for override in added.overrides],
        scheduled_charges=[render_scheduled_charge(context, charge) for charge in added.scheduled_charges],
        discounts=[render_scheduled_term(context, discount) for discount in added.discounts] or None,
        professional_services=[render_service(service) for service in added.professional_services] or None,
        reseller_royalties=[_amended_royalty(change) for change in added.reseller_royalties] or None,
        netsuite_sales_order_id=amendment.netsuite_sales_order_id,
        salesforce_opportunity_id=amendment.salesforce_opportunity_id,
        created_at=time(amendment.created_at),
        created_by=ACTOR,
    )


def _amended_royalty(change: RoyaltyChange) -> JsonObject:
    """Return a change of a royalty without its products, which this shape does not name."""
    named = ("applicable_product_ids", "applicable_product_tags")
    return {key: value for key, value in render_royalty(change).items() if key not in named}


def render_v2(
    context: Context,
    contract: Contract,
    asked: ContractReference | ContractListing,
    balances: Sequence[Balance] | None = None,
) -> JsonObject:
    """Return the v2 shape. Source: a sample in guide "Edit a contract" for the lists that are empty.

    Args:
        balances: Its commits and credits as they were; None as they are.
    """
    return present(
        id=contract.id,
        customer_id=contract.customer_id,
        package_id=contract.package_id,
        uniqueness_key=contract.uniqueness_key,
        **_terms(context, contract, asked, is_v2=True, balances=balances),
        usage_filter=render_usage_filters(contract),
        reseller_royalties=render_royalties_by_type(contract.reseller_royalties) or None,
        subscriptions=render_subscriptions(context, contract),
        has_more={"commits": False, "credits": False},
        multiplier_override_prioritization=contract.prioritization.value,
        custom_fields=contract.custom_fields,
        archived_at=None if contract.archived_at is None else time(contract.archived_at),
    )


def render_created(context: Context, contract: Contract) -> JsonObject:
    """Return the answer of create: the id, and in the newer edition of the API the contract."""
    asked = ContractReference(contract.customer_id, contract.id)
    whole = render_v2(context, contract, asked)
    whole |= {key: value for key, value in _terms(context, contract, asked, is_v2=False).items() if key in _AS_IN_V1}
    for field in _NOT_IN_CREATED:
        whole.pop(field, None)
    return {"id": contract.id, "contract": whole}


_AS_IN_V1 = ("commits", "credits", "overrides")
_NOT_IN_CREATED = (
    *("total_contract_value", "netsuite_sales_order_id", "salesforce_opportunity_id", "archived_at"),
    *("discounts", "professional_services", "reseller_royalties"),
)


def render_rate_row(store: Store, row: ContractRate) -> JsonObject:
    """Return a row of ``getContractRateSchedule-v1``."""
    rate = row.rate
    unit = store.credit_types[rate.credit_type_id]
    return present(
        rate_card_id=row.rate_card_id,
        product_id=row.product.id,
        product_name=row.product.name,
        product_tags=list(row.product.tags),
        product_custom_fields=row.product.custom_fields,
        pricing_group_values=group_map(row.key.pricing_group_values) or None,
        starting_at=time(row.starting_at),
        ending_before=None if row.ending_before is None else time(row.ending_before),
        entitled=True,
        list_rate=render_rate(rate.price, unit),
        override_rate=None if row.override is None else render_rate(row.override, unit),
        commit_rate=None if rate.commit_price is None else render_price(rate.commit_price),
        billing_frequency=row.key.billing_frequency and row.key.billing_frequency.value,
    )
