"""The order in which commits and credits are spent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.balances import ENDLESS, Balance, BalanceType, Segment
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.targeting import Target


def product_applicability(balance: Balance, products: Collection[Product]) -> int:
    """Return how many products a balance names; endless when it names none.

    Assumed: tags are expanded to the products that carry them now (Q24).  [A-product-applicability]
    """
    if balance.specifiers:
        if not any(specifier.product_id or specifier.product_tags for specifier in balance.specifiers):
            return ENDLESS
        named = {
            product.id
            for product in products
            for specifier in balance.specifiers
            if (specifier.product_id or specifier.product_tags)
            and (specifier.product_id in (None, product.id))
            and all(tag in product.tags for tag in specifier.product_tags)
        }
        return len(named)
    if not balance.applicable_product_ids and not balance.applicable_product_tags:
        return ENDLESS
    ids = set(balance.applicable_product_ids)
    tagged = {product.id for product in products if any(tag in product.tags for tag in balance.applicable_product_tags)}
    return len(ids | tagged)


def usage_applicability(balance: Balance) -> int:
    """Return how many specifiers of a balance name group values; none without specifiers.

    Source: guide "Understand prioritization rules".
    Assumed: a specifier counts whether or not it names a product as well; the guide's worked order (its commits C and
    D) asks for it.  [A-usage-applicability]
    """
    return sum(
        1 for specifier in balance.specifiers if specifier.pricing_group_values or specifier.presentation_group_values
    )


class OpenSegment(msgspec.Struct, frozen=True, gc=False):
    """A segment with what is left of it."""

    balance: Balance
    segment: Segment
    remaining: Decimal

    def covers(self, target: Target) -> bool:
        """Whether it may pay this usage."""
        return self.balance.covers(target) and self.segment.is_for(target)


SpendingOrder = tuple[int, bool, Decimal, bool, int, int, datetime, datetime, int, int, str]


def spending_order(candidate: OpenSegment, products: Collection[Product]) -> SpendingOrder:
    """Return the key that sorts segments into the order in which they are spent.

    Source: guide "Understand prioritization rules".
    Assumed: contract level before customer level is the last of the published steps (Q25); creation breaks what is
    still a tie, so that the order is total and a run repeats; segments of one commit go by end, then start. A balance
    that a hierarchy shares counts its contract and its children, so that a child's own balances come before.
    [A-spending-order]
    """
    balance, segment = candidate.balance, candidate.segment
    is_postpaid = balance.type is BalanceType.POSTPAID
    is_rolled_over = balance.rolled_over_from is not None
    return (
        0 if is_rolled_over else 2 if is_postpaid else 1,
        is_rolled_over and not is_postpaid,  # of rollovers the postpaid ones first
        balance.priority,  # lower first
        balance.is_paid,  # free before paid; a rollover is never paid
        product_applicability(balance, products),  # narrow before broad
        usage_applicability(balance) if is_rolled_over or not is_postpaid else 0,
        segment.ending_before,
        segment.starting_at,
        balance.contracts_open_to,
        balance.sequence,
        segment.id,
    )
