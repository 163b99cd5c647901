"""One picture of a walk-forward: equity out of sample, Sharpe ratios of both parts, parameters chosen."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.plotting import figure

from workbench.domain.money import MICRO
from workbench.research.interactive import page_of
from workbench.research.panels import plain
from workbench.research.pictures import COLOURS
from workbench.research.thinning import thinned

if TYPE_CHECKING:
    from workbench.research.walk_forward_result import WalkForwardResult

__all__ = ["WalkForwardPicture"]

_POINTS = 6_000
_TOOLS = "xpan,xwheel_zoom,box_zoom,reset,save"
_HEIGHTS = {"equity": 260, "sharpe": 150, "parameter": 110}


class WalkForwardPicture:
    """A Bokeh figure that a notebook shows inline; windows are shaded by turns."""

    def __init__(self, result: "WalkForwardResult") -> None:
        self._result = result

    def figure(self) -> Any:
        """The Bokeh layout: panels over one axis of time."""
        frame = self._result.frame
        columns = _columns(frame, self._result.grid)
        source = ColumnDataSource(columns, name="windows")
        equity = self._equity()
        panels = [equity, self._sharpe(source, equity.x_range)]
        varied = [name for name, values in self._result.grid.items() if len(values) > 1]
        panels += [self._parameter(name, source, equity.x_range) for name in varied]
        for panel in panels:
            for start, end in zip(columns["left"][1::2], columns["right"][1::2], strict=True):
                panel.add_layout(
                    BoxAnnotation(
                        left=_milliseconds(start),
                        right=_milliseconds(end),
                        fill_color=COLOURS["text"],
                        fill_alpha=0.10,
                        line_color=None,
                    )
                )
            plain(panel)
            panel.min_border_left = 70
        return column(*panels, sizing_mode="stretch_width")

    def html(self) -> str:
        """A page that stands alone, carries Bokeh itself and is light or dark as the reader's system is."""
        return self._page(framed=False)

    @property
    def height(self) -> int:
        """In pixels, all panels together."""
        varied = sum(len(values) > 1 for values in self._result.grid.values())
        return _HEIGHTS["equity"] + _HEIGHTS["sharpe"] + varied * _HEIGHTS["parameter"]

    def __repr__(self) -> str:
        return f"<picture of {self._result!r}>"

    def _repr_html_(self) -> str:
        page = escape(self._page(framed=True), quote=True)
        return (
            '<iframe title="Walk-forward: equity out of sample and parameters chosen" style="border:0;'
            f'width:100%;height:{self.height + 40}px;background:transparent" srcdoc="{page}"></iframe>'
        )

    def _page(self, *, framed: bool) -> str:
        return page_of(self.figure(), f"{self._result.strategy}, walk-forward", framed=framed)

    def _equity(self) -> Any:
        result = self._result
        values = result.equity / MICRO
        keep = thinned(values, limit=_POINTS)
        source = ColumnDataSource(
            {"at": result.close_ns[keep].view("M8[ns]"), "equity": values[keep]}, name="equity"
        )
        panel = _panel(_HEIGHTS["equity"], f"Equity out of sample, {result.currency}")
        line = panel.line("at", "equity", source=source, color=COLOURS["line"], line_width=1.5)
        start = Span(location=result.starting_balance / MICRO, dimension="width", line_dash="dotted")
        start.line_color = COLOURS["text"]
        panel.add_layout(start)
        panel.yaxis.formatter = NumeralTickFormatter(format="0,0")
        tips = [("at", "@at{%F %H:%M} UTC"), ("equity", "@equity{0,0.00}")]
        panel.add_tools(
            HoverTool(renderers=[line], tooltips=tips, formatters={"@at": "datetime"}, mode="vline")
        )
        return panel

    def _sharpe(self, source: ColumnDataSource, x_range: Any) -> Any:
        panel = _panel(
            _HEIGHTS["sharpe"], "Sharpe ratio: in sample (line) and out of sample (bar)", x_range=x_range
        )
        bars = panel.quad(
            left="left",
            right="right",
            bottom=0,
            top="out_of_sample_sharpe",
            source=source,
            fill_color="colour",
            fill_alpha=0.65,
            line_color=None,
        )
        panel.segment(
            x0="left",
            x1="right",
            y0="in_sample_sharpe",
            y1="in_sample_sharpe",
            source=source,
            line_width=2,
            color=COLOURS["mark"],
        )
        tips = [
            ("test", "@left{%F} to @right{%F}"),
            ("in sample", "@in_sample_sharpe{0.00}"),
            ("out of sample", "@out_of_sample_sharpe{0.00}"),
            ("return", "@return{0.0%}"),
            *((name, f"@{{{name}}}") for name in self._result.grid),
        ]
        formats: dict[str, Any] = {"@left": "datetime", "@right": "datetime"}
        panel.add_tools(HoverTool(renderers=[bars], tooltips=tips, formatters=formats))
        return panel

    def _parameter(self, name: str, source: ColumnDataSource, x_range: Any) -> Any:
        panel = _panel(_HEIGHTS["parameter"], f"Chosen: {name}", x_range=x_range)
        places = _places(self._result.grid[name])
        at = name if places is None else f"{name} place"
        panel.segment(x0="left", x1="right", y0=at, y1=at, source=source, line_width=4, color=COLOURS["line"])
        if places is None:
            panel.yaxis.ticker.desired_num_ticks = 3
            values = np.array(self._result.grid[name], np.float64)
        else:
            panel.yaxis.ticker = list(places.values())
            panel.yaxis.major_label_overrides = {place: text for text, place in places.items()}
            values = np.array(list(places.values()), np.float64)
        room = 0.12 * float(np.ptp(values))
        panel.y_range.start, panel.y_range.end = float(values.min()) - room, float(values.max()) + room
        return panel


def _places(values: tuple[Any, ...]) -> dict[str, int] | None:
    """Where names stand on an axis, the first on top; None for numbers, which stand where they are."""
    if not isinstance(values[0], str):
        return None
    return {value: len(values) - 1 - place for place, value in enumerate(values)}


def _columns(frame: pd.DataFrame, grid: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    better = frame["out_of_sample_sharpe"] >= 0
    named = {name: places for name, values in grid.items() if (places := _places(values)) is not None}
    return {
        "left": pd.to_datetime(frame["test_start"]).to_numpy("M8[ns]"),
        "right": pd.to_datetime(frame["test_end"]).to_numpy("M8[ns]"),
        "colour": np.where(better, COLOURS["up"], COLOURS["down"]).tolist(),
        **{name: frame[name].to_numpy(np.float64) for name in grid if name not in named},
        **{name: frame[name].fillna("–").to_list() for name in named},
        **{f"{name} place": frame[name].map(places).to_numpy(np.float64) for name, places in named.items()},
        **{
            name: frame[name].to_numpy(np.float64)
            for name in ("in_sample_sharpe", "out_of_sample_sharpe", "return")
        },
    }


def _milliseconds(at: np.datetime64) -> float:
    return float(at.astype("M8[ms]").astype(np.int64))


def _panel(height: int, title: str, *, x_range: Any = None) -> Any:
    options = {} if x_range is None else {"x_range": x_range}
    return figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        tools=_TOOLS,
        active_drag="xpan",
        active_scroll="xwheel_zoom",
        toolbar_location="right" if x_range is None else None,
        title=title,
        **options,
    )
