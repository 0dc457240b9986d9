"""Pictures of a world: six of what it does, and one of its figures beside their bands."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import FuncFormatter, PercentFormatter

from metronome_sandbox.generator.realism import YEAR, Figure, Realism

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

DPI = 110
INCHES = (14, 13)
COLOURS = ("#9ecae1", "#4292c6", "#084594")
ACCENT, CALM, MUTED = "#d94801", "#41ab5d", "#bdbdbd"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MARGIN = 0.35
"""How far beside its band a figure is drawn at most, by the width of the band."""


def picture(realism: Realism, title: str) -> bytes:
    """Return a PNG."""
    sheet = Sheet(figsize=INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(sheet)
    sheet.suptitle(title, fontsize=15)
    rows = sheet.add_gridspec(2, 1, height_ratios=(2, 1.1))
    world, figures = sheet.add_subfigure(rows[0]), sheet.add_subfigure(rows[1])
    places = iter(world.subplots(2, 3).flat)
    for draw in (_revenue, _concentration, _ranks, _week, _retention, _payers):
        draw(next(places), realism)
    _bands(figures.subplots(), realism.figures())
    content = BytesIO()
    sheet.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _revenue(axes: Axes, realism: Realism) -> None:
    axes.set_title("Revenue by month and size of customer")
    months = _months(realism)
    axes.stackplot(months, *(part / 100 for part in realism.by_segment.values()), colors=COLOURS)
    axes.legend(list(realism.by_segment), loc="upper left", frameon=False)
    axes.yaxis.set_major_formatter(FuncFormatter(_dollars))
    _by_month(axes)
    _calm(axes)


def _concentration(axes: Axes, realism: Realism) -> None:
    axes.set_title("Revenue of the greatest customers")
    shares = realism.lorenz()
    customers = np.linspace(0, 1, len(shares))
    least, most = realism.profile.bands.top_tenth_share
    axes.plot(customers, shares, color=COLOURS[2])
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":")
    axes.plot([0.1, 0.1], [least, most], color=CALM, linewidth=7, alpha=0.5, solid_capstyle="butt")
    axes.annotate("band of the\ngreatest tenth", (0.13, (least + most) / 2), va="center", color=CALM)
    axes.set_xlabel("share of customers, greatest first")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    _calm(axes)


def _ranks(axes: Axes, realism: Realism) -> None:
    axes.set_title("Products and groups by rank")
    ranked = realism.ranked() / 100
    axes.loglog(np.arange(1, len(ranked) + 1), ranked, marker="o", markersize=4, color=COLOURS[2])
    axes.yaxis.set_major_formatter(FuncFormatter(_dollars))
    axes.set_xlabel("rank")
    axes.set_ylabel("revenue")
    _calm(axes)


def _week(axes: Axes, realism: Realism) -> None:
    axes.set_title("Revenue of an average day of the week")
    axes.bar(WEEKDAYS, realism.by_weekday(), color=[COLOURS[1]] * 5 + [COLOURS[0]] * 2)
    axes.axhline(1, color=MUTED, linestyle=":")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _calm(axes)


def _retention(axes: Axes, realism: Realism) -> None:
    axes.set_title("Revenue from the customers of the first month")
    kept = realism.first_customers
    base = kept[:YEAR].mean() or 1
    axes.plot(_months(realism), kept / base, color=COLOURS[2])
    axes.axhline(1, color=MUTED, linestyle=":")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("by an average month of year one")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _by_month(axes)
    _calm(axes)


def _payers(axes: Axes, realism: Realism) -> None:
    axes.set_title("What pays for the usage")
    total = np.maximum(sum(realism.by_segment.values(), np.zeros(realism.months)), 1)
    credits, commits = realism.paid_by_credits / total, realism.paid_by_commits / total
    axes.stackplot(
        _months(realism), credits, commits, np.maximum(1 - credits - commits, 0), colors=(CALM, COLOURS[1], MUTED)
    )
    names = ["credits", "commits", "overage and pay as you go"]
    axes.legend(names, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, frameon=False, fontsize=8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _by_month(axes)
    _calm(axes)


def _bands(axes: Axes, figures: Sequence[Figure]) -> None:
    axes.set_title("Each figure beside the band that the profile states")
    for row, figure in enumerate(figures):
        least, most = figure.band
        axes.barh(row, 1, color=CALM, alpha=0.35, height=0.6)
        axes.annotate(told(figure, least), (-0.01, row), ha="right", va="center", fontsize=8, color="#636363")
        axes.annotate(told(figure, most), (1.01, row), ha="left", va="center", fontsize=8, color="#636363")
        if figure.value is None:
            axes.annotate("not known", (0.5, row), ha="center", va="center", fontsize=9)
            continue
        place = min(max((figure.value - least) / (most - least), -MARGIN), 1 + MARGIN)
        colour = COLOURS[2] if figure.is_within else ACCENT
        axes.plot(place, row, marker="D", color=colour)
        axes.annotate(told(figure, figure.value), (place, row - 0.42), ha="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(figures)), [figure.title for figure in figures])
    axes.set_xticks([])
    axes.set_xlim(-MARGIN - 0.05, 1 + MARGIN + 0.05)
    axes.set_ylim(len(figures) - 0.4, -0.9)
    _calm(axes)


def told(figure: Figure, value: float) -> str:
    """Return a value of a figure as people read it."""
    return f"{value:.1%}" if figure.is_share else f"{value:.2f}"


def _by_month(axes: Axes) -> None:
    # By the year from three years on: 43 to 59 months have too many months and too few years for the usual five ticks.
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _months(realism: Realism) -> NDArray[np.datetime64]:
    return np.datetime64(realism.start, "M") + np.arange(realism.months)


def _dollars(amount: float, _: object = None) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if amount >= size:
            return f"${amount / size:g}{unit}"
    return f"${amount:g}"


def _calm(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
