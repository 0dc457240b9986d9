"""Days and prices of these tests."""

from __future__ import annotations

from datetime import UTC, datetime

AUGUST = datetime(2024, 8, 1, tzinfo=UTC)
TODAY = datetime(2024, 8, 15, tzinfo=UTC)
CENTS_PER_CALL = 20
