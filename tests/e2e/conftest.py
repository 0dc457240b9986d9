"""One sandbox for all tests of a run, as a process; each test has a token, and so a world, of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from e2e.sdk import Acme, StrictClient, connect

from metronome_sandbox.demo import running


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running(0) as server:
        yield server.url


@pytest.fixture
def token() -> str:
    return f"test-{uuid4()}"


@pytest.fixture
def client(url: str, token: str) -> Iterator[StrictClient]:
    with connect(url, token) as client:
        yield client


@pytest.fixture
def acme(client: StrictClient) -> Acme:
    return Acme.of(client)
