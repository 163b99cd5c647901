"""What a strategy written with `on_bar` or `on_tick` sees of the market: what is over, and no more."""

import numbers
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.strategy.account_view import AccountView
from workbench.strategy.expressions import Expr
from workbench.strategy.panel import PanelStream
from workbench.strategy.plan import make_plan
from workbench.strategy.program import PRICES
from workbench.strategy.signals import ExprStream

__all__ = ["AccountView", "InstrumentView", "MarketView"]


class InstrumentView:
    """One instrument's bars so far, its last quote, and expressions of them."""

    def __init__(self, instrument: Instrument, market: "MarketView") -> None:
        self.instrument = instrument
        self._market = market
        self._bars: list[Bar] = []
        self._quote: Quote | None = None
        self._values: dict[str, tuple[ExprStream, list[float]]] = {}

    def __len__(self) -> int:
        return len(self._bars)

    @property
    def bar(self) -> Bar:
        """The bar that closed last.

        Raises
        ------
        BadInputError
            None has closed yet.
        """
        if not self._bars:
            raise BadInputError(f"{self.instrument.id}: no bar has closed yet; ask len(...) first")
        return self._bars[-1]

    @property
    def has_quote(self) -> bool:
        """Whether there was a quote or a bar yet."""
        return self._quote is not None or len(self) > 0

    @property
    def quote(self) -> Quote:
        """The last quote: of the tick at hand, or the close of the last bar where no ticks are seen.

        Raises
        ------
        BadInputError
            There was none yet.
        """
        if self._quote is not None and (not self._bars or self._quote.time_ns >= self._bars[-1].close_ns):
            return self._quote
        bar = self.bar
        return Quote(instrument=bar.instrument, time_ns=bar.close_ns, bid=bar.bid_close, ask=bar.ask_close)

    @property
    def just_closed(self) -> bool:
        """Whether its last bar closed just now."""
        return bool(self._bars) and self._bars[-1].close_ns == self._market.time_ns

    def bars(self, count: int | None = None) -> list[Bar]:
        """The last `count` bars, oldest first; all without a count."""
        if count is None:
            return list(self._bars)
        if isinstance(count, bool) or not isinstance(count, numbers.Integral) or count < 1:
            raise BadInputError(f"bars: expected a count of 1 or more, found {count!r}")
        return self._bars[-int(count) :]

    def column(self, name: str, count: int | None = None) -> npt.NDArray[np.int64]:
        """One field of the last bars in points, as in ``column("bid_close", 20)``, oldest first."""
        if name not in PRICES:
            raise BadInputError(f"column: expected one of {', '.join(PRICES)}, found {name!r}")
        return np.array([getattr(item, name) for item in self.bars(count)], np.int64)

    def value(self, expr: Expr) -> float:
        """An expression at this instrument's last bar, as in ``value(sma(bar.mid.close, 20))``.

        It is computed from the first bar on, whenever it is first asked for; conditions are 1 and 0, NaN is
        not known yet.
        """
        if not isinstance(expr, Expr):
            raise BadInputError(
                f"value: expected an expression such as sma(bar.mid.close, 20), found {expr!r}"
            )
        if not make_plan([expr]).trivial:
            return self._market._panel_value(expr, self.instrument)
        if expr.key not in self._values:
            self._values[expr.key] = (ExprStream([expr], instrument=self.instrument), [])
        stream, values = self._values[expr.key]
        for item in self._bars[len(values) :]:
            values.extend(stream.update(item))
        return values[-1] if values else float("nan")


