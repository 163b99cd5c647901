"""The result of a backtest: what happened, what it cost, and the figures with their definitions."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountMode, AccountRules
from workbench.domain.calendar import to_datetime
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import MICRO
from workbench.domain.orders import Fill
from workbench.engine.core import (
    F_BOOK,
    F_COMMISSION,
    F_POSITION,
    F_PRICE,
    F_REALIZED,
    F_REASON,
    F_TIME,
    F_TRADE,
    F_UNITS,
    REASON_MARGIN_CLOSEOUT,
)
from workbench.engine.matching import EXPIRED, FILL_REASONS
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.bars import SYNTHETIC
from workbench.research.assumptions import cautions, sizes_meaning
from workbench.research.excursions import excursions
from workbench.research.given import Given
from workbench.research.ledger import Trial
from workbench.research.outcome import Outcome, fill_records
from workbench.research.paid import COSTS, by_instrument, costs_of, home_rates
from workbench.research.statistics import DailyEquity, Metrics, daily_equity, figures_by_bar
from workbench.research.trades import RoundTrips, round_trips
from workbench.strategy import Rules

if TYPE_CHECKING:
    import pandas as pd
    import vectorbt

__all__ = ["BacktestResult", "Metrics"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_MATCHED = {
    "ticks": "Orders were matched on every recorded quote: within a bar the order of events is the market's.",
    "finer bars": "Orders were matched on shorter bars than those decided on; what happened within one of "
    "them is taken at its worst.",
    "bars": "Orders were matched on the bars decided on: where a bar reached both stop and target, the stop "
    "is taken to come first.",
}
_NETTED = AccountRules()


@dataclass(frozen=True, kw_only=True, eq=False)
class BacktestResult:
    """One strategy on one set of bars. Two results are the same when their digests are."""

    spec: Mapping[str, Any]  # `workbench.strategy.spec` of the strategy
    parameters: Mapping[str, int | float]
    bars: Bars  # traded, without those that only warmed up; `traded` has those of all instruments
    warm_up_bars: int  # of all instruments together, as `bars` in `data`
    cost_book: CostBook
    currency: str
    starting_balance: int  # micro-units
    outcome: Outcome
    path: str  # "compiled" or "replay"
    account: AccountRules = _NETTED
    cost_books: tuple[CostBook, ...] = ()  # where there are several dated ones
    given: Given | None = None  # all prices, where there is more than `bars`
    rules: Rules | None = None  # of a strategy that has them

    @property
    def name(self) -> str:
        """The strategy's name."""
        return str(self.spec["class"])

    @property
    def instrument(self) -> Instrument:
        """What was traded; of several the first by name, see `traded`."""
        return self.bars.instrument

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """All that was quoted, in the engine's order."""
        return (self.instrument,) if self.given is None else self.given.instruments

    @cached_property
    def traded(self) -> Mapping[InstrumentId, Bars]:
        """The bars that were decided on, by instrument."""
        return {self.instrument.id: self.bars} if self.given is None else self.given.traded

    @property
    def round_ns(self) -> Ints:
        """When decisions were made: the closes of the bars, of all instruments together."""
        return self.outcome.round_ns

    @property
    def equity(self) -> Ints:
        """Micro-units of the account currency at each of `round_ns`: of one instrument, each bar's close."""
        return self.outcome.equity

    @property
    def ambiguous_bars(self) -> int:
        """Bars that reached both stop and target; the stop was taken to come first."""
        return self.outcome.ambiguous_bars

    @cached_property
    def crossed_prices(self) -> int:
        """Bars and quotes with the bid above the ask among all that were decided and matched on.

        No market trades at them: a buy and a sell at once would be profit for nothing.
        """
        if self.given is None:
            return int(self.bars.crossed.sum())
        decided, matched = self.given.traded, self.given.matched
        extra = [bars for name, bars in decided.items() if not self._matched_on_bars(name)]
        return sum(
            int((item.crossed if isinstance(item, Bars) else item.bid > item.ask).sum())
            for item in (*matched.values(), *extra)
        )

    @cached_property
    def fingerprint(self) -> str:
        """Of the dataset the bars come from; of several, hashed together."""
        if self.given is None or (len(self.given.matched) == 1 and self._matched_on_bars(self.instrument.id)):
            return self.bars.fingerprint
        digest = hashlib.sha256()
        for name in self.given.matched:
            for item in (self.given.decided.get(name), self.given.whole[name]):
                if item is not None:
                    own = item.fingerprint if isinstance(item, Bars) else item.content_digest()
                    digest.update(f"{name}|{own}\n".encode())
        return digest.hexdigest()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the fills and the equity curve."""
        return self.outcome.digest

    @cached_property
    def fills(self) -> list[Fill]:
        """Every execution, in order."""
        return fill_records(self.outcome.fills, self.instruments)

    @cached_property
    def daily(self) -> DailyEquity:
        """Equity at the ends of FX days, and the returns between them."""
        return daily_equity(self.round_ns, self.equity, start=self.starting_balance)

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
            **self._several_holdings,
        )

    @cached_property
    def _several_holdings(self) -> dict[str, Ints]:
        """What tells the holdings of fills apart, where there are several."""
        if len(self.instruments) == 1 and self.account.mode is AccountMode.NETTING:
            return {}
        rows = self.outcome.fills
        return {
            "book": _column(rows, F_BOOK),
            "trade": _column(rows, F_TRADE),
            "financing_book": self.outcome.financing_book,
        }

    @cached_property
    def cost_micro(self) -> dict[str, int]:
        """Spread, slippage and commission paid (0 or more) and financing paid (negative when received)."""
        parts = [costs_of(self, name) for name in self.traded]
        return {kind: sum(part[kind] for part in parts) for kind in COSTS}

    @cached_property
    def by_instrument(self) -> "pd.DataFrame":
        """Trades, profit and costs of each instrument, in the account currency; the last row sums them up."""
        return by_instrument(self)

    @cached_property
    def costs(self) -> "pd.DataFrame":
        """What trading cost, one row a kind, in the account currency; a cost is positive.

        ``profit before costs`` is what the same trades would have made at mid prices and for nothing.
        """

        import pandas as pd  # takes a while

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
        net = trips.net[trips.closed]
        won, lost = int(net[net > 0].sum()), -int(net[net < 0].sum())
        costs = self.cost_micro
        reasons = self.outcome.fills[:, F_REASON]
        refused = sum(reason != EXPIRED for _, reason in self.outcome.refused)
        found: Metrics = {
            "net_profit": self.net_profit_micro / MICRO,
            "return": self.net_profit_micro / self.starting_balance,
            **figures_by_bar(self.equity, returns=daily.returns, start=self.starting_balance),
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
            "refused_orders": refused,
            "margin_closeouts": int(np.sum(reasons == REASON_MARGIN_CLOSEOUT)),
            "margin_calls": self.outcome.margin_calls,
            "expired_orders": len(self.outcome.refused) - refused,
            "ambiguous_bars": self.ambiguous_bars,
            "bars": len(self.equity),
            "sessions": len(daily.sessions),
        }
        return {name: value for name, value in found.items() if math.isfinite(float(value))}

    @cached_property
    def trades(self) -> "pd.DataFrame":
        """One row a round trip, in the account currency and in prices; the open one last.

        ``mae`` and ``mfe`` are the worst and the best the position stood at, in money at the closing side:
        over the bars held to their end, and at the exit.
        """

        import pandas as pd  # takes a while

        trips, rows = self.round_trips, self.outcome.fills
        opened = rows[trips.entry_fill]
        exits = np.where(trips.closed, trips.exit_fill, 0)
        ended = rows[exits] if len(rows) else rows
        book = opened[:, F_BOOK]
        scale = np.array([10.0**-item.digits for item in self.instruments])[book]
        worst, best = self._excursions(trips, book)
        exit_price = np.where(trips.closed, trips.exit_price, self._closing_prices(trips, book))
        net = trips.net.astype(np.float64)
        net[~trips.closed] += self._unrealized(trips, book, exit_price)
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
        if len(self.traded) > 1:
            frame.insert(0, "instrument", [self.instruments[k].id for k in book.tolist()])
        frame.index.name = "trade"
        return frame

    def trades_of(self, name: str) -> "pd.DataFrame":
        """The trades of one instrument, numbered as among all."""
        return self.trades[self.trades["instrument"] == name] if "instrument" in self.trades else self.trades

    def _excursions(self, trips: RoundTrips, book: Ints) -> tuple[Floats, Floats]:
        """The worst and the best that each trade stood at."""
        worst, best = np.zeros(len(trips)), np.zeros(len(trips))
        for k, item in enumerate(self.instruments):
            if item.id not in self.traded or not (own := book == k).any():
                continue
            bars = self.traded[item.id]
            rounds = np.append(self.round_ns, np.iinfo(np.int64).max)[self.outcome.fill_bar]
            fill_bar = np.searchsorted(bars.close_ns, rounds, side="left").astype(np.int64)
            low, high = excursions(bars, trips.chosen(own), fill_bar=fill_bar)
            rates = home_rates(self, item, self.outcome.fills[trips.entry_fill[own], F_TIME])
            worst[own] = low if rates is None else low * rates
            best[own] = high if rates is None else high * rates
        return worst, best

    def _closing_prices(self, trips: RoundTrips, book: Ints) -> Floats:
        """What would close each trade at the end, in points; NaN for closed ones."""
        found = np.full(len(trips), np.nan)
        for at in np.flatnonzero(~trips.closed).tolist():
            bars = self.traded[self.instruments[book[at]].id]
            found[at] = bars.bid_close[-1] if trips.units[at] > 0 else bars.ask_close[-1]
        return found

    def _unrealized(self, trips: RoundTrips, book: Ints, price: Floats) -> Floats:
        """Open profit of each open trade; together exactly what is not booked yet."""
        left = ~trips.closed
        micro = np.array([item.micro_per_point for item in self.instruments])[book[left]]
        found: Floats = (price[left] - trips.entry_price[left]) * trips.units[left] * micro
        if len(found):
            found[-1] += self.net_profit_micro - int(trips.net.sum()) - float(np.sum(found))
        return found

    @property
    def data(self) -> dict[str, str | int]:
        """What it was run on, in words."""
        parts = list(self.traded.values())
        names = ", ".join(item.instrument.id for item in parts)
        timeframes = ", ".join(dict.fromkeys(str(item.timeframe) for item in parts))
        sides = ", ".join(dict.fromkeys(item.sides for item in parts))
        return {
            "instrument": names,
            "timeframe": timeframes,
            "bars": sum(len(item) for item in parts),
            "warm_up_bars": self.warm_up_bars,
            "first": _day(min(item.open_ns[0] for item in parts)) if len(self.bars) else "",
            "last": _day(max(item.close_ns[-1] for item in parts)) if len(self.bars) else "",
            "fingerprint": self.fingerprint,
            "sides": sides,
            "sides_meaning": self._sides_meaning(),
            "matched_on": ", ".join(dict.fromkeys(self._matched_on(name) for name in self.traded)),
            "matched_meaning": self._matched_meaning(),
            "sizes_meaning": sizes_meaning(self),
            "crossed": self.crossed_prices,
            "cost_book": ", ".join(
                f"{book.broker} of {book.valid_from}" for book in self.cost_books or (self.cost_book,)
            ),
            "cost_book_version": self.cost_book.version,
        }

    @cached_property
    def cautions(self) -> list[str]:
        """What it took for granted that a reader must not miss, in sentences."""
        return cautions(self)

    def _matched_on(self, name: InstrumentId) -> str:
        return str(self.traded[name].timeframe) if self.given is None else self.given.matched_on(name)

    def _matched_on_bars(self, name: InstrumentId) -> bool:
        return self.given is None or self.given.whole[name] is self.given.decided.get(name)

    def _sides_meaning(self) -> str:
        """What the recorded sides mean for the result; told apart where instruments differ in it."""
        of: dict[str, list[str]] = {}
        for name, bars in self.traded.items():
            of.setdefault(bars.sides, []).append(str(name))
        if len(of) == 1:
            return _sides_meaning(*of)
        found = ((", ".join(names), _sides_meaning(sides)) for sides, names in of.items())
        return " ".join(f"Of {names}: {text[0].lower()}{text[1:]}" for names, text in found)

    def _matched_meaning(self) -> str:
        """What the prices that orders were matched on mean for the result."""
        kinds = {
            "ticks"
            if self._matched_on(name) == "ticks"
            else "bars"
            if self._matched_on_bars(name)
            else "finer bars"
            for name in self.traded
        }
        return " ".join(_MATCHED[kind] for kind in _MATCHED if kind in kinds)

    def to_frame(self) -> "pd.DataFrame":
        """Equity (account currency), position (units) and mid close (price) at each of `round_ns`.

        Of several instruments each has its own columns, as in ``position EUR_USD``.
        """

        import pandas as pd  # takes a while

        index = pd.DatetimeIndex(self.round_ns.view("M8[ns]"), tz="UTC", name="close_at")
        columns: dict[str, Any] = {"equity": self.equity / MICRO}
        for name, bars in self.traded.items():
            end = f" {name}" if len(self.traded) > 1 else ""
            mid = (bars.bid_close + bars.ask_close) / 2 * 10.0**-bars.instrument.digits
            known = np.searchsorted(bars.close_ns, self.round_ns, side="right") - 1
            columns[f"position{end}"] = self.positions_of(name)
            columns[f"mid_close{end}"] = np.where(known >= 0, mid[known], np.nan)
        return pd.DataFrame(columns, index=index)

    @cached_property
    def positions(self) -> Ints:
        """Units held at each bar's close.

        Raises
        ------
        BadInputError
            Several instruments are traded: units of one and of another are no sum.
        """
        if len(self.traded) > 1:
            raise BadInputError(
                f"positions: expected one instrument, found {', '.join(self.traded)}; "
                f'ask for one, as in positions_of("{self.instrument.id}")'
            )
        return self.positions_of(self.instrument.id)

    def positions_of(self, name: str) -> Ints:
        """Units held of an instrument, longs less shorts, at each of `round_ns`."""
        held = np.zeros(len(self.equity), np.int64)
        rows, fill_bar = self.outcome.fills, self.outcome.fill_bar
        if len(self.instruments) > 1:
            own = rows[:, F_BOOK] == [item.id for item in self.instruments].index(InstrumentId(name))
            rows, fill_bar = rows[own], fill_bar[own]
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
            f"<{self.name} on {self.data['instrument']} {self.data['timeframe']}: "
            f"net {figures['net_profit']:,.2f} {self.currency}, {figures['trades']} trades, "
            f"{f'{self.crossed_prices:,} crossed prices, ' if self.crossed_prices else ''}{self.digest[:12]}>"
        )

    def _bars_held(self) -> int:
        """Bars at whose close something is held."""
        rows, fill_bar = self.outcome.fills, self.outcome.fill_bar
        if not len(rows):
            return 0
        if len(self.instruments) > 1 or self.account.mode is not AccountMode.NETTING:
            return int(np.count_nonzero(np.any([self.positions_of(name) for name in self.traded], axis=0)))
        until = np.append(fill_bar[1:], len(self.equity))
        return int(np.sum((until - fill_bar)[rows[:, F_POSITION] != 0]))


def _sides_meaning(sides: str) -> str:
    if sides == SYNTHETIC:
        return "The prices are SYNTHETIC: made up of random numbers, no market's."
    if sides == "bid+ask":
        return "Bid and ask are both as recorded, so the spread paid is the market's."
    return (
        f"Only one side was recorded ({sides}), so the spread paid, and stops and fills on "
        "the modelled side, are the model's and not the market's."
    )


def _column(rows: Ints, number: int) -> Ints:
    return np.ascontiguousarray(rows[:, number])


def _day(time_ns: int) -> str:
    return to_datetime(int(time_ns)).strftime("%Y-%m-%d %H:%M UTC")
