"""All that a service may touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from metronome_sandbox.domain.ids import CustomerId, InvoiceId
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.store.interface import Store

if TYPE_CHECKING:
    from metronome_sandbox.services.drafts import Drafts


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
    """

    __slots__ = ("_now", "checked_revision", "draft_owners", "drafts", "grace_period", "ids", "store")

    def __init__(
        self, store: Store, now: Callable[[], datetime], ids: IdFactory, grace_period: timedelta = timedelta(hours=24)
    ) -> None:
        self.store = store
        self.ids = ids
        self.grace_period = grace_period
        self.drafts: dict[CustomerId, Drafts] = {}
        self.draft_owners: dict[InvoiceId, CustomerId] = {}
        self.checked_revision = -1
        self._now = now

    def at(self, instant: datetime) -> Context:
        """Return the same world as it is at another time, to be used inside of one transaction."""
        return Context(self.store, lambda: instant, self.ids, self.grace_period)

    @property
    def now(self) -> datetime:
        """The tenant's time: aware, UTC."""
        return self._now()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep everything that is put inside, or nothing when the block raises; ids that it drew are drawn again."""
        counts = dict(self.ids.counts)
        try:
            with self.store.transaction():
                yield
        except BaseException:
            self.ids.counts = counts
            raise
