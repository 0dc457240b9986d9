"""What a run found, for a person at a terminal, for CI and for another program.

The token is in none of it: a curl line names the variable that holds it, and whatever else repeats it is blotted out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from metronome_sandbox import __version__
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.toolkit import har
from metronome_sandbox.toolkit.checks import Blame
from metronome_sandbox.toolkit.exchanges import Exchange, header
from metronome_sandbox.toolkit.redaction import Redaction
from metronome_sandbox.toolkit.target import IN_PROCESS

WIDTH = 80
SERVED_AT = "http://127.0.0.1:4010"
"""Where ``metronome-sandbox serve`` listens: an application in this process has no address to show."""

MOST_SHOWN = 20
MOST_BODY = 600
BLOT = "<token>"
SHORTEST_SECRET = 6
"""A shorter token is a word such as ``demo``, and to blot every one out would hide more than it protects."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One finding, where it was met, and the calls that lead to it, the last of which shows it."""

    suite: str
    case: str
    operation_id: str
    finding: Finding
    blame: Blame
    exchanges: tuple[Exchange, ...]

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes two failures the same to a reader: the rule, the operation, and the place but for its numbers."""
        return self.finding.rule, self.operation_id, re.sub(r"\[\d+\]", "[]", self.finding.where)


@dataclass
class Batch:
    """What one stretch of a suite did: a workflow, an operation under generated requests, or all sequences."""

    suite: str
    case: str
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass
class Run:
    """All that was asked of a target.

    Attributes:
        base_url: Of the target.
        profile: How much was asked; empty where nobody was, but a recording read.
        token: To be blotted out.
        facts: More for a program to know.
        notes: The same for people.
    """

    base_url: str
    is_sandbox: bool
    profile: str
    token: str
    batches: list[Batch] = field(default_factory=list)
    seconds: float = 0.0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What was checked, and how."""
        if not self.profile:
            return f"the recording {self.facts['recording']}"
        return f"profile {self.profile}, against {_name(self)}"

    @property
    def failures(self) -> list[Failure]:
        """Each kind of failure once, as its shortest reproduction, in the order in which the kinds were met."""
        kinds: dict[tuple[str, str, str], Failure] = {}
        for batch in self.batches:
            for failure in batch.failures:
                known = kinds.get(failure.kind)
                if known is None or _length(failure) < _length(known):
                    kinds[failure.kind] = failure
        return list(kinds.values())

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(len(batch.exchanges) for batch in self.batches)

    @property
    def address(self) -> str:
        """Where a person can repeat a call."""
        return SERVED_AT if self.base_url == IN_PROCESS else self.base_url

    def blotted(self, text: str) -> str:
        """Return a text without the token."""
        return text.replace(self.token, BLOT) if len(self.token) >= SHORTEST_SECRET else text


def _length(failure: Failure) -> tuple[int, int]:
    return len(failure.exchanges), sum(len(one.sent.target) + len(one.sent.body) for one in failure.exchanges[-1:])


def curl(exchange: Exchange, address: str) -> str:
    """Return a line for a shell that makes a call again; the token is taken from the environment."""
    sent = exchange.sent
    parts = ["curl", "-X", sent.method, shlex.quote(address + sent.target)]
    if header(sent.headers, "authorization") is not None:
        parts += ["-H", '"Authorization: Bearer $METRONOME_BEARER_TOKEN"']
    for name, value in sent.headers:
        if name.lower() in ("content-type", "idempotency-key"):
            parts += ["-H", shlex.quote(f"{name}: {value}")]
    if sent.body:
        parts += ["--data-raw", shlex.quote(sent.body.decode("utf-8", "backslashreplace"))]
    return " ".join(parts)


def steps_of(failure: Failure, run: Run) -> list[str]:
    """Return the calls that lead to a failure as lines for a shell."""
    return [run.blotted(curl(exchange, run.address)) for exchange in failure.exchanges]


# The terminal --------------------------------------------------------------------------------------------------------


