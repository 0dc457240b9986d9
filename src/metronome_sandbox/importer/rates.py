"""What products cost on a contract: evidence for why an old invoice differs. Asked for only where one does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from threading import Lock
from urllib.parse import quote

import msgspec

from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.legacy import Groups
from metronome_sandbox.importer.preview import ask

PATH = "/v1/contracts/getContractRateSchedule"
KEPT = 256
"""Answers that are kept, each for one contract at one instant."""

MOST_PAGES = 20

Tiers = tuple[tuple[Decimal | None, Decimal], ...]
"""The width of each tier, None for all that is left, and its price. A flat price is one tier."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a product costs: by the rate card, and by an override of the contract if there is one."""

    listed: Tiers
    overridden: Tiers | None

    @property
    def effective(self) -> Tiers:
        """What is charged."""
        return self.overridden or self.listed


def cost(tiers: Tiers, quantity: Decimal) -> Decimal:
    """Return what a quantity costs, tier by tier."""
    total, left = Decimal(0), quantity
    for size, price in tiers:
        width = left if size is None else min(left, size)
        total += width * price
        left -= width
    return total


class _Tier(msgspec.Struct, frozen=True, gc=False):
    price: Decimal
    size: Decimal | None = None


class _Rate(msgspec.Struct, frozen=True, gc=False):
    rate_type: str
    price: Decimal | None = None
    tiers: list[_Tier] = []


class _Row(msgspec.Struct, frozen=True, gc=False):
    product_id: str
    list_rate: _Rate
    override_rate: _Rate | None = None
    pricing_group_values: dict[str, str] | None = None


class _Page(msgspec.Struct, frozen=True, gc=False):
    data: list[_Row]
    next_page: str | None = None


_PAGE = msgspec.json.Decoder(_Page)

Prices = Mapping[tuple[str, Groups], Price]


class ContractRates:
    """Prices by contract and instant, from the target. Threads may ask at the same time.

    A target that does not tell leaves reasons with less evidence, and nothing else.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._known: OrderedDict[tuple[str, datetime], Prices] = OrderedDict()
        self._lock = Lock()

    def price(self, customer_id: str, contract_id: str, at: datetime, product_id: str, groups: Groups) -> Price | None:
        """Return what a product costs at an instant, None where nobody tells."""
        key = contract_id, at
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._ask(customer_id, contract_id, at)
            with self._lock:
                self._known[key] = known
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return known.get((product_id, groups))

    def _ask(self, customer_id: str, contract_id: str, at: datetime) -> Prices:
        body = {
            "customer_id": customer_id,
            "contract_id": contract_id,
            "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
        rows: list[_Row] = []
        path = PATH
        for _ in range(MOST_PAGES):
            answer = ask(self._sender, path, body)
            if answer.status != 200:
                break
            try:
                page = _PAGE.decode(answer.body)
            except msgspec.DecodeError:
                break
            rows += page.data
            if not page.next_page:
                break
            path = f"{PATH}?next_page={quote(page.next_page, safe='')}"
        return {key: price for row in rows for key, price in _read(row)}


def _read(row: _Row) -> Sequence[tuple[tuple[str, Groups], Price]]:
    listed = _tiers(row.list_rate)
    if listed is None:
        return ()
    groups = tuple(sorted((row.pricing_group_values or {}).items()))
    overridden = None if row.override_rate is None else _tiers(row.override_rate)
    return (((row.product_id, groups), Price(listed, overridden)),)


def _tiers(rate: _Rate) -> Tiers | None:
    """Return a rate as tiers, None where it is neither flat nor tiered."""
    if rate.rate_type == "FLAT" and rate.price is not None:
        return ((None, rate.price),)
    if rate.rate_type == "TIERED" and rate.tiers:
        return tuple((tier.size, tier.price) for tier in rate.tiers)
    return None
