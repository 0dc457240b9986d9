"""The page on mappings knows every field, format and choice that there is."""

from __future__ import annotations

import re
from pathlib import Path

from metronome_sandbox.importer.mapping import FIELDS, FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "import-mapping.md").read_text(encoding="utf-8")


def test_every_field_of_a_mapping_has_its_row():
    rows = "".join(line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`(\w+)`", rows)) == {*FIELDS, *FORMATS}
