"""A strategy driven by what happens: the same code in a replay and live."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.calendar import day_close_ns, session_of
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind, PositionFill, TimeInForce
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.strategy import decision as d
from workbench.strategy.account_view import AccountView
from workbench.strategy.conversion import Leg, conversion_legs, leg_rate
from workbench.strategy.decision import client_order_id, decide_bar
from workbench.strategy.errors import strategy_failed
from workbench.strategy.panel import PanelStream, rule_outputs
from workbench.strategy.plan import make_plan
from workbench.strategy.program import compile_program
from workbench.strategy.rule_settings import RuleSettings, declared_numbers
from workbench.strategy.rules import FLAGS, Rules
from workbench.strategy.running import ProgramStream
from workbench.strategy.signals import SignalRow
from workbench.strategy.strategy import Strategy
from workbench.strategy.views import MarketView

__all__ = ["ORDERS_PER_EVENT", "Decision", "StrategyRunner"]

ORDERS_PER_EVENT = 1_024
_KINDS = tuple(OrderKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided on an event: first the cancels are sent, then changes of exits, then the orders."""

    orders: tuple[Order, ...] = ()  # some in the place of others: `Order.replaces`
    changes: tuple[ExitChange, ...] = ()
    cancels: tuple[ClientOrderId, ...] = ()  # some may have filled or gone by now


