"""What falls due at an instant: payments of commits, scheduled charges, true-ups, subscriptions in advance."""

from __future__ import annotations

from datetime import datetime

import msgspec

from metronome_sandbox.domain.ids import ContractId, CreditTypeId, SegmentId
from metronome_sandbox.domain.invoices import LineItem
from metronome_sandbox.domain.rating import Part


class Charge(msgspec.Struct, frozen=True, gc=False):
    """One line to be billed at ``timestamp``, on a scheduled invoice unless a usage invoice takes it.

    Attributes:
        id: Of the schedule item it comes from, the same whenever it is computed; an invoice settles it once.
        holds_back: It waits for something else to be final and is not due before, whatever its timestamp.
        commitment: The segment of a postpaid commit whose rest is billed. Such a charge has an invoice of its own, or
            none when nothing is missing.
        part: What balances may pay for of it: a subscription. Then ``line`` is what it is where none does.
    """

    id: str
    contract_id: ContractId
    timestamp: datetime
    credit_type_id: CreditTypeId
    line: LineItem
    holds_back: bool = False
    commitment: SegmentId | None = None
    part: Part | None = None

    @property
    def is_needed(self) -> bool:
        """Whether there is something to bill: a commitment may be fulfilled by usage."""
        return self.commitment is None or self.line.total > 0
