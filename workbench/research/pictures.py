"""Pictures of a backtest for paper and screen, drawn by matplotlib without any global state.

The background is transparent and text is a grey that reads on white and on black, so that one picture
serves a light theme, a dark one and print.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import dates as mdates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from workbench.domain.money import MICRO
from workbench.research.thinning import thinned

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from workbench.research.benchmarks import Against
    from workbench.research.result import BacktestResult

__all__ = [
    "COLOURS",
    "LEVEL_COLOURS",
    "LINE_COLOURS",
    "Picture",
    "cost_picture",
    "equity_picture",
    "heat_picture",
    "monthly_picture",
    "new_figure",
    "png",
]

Floats = npt.NDArray[np.float64]

COLOURS = {"line": "#3b82c4", "up": "#2e9e5b", "down": "#d9534f", "text": "#757575", "mark": "#c98500"}
LINE_COLOURS = ("#3b82c4", "#c98500", "#8e6bbf", "#17a2a2", "#b0558f", "#7a7a7a")
LEVEL_COLOURS = {
    "stop": COLOURS["down"],
    "trailing stop": "#b0558f",
    "target": COLOURS["up"],
    "entry order": COLOURS["mark"],
}
_MDATES: Any = mdates  # its functions carry no types
_POINTS = 4_000
_STRETCHES = 150


def png(figure: Figure, *, dpi: int = 110) -> bytes:
    """The figure as a PNG file with a transparent background."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True, metadata={"Software": None})
    return buffer.getvalue()


class Picture(Figure):
    """A figure that a notebook shows by itself, without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style(axes: "Axes", *, title: str = "", dates: bool = False) -> None:
    """Thin grid, grey text, no box."""
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["text"])
    axes.grid(visible=True, color=COLOURS["text"], alpha=0.22, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=COLOURS["text"], labelsize=8)
    axes.xaxis.get_offset_text().set_color(COLOURS["text"])
    axes.xaxis.get_offset_text().set_fontsize(8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(COLOURS["text"])
    if dates:
        locator = _MDATES.AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(_MDATES.ConciseDateFormatter(locator))


def equity_picture(result: "BacktestResult", beside: "Against | None" = None) -> Figure:
    """Equity, with buy and hold and cash where they are given; the fall from the high; the units held."""
    equity = result.equity / MICRO
    high = np.maximum.accumulate(np.maximum(equity, result.starting_balance / MICRO))
    fall = (equity - high) / high * 100
    keep = thinned(equity, limit=_POINTS)
    times = _dates(result.round_ns[keep])
    figure = new_figure(9, 5.6)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 0.8))
    if beside is not None:
        other = thinned(beside.held.equity / MICRO, limit=_POINTS)
        top.plot(
            _dates(beside.held.round_ns[other]), beside.held.equity[other] / MICRO,
            color=COLOURS["mark"], linewidth=0.9, label="buy and hold",
        )  # fmt: skip
        top.plot(
            times, beside.cash[keep] / MICRO,
            color=COLOURS["text"], linewidth=0.8, linestyle=":", label="cash",
        )  # fmt: skip
    else:
        top.axhline(result.starting_balance / MICRO, color=COLOURS["text"], linewidth=0.8, linestyle=":")
    top.plot(times, equity[keep], color=COLOURS["line"], linewidth=1.2, label="strategy")
    if beside is not None:
        top.legend(fontsize=8, frameon=False, labelcolor=COLOURS["text"], ncols=3, loc="best")
    when = (
        "at each bar's close"
        if len(result.traded) == 1
        else f"of all {len(result.traded)} instruments together"
    )
    style(top, title=f"Equity, {result.currency}, {when}")
    top.yaxis.set_major_formatter("{x:,.0f}")
    middle.fill_between(times, fall[keep], 0, color=COLOURS["down"], alpha=0.55, linewidth=0)
    style(middle, title="Below the highest equity before, %")
    _exposure(bottom, result)
    style(bottom, title="Share of bars with a position, stretch by stretch, %", dates=True)
    return figure


def _exposure(axes: "Axes", result: "BacktestResult") -> None:
    """How much of each stretch of the time something was held."""
    if not len(result.round_ns):
        return
    held = np.any([result.positions_of(name) != 0 for name in result.traded], axis=0)
    edges = np.unique(np.linspace(0, len(held), min(_STRETCHES, len(held)) + 1).astype(np.int64))
    share = np.add.reduceat(held.astype(np.float64), edges[:-1]) / np.diff(edges) * 100
    times = _dates(result.round_ns[np.append(edges[:-1], len(held) - 1)])
    axes.stairs(share, times, fill=True, color=COLOURS["line"], alpha=0.45)
    axes.set_ylim(0, 100)


def monthly_picture(monthly: "pd.DataFrame") -> Figure:
    """Returns by month, percent; years down, months across, the year's return last."""
    figure = new_figure(9, 0.9 + 0.34 * max(len(monthly), 1))
    axes = figure.subplots()
    values = monthly.to_numpy(np.float64) * 100
    bound = float(np.nanmax(np.abs(values), initial=0.01))
    heat(
        axes,
        values,
        rows=[str(year) for year in monthly.index],
        columns=[str(name) for name in monthly.columns],
        bound=bound,
    )
    axes.set_title("Return by month, %", loc="left", fontsize=10, color=COLOURS["text"])
    return figure


