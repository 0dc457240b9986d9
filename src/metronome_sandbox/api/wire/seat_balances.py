"""Balances of seats on the wire. Source: schema ``SeatBalance``."""

from __future__ import annotations

from datetime import datetime

from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, invoice_time, number, time, utc
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import ContractId, CustomerId, SubscriptionId
from metronome_sandbox.domain.ledger import FAMILIES, LedgerEntry
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.seat_balances import SeatBalance, SeatBalanceQuery, SeatShare, seat_ledger


class ListBody(WireType):
    """Body of ``listSeatBalances-v1``."""

    customer_id: str
    contract_id: str
    subscription_ids: tuple[str, ...] = ()
    seat_ids: tuple[str, ...] = ()
    skip_missing_seat_ids: bool = False
    include_credits_and_commits: bool = False
    include_ledgers: bool = False
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None
    cursor: str | None = None
    limit: int = 25

    @property
    def query(self) -> SeatBalanceQuery:
        """What is asked for."""
        covering, start, before = self.covering_date, self.starting_at, self.effective_before
        return SeatBalanceQuery(
            CustomerId(self.customer_id.lower()),
            ContractId(self.contract_id.lower()),
            tuple(SubscriptionId(each.lower()) for each in self.subscription_ids),
            self.seat_ids,
            self.skip_missing_seat_ids,
            None if covering is None else utc(covering),
            None if start is None else utc(start),
            None if before is None else utc(before),
        )


_LIST = decoder(ListBody)


def parse_list(body: bytes) -> ListBody:
    """Return the body of ``listSeatBalances-v1``."""
    return decode(_LIST, body)


def render(context: Context, seat: SeatBalance, asked: ListBody) -> JsonObject:
    """Return a seat with the sums of its balances, and what they are made of if that is asked for."""
    rendered: JsonObject = {
        "seat_id": seat.seat_id,
        "balances": [
            {
                "credit_type_id": credit_type_id,
                "access_type": "SPEND",
                "balance": number(left),
                "starting_balance": number(granted),
            }
            for credit_type_id, (left, granted) in seat.sums.items()
        ],
    }
    if asked.include_credits_and_commits:
        for field, is_credit in (("commits", False), ("credits", True)):
            mine = [share for share in seat.shares if (share.balance.type is BalanceType.CREDIT) is is_credit]
            rendered[field] = [_share(context, share, asked) for share in mine]
    return rendered


def _share(context: Context, share: SeatShare, asked: ListBody) -> JsonObject:
    rendered: JsonObject = {
        "id": share.balance.id,
        "credit_type_id": share.balance.credit_type_id,
        "access_type": "SPEND",
        "balance": number(share.left),
        "start_date": time(share.segment.starting_at),
        "end_date": time(share.segment.ending_before),
    }
    if asked.include_ledgers:
        rendered["ledger_entries"] = [_entry(share, entry) for entry in seat_ledger(context, share)]
    return rendered


def _entry(share: SeatShare, entry: LedgerEntry) -> JsonObject:
    return {
        "type": f"{FAMILIES[share.balance.type]}_{entry.kind}",
        "amount": number(entry.amount),
        "timestamp": invoice_time(entry.timestamp),
    }
