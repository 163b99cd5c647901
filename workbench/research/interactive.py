"""One figure to move about in: equity above, price and trades below (a tab an instrument), linked, by Bokeh.

The page it makes carries Bokeh itself, so it works without a network and outside Jupyter. It is light or dark
as the reader's system is; within a notebook it lies transparent on the page, whatever its theme.
"""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    CrosshairTool,
    HoverTool,
    InlineStyleSheet,
    NumeralTickFormatter,
    TabPanel,
    Tabs,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from bokeh.resources import INLINE

from workbench.domain.money import MICRO
from workbench.research.pictures import COLOURS
from workbench.research.thinning import thinned

if TYPE_CHECKING:
    from workbench.market import Bars
    from workbench.research.result import BacktestResult

__all__ = ["Interactive", "page_of"]

_POINTS = 6_000
_TABS = """
:host(.bk-Tabs) .bk-header { border-bottom: 1px solid #75757580; color: #757575; }
:host(.bk-Tabs) .bk-tab { border-radius: 4px 4px 0 0; }
:host(.bk-Tabs) .bk-tab.bk-active { background: transparent; color: #3b82c4; border-color: #75757580; }
:host(.bk-Tabs) .bk-tab:hover { background: #75757522; }
"""
_OWN_PAGE = (
    "<style>:root{color-scheme:light dark}body{background:Canvas;color:CanvasText;margin:16px}</style>"
)
# a frame of another colour scheme than the page around it is filled with white or black
_IN_A_PAGE = (
    "<style>body{background:transparent;margin:0}</style><script>try{document.documentElement.style"
    ".colorScheme=getComputedStyle(window.frameElement).colorScheme}catch(e){}</script>"
)
_TOOLS = "xpan,xwheel_zoom,box_zoom,reset,save"


class Interactive:
    """Equity and price of a backtest as a Bokeh figure that a notebook shows inline."""

    def __init__(self, result: "BacktestResult") -> None:
        self._result = result

    def figure(self) -> Any:
        """The Bokeh layout."""
        equity = self._equity()
        prices = {name: self._price(bars) for name, bars in self._result.traded.items()}
        width = Span(dimension="height", line_dash="dotted", line_color=COLOURS["text"])
        for panel in (equity, *prices.values()):
            panel.x_range = equity.x_range
            panel.add_tools(CrosshairTool(overlay=width, dimensions="height"))
            _plain(panel)
        below: Any = next(iter(prices.values()))
        if len(prices) > 1:
            below = Tabs(
                tabs=[TabPanel(child=price, title=str(name)) for name, price in prices.items()],
                sizing_mode="stretch_width",
                stylesheets=[InlineStyleSheet(css=_TABS)],
            )
        return column(equity, below, sizing_mode="stretch_width")

    def html(self) -> str:
        """A page that stands alone."""
        return page_of(self.figure(), self._title)

    @property
    def _title(self) -> str:
        return f"{self._result.name}, {self._result.data['instrument']} {self._result.data['timeframe']}"

    def __repr__(self) -> str:
        return f"<interactive figure of {self._result!r}>"

    def _repr_html_(self) -> str:
        page = escape(page_of(self.figure(), self._title, framed=True), quote=True)
        height = 660 if len(self._result.traded) == 1 else 700  # with a row of tabs
        return (
            f'<iframe title="Equity and price, interactive" style="border:0;width:100%;height:{height}px;'
            f'background:transparent" srcdoc="{page}"></iframe>'
        )

    def _equity(self) -> Any:
        result = self._result
        values = result.equity / MICRO
        keep = thinned(values, limit=_POINTS)
        source = ColumnDataSource(
            {"at": result.round_ns[keep].view("M8[ns]"), "equity": values[keep]}, name="equity"
        )
        panel = figure(
            height=280,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            tools=_TOOLS,
            active_drag="xpan",
            active_scroll="xwheel_zoom",
            title=f"Equity, {result.currency}",
        )
        line = panel.line("at", "equity", source=source, color=COLOURS["line"], line_width=1.5)
        panel.yaxis.formatter = NumeralTickFormatter(format="0,0")
        tips = [("at", "@at{%F %H:%M} UTC"), ("equity", "@equity{0,0.00}")]
        panel.add_tools(
            HoverTool(renderers=[line], tooltips=tips, formatters={"@at": "datetime"}, mode="vline")
        )
        return panel

    def _price(self, bars: "Bars") -> Any:
        name, digits = bars.instrument.id, bars.instrument.digits
        mid = (bars.bid_close + bars.ask_close) / 2 * 10.0**-digits
        keep = thinned(mid, limit=_POINTS)
        panel = figure(
            height=340,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            tools=_TOOLS,
            active_drag="xpan",
            active_scroll="xwheel_zoom",
            title=f"{name} mid close and trades",
        )
        panel.line(bars.close_ns[keep].view("M8[ns]"), mid[keep], color=COLOURS["line"], line_width=1.2)
        panel.yaxis.formatter = NumeralTickFormatter(format="0." + "0" * digits)
        source = ColumnDataSource(
            _trade_columns(self._result.trades_of(name), end_ns=int(bars.close_ns[-1])), name="trades"
        )
        lines = panel.segment(
            "entry_at", "entry_price", "last_at", "exit_price", source=source, color="colour", line_width=2
        )
        panel.scatter(
            "entry_at", "entry_price", source=source, marker="marker", size=7, color=COLOURS["line"]
        )
        panel.scatter("last_at", "exit_price", source=source, marker="x", size=6, color=COLOURS["mark"])
        tips = [
            ("side", "@side @units{0,0}"),
            ("entry", "@entry_at{%F %H:%M} at @entry_price{0.00000}"),
            ("exit", "@last_at{%F %H:%M} at @exit_price{0.00000}, @reason"),
            ("net", "@net_profit{0,0.00}"),
        ]
        formatters: dict[str, Any] = {"@entry_at": "datetime", "@last_at": "datetime"}
        panel.add_tools(HoverTool(renderers=[lines], tooltips=tips, formatters=formatters))
        return panel


