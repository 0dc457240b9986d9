"""What a run of probes tells: lines for a terminal, JSON and HTML to keep or to send.

A report holds figures that the probes made themselves. The token, ids and addresses of mail are taken out of what a
target says, and its address is not in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from textwrap import wrap
from typing import Any

from metronome_sandbox import __version__
from metronome_sandbox.toolkit.probes import Outcome, Verdict
from metronome_sandbox.toolkit.probes.lab import Figure
from metronome_sandbox.toolkit.probes.not_probed import NOT_PROBED

FORMAT = "metronome-sandbox assumptions 1"
SHOWN = 300
ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
MAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[a-z]+", re.IGNORECASE)

Scrub = Mapping[str, str]


def lines_of(outcome: Outcome, width: int | None = None) -> Iterator[str]:
    """Yield what a terminal shows of an outcome.

    Args:
        width: Of the terminal; None for a file, where a line is as long as it is.
    """
    first = f"{outcome.slug:<34} {outcome.verdict.value}"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    if width is None or len(first + reason) <= width:
        yield first + reason
    else:
        yield first
        yield from _folded(outcome.reason, width)
    for figure in outcome.differences:
        yield from _folded(f"{figure.what}: expected {shown(figure.expected)}, got {shown(figure.got)}", width)


def _folded(text: str, width: int | None) -> list[str]:
    if width is None:
        return [f"    {text}"]
    return wrap(text, max(width, 40), initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False)


def summary(outcomes: Sequence[Outcome], width: int | None = None) -> Iterator[str]:
    """Yield the last lines of a run: what differs, the sums, and what is left behind on the target."""
    counted = Counter(outcome.verdict for outcome in outcomes)
    words = ", ".join(f"{counted[verdict]} {verdict.value}" for verdict in Verdict)
    without = "1 assumption has no probe" if len(NOT_PROBED) == 1 else f"{len(NOT_PROBED)} assumptions have no probe"
    differing = [outcome.slug for outcome in outcomes if outcome.verdict is Verdict.DIFFERS]
    if differing:
        yield "These differ:"
        yield from _folded(", ".join(differing), width)
    yield f"{words}; {without}"
    behind = _left_behind(outcomes)
    if behind:
        yield f"{sum(behind.values())} things could not be archived, their names begin with msbx-:"
        yield from (f"    {number} times: {why}" for why, number in behind.most_common())


def _left_behind(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Return how often which call failed to archive."""
    return Counter(ID.sub("<id>", why) for outcome in outcomes for why in outcome.left_behind)


def shown(value: Any) -> str:
    """Return a value for people, shortened."""
    return _cut(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_text(one)}" for name, one in value.items()) + "}"
    return "nothing" if value is None else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def tree(outcomes: Sequence[Outcome], *, is_sandbox: bool, at: datetime, token: str) -> dict[str, Any]:
    """Return the report as JSON to be.

    Args:
        at: When it was run.
        token: What must not be in it.
    """

    def clean(text: str) -> str:
        without = text.replace(token, "<token>") if token else text
        return _cut(MAIL.sub("<mail>", ID.sub("<id>", without)))

    def figure(one: Figure) -> dict[str, Any]:
        values = {"expected": clean(_text(one.expected)), "got": clean(_text(one.got))}
        return {"what": one.what, **values, "agrees": one.agrees}

    rules = [
        {
            "assumption": outcome.slug,
            "question": outcome.question,
            "verdict": outcome.verdict.value,
            **({"reason": clean(outcome.reason)} if outcome.reason else {}),
            "figures": [figure(one) for one in outcome.figures],
        }
        for outcome in outcomes
    ]
    counted = Counter(outcome.verdict for outcome in outcomes)
    return {
        "format": FORMAT,
        "version": __version__,
        "target": "sandbox" if is_sandbox else "another host",
        "run_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "summary": {verdict.value: counted[verdict] for verdict in Verdict},
        "left_behind": {clean(why): number for why, number in _left_behind(outcomes).items()},
        "rules": rules,
        "not_probed": dict(sorted(NOT_PROBED.items())),
    }


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid #8884; padding: .4rem; }
td, th { text-align: left; vertical-align: top; } .differs { color: #b00020; font-weight: bold; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } .differs { color: #ff8a80; } }
"""


def page(report: Mapping[str, Any]) -> str:
    """Return a report as HTML that needs no network."""
    counted = ", ".join(f"{number} {verdict}" for verdict, number in report["summary"].items())
    first = sorted(report["rules"], key=lambda rule: rule["verdict"] != Verdict.DIFFERS.value)
    rows = "\n".join(_row(rule) for rule in first)
    left = "".join(
        f"<p>Not archived, {number} times: {escape(why)}</p>" for why, number in report["left_behind"].items()
    )
    others = "\n".join(
        f"<tr><td>{escape(slug)}</td><td>{escape(reason)}</td></tr>" for slug, reason in report["not_probed"].items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Assumptions of metronome-sandbox</title><style>{STYLE}</style></head>
<body><h1>How true the sandbox is</h1>
<p>metronome-sandbox {escape(report["version"])} against {escape(report["target"])}, {escape(report["run_at"])}:
{escape(counted)}.</p>{left}
<table><thead><tr><th>Assumption</th><th>Question</th><th>Verdict</th><th>Figures</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<h2>Without a probe</h2>
<table><thead><tr><th>Assumption</th><th>Why</th></tr></thead><tbody>
{others}
</tbody></table></body></html>
"""


def _row(rule: Mapping[str, Any]) -> str:
    figures = "<br>".join(_figure(one) for one in rule["figures"])
    verdict = escape(rule["verdict"]) + (f"<br>{escape(rule['reason'])}" if "reason" in rule else "")
    kind = "differs" if rule["verdict"] == Verdict.DIFFERS.value else ""
    return (
        f"<tr><td>{escape(rule['assumption'])}</td><td>{escape(rule['question'])}</td>"
        f'<td class="{kind}">{verdict}</td><td>{figures}</td></tr>'
    )


def _figure(one: Mapping[str, Any]) -> str:
    if one["agrees"]:
        return f"{escape(one['what'])}: {escape(one['got'])}"
    differs = f"expected {escape(one['expected'])}, got {escape(one['got'])}"
    return f'{escape(one["what"])}: <span class="differs">{differs}</span>'
