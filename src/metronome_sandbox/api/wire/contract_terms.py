"""Terms of a contract on the wire, but for its balances and overrides: the same in create, edit and amend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.api.wire.common import JsonObject, WireType, number, present, time, utc
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.schedules import PaymentSchedule, new_payments, render_invoice_schedule
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.contracts import Contract, Transition
from metronome_sandbox.domain.ids import ProductId
from metronome_sandbox.domain.periods import Period
from metronome_sandbox.domain.reseller_royalties import ResellerRoyalty, ResellerType, RoyaltyChange
from metronome_sandbox.domain.scheduled_charges import ProfessionalService, ScheduledCharge, ScheduledTerm
from metronome_sandbox.domain.usage_filters import UsageFilter, segments_of
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.usage_filters import NewUsageFilter


class ScheduledTermInput(WireType):
    """An item of ``scheduled_charges`` and ``discounts``."""

    product_id: str
    schedule: PaymentSchedule
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class ProfessionalServiceInput(WireType):
    """An item of ``professional_services``."""

    product_id: str
    unit_price: Decimal
    quantity: Decimal
    max_amount: Decimal
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class AwsOptions(WireType):
    """``aws_options``."""

    aws_account_number: str | None = None
    aws_payer_reference_id: str | None = None
    aws_offer_id: str | None = None


class GcpOptions(WireType):
    """``gcp_options``."""

    gcp_account_id: str | None = None
    gcp_offer_id: str | None = None


class RoyaltyInput(WireType):
    """An item of ``reseller_royalties``; a change may leave out most of it."""

    reseller_type: str
    fraction: Decimal | None = None
    netsuite_reseller_id: str | None = None
    starting_at: datetime | None = None
    ending_before: datetime | UnsetType | None = UNSET
    applicable_product_ids: list[str] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    reseller_contract_value: Decimal | None = None
    aws_options: AwsOptions = msgspec.field(default_factory=AwsOptions)
    gcp_options: GcpOptions = msgspec.field(default_factory=GcpOptions)


class UsageFilterInput(WireType):
    """``usage_filter``."""

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime | None = None


def new_scheduled_terms(wire: Sequence[ScheduledTermInput], path: str) -> tuple[NewScheduledTerm, ...]:
    """Return the commands for scheduled charges or discounts. ``path`` is that of their list."""
    return tuple(
        NewScheduledTerm(
            ProductId(item.product_id.lower()),
            new_payments(item.schedule, f"{path}[{index}].schedule"),
            item.name,
            item.netsuite_sales_order_id,
            item.custom_fields,
        )
        for index, item in enumerate(wire)
    )


def new_services(wire: Sequence[ProfessionalServiceInput], path: str) -> tuple[ProfessionalService, ...]:
    """Return professional services with empty ids. ``path`` is that of their list."""
    return tuple(
        ProfessionalService(
            "",
            ProductId(item.product_id.lower()),
            checked(item.unit_price, f"{path}[{index}].unit_price"),
            checked(item.quantity, f"{path}[{index}].quantity"),
            checked(item.max_amount, f"{path}[{index}].max_amount"),
            item.description,
            item.netsuite_sales_order_id,
            item.custom_fields,
        )
        for index, item in enumerate(wire)
    )


def royalty_changes(wire: Sequence[RoyaltyInput], path: str) -> tuple[RoyaltyChange, ...]:
    """Return what a request says of royalties. ``path`` is that of their list."""
    return tuple(_royalty_change(item, f"{path}[{index}]") for index, item in enumerate(wire))


def _royalty_change(wire: RoyaltyInput, path: str) -> RoyaltyChange:
    fraction, value, ids = wire.fraction, wire.reseller_contract_value, wire.applicable_product_ids
    end = wire.ending_before
    return RoyaltyChange(
        reseller_type=ResellerType(wire.reseller_type),
        fraction=None if fraction is None else checked(fraction, f"{path}.fraction"),
        netsuite_reseller_id=wire.netsuite_reseller_id,
        starting_at=None if wire.starting_at is None else utc(wire.starting_at),
        ending_before=utc(end) if isinstance(end, datetime) else end,
        applicable_product_ids=None if ids is None else tuple(ProductId(value.lower()) for value in ids),
        applicable_product_tags=wire.applicable_product_tags,
        reseller_contract_value=None if value is None else checked(value, f"{path}.reseller_contract_value"),
        aws_account_number=wire.aws_options.aws_account_number,
        aws_payer_reference_id=wire.aws_options.aws_payer_reference_id,
        aws_offer_id=wire.aws_options.aws_offer_id,
        gcp_account_id=wire.gcp_options.gcp_account_id,
        gcp_offer_id=wire.gcp_options.gcp_offer_id,
    )


def new_usage_filter(wire: UsageFilterInput) -> NewUsageFilter:
    """Return the command for a usage filter."""
    start = wire.starting_at
    return NewUsageFilter(wire.group_key, wire.group_values, None if start is None else utc(start))


def render_scheduled_charge(context: Context, charge: ScheduledCharge) -> JsonObject:
    """Return a scheduled charge."""
    archived_at = charge.archived_at
    return {
        **render_scheduled_term(context, charge),
        **present(archived_at=None if archived_at is None else time(archived_at)),
    }


def render_scheduled_term(context: Context, term: ScheduledTerm) -> JsonObject:
    """Return what a scheduled charge and a discount have in common."""
    return present(
        id=term.id,
        product=render_product(context, term.product_id),
        name=term.name,
        schedule=render_invoice_schedule(context.store, term.schedule),
        netsuite_sales_order_id=term.netsuite_sales_order_id,
        custom_fields=term.custom_fields,
    )


def render_service(service: ProfessionalService) -> JsonObject:
    """Return a professional service."""
    return present(
        id=service.id,
        product_id=service.product_id,
        description=service.description,
        unit_price=number(service.unit_price),
        quantity=number(service.quantity),
        max_amount=number(service.max_amount),
        netsuite_sales_order_id=service.netsuite_sales_order_id,
        custom_fields=service.custom_fields,
    )


def render_royalty(royalty: ResellerRoyalty | RoyaltyChange) -> JsonObject:
    """Return a royalty, or what a change says of it, with the options of its marketplace beside the rest."""
    fraction, value, start, end = (
        royalty.fraction,
        royalty.reseller_contract_value,
        royalty.starting_at,
        royalty.ending_before,
    )
    ids, tags = royalty.applicable_product_ids, royalty.applicable_product_tags
    rendered = present(
        reseller_type=royalty.reseller_type.value,
        fraction=None if fraction is None else number(fraction),
        netsuite_reseller_id=royalty.netsuite_reseller_id,
        starting_at=None if start is None else time(start),
        ending_before=time(end) if isinstance(end, datetime) else None,
        applicable_product_ids=list(ids) if ids else None,
        applicable_product_tags=list(tags) if tags else None,
        reseller_contract_value=None if value is None else number(value),
        aws_account_number=royalty.aws_account_number,
        aws_payer_reference_id=royalty.aws_payer_reference_id,
        aws_offer_id=royalty.aws_offer_id,
        gcp_account_id=royalty.gcp_account_id,
        gcp_offer_id=royalty.gcp_offer_id,
    )
    if isinstance(royalty, RoyaltyChange) and end is None:
        rendered["ending_before"] = None
    return rendered


def render_royalties_by_type(royalties: Sequence[ResellerRoyalty]) -> list[JsonObject]:
    """Return royalties as v2 has them: the segments of each type together."""
    types = dict.fromkeys(royalty.reseller_type for royalty in royalties)
    return [
        {
            "reseller_type": each.value,
            "segments": [render_royalty(royalty) for royalty in royalties if royalty.reseller_type is each],
        }
        for each in types
    ]


def render_invoice_royalty(royalty: ResellerRoyalty) -> JsonObject:
    """Return ``reseller_royalty`` of an invoice."""
    aws = present(
        aws_account_number=royalty.aws_account_number,
        aws_payer_reference_id=royalty.aws_payer_reference_id,
        aws_offer_id=royalty.aws_offer_id,
    )
    gcp = present(gcp_account_id=royalty.gcp_account_id, gcp_offer_id=royalty.gcp_offer_id)
    return present(
        reseller_type=royalty.reseller_type.value,
        netsuite_reseller_id=royalty.netsuite_reseller_id,
        fraction=str(number(royalty.fraction)),
        aws_options=aws or None,
        gcp_options=gcp or None,
    )


def render_transition(transition: Transition) -> JsonObject:
    """Return a link between two contracts."""
    return {
        "type": transition.type.value,
        "from_contract_id": transition.from_contract_id,
        "to_contract_id": transition.to_contract_id,
    }


def render_usage_filter(chosen: UsageFilter, period: Period | None = None) -> JsonObject:
    """Return a usage filter; with the time in which it is the one in force, as v2 has it."""
    end = None if period is None else period.ending_before
    return present(
        group_key=chosen.group_key,
        group_values=list(chosen.group_values),
        starting_at=time(chosen.starting_at),
        ending_before=None if end is None else time(end),
    )


def render_usage_filters(contract: Contract) -> list[JsonObject]:
    """Return a contract's usage filters as v2 has them."""
    return [render_usage_filter(item, period) for item, period in segments_of(contract.usage_filters)]


def render_usage_filter_history(contract: Contract, now: datetime) -> JsonObject | None:
    """Return a contract's usage filters as v1 has them; None without any.

    Assumed: ``initial`` is the first one, ``updates`` are the others, ``current`` the one in force, or the first one
    before that starts.  [A-usage-filter-history]
    """
    filters = contract.usage_filters
    if not filters:
        return None
    begun = [item for item in filters if item.starting_at <= now]
    return {
        "initial": render_usage_filter(filters[0]),
        "current": render_usage_filter(begun[-1] if begun else filters[0]),
        "updates": [render_usage_filter(item) for item in filters[1:]],
    }
