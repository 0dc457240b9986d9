"""Runs of pytest as a user has them: with our plugin, and without the settings of this project."""

from __future__ import annotations

from importlib.metadata import entry_points

PLUGIN = "metronome_sandbox.toolkit.pytest_plugin"
IS_INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
"""Not so in a checkout that only stands in PYTHONPATH."""

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""For the environment: other plugins that are installed here take longer to load than the tests to run."""

OPTIONS = ("-p", PLUGIN, "-p", "no:cacheprovider")
