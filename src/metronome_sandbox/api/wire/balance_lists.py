"""Lists of commits and credits, and what is left of all of them, on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from metronome_sandbox.api.wire.balances import render as render_balance
from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, utc
from metronome_sandbox.api.wire.credit_types import credit_type_or_usd
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, CustomerId
from metronome_sandbox.services.balance_lists import BalanceFilter, NetBalanceFilter
from metronome_sandbox.services.context import Context


class ListFilter(WireType):
    """Body of the three lists; each has some of these fields."""

    customer_id: str
    id: str | None = None
    commit_id: str | None = None
    credit_id: str | None = None
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None
    include_contract_balances: bool = False
    include_contract_commits: bool = False
    include_contract_credits: bool = False
    include_archived: bool = False
    include_ledgers: bool = False
    include_balance: bool = False
    exclude_zero_balances: bool = False
    next_page: str | None = None
    limit: int = 25


_LIST = decoder(ListFilter)
COMMITS = frozenset({BalanceType.PREPAID, BalanceType.POSTPAID})
CREDITS = frozenset({BalanceType.CREDIT})


def parse_list(body: bytes) -> ListFilter:
    """Return the body of a list call."""
    return decode(_LIST, body)


def balance_filter(wire: ListFilter, types: frozenset[BalanceType] | None) -> BalanceFilter:
    """Return the conditions of a list call; ``types`` None lists commits and credits."""
    wanted = wire.commit_id or wire.credit_id or wire.id
    return BalanceFilter(
        types=types,
        id=None if wanted is None else BalanceId(wanted.lower()),
        covering_date=None if wire.covering_date is None else utc(wire.covering_date),
        starting_at=None if wire.starting_at is None else utc(wire.starting_at),
        effective_before=None if wire.effective_before is None else utc(wire.effective_before),
        include_contract_balances=(
            wire.include_contract_balances or wire.include_contract_commits or wire.include_contract_credits
        ),
        include_archived=wire.include_archived,
        exclude_zero_balances=wire.exclude_zero_balances,
    )


def render_all(context: Context, balances: Sequence[Balance], wire: ListFilter) -> list[JsonObject]:
    """Return the balances of a list call, with what it asked for."""
    return [
        render_balance(context, balance, include_ledgers=wire.include_ledgers, include_balance=wire.include_balance)
        for balance in balances
    ]


class NetFilter(WireType):
    """An item of ``filters``."""

    balance_types: list[str] | None = None
    ids: list[str] | None = None
    custom_fields: dict[str, str] | None = None


class NetBalanceRequest(WireType):
    """Body of ``getNetBalance-v1``."""

    customer_id: str
    credit_type_id: str | None = None
    filters: list[NetFilter] = []
    invoice_inclusion_mode: str = "FINALIZED_AND_DRAFT"


_NET = decoder(NetBalanceRequest)
NET_TYPES = {
    "PREPAID_COMMIT": BalanceType.PREPAID,
    "POSTPAID_COMMIT": BalanceType.POSTPAID,
    "CREDIT": BalanceType.CREDIT,
}


def parse_net_balance(body: bytes) -> tuple[CustomerId, CreditTypeId, list[NetBalanceFilter], bool]:
    """Return the customer, the unit, the filters and whether drafts count."""
    wire = decode(_NET, body)
    filters = [
        NetBalanceFilter(
            None if item.balance_types is None else frozenset(NET_TYPES[name] for name in item.balance_types),
            None if item.ids is None else frozenset(value.lower() for value in item.ids),
            item.custom_fields,
        )
        for item in wire.filters
    ]
    customer_id = CustomerId(wire.customer_id.lower())
    return customer_id, credit_type_or_usd(wire.credit_type_id), filters, wire.invoice_inclusion_mode != "FINALIZED"
