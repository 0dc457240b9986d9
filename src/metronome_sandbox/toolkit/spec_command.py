"""``metronome-sandbox spec diff``, ``spec drift`` and ``coverage``: files in, sentences and files out."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from metronome_sandbox.client.asking import CannotAsk
from metronome_sandbox.client.places import Taken, refuse_taken
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit import spec_diff, usage_coverage
from metronome_sandbox.toolkit.schemas import CannotRead, load
from metronome_sandbox.toolkit.spec_diff import Change, Hit, Level

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2


def diff(old: Path, new: Path, *, coverage: Path | None, json_file: Path | None, shows_all: bool) -> int:
    """Print what changed between two documents, and whom it hits; return the exit status.

    It is 1 when something is breaking or risky; with a coverage only when that hits the client.
    """

    def work() -> int:
        kept = {"the old document": old, "the new document": new}
        if coverage is not None:
            kept["the coverage"] = coverage
        refuse_taken({"--json": json_file}, kept)
        used = None if coverage is None else usage_coverage.load(coverage)
        changes = spec_diff.compare(load(old), load(new))
        hits = None if used is None else spec_diff.hits(changes, used)
        _write(json_file, _tree(changes, hits))
        met = {id(hit.change): hit for hit in hits or ()}
        for change in _in_order(changes):
            if id(change) not in met and (change.level is not Level.ADDITIVE or shows_all):
                print(change)
        for change in _in_order(one.change for one in hits or ()):
            tests = ", ".join(met[id(change)].tests)
            print(f"HITS YOU  {change}{f' (tests: {tests})' if tests else ''}")
        counted = Counter(change.level for change in changes)
        print(", ".join(f"{counted[level]} {level.value}" for level in Level), end="")
        print("" if hits is None else f"; {len(hits)} of them hit this client")
        if hits is not None:
            return FINDINGS if hits else FINE
        return FINDINGS if counted[Level.BREAKING] or counted[Level.RISKY] else FINE

    return _guarded(work)


def drift(vendor: Path | None, *, json_file: Path | None) -> int:
    """Print where the packaged document and the vendor's differ; return the exit status.

    Args:
        vendor: The vendor's document; None compares with the installed ``metronome-sdk``.
    """

    def work() -> int:
        refuse_taken({"--json": json_file}, {} if vendor is None else {"the vendor's document": vendor})
        ours = Document.load()
        if vendor is None:
            from metronome_sandbox.toolkit import sdk_document

            theirs, name = sdk_document.document(), f"metronome-sdk {sdk_document.version()}"
        else:
            theirs, name = load(vendor), vendor.name
        changes = spec_diff.drift(ours, theirs)
        _write(json_file, _tree(changes, None))
        for change in changes:
            print(spec_diff.told_as_drift(change))
        print(f"{len(changes)} differences between this sandbox and {name}")
        return FINDINGS if changes else FINE

    return _guarded(work)


def coverage(
    *,
    base_url: str,
    token: str,
    control_token: str | None,
    har: Sequence[Path],
    document: Path | None,
    test: str | None,
    out: Path,
    html: Path | None,
) -> int:
    """Write what a client used; return the exit status."""

    def work() -> int:
        kept = {f"the recording {file}": file for file in har}
        if document is not None:
            kept["the document"] = document
        refuse_taken({"--out": out, "--html": html}, kept)
        found = usage_coverage.Coverage(None if document is None else load(document))
        calls: list[usage_coverage.Call] = []
        if har:
            for file in har:
                calls += usage_coverage.of_har(file, test)
        else:
            from metronome_sandbox.client.asking import Host

            calls = usage_coverage.of_journal(Host(base_url, token, control_token), test)
        for call in calls:
            found.add(call)
        tree = found.tree()
        _write(out, tree)
        if html is not None:
            _write_text(html, usage_coverage.page(tree))
        counted = ", ".join(f"{one['used']} of {one['of']} {name}" for name, one in tree["summary"].items())
        print(f"{len(calls)} calls: {counted}")
        if found.unread:
            print(f"{found.unread} bodies are no JSON or were cut, so nothing of them is counted")
        for name, operation in tree["operations"].items():
            for path in operation["unknown"]:
                print(f"{name}: {path} is sent, and the document does not know it")
        return FINE

    return _guarded(work)


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except (CannotRead, CannotAsk, Taken) as error:
        print(f"metronome-sandbox: {error}", file=sys.stderr)
    except RecursionError:
        print("metronome-sandbox: a document is nested too deeply", file=sys.stderr)
    return WRONG_USAGE


def _in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: list(Level).index(change.level))


def _tree(changes: Sequence[Change], hits: Sequence[Hit] | None) -> Any:
    def told(change: Change) -> dict[str, Any]:
        return {
            "level": change.level.value,
            "operation": change.operation,
            "side": change.side,
            "where": change.where,
            "rule": change.rule,
            "what": change.what,
            **({} if change.value is None else {"value": change.value}),
        }

    tree: dict[str, Any] = {"changes": [told(change) for change in changes]}
    if hits is not None:
        tree["hits"] = [{**told(hit.change), "tests": list(hit.tests)} for hit in hits]
    return tree


def _write(file: Path | None, tree: Any) -> None:
    if file is not None:
        _write_text(file, json.dumps(tree, indent=2, default=str) + "\n")


def _write_text(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRead(f"{file}: cannot be written: {error.strerror}") from None
