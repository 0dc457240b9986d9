"""Packages on the wire. Source: schemas ``CreatePackagePayload``, ``Package`` and the templates that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.credit_types import credit_type_or_usd
from metronome_sandbox.api.wire.credit_types import render_short as render_credit_type
from metronome_sandbox.api.wire.overrides import OverrideInput, new_override, render_override
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.recurring import RecurringInput, new_recurring, render_terms
from metronome_sandbox.api.wire.relative_dates import RelativeDateInput, offset, render_relative_date
from metronome_sandbox.api.wire.relative_dates import duration as relative_duration
from metronome_sandbox.api.wire.specifiers import SpecifierInput, render_specifier, specifier
from metronome_sandbox.api.wire.subscription_templates import (
    SubscriptionTemplateInput,
    new_subscription_template,
    render_seat_grant,
    render_subscription_template,
)
from metronome_sandbox.api.wire.thresholds import (
    PrepaidInput,
    SpendInput,
    new_prepaid,
    new_spend,
    render_prepaid,
    render_spend,
)
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, BalanceType, SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import NotImitated
from metronome_sandbox.domain.ids import PackageId, ProductId, RateCardId
from metronome_sandbox.domain.overrides import OverrideSpecifier, Prioritization
from metronome_sandbox.domain.packages import (
    UNDATED,
    BalanceTemplate,
    ChargeTemplate,
    OverrideTemplate,
    Package,
    PackageAlias,
    PaymentsTemplate,
    PaymentTemplate,
    RecurringTemplate,
    SegmentTemplate,
    StatementTemplate,
)
from metronome_sandbox.domain.periods import Frequency, StatementDay
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.packages import ArchiveFilter
from metronome_sandbox.store.interface import Store


class SegmentInput(WireType):
    """An item of ``access_schedule.schedule_items``."""

    amount: Decimal
    starting_at_offset: RelativeDateInput
    duration: RelativeDateInput


class AccessInput(WireType):
    """``access_schedule``."""

    schedule_items: list[SegmentInput]
    credit_type_id: str | None = None
    access_type: str | None = None


class PaymentInput(WireType):
    """An item of ``invoice_schedule.schedule_items``."""

    unit_price: Decimal
    quantity: Decimal
    date_offset: RelativeDateInput


class PaymentsInput(WireType):
    """``invoice_schedule``, or ``schedule`` of a charge."""

    schedule_items: list[PaymentInput]
    credit_type_id: str | None = None
    do_not_invoice: bool = False


class BalanceTemplateInput(WireType):
    """An item of ``commits`` or ``credits``."""

    product_id: str
    access_schedule: AccessInput
    type: str = "CREDIT"
    invoice_schedule: PaymentsInput | None = None
    name: str | None = None
    description: str | None = None
    priority: Decimal | None = None
    rate_type: str = "LIST_RATE"
    applicable_product_ids: list[str] = []
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: list[SpecifierInput] = []
    rollover_fraction: Decimal | None = None
    temporary_id: str | None = None
    custom_fields: dict[str, str] = {}


class RecurringTemplateInput(RecurringInput, kw_only=True):
    """An item of ``recurring_commits`` or ``recurring_credits``."""

    starting_at_offset: RelativeDateInput
    duration: RelativeDateInput | None = None
    starting_at: datetime = UNDATED


class OverrideTemplateInput(OverrideInput, kw_only=True):
    """An item of ``overrides``."""

    starting_at_offset: RelativeDateInput
    duration: RelativeDateInput | None = None
    starting_at: datetime = UNDATED


class ChargeTemplateInput(WireType):
    """An item of ``scheduled_charges``."""

    product_id: str
    schedule: PaymentsInput
    name: str | None = None
    custom_fields: dict[str, str] = {}


class StatementInput(WireType):
    """``usage_statement_schedule``."""

    frequency: str = "MONTHLY"
    day: str = "FIRST_OF_MONTH"
    invoice_generation_starting_at_offset: RelativeDateInput | None = None


class AliasInput(WireType):
    """An item of ``aliases``."""

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class CreatePackage(WireType):
    """Body of ``createPackage-v1``: what the sandbox does with a package."""

    name: str
    contract_name: str | None = None
    uniqueness_key: str | None = None
    aliases: list[AliasInput] = []
    rate_card_id: str | None = None
    rate_card_alias: str | None = None
    duration: RelativeDateInput | None = None
    net_payment_terms_days: Decimal | None = None
    usage_statement_schedule: StatementInput = field(default_factory=StatementInput)
    commits: list[BalanceTemplateInput] = []
    credits: list[BalanceTemplateInput] = []
    recurring_commits: list[RecurringTemplateInput] = []
    recurring_credits: list[RecurringTemplateInput] = []
    overrides: list[OverrideTemplateInput] = []
    multiplier_override_prioritization: str = "LOWEST_MULTIPLIER"
    scheduled_charges: list[ChargeTemplateInput] = []
    scheduled_charges_on_usage_invoices: str | None = None
    subscriptions: list[SubscriptionTemplateInput] = []
    spend_threshold_configuration: SpendInput | None = None
    prepaid_balance_threshold_configuration: PrepaidInput | None = None


LATER_TEMPLATES = {
    "spend_trackers": "spend trackers",
    "billing_provider": "billing providers",
    "delivery_method": "billing providers",
}
"""Terms of a package that the sandbox does not do yet: refused, never left out in silence."""

_CREATE = decoder(CreatePackage)
_ANY = msgspec.json.Decoder(dict[str, Any])


def parse_create(body: bytes) -> Package:
    """Return the package with empty ids.

    Raises:
        InvalidRequest: A duration is none, an offset leads back, or a number is out of range.
        NotImitated: The package has a term that the sandbox does not do yet.
    """
    fields = decode(_ANY, body)
    for name, feature in LATER_TEMPLATES.items():
        if fields.get(name):
            raise NotImitated(name, feature)
    wire = decode(_CREATE, body)
    terms = wire.net_payment_terms_days
    statements = wire.usage_statement_schedule
    return Package(
        id=PackageId(""),
        name=wire.name,
        created_at=UNDATED,
        contract_name=wire.contract_name,
        uniqueness_key=wire.uniqueness_key,
        aliases=tuple(PackageAlias(one.name, _utc(one.starting_at), _utc(one.ending_before)) for one in wire.aliases),
        duration=relative_duration(wire.duration, "duration"),
        rate_card_id=None if wire.rate_card_id is None else RateCardId(wire.rate_card_id.lower()),
        rate_card_alias=wire.rate_card_alias,
        net_payment_terms_days=None if terms is None else checked(terms, "net_payment_terms_days"),
        statements=StatementTemplate(
            canonical(statements.frequency, Frequency),
            canonical(statements.day, StatementDay),
            None
            if statements.invoice_generation_starting_at_offset is None
            else offset(
                statements.invoice_generation_starting_at_offset,
                "usage_statement_schedule.invoice_generation_starting_at_offset",
            ),
        ),
        commits=tuple(_balance(item, f"commits[{index}]") for index, item in enumerate(wire.commits)),
        credits=tuple(_balance(item, f"credits[{index}]") for index, item in enumerate(wire.credits)),
        recurring_commits=tuple(
            _recurring(item, f"recurring_commits[{index}]", is_credit=False)
            for index, item in enumerate(wire.recurring_commits)
        ),
        recurring_credits=tuple(
            _recurring(item, f"recurring_credits[{index}]", is_credit=True)
            for index, item in enumerate(wire.recurring_credits)
        ),
        overrides=tuple(_override(item, f"overrides[{index}]") for index, item in enumerate(wire.overrides)),
        prioritization=canonical(wire.multiplier_override_prioritization, Prioritization),
        scheduled_charges=tuple(
            ChargeTemplate(
                "",
                ProductId(item.product_id.lower()),
                _payments(item.schedule, f"scheduled_charges[{index}].schedule"),
                item.name,
                item.custom_fields,
            )
            for index, item in enumerate(wire.scheduled_charges)
        ),
        charges_on_usage_invoices=wire.scheduled_charges_on_usage_invoices is not None,
        subscriptions=tuple(
            new_subscription_template(item, f"subscriptions[{index}]") for index, item in enumerate(wire.subscriptions)
        ),
        spend_threshold=new_spend(wire.spend_threshold_configuration, "spend_threshold_configuration"),
        prepaid_threshold=new_prepaid(
            wire.prepaid_balance_threshold_configuration, "prepaid_balance_threshold_configuration"
        ),
    )


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else utc(instant)


def _balance(wire: BalanceTemplateInput, path: str) -> BalanceTemplate:
    access, payments, fraction = wire.access_schedule, wire.invoice_schedule, wire.rollover_fraction
    if access.access_type not in (None, "SPEND"):
        raise NotImitated(f"{path}.access_schedule.access_type", "balances that count units (QUANTITY)")
    return BalanceTemplate(
        "",
        canonical(wire.type, BalanceType),
        ProductId(wire.product_id.lower()),
        tuple(
            _segment(item, f"{path}.access_schedule.schedule_items[{index}]")
            for index, item in enumerate(access.schedule_items)
        ),
        credit_type_or_usd(access.credit_type_id),
        None if payments is None else _payments(payments, f"{path}.invoice_schedule"),
        wire.name,
        wire.description,
        DEFAULT_PRIORITY if wire.priority is None else checked(wire.priority, f"{path}.priority"),
        canonical(wire.rate_type, SpendingRate),
        tuple(ProductId(value.lower()) for value in wire.applicable_product_ids),
        wire.applicable_product_tags,
        tuple(specifier(item) for item in wire.specifiers),
        None if fraction is None else checked(fraction, f"{path}.rollover_fraction"),
        wire.temporary_id,
        wire.custom_fields,
    )


def _segment(wire: SegmentInput, path: str) -> SegmentTemplate:
    return SegmentTemplate(
        "",
        checked(wire.amount, f"{path}.amount"),
        offset(wire.starting_at_offset, f"{path}.starting_at_offset"),
        offset(wire.duration, f"{path}.duration", 1),
    )


def _payments(wire: PaymentsInput, path: str) -> PaymentsTemplate:
    items = tuple(
        PaymentTemplate(
            "",
            checked(item.unit_price, f"{path}.schedule_items[{index}].unit_price"),
            checked(item.quantity, f"{path}.schedule_items[{index}].quantity"),
            offset(item.date_offset, f"{path}.schedule_items[{index}].date_offset"),
        )
        for index, item in enumerate(wire.schedule_items)
    )
    return PaymentsTemplate(items, credit_type_or_usd(wire.credit_type_id), wire.do_not_invoice)


def _recurring(wire: RecurringTemplateInput, path: str, *, is_credit: bool) -> RecurringTemplate:
    if wire.hierarchy_configuration is not None:
        raise NotImitated(f"{path}.hierarchy_configuration", "balances of packages that are shared in hierarchies")
    new = new_recurring(wire, path, is_credit=is_credit)
    return RecurringTemplate(
        new.terms,
        offset(wire.starting_at_offset, f"{path}.starting_at_offset"),
        relative_duration(wire.duration, f"{path}.duration"),
        new.temporary_id,
    )


def _override(wire: OverrideTemplateInput, path: str) -> OverrideTemplate:
    terms = new_override(wire, path)
    return OverrideTemplate(
        msgspec.structs.replace(terms, product_id=None, applicable_product_tags=()),
        offset(wire.starting_at_offset, f"{path}.starting_at_offset"),
        relative_duration(wire.duration, f"{path}.duration"),
    )


class PackageReference(WireType):
    """Body of the calls about one package; each has some of these fields."""

    package_id: str
    starting_at: datetime | None = None
    covering_date: datetime | None = None
    include_archived: bool = False

    @property
    def package(self) -> PackageId:
        """The package, in the canonical spelling."""
        return PackageId(self.package_id.lower())


class PackageListing(WireType):
    """Body of the list."""

    archive_filter: str = "NOT_ARCHIVED"


_REFERENCE = decoder(PackageReference)
_LIST = decoder(PackageListing)


def parse_reference(body: bytes) -> PackageReference:
    """Return which package is meant, and what else the call says."""
    return decode(_REFERENCE, body)


def parse_list(body: bytes) -> ArchiveFilter:
    """Return which packages to list."""
    return canonical(decode(_LIST, body).archive_filter, ArchiveFilter)


def render(context: Context, package: Package) -> JsonObject:
    """Return a package.

    Source: observed for the prefix of the uniqueness key.
    """
    terms, duration = package.net_payment_terms_days, package.duration
    spend, prepaid = package.spend_threshold, package.prepaid_threshold
    names, teams = _template_ids(package), _subscription_ids(package)
    return present(
        id=package.id,
        name=package.name,
        contract_name=package.contract_name,
        uniqueness_key=None if package.uniqueness_key is None else f"package:{package.uniqueness_key}",
        aliases=[
            present(
                name=alias.name,
                starting_at=None if alias.starting_at is None else time(alias.starting_at),
                ending_before=None if alias.ending_before is None else time(alias.ending_before),
            )
            for alias in package.aliases
        ],
        rate_card_id=package.rate_card_id,
        duration=None if duration is None else render_relative_date(duration),
        net_payment_terms_days=None if terms is None else number(terms),
        usage_statement_schedule={
            "frequency": package.statements.frequency.value,
            "day": package.statements.day.value,
        },
        commits=[_render_balance(context, template) for template in package.commits],
        credits=[_render_balance(context, template) for template in package.credits],
        recurring_commits=[_render_recurring(context, template, teams) for template in package.recurring_commits],
        recurring_credits=[_render_recurring(context, template, teams) for template in package.recurring_credits],
        overrides=[_render_override(context, template, names) for template in package.overrides],
        multiplier_override_prioritization=package.prioritization.value,
        scheduled_charges=[
            present(
                id=template.id,
                product=render_product(context, template.product_id),
                name=template.name,
                schedule=_render_payments(context.store, template.payments),
                custom_fields=template.custom_fields,
            )
            for template in package.scheduled_charges
        ],
        scheduled_charges_on_usage_invoices="ALL" if package.charges_on_usage_invoices else None,
        subscriptions=[render_subscription_template(context, package, template) for template in package.subscriptions],
        spend_threshold_configuration=None if spend is None else render_spend(spend),
        prepaid_balance_threshold_configuration=None if prepaid is None else render_prepaid(prepaid),
        created_at=time(package.created_at),
        created_by=ACTOR,
        archived_at=None if package.archived_at is None else time(package.archived_at),
    )


def _template_ids(package: Package) -> dict[str, str]:
    """Return the ids of a package's templates by their temporary ids."""
    named = [(template.temporary_id, template.id) for template in package.commits]
    recurring = (*package.recurring_commits, *package.recurring_credits)
    named += [(template.temporary_id, template.terms.id) for template in recurring]
    return {name: template_id for name, template_id in named if name is not None}


