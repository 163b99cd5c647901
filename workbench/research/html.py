"""Results as HTML that reads well in a light and in a dark theme: colours come from the page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from workbench.research.paid import COSTS
from workbench.research.statistics import DEFINITIONS, DIFFERENCES, SOURCES, Metrics

if TYPE_CHECKING:
    from workbench.research.result import BacktestResult

__all__ = ["STYLE", "figure_text", "instruments", "page", "result_html", "table", "tiles"]

STYLE = """<style>
.wb-card{font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.45;
 color:var(--jp-ui-font-color1,inherit);max-width:980px}
.wb-card h3{font-size:15px;margin:0 0 2px}
.wb-card h4{font-size:13px;margin:14px 0 4px}
.wb-card p{margin:2px 0 6px}
.wb-card .wb-quiet{opacity:.72}
.wb-card .wb-note{border-left:3px solid #c98500;padding:2px 0 2px 8px;margin:6px 0}
.wb-card .wb-tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(165px,1fr));
 gap:6px;margin:8px 0;max-width:760px}
.wb-card .wb-tile{border:1px solid color-mix(in srgb,currentColor 22%,transparent);border-radius:6px;
 padding:5px 9px}
.wb-card .wb-tile b{display:block;font-size:15px;font-weight:600;font-variant-numeric:tabular-nums;
 white-space:nowrap}
.wb-card .wb-tile span{opacity:.72;font-size:12px}
.wb-card .wb-scroll{overflow-x:auto}
.wb-card table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:2px 0 8px;border:0;
 color:inherit;background:transparent}
.wb-card th,.wb-card td{text-align:right;padding:2px 9px;border:0;background:transparent;white-space:nowrap;
 border-bottom:1px solid color-mix(in srgb,currentColor 14%,transparent)}
