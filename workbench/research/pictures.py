"""Pictures of a backtest for paper and screen, drawn by matplotlib without any global state.

The background is transparent and text is a grey that reads on white and on black, so that one picture
serves a light theme, a dark one and print.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from workbench.domain.money import MICRO
from workbench.research.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.domain.instruments import InstrumentId
    from workbench.market import Bars
    from workbench.research.result import BacktestResult

__all__ = [
    "COLOURS",
    "Picture",
    "cost_picture",
    "equity_picture",
    "heat_picture",
    "monthly_picture",
    "new_figure",
    "png",
    "trade_picture",
]

Floats = npt.NDArray[np.float64]

COLOURS = {"line": "#3b82c4", "up": "#2e9e5b", "down": "#d9534f", "text": "#757575", "mark": "#c98500"}
_MDATES: Any = mdates  # its functions carry no types
_POINTS = 4_000
_CANDLES = 400


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


def equity_picture(result: "BacktestResult") -> Figure:
    """Equity above, the fall from its highest value below."""
    equity = result.equity / MICRO
    high = np.maximum.accumulate(np.maximum(equity, result.starting_balance / MICRO))
    fall = (equity - high) / high * 100
    keep = thinned(equity, limit=_POINTS)
    times = _dates(result.round_ns[keep])
    figure = new_figure(9, 4.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot(times, equity[keep], color=COLOURS["line"], linewidth=1.2)
    top.axhline(result.starting_balance / MICRO, color=COLOURS["text"], linewidth=0.8, linestyle=":")
    when = (
        "at each bar's close"
        if len(result.traded) == 1
        else f"of all {len(result.traded)} instruments together"
    )
    style(top, title=f"Equity, {result.currency}, {when}")
    top.yaxis.set_major_formatter("{x:,.0f}")
    bottom.fill_between(times, fall[keep], 0, color=COLOURS["down"], alpha=0.55, linewidth=0)
    style(bottom, title="Below the highest equity before, %", dates=True)
    return figure


def monthly_picture(monthly: pd.DataFrame) -> Figure:
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


def trade_picture(result: "BacktestResult", name: "InstrumentId", *, start_ns: int, end_ns: int) -> Figure:
    """Mid prices of an instrument's bars that open in `[start_ns, end_ns)`, and trades that touch them."""
    bars = result.traded[name].between(start_ns, end_ns)
    scale = 10.0**-bars.instrument.digits
    times = _dates(bars.close_ns)
    figure = new_figure(9, 3.6)
    axes = figure.subplots()
    close = (bars.bid_close + bars.ask_close) / 2 * scale
    if len(bars) <= _CANDLES:
        _candles(axes, bars)
    else:
        axes.plot(times, close, color=COLOURS["line"], linewidth=0.9)
    style(axes, title=f"{name} {bars.timeframe}, mid, with trades", dates=True)
    if len(bars):
        _trade_marks(
            axes, result.trades_of(name), start_ns=int(bars.open_ns[0]), end_ns=int(bars.close_ns[-1])
        )
        if len(bars) > 1:
            axes.set_xlim(times[0], times[-1])
    axes.yaxis.set_major_formatter(f"{{x:.{max(bars.instrument.digits - 1, 0)}f}}")
    return figure


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


def _candles(axes: "Axes", bars: "Bars") -> None:
    scale = 10.0**-bars.instrument.digits
    times = _dates(bars.close_ns)
    opened, highs, lows, closes = (
        (getattr(bars, f"bid_{part}") + getattr(bars, f"ask_{part}")) / 2 * scale
        for part in ("open", "high", "low", "close")
    )
    colours = [COLOURS["up"] if up else COLOURS["down"] for up in closes >= opened]
    width = max(0.8, 560 / max(len(bars), 1) * 0.6)
    for bottom, top, thickness in ((lows, highs, 0.7), (opened, closes, width)):
        lines = np.stack((np.column_stack((times, bottom)), np.column_stack((times, top))), axis=1)
        axes.add_collection(LineCollection(list(lines), colors=colours, linewidths=thickness, alpha=0.75))
    axes.autoscale_view()


def _trade_marks(axes: "Axes", trades: pd.DataFrame, *, start_ns: int, end_ns: int) -> None:
    start, end = pd.Timestamp(start_ns, tz="UTC"), pd.Timestamp(end_ns, tz="UTC")
    ended = trades["exit_at"].fillna(end)
    shown = trades[(trades["entry_at"] <= end) & (ended >= start)]
    entries = _MDATES.date2num(shown["entry_at"].dt.tz_convert(None).to_numpy())
    exits = _MDATES.date2num(ended[shown.index].dt.tz_convert(None).to_numpy())
    prices = shown[["entry_price", "exit_price"]].to_numpy(np.float64)
    won, long = (shown["net_profit"] > 0).to_numpy(), (shown["side"] == "long").to_numpy()
    closed = shown["exit_at"].notna().to_numpy()
    for row in range(len(shown)):
        colour = COLOURS["up" if won[row] else "down"]
        axes.plot([entries[row], exits[row]], prices[row], color=colour, linewidth=1.3, linestyle="--")
    for marker, chosen in (("^", long), ("v", ~long)):
        axes.plot(entries[chosen], prices[chosen, 0], marker=marker, **_mark("line"))
    axes.plot(exits[closed], prices[closed, 1], marker="x", **_mark("mark"))
    handles = [
        axes.plot([], [], marker="^", label="long entry", **_mark("line"))[0],
        axes.plot([], [], marker="v", label="short entry", **_mark("line"))[0],
        axes.plot([], [], marker="x", label="exit", **_mark("mark"))[0],
    ]
    axes.legend(handles=handles, fontsize=8, frameon=False, labelcolor=COLOURS["text"], ncols=3, loc="best")


def _mark(colour: str) -> dict[str, Any]:
    return {"color": COLOURS[colour], "markersize": 7, "linestyle": "none"}


def _dates(time_ns: npt.NDArray[np.int64]) -> Any:
    return _MDATES.date2num(time_ns.view("M8[ns]"))


def _rgb(colour: str) -> Floats:
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
