"""An independent, stateful sandbox of the Metronome billing API. Not affiliated with the vendor."""

__version__ = "0.1.0"
