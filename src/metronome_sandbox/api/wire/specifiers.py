"""What a commit, credit or recurring one is for, on the wire. Source: schema ``BalanceSpecifier``."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, WireType, present
from metronome_sandbox.domain.ids import ProductId, group_values
from metronome_sandbox.domain.targeting import Specifier


class Exclusion(WireType):
    """An item of a specifier's ``exclude``."""

    product_tags: tuple[str, ...] = ()


class SpecifierInput(WireType):
    """An item of ``specifiers``."""

    product_id: str | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str] | None = None
    exclude: list[Exclusion] = []


def specifier(wire: SpecifierInput) -> Specifier:
    """Return the conditions of one specifier."""
    return Specifier(
        None if wire.product_id is None else ProductId(wire.product_id.lower()),
        wire.product_tags,
        group_values(wire.pricing_group_values),
        group_values(wire.presentation_group_values),
        tuple(item.product_tags for item in wire.exclude),
    )


def render_specifier(value: Specifier) -> JsonObject:
    """Return one specifier."""
    return present(
        product_id=value.product_id,
        product_tags=list(value.product_tags) or None,
        pricing_group_values=dict(value.pricing_group_values) or None,
        presentation_group_values=dict(value.presentation_group_values) or None,
        exclude=[{"product_tags": list(tags)} for tags in value.excluded_tags] or None,
    )
