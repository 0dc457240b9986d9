"""``metronome-sandbox check --recording FILE.har``: whether a recording is still true, and whether it proves anything.

Nobody is asked. A recorded answer that today's document does not allow is what a client has been tested against and
will not meet; a recorded request that it does not allow is a mistake of the client, unless it was refused. A recording
that would still have answered an altered request lets a wrong client pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic

from metronome_sandbox.spec.bodies import DEPRECATED, DOLLARS
from metronome_sandbox.spec.document import CONTROL, Document
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.toolkit import checking
from metronome_sandbox.toolkit.checks import Blame
from metronome_sandbox.toolkit.contract import Contract
from metronome_sandbox.toolkit.exchanges import Exchange
from metronome_sandbox.toolkit.recording import BadRecording, MutationScore, Recording, load, mutation_score
from metronome_sandbox.toolkit.report import SERVED_AT, Batch, Failure, Run
from metronome_sandbox.toolkit.target import CannotCheck
from metronome_sandbox.toolkit.watch import NO_KEY

SUITE = "recording"
ACCEPTS = "accepts altered requests"
SHOWN = 3
ADVICE = (NO_KEY, DEPRECATED, DOLLARS)
"""Rules of the proxy that say what would be better, and not that a call broke the document."""


def run(file: Path, *, document: Path | None, files: Mapping[str, Path | None]) -> int:
    """Check a recording, tell on stdout what was found, write the files, and return the exit status."""

    def checked() -> Run:
        contract = None
        if document is not None:
            contract = Contract((checking.load(document), Document.load(CONTROL)))
        try:
            return check(load(file, contract), str(file))
        except BadRecording as error:
            raise CannotCheck(str(error)) from None

    kept = {"the recording": file} if document is None else {"the recording": file, "the document": document}
    return checking.report(checked, files, kept)


def check(recording: Recording, name: str) -> Run:
    """Hold a recording to the document, and alter its requests."""
    started = monotonic()
    score = mutation_score(recording)
    facts = {"recording": name, "altered_requests": score.altered, "answered_all_the_same": score.answered}
    run = Run(recording.origin or SERVED_AT, False, "", "", facts=facts, notes=(f"{score}.", *recording.notes))
    batches: dict[str, Batch] = {}
    for exchange in recording.exchanges:
        call = recording.call(exchange.sent).name
        batches.setdefault(call, Batch(SUITE, call)).exchanges.append(exchange)
    for noted in recording.findings:
        if noted.finding.rule not in ADVICE:
            blame = Blame.CLIENT if noted.side == "request" else Blame.RECORDING
            exchange = recording.exchanges[noted.number - 1]
            batches[noted.call].failures.append(_failure(noted.call, noted.finding, blame, exchange))
    for call, finding in _too_lax(score):
        batches[call].failures.append(_failure(call, finding, Blame.RECORDING, batches[call].exchanges[0]))
    run.batches += batches.values()
    run.seconds = monotonic() - started
    return run


def _too_lax(score: MutationScore) -> Iterator[tuple[str, Finding]]:
    """Yield each operation whose altered requests would still have been answered, and what is to be said of it."""
    by_call: dict[str, list[str]] = defaultdict(list)
    for example in score.examples:
        call, _, what = example.partition(": ")
        by_call[call].append(what)
    for call, examples in by_call.items():
        yield call, Finding("", ACCEPTS, "expected no answer to what was not recorded", "; ".join(examples[:SHOWN]))


def _failure(call: str, finding: Finding, blame: Blame, exchange: Exchange) -> Failure:
    return Failure(SUITE, exchange.test or call, call, finding, blame, (exchange,))
