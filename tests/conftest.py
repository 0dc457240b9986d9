"""Lets every test import what the tests share: ``from builders import contract, prepaid``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
