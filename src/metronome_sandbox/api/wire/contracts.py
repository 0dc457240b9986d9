"""Contracts on the wire: one request shape, and the two answers that v1 and v2 give of one value."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from metronome_sandbox.api.wire import balances as balances_wire
from metronome_sandbox.api.wire.balances import BalanceInput, SpecifierInput, new_balance, render_specifier, specifier
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
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.api.wire.rate_cards import WirePrice, WireTaggedSelector, new_price, render_price, render_rate
from metronome_sandbox.domain.amounts import USD_CENTS, checked
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CreditTypeId,
    CustomerId,
    OverrideId,
    ProductId,
    RateCardId,
)
from metronome_sandbox.domain.overrides import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
    Prioritization,
)
from metronome_sandbox.domain.periods import Frequency, StatementDay
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contracts import ContractRate, NewContract, NewStatementSchedule
from metronome_sandbox.services.rate_cards import checked_price
from metronome_sandbox.store.interface import Store


class ScheduleInput(WireType):
    """``usage_statement_schedule``."""

    frequency: str
    day: str = "FIRST_OF_MONTH"
    billing_anchor_date: datetime | None = None
    invoice_generation_starting_at: datetime | None = None


class OverwriteRate(WirePrice, kw_only=True):
    """``overwrite_rate``."""

    credit_type_id: str | None = None


class OverrideTierInput(WireType):
    """An item of an override's ``tiers``."""

    multiplier: Decimal
    size: Decimal | None = None


class OverrideSpecifierInput(SpecifierInput):
    """An item of ``override_specifiers``."""

    billing_frequency: str | None = None
    commit_ids: list[str] = []
    recurring_commit_ids: list[str] = []
    any_commit_or_credit_ids: list[str] = []


class OverrideInput(WireType):
    """An item of ``overrides``."""

    starting_at: datetime
    ending_before: datetime | None = None
    type: str | None = None
    entitled: bool | None = None
    multiplier: Decimal | None = None
    priority: Decimal | None = None
    overwrite_rate: OverwriteRate | None = None
    tiers: list[OverrideTierInput] = []
    product_id: str | None = None
    applicable_product_tags: tuple[str, ...] = ()
    override_specifiers: list[OverrideSpecifierInput] = []
    is_commit_specific: bool = False
    target: str = "LIST_RATE"


class CreateContract(WireType):
    """Body of ``createContract-v1``: what the sandbox does with a contract."""

    customer_id: str
    starting_at: datetime
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
    net_payment_terms_days: Decimal | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None


LATER_FEATURES = {
    "package_id": "packages",
    "package_alias": "packages",
    "usage_filter": "usage filters",
    "recurring_commits": "recurring commits",
    "recurring_credits": "recurring credits",
    "scheduled_charges": "scheduled charges",
    "scheduled_charges_on_usage_invoices": "scheduled charges on usage invoices",
    "discounts": "discounts",
    "professional_services": "professional services",
    "reseller_royalties": "reseller royalties",
    "subscriptions": "subscriptions",
    "spend_threshold_configuration": "threshold billing",
    "prepaid_balance_threshold_configuration": "threshold billing",
    "spend_trackers": "spend trackers",
    "transition": "contract transitions",
    "hierarchy_configuration": "account hierarchies",
    "billing_provider_configuration": "billing providers",
    "revenue_system_configuration": "revenue systems",
}
"""Terms that would change what is billed and that the sandbox does not do yet: refused, never left out in silence."""

_CREATE = decoder(CreateContract)
_ANY = msgspec.json.Decoder(dict[str, Any])


