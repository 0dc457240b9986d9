"""What an operator may choose. Each field says why one would change it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one server, fixed for its lifetime.

    Attributes:
        host: Address to listen on. Loopback by default: the control plane resets and time-travels without a question.
        port: TCP port; 0 lets the system choose a free one, for tests that run side by side.
        tokens: Bearer tokens that are accepted. Empty means any, because a sandbox needs no account; name some when
            a wrong token in a deployment should be found here and not in production.
        control_token: What ``X-Sandbox-Control-Token`` has to carry on ``/sandbox/*``. None leaves the control plane
            open, which is why ``serve`` asks for one on any address but loopback.
        max_body: Bytes of a request body; more is answered 413. Ten mebibytes hold the largest import the vendor
            documents several times over and still bound what one request can cost. A snapshot may be a hundred times
            as long: what a tenant holds came in many requests, and what was taken has to fit back in.
        max_tenants: Worlds kept in memory. A client that sends a random token with each call would otherwise eat
            the machine.
        journal_size: Requests remembered for each tenant, oldest forgotten first. 0 turns the journal off.
        max_idempotency_keys: Answers remembered for each tenant, oldest forgotten first.
        random_ids: Make ids that never repeat. Off by default so that integrators can compare answers byte by byte.
        grace_period: How long a usage invoice stays a draft after its period.
            Source: guide "How invoicing works"; 24 hours unless the vendor changes it.
        scenario: Name of the scenario each new tenant starts with; None starts it empty.
        state_file: Snapshot that is loaded at the start and written at the end; None forgets everything.
    """

    host: str = "127.0.0.1"
    port: int = 4010
    tokens: frozenset[str] = frozenset()
    control_token: str | None = None
    max_body: int = 10 * 1024 * 1024
    max_tenants: int = 10_000
    journal_size: int = 200
    max_idempotency_keys: int = 10_000
    random_ids: bool = False
    grace_period: timedelta = timedelta(hours=24)
    scenario: str | None = None
    state_file: Path | None = None

    @property
    def max_snapshot(self) -> int:
        """Bytes of a snapshot that is restored."""
        return 100 * self.max_body