class MarketView:
    """The instruments of a strategy; used as one of them it is the first.

    ``market["GBP_USD"]`` is another one. Whatever is asked, only what has happened is there.
    """

    def __init__(
        self,
        instrument: Instrument | Sequence[Instrument],
        timeframe: Timeframe,
        *,
        others: Sequence[Instrument] = (),
    ) -> None:
        self._traded = [instrument] if isinstance(instrument, Instrument) else list(instrument)
        self._others = list(others)
        self.timeframe = timeframe
        self._views = {item.id: InstrumentView(item, self) for item in (*self._traded, *self._others)}
        self._main = self._views[self._traded[0].id]
        self._events: list[tuple[Bar, ...]] = []
        self._panels: dict[str, _PanelValues] = {}
        self._time_ns = 0

    def __getitem__(self, instrument: str) -> InstrumentView:
        if instrument not in self._views:
            raise BadInputError(
                f"market: expected one of {', '.join(self._views)}, found {instrument!r}; "
                "name it among the strategy's instruments"
            )
        return self._views[InstrumentId(instrument)]

    def __iter__(self) -> Iterator[InstrumentView]:
        return iter(self._views.values())

    def __len__(self) -> int:
        return len(self._main)

    @property
    def instrument(self) -> Instrument:
        """The first instrument."""
        return self._main.instrument

    @property
    def instruments(self) -> tuple[InstrumentId, ...]:
        """The instruments traded."""
        return tuple(item.id for item in self._traded)

    @property
    def closed(self) -> tuple[InstrumentId, ...]:
        """Those whose bars closed just now."""
        return tuple(name for name, view in self._views.items() if view.just_closed)

    @property
    def time_ns(self) -> int:
        """Now: when the last bars closed, or the tick at hand came."""
        return self._time_ns

    @property
    def bar(self) -> Bar:
        """The first instrument's bar that closed last."""
        return self._main.bar

    @property
    def quote(self) -> Quote:
        """The first instrument's last quote."""
        return self._main.quote

    def bars(self, count: int | None = None) -> list[Bar]:
        """The first instrument's last bars, oldest first; all without a count."""
        return self._main.bars(count)

    def column(self, name: str, count: int | None = None) -> npt.NDArray[np.int64]:
        """One field of the first instrument's last bars in points, as in ``column("bid_close", 20)``."""
        return self._main.column(name, count)

    def value(self, expr: Expr) -> float:
        """An expression at the first instrument's last bar, as in ``value(sma(bar.mid.close, 20))``."""
        return self._main.value(expr)

    def _add(self, bar: Bar) -> None:
        self._close([bar])

    def _close(self, bars: Sequence[Bar]) -> None:
        """Bars closed, all at one time."""
        for item in bars:
            if item.instrument not in self._views:
                raise BadInputError(
                    f"expected a bar of {', '.join(self._views)}, found one of {item.instrument}"
                )
        for item in bars:
            self._views[item.instrument]._bars.append(item)
            self._time_ns = item.close_ns
        self._events.append(tuple(bars))

    def _tick(self, quote: Quote) -> None:
        """A quote came."""
        if quote.instrument not in self._views:
            raise BadInputError(
                f"expected a quote of {', '.join(self._views)}, found one of {quote.instrument}"
            )
        self._views[quote.instrument]._quote = quote
        self._time_ns = quote.time_ns

    def _panel_value(self, expr: Expr, instrument: Instrument) -> float:
        """An expression that reads more than an instrument's own bars."""
        if instrument.id not in self.instruments:
            raise BadInputError(
                f"{instrument.id} is not traded; ask for its own bars, or through bar.of({instrument.id!r})"
            )
        if expr.key not in self._panels:
            self._panels[expr.key] = _PanelValues(expr, self._traded, self._others)
        return self._panels[expr.key].after(self._events, instrument.id)


class _PanelValues:
    def __init__(self, expr: Expr, traded: Sequence[Instrument], others: Sequence[Instrument]) -> None:
        self._stream = PanelStream([expr], traded, others=others)
        self._seen = 0
        self._last: dict[InstrumentId, float] = {}

    def after(self, events: Sequence[Sequence[Bar]], name: InstrumentId) -> float:
        """The value at an instrument's last bar."""
        for bars in events[self._seen :]:
            self._last |= {item: values[0] for item, values in self._stream.update(bars).items()}
        self._seen = len(events)
        return self._last.get(name, float("nan"))
