"""The order of products on a rate card, which is the order of lines on invoices."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ProductId, RateCardId
from metronome_sandbox.domain.rate_cards import RateCard
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.rate_cards import active_rate_card


class ProductMove(msgspec.Struct, frozen=True):
    """Where a product goes in the order of a card; 0 is the first place."""

    product_id: ProductId
    position: int


def set_product_order(context: Context, rate_card_id: RateCardId, order: Sequence[ProductId]) -> RateCard:
    """Put products of a card first, in this order, which is the order of lines on invoices.

    Raises:
        NotFound: There is no such card.
        NotAllowedNow: The card is archived.
        InvalidRequest: A product has no rate on the card or is named twice.

    Assumed: products that are not named follow in the order they had (section 3.10).  [A-product-order]
    """
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    for index, product_id in enumerate(order):
        _require_on_card(card, product_id, f"product_order[{index}]")
        if product_id in order[:index]:
            raise InvalidRequest(f"product_order[{index}]", f"product {product_id} is there twice; name each once")
    rest = (product_id for product_id in card.product_ids if product_id not in order)
    return _with_order(context, card, (*order, *rest))


def move_products(context: Context, rate_card_id: RateCardId, moves: Sequence[ProductMove]) -> RateCard:
    """Move single products of a card to other places, one after the other.

    Raises:
        NotFound: There is no such card.
        NotAllowedNow: The card is archived.
        InvalidRequest: A product has no rate on the card.

    Assumed: a place is counted from 0 without the product that moves, and one beyond the end is the end (section
    3.10).  [A-product-moves]
    """
    card = active_rate_card(context, rate_card_id, "rate_card_id")
    order = list(card.product_ids)
    for index, move in enumerate(moves):
        _require_on_card(card, move.product_id, f"product_moves[{index}].product_id")
        order.remove(move.product_id)
        order.insert(move.position, move.product_id)
    return _with_order(context, card, order)


def _require_on_card(card: RateCard, product_id: ProductId, path: str) -> None:
    if product_id not in card.product_ids:
        raise InvalidRequest(path, f"product {product_id} has no rate on rate card {card.id}; add one first")


def _with_order(context: Context, card: RateCard, order: Sequence[ProductId]) -> RateCard:
    changed = msgspec.structs.replace(card, product_ids=tuple(order))
    with context.transaction():
        context.store.rate_cards.put(card.id, changed)
    return changed