def _subscription_ids(package: Package) -> dict[str, str]:
    return {each.temporary_id: each.id for each in package.subscriptions if each.temporary_id is not None}


def _render_balance(context: Context, template: BalanceTemplate) -> JsonObject:
    fraction, payments = template.rollover_fraction, template.payments
    return present(
        id=template.id,
        type=template.type.value,
        name=template.name,
        description=template.description,
        priority=number(template.priority),
        rate_type=template.rate_type.value,
        product=render_product(context, template.product_id),
        access_schedule={
            "credit_type": render_credit_type(context.store.credit_types[template.credit_type_id]),
            "schedule_items": [
                {
                    "id": item.id,
                    "amount": number(item.amount),
                    "starting_at_offset": render_relative_date(item.starting_at_offset),
                    "duration": render_relative_date(item.duration),
                }
                for item in template.segments
            ],
        },
        invoice_schedule=None
        if payments is None
        else {**_render_payments(context.store, payments), "do_not_invoice": payments.do_not_invoice},
        applicable_product_ids=list(template.applicable_product_ids) or None,
        applicable_product_tags=list(template.applicable_product_tags) or None,
        specifiers=[render_specifier(item) for item in template.specifiers] or None,
        rollover_fraction=None if fraction is None else number(fraction),
        custom_fields=template.custom_fields,
    )


