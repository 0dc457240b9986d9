"""Probes of terms that stand beside prices."""
from metronome_sandbox.toolkit.probes.table import Table
TABLE = Table()
