"""Lets every test import what the tests share: ``from builders import contract, prepaid``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

sys.path.insert(0, str(HERE))

UNMEASURED = tuple(HERE / name for name in ("contract", "hostile", "laws", "toolkit/broken"))
"""Where thousands of requests go the same ways again: their coverage says nothing and costs as much as they do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(folder in item.path.parents for folder in UNMEASURED):
            item.add_marker(pytest.mark.no_cover)
