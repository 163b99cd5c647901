"""Searches to look at, by Bokeh: a heatmap, slices along each axis, parallel coordinates.

A click on a trial shows it below the picture; in a notebook `workbench.kernel.explore` opens its backtest.
"""

import json
import math
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.layouts import column, gridplot
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, LinearColorMapper, TapTool
from bokeh.models.annotations import ColorBar
from bokeh.models.widgets.markups import Div
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from bokeh.transform import transform

from workbench.errors import BadInputError
from workbench.research.interactive import page_of
from workbench.research.pictures import COLOURS

if TYPE_CHECKING:
    from workbench.research.search.result import SearchResult
    from workbench.research.search.space import Axis

__all__ = ["SearchView", "heatmap", "parallel", "slices"]

Floats = npt.NDArray[np.float64]
_TRIALS = 4_000  # drawn as single points or lines at most: the best, and some of the others
_CELLS = 60  # of a heatmap along a side; a continuous axis is cut into so many
_PALETTE: Any = Cividis256
_CLICKED = """
const at = source.selected.indices;
if (at.length) {
    const number = source.data.trial[at[0]];
    const rows = JSON.parse(source.data.told[at[0]]);
    const cells = [["trial", number], ...rows].map(([name, value]) =>
        `<td style="padding:0 12px 0 0">${name} <b>${value}</b></td>`);
    below.text = `<table style="font-size:12px"><tr>${cells.join("")}</tr></table>`
        + `<code>result.backtest(${number})</code>`;
    const said = window.frameElement?.closest(".wb-bridge")?.querySelector(".wb-said textarea");
    if (said) {  // a kernel listens, see workbench.kernel.framed
        said.value = JSON.stringify({trial: number, at: Date.now()});
        said.dispatchEvent(new Event("input", {bubbles: true}));
        said.dispatchEvent(new Event("change", {bubbles: true}));
    }
} else { below.text = hint; }
"""
_HINT = "Click a trial to see it."


class SearchView:
    """A picture of a search that a notebook shows, with the trials behind its marks."""

    def __init__(self, title: str, build: Callable[[], tuple[Any, ColumnDataSource]], *, height: int) -> None:
        self._title = title
        self._build = build
        self.height = height

    def figure(self) -> tuple[Any, ColumnDataSource]:
        """A new Bokeh layout, and the source of its marks: the column ``trial`` has their numbers."""
        return self._build()

    def html(self) -> str:
        """A page that stands alone: it carries Bokeh itself."""
        return page_of(self.figure()[0], self._title)

    def __repr__(self) -> str:
        return f"<{self._title}>"

    def _repr_html_(self) -> str:
        page = escape(page_of(self.figure()[0], self._title, framed=True), quote=True)
        return (
            f'<iframe title="{escape(self._title)}" style="border:0;width:100%;height:{self.height}px;'
            f'background:transparent" srcdoc="{page}"></iframe>'
        )


