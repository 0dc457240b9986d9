"""Entries that somebody makes by hand into the ledger of a commit or credit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.balances import Balance, ManualEntry, Segment
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, UniquenessKeyTaken
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, SegmentId
from metronome_sandbox.services.balances import kind_of
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.customers import active_customer


class NewManualEntry(msgspec.Struct, frozen=True):
    """What ``addManualBalanceLedgerEntry-v1`` asks for.

    Attributes:
        contract_id: Of the balance; None for one of the customer.
        timestamp: None is the segment's start.
        seat_amounts: What of the amount is for which seat; None where the segment is all of theirs.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    amount: Decimal
    reason: str
    contract_id: ContractId | None = None
    timestamp: datetime | None = None
    uniqueness_key: str | None = None
    seat_amounts: tuple[tuple[str, Decimal], ...] | None = None


def add_manual_balance_ledger_entry(context: Context, customer_id: CustomerId, new: NewManualEntry) -> Balance:
    """Enter an amount into the ledger of a commit or credit; drafts follow at once.

    Raises:
        CustomerNotFound, NotFound: There is no such customer, balance or segment.
        UniquenessKeyTaken: The key was used for another entry.
        InvalidRequest: It is dated outside of its segment.
        NotAllowedNow: The balance is archived.

    Source: operation ``addManualBalanceLedgerEntry-v1`` and reference section 4.5.
    Assumed: a balance of a contract is found with that contract's id only, one of the customer without any; an entry
    lies inside its segment.  [A-manual-entry]
    """
    active_customer(context, customer_id, "customer_id")
    store = context.store
    balance = store.balances.get(new.balance_id)
    if balance is None or balance.customer_id != customer_id or balance.contract_id != new.contract_id:
        level = "the customer" if new.contract_id is None else f"contract {new.contract_id}"
        raise NotFound(f"commit or credit of {level} with the id", new.balance_id, "id")
    segment = balance.segment(new.segment_id)
    if segment is None:
        raise NotFound(f"segment of {balance.id} with the id", new.segment_id, "segment_id")
    if balance.archived_at is not None:
        raise NotAllowedNow("id", f"{kind_of(balance)} {balance.id} is archived")
    timestamp = segment.starting_at if new.timestamp is None else new.timestamp
    if timestamp not in segment.period:
        raise InvalidRequest(
            "timestamp",
            f"{timestamp.isoformat()} is not inside the segment, "
            f"{segment.starting_at.isoformat()}..{segment.ending_before.isoformat()}",
        )
    if new.uniqueness_key is not None and ("ledger entry", new.uniqueness_key) in store.uniqueness_keys:
        raise UniquenessKeyTaken(new.uniqueness_key)
    amounts = [(segment, new.amount)] if new.seat_amounts is None else _of_seats(balance, timestamp, new.seat_amounts)
    entries = tuple(ManualEntry(each.id, amount, new.reason, timestamp) for each, amount in amounts)
    with context.transaction():
        corrected = msgspec.structs.replace(balance, manual_entries=(*balance.manual_entries, *entries))
        store.balances.put(balance.id, corrected)
        if new.uniqueness_key is not None:
            store.uniqueness_keys.put(("ledger entry", new.uniqueness_key), balance.id)
    return corrected


def _of_seats(
    balance: Balance, timestamp: datetime, amounts: Iterable[tuple[str, Decimal]]
) -> Iterator[tuple[Segment, Decimal]]:
    """Yield the segments of seats that are open at an instant, with what is entered for each."""
    for seat, amount in amounts:
        mine = [each for each in balance.segments if each.seat is not None and each.seat[1] == seat]
        segment = next((each for each in mine if timestamp in each.period), None)
        if segment is None:
            raise InvalidRequest(
                f"per_group_amounts.{seat}",
                f"no seat {seat!r} has a balance of {balance.id} at {timestamp.isoformat()}",
            )
        yield segment, amount
