"""One figure to move about in: equity above, candles below (a tab an instrument), linked, by Bokeh.

The page it makes carries Bokeh itself, so it works without a network and outside Jupyter. It is light or dark
as the reader's system is; within a notebook it lies transparent on the page, whatever its theme.
"""

from html import escape
from typing import TYPE_CHECKING, Any

from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import CrosshairTool, InlineStyleSheet, Range1d, TabPanel, Tabs
from bokeh.models.annotations import Span
from bokeh.resources import INLINE

from workbench.research.benchmarks import against
from workbench.research.chart_lines import chart_lines
from workbench.research.panels import equity_panel, fall_panel, price_panels
from workbench.research.pictures import COLOURS
from workbench.research.zooming import Zoomed

if TYPE_CHECKING:
    from workbench.research.result import BacktestResult

__all__ = ["Interactive", "page_of"]

_IN_PAGE, _IN_NOTEBOOK = 2_000_000, 50_000  # bars
_BESIDE = 2  # indicators on a scale of their own that get a panel
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
    """Equity, price and trades of a backtest as a Bokeh figure that a notebook shows inline.

    Zoomed out it shows the least and the greatest of each stretch, zoomed in each bar and each trade, with
    the indicators of the rules and where stops, targets and waiting entries stood.

    Parameters
    ----------
    cash_rate
        Simple interest on cash a year, as in `against`.
    """

    def __init__(self, result: "BacktestResult", *, cash_rate: float = 0.0) -> None:
        self._result = result
        self._against = against(result, cash_rate=cash_rate)

    def figure(self) -> Any:
        """The Bokeh layout; the page's program fills it, see `html`."""
        return self._drawn(_IN_PAGE)[0]

    def html(self, *, limit: int = _IN_PAGE) -> str:
        """A page that stands alone.

        Parameters
        ----------
        limit
            Bars that are in the page one by one, of all instruments together; of more, several make a candle.
        """
        return self._page(limit, framed=False)

    @property
    def _title(self) -> str:
        return f"{self._result.name}, {self._result.data['instrument']} {self._result.data['timeframe']}"

    def __repr__(self) -> str:
        return f"<interactive figure of {self._result!r}>"

    def _repr_html_(self) -> str:
        page = escape(self._page(_IN_NOTEBOOK, framed=True), quote=True)
        return (
            '<iframe title="Equity and price, interactive" style="border:0;width:100%;'
            f'height:{self._height}px;background:transparent" srcdoc="{page}"></iframe>'
        )

    def _page(self, limit: int, *, framed: bool) -> str:
        layout, zoomed = self._drawn(limit)
        page = page_of(layout, self._title, framed=framed)
        return page.replace("</body>", f"{zoomed.script()}</body>", 1)

    @property
    def _height(self) -> int:
        beside = max((len(chart_lines(self._result, name).beside) for name in self._result.traded), default=0)
        tabs = 40 if len(self._result.traded) > 1 else 0
        return 880 + 120 * min(beside, _BESIDE) + tabs

    def _drawn(self, limit: int) -> tuple[Any, Zoomed]:
        zoomed = Zoomed(result=self._result, against=self._against, limit=limit, colours=COLOURS)
        times = self._result.round_ns
        ends = (int(times[0]) // 1_000_000, int(times[-1]) // 1_000_000) if len(times) else (0, 1)
        margin = max((ends[1] - ends[0]) // 100, 1)
        across = Range1d(
            start=ends[0] - margin, end=ends[1] + margin, bounds=(ends[0] - 9 * margin, ends[1] + 9 * margin)
        )
        zoomed.equity()
        tops = [
            equity_panel(self._result.currency, across),
            fall_panel(across),
        ]
        tabs: dict[str, Any] = {}
        for place, name in enumerate(self._result.traded):
            lines = zoomed.price(place, name)
            digits = self._result.traded[name].instrument.digits
            tabs[str(name)] = price_panels(
                f"{place}_", lines, across, digits=digits, currency=self._result.currency, most=_BESIDE
            )
        width = Span(dimension="height", line_dash="dotted", line_color=COLOURS["text"])
        for panel in (*tops, *(item for group in tabs.values() for item in group)):
            panel.add_tools(CrosshairTool(overlay=width, dimensions="height"))
        below: Any = column(*next(iter(tabs.values())), sizing_mode="stretch_width")
        if len(tabs) > 1:
            below = Tabs(
                tabs=[
                    TabPanel(child=column(*panels, sizing_mode="stretch_width"), title=name)
                    for name, panels in tabs.items()
                ],
                sizing_mode="stretch_width",
                stylesheets=[InlineStyleSheet(css=_TABS)],
            )
        return column(*tops, below, sizing_mode="stretch_width"), zoomed


def page_of(layout: Any, title: str, *, framed: bool = False) -> str:
    """A Bokeh layout as a page that carries Bokeh itself, light or dark as the reader's system is.

    Parameters
    ----------
    framed
        Whether it goes into a frame of another page, whose colours it then takes.
    """
    look = _IN_A_PAGE if framed else _OWN_PAGE
    return str(file_html(layout, INLINE, title)).replace("<head>", f"<head>{look}", 1)
