"""Custom pricing units in money: what balances in the unit leave of usage is billed in the currency of the card.

Inside, every part is converted by itself, so that a balance in the currency pays for the usage it is meant for. On the
invoice all of a unit is one line, but for what such balances cover.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.drawdown import Cover, PaidPart
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.domain.invoices import LineItem, LineType
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Rate, TierSlice, flat
from metronome_sandbox.domain.rating import Part, PriceBook, Rank


def converted_parts(paid: Iterable[Iterable[PaidPart]], book: PriceBook) -> list[list[Part]]:
    """Return what no balance in its own unit pays for, as parts in the currency: a unit of them is a custom unit.

    Source: guide "Use currency and custom pricing units".
    Assumed: a balance in the currency may pay the converted value of whatever it may pay for (import reference, section
    3.5), after everything that is priced in the currency.  [A-conversion-paid]
    """
    if not book.conversions:
        return []
    return [
        [_converted(paid_part, book)]
        for parts in paid
        for paid_part in parts
        if paid_part.part.credit_type_id in book.conversions and paid_part.uncovered_cost
    ]


def _converted(paid: PaidPart, book: PriceBook) -> Part:
    part = paid.part
    price = flat(book.conversions[part.credit_type_id].fiat_per_custom_credit)
    rate = Rate(part.starting_at, part.ending_before, True, price, book.fiat_credit_type_id)
    units = TierSlice(paid.uncovered_cost, price.tiers[0].price, 1, ZERO, None)
    return Part(
        part.target,
        part.starting_at,
        part.ending_before,
        rate,
        price,
        ZERO,
        units,
        Rank.CONVERSION,
        LineType.CPU_CONVERSION,
        is_fixed=True,
        converted_credit_type_id=part.credit_type_id,
    )


class ConvertedUnits(msgspec.Struct, frozen=True, gc=False):
    """Units of one kind that one segment pays for, or that nothing pays for.

    Attributes:
        cover: Any of the covers by that segment; None where nothing pays.
        quantity: In custom units.
        total: In the currency.
    """

    credit_type_id: CreditTypeId
    cover: Cover | None
    quantity: Decimal
    total: Decimal


def units_converted(converted: Iterable[Iterable[PaidPart]]) -> list[ConvertedUnits]:
    """Add up converted parts by unit and by what pays for them; in each unit what nothing pays for comes last."""
    sums: dict[tuple[CreditTypeId, str | None], ConvertedUnits] = {}
    for parts in converted:
        for paid in parts:
            unit = paid.part.converted_credit_type_id
            if unit is None:
                continue
            pieces = [(cover, cover.slice.quantity, cover.total) for cover in paid.covers]
            for cover, quantity, total in (*pieces, (None, paid.uncovered, paid.uncovered_cost)):
                key = unit, None if cover is None else cover.segment.id
                known = sums.get(key, ConvertedUnits(unit, cover, ZERO, ZERO))
                sums[key] = ConvertedUnits(unit, known.cover, known.quantity + quantity, known.total + total)
    units = list(dict.fromkeys(unit for unit, _ in sums))
    found = (each for each in sums.values() if each.quantity or each.total)
    return sorted(found, key=lambda each: (units.index(each.credit_type_id), each.cover is None))


def conversion_line(each: ConvertedUnits, book: PriceBook, period: BoundedPeriod) -> LineItem:
    """Return the line of converted units.

    Source: the reference, sections 2.2 and 2.7: quantity is the units left, the unit price the card's conversion.
    Assumed: it is named after the unit and spans the billing period; there is none where balances leave nothing.
    [A-conversion-line]
    """
    conversion = book.conversions[each.credit_type_id]
    return LineItem(
        type=LineType.CPU_CONVERSION,
        name=f"{conversion.credit_type.name} conversion",
        product_id=None,
        total=each.total,
        starting_at=period.starting_at,
        ending_before=period.ending_before,
        quantity=each.quantity,
        unit_price=conversion.fiat_per_custom_credit,
        converted_credit_type_id=each.credit_type_id,
    )
