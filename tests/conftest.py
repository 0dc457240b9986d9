"""Lets every test import what the tests share: ``from builders import contract, prepaid``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

sys.path.insert(0, str(HERE))

UNMEASURED = tuple(
    HERE / name
    for name in (
        "contract",
        "hostile",
        "laws",
        "toolkit/broken",
        "toolkit/test_probes.py",
        "toolkit/test_probes_notice.py",
        "toolkit/test_check.py",
        "toolkit/test_suite_recording.py",
        "toolkit/test_recording.py",
        "generator/test_push.py",
        "generator/test_realism.py",
        "generator/test_whole_or_none.py",
        "importer/test_killed.py",
        "docs_examples",
        "e2e",
    )
)
"""Where thousands of calls go the same ways again, or processes of their own: their coverage says nothing and costs
more than they do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(place in (item.path, *item.path.parents) for place in UNMEASURED):
            item.add_marker(pytest.mark.no_cover)
