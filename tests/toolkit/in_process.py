"""The sandbox in this process, as the toolkit asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.conftest import Client

from metronome_sandbox.api.app import SandboxApp, create_app
from metronome_sandbox.client.asking import Answer


class InProcess:
    """A sender of one tenant."""

    def __init__(self, app: SandboxApp, token: str) -> None:
        self._client = Client(app, token)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        answer = self._client(method, path, body, headers=headers)
        return Answer(answer.status, answer.headers, answer.body)


class Sandbox:
    """A sandbox with all its tenants: ``connect`` reaches the one of a token."""

    def __init__(self) -> None:
        self.app = create_app()

    def connect(self, token: str) -> InProcess:
        return InProcess(self.app, token)
