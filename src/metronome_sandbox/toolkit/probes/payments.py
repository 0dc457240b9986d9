"""Probes of payments: gates, and thresholds that buy. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator

from metronome_sandbox.toolkit.probes.lab import JUNE, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe



@probe("A-gated-commit")
def gated_commit(shop: Shop) -> Iterator[Figure]:
    """A commit with a payment gate and two payments."""
    payments = {"schedule_items": [{"timestamp": date, "amount": 50} for date in (JUNE, "2024-07-01T00:00:00Z")]}
    gate = {"payment_gate_type": "EXTERNAL", "tax_type": "NONE"}
    commit = shop.prepaid("C", 100, invoice_schedule=payments, payment_gate_config=gate)

    yield Figure("its creation", 400, shop.lab.status("/v1/contracts/create", shop.contract_body(commits=[commit])))
