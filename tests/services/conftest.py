"""A tenant for tests of the services: an empty store with its currencies, and a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from metronome_sandbox.services import credit_types
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.store.memory import MemoryStore


@pytest.fixture
def clock() -> Clock:
    return Clock(frozen_at=datetime(2024, 8, 15, tzinfo=UTC))


@pytest.fixture
def context(clock: Clock) -> Context:
    tenant = Context(MemoryStore(), clock.now, IdFactory())
    credit_types.seed(tenant)
    return tenant