def show(run: Run, console: Console) -> None:
    """Tell a person what was asked and what was found."""
    console.print(f"metronome-sandbox check, {run.title}\n")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading, justify in (("Suite", "left"), ("Cases", "right"), ("Calls", "right"), ("Findings", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for suite in dict.fromkeys(batch.suite for batch in run.batches):
        batches = [batch for batch in run.batches if batch.suite == suite]
        kinds = {failure.kind for batch in batches for failure in batch.failures}
        calls = sum(len(batch.exchanges) for batch in batches)
        table.add_row(suite, str(len(batches)), str(calls), str(len(kinds)))
    console.print(table)
    for note in run.notes:
        console.print(Text(f"\n{_printable(note)}"))
    failures = run.failures
    for number, failure in enumerate(failures[:MOST_SHOWN], start=1):
        _show_failure(number, failure, run, console)
    if len(failures) > MOST_SHOWN:
        console.print(f"\nand {len(failures) - MOST_SHOWN} more findings; --json or --html has them all")
    console.print()
    if failures:
        blames = Counter(failure.blame for failure in failures)
        by_blame = ", ".join(f"{blame.value} {number}" for blame, number in blames.items())
        console.print(Text(f"{_count(len(failures), 'finding')} ({by_blame})", style="bold red"), end="")
    else:
        console.print(Text("No findings", style="bold green"), end="")
    console.print(f" in {_count(run.calls, 'call')}, {run.seconds:.1f} s.")


def _show_failure(number: int, failure: Failure, run: Run, console: Console) -> None:
    console.print()
    console.print(Text(run.blotted(f"{number}. {failure.finding.rule}"), style="bold"))
    lines = [
        f"{failure.operation_id or 'Set-up'}, in {failure.suite}: {failure.case}",
        str(failure.finding),
        f"Looks like the fault of the {failure.blame.value}.",
    ]
    for line in lines:
        console.print(Padding(Text(run.blotted(_printable(line))), (0, 0, 0, 3)))
    steps = steps_of(failure, run)
    if len(steps) > 1:
        before = _count(len(steps) - 1, "call")
        console.print(
            Padding(Text(f"After {before} that changed something, which --json and --html list:"), (0, 0, 0, 3))
        )
    if steps:
        # One line to copy, however long: no wrapping here.
        console.print(Text(f"   {_printable(_cut(steps[-1]))}", style="dim"), soft_wrap=True)


def _cut(line: str) -> str:
    return line if len(line) <= MOST_BODY else f"{line[:MOST_BODY]}... ({len(line)} characters; --json has all)"


def _name(run: Run) -> str:
    if run.base_url == IN_PROCESS:
        return "the sandbox in this process"
    return f"the sandbox at {run.base_url}" if run.is_sandbox else run.base_url


def _count(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else what + 's'}"


def _printable(text: str) -> str:
    """Return a text without what a terminal or XML would take for a command."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in text)


# Files ---------------------------------------------------------------------------------------------------------------


def as_json(run: Run) -> str:
    """Return the run for another program."""
    return json.dumps(
        {
            "program": f"metronome-sandbox {__version__}",
            "target": run.base_url,
            "is_sandbox": run.is_sandbox,
            "profile": run.profile or None,
            **run.facts,
            "started_at": run.started_at.isoformat(),
            "seconds": round(run.seconds, 3),
            "calls": run.calls,
            "cases": [
                {
                    "suite": batch.suite,
                    "case": batch.case,
                    "calls": len(batch.exchanges),
                    "seconds": round(batch.seconds, 3),
                    "findings": len({failure.kind for failure in batch.failures}),
                }
                for batch in run.batches
            ],
            "findings": [_as_dict(failure, run) for failure in run.failures],
        },
        indent=2,
    )


def _as_dict(failure: Failure, run: Run) -> dict[str, Any]:
    finding = failure.finding
    last = failure.exchanges[-1] if failure.exchanges else None
    return {
        "rule": finding.rule,
        "operation_id": failure.operation_id,
        "suite": failure.suite,
        "case": failure.case,
        "where": finding.where,
        "expected": run.blotted(finding.expected),
        "received": None if finding.received is None else run.blotted(finding.received),
        "fault": failure.blame.value,
        "status": None if last is None else last.answered.status,
        "answer": None if last is None else run.blotted(_text(last.answered.body)[:10_000]),
        "reproduction": steps_of(failure, run),
    }


def as_junit(run: Run) -> str:
    """Return the run as JUnit's XML: a suite for each of ours, a test case for each batch."""
    root = ElementTree.Element("testsuites", name="metronome-sandbox check", time=f"{run.seconds:.3f}")
    for suite in dict.fromkeys(batch.suite for batch in run.batches):
        batches = [batch for batch in run.batches if batch.suite == suite]
        node = ElementTree.SubElement(
            root,
            "testsuite",
            name=suite,
            tests=str(len(batches)),
            failures=str(sum(bool(batch.failures) for batch in batches)),
            errors="0",
            time=f"{sum(batch.seconds for batch in batches):.3f}",
            timestamp=run.started_at.isoformat(timespec="seconds"),
        )
        for batch in batches:
            case = ElementTree.SubElement(
                node, "testcase", classname=suite, name=_printable(batch.case), time=f"{batch.seconds:.3f}"
            )
            kinds = {failure.kind: failure for failure in reversed(batch.failures)}
            for failure in reversed(kinds.values()):
                text = _printable(run.blotted(f"{failure.operation_id}: {failure.finding.rule}: {failure.finding}"))
                told = ElementTree.SubElement(case, "failure", type=failure.blame.value, message=text)
                told.text = _printable("\n".join([text, *steps_of(failure, run)]))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def as_har(run: Run) -> str:
    """Return every call as an HTTP archive, without secrets."""
    redaction = Redaction((run.token,))
    plain = (redaction.exchange(exchange) for batch in run.batches for exchange in batch.exchanges)
    return json.dumps(har.log(har.entry_of(exchange, run.address) for exchange in plain))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def as_html(run: Run) -> str:
    """Return the run as one page that needs nothing else."""
    failures = run.failures
    verdict = _count(len(failures), "finding") if failures else "No findings"
    rows = "".join(
        f"<tr><td>{escape(batch.suite)}</td><td>{escape(batch.case)}</td><td>{len(batch.exchanges)}</td>"
        f"<td>{len({failure.kind for failure in batch.failures}) or ''}</td></tr>"
        for batch in run.batches
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>metronome-sandbox check: {verdict}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ background: #f4f4f4; padding: .6rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }}
table {{ border-collapse: collapse }} td, th {{ text-align: left; padding: .1rem 1rem .1rem 0 }}
</style>
<h1>{verdict}</h1>
<p>{escape(run.title[:1].upper() + run.title[1:])}, {_count(run.calls, "call")} in {run.seconds:.1f} s,
{escape(run.started_at.isoformat(timespec="seconds"))}.</p>
{"".join(f"<p>{escape(note)}</p>" for note in run.notes)}
{"".join(_section(failure, run) for failure in failures)}
<h2>What was asked</h2>
<table><tr><th>Suite</th><th>Case</th><th>Calls</th><th>Findings</th></tr>{rows}</table>
</html>
"""


def _section(failure: Failure, run: Run) -> str:
    answer = failure.exchanges[-1].answered if failure.exchanges else None
    told = (
        ""
        if answer is None
        else f"<p>answered {answer.status}:</p><pre>{_escaped(_text(answer.body)[:10_000], run)}</pre>"
    )
    steps = "\n".join(steps_of(failure, run))
    return (
        f"<h2>{_escaped(failure.finding.rule, run)}</h2>"
        f"<p>{escape(failure.operation_id)}, in {escape(failure.suite)}: {escape(failure.case)}. "
        f"Looks like the fault of the {failure.blame.value}.</p>"
        f"<p>{_escaped(str(failure.finding), run)}</p><pre>{_escaped(steps, run)}</pre>{told}"
    )


def _escaped(text: str, run: Run) -> str:
    return escape(run.blotted(_printable(text)))


WRITERS: Mapping[str, Callable[[Run], str]] = {
    "junit": as_junit,
    "html": as_html,
    "har": as_har,
    "json": as_json,
}
"""What can be written, by the name of its option."""
