"""The panels of the interactive figure: empty Bokeh figures that the page's program fills by name."""

from typing import Any, Literal

from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from workbench.research.chart_lines import ChartLines
from workbench.research.pictures import COLOURS, LEVEL_COLOURS, LINE_COLOURS
from workbench.research.zooming import TRADE_COLUMNS

__all__ = ["equity_panel", "fall_panel", "plain", "price_panels"]

_TOOLS = "xpan,xwheel_zoom,xbox_zoom,reset,save"
_AT = ("at", "@at{%F %H:%M} UTC")


def equity_panel(currency: str, across: Range1d) -> Any:
    """Equity with buy and hold and cash beside it."""
    panel = _panel("equity", 250, across, f"Equity, {currency}", digits="0,0")
    for name, label, colour, dash in (
        ("cash", "cash", COLOURS["text"], "dotted"),
        ("held", "buy and hold", COLOURS["mark"], "solid"),
        ("equity", "strategy", COLOURS["line"], "solid"),
    ):
        drawn = panel.line(
            "at", "value", source=_source(f"{name}_source"), color=colour, line_dash=dash, legend_label=label,
            line_width=1.6 if name == "equity" else 1.1,
        )  # fmt: skip
    _hover(panel, drawn, [_AT, ("equity", "@value{0,0.00}")])
    _legend(panel)
    return panel


def fall_panel(across: Range1d) -> Any:
    """How far equity stood below its highest value before."""
    panel = _panel("fall", 100, across, "Below the highest equity before, %", digits="0.0[00]")
    source = _source("fall_source")
    panel.varea("at", "value", 0, source=source, color=COLOURS["down"], alpha=0.3)
    line = panel.line("at", "value", source=source, color=COLOURS["down"], line_width=1)
    _hover(panel, line, [_AT, ("below", "@value{0.00} %")])
    return panel


def price_panels(
    prefix: str, lines: ChartLines, across: Range1d, *, digits: int, currency: str, most: int
) -> list[Any]:
    """Candles with lines, levels and trades; other indicators; units held; what trades made."""
    form = "0." + "0" * digits
    panels = [_candles(prefix, lines, across, form)]
    for number, name in enumerate(list(lines.beside)[:most]):
        column = f"{prefix}beside_{number}"
        panel = _panel(f"{column}_panel", 120, across, f"{name} (of prices: in points)", digits="0,0.[00]")
        source = _source(f"{column}_source")
        line = panel.line(
            "at", "value", source=source, color=LINE_COLOURS[number % len(LINE_COLOURS)], line_width=1.1
        )
        _hover(panel, line, [_AT, (name, "@value{0,0.00}")])
        panels.append(panel)
    held = _panel(f"{prefix}held_panel", 100, across, "Units held: long above 0, short below", digits="0,0")
    source = _source(f"{prefix}held_source")
    held.varea("at", "value", 0, source=source, color=COLOURS["line"], alpha=0.35)
    held.line("at", "value", source=source, color=COLOURS["line"], line_width=1)
    title = f"Net profit of the trades that ended in each stretch, {currency}"
    net = _panel(f"{prefix}net_panel", 120, across, title, digits="0,0")
    source = _source(f"{prefix}net_source", "at", "net", "count", "width", "colour")
    bars = net.vbar("at", "width", "net", source=source, color="colour", line_color=None)
    _hover(net, bars, [("net", "@net{0,0.00}"), ("trades", "@count")], mode="mouse")
    return [*panels, held, net]


def plain(panel: Any) -> None:
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


def _candles(prefix: str, lines: ChartLines, across: Range1d, form: str) -> Any:
    panel = _panel(f"{prefix}panel", 380, across, "", digits=form)
    source = _source(
        f"{prefix}candles", "at", "left", "right", "open", "high", "low", "close", "colour", "bars"
    )
    panel.segment("at", "low", "at", "high", source=source, color="colour", line_width=1)
    bodies = panel.quad(
        left="left", right="right", top="open", bottom="close", source=source,
        fill_color="colour", line_color="colour", alpha=0.8,
    )  # fmt: skip
    tips = [
        _AT,
        *((part, f"@{part}{{{form}}}") for part in ("open", "high", "low", "close")),
        ("bars", "@bars"),
    ]
    _hover(panel, bodies, tips, mode="mouse")
    for number, name in enumerate(lines.on_price):
        line = _source(f"{prefix}price_{number}_source")
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        panel.line("at", "value", source=line, color=colour, line_width=1.3, legend_label=name)
    for number, name in enumerate(lines.levels):
        line = _source(f"{prefix}level_{number}_source")
        panel.step(
            "at", "value", source=line, color=LEVEL_COLOURS[name], line_width=1.3, line_dash="dashed",
            legend_label=name, mode="before",
        )  # fmt: skip
    _trades(prefix, panel, form)
    _legend(panel)
    return panel


def _trades(prefix: str, panel: Any, form: str) -> None:
    source = _source(f"{prefix}trades", *TRADE_COLUMNS, "side", "marker", "colour", "reason", "ordered")
    way = panel.segment(
        "entry_at", "entry_price", "last_at", "exit_price", source=source, color="colour", line_width=2
    )
    into = panel.scatter(
        "entry_at", "entry_price", source=source, marker="marker", size=9, color=COLOURS["line"],
        line_color="white", line_width=0.5, legend_label="entry",
    )  # fmt: skip
    out = panel.scatter(
        "last_at", "exit_price", source=source, marker="x", size=8, color=COLOURS["mark"], line_width=2,
        legend_label="exit",
    )  # fmt: skip
    tips = [
        ("side", "@side @units{0,0}"),
        ("entry", f"@entry_at{{%F %H:%M}} at @entry_price{{{form}}}, @ordered"),
        ("exit", f"@last_at{{%F %H:%M}} at @exit_price{{{form}}}, @reason"),
        ("net", "@net{0,0.00}"),
    ]
    formatters: dict[str, Any] = {"@entry_at": "datetime", "@last_at": "datetime"}
    panel.add_tools(HoverTool(renderers=[way, into, out], tooltips=tips, formatters=formatters))


def _panel(name: str, height: int, across: Range1d, title: str, *, digits: str) -> Any:
    panel: Any = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=across,
        y_range=Range1d(start=0, end=1),
        tools=_TOOLS,
        active_drag="xpan",
        active_scroll="xwheel_zoom",
        title=title,
        min_border_left=70,
        output_backend="canvas",
    )
    panel.yaxis.formatter = NumeralTickFormatter(format=digits)
    panel.yaxis.ticker = BasicTicker(desired_num_ticks=6 if height > 200 else 3)
    plain(panel)
    return panel


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({item: [] for item in columns or ("at", "value")}, name=name)


def _hover(
    panel: Any, renderer: Any, tips: list[tuple[str, str]], *, mode: Literal["mouse", "vline"] = "vline"
) -> None:
    formatters: dict[str, Any] = {"@at": "datetime"}
    panel.add_tools(HoverTool(renderers=[renderer], tooltips=tips, formatters=formatters, mode=mode))


def _legend(panel: Any) -> None:
    """Above the picture, in the colours of any page; a click hides a line."""
    legend = panel.legend[0]
    legend.orientation, legend.click_policy = "horizontal", "hide"
    legend.background_fill_color = legend.border_line_color = None
    legend.label_text_color, legend.label_text_font_size = COLOURS["text"], "11px"
    legend.padding, legend.margin, legend.spacing = 2, 2, 8
    legend.glyph_width, legend.nrows = 16, 1
    panel.add_layout(legend, "above")
