"""What may also be asked of the real API: ``pytest --metronome-target https://... -m "metronome(writes=False)"``."""

from __future__ import annotations

import pytest
from metronome import Metronome


@pytest.mark.metronome(writes=False)
def test_the_account_counts_in_us_cents(metronome_sandbox):
    with Metronome() as client:
        names = {unit.name for unit in client.v1.pricing_units.list()}

    assert "USD (cents)" in names
