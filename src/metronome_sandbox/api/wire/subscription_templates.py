"""Subscriptions of packages on the wire. Source: schemas ``SubscriptionTemplate`` and ``SubscriptionTemplateInput``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import field

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, present
from metronome_sandbox.api.wire.recurring import new_rounding
from metronome_sandbox.api.wire.relative_dates import RelativeDateInput, duration, offset, render_relative_date
from metronome_sandbox.api.wire.subscriptions import ProrationInput, SubscriptionRateInput, custom_unit, render_terms
from metronome_sandbox.domain.amounts import ZERO, checked
from metronome_sandbox.domain.ids import ProductId
from metronome_sandbox.domain.packages import Package, SubscriptionTemplate
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.domain.recurring import Recurring
from metronome_sandbox.domain.subscriptions import Collection, IncreaseBilling, InvoicePlacement, QuantityManagement
from metronome_sandbox.services.context import Context


class BillingCycleTemplate(WireType):
    """``billing_cycle_config``."""

    invoice_placement: str = "ON_USAGE_INVOICE"


class SeatConfigTemplate(WireType):
    """``seat_config``."""

    seat_group_key: str
    initial_unassigned_seats: Decimal = Decimal(0)


class SubscriptionTemplateInput(WireType):
    """An item of ``subscriptions``."""

    subscription_rate: SubscriptionRateInput
    collection_schedule: str
    proration: ProrationInput
    name: str | None = None
    description: str | None = None
    billing_cycle_config: BillingCycleTemplate = field(default_factory=BillingCycleTemplate)
    quantity_management_mode: str = "QUANTITY_ONLY"
    initial_quantity: Decimal | None = None
    seat_config: SeatConfigTemplate | None = None
    starting_at_offset: RelativeDateInput | None = None
    duration: RelativeDateInput | None = None
    temporary_id: str | None = None
    custom_fields: dict[str, str] = {}


def new_subscription_template(wire: SubscriptionTemplateInput, path: str) -> SubscriptionTemplate:
    """Return a template with an empty id. ``path`` is its own.

    Raises:
        InvalidRequest: Its offset leads back, its duration is none, or a number is out of range.
    """
    quantity, seats, start = wire.initial_quantity, wire.seat_config, wire.starting_at_offset
    unassigned = ZERO if seats is None else seats.initial_unassigned_seats
    return SubscriptionTemplate(
        id="",
        product_id=ProductId(wire.subscription_rate.product_id.lower()),
        frequency=canonical(wire.subscription_rate.billing_frequency, BillingFrequency),
        collection=canonical(wire.collection_schedule, Collection),
        starting_at_offset=None if start is None else offset(start, f"{path}.starting_at_offset"),
        duration=duration(wire.duration, f"{path}.duration"),
        quantity=None if quantity is None else checked(quantity, f"{path}.initial_quantity"),
        seat_group_key=None if seats is None else seats.seat_group_key,
        unassigned_seats=checked(unassigned, f"{path}.seat_config.initial_unassigned_seats"),
        management=canonical(wire.quantity_management_mode, QuantityManagement),
        is_prorated=wire.proration.is_prorated,
        increase_billing=canonical(wire.proration.invoice_behavior, IncreaseBilling),
        rounding=new_rounding(wire.proration.rounding),
        placement=canonical(wire.billing_cycle_config.invoice_placement, InvoicePlacement),
        name=wire.name,
        description=wire.description,
        custom_fields=wire.custom_fields,
        temporary_id=wire.temporary_id,
    )


def render_subscription_template(context: Context, package: Package, template: SubscriptionTemplate) -> JsonObject:
    """Return a template.

    Assumed: the currency and the custom pricing unit are those of the package's card; a card named by an alias is known
    at the start of each contract only, so there they are absent.  [A-package-subscription-unit]
    """
    start, length, quantity = template.starting_at_offset, template.duration, template.quantity
    card = None if package.rate_card_id is None else context.store.rate_cards[package.rate_card_id]
    fiat = None if card is None else card.fiat_credit_type_id
    return {
        **render_terms(context, template),
        **present(
            billing_cycle_config={"invoice_placement": template.placement.value},
            initial_quantity=None if quantity is None else number(quantity),
            starting_at_offset=None if start is None else render_relative_date(start),
            duration=None if length is None else render_relative_date(length),
            fiat_credit_type_id=fiat,
            custom_credit_type_id=None if fiat is None else custom_unit(context, package.rate_card_id, template, fiat),
        ),
    }


def render_seat_grant(recurring: Recurring, names: Mapping[str, str]) -> JsonObject | None:
    """Return the subscription whose seats a recurring commit or credit of a package follows, if it does.

    Args:
        names: Ids of the package's subscription templates by their temporary ids.
    """
    seats = recurring.seats
    if seats is None:
        return None
    return {
        "subscription_template_id": names[seats.subscription_id],
        "allocation": seats.allocation.value,
        "apply_seat_increase_config": {"is_prorated": seats.is_prorated},
    }
