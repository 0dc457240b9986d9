"""A mapping proposed for a file."""

from __future__ import annotations

from pathlib import Path

from metronome_sandbox.importer.target_catalog import TargetCatalog


def propose(path: Path, catalog: TargetCatalog) -> str:
    """Return YAML."""
    raise NotImplementedError
