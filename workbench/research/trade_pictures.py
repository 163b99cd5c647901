"""Pictures of the trades of a backtest: on the chart, how far they went, when they were made."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from workbench.research.by_time import by_session, by_weekday
from workbench.research.chart_lines import chart_lines
from workbench.research.pictures import COLOURS, LEVEL_COLOURS, LINE_COLOURS, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.domain.instruments import InstrumentId
    from workbench.market import Bars
    from workbench.research.result import BacktestResult

__all__ = ["excursion_picture", "time_picture", "trade_picture"]

_MDATES: Any = mdates  # its functions carry no types
_CANDLES = 400
_BESIDE = 2  # indicators on a scale of their own that are drawn
_DOTS = 4_000


def trade_picture(result: "BacktestResult", name: "InstrumentId", *, start_ns: int, end_ns: int) -> Figure:
    """Candles of the bars that open in `[start_ns, end_ns)`, with trades, indicators and levels."""
    every = result.traded[name]
    low, high = (int(np.searchsorted(every.open_ns, at, side="left")) for at in (start_ns, end_ns))
    bars = every.at(low, high)
    lines = chart_lines(result, name)
    beside = dict(list(lines.beside.items())[:_BESIDE])
    figure = new_figure(9, 3.8 + 1.1 * len(beside))
    rows = figure.subplots(
        1 + len(beside), 1, sharex=True, squeeze=False, height_ratios=(3, *(1 for _ in beside))
    )[:, 0]
    axes = rows[0]
    times = _dates(bars.close_ns)
    if len(bars) <= _CANDLES:
        _candles(axes, bars)
    else:
        close = (bars.bid_close + bars.ask_close) / 2 * 10.0**-bars.instrument.digits
        axes.plot(times, close, color=COLOURS["line"], linewidth=0.9)
    for colour, (label, values) in zip(LINE_COLOURS, lines.on_price.items(), strict=False):
        axes.plot(times, values[low:high], color=colour, linewidth=0.9, label=label)
    for label, values in lines.levels.items():
        axes.step(
            times,
            values[low:high],
            where="pre",
            color=LEVEL_COLOURS[label],
            linewidth=0.9,
            linestyle="--",
            label=label,
        )
    style(axes, title=f"{name} {bars.timeframe}, mid, with trades", dates=not beside)
    if len(bars):
        start, end = int(bars.open_ns[0]), int(bars.close_ns[-1])
        _trade_marks(axes, result.trades_of(name), start_ns=start, end_ns=end)
        if len(bars) > 1:
            axes.set_xlim(times[0], times[-1])
    axes.yaxis.set_major_formatter(f"{{x:.{max(bars.instrument.digits - 1, 0)}f}}")
    figure.legend(
        fontsize=7.5, frameon=False, labelcolor=COLOURS["text"], ncols=6, loc="outside lower left"
    )  # fmt: skip
    for colour, panel, (label, values) in zip(LINE_COLOURS, rows[1:], beside.items(), strict=False):
        panel.plot(times, values[low:high], color=colour, linewidth=0.9)
        style(panel, title=f"{label} (of prices: in points)", dates=panel is rows[-1])
    return figure


def excursion_picture(result: "BacktestResult") -> Figure:
    """What each trade that ended made, over the worst and over the best it stood at (MAE and MFE)."""
    trades = result.trades
    trades = trades[trades["exit_at"].notna()]
    trades = trades.iloc[:: max(1, -(-len(trades) // _DOTS))]
    figure = new_figure(9, 3.2)
    left, right = figure.subplots(1, 2, sharey=True)
    net = trades["net_profit"].to_numpy(np.float64)
    colours = [COLOURS["up"] if item > 0 else COLOURS["down"] for item in net]
    for axes, column, sign, title in (
        (left, "mae", -1.0, f"Net profit over the worst it stood at (MAE), {result.currency}"),
        (right, "mfe", 1.0, f"Net profit over the best it stood at (MFE), {result.currency}"),
    ):
        reached = trades[column].to_numpy(np.float64) * sign
        axes.scatter(reached, net, s=9, c=colours, alpha=0.55, linewidths=0)
        most = float(np.max(reached, initial=0.0))
        # what lies on the line was closed at its worst, or at its best
        axes.plot([0, most], [0, sign * most], color=COLOURS["text"], linewidth=0.8, linestyle=":")
        axes.axhline(0, color=COLOURS["text"], linewidth=0.8)
        style(axes, title=title)
        axes.title.set_fontsize(9)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def time_picture(result: "BacktestResult") -> Figure:
    """Net profit by weekday and by trading session of the entry."""
    figure = new_figure(9, 2.8)
    panels = figure.subplots(1, 2)
    tables = (("weekday of the entry", by_weekday(result)), ("session of the entry", by_session(result)))
    for axes, (title, table) in zip(panels, tables, strict=True):
        net = table["net_profit"].to_numpy(np.float64)
        names = [f"{name}\n{count:,}" for name, count in zip(table.index, table["trades"], strict=True)]
        colours = [COLOURS["up"] if item > 0 else COLOURS["down"] for item in net]
        axes.bar(range(len(net)), net, color=colours, alpha=0.8, width=0.7)
        axes.set_xticks(range(len(net)), names)
        axes.axhline(0, color=COLOURS["text"], linewidth=0.8)
        style(axes, title=f"Net profit by {title}, {result.currency}; trades below")
        axes.tick_params(axis="x", labelsize=7)
        axes.title.set_fontsize(9)
        axes.yaxis.set_major_formatter("{x:,.0f}")
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
    for marker, label, colour in (
        ("^", "long entry", "line"),
        ("v", "short entry", "line"),
        ("x", "exit", "mark"),
    ):
        axes.plot([], [], marker=marker, label=label, **_mark(colour))


def _mark(colour: str) -> dict[str, Any]:
    return {"color": COLOURS[colour], "markersize": 7, "linestyle": "none"}


def _dates(time_ns: npt.NDArray[np.int64]) -> Any:
    return _MDATES.date2num(time_ns.view("M8[ns]"))
