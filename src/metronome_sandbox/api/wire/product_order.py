"""The order of products on a rate card, on the wire."""

from __future__ import annotations

from decimal import Decimal

from metronome_sandbox.api.wire.common import WireType, decode, decoder
from metronome_sandbox.domain.ids import ProductId, RateCardId
from metronome_sandbox.services.product_order import ProductMove


class SetProductOrder(WireType):
    """Body of ``setRateCardProductsOrder-v1``."""

    rate_card_id: str
    product_order: tuple[str, ...]


class WireProductMove(WireType):
    """One of ``product_moves``."""

    product_id: str
    position: Decimal


class MoveProducts(WireType):
    """Body of ``moveRateCardProducts-v1``."""

    rate_card_id: str
    product_moves: tuple[WireProductMove, ...]


_SET_ORDER = decoder(SetProductOrder)
_MOVE = decoder(MoveProducts)


def parse_set_order(body: bytes) -> tuple[RateCardId, list[ProductId]]:
    """Return the card and the products that come first on it."""
    wire = decode(_SET_ORDER, body)
    return RateCardId(wire.rate_card_id.lower()), [ProductId(product_id.lower()) for product_id in wire.product_order]


def parse_move(body: bytes) -> tuple[RateCardId, list[ProductMove]]:
    """Return the card and the moves. A place far beyond the end is the end, however large the number."""
    wire = decode(_MOVE, body)
    return RateCardId(wire.rate_card_id.lower()), [
        ProductMove(ProductId(move.product_id.lower()), int(min(move.position, Decimal(MANY_PRODUCTS))))
        for move in wire.product_moves
    ]


MANY_PRODUCTS = 10**9
"""More than any card has."""
