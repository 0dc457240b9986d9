"""``generate --report``: the figures of a world as a table, and with their pictures as PNG and HTML."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from metronome_sandbox.client.progress import watched
from metronome_sandbox.generator.aside import whole
from metronome_sandbox.generator.plan import Plan
from metronome_sandbox.generator.plots import picture, told
from metronome_sandbox.generator.realism import Figure, Realism
from metronome_sandbox.generator.worlds import World

PICTURE, PAGE = "report.png", "report.html"
MANY, LONG = 300, 24
"""Customers and months from which on a world should lie in the bands of its profile."""


def measured(world: World) -> Realism:
    """Return the measures of all customers of a world; each is made once more."""
    plan = world.plan
    realism = Realism(world.profile, plan.start, plan.months)
    with watched("measure", plan.customers, "customers") as advance:
        for part in range(plan.parts):
            for number in plan.numbers(part):
                realism.add(world.history(number))
                advance()
    return realism


def write(folder: Path, plan: Plan, realism: Realism) -> None:
    """Write the picture and the page into a folder.

    Raises:
        CannotWrite: The disk or its owner refuses.
    """
    title = title_of(plan)
    png = picture(realism, title)
    with whole(folder / PICTURE, waits=True) as file:
        file.write(png)
    with whole(folder / PAGE, waits=True) as file:
        file.write(page(plan, realism.figures(), png).encode())


def table(plan: Plan, figures: list[Figure], width: int) -> Table:
    """Return the figures for a terminal."""
    shown = Table(title=title_of(plan), title_justify="left", box=SIMPLE_HEAD, width=width)
    shown.add_column("How real it looks", overflow="fold")
    shown.add_column("is", justify="right", no_wrap=True)
    shown.add_column("band", justify="right", no_wrap=True)
    shown.add_column("", no_wrap=True)
    for figure in figures:
        shown.add_row(figure.title, _value(figure), _band(figure), _verdict(figure))
    shown.caption = note(plan)
    shown.caption_justify = "left"
    return shown


def page(plan: Plan, figures: list[Figure], png: bytes) -> str:
    """Return one HTML page that needs nothing else."""
    rows = "\n".join(
        f'<tr class="{_verdict(figure).replace(" ", "-")}"><td>{escape(figure.title)}</td><td>{_value(figure)}</td>'
        f"<td>{_band(figure)}</td><td>{_verdict(figure)}</td></tr>"
        for figure in figures
    )
    return PAGE_TEXT.format(
        title=escape(title_of(plan)),
        rows=rows,
        note=escape(note(plan) or ""),
        png=b64encode(png).decode(),
    )


def title_of(plan: Plan) -> str:
    """Return what world this is."""
    return (
        f"{plan.profile}, seed {plan.seed}: {plan.customers:,} customers, {plan.months} months from {plan.start:%Y-%m}"
    )


def note(plan: Plan) -> str | None:
    """Return why a world may lie beside the bands, None where it should not."""
    if plan.customers >= MANY and plan.months >= LONG:
        return None
    return f"The bands are stated for {MANY} customers and {LONG} months or more; chance is greater in a small world."


def _value(figure: Figure) -> str:
    return "-" if figure.value is None else told(figure, figure.value)


def _band(figure: Figure) -> str:
    least, most = figure.band
    return f"{told(figure, least)} to {told(figure, most)}"


def _verdict(figure: Figure) -> str:
    return {True: "within", False: "outside", None: "not known"}[figure.is_within]


PAGE_TEXT = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem 1rem .25rem 0; text-align: left; border-bottom: 1px solid #ddd; }}
td:nth-child(2), td:nth-child(3), th:nth-child(2), th:nth-child(3) {{ text-align: right; white-space: nowrap; }}
.outside td:last-child {{ color: #d94801; font-weight: bold; }}
.within td:last-child {{ color: #238b45; }}
img {{ max-width: 100%; margin-top: 1.5rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<tr><th>How real it looks</th><th>is</th><th>band</th><th></th></tr>
{rows}
</table>
<p>{note}</p>
<img src="data:image/png;base64,{png}" alt="Revenue by month, by customer, by product and by weekday; retention; \
what paid; and each figure beside its band">
</body>
</html>
"""