class StrategyRunner:
    """Turns closed bars (and quotes) into orders, for one strategy on one account.

    It works on a fresh copy of the strategy, so two runs never share what a strategy remembers. What it
    remembers itself follows from the events and accounts it was given, and order ids from the deployment
    and the event alone: deciding everything again gives the same orders.

    Parameters
    ----------
    instrument
        The instrument traded, or several.
    others
        Instruments whose bars come too, but that are only looked at: by the rules, or to convert sizes.
    """

    def __init__(
        self,
        strategy: Strategy,
        instrument: Instrument | Sequence[Instrument],
        timeframe: Timeframe,
        deployment_id: str,
        *,
        others: Sequence[Instrument] = (),
    ) -> None:
        self.strategy = strategy.fresh()
        self.instruments = (instrument,) if isinstance(instrument, Instrument) else tuple(instrument)
        if not self.instruments:
            raise BadInputError("StrategyRunner: expected one or more instruments, found none")
        self.instrument = self.instruments[0]
        self._names = frozenset(item.id for item in self.instruments)
        self.timeframe = timeframe
        self.deployment_id = deployment_id
        self.cancels: tuple[ClientOrderId, ...] = ()  # of the last event
        self._rules: _RulesRunner | None = None
        if self.strategy.form == "rules":
            self._rules = _RulesRunner(self.strategy.traced(), self.instruments, others)
        self._market = MarketView(self.instruments, timeframe, others=others)
        self._waiting: dict[ClientOrderId, Order] = {}
        self._ends: dict[ClientOrderId, int] = {}  # of orders good for a day

    @property
    def signals(self) -> SignalRow | None:
        """The signals of the first instrument's last bar; None before the first and without simple rules."""
        return None if self._rules is None else self._rules.signals(self.instrument.id)

    def warm_up(self, bar: Bar) -> None:
        """Take a bar without deciding: indicators and history go on, no order is made."""
        self.warm_up_bars([bar])

    def warm_up_bars(self, bars: Sequence[Bar]) -> None:
        """Take all bars of one time without deciding."""
        if self._rules is not None:
            self._rules.take(bars)
        else:
            self._market._close(bars)

    def on_bar(self, bar: Bar, account: AccountSnapshot, event_seq: int) -> list[Order]:
        """The orders decided at the close of `bar`, given the account right after it; see `cancels` too."""
        return list(self.on_bars([bar], account, event_seq).orders)

    def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
        """What is decided when `bars`, all that close at one time, have closed; nothing if none is traded."""
        self.warm_up_bars(bars)
        self.cancels = ()
        if not any(item.instrument in self._names for item in bars):
            return Decision()
        if self._rules is not None:
            orders, keys = self._rules.decide(bars, account, event_seq, self.deployment_id)
            found = Decision(
                orders=orders,
                cancels=tuple(self._named(key) for key in keys),
            )
        elif self.strategy.form == "on_tick" and type(self.strategy).on_bar is Strategy.on_bar:
            found = Decision()
        else:
            found = self._ask(self.strategy.on_bar, bars[0].instrument, account, event_seq)
        self.cancels = found.cancels
        return found

    def on_tick(self, quote: Quote, account: AccountSnapshot, event_seq: int) -> Decision:
        """What is decided on a quote; nothing unless the strategy is written with `on_tick`."""
        if self._rules is not None or self.strategy.form != "on_tick" or quote.instrument not in self._names:
            return Decision()
        self._market._tick(quote)
        found = self._ask(self.strategy.on_tick, quote.instrument, account, event_seq)
        self.cancels = found.cancels
        return found

    def _ask(
        self,
        method: Callable[[MarketView, AccountView], None],
        of: InstrumentId,
        account: AccountSnapshot,
        event_seq: int,
    ) -> Decision:
        """Let the strategy's own code decide.

        Raises
        ------
        StrategyFailedError
            It raised.
        """
        now = self._market.time_ns
        self._keep_waiting(account, now)
        view = AccountView(
            account,
            instrument=self.instrument,
            next_id=partial(client_order_id, self.deployment_id, event_seq),
            instruments={item.id: item for item in self.instruments},
            waiting=self._waiting,
            quotes=self._quote,
        )
        try:
            method(self._market, view)
        except Exception as error:
            verb = "on_tick" if method == self.strategy.on_tick else "on_bar"
            raise strategy_failed(
                error, strategy=self.strategy.name, verb=verb, instrument=of, time_ns=now
            ) from error
        if len(view._orders) > ORDERS_PER_EVENT:
            raise BadInputError(
                f"{self.strategy.name}: expected at most {ORDERS_PER_EVENT:,} orders on one event, "
                f"found {len(view._orders):,}"
            )
        for name in view._cancels:
            self._forget(name)
        for order in view._orders:
            if order.replaces is not None:
                self._forget(order.replaces)
            if order.client_order_id in view._waiting:
                self._waiting[order.client_order_id] = order
                if order.time_in_force is TimeInForce.GFD:
                    self._ends[order.client_order_id] = day_close_ns(session_of(now))
        return Decision(
            orders=tuple(view._orders), changes=tuple(view._changes), cancels=tuple(view._cancels)
        )

    def _keep_waiting(self, account: AccountSnapshot, now: int) -> None:
        """Forget the orders that wait no more, and what is filled of the others."""
        if not self._waiting:
            return
        left = {item.client_order_id: item.units for item in account.waiting}
        for name, order in list(self._waiting.items()):
            ends = order.expires_ns or self._ends.get(name, 0)
            if name not in left or (ends and ends <= now):
                self._forget(name)
            elif left[name] != order.units:
                self._waiting[name] = replace(order, units=left[name])

    def _quote(self, name: InstrumentId) -> tuple[int, int] | None:
        view = self._market[name]
        return (view.quote.bid, view.quote.ask) if view.has_quote else None

    def _forget(self, name: ClientOrderId) -> None:
        self._waiting.pop(name, None)
        self._ends.pop(name, None)

    def _named(self, key: int) -> ClientOrderId:
        return client_order_id(self.deployment_id, *divmod(key, ORDERS_PER_EVENT))


