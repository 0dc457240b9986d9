"""What balances and overrides are for, in words."""

from __future__ import annotations

from collections.abc import Sequence

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.explanation.surroundings import Surroundings
from metronome_sandbox.domain.explanation.words import called, joined
from metronome_sandbox.domain.ids import GroupValues, ProductId
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.domain.targeting import Specifier


def balance_scope(balance: Balance, around: Surroundings) -> str:
    """Return what a balance may pay for."""
    if balance.specifiers:
        return joined([_specified(each, around) for each in balance.specifiers], "or")
    return _products_and_tags(balance.applicable_product_ids, balance.applicable_product_tags, around)


def override_scope(override: Override, around: Surroundings) -> str:
    """Return what an override changes."""
    if not override.specifiers:
        ids = () if override.product_id is None else (override.product_id,)
        return _products_and_tags(ids, override.applicable_product_tags, around)
    words: list[str] = []
    for specifier in override.specifiers:
        what = _specified(specifier.target, around)
        named = [
            called(around.balances[balance_id], around.book.products)
            for balance_id in specifier.balance_ids
            if balance_id in around.balances
        ]
        if len(named) < len(specifier.balance_ids):
            named.append("a recurring commit or credit")
        if named:
            payer = f"what {joined(named, 'or')} pays"
            what = payer if what == "everything" else f"{what} in {payer}"
        words.append(what)
    return joined(words, "or")


def _products_and_tags(ids: Sequence[ProductId], tags: Sequence[str], around: Surroundings) -> str:
    words = [_product_called(product_id, around) for product_id in ids]
    words += [f"the tag {tag}" for tag in tags]
    return joined(words, "or") if words else "everything"


def _product_called(product_id: ProductId, around: Surroundings) -> str:
    product = around.book.products.get(product_id)
    return f"the product {product_id if product is None else product.at(around.instant).name}"


def _specified(specifier: Specifier, around: Surroundings) -> str:
    words: list[str] = []
    if specifier.product_id is not None:
        words.append(_product_called(specifier.product_id, around))
    words += [f"the tag {tag}" for tag in specifier.product_tags]
    if specifier.pricing_group_values:
        words.append(f"pricing group values {_pairs(specifier.pricing_group_values)}")
    if specifier.presentation_group_values:
        words.append(f"presentation group values {_pairs(specifier.presentation_group_values)}")
    words += [
        f"no product with {joined([f'the tag {tag}' for tag in tags], 'and')}" for tags in specifier.excluded_tags
    ]
    return joined(words, "and") if words else "everything"


def _pairs(values: GroupValues) -> str:
    return ", ".join(f"{key}={value}" for key, value in values)
