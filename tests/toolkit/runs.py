"""Runs of pytest as a user has them: with our plugin, and without the settings of this project."""

from __future__ import annotations

PLUGIN = "metronome_sandbox.toolkit.pytest_plugin"

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""For the environment: other plugins that are installed here take longer to load than the tests to run."""

OPTIONS = ("-p", PLUGIN, "-p", "no:cacheprovider")