class _RulesRunner:
    """Rules, event by event, decided with `decide_bar`."""

    def __init__(self, rules: Rules, instruments: Sequence[Instrument], others: Sequence[Instrument]) -> None:
        self._rules = rules
        self._records = {item.id: item for item in sorted(instruments, key=lambda item: item.id)}
        self._all = {item.id: item for item in (*others, *instruments)}
        outputs, self._conditions = rule_outputs(rules)
        self._program: ProgramStream | None = None
        self._panel: PanelStream | None = None
        if len(instruments) == 1 and not others and make_plan(outputs).trivial:
            self._program = ProgramStream(compile_program(outputs, instrument=instruments[0]))
        else:
            self._panel = PanelStream(outputs, instruments, others=others)
        self._settings = {name: RuleSettings.of(rules, item) for name, item in self._records.items()}
        self._memory = {name: np.zeros(d.MEMORY_SIZE, np.int64) for name in self._records}
        self._numbers = np.full((len(declared_numbers(rules)), 1), np.nan)
        self._orders = np.zeros((d.ORDER_ROWS, d.ORDER_SIZE), np.int64)
        self._cancels = np.zeros(d.CANCEL_ROWS, np.int64)
        self._legs: dict[tuple[InstrumentId, str], Sequence[Leg]] = {}
        self._closes: dict[InstrumentId, Bar] = {}
        self._values: dict[InstrumentId, list[float]] = {}

    def take(self, bars: Sequence[Bar]) -> None:
        """Take the bars of a time."""
        for item in bars:
            if item.instrument not in self._all:
                raise BadInputError(
                    f"expected a bar of {', '.join(self._all)}, found one of {item.instrument}"
                )
        if self._program is not None:
            for item in bars:
                self._values[item.instrument] = self._program.update(item)
        else:
            assert self._panel is not None  # one of the two
            self._values.update(self._panel.update(bars))
        self._closes.update({item.instrument: item for item in bars})

    def decide(
        self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int, deployment_id: str
    ) -> tuple[tuple[Order, ...], list[int]]:
        """The orders, and the keys of those to withdraw; instruments in the order of their ids."""
        orders: list[Order] = []
        keys: list[int] = []
        for bar in sorted(bars, key=lambda item: item.instrument):
            record = self._records.get(bar.instrument)
            if record is None:
                continue
            settings, values = self._settings[record.id], self._values[record.id]
            bits = sum(
                bit for bit, value in zip(d.BIT, values[: self._conditions], strict=True) if value == 1.0
            )
            self._numbers[:, 0] = values[self._conditions :]
            count, dropped = decide_bar(
                bits,
                self._numbers,
                0,
                settings.rows,
                settings.settings,
                settings.amounts,
                bar.bid_close,
                bar.ask_close,
                account.units(record.id),
                account.equity,
                record.micro_per_point,
                self._rate(record, account.currency, settings),
                record.unit_step,
                record.minimum_units,
                self._memory[record.id],
                event_seq * ORDERS_PER_EVENT + len(orders),
                self._orders,
                self._cancels,
            )
            keys += self._cancels[:dropped].tolist()
            for row in self._orders[:count].tolist():
                name = client_order_id(deployment_id, event_seq, len(orders))
                orders.append(_order(row, record.id, name))
        return tuple(orders), keys

    def signals(self, name: InstrumentId) -> SignalRow | None:
        """The signals of an instrument's last bar, when the rules are simple."""
        if name not in self._values or not self._rules.simple:
            return None
        values = self._values[name]
        flags = dict(zip(FLAGS, values, strict=False))
        rows = self._settings[name].rows
        stop, target = (
            values[self._conditions + row] if row >= 0 else float("nan")
            for row in (rows[d.N_STOP_LONG], rows[d.N_TARGET_LONG])
        )
        return SignalRow(
            enter_long=flags["enter_long"] == 1.0,
            enter_short=flags["enter_short"] == 1.0,
            exit_long=flags["exit_long"] == 1.0,
            exit_short=flags["exit_short"] == 1.0,
            stop=stop,
            target=target,
        )

    def _rate(self, record: Instrument, currency: str, settings: RuleSettings) -> float:
        """What a unit of the quote currency is worth in the account's, NaN while it is not known."""
        if settings.fixed_units or record.quote == currency:
            return 1.0
        if (record.id, currency) not in self._legs:
            self._legs[record.id, currency] = conversion_legs(record.quote, currency, self._all.values())
        rate = 1.0
        for leg in self._legs[record.id, currency]:
            last = self._closes.get(leg.instrument)
            if last is None:
                return float("nan")
            rate *= leg_rate(last.bid_close, last.ask_close, leg.scale, leg.divides)
        return rate


def _order(row: Sequence[int], instrument: InstrumentId, name: ClientOrderId) -> Order:
    return Order(
        client_order_id=name,
        instrument=instrument,
        units=row[d.O_UNITS],
        kind=_KINDS[row[d.O_KIND]],
        price=row[d.O_PRICE],
        position_fill=PositionFill.DEFAULT if row[d.O_REDUCE_ONLY] else PositionFill.REDUCE_FIRST,
        reduce_only=bool(row[d.O_REDUCE_ONLY]),
        stop_distance=row[d.O_STOP_DISTANCE],
        target_distance=row[d.O_TARGET_DISTANCE],
        trailing_distance=row[d.O_TRAILING_DISTANCE],
        stop_price=row[d.O_STOP_PRICE],
        target_price=row[d.O_TARGET_PRICE],
    )
