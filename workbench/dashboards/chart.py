"""A deployment's equity as a picture, and the same in a sentence."""

from collections.abc import Sequence

import ipywidgets as widgets
from bokeh.core.json_encoder import serialize_json
from bokeh.models import (
    ColumnDataSource,
    DatetimeTicker,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
)
from bokeh.plotting import figure
from jupyter_bokeh.widgets import BokehModel
from traitlets import Dict

from workbench.dashboards import words
from workbench.dashboards.markup import put, text
from workbench.dashboards.view import EquityPoint

__all__ = ["EquityChart"]


class _Plot(BokehModel):  # type: ignore[misc]  # jupyter_bokeh has no types
    """A plot that a page can join at any time: it is handed the plot as it is, not as it once was made."""

    render_bundle = Dict().tag(
        sync=True, to_json=lambda _, plot: serialize_json(plot._model_to_traits(plot._model))
    )


class EquityChart:
    """Equity over time; the style sheet colours it, so that it suits a light and a dark page."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._points: Sequence[EquityPoint] | None = None
        self._source = ColumnDataSource({"time": [], "equity": []})
        self._caption = widgets.HTML()
        self.box = widgets.VBox([_Plot(self._drawn()), self._caption])

    def show(self, points: Sequence[EquityPoint], *, again: bool = False) -> None:
        """Draw the curve; one that is drawn already only `again`, for a page that missed it."""
        if points == self._points and not again:
            return
        self._points = points
        self._source.data = {
            "time": [point.time_ns / 1e6 for point in points],  # Bokeh counts milliseconds
            "equity": [float(point.equity) for point in points],
        }
        put(
            self._caption,
            f"<p><small>{text(words.equity_sentence(points, self._currency))}</small></p>",
            again=again,
        )

    def _drawn(self) -> object:
        plot = figure(
            height=220,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            title=f"Equity in {self._currency}",
            toolbar_location=None,
            tools="",
        )
        plot.line("time", "equity", source=self._source, line_width=2, color="#2f81f7")
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=5)
        plot.xaxis.formatter = DatetimeTickFormatter(days="%d %b", hours="%d %b\n%H:%M", months="%b %Y")
        plot.add_tools(
            HoverTool(
                tooltips=[("Time", "@time{%d %b %Y %H:%M} UTC"), ("Equity", "@equity{0,0.00}")],
                formatters={"@time": "datetime"},
                mode="vline",
            )
        )
        return plot
