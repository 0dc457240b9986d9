"""``metronome-sandbox import``: its steps in order, and what is said about each.

read -> preview -> reconcile -> apply -> verify. Results go to stdout, talk to stderr.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from metronome_sandbox.client.asking import CannotAsk, Host
from metronome_sandbox.client.progress import watched
from metronome_sandbox.client.sending import Reader, Sender
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.applying import (
    Choice,
    Conclusion,
    Present,
    carry_out,
    journal_file,
    lines_of,
    may_write,
    open_journal,
)
from metronome_sandbox.importer.existing import check_existing
from metronome_sandbox.importer.findings import Findings, Unusable
from metronome_sandbox.importer.journal import CannotUseJournal, Journal
from metronome_sandbox.importer.legacy import Finding
from metronome_sandbox.importer.mapping import load_mapping
from metronome_sandbox.importer.preview import Outcome, Previewed, previews
from metronome_sandbox.importer.rates import ContractRates
from metronome_sandbox.importer.reconcile import Judged, Reconciliation, judge
from metronome_sandbox.importer.report import CannotWrite, check_places, show, write
from metronome_sandbox.importer.staging import Staging, stage
from metronome_sandbox.importer.target_catalog import TargetCatalog
from metronome_sandbox.importer.watch import BYTES, CUSTOMERS, Watch

FINE, FINDINGS, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
NOTHING_SENT = "stopped; nothing was sent"
GOES_ON = "stopped; what was imported stays, and the same command goes on from there"
PRINTED = 50
TOLERANCE = Decimal("0.01")


def run(
    path: Path,
    mapping_file: Path,
    base_url: str,
    token: str,
    *,
    control_token: str | None = None,
    work_dir: Path | None = None,
    tolerance: Decimal = TOLERANCE,
    concurrency: int = 4,
    choice: Choice | None = None,
    reports: Mapping[str, Path | None] | None = None,
) -> int:
    """Read a file, preview and reconcile it, and import it where there is a choice; return the exit status.

    Args:
        reports: Files for what was found, by ``html``, ``csv`` and ``json``.
    """
    conclusion = Conclusion()
    journal: Journal | None = None
    try:
        kept = {"the file with the old invoices": path, "the mapping": mapping_file}
        if choice is not None:
            kept["the journal of this import"] = journal_file(path, choice.journal)
        check_places(reports or {}, kept)
        with (
            _place(work_dir) as folder,
            closing(Sender(base_url, token, control_token, concurrency=concurrency)) as sender,
            ExitStack() as stack,
        ):
            if choice is not None:
                may_write(sender, choice.yes_write_to)
            mapping = load_mapping(mapping_file)
            if choice is not None:  # before hours of work, which another import of the file may be doing
                journal = stack.enter_context(closing(open_journal(path, mapping_file, base_url, choice.journal)))
            catalog = TargetCatalog.of(Reader(sender))
            with Watch({BYTES: path.stat().st_size if path.is_file() else 0}) as watch:
                staging = stage(path, mapping, catalog, folder, watch)
            for note in staging.notes:
                _say(note)
            if staging.findings:
                return tell(staging.findings, staging.findings_total)
            with Reconciliation(tolerance) as reconciliation:
                families: list[frozenset[str]] = []
                in_the_way = _reconcile(
                    staging, catalog, sender, reconciliation, families, is_total_said=mapping.total is not None
                )
                if in_the_way.total:
                    return tell(in_the_way.kept, in_the_way.total)
                show(reconciliation)
                write(reconciliation, reports or {})
                if choice is None or journal is None:
                    return FINDINGS if reconciliation.has_findings else FINE
                carry_out(staging, reconciliation, families, sender, journal, choice, conclusion)
                for line in lines_of(conclusion, sender.name):
                    print(line)
                if conclusion.findings:
                    return tell(conclusion.findings, len(conclusion.findings), end="")
                return FINDINGS if conclusion.held_back or conclusion.refused else FINE
    except Unusable as unusable:
        return tell(unusable.findings, len(unusable.findings))
    except (CannotAsk, CannotUseJournal, CannotWrite) as error:
        return _fail(f"{error}{_so_far(conclusion)}")
    except KeyboardInterrupt:
        is_untouched = journal is None or journal.is_empty
        _say(
            NOTHING_SENT
            if is_untouched
            else "stopped; what was imported stays, and the same command goes on from there"
        )
        return INTERRUPTED
    except BrokenPipeError:
        raise  # nobody reads on, as behind "| head": click ends without a word
    except (OSError, sqlite3.Error) as error:
        return _fail(f"cannot work in {work_dir or 'a temporary folder'}: {error}")


def _reconcile(
    staging: Staging,
    catalog: TargetCatalog,
    sender: Sender,
    reconciliation: Reconciliation,
    families: list[frozenset[str]],
    *,
    is_total_said: bool,
) -> Findings:
    """Preview what is not on the target yet, and hold all of it to the old figures; return what is in the way there.

    Args:
        families: Gets the ids of customers that share balances.
        is_total_said: Whether the file has totals.
    """
    rates = ContractRates(sender)

    def judged(outcome: Outcome) -> Judged:
        return judge(outcome, rates, reconciliation.tolerance, is_total_said=is_total_said).lightened()

    present = Present(sender, staging, lambda invoice, there: reconciliation.add(judged(Previewed(invoice, there))))
    with Watch({CUSTOMERS: staging.counts.customers}) as watch:
        in_the_way = check_existing(staging, catalog, present.is_ours, watch)
    if in_the_way.total:
        return in_the_way
    print(summary(staging))
    if len(present):
        print(f"{len(present):,} of them are on the target already")
    absent = (
        invoice
        for customer_id in staging.customers()
        for _, invoice in staging.of_customer(customer_id)
        if invoice not in present
    )
    with watched("previewing", staging.counts.invoices - len(present), "invoices") as advance:
        for one in previews(absent, sender, judged, on_family=families.append):
            reconciliation.add(one)
            advance()
    reconciliation.finish()
    return in_the_way


def _so_far(conclusion: Conclusion) -> str:
    """Return what a person should know of an import that ended before its end."""
    sent = conclusion.applied.sent
    return f"; {sent:,} invoices were imported, the same command goes on from there" if sent else ""


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


def tell(findings: Iterable[Finding], total: int, end: str = "; nothing was sent") -> int:
    """Print findings, as many as a person reads, and how many there are; return the exit status."""
    shown = list(findings)
    for finding in shown[:PRINTED]:
        print(line_of(finding))
    if total > PRINTED:
        print(f"... and {total - min(len(shown), PRINTED):,} more")
    print(f"{total:,} finding{'s' if total != 1 else ''}{end}")
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


@contextmanager
def _place(work_dir: Path | None) -> Iterator[Path]:
    if work_dir is not None:
        yield work_dir
        return
    with TemporaryDirectory(prefix="metronome-sandbox-import-") as folder:
        yield Path(folder)
