"""``metronome-sandbox import``: its steps in order, and what is said about each.

read -> preview -> reconcile -> apply -> verify. Results go to stdout, talk to stderr.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from metronome_sandbox.client.asking import CannotAsk, Host
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.existing import check_existing
from metronome_sandbox.importer.findings import Unusable
from metronome_sandbox.importer.legacy import Finding
from metronome_sandbox.importer.mapping import load_mapping
from metronome_sandbox.importer.staging import Staging, stage
from metronome_sandbox.importer.target_catalog import TargetCatalog

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2
PRINTED = 50


def run(path: Path, mapping_file: Path, base_url: str, token: str, *, work_dir: Path | None = None) -> int:
    """Read a file, hold it against the target and say what was found; return the exit status."""
    try:
        with _place(work_dir) as folder:
            mapping = load_mapping(mapping_file)
            host = Host(base_url, token)
            catalog = TargetCatalog.of(host)
            staging = stage(path, mapping, catalog, folder, _progress)
            for note in staging.notes:
                _say(note)
            if staging.findings:
                return tell(staging.findings, staging.findings_total)
            existing = check_existing(staging, catalog, progress=_progress)
            if existing.total:
                return tell(existing.kept, existing.total)
            print(summary(staging))
    except Unusable as unusable:
        return tell(unusable.findings, len(unusable.findings))
    except CannotAsk as error:
        return _fail(str(error))
    except (OSError, sqlite3.Error) as error:
        return _fail(f"cannot work in {work_dir or 'a temporary folder'}: {error}")
    return FINE


def propose(path: Path, base_url: str, token: str) -> int:
    """Print a mapping for a file."""
    from metronome_sandbox.importer.proposal import propose

    try:
        print(propose(path, TargetCatalog.of(Host(base_url, token))), end="")
    except Unusable as unusable:
        return tell(unusable.findings, len(unusable.findings))
    except CannotAsk as error:
        return _fail(str(error))
    return FINE


def summary(staging: Staging) -> str:
    """Return what was read, in a line."""
    counts = staging.counts
    left_out = f", {counts.skipped:,} left out" if counts.skipped else ""
    return (
        f"{counts.rows:,} rows read{left_out}: {counts.invoices:,} invoices with {counts.lines:,} lines of "
        f"{counts.customers:,} customers, no findings"
    )


def tell(findings: Iterable[Finding], total: int) -> int:
    """Print findings, as many as a person reads, and how many there are; return the exit status."""
    shown = list(findings)
    for finding in shown[:PRINTED]:
        print(line_of(finding))
    if total > PRINTED:
        print(f"... and {total - min(len(shown), PRINTED):,} more")
    print(f"{total:,} finding{'s' if total != 1 else ''}; nothing was sent")
    return FINDINGS


def line_of(finding: Finding) -> str:
    """Return a finding as ``file:line: column 'value' problem``."""
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    said = [part for part in (finding.column, None if finding.value is None else repr(finding.value)) if part]
    return plain(f"{place}: {' '.join((*said, finding.problem))}")


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr)


def _fail(problem: str) -> int:
    _say(f"metronome-sandbox: {problem}")
    return WRONG_USAGE


def _progress(what: str, number: int) -> None:
    """Take what the steps tell of themselves."""


@contextmanager
def _place(work_dir: Path | None) -> Iterator[Path]:
    if work_dir is not None:
        yield work_dir
        return
    with TemporaryDirectory(prefix="metronome-sandbox-import-") as folder:
        yield Path(folder)
