"""A strategy driven bar by bar: the same code in a replay and live."""

from functools import partial

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.instruments import Instrument
from workbench.domain.orders import Order
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.strategy.decision import client_order_id, decide
from workbench.strategy.signals import RulesStream, SignalRow, signal_arguments
from workbench.strategy.strategy import Strategy
from workbench.strategy.views import AccountView, MarketView

__all__ = ["StrategyRunner"]


class StrategyRunner:
    """Turns closed bars into orders, for one strategy on one instrument.

    It works on a fresh copy of the strategy, so two runs never share what a strategy remembers. Order ids
    follow from the deployment and the event alone: deciding the same event again gives the same orders.
    """

    def __init__(
        self, strategy: Strategy, instrument: Instrument, timeframe: Timeframe, deployment_id: str
    ) -> None:
        self.strategy = strategy.fresh()
        self.instrument = instrument
        self.timeframe = timeframe
        self.deployment_id = deployment_id
        self._stream: RulesStream | None = None
        if self.strategy.form == "rules":
            self._stream = RulesStream(self.strategy.traced(), instrument=instrument)
        self._market = MarketView(instrument, timeframe)
        self._signals: SignalRow | None = None

    @property
    def signals(self) -> SignalRow | None:
        """The signals of the last bar; None before the first and for an on_bar strategy."""
        return self._signals

    def warm_up(self, bar: Bar) -> None:
        """Take a bar without deciding: indicators and history go on, no order is made."""
        if self._stream is not None:
            self._signals = self._stream.update(bar)
        else:
            self._market._add(bar)

    def on_bar(self, bar: Bar, account: AccountSnapshot, event_seq: int) -> list[Order]:
        """The orders decided at the close of `bar`, given the account right after it."""
        self.warm_up(bar)
        if self._stream is None:
            view = AccountView(
                account,
                instrument=self.instrument,
                next_id=partial(client_order_id, self.deployment_id, event_seq),
            )
            self.strategy.on_bar(self._market, view)
            return list(view._orders)
        assert self._signals is not None  # just set by warm_up
        position = account.units(self.instrument.id)
        close, units, stop, target = decide(
            *signal_arguments(self._signals, self._stream.rules, self.instrument),
            position,
            account.equity,
            self.instrument.micro_per_point,
            self.instrument.unit_step,
            self.instrument.minimum_units,
        )
        orders: list[Order] = []
        if close:
            orders.append(
                Order(
                    client_order_id=client_order_id(self.deployment_id, event_seq, 0),
                    instrument=self.instrument.id,
                    units=-position,
                    reduce_only=True,
                )
            )
        if units:
            orders.append(
                Order(
                    client_order_id=client_order_id(self.deployment_id, event_seq, len(orders)),
                    instrument=self.instrument.id,
                    units=units,
                    stop_distance=stop,
                    target_distance=target,
                )
            )
        return orders
