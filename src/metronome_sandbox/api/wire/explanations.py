"""Explanations on the wire. Source: schema ``InvoiceExplanation`` of the control plane."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, group_map, invoice_time, number, present
from metronome_sandbox.domain.explanation import ExplainedBalance, ExplainedLine, ExplainedOverride, Explanation
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.domain.invoices import Invoice, LineItem
from metronome_sandbox.domain.overrides import OverrideTarget
from metronome_sandbox.domain.rate_cards import Price
from metronome_sandbox.domain.trace import Measure, Pricing
from metronome_sandbox.store.interface import Store


def render(store: Store, explanation: Explanation) -> JsonObject:
    """Return an explanation."""
    invoice = explanation.invoice
    about: JsonObject = {
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "contract_id": invoice.contract_id,
        "type": invoice.type.value,
        "status": invoice.status.value,
        "credit_type": _credit_type(store, invoice.credit_type_id),
        "total": number(invoice.total),
    }
    if invoice.period is not None:
        about["period"] = {
            "starting_at": invoice_time(invoice.period.starting_at),
            "ending_before": invoice_time(invoice.period.ending_before),
            "why": explanation.period_why,
        }
    return {
        "invoice": about,
        "lines": [_line(store, explanation, index, each) for index, each in enumerate(explanation.lines)],
        "balances": [_balance(store, each) for each in explanation.balances],
        "notes": list(explanation.notes),
    }


def _credit_type(store: Store, credit_type_id: CreditTypeId) -> JsonObject:
    return {"id": credit_type_id, "name": store.credit_types[credit_type_id].name}


def _line(store: Store, explanation: Explanation, index: int, explained: ExplainedLine) -> JsonObject:
    invoice, line = explanation.invoice, explained.line
    return present(
        line=index,
        name=line.name,
        type=line.type.value,
        quantity=None if line.quantity is None else number(line.quantity),
        unit_price=None if line.unit_price is None else number(line.unit_price),
        total=number(line.total),
        credit_type=_credit_type(store, line.credit_type_id or invoice.credit_type_id),
        why=explained.why,
        rate=_rate(invoice, line, line.pricing, explained.rate_source),
        overrides=[_override(each) for each in explained.overrides],
        tiers=_tiers(line),
        conversion=_conversion(explained.measure),
        rounding=_rounding(explained.measure),
        covered_by=_cover(line, explained.cover_why),
    )


def _rate(invoice: Invoice, line: LineItem, pricing: Pricing | None, source: str | None) -> JsonObject | None:
    if pricing is None or source is None:
        return None
    rate, base = pricing.rate, pricing.choice.base
    pays_commit_rate = base is OverrideTarget.COMMIT_RATE and rate.commit_price is not None
    price: Price = rate.commit_price if pays_commit_rate and rate.commit_price is not None else rate.price
    tiers = [{"price": number(tier.price), "size": tier.size and number(tier.size)} for tier in price.tiers]
    return present(
        source=source,
        rate_card_id=None if invoice.trace is None else invoice.trace.rate_card_id,
        basis=base.value,
        rate_type=price.rate_type.value,
        price=number(price.tiers[0].price) if price.is_flat else None,
        tiers=None if price.is_flat else tiers,
        pricing_group_values=group_map(line.pricing_group_values) if line.pricing_group_values else None,
        starting_at=invoice_time(rate.starting_at),
        ending_before=None if rate.ending_before is None else invoice_time(rate.ending_before),
    )


def _override(explained: ExplainedOverride) -> JsonObject:
    return present(
        id=explained.id,
        type=None if explained.type is None else explained.type.value,
        decision=explained.decision,
        why=explained.why,
    )


def _tiers(line: LineItem) -> list[JsonObject] | None:
    """Return the tier of a line that stands in one; a line never stands in two."""
    if line.tier is None or line.quantity is None or line.unit_price is None:
        return None
    return [
        {
            "level": line.tier.level,
            "from": number(line.tier.starting_at),
            "quantity": number(line.quantity),
            "unit_price": number(line.unit_price),
            "total": number(line.total),
        }
    ]


def _conversion(measure: Measure | None) -> JsonObject | None:
    if measure is None or measure.conversion is None:
        return None
    return present(
        name=measure.conversion.name,
        operation=measure.conversion.operation,
        conversion_factor=number(measure.conversion.conversion_factor),
        before=number(measure.metered),
        after=number(measure.converted),
    )


def _rounding(measure: Measure | None) -> JsonObject | None:
    if measure is None or measure.rounding is None:
        return None
    return {
        "rounding_method": measure.rounding.rounding_method,
        "decimal_places": measure.rounding.decimal_places,
        "before": number(measure.converted),
        "after": number(measure.billed),
    }


def _cover(line: LineItem, why: str | None) -> JsonObject | None:
    if why is None or line.applied is None:
        return None
    return {"id": line.applied.id, "segment_id": line.applied.segment_id, "why": why}


def _balance(store: Store, explained: ExplainedBalance) -> JsonObject:
    return {
        "id": explained.balance_id,
        "segment_id": explained.segment_id,
        "name": explained.name,
        "type": explained.type.value,
        "credit_type": _credit_type(store, explained.credit_type_id),
        "order": explained.order,
        "why": explained.why,
        "before": number(explained.before),
        "drawn": number(explained.drawn),
        "left": number(explained.left),
        "lines": list(explained.lines),
    }
