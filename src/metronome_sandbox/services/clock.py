"""A tenant's clock: real time until it is set, then frozen until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime


class Clock:
    """Real time until :meth:`freeze`; from then on it stands still until frozen again.

    Only this class reads the machine's clock; everything else is told what time it is.
    """

    __slots__ = ("_frozen_at",)

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at

    @property
    def is_frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._frozen_at is not None

    def now(self) -> datetime:
        """The instant, aware, UTC. Real time has whole microseconds; a frozen clock gives what it was set to."""
        return self._frozen_at if self._frozen_at is not None else datetime.now(UTC)

    def freeze(self, instant: datetime) -> None:
        """Stand still at ``instant`` (aware, UTC). Whether it may be earlier than now is the caller's decision."""
        self._frozen_at = instant

    def thaw(self) -> None:
        """Follow real time again."""
        self._frozen_at = None
