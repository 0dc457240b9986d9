"""What an invoice's ids stand for, and what a line is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, OverrideId
from metronome_sandbox.domain.invoices import LineItem
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.domain.rating import Part, PriceBook
from metronome_sandbox.domain.subscriptions import Subscription
from metronome_sandbox.domain.targeting import Target


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What an invoice's ids stand for.

    Attributes:
        overrides: All that the contract has, in the order they were added, then those it had once.
        balances: As they stand now.
        unit_names: Of credit types.
        instant: Whose names products have, where nothing else gives one.
        beside: What scheduled invoices of its billing period bill of subscriptions.
    """

    contract: Contract
    book: PriceBook
    rate_card_name: str
    overrides: Mapping[OverrideId, Override]
    balances: Mapping[BalanceId, Balance]
    unit_names: Mapping[CreditTypeId, str]
    instant: datetime
    beside: Sequence[Part] = ()


def target_of(line: LineItem, around: Surroundings) -> Target:
    """Return what a line bills, as balances and overrides are held against it."""
    assert line.product_id is not None
    product = around.book.products[line.product_id]
    version = product if line.starting_at is None else product.at(line.starting_at)
    subscription = subscription_of(line, around)
    frequency = None if subscription is None else subscription.frequency
    return Target(version, line.pricing_group_values, line.presentation_group_values, frequency)


def subscription_of(line: LineItem, around: Surroundings) -> Subscription | None:
    """Return the subscription that a line bills, if the contract still has it."""
    if line.subscription is None:
        return None
    return next((each for each in around.contract.subscriptions if each.id == line.subscription.id), None)


def paying_balance(line: LineItem, around: Surroundings) -> Balance | None:
    """Return the commit or credit that pays for a line or that the line is about, if there is one."""
    return None if line.applied is None else around.balances.get(line.applied.id)
