"""``metronome-sandbox check --assumptions``: run the probes against a host and tell what they say."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import get_terminal_size

from metronome_sandbox.client.asking import CannotAsk, Host, host_of
from metronome_sandbox.toolkit import probes
from metronome_sandbox.toolkit.probes import report
from metronome_sandbox.toolkit.probes.not_probed import NOT_PROBED
from metronome_sandbox.toolkit.probes.table import Probe

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2


def run(
    base_url: str,
    token: str,
    *,
    control_token: str | None = None,
    only: tuple[str, ...] = (),
    writes_to: str | None = None,
    json_file: Path | None = None,
    html_file: Path | None = None,
) -> int:
    """Run probes; print a line for each on stdout and write the reports; return the exit status."""
    outcomes: list[probes.Outcome] = []
    is_sandbox = False
    status = FINE
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    try:
        chosen = _chosen(only)
        host = host_of(base_url)
        ground = probes.explore(lambda token: Host(base_url, token, control_token), token)
        is_sandbox = ground.is_sandbox
        if not is_sandbox and writes_to != host:
            raise CannotAsk(
                f"{host} has no control plane, so it is no sandbox, and probes make customers, contracts and invoices "
                f"there before they archive them: add --writes-to {host} if that account may be written to"
            )
        for outcome in probes.run(ground, chosen):
            outcomes.append(outcome)
            print(*report.lines_of(outcome, width), sep="\n", flush=True)
    except CannotAsk as error:
        print(f"metronome-sandbox: {error}", file=sys.stderr)
        status = WRONG_USAGE
    except KeyboardInterrupt:  # what a probe had made is archived; what is known so far is told
        status = WRONG_USAGE
    if outcomes:
        print(*report.summary(outcomes, width), sep="\n")
        status = status or _status_of(outcomes)
        told = report.tree(outcomes, is_sandbox=is_sandbox, at=datetime.now(UTC), token=token)
        try:
            if json_file is not None:
                json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
            if html_file is not None:
                html_file.write_text(report.page(told), encoding="utf-8")
        except OSError as error:
            print(f"metronome-sandbox: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
            return WRONG_USAGE
    return status


def _status_of(outcomes: Sequence[probes.Outcome]) -> int:
    verdicts = {outcome.verdict for outcome in outcomes}
    if verdicts == {probes.Verdict.CANNOT_BE_CHECKED}:
        print("metronome-sandbox: none of these could be checked there, so nothing is known", file=sys.stderr)
        return WRONG_USAGE
    return FINDINGS if probes.Verdict.DIFFERS in verdicts else FINE


def _chosen(only: tuple[str, ...]) -> list[Probe]:
    known = {probe.slug for probe in probes.PROBES}
    for slug in only:
        if slug in NOT_PROBED:
            raise CannotAsk(f"--only: {slug} has no probe: {NOT_PROBED[slug]}")
        if slug not in known:
            raise CannotAsk(f"--only: {slug!r} is no assumption; docs/assumptions.md lists them")
    return [probe for probe in probes.PROBES if not only or probe.slug in only]
