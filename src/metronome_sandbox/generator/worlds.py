"""A plan made real: its catalog, the history of each customer, and the requests that make them, with one set of ids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from metronome_sandbox.generator import ids, requests
from metronome_sandbox.generator.catalog import catalog_of
from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.plan import Plan
from metronome_sandbox.generator.profiles import PROFILES
from metronome_sandbox.generator.world import Catalog, History
