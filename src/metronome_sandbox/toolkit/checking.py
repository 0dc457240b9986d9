"""``metronome-sandbox check``: every suite against one target, and what they found.

A sandbox is left as it was found: its tenant's snapshot is taken first and put back at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import yaml
from rich.console import Console

from metronome_sandbox.client.places import Taken, refuse_taken
from metronome_sandbox.listening import Application
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.toolkit.checks import Blame
from metronome_sandbox.toolkit.report import WIDTH, WRITERS, Batch, Failure, Run, show
from metronome_sandbox.toolkit.suites import generated, tenant, workflows
from metronome_sandbox.toolkit.suites.profiles import PROFILES, Profile
from metronome_sandbox.toolkit.target import IN_PROCESS, CannotCheck, NotAnswered, Target

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2

OWN_TOKEN = "metronome-sandbox-check"
"""The tenant of a sandbox that nobody else uses."""

SUITES = ("workflows", "generated")
POLITE = 5.0
"""Calls a second that a host other than the sandbox gets, unless told otherwise."""

SCENARIO = "acme"
MOST_DOCUMENT_BYTES = 32 * 1024 * 1024


def run(
    *,
    base_url: str | None,
    app: Application | None,
    token: str | None,
    control_token: str | None,
    profile: str | None,
    calls_per_second: float | None,
    writes_to: str | None,
    document: Path | None,
    only: Collection[str],
    suites: Collection[str],
    files: Mapping[str, Path | None],
) -> int:
    """Check a target, tell on stdout what was found, write the files, and return the exit status."""

    def checked() -> Run:
        contract = Document.load() if document is None else load(document)
        _check_names(contract, only)
        with Target(base_url or IN_PROCESS, app=app, token=token or OWN_TOKEN, control_token=control_token) as target:
            target.connect()
            chosen = choose(target, profile, calls_per_second, writes_to)
            return check(target, chosen, contract, only=only, suites=suites or SUITES)

    return report(checked, files, {} if document is None else {"the document": document})


def report(checked: Callable[[], Run], files: Mapping[str, Path | None], kept: Mapping[str, Path]) -> int:
    """Check, tell on stdout what was found, write the files, and return the exit status.

    Args:
        files: To write, by the names of their options.
        kept: Files that are read and must stay, by what they are called to a person.
    """
    try:
        refuse_taken({f"--{name}": path for name, path in files.items()}, kept)
        for path in files.values():
            if path is not None and not path.parent.is_dir():
                raise CannotCheck(f"{path} cannot be written: there is no directory {path.parent}")
        found = checked()
        for name, path in files.items():
            if path is not None:
                path.write_text(WRITERS[name](found), encoding="utf-8")
    except (CannotCheck, Taken) as error:
        print(f"metronome-sandbox check: {error}", file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:
        print(f"metronome-sandbox check: {error.filename}: {error.strerror}", file=sys.stderr)
        return WRONG_USAGE
    if isinstance(sys.stdout.errors, str) and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # what the terminal has no letters for is no reason to stop
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH)
    show(found, console)
    return FINDINGS if found.failures else FINE


def choose(target: Target, profile: str | None, calls_per_second: float | None, writes_to: str | None) -> Profile:
    """Return the profile, and tell the target what it allows.

    Raises:
        CannotCheck: It writes to a host that is no sandbox, and nobody asked for that in words.
    """
    chosen = PROFILES[profile or ("smoke" if target.is_sandbox else "read-only")]
    if chosen.writes and not target.is_sandbox and writes_to != target.host:
        raise CannotCheck(
            f"{target.host} is no sandbox, and the profile {chosen.name} makes, changes and archives things: use "
            f"--profile read-only, or say --writes-to {target.host}"
        )
    target.may_write = chosen.writes
    target.calls_per_second = calls_per_second or (None if target.is_sandbox else POLITE)
    return chosen


def check(
    target: Target,
    profile: Profile,
    document: Document,
    *,
    only: Collection[str] = (),
    suites: Collection[str] = SUITES,
) -> Run:
    """Run the suites against a target that is connected, and return what they found.

    Raises:
        CannotCheck: The target stopped answering.
    """
    started = monotonic()
    found = Run(target.base_url, target.is_sandbox, profile.name, target.token)
    with _put_back(target):
        found.batches += _furnish(target)
        now = datetime.fromisoformat(target.now())
        if "workflows" in suites:
            with _put_back(target):
                found.batches += workflows.run(target, document, now)
        if "generated" in suites:
            found.batches += generated.run(target, document, now, profile, only=only)
    found.seconds = monotonic() - started
    return found


def _furnish(target: Target) -> Iterator[Batch]:
    """Give a sandbox's tenant that has nobody a company with one of everything; yield a batch if that fails."""
    if not (target.is_sandbox and target.may_write):
        return
    try:
        if not target.call("GET", "/v1/customers", query={"limit": 1})["data"]:
            target.call("POST", f"/sandbox/scenarios/{SCENARIO}")
            tenant.settle(target)
    except (NotAnswered, KeyError, IndexError, TypeError) as error:
        exchanges = (error.exchange,) if isinstance(error, NotAnswered) else ()
        text = (
            str(error) if isinstance(error, NotAnswered) else f"an answer lacks what the document promises: {error!r}"
        )
        finding = Finding("status", "a company can be set up", text)
        failure = Failure("setup", "one of everything", "", finding, Blame.SERVER, exchanges)
        yield Batch("setup", "one of everything", failures=[failure], exchanges=list(exchanges))


