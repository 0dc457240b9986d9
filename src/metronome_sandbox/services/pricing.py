"""What is left of a contract's commits and credits, as the next invoice finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.hierarchies import all_children_of
from metronome_sandbox.domain.ids import CreditTypeId, SegmentId
from metronome_sandbox.domain.invoices import Draw
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rating import PriceBook, UnitConversion
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.rollovers import as_it_stands, spent_after_rollover


def open_segments(
    context: Context, contract: Contract, period: BoundedPeriod, taken: Mapping[SegmentId, Decimal]
) -> list[OpenSegment]:
    """Return the segments that usage of this contract and period may draw on, with what is left of each, if anything.

    They come in no order of spending.

    Args:
        taken: What invoices that are not stored yet (drafts, earlier ones of a batch) took already.
    """
    store = context.store
    found: list[OpenSegment] = []
    open_to = store.balances_open_to
    balance_ids = chain(open_to.ids(contract.customer_id), open_to.ids(contract.id))
    if contract.parent_id is not None:
        balance_ids = chain(balance_ids, open_to.ids(all_children_of(contract.parent_id)))
    for balance_id in balance_ids:
        balance = as_it_stands(context, store.balances[balance_id], taken)
        for segment in balance.segments:
            if segment.starting_at < period.ending_before and period.starting_at < segment.ending_before:
                left = balance.worth(segment) - store.drawn.get(segment.id, ZERO) - taken.get(segment.id, ZERO)
                if balance.rollovers:
                    left -= spent_after_rollover(context, balance, segment, taken)
                found.append(OpenSegment(balance, segment, left))
    return found


def add_draws(taken: dict[SegmentId, Decimal], draws: Iterable[Draw]) -> None:
    """Count draws of an invoice that is not stored yet."""
    for draw in draws:
        taken[draw.segment_id] = taken.get(draw.segment_id, ZERO) + draw.amount


def fiat_credit_type(context: Context, contract: Contract) -> CreditTypeId:
    """Return the currency of a contract's usage invoices: its rate card's, USD without a card."""
    card = context.store.rate_cards.get(contract.rate_card_id) if contract.rate_card_id is not None else None
    return card.fiat_credit_type_id if card is not None else USD_CENTS


def price_book(context: Context, contract: Contract) -> PriceBook:
    """Return where the contract's prices are looked up."""
    store = context.store
    card = store.rate_cards.get(contract.rate_card_id) if contract.rate_card_id is not None else None
    if card is None:
        return PriceBook(None, (), store.products, store.rate_schedules)
    return PriceBook(
        card.id,
        card.product_ids,
        store.products,
        store.rate_schedules,
        card.fiat_credit_type_id,
        {
            each.custom_credit_type_id: UnitConversion(
                store.credit_types[each.custom_credit_type_id], each.fiat_per_custom_credit
            )
            for each in card.conversions
        },
    )
