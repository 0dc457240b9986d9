"""A desk for each test, and a server for all that ask one: each test has a tenant of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from importer.files import Desk
from importer.reconciling import Books

from metronome_sandbox.serving import BackgroundServer
from metronome_sandbox.toolkit.sandboxes import Sandbox, start_server


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[BackgroundServer]:
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def company(server: BackgroundServer) -> Iterator[Books]:
    with closing(Sandbox.of(server)) as sandbox, closing(Books(sandbox)) as company:
        yield company
