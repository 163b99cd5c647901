"""What a strategy written with `on_bar` sees of the market and of its account."""

import numbers
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.instruments import Instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.strategy.expressions import Expr
from workbench.strategy.program import PRICES
from workbench.strategy.rules import MAX_ORDER_UNITS
from workbench.strategy.signals import ExprStream

__all__ = ["AccountView", "MarketView"]


class MarketView:
    """The bars so far, and indicators of them. The last one has just closed."""

    def __init__(self, instrument: Instrument, timeframe: Timeframe) -> None:
        self.instrument = instrument
        self.timeframe = timeframe
        self._bars: list[Bar] = []
        self._values: dict[str, tuple[ExprStream, list[float]]] = {}

    def __len__(self) -> int:
        return len(self._bars)

    @property
    def bar(self) -> Bar:
        """The bar that has just closed."""
        return self._bars[-1]

    @property
    def time_ns(self) -> int:
        """When it closed."""
        return self._bars[-1].close_ns

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
        """An expression at the bar that has just closed, as in ``value(sma(bar.mid.close, 20))``.

        It is computed from the first bar on, whenever it is first asked for; conditions are 1 and 0, NaN is
        not known yet.
        """
        if not isinstance(expr, Expr):
            raise BadInputError(
                f"value: expected an expression such as sma(bar.mid.close, 20), found {expr!r}"
            )
        if expr.key not in self._values:
            self._values[expr.key] = (ExprStream([expr], instrument=self.instrument), [])
        stream, values = self._values[expr.key]
        for item in self._bars[len(values) :]:
            values.extend(stream.update(item))
        return values[-1]

    def _add(self, bar: Bar) -> None:
        if bar.instrument != self.instrument.id:
            raise BadInputError(f"expected a bar of {self.instrument.id}, found one of {bar.instrument}")
        self._bars.append(bar)


class AccountView:
    """The account at the bar's close, and the way to place orders; they fill at the next quote."""

    def __init__(
        self,
        snapshot: AccountSnapshot,
        *,
        instrument: Instrument,
        next_id: Callable[[int], ClientOrderId],
    ) -> None:
        self.snapshot = snapshot
        self._instrument = instrument
        self._next_id = next_id
        self._orders: list[Order] = []

    @property
    def units(self) -> int:
        """Signed units held of the strategy's instrument."""
        return self.snapshot.units(self._instrument.id)

    @property
    def balance(self) -> Decimal:
        """Balance in the account's currency."""
        return to_decimal(self.snapshot.balance)

    @property
    def equity(self) -> Decimal:
        """Balance and open profit in the account's currency."""
        return to_decimal(self.snapshot.equity)

    def buy(self, units: int, *, stop: int = 0, target: int = 0) -> ClientOrderId:
        """Buy at the next quote; `stop` and `target` are distances in points from the fill, 0 for none."""
        return self._place(self._units("buy", units), stop=stop, target=target)

    def sell(self, units: int, *, stop: int = 0, target: int = 0) -> ClientOrderId:
        """Sell at the next quote; `stop` and `target` are distances in points from the fill, 0 for none."""
        return self._place(-self._units("sell", units), stop=stop, target=target)

    def close(self) -> ClientOrderId | None:
        """Close what is held at the next quote; None when nothing is."""
        if self.units == 0:
            return None
        return self._place(-self.units, reduce_only=True)

    def _units(self, verb: str, units: int) -> int:
        whole = isinstance(units, numbers.Integral) and not isinstance(units, bool)
        item = self._instrument
        if not whole or not item.minimum_units <= units <= MAX_ORDER_UNITS or units % item.unit_step:
            raise BadInputError(
                f"{verb}: expected {item.minimum_units} to {MAX_ORDER_UNITS:,} units in steps of "
                f"{item.unit_step}, found {units!r}"
            )
        return int(units)

    def _place(
        self, units: int, *, reduce_only: bool = False, stop: int = 0, target: int = 0
    ) -> ClientOrderId:
        for name, distance in (("stop", stop), ("target", target)):
            whole = isinstance(distance, numbers.Integral) and not isinstance(distance, bool)
            if not whole or distance < 0:
                raise BadInputError(
                    f"{name}: expected a distance of 0 or more whole points, found {distance!r}"
                )
        order = Order(
            client_order_id=self._next_id(len(self._orders)),
            instrument=self._instrument.id,
            units=units,
            reduce_only=reduce_only,
            stop_distance=int(stop),
            target_distance=int(target),
        )
        self._orders.append(order)
        return order.client_order_id
