"""Ledgers of commits and credits on the wire: entries as they are shown, and those entered by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, invoice_time, number, present, utc
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, SegmentId
from metronome_sandbox.domain.ledger import FAMILIES, EntryKind, LedgerEntry
from metronome_sandbox.services.manual_entries import NewManualEntry


class ManualEntryInput(WireType):
    """Body of ``addManualBalanceLedgerEntry-v1``."""

    customer_id: str
    id: str
    segment_id: str
    amount: Decimal
    reason: str
    contract_id: str | None = None
    per_group_amounts: dict[str, Decimal] | None = None
    timestamp: datetime | None = None
    uniqueness_key: str | None = None


_MANUAL = decoder(ManualEntryInput)


def parse_manual_entry(body: bytes) -> tuple[CustomerId, NewManualEntry]:
    """Return the customer and the entry of ``addManualBalanceLedgerEntry-v1``.

    Raises:
        InvalidRequest: The amounts of the groups do not add up to the amount.
    """
    wire = decode(_MANUAL, body)
    groups = wire.per_group_amounts
    if groups is not None and sum(groups.values()) != wire.amount:
        raise InvalidRequest("per_group_amounts", f"add up to {sum(groups.values())} and not to amount {wire.amount}")
    contract_id = wire.contract_id
    return CustomerId(wire.customer_id.lower()), NewManualEntry(
        BalanceId(wire.id.lower()),
        SegmentId(wire.segment_id.lower()),
        checked(wire.amount, "amount"),
        wire.reason,
        None if contract_id is None else ContractId(contract_id.lower()),
        None if wire.timestamp is None else utc(wire.timestamp),
        wire.uniqueness_key,
        None if groups is None else _checked_amounts(groups),
    )


def _checked_amounts(groups: dict[str, Decimal]) -> tuple[tuple[str, Decimal], ...]:
    return tuple((seat, checked(amount, f"per_group_amounts.{seat}")) for seat, amount in groups.items())


def render_entry(balance: Balance, entry: LedgerEntry) -> JsonObject:
    """Return a ledger entry. A postpaid commit names a segment for draws and rollovers only, an entry by hand never."""
    rendered = {
        "type": f"{FAMILIES[balance.type]}_{entry.kind}",
        "timestamp": invoice_time(entry.timestamp),
        "amount": number(entry.amount),
    }
    is_postpaid = balance.type is BalanceType.POSTPAID
    if entry.kind is not EntryKind.MANUAL and (not is_postpaid or entry.kind in _SEGMENTS_OF_POSTPAID):
        rendered["segment_id"] = entry.segment_id
    return rendered | present(
        invoice_id=entry.invoice_id,
        contract_id=entry.contract_id,
        new_contract_id=entry.new_contract_id,
        reason=entry.reason,
    )


_SEGMENTS_OF_POSTPAID = (EntryKind.AUTOMATED_INVOICE_DEDUCTION, EntryKind.ROLLOVER)
