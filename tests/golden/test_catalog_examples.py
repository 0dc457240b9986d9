"""Worked examples of the reference about products and rate cards, which need more than a row of a table.

Pricing 5.3 no. 21, a cost basis of 20 / 30, is in ``tests/api/test_balances_over_time.py``: only answers have one.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product as every

from builders import utc
from worlds import World

from metronome_sandbox.domain.catalog import QuantityConversion, QuantityRounding
from metronome_sandbox.services.rate_schedules import RatesQuery, get_rates


def test_no_18_a_quantity_is_divided_and_rounded_up() -> None:
    """Pricing 5.3 no. 18: 2,500 MB / 1,024 are 2.44140625 GB, billed as 3; at 100 each that is 300."""
    world = World("2024-06-15")
    world.product(
        "Storage",
        "100",
        quantity_conversion=QuantityConversion("DIVIDE", Decimal(1024)),
        quantity_rounding=QuantityRounding("ROUND_UP", 0),
    )
    world.contract()
    world.use("Storage", "2024-06-03", "2000")
    world.use("Storage", "2024-06-04", "500")

    assert world.lines(world.invoice("2024-06")) == ["Storage 3 @ 100 = 300"]


def test_no_19_a_rate_for_each_combination() -> None:
    """Pricing 5.3 no. 19: 3 clouds, 4 zones, 3 classes and 2 kinds of 3 products are 3 * 4 * 3 * 2 * 3 = 216 rates."""
    world = World("2024-06-15")
    keys = {"cloud": "abc", "zone": "1234", "class": "xyz", "kind": "sm"}
    for name in ("P", "Q", "R"):
        world.product(name, pricing=list(keys))
        for values in every(*keys.values()):
            world.rate(name, "1", pricing=dict(zip(keys, values, strict=True)))

    assert len(get_rates(world.context, RatesQuery(world.card, utc("2024-06-15")))) == 216