def heatmap(
    result: "SearchResult", x: str | None = None, y: str | None = None, *, value: str | None = None
) -> SearchView:
    """A figure over two axes as colours: in each cell the best trial there, whatever its other parameters.

    Parameters
    ----------
    x, y
        Axes; by default the last and the first with several values.
    value
        A figure; the first goal by default.

    Raises
    ------
    BadInputError
        Fewer than two axes with several values, or no such axis or figure.
    """
    name = value or result.goals[0].figure
    values = result.figure(name)
    varied = [axis.name for axis in result.space.axes if axis.continuous or len(axis.values) > 1]
    if len(varied) < 2:
        raise BadInputError(f"a heatmap needs two axes with several values, the search has {len(varied)}")
    across = x or next(item for item in reversed(varied) if item != y)
    down = y or next(item for item in varied if item != across)
    axes = {axis.name: axis for axis in result.space.axes}
    for item in (across, down):
        if item not in axes:
            raise BadInputError(f"{item!r} is no axis of the search; there are {', '.join(axes)}")
    smaller = name == result.goals[0].figure and result.goals[0].smaller

    def build() -> tuple[Any, ColumnDataSource]:
        places = [_cells(axes[item], result) for item in (across, down)]
        order = np.argsort(np.where(np.isnan(values), np.inf, values if smaller else -values), kind="stable")
        key = places[0][0][order] * 100_000 + places[1][0][order]
        _, first = np.unique(key, return_index=True)  # the best of each cell comes first in the order
        chosen = order[np.sort(first)]
        chosen = chosen[np.isfinite(values[chosen])]
        source = _source(result, chosen, x=places[0][0][chosen], y=places[1][0][chosen], value=values[chosen])
        panel = _panel(f"{result.strategy}: {name}, the best of {len(result):,} trials in each cell", 420)
        mapper = LinearColorMapper(
            palette=_PALETTE, low=float(np.min(values[chosen])), high=float(np.max(values[chosen]))
        )
        panel.rect(
            "x",
            "y",
            width=1,
            height=1,
            source=source,
            fill_color=transform("value", mapper),
            line_color=None,
            nonselection_fill_alpha=0.7,
        )
        for axis, (_, labels), told in zip((panel.xaxis, panel.yaxis), places, (across, down), strict=True):
            axis.axis_label = told
            axis.ticker = list(range(0, len(labels), max(1, len(labels) // 12)))
            axis.major_label_overrides = dict(enumerate(labels))
        bar = ColorBar(color_mapper=mapper, background_fill_color=None, width=10)
        bar.major_label_text_color = COLOURS["text"]
        panel.add_layout(bar, "right")
        return _with_click(panel, source, [panel], name)

    return SearchView(f"Heatmap of {result!r}", build, height=540)


def slices(result: "SearchResult", *, value: str | None = None) -> SearchView:
    """A figure over each axis in turn, a point a trial.

    Raises
    ------
    BadInputError
        No such figure.
    """
    name = value or result.goals[0].figure
    values = result.figure(name)

    def build() -> tuple[Any, ColumnDataSource]:
        chosen = _drawn(result, values)
        columns = {}
        for place, axis in enumerate(result.space.axes):
            columns[f"x{place}"] = _numbers(axis, result)[chosen]
        source = _source(result, chosen, value=values[chosen], **columns)
        panels = []
        for place, axis in enumerate(result.space.axes):
            panel = _panel(f"{name} over {axis.name}", 240)
            panel.scatter(
                f"x{place}", "value", source=source, size=5, alpha=0.5, color=COLOURS["line"],
                nonselection_alpha=0.15, selection_color=COLOURS["mark"],
            )  # fmt: skip
            if not axis.continuous and not axis.ordered:
                panel.xaxis.ticker = list(range(len(axis.values)))
                panel.xaxis.major_label_overrides = {at: str(item) for at, item in enumerate(axis.values)}
            panels.append(panel)
        rows = [panels[at : at + 2] for at in range(0, len(panels), 2)]
        grid = gridplot(rows, sizing_mode="stretch_width", toolbar_location=None)
        return _with_click(grid, source, panels, name)

    return SearchView(
        f"Slices of {result!r}", build, height=120 + 250 * math.ceil(len(result.space.axes) / 2)
    )


def parallel(result: "SearchResult", *, value: str | None = None) -> SearchView:
    """Every trial as a line across all axes and the figures searched for; bright lines are the good ones.

    Raises
    ------
    BadInputError
        No such figure.
    """
    name = value or result.goals[0].figure
    values = result.figure(name)
    smaller = name == result.goals[0].figure and result.goals[0].smaller

    def build() -> tuple[Any, ColumnDataSource]:
        chosen = _drawn(result, values)
        chosen = chosen[np.argsort(values[chosen] * (-1.0 if smaller else 1.0), kind="stable")]  # best on top
        heads = [axis.name for axis in result.space.axes]
        lines = [_unit(_numbers(axis, result)) for axis in result.space.axes]
        for goal in dict.fromkeys([name, *(item.figure for item in result.goals)]):
            heads.append(goal)
            lines.append(_unit(result.figure(goal)))
        rows = np.column_stack([item[chosen] for item in lines])
        places = list(range(len(heads)))
        source = _source(result, chosen, xs=[places] * len(chosen), ys=list(rows), value=values[chosen])
        panel = _panel(f"{result.strategy}: {len(chosen):,} of {len(result):,} trials", 380)
        low, high = float(np.min(values[chosen])), float(np.max(values[chosen]))
        mapper = LinearColorMapper(palette=_PALETTE, low=low, high=high)
        panel.multi_line(
            "xs", "ys", source=source, color=transform("value", mapper), alpha=0.45, line_width=1.4,
            nonselection_alpha=0.05, selection_line_width=3, selection_color=COLOURS["mark"],
        )  # fmt: skip
        panel.xaxis.ticker = places
        panel.xaxis.major_label_overrides = dict(enumerate(heads))
        panel.yaxis.visible = False
        panel.xgrid.grid_line_alpha = 0.6
        return _with_click(panel, source, [panel], name)

    return SearchView(f"Parallel coordinates of {result!r}", build, height=500)


def _with_click(
    layout: Any, source: ColumnDataSource, panels: list[Any], value: str
) -> tuple[Any, ColumnDataSource]:
    below = Div(
        text=_HINT, styles={"color": COLOURS["text"], "min-height": "44px"}, sizing_mode="stretch_width"
    )
    source.selected.js_on_change(
        "indices", CustomJS(args={"source": source, "below": below, "hint": _HINT}, code=_CLICKED)
    )
    for panel in panels:
        panel.add_tools(TapTool(), HoverTool(tooltips=[("trial", "@trial"), (value, "@value{0.0000}")]))
    return column(layout, below, sizing_mode="stretch_width"), source


def _source(result: "SearchResult", chosen: npt.NDArray[Any], **columns: Any) -> ColumnDataSource:
    """Marks with the number of their trial and what is told of it."""
    figures = list(dict.fromkeys([*(item.figure for item in result.goals), "net_profit", "trades"]))
    told = []
    for number in chosen.tolist():
        row = result.row(number)
        shown = [*result.space.names, *(item for item in figures if item in row)]
        told.append(json.dumps([[item, _text(row[item])] for item in shown]))
    return ColumnDataSource({**columns, "trial": chosen, "told": told}, name="trials")


def _drawn(result: "SearchResult", values: Floats) -> npt.NDArray[Any]:
    """The trials that are drawn: all that are defined; of very many the best, and some of the others."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) <= _TRIALS:
        return known
    goal = result.goals[0]
    order = known[np.argsort(values[known] * (1.0 if goal.smaller else -1.0), kind="stable")]
    rest = order[_TRIALS // 2 :]
    return np.concatenate((order[: _TRIALS // 2], rest[:: max(1, len(rest) // (_TRIALS // 2))]))


def _cells(axis: "Axis", result: "SearchResult") -> tuple[npt.NDArray[np.int64], list[str]]:
    """The cell of each trial along an axis, and the cells' names."""
    if axis.continuous:
        share = (_numbers(axis, result) - axis.low) / (axis.high - axis.low)
        cells = np.clip((share * _CELLS).astype(np.int64), 0, _CELLS - 1)
        return cells, [f"{axis.at((at + 0.5) / _CELLS):.4g}" for at in range(_CELLS)]
    places = {value: at for at, value in enumerate(axis.values)}
    column_of = result.columns[axis.name]
    return np.array([places[_plain(item)] for item in column_of], np.int64), [
        str(item) for item in axis.values
    ]


def _numbers(axis: "Axis", result: "SearchResult") -> Floats:
    """The axis's values as numbers; places where values have no order."""
    if axis.continuous or axis.ordered:
        return np.asarray(result.columns[axis.name], np.float64)
    return _cells(axis, result)[0].astype(np.float64)


def _unit(values: Floats) -> Floats:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    found: Floats = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return found


def _panel(title: str, height: int) -> Any:
    panel: Any = figure(
        height=height, sizing_mode="stretch_width", title=title, tools="pan,wheel_zoom,box_zoom,reset,save"
    )
    panel.background_fill_color = panel.border_fill_color = panel.outline_line_color = None
    panel.title.text_color, panel.title.text_font_size = COLOURS["text"], "12px"
    panel.grid.grid_line_color, panel.grid.grid_line_alpha = COLOURS["text"], 0.22
    for axis in panel.axis:
        axis.axis_line_color = axis.major_tick_line_color = axis.major_label_text_color = COLOURS["text"]
        axis.axis_label_text_color = COLOURS["text"]
        axis.minor_tick_line_color = None
    panel.toolbar.logo = None
    return panel


def _text(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