.wb-card td.wb-words{text-align:left;white-space:normal;min-width:16em}
.wb-card th.wb-words{text-align:left}
.wb-card th:first-child,.wb-card td:first-child{text-align:left}
.wb-card .wb-up{color:#2e9e5b}.wb-card .wb-down{color:#d9534f}
.wb-card img{max-width:100%;display:block;margin:2px 0 6px}
.wb-card details{margin:6px 0}
.wb-card code{font-size:12px;background:transparent;color:inherit}
</style>"""

_PERCENT = {"return", "volatility", "max_drawdown", "win_rate", "exposure"}
_MONEY = {
    *("net_profit", "max_drawdown_money", "average_trade", "spread_cost", "slippage_cost"),
    *("commission", "financing"),
}
_TILES = (
    ("net_profit", "net profit"),
    ("return", "return"),
    ("sharpe", "Sharpe ratio"),
    ("max_drawdown", "max drawdown"),
    ("trades", "trades"),
    ("win_rate", "win rate"),
    ("profit_factor", "profit factor"),
    ("exposure", "exposure"),
)


def figure_text(name: str, value: float | int | str | None) -> str:
    """A metric as people read it; a dash for one that is undefined."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if name in _PERCENT:
        return f"{value:.1%}"
    if name in _MONEY:
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def tiles(metrics: Mapping[str, float | int | str], *, currency: str) -> str:
    """The first figures to look at; each shows its definition when pointed at."""
    cells = []
    for name, label in _TILES:
        value = metrics.get(name)
        unit = f" {currency}" if name in _MONEY else ""
        signed = name in ("net_profit", "return") and isinstance(value, int | float) and value != 0
        tone = "" if not signed else ' class="wb-up"' if float(value or 0) > 0 else ' class="wb-down"'
        text = escape(figure_text(name, value) + unit)
        cells.append(
            f'<div class="wb-tile" title="{escape(DEFINITIONS[name])}"><span>{escape(label)}</span>'
            f"<b{tone}>{text}</b></div>"
        )
    return f'<div class="wb-tiles">{"".join(cells)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """A table; the columns with an index in `words` are text and may wrap."""
    heads = "".join(
        f'<th class="wb-words">{escape(item)}</th>' if at in words else f"<th>{escape(item)}</th>"
        for at, item in enumerate(head)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="wb-words">{escape(cell)}</td>' if at in words else f"<td>{escape(cell)}</td>"
            for at, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wb-scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def heading(result: "BacktestResult") -> str:
    """Name, parameters and the data in three short lines."""
    data = result.data
    parameters = ", ".join(f"{name} {value}" for name, value in result.parameters.items()) or "no parameters"
    return (
        f"<h3>{escape(result.name)}</h3><p>{escape(parameters)}</p>"
        f'<p class="wb-quiet">{escape(str(data["instrument"]))} {escape(str(data["timeframe"]))}, '
        f"{data['bars']:,} bars, {escape(str(data['first']))} to {escape(str(data['last']))}. "
        f"{escape(str(data['sides_meaning']))} {escape(str(data['matched_meaning']))} "
        f"{escape(str(data['sizes_meaning']))} "
        f"Costs: {escape(str(data['cost_book']))}.</p>"
    )


def instruments(result: "BacktestResult") -> str:
    """What each of several instruments did."""
    frame = result.by_instrument
    rows = []
    for name, row in zip(frame.index, frame.to_dict("records"), strict=True):
        share = figure_text("win_rate", None if math.isnan(row["win_rate"]) else row["win_rate"])
        amounts = (f"{row[kind]:,.2f}" for kind in ("before_costs", *COSTS, "net_profit"))
        rows.append((str(name), f"{row['trades']:,}", share, *amounts))
    head = ("", "trades", "win rate", "before costs", *COSTS, "net profit")
    return f"<h4>By instrument, in {escape(result.currency)}</h4>{table(head, rows)}"


def warnings_of(result: "BacktestResult") -> str:
    """What a reader must not miss."""
    figures, notes = result.metrics, list(result.cautions)
    if crossed := result.crossed_prices:
        notes.append(
            f"{crossed:,} of the bars and quotes have the bid above the ask, which pays who trades there; "
            "repair the data (drop_crossed) and run it again."
        )
    if figures["trades"] == 0:
        notes.append("No trade ended, so there is little to judge.")
    elif int(figures["trades"]) < 30:
        notes.append(f"Only {figures['trades']} trades: every figure here is mostly luck.")
    if closed := int(figures["margin_closeouts"]):
        notes.append(f"Margin ran out and {_count(closed, 'position')} closed by force.")
    if called := int(figures["margin_calls"]):
        notes.append(
            f"The margin used came to be the whole equity {called} time{'s' if called != 1 else ''}."
        )
    if refused := int(figures["refused_orders"]):
        reasons = ", ".join(sorted({reason for _, reason in result.outcome.refused} - {"expired"}))
        notes.append(f"{_count(refused, 'order')} refused: {reasons}.")
    if doubtful := int(figures["ambiguous_bars"]):
        notes.append(
            f"In {doubtful} bar{'s' if doubtful != 1 else ''} both stop and target were reached; "
            "the stop was taken to come first."
        )
    return "".join(f'<p class="wb-note">{escape(note)}</p>' for note in notes)


def _count(number: int, what: str) -> str:
    return f"{number} {what} was" if number == 1 else f"{number} {what}s were"


def result_html(result: "BacktestResult") -> str:
    """The card a notebook shows."""
    figures = result.metrics
    costs = ", ".join(f"{kind} {value / 1e6:,.2f}" for kind, value in result.cost_micro.items())
    return page(
        heading(result)
        + tiles(figures, currency=result.currency)
        + warnings_of(result)
        + (instruments(result) if len(result.traded) > 1 else "")
        + f'<p class="wb-quiet">Paid in {escape(result.currency)}: {escape(costs)}.</p>'
        + definitions(figures)
        + identity(result)
    )


def definitions(figures: Metrics) -> str:
    """Every figure with what it means and where its formula comes from, and where other programs differ."""
    rows = [
        (name, figure_text(name, value), DEFINITIONS[name], SOURCES.get(name, ""))
        for name, value in figures.items()
    ]
    other = [(name.replace("_", " "), text) for name, text in DIFFERENCES.items()]
    return (
        "<details><summary>All figures and what they mean</summary>"
        f"{table(('figure', 'value', 'definition', 'source'), rows, words=(2, 3))}"
        "<p>Where other programs (empyrical, pyfolio, vectorbt) tell another number for the same:</p>"
        f"{table(('figure', 'difference'), other, words=(1,))}</details>"
    )


def identity(result: "BacktestResult") -> str:
    """What tells this run from every other."""
    return (
        f'<p class="wb-quiet">Digest <code>{result.digest[:16]}</code>, data '
        f"<code>{escape(result.fingerprint[:16])}</code>, {escape(result.path)} path.</p>"
    )


def page(body: str) -> str:
    """`body` as a card with its style."""
    return f'{STYLE}<div class="wb-card">{body}</div>'
