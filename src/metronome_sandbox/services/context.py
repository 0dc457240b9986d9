"""All that a service may touch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from metronome_sandbox.domain.ids import CustomerId, InvoiceId, SubscriptionId
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.store.interface import Store

if TYPE_CHECKING:
    from metronome_sandbox.services.drafts import Drafts
    from metronome_sandbox.services.subscription_charges import KnownDues


NEVER = -1
"""A revision that no store has."""


class Context:
    """What one operation of one tenant works with. ``api/tenants.py`` builds the real one; a test builds its own.

    Attributes:
        store: The tenant's tables.
        ids: Gives the next id of a kind.
        grace_period: How long a usage invoice stays a draft after its period.
            Source: guide "How invoicing works"; 24 hours unless the vendor changes it (question Q5).
        drafts: Drafts by customer, kept by ``services/drafts.py`` while they hold.
        checked_revision: Of the store when its thresholds were checked last.
        draft_owners: The customers of the drafts that were shown last.
        dues: What subscriptions bill, kept by ``services/subscription_charges.py`` while they are as they were.
        next_due: When something happens next, if ever, kept by ``services/passage.py``: the revision of the store that
            it holds for, and the instant.
    """

    __slots__ = (
        "_now",
        "checked_revision",
        "draft_owners",
        "drafts",
        "dues",
        "grace_period",
        "ids",
        "next_due",
        "store",
    )

    def __init__(
        self, store: Store, now: Callable[[], datetime], ids: IdFactory, grace_period: timedelta = timedelta(hours=24)
    ) -> None:
        self.store = store
        self.ids = ids
        self.grace_period = grace_period
        self.drafts: dict[CustomerId, Drafts] = {}
        self.draft_owners: dict[InvoiceId, CustomerId] = {}
        self.checked_revision = NEVER
        self.next_due: tuple[int, datetime | None] = (NEVER, None)
        self.dues: dict[SubscriptionId, KnownDues] = {}
        self._now = now

    def at(self, instant: datetime) -> Context:
        """Return the same world as it is at another time, to be used inside of one transaction."""
        return Context(self.store, lambda: instant, self.ids, self.grace_period)

    @property
    def now(self) -> datetime:
        """The tenant's time: aware, UTC."""
        return self._now()

    def transaction(self) -> Transaction:
        """Keep everything that is put inside, or nothing when the block raises; ids that it drew are drawn again."""
        return Transaction(self.store.transaction(), self.ids)


class Transaction:
    """One block of :meth:`Context.transaction`."""

    __slots__ = ("_counts", "_ids", "_tables")

    def __init__(self, tables: AbstractContextManager[None], ids: IdFactory) -> None:
        self._tables = tables
        self._ids = ids

    def __enter__(self) -> None:
        self._counts = self._ids.counts.copy()
        self._tables.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._ids.counts = self._counts
        self._tables.__exit__(kind, error, traceback)
