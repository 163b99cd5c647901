"""A cost book as tables for people: plain text and HTML."""

from collections.abc import Mapping, Sequence
from html import escape

from workbench.domain.cost_terms import FinancingMode, InstrumentCosts
from workbench.domain.instruments import InstrumentId

__all__ = ["aligned", "book_html", "book_table", "shown", "spread_rows"]

_HEADERS = (
    "instrument",
    "spread",
    "commission",
    "financing long / short",
    "days",
    "margin",
    "slippage",
    "mark-up",
)
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")  # on which an FX day begins, at 17:00 New York
_OF = {
    FinancingMode.ANNUAL_365: (10_000, " % a year"),
    FinancingMode.ANNUAL_360: (10_000, " % a year of 360 days"),
    FinancingMode.POINTS: (1_000_000, " points a night"),
    FinancingMode.CURRENCY: (1_000_000, " a lot and night"),
}


def book_table(head: str, costs: Mapping[InstrumentId, InstrumentCosts]) -> list[str]:
    """The head and one line an instrument."""
    rows = [_row(name, item) for name, item in sorted(costs.items())]
    return [head, *(aligned(rows, _HEADERS) if rows else ["no instruments"])]


def book_html(head: str, costs: Mapping[InstrumentId, InstrumentCosts]) -> str:
    """The same as HTML, with the spreads of every hour to unfold."""
    headers = "".join(f"<th>{escape(name)}</th>" for name in _HEADERS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _row(name, item)) + "</tr>"
        for name, item in sorted(costs.items())
    )
    tables = "".join(
        f"<details><summary>{escape(name)}: spread in points by hour, New York</summary>"
        f"{_spread_html(item)}</details>"
        for name, item in sorted(costs.items())
    )
    return (
        f"<p><b>{escape(head)}</b></p><table><thead><tr>{headers}</tr></thead>"
        f"<tbody>{body}</tbody></table>{tables}"
    )


def spread_rows(costs: InstrumentCosts) -> list[tuple[str, ...]]:
    """Points by hour: a line an FX day, named by when it begins, a column an hour from 17:00 New York."""
    return [
        (day, *(str(points) for points in costs.spread_points[at * 24 : at * 24 + 24]))
        for at, day in enumerate(_DAYS)
    ]


def shown(costs: InstrumentCosts, field: str) -> str:
    """One cost for people."""
    value = getattr(costs, field)
    if field == "spread_points":
        low, high = min(value), max(value)
        return (
            f"{low} points" if low == high else f"{low} to {high} points, mean {sum(value) / len(value):.1f}"
        )
    if field == "financing_weekdays":
        return "between value dates" if value is None else "Mon-Sun " + "/".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def aligned(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[str]:
    """Rows as aligned text."""
    table = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _row(name: str, costs: InstrumentCosts) -> tuple[str, ...]:
    minimum = f", at least {costs.commission_minimum / 1e6:g} an order" if costs.commission_minimum else ""
    by_value = f"{costs.commission_ppm / 100:g} bp"
    commission = f"{costs.commission_per_lot / 1e6:g} a lot" if costs.commission_per_lot else by_value
    divisor, unit = _OF[costs.financing_mode]
    slipped = [f"{costs.slippage_points} points"] if costs.slippage_points else []
    slipped += (
        [f"{costs.slippage_spread_ppm / 10_000:g} % of the spread"] if costs.slippage_spread_ppm else []
    )
    return (
        name,
        shown(costs, "spread_points"),
        commission + minimum,
        f"{costs.financing_long_ppm / divisor:g} / {costs.financing_short_ppm / divisor:g}{unit}",
        shown(costs, "financing_weekdays"),
        f"{costs.margin_rate_ppm / 10_000:g} %",
        " + ".join(slipped) or "none",
        f"{costs.conversion_markup_ppm / 10_000:g} %",
    )


def _spread_html(costs: InstrumentCosts) -> str:
    hours = "".join(f"<th>{(hour + 17) % 24:02}</th>" for hour in range(24))
    body = "".join(
        f"<tr><th>{day}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        for day, *cells in spread_rows(costs)
    )
    return f"<table><thead><tr><th>from 17:00</th>{hours}</tr></thead><tbody>{body}</tbody></table>"