def _render_payments(store: Store, payments: PaymentsTemplate) -> JsonObject:
    return {
        "credit_type": render_credit_type(store.credit_types[payments.credit_type_id]),
        "schedule_items": [
            {
                "id": item.id,
                "unit_price": number(item.unit_price),
                "quantity": number(item.quantity),
                "date_offset": render_relative_date(item.date_offset),
            }
            for item in payments.items
        ],
    }


def _render_recurring(context: Context, template: RecurringTemplate, names: Mapping[str, str]) -> JsonObject:
    duration = template.duration
    return {
        **render_terms(context, template.terms),
        **present(
            subscription_config=render_seat_grant(template.terms, names),
            starting_at_offset=render_relative_date(template.starting_at_offset),
            duration=None if duration is None else render_relative_date(duration),
        ),
    }


_DATED = ("created_at", "starting_at", "ending_before")


def _render_override(context: Context, template: OverrideTemplate, names: Mapping[str, str]) -> JsonObject:
    terms, duration = template.terms, template.duration
    rendered = {
        name: value for name, value in render_override(context, terms, is_v2=True).items() if name not in _DATED
    }
    return {
        **rendered,
        **present(
            override_specifiers=[_render_specifier(item, names) for item in terms.specifiers],
            starting_at_offset=render_relative_date(template.starting_at_offset),
            duration=None if duration is None else render_relative_date(duration),
        ),
    }


def _render_specifier(value: OverrideSpecifier, names: Mapping[str, str]) -> JsonObject:
    def identified(ids: Sequence[str]) -> list[str] | None:
        return [names.get(name, name) for name in ids] or None

    return {
        **render_specifier(value.target),
        **present(
            billing_frequency=value.billing_frequency and value.billing_frequency.value,
            commit_template_ids=identified(value.balance_ids),
            recurring_commit_template_ids=identified(value.recurring_ids),
        ),
    }


def render_contract(contract: Contract) -> JsonObject:
    """Return a row of ``listContractsOnPackage-v1``."""
    return present(
        customer_id=contract.customer_id,
        contract_id=contract.id,
        starting_at=time(contract.starting_at),
        ending_before=None if contract.ending_before is None else time(contract.ending_before),
        archived_at=None if contract.archived_at is None else time(contract.archived_at),
    )
