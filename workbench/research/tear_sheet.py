"""A tear sheet: the figures, the pictures and the tables of one backtest, for screen and print."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.calendar import session_of, to_ns
from workbench.engine.core import F_BOOK, F_TIME
from workbench.errors import BadInputError
from workbench.market import ecb_rate
from workbench.market.errors import MissingDataError
from workbench.research import html
from workbench.research.benchmarks import BENCHMARKS, Against, against
from workbench.research.by_time import TIMES, by_session, by_weekday
from workbench.research.result import BacktestResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.research.interactive import Interactive

__all__ = ["TearSheet", "monthly_returns", "tear_sheet"]

_WINDOW_BARS = 240
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CAPTIONS = {
    "equity": "Equity at each bar's close, and how far it stood below its highest value before.",
    "monthly": "Return by month, in percent of the equity the month began with.",
    "trades": "Mid prices and the trades in a window of the backtest.",
    "excursions": "Net profit of each trade over the worst (MAE) and the best (MFE) it stood at.",
    "times": "Net profit by the FX weekday and by the trading sessions in which trades were entered.",
    "costs": "From the profit before costs to the net profit; financing is the swap.",
}


def tear_sheet(
    result: BacktestResult,
    *,
    window: tuple[str | datetime, str | datetime] | None = None,
    cash_rate: float = 0.0,
) -> "TearSheet":
    """The tear sheet of a backtest.

    Parameters
    ----------
    window
        First and last moment of the chart with the trades: aware datetimes, or dates such as
        ``"2017-03-01"`` taken as UTC. Left out, the 240 bars around the last trade. Of several instruments
        all charts show the same time; one that has no bar in it is left out.
    cash_rate
        Simple interest that cash would have had, a fraction a year.

    Raises
    ------
    BadInputError
        No bar lies in the window, or there is no such rate.
    """
    return TearSheet(
        result=result,
        window=_latest(result) if window is None else _between(result, *window),
        against=against(result, cash_rate=cash_rate),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TearSheet:
    """Pictures and tables of one backtest; a notebook shows it, `save` writes it."""

    result: BacktestResult
    window: tuple[int, int]  # nanoseconds: bars that open in it are on the charts with the trades
    against: Against  # buy and hold, and cash

    @property
    def digest(self) -> str:
        """The digest of the backtest it shows."""
        return self.result.digest

    @cached_property
    def monthly(self) -> "pd.DataFrame":
        """Returns as fractions: one row a year, one column a month, and the year."""
        return monthly_returns(self.result)

    @cached_property
    def figures(self) -> "dict[str, Figure]":
        """The pictures by name: equity, monthly, trades (of several ``trades EUR_USD`` and so on) …"""
        from workbench.research import pictures, trade_pictures  # matplotlib takes a while to import

        start, end = self.window
        several = len(self.result.traded) > 1
        return {
            "equity": pictures.equity_picture(self.result, self.against),
            "monthly": pictures.monthly_picture(self.monthly),
            **{
                f"trades {name}" if several else "trades": trade_pictures.trade_picture(
                    self.result, name, start_ns=start, end_ns=end
                )
                for name, bars in self.result.traded.items()
                if not several or len(bars.between(start, end))
            },
            "excursions": trade_pictures.excursion_picture(self.result),
            "times": trade_pictures.time_picture(self.result),
            "costs": pictures.cost_picture(self.result),
        }

    @cached_property
    def in_euro(self) -> str:
        """The net profit in euro by the ECB's reference rate of the last day, for reporting; a sentence."""
        result = self.result
        if result.currency == "EUR" or not len(result.round_ns):
            return ""
        session = session_of(int(result.round_ns[-1]) - 1)
        try:
            rate = ecb_rate(result.currency, session)
        except (BadInputError, MissingDataError) as error:
            return f"Not shown in euro: {error}"
        euro = float(result.metrics["net_profit"]) / float(rate)
        return (
            f"Net profit {euro:,.2f} EUR at the ECB reference rate of {session} "
            f"({rate} {result.currency} for 1 EUR). For reporting only: nobody traded at that rate."
        )

    def interactive(self) -> "Interactive":
        """Equity and price to zoom and move about in."""
        from workbench.research.interactive import Interactive  # Bokeh takes a while to import

        return Interactive(self.result, cash_rate=self.against.cash_rate)

    def save(self, folder: Path | str) -> list[Path]:
        """Write pictures (PNG), pages (HTML) and tables (CSV) to `folder`, made if missing; the files."""

        from workbench.research import pictures
        from workbench.research.exporting import tables_of

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []

        def put(name: str, content: bytes) -> None:
            path = target / name
            path.write_bytes(content)
            written.append(path)

        for name, picture in self.figures.items():
            put(f"{name.replace(' ', '_')}.png", pictures.png(picture, dpi=160))
        put("tear_sheet.html", self._standalone().encode())
        put("interactive.html", self.interactive().html().encode())
        for name, frame in tables_of(self).items():
            put(f"{name}.csv", frame.to_csv(lineterminator="\n").encode())
        return written

    def __repr__(self) -> str:
        return f"<tear sheet of {self.result!r}>"

    def _repr_html_(self) -> str:
        return html.page(self._body())

    def _standalone(self) -> str:
        title = f"{self.result.name}, {self.result.data['instrument']} {self.result.data['timeframe']}"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(title)}</title><style>:root{{color-scheme:light dark}}"
            "body{margin:24px;background:Canvas;color:CanvasText}</style></head>"
            f"<body>{html.page(self._body())}</body></html>"
        )

    def _body(self) -> str:
        from workbench.research import pictures

        result = self.result
        figures = result.metrics
        costs = result.costs
        parts = [
            html.heading(result),
            html.tiles(figures, currency=result.currency),
            html.warnings_of(result),
        ]
        if self.in_euro:
            parts.append(f'<p class="wb-quiet">{escape(self.in_euro)}</p>')
        if len(result.traded) > 1:
            parts.append(html.instruments(result))
        for name, picture in self.figures.items():
            kind, _, of = name.partition(" ")
            caption = f"{of}: {_CAPTIONS[kind]}" if of else _CAPTIONS[kind]
            data = base64.b64encode(pictures.png(picture)).decode()
            parts.append(f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">')
        parts.append(f"<h4>Returns by month</h4>{_monthly_table(self.monthly)}")
        rows = [
            (str(name), *("–" if np.isnan(value) else f"{value:,.2f}" for value in row))
            for name, row in zip(costs.index, costs.to_numpy(np.float64), strict=True)
        ]
        parts.append(f"<h4>Costs in {escape(result.currency)}</h4>")
        parts.append(html.table(("", "amount", "a trade"), rows))
        parts += [_against_html(self.against), _times_html(result)]
        parts.append(html.definitions(figures))
        parts.append(html.identity(result))
        return "".join(parts)


def _against_html(beside: Against) -> str:
    """Strategy, buy and hold and cash side by side."""
    frame = beside.frame
    rows = [
        (
            str(name).replace("_", " "),
            *(html.figure_text(str(name), None if np.isnan(value) else float(value)) for value in row),
        )
        for name, row in zip(frame.index, frame.to_numpy(np.float64), strict=True)
    ]
    together = ", ".join(
        f"{name.replace('_', ' ')} {'–' if np.isnan(value) else f'{value:.2f}'}"
        for name, value in beside.together.items()
    )
    meaning = [(name.replace("_", " "), text) for name, text in BENCHMARKS.items()]
    return (
        f"<h4>Against buy and hold and against cash</h4>{html.table(('', *frame.columns), rows)}"
        f"<p>With buy and hold: {escape(together)}. Cash at {beside.cash_rate:.2%} a year.</p>"
        "<details><summary>What these mean</summary>"
        f"{html.table(('', 'definition'), meaning, words=(1,))}</details>"
    )


def _times_html(result: BacktestResult) -> str:
    """The trades by weekday and by session."""
    parts = []
    for kind, frame in (("weekday", by_weekday(result)), ("session", by_session(result))):
        rows = [
            (
                str(name),
                f"{int(row['trades']):,}",
                *(
                    html.figure_text(column, None if np.isnan(row[column]) else float(row[column]))
                    for column in ("win_rate", "net_profit", "average_trade")
                ),
            )
            for name, row in zip(frame.index, frame.to_dict("records"), strict=True)
        ]
        head = ("", "trades", "win rate", "net profit", "average trade")
        parts.append(
            f'<h4>By {kind}</h4>{html.table(head, rows)}<p class="wb-quiet">{escape(TIMES[kind])}</p>'
        )
    return "".join(parts)


def monthly_returns(result: BacktestResult) -> "pd.DataFrame":
    """Simple returns by month of FX days: years down, Jan to Dec across, then the whole year."""

    import pandas as pd  # takes a while

    daily = result.daily
    frame = pd.DataFrame(
        {
            "year": [session.year for session in daily.sessions],
            "month": [session.month for session in daily.sessions],
            "growth": 1.0 + daily.returns,
        }
    )
    months = frame.groupby(["year", "month"])["growth"].prod().unstack("month")
    months = months.reindex(columns=range(1, 13)) - 1.0
    months.columns = pd.Index(_MONTHS)
    months["Year"] = frame.groupby("year")["growth"].prod() - 1.0
    return months


def _monthly_table(monthly: "pd.DataFrame") -> str:
    rows = [
        (str(year), *("" if np.isnan(value) else f"{value:+.1%}" for value in row))
        for year, row in zip(monthly.index, monthly.to_numpy(np.float64), strict=True)
    ]
    return html.table(("", *monthly.columns), rows)


def _latest(result: BacktestResult) -> tuple[int, int]:
    """The 240 bars around the last trade, of the instrument that has it."""
    fills = result.outcome.fills
    last_ns = int(fills[-1, F_TIME]) if len(fills) else result.bars.open_ns[0]
    name = result.instruments[int(fills[-1, F_BOOK])].id if len(fills) else result.instrument.id
    bars = result.traded[name]
    last = int(np.searchsorted(bars.close_ns, last_ns, side="left")) + _WINDOW_BARS // 8
    high = min(max(last, _WINDOW_BARS), len(bars))
    low = max(high - _WINDOW_BARS, 0)
    return int(bars.open_ns[low]), int(bars.open_ns[high - 1]) + 1


def _between(result: BacktestResult, start: str | datetime, end: str | datetime) -> tuple[int, int]:
    start_ns, end_ns = _moment(start), _moment(end)
    if not any(len(bars.between(start_ns, end_ns)) for bars in result.traded.values()):
        has = "; ".join(bars.describe() for bars in result.traded.values())
        raise BadInputError(
            f"no bar between {start} and {end}; the backtest has {has}: choose a window inside"
        )
    return start_ns, end_ns


def _moment(value: str | datetime) -> int:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise BadInputError(f"expected a date such as 2017-03-01, found {value!r}") from None
    if moment.tzinfo is None and isinstance(value, str):
        moment = moment.replace(tzinfo=UTC)
    return to_ns(moment)
