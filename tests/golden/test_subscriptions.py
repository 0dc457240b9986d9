"""Golden tables of subscriptions, played through the services.

A row says every invoice of its customer as a headline (type, period, status, issue time, total) and every line of all
of them, in the order of issue. A number with ``~`` is shown to six places.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from builders import number, utc
from worlds import World, headline

from metronome_sandbox.domain.recurring import Rounding, RoundingMethod
from metronome_sandbox.services import contract_edits
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.subscriptions import QuantityUpdate, SubscriptionChange


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of a row. A key that is not listed fails."""


class SubscriptionIs(Strict):
    """The one subscription of the row; prorated."""

    quantity: str
    collection: str
    starting_at: date | None = None
    immediately: bool = False
    rounding: tuple[RoundingMethod, int] | None = None


class ChangeIs(Strict):
    """A change of its quantity, sent when the contract is made."""

    at: date
    quantity: str | None = None
    delta: str | None = None


class Row(Strict):
    """``price`` is that of a period, by the date from which on."""

    name: str
    source: str
    price: dict[str, str]
    subscription: SubscriptionIs
    until: date
    invoices: list[str]
    lines: list[str]
    frequency: str = "MONTHLY"
    changes: list[ChangeIs] = []


def rows() -> list[Row]:
    text = (Path(__file__).parent / "subscriptions.yaml").read_text(encoding="utf-8")
    return [msgspec.convert(_dated(row), Row) for row in yaml.safe_load(text)]


def _dated(row: Any) -> Any:
    return {**row, "price": {str(at): price for at, price in row["price"].items()}}


def played(row: Row) -> World:
    world = World("2024-06-01")
    for at, price in row.price.items():
        world.subscribable("Seat", price, frequency=row.frequency, starting_at=at)
    given = row.subscription
    new = world.subscribed(
        "Seat",
        given.quantity,
        collection=given.collection,
        frequency=row.frequency,
        starting_at=None if given.starting_at is None else str(given.starting_at),
        immediately=given.immediately,
        rounding=None if given.rounding is None else Rounding(*given.rounding),
    )
    contract = world.contract(subscriptions=(new,))
    updates = tuple(
        QuantityUpdate(
            utc(str(change.at)),
            None if change.quantity is None else number(change.quantity),
            None if change.delta is None else number(change.delta),
        )
        for change in row.changes
    )
    change = SubscriptionChange(id=contract.subscriptions[0].id, quantity_updates=updates)
    edit = EditContract(customer_id=contract.customer_id, contract_id=contract.id, update_subscriptions=(change,))
    contract_edits.edit_contract(world.context, edit)
    world.travel(str(row.until))
    return world


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_subscriptions_bill_what_the_table_says(row: Row) -> None:
    world = played(row)
    # Scheduled drafts of a date ahead are left out: a table ends where its time ends.
    invoices = [one for one in world.invoices() if one.period is not None or one.status.value == "FINALIZED"]

    assert [headline(one) for one in invoices] == row.invoices
    assert [line for one in invoices for line in world.lines(one)] == row.lines


def test_a_wrong_figure_fails() -> None:
    row = msgspec.structs.replace(rows()[0], invoices=["SCHEDULED FINALIZED 2024-06-01 101"])

    with pytest.raises(AssertionError):
        test_subscriptions_bill_what_the_table_says(row)