def parse_create(body: bytes) -> NewContract:
    """Return the command.

    Raises:
        NotImitated: The contract has a term that the sandbox does not do yet.
    """
    fields = decode(_ANY, body)
    for field, feature in LATER_FEATURES.items():
        if fields.get(field):
            raise NotImitated(field, feature)
    wire = decode(_CREATE, body)
    terms = wire.net_payment_terms_days
    value = wire.total_contract_value
    return NewContract(
        customer_id=CustomerId(wire.customer_id.lower()),
        starting_at=utc(wire.starting_at),
        ending_before=None if wire.ending_before is None else utc(wire.ending_before),
        name=wire.name,
        rate_card_id=None if wire.rate_card_id is None else RateCardId(wire.rate_card_id.lower()),
        rate_card_alias=wire.rate_card_alias,
        uniqueness_key=wire.uniqueness_key,
        statement_schedule=_schedule(wire.usage_statement_schedule),
        overrides=tuple(_override(item, f"overrides[{index}]") for index, item in enumerate(wire.overrides)),
        prioritization=canonical(wire.multiplier_override_prioritization, Prioritization),
        commits=tuple(new_balance(item, f"commits[{index}].") for index, item in enumerate(wire.commits)),
        credits=tuple(new_balance(item, f"credits[{index}].") for index, item in enumerate(wire.credits)),
        net_payment_terms_days=None if terms is None else checked(terms, "net_payment_terms_days"),
        custom_fields=wire.custom_fields,
        netsuite_sales_order_id=wire.netsuite_sales_order_id,
        salesforce_opportunity_id=wire.salesforce_opportunity_id,
        total_contract_value=None if value is None else checked(value, "total_contract_value"),
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


def _override(wire: OverrideInput, path: str) -> Override:
    rate = wire.overwrite_rate
    credit_type_id = None if rate is None else rate.credit_type_id
    return Override(
        id=OverrideId(""),
        created_at=utc(wire.starting_at),
        starting_at=utc(wire.starting_at),
        ending_before=None if wire.ending_before is None else utc(wire.ending_before),
        type=None if wire.type is None else canonical(wire.type, OverrideType),
        entitled=wire.entitled,
        product_id=None if wire.product_id is None else ProductId(wire.product_id.lower()),
        applicable_product_tags=wire.applicable_product_tags,
        specifiers=tuple(
            _specifier(item, f"{path}.override_specifiers[{index}]")
            for index, item in enumerate(wire.override_specifiers)
        ),
        priority=None if wire.priority is None else checked(wire.priority, f"{path}.priority"),
        multiplier=None if wire.multiplier is None else checked(wire.multiplier, f"{path}.multiplier"),
        overwrite_price=None if rate is None else checked_price(new_price(rate), f"{path}.overwrite_rate."),
        overwrite_credit_type_id=None if credit_type_id is None else CreditTypeId(credit_type_id.lower()),
        tiers=tuple(_tier(item, f"{path}.tiers[{index}]") for index, item in enumerate(wire.tiers)),
        is_commit_specific=wire.is_commit_specific,
        target=canonical(wire.target, OverrideTarget),
    )


def _tier(wire: OverrideTierInput, path: str) -> OverrideTier:
    multiplier = checked(wire.multiplier, f"{path}.multiplier")
    if multiplier < 0:
        raise InvalidRequest(f"{path}.multiplier", f"{multiplier} is less than 0")
    if wire.size is not None and checked(wire.size, f"{path}.size") <= 0:
        raise InvalidRequest(f"{path}.size", f"{wire.size} is not above 0")
    return OverrideTier(multiplier, wire.size)


def _specifier(wire: OverrideSpecifierInput, path: str) -> OverrideSpecifier:
    if wire.recurring_commit_ids:
        raise NotImitated(f"{path}.recurring_commit_ids", "recurring commits")
    if wire.billing_frequency is not None:
        raise NotImitated(f"{path}.billing_frequency", "subscriptions")
    names = (*wire.commit_ids, *wire.any_commit_or_credit_ids)
    return OverrideSpecifier(specifier(wire), None, tuple(BalanceId(name) for name in names))


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
    context: Context, contract: Contract, asked: ContractReference | ContractListing, *, credit: bool, is_v2: bool
) -> list[JsonObject]:
    found = (context.store.balances[balance_id] for balance_id in contract.balance_ids)
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
    context: Context, contract: Contract, asked: ContractReference | ContractListing, *, is_v2: bool
) -> JsonObject:
    """Return what both shapes say in the same words."""
    terms, value = contract.net_payment_terms_days, contract.total_contract_value
    return present(
        name=contract.name,
        rate_card_id=contract.rate_card_id,
        starting_at=time(contract.starting_at),
        ending_before=None if contract.ending_before is None else time(contract.ending_before),
        commits=_balances(context, contract, asked, credit=False, is_v2=is_v2),
        credits=_balances(context, contract, asked, credit=True, is_v2=is_v2),
        recurring_commits=[],
        recurring_credits=[],
        overrides=[render_override(context.store, override, is_v2=is_v2) for override in contract.overrides],
        scheduled_charges=[],
        transitions=[],
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
    """Return the v1 shape. Without amendments, what was agreed first is what holds now."""
    terms = _terms(context, contract, asked, is_v2=False)
    return present(
        id=contract.id,
        customer_id=contract.customer_id,
        uniqueness_key=contract.uniqueness_key,
        initial=terms,
        current=terms,
        amendments=[],
        custom_fields=contract.custom_fields,
        archived_at=None if contract.archived_at is None else time(contract.archived_at),
    )


def render_v2(context: Context, contract: Contract, asked: ContractReference | ContractListing) -> JsonObject:
    """Return the v2 shape. Source: a sample in guide "Edit a contract" for the lists that are empty."""
    return present(
        id=contract.id,
        customer_id=contract.customer_id,
        uniqueness_key=contract.uniqueness_key,
        **_terms(context, contract, asked, is_v2=True),
        usage_filter=[],
        subscriptions=[],
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
    for field in ("total_contract_value", "netsuite_sales_order_id", "salesforce_opportunity_id", "archived_at"):
        whole.pop(field, None)
    return {"id": contract.id, "contract": whole}


_AS_IN_V1 = ("commits", "credits", "overrides")


def render_override(store: Store, override: Override, *, is_v2: bool) -> JsonObject:
    """Return an override; one that names a product or tags reads back with a specifier for it.

    Source: a sample in guide "Edit a contract".
    """
    product = None if override.product_id is None else store.products[override.product_id]
    specifiers = [_render_specifier(item) for item in override.specifiers]
    if product is not None:
        specifiers = [{"product_id": product.id}]
    price, unit = override.overwrite_price, store.credit_types[override.overwrite_credit_type_id or USD_CENTS]
    rendered = present(
        id=override.id,
        created_at=time(override.created_at),
        starting_at=time(override.starting_at),
        ending_before=None if override.ending_before is None else time(override.ending_before),
        type=None if override.type is None else override.type.value,
        entitled=override.entitled,
        product=None if product is None else {"id": product.id, "name": product.name},
        applicable_product_tags=list(override.applicable_product_tags),
        override_specifiers=specifiers,
        multiplier=None if override.multiplier is None else number(override.multiplier),
        priority=None if override.priority is None else number(override.priority),
        overwrite_rate=None if price is None else {**render_price(price), "credit_type": render_credit_type(unit)},
        override_tiers=[
            present(multiplier=number(tier.multiplier), size=None if tier.size is None else number(tier.size))
            for tier in override.tiers
        ]
        or None,
        is_commit_specific=override.is_commit_specific,
        target=override.target.value if override.is_commit_specific else None,
    )
    if price is not None and not is_v2:
        rendered |= {**render_price(price), "credit_type": render_credit_type(unit)}
    return rendered


def _render_specifier(value: OverrideSpecifier) -> JsonObject:
    return {**render_specifier(value.target), **present(commit_ids=list(value.balance_ids) or None)}


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
    )
