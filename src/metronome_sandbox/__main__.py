"""``python -m metronome_sandbox`` is the command line."""

from metronome_sandbox.cli import PROGRAM, main

main(prog_name=PROGRAM)
