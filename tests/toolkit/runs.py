"""Runs of pytest as a user has them: with our plugin, and without the settings of this project."""

from __future__ import annotations

from importlib.metadata import entry_points

PLUGIN = "metronome_sandbox.toolkit.pytest_plugin"
IS_INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
"""Not so in a checkout that only stands in PYTHONPATH."""

OPTIONS = ["-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:randomly"] + ([] if IS_INSTALLED else ["-p", PLUGIN])
