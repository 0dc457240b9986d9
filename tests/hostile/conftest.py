"""What the hostile tests attack: one application in this process, put back to the same state before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hostile.good_requests import Good, good_requests
from hostile.sandbox import TOKEN, Sandbox

from metronome_sandbox.api.worlds import WorldState, read
from metronome_sandbox.toolkit.suites.tenant import Ids, settle


@pytest.fixture(scope="session")
def settled() -> tuple[Sandbox, Ids, WorldState]:
    """Everything that takes long to make."""
    sandbox = Sandbox()
    ids = settle(sandbox)
    return sandbox, ids, read(sandbox.snapshot()).state


@pytest.fixture
def sandbox(settled: tuple[Sandbox, Ids, WorldState]) -> Iterator[Sandbox]:
    """The sandbox with its tenant as ``settle`` left it. A break of the contract fails the test that caused it."""
    sandbox, _, state = settled
    server = sandbox.app.server
    server.tenants.get(TOKEN).inhabit(server.worlds.restored(state))
    server.contract_breaks.clear()
    yield sandbox
    assert list(server.contract_breaks) == []


@pytest.fixture(scope="session")
def ids(settled: tuple[Sandbox, Ids, WorldState]) -> Ids:
    return settled[1]


@pytest.fixture(scope="session")
def good(ids: Ids) -> dict[str, Good]:
    return good_requests(ids)
