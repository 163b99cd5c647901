"""The result of a backtest: what happened, what it cost, and the figures with their definitions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.domain.calendar import to_datetime
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.domain.money import MICRO
from workbench.domain.orders import Fill
from workbench.engine.core import (
    F_COMMISSION,
    F_POSITION,
    F_PRICE,
    F_REALIZED,
    F_REASON,
    F_SPREAD,
    F_TIME,
    F_UNITS,
    REASON_MARGIN_CLOSEOUT,
    REASON_TAKE_PROFIT,
)
from workbench.engine.matching import FILL_REASONS
from workbench.market import Bars
from workbench.research.excursions import excursions
from workbench.research.ledger import Trial
from workbench.research.outcome import Outcome, fill_records
from workbench.research.statistics import (
    SESSIONS_PER_YEAR,
    DailyEquity,
    daily_equity,
    max_drawdown,
    shape_of,
    sharpe_ratio,
)
from workbench.research.trades import RoundTrips, round_trips

if TYPE_CHECKING:
    import vectorbt

__all__ = ["BacktestResult", "Metrics"]

Ints = npt.NDArray[np.int64]
Metrics = dict[str, float | int | str]


@dataclass(frozen=True, kw_only=True, eq=False)
class BacktestResult:
    """One strategy on one set of bars. Two results are the same when their digests are."""

    spec: Mapping[str, Any]  # `workbench.strategy.spec` of the strategy
    parameters: Mapping[str, int | float]
    bars: Bars  # traded, without those that only warmed up
    warm_up_bars: int
    cost_book: CostBook
    currency: str
    starting_balance: int  # micro-units
    outcome: Outcome
    path: str  # "compiled" or "replay"

    @property
    def name(self) -> str:
        """The strategy's name."""
        return str(self.spec["class"])

    @property
    def instrument(self) -> Instrument:
        """What was traded."""
        return self.bars.instrument

    @property
    def equity(self) -> Ints:
        """Micro-units of the account currency at each bar's close."""
        return self.outcome.equity

    @property
    def ambiguous_bars(self) -> int:
        """Bars that reached both stop and target; the stop was taken to come first."""
        return self.outcome.ambiguous_bars

    @property
    def fingerprint(self) -> str:
        """Of the dataset the bars come from."""
        return self.bars.fingerprint

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the fills and the equity curve."""
        return self.outcome.digest

    @cached_property
    def fills(self) -> list[Fill]:
        """Every execution, in order."""
        return fill_records(self.outcome.fills, self.instrument)

    @cached_property
    def daily(self) -> DailyEquity:
        """Equity at the ends of FX days, and the returns between them."""
        return daily_equity(self.bars.close_ns, self.equity, start=self.starting_balance)

    @cached_property
    def round_trips(self) -> RoundTrips:
        """Trades as columns of whole numbers; `trades` is the table for people."""
        rows = self.outcome.fills
        return round_trips(
            units=_column(rows, F_UNITS),
            price=_column(rows, F_PRICE),
            commission=_column(rows, F_COMMISSION),
            realized=_column(rows, F_REALIZED),
            financing_before_fill=self.outcome.financing_before_fill,
            financing=self.outcome.financing_amount,
        )

    @cached_property
    def cost_micro(self) -> dict[str, int]:
        """Spread, slippage and commission paid (0 or more) and financing paid (negative when received)."""
        rows = self.outcome.fills
        micro = self.instrument.micro_per_point
        units = np.abs(rows[:, F_UNITS])
        slipped = units[rows[:, F_REASON] != REASON_TAKE_PROFIT]
        slippage = self.cost_book.of(self.instrument.id).slippage_points
        return {
            "spread": int(np.sum(units * rows[:, F_SPREAD] * micro)) // 2,  # micro per point is even
            "slippage": int(np.sum(slipped)) * slippage * micro,
            "commission": int(np.sum(rows[:, F_COMMISSION])),
            "financing": -int(np.sum(self.outcome.financing_amount)),
        }

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What trading cost, one row a kind, in the account currency; a cost is positive.

        ``profit before costs`` is what the same trades would have made at mid prices and for nothing.
        """
        amounts = {kind: value / MICRO for kind, value in self.cost_micro.items()}
        net = self.net_profit_micro / MICRO
        total = sum(amounts.values())
        frame = pd.DataFrame(
            {"amount": [*amounts.values(), total, net + total, net]},
            index=pd.Index([*amounts, "all costs", "profit before costs", "net profit"], name="cost"),
        )
        trades = int(self.round_trips.closed.sum())
        frame["per_trade"] = frame["amount"] / trades if trades else math.nan
        return frame

    @property
    def net_profit_micro(self) -> int:
        """Equity at the end less the starting balance."""
        return int(self.equity[-1]) - self.starting_balance if len(self.equity) else 0

    @cached_property
    def metrics(self) -> Metrics:
        """The figures; `workbench.research.DEFINITIONS` says what each means. Undefined ones are left out."""
        daily, trips = self.daily, self.round_trips
        returns = daily.returns
        fall = max_drawdown(self.equity, start=self.starting_balance)
        net = trips.net[trips.closed]
        won, lost = int(net[net > 0].sum()), -int(net[net < 0].sum())
        skew, kurtosis = shape_of(returns)
        costs = self.cost_micro
        deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else math.nan
        reasons = self.outcome.fills[:, F_REASON]
        found: Metrics = {
            "net_profit": self.net_profit_micro / MICRO,
            "return": self.net_profit_micro / self.starting_balance,
            "sharpe": sharpe_ratio(returns, periods_per_year=SESSIONS_PER_YEAR),
            "daily_sharpe": sharpe_ratio(returns, periods_per_year=1),
            "volatility": deviation * math.sqrt(SESSIONS_PER_YEAR),
            "skew": skew,
            "kurtosis": kurtosis,
            "max_drawdown": fall.fraction,
            "max_drawdown_money": fall.money / MICRO,
            "drawdown_bars": fall.bars,
            "trades": len(net),
            "open_trades": len(trips) - len(net),
            "win_rate": float(np.mean(net > 0)) if len(net) else math.nan,
            "profit_factor": won / lost if lost else math.nan,
            "average_trade": float(np.sum(net)) / len(net) / MICRO if len(net) else math.nan,
            "exposure": self._bars_held() / len(self.equity) if len(self.equity) else math.nan,
            "spread_cost": costs["spread"] / MICRO,
            "slippage_cost": costs["slippage"] / MICRO,
            "commission": costs["commission"] / MICRO,
            "financing": -costs["financing"] / MICRO,
            "fills": len(self.outcome.fills),
            "refused_orders": len(self.outcome.refused),
            "margin_closeouts": int(np.sum(reasons == REASON_MARGIN_CLOSEOUT)),
            "ambiguous_bars": self.ambiguous_bars,
            "bars": len(self.equity),
            "sessions": len(daily.sessions),
        }
        return {name: value for name, value in found.items() if math.isfinite(float(value))}

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row a round trip, in the account currency and in prices; the open one last.

        ``mae`` and ``mfe`` are the worst and the best the position stood at, in money at the closing side:
        over the bars held to their end, and at the exit.
        """
        trips, rows = self.round_trips, self.outcome.fills
        opened = rows[trips.entry_fill]
        exits = np.where(trips.closed, trips.exit_fill, 0)
        ended = rows[exits] if len(rows) else rows
        scale = 10.0**-self.instrument.digits
        worst, best = excursions(self.bars, trips, fill_bar=self.outcome.fill_bar)
        last = self._closing_price()
        exit_price = np.where(trips.closed, trips.exit_price, last)
        net = trips.net.astype(np.float64)
        net[~trips.closed] += self._unrealized_micro()
        frame = pd.DataFrame(
            {
                "entry_at": pd.DatetimeIndex(opened[:, F_TIME].view("M8[ns]"), tz="UTC"),
                "exit_at": pd.DatetimeIndex(ended[:, F_TIME].view("M8[ns]"), tz="UTC").where(trips.closed),
                "side": np.where(trips.units > 0, "long", "short"),
                "units": np.abs(trips.units),
                "entry_price": trips.entry_price * scale,
                "exit_price": exit_price * scale,
                "reason": [
                    FILL_REASONS[code].value if closed else "OPEN"
                    for code, closed in zip(ended[:, F_REASON].tolist(), trips.closed, strict=True)
                ],
                "commission": trips.commission / MICRO,
                "financing": trips.financing / MICRO,
                "net_profit": net / MICRO,
                "mae": worst / MICRO,
                "mfe": best / MICRO,
            }
        )
        frame.index.name = "trade"
        return frame

    @property
    def data(self) -> dict[str, str | int]:
        """What it was run on, in words."""
        bars = self.bars
        both = bars.sides == "bid+ask"
        return {
            "instrument": bars.instrument.id,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "warm_up_bars": self.warm_up_bars,
            "first": _day(bars.open_ns[0]) if len(bars) else "",
            "last": _day(bars.close_ns[-1]) if len(bars) else "",
            "fingerprint": bars.fingerprint,
            "sides": bars.sides,
            "sides_meaning": (
                "Bid and ask are both as recorded, so the spread paid is the market's."
                if both
                else f"Only one side was recorded ({bars.sides}), so the spread paid, and stops and fills on "
                "the modelled side, are the model's and not the market's."
            ),
            "cost_book": f"{self.cost_book.broker} of {self.cost_book.valid_from}",
            "cost_book_version": self.cost_book.version,
        }

    def to_frame(self) -> pd.DataFrame:
        """Equity (account currency), position (units) and mid close (price), one row a bar, by its close."""
        index = pd.DatetimeIndex(self.bars.close_ns.view("M8[ns]"), tz="UTC", name="close_at")
        mid = (self.bars.bid_close + self.bars.ask_close) / 2 * 10.0**-self.instrument.digits
        return pd.DataFrame(
            {"equity": self.equity / MICRO, "position": self.positions, "mid_close": mid}, index=index
        )

    @cached_property
    def positions(self) -> Ints:
        """Units held at each bar's close."""
        held = np.zeros(len(self.equity), np.int64)
        rows, fill_bar = self.outcome.fills, self.outcome.fill_bar
        if len(rows):
            upto = np.searchsorted(fill_bar, np.arange(len(held)), side="right")
            held[upto > 0] = rows[upto[upto > 0] - 1, F_POSITION]
        return held

    def to_vectorbt(self) -> "vectorbt.Portfolio":
        """The same fills as a vectorbt portfolio, without financing; see `portfolio.to_portfolio`."""
        from workbench.research.portfolio import to_portfolio

        return to_portfolio(self)

    def trial(self) -> Trial:
        """This run as a line of the trial ledger."""
        return Trial(
            strategy=self.name,
            parameters=dict(self.parameters),
            dataset=self.fingerprint,
            cost_book=self.cost_book.version,
            result=dict(self.metrics),
        )

    def _repr_html_(self) -> str:
        from workbench.research.html import result_html

        return result_html(self)

    def __repr__(self) -> str:
        figures = self.metrics
        return (
            f"<{self.name} on {self.instrument.id} {self.bars.timeframe}: net {figures['net_profit']:,.2f} "
            f"{self.currency}, {figures['trades']} trades, {self.digest[:12]}>"
        )

    def _closing_price(self) -> float:
        """What closes the position at the end, in points; NaN when there is none."""
        held = int(self.outcome.fills[-1, F_POSITION]) if len(self.outcome.fills) else 0
        if held == 0:
            return math.nan
        return float(self.bars.bid_close[-1] if held > 0 else self.bars.ask_close[-1])

    def _unrealized_micro(self) -> int:
        booked = int(self.round_trips.net.sum())
        return self.net_profit_micro - booked

    def _bars_held(self) -> int:
        """Bars at whose close a position is held."""
        rows, fill_bar = self.outcome.fills, self.outcome.fill_bar
        if not len(rows):
            return 0
        until = np.append(fill_bar[1:], len(self.equity))
        return int(np.sum((until - fill_bar)[rows[:, F_POSITION] != 0]))


def _column(rows: Ints, number: int) -> Ints:
    return np.ascontiguousarray(rows[:, number])


def _day(time_ns: int) -> str:
    return to_datetime(int(time_ns)).strftime("%Y-%m-%d %H:%M UTC")