def heat_picture(
    values: Floats, *, rows: Sequence[str], columns: Sequence[str], across: str, down: str, title: str
) -> Figure:
    """A coloured table around zero: red below, green above, empty where there is no value."""
    figure = new_figure(max(5.0, 1.6 + 0.62 * len(columns)), max(2.4, 1.3 + 0.36 * len(rows)))
    axes = figure.subplots()
    bound = float(np.nanmax(np.abs(values), initial=1e-9)) if np.isfinite(values).any() else 1.0
    heat(axes, values, rows=rows, columns=columns, bound=bound, text=len(rows) * len(columns) <= 400)
    axes.set_xlabel(across, fontsize=9, color=COLOURS["text"])
    axes.set_ylabel(down, fontsize=9, color=COLOURS["text"])
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["text"])
    return figure


def heat(
    axes: "Axes",
    values: Floats,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    bound: float,
    text: bool = True,
) -> None:
    """Draw `values` as coloured cells with their numbers."""
    # the middle is transparent, so that it is the page's own colour
    red, green = _rgb(COLOURS["down"]), _rgb(COLOURS["up"])
    share = np.clip(np.nan_to_num(values) / bound, -1.0, 1.0)
    colour = np.where(share[..., None] < 0, red, green)
    image = np.concatenate((colour, np.abs(share)[..., None] * 0.85), axis=2)
    axes.imshow(image, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(colors=COLOURS["text"], length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not text:
        return
    digits = 2 if bound < 1.0 else 1 if bound < 1_000.0 else 0
    for row, column in np.argwhere(np.isfinite(values)):
        axes.text(
            column,
            row,
            f"{values[row, column]:,.{digits}f}",
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if abs(share[row, column]) > 0.45 else COLOURS["text"],
        )


def cost_picture(result: "BacktestResult") -> Figure:
    """From the profit before costs, cost by cost, to the net profit."""
    costs = result.costs["amount"]
    steps = [
        ("before costs", 0.0, float(costs["profit before costs"])),
        *((kind, 0.0, 0.0) for kind in ("spread", "slippage", "commission", "financing")),
        ("net profit", 0.0, float(costs["net profit"])),
    ]
    at = steps[0][2]
    figure = new_figure(9, 2.6)
    axes = figure.subplots()
    for row, (name, _, amount) in enumerate(steps):
        if 0 < row < len(steps) - 1:
            start, width = at, 0.0 - float(costs[name])
            at += width
        else:
            start, width = 0.0, amount
        axes.barh(row, width, left=start, color=COLOURS["up" if width >= 0 else "down"], alpha=0.8)
        edge = max(start, start + width)
        axes.annotate(
            f"{width:,.2f}",
            (edge, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=COLOURS["text"],
        )
    axes.set_yticks(range(len(steps)), [name for name, _, _ in steps])
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.axvline(0, color=COLOURS["text"], linewidth=0.8)
    style(axes, title=f"What the trades made and what they cost, {result.currency}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _dates(time_ns: npt.NDArray[np.int64]) -> Any:
    return _MDATES.date2num(time_ns.view("M8[ns]"))


def _rgb(colour: str) -> Floats:
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
