"""Which usage a term is for: the conditions that overrides, commits and credits share."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.ids import GroupValues, ProductId
from metronome_sandbox.domain.rate_cards import BillingFrequency


class Target(msgspec.Struct, frozen=True, gc=False):
    """One kind of usage: a product with the group values it is billed under; or a subscription to one, with how often
    it is billed.
    """

    product: Product
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()
    billing_frequency: BillingFrequency | None = None


class Specifier(msgspec.Struct, frozen=True, gc=False):
    """Conditions that must all hold; a term with several specifiers is met by any one of them.

    Source: schemas ``CommitSpecifierInput`` and ``OverrideSpecifierInput``.

    Attributes:
        product_tags: The product must have all of them.
        pricing_group_values: The usage must have these; keys that are not named may have any value.
        excluded_tags: The product must not have all tags of any of these sets.
    """

    product_id: ProductId | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()
    excluded_tags: tuple[tuple[str, ...], ...] = ()

    def matches(self, target: Target) -> bool:
        """Whether the usage meets every condition. A product without a named group key never does."""
        product = target.product
        return (
            (self.product_id is None or self.product_id == product.id)
            and _has_all(product.tags, self.product_tags)
            and _has_all(target.pricing_group_values, self.pricing_group_values)
            and _has_all(target.presentation_group_values, self.presentation_group_values)
            and not any(_has_all(product.tags, tags) for tags in self.excluded_tags)
        )


def has_any(product: Product, product_ids: Iterable[ProductId], tags: Iterable[str]) -> bool:
    """Whether a product is in the list or carries any of the tags."""
    return product.id in product_ids or any(tag in product.tags for tag in tags)


def _has_all(held: Iterable[object], wanted: Iterable[object]) -> bool:
    return all(item in held for item in wanted)
