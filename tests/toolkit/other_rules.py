"""Other rules than ours, put into the sandbox: ``other_rules.yaml`` has one for an assumption, or several."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from types import FunctionType
from typing import Any, NamedTuple

import pytest
import yaml

FILE = Path(__file__).with_suffix(".yaml")


class Rule(NamedTuple):
    """A change of the sandbox.

    Attributes:
        slug: The assumption that it breaks.
        where: Module and function, ``domain.ledger:ledger``.
        ours: Text of the function.
        other: What takes its place.
    """

    slug: str
    where: str
    ours: str
    other: str

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Change the function wherever it was imported to."""
        function = _function(self.where)
        source = dedent(inspect.getsource(function))
        assert self.ours in source, f"{self.where} has no {self.ours!r} any more"
        lines = source.replace(self.ours, self.other).splitlines(keepends=True)
        first = next(place for place, line in enumerate(lines) if line.startswith("def "))  # behind its decorators
        made: dict[str, Any] = {}
        exec(compile("".join(lines[first:]), self.where, "exec"), function.__globals__, made)
        monkeypatch.setattr(function, "__code__", made[function.__name__].__code__)


def _function(where: str) -> FunctionType:
    module, _, path = where.partition(":")
    found: Any = importlib.import_module(f"metronome_sandbox.{module}")
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    found = found.fget if isinstance(found, property) else found
    assert isinstance(found, FunctionType)
    return found


OTHER_RULES: Sequence[Rule] = [Rule(*row) for row in yaml.safe_load(FILE.read_text(encoding="utf-8"))]
"""All of them."""