@contextmanager
def _put_back(target: Target) -> Iterator[None]:
    """Leave a sandbox's tenant as it was."""
    if not target.is_sandbox:
        yield
        return
    before = target.snapshot()
    try:
        yield
    finally:
        target.restore(before)


def load(path: Path) -> Document:
    """Load an OpenAPI 3 document from a file, JSON or YAML.

    Raises:
        CannotCheck: It is none, or a reference leaves it or leads nowhere.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CannotCheck(f"--document {path}: {error.strerror}") from None
    if len(raw) > MOST_DOCUMENT_BYTES:
        raise CannotCheck(f"--document {path}: {len(raw)} bytes are more than a document has")
    try:
        tree = json.loads(raw) if raw.lstrip()[:1] == b"{" else yaml.safe_load(raw)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise CannotCheck(f"--document {path} is neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, dict) or not str(tree.get("openapi", "")).startswith("3.") or "paths" not in tree:
        raise CannotCheck(f"--document {path} is no OpenAPI 3 document: it lacks openapi: 3.x or paths")
    document = Document(tree)
    for where, reference in _references(tree):
        _follow(document, reference, f"--document {path}, {where}")
    return document


def _references(node: Any, where: str = "#") -> Iterator[tuple[str, str]]:
    waiting: list[tuple[Any, str]] = [(node, where)]
    seen: set[int] = set()
    while waiting:
        node, where = waiting.pop()
        if id(node) in seen:
            continue  # an alias of YAML
        if isinstance(node, dict | list):
            seen.add(id(node))
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield where, node["$ref"]
            waiting += [(value, f"{where}/{name}") for name, value in node.items()]
        elif isinstance(node, list):
            waiting += [(value, f"{where}/{number}") for number, value in enumerate(node)]


def _follow(document: Document, reference: str, where: str) -> None:
    node: Any = {"$ref": reference}
    known: set[str] = set()
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        step = node["$ref"]
        if not step.startswith("#/"):
            raise CannotCheck(f"{where}: the reference {step} leaves the document; bundle it into one file first")
        if step in known:
            raise CannotCheck(f"{where}: the reference {step} leads back to itself")
        known.add(step)
        node = document.tree
        for part in step[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or part not in node:
                raise CannotCheck(f"{where}: the reference {step} points at nothing")
            node = node[part]


def _check_names(document: Document, only: Collection[str]) -> None:
    known = {one.operation_id for one in document.operations()}
    for name in only:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise CannotCheck(f"--operation {name}: the document has no such operationId{hint}")