def page_of(layout: Any, title: str, *, framed: bool = False) -> str:
    """A Bokeh layout as a page that carries Bokeh itself, light or dark as the reader's system is.

    Parameters
    ----------
    framed
        Whether it goes into a frame of another page, whose colours it then takes.
    """
    look = _IN_A_PAGE if framed else _OWN_PAGE
    return str(file_html(layout, INLINE, title)).replace("<head>", f"<head>{look}", 1)


def _trade_columns(trades: pd.DataFrame, *, end_ns: int) -> dict[str, Any]:
    end = pd.Timestamp(end_ns, tz="UTC")
    return {
        "entry_at": trades["entry_at"].dt.tz_convert(None).to_numpy(),
        "last_at": trades["exit_at"].fillna(end).dt.tz_convert(None).to_numpy(),
        "entry_price": trades["entry_price"].to_numpy(),
        "exit_price": trades["exit_price"].to_numpy(),
        "side": trades["side"].tolist(),
        "units": trades["units"].to_numpy(),
        "reason": trades["reason"].tolist(),
        "net_profit": trades["net_profit"].to_numpy(),
        "colour": np.where(trades["net_profit"] > 0, COLOURS["up"], COLOURS["down"]).tolist(),
        "marker": np.where(trades["side"] == "long", "triangle", "inverted_triangle").tolist(),
    }


def _plain(panel: Any) -> None:
    """Transparent, with a grey that reads on white and on black."""
    panel.background_fill_color = None
    panel.border_fill_color = None
    panel.outline_line_color = None
    panel.title.text_color = COLOURS["text"]
    panel.title.text_font_size = "12px"
    panel.grid.grid_line_color = COLOURS["text"]
    panel.grid.grid_line_alpha = 0.22
    for axis in panel.axis:
        axis.axis_line_color = axis.major_tick_line_color = COLOURS["text"]
        axis.minor_tick_line_color = None
        axis.major_label_text_color = COLOURS["text"]
    panel.toolbar.logo = None
