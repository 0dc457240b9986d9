"""The old invoices in ``fixtures/legacy/``, which the tutorial imports, are what ``generate`` writes."""

from __future__ import annotations

import json
from pathlib import Path

from generator.generating import generate

from metronome_sandbox.generator.plants import KINDS

SAMPLES = Path(__file__).parents[2] / "fixtures/legacy"


def test_the_samples_are_made_by_the_command_of_the_tutorial_with_differences_planted(tmp_path: Path):
    made = tmp_path / "company"

    result = generate(made, "--legacy", "--plant", profile="saas-seats", customers=30, months=8)

    assert result.exit_code == 0, result.output
    for sample in SAMPLES.iterdir():
        assert (made / "legacy" / sample.name).read_bytes() == sample.read_bytes(), sample.name


def test_the_samples_have_differences_of_each_kind():
    planted = json.loads((SAMPLES / "planted.json").read_bytes())

    assert {one["kind"] for one in planted} == set(KINDS)
