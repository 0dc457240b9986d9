"""The command line: one verb for each thing one does with the sandbox.

Results go to stdout, talk to stderr. Exit status: 0 is fine, 1 is findings, 2 is wrong usage. Heavy modules are
imported inside the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import click

from metronome_sandbox.cli import generating, importing, sandbox, toolkit
from metronome_sandbox.cli.parts import PROGRAM

__all__ = ["PROGRAM", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "METRONOME_SANDBOX"})
@click.version_option(package_name="metronome-sandbox", prog_name=PROGRAM)
def main() -> None:
    """A sandbox of the Metronome billing API on your machine: stateful, with a clock you can move.

    Every option can also be given by the environment, METRONOME_SANDBOX_SERVE_PORT for "serve --port" for example.
    """


for verb in (*sandbox.VERBS, *toolkit.VERBS, *generating.VERBS, *importing.VERBS):
    main.add_command(verb)
