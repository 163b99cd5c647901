"""The engine again, written from its rules in exact fractions and plain objects, to compare with."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.domain.orders import Order
from workbench.domain.quotes import Bar, Quote

NEW_YORK = ZoneInfo("America/New_York")
PPM = Fraction(1, 1_000_000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _half_even(value: Fraction) -> int:
    return round(value)  # Python rounds a Fraction half to even


@dataclass
class Lot:
    """What is held of one instrument, with its exact average, and the stops that go with it."""

    instrument: Instrument
    units: int = 0
    cost: int = 0  # micro-units
    stop: tuple[int, str] | None = None
    target: tuple[int, str] | None = None
    last_order: str = ""
    bid: int = 0
    ask: int = 0

    @property
    def micro(self) -> int:
        return 10**6 // 10**self.instrument.digits

    @property
    def mid(self) -> Fraction:
        return Fraction(self.bid + self.ask, 2)

    def open_profit(self, price: Fraction) -> Fraction:
        return self.units * price * self.micro - self.cost


@dataclass
class SlowEngine:
    """Takes what `MatchingEngine` takes; keeps fills as plain tuples."""

    instruments: list[Instrument]
    cost_book: CostBook
    balance: int
    financing: int = 0
    commission: int = 0
    ambiguous: int = 0
    waiting: list[Order] = field(default_factory=list)
    canceled: list[tuple[str, str]] = field(default_factory=list)
    fills: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lots = {item.id: Lot(item) for item in self.instruments}
        self.next_rollover: datetime | None = None

    # --- time -------------------------------------------------------------------------------------

    def _rollovers(self, until_ns: int, *, inclusive: bool) -> None:
        if self.next_rollover is None:
            # 17:00 New York strictly before the first moment is past; the one at it finds nothing held
            local = (EPOCH + timedelta(microseconds=until_ns // 1000)).astimezone(NEW_YORK)
            day = datetime(local.year, local.month, local.day, 17, tzinfo=NEW_YORK)
            self.next_rollover = day
        while True:
            instant = (self.next_rollover.astimezone(UTC) - EPOCH) // timedelta(microseconds=1) * 1000
            if instant > until_ns or (instant == until_ns and not inclusive):
                return
            weekday = self.next_rollover.weekday()
            days = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1}.get(weekday, 0)
            for lot in self.lots.values():
                if lot.units and days:
                    costs = self.cost_book.of(lot.instrument.id)
                    rate = costs.financing_long_ppm if lot.units > 0 else costs.financing_short_ppm
                    worth = abs(lot.units) * lot.mid * lot.micro
                    amount = _half_even(worth * rate * PPM * days / 365)
                    self.financing += amount
                    self.balance += amount
            naive = self.next_rollover.replace(tzinfo=None) + timedelta(days=1)
            self.next_rollover = naive.replace(tzinfo=NEW_YORK)

    # --- money ------------------------------------------------------------------------------------

    def equity(self) -> int:
        closing = (
            lot.open_profit(Fraction(lot.bid if lot.units > 0 else lot.ask)) for lot in self.lots.values()
        )
        return int(self.balance + sum(closing))

    def margin(self, instead: dict[str, int] | None = None) -> int:
        units = {name: lot.units for name, lot in self.lots.items()} | (instead or {})
        return sum(
            _half_even(abs(units[name]) * lot.mid * lot.micro * self.cost_book.of(name).margin_rate_ppm * PPM)
            for name, lot in self.lots.items()
        )

    def _fill(self, lot: Lot, order: str, time_ns: int, units: int, price: int, reason: str) -> None:
        before, after = lot.units, lot.units + units
        realized = 0
        if before * units >= 0:
            lot.cost += units * price * lot.micro
        else:
            closed = min(abs(units), abs(before))
            part = _half_even(Fraction(lot.cost * closed, abs(before)))
            sign = 1 if before > 0 else -1
            realized = sign * closed * price * lot.micro - part
            lot.cost -= part
            if abs(units) > abs(before):
                lot.cost = after * price * lot.micro
        lot.units = after
        rate = self.cost_book.of(lot.instrument.id).commission_ppm * PPM
        commission = _half_even(abs(units) * price * lot.micro * rate)
        self.commission += commission
        self.balance += realized - commission
        if after == 0:
            lot.stop = lot.target = None
        self.fills.append(
            (
                order,
                lot.instrument.id,
                time_ns,
                units,
                price,
                reason,
                commission,
                realized,
                after,
                self.balance,
            )
        )

    def _slipped(self, lot: Lot, price: int, units: int) -> int:
        slippage = self.cost_book.of(lot.instrument.id).slippage_points
        return price + slippage if units > 0 else max(1, price - slippage)

    def _at_market(self, lot: Lot, units: int) -> int:
        return self._slipped(lot, lot.ask if units > 0 else lot.bid, units)

    # --- events -----------------------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        self.waiting.append(order)

    def on_quote(self, quote: Quote) -> None:
        self._rollovers(quote.time_ns, inclusive=True)
        lot = self.lots[quote.instrument]
        lot.bid, lot.ask = quote.bid, quote.ask
        self._exit_at(lot, quote.time_ns, lot.bid if lot.units > 0 else lot.ask)
        for order in [item for item in self.waiting if item.instrument == quote.instrument]:
            self.waiting.remove(order)
            self._market(lot, order, quote.time_ns)
        self._close_out(quote.time_ns)

    def on_bar(self, bar: Bar) -> None:
        self._rollovers(bar.close_ns, inclusive=False)
        lot = self.lots[bar.instrument]
        if lot.units > 0:
            self._exit_within(lot, bar.close_ns, bar.bid_open, bar.bid_low, bar.bid_high)
        elif lot.units < 0:
            self._exit_within(lot, bar.close_ns, bar.ask_open, bar.ask_low, bar.ask_high)
        lot.bid, lot.ask = bar.bid_close, bar.ask_close
        self._close_out(bar.close_ns)

    def _passed(self, lot: Lot, price: int) -> str | None:
        """Which level the closing-side price has reached: the stop first."""
        long = lot.units > 0
        if lot.stop and (price <= lot.stop[0] if long else price >= lot.stop[0]):
            return "STOP_LOSS"
        if lot.target and (price >= lot.target[0] if long else price <= lot.target[0]):
            return "TAKE_PROFIT"
        return None

    def _exit_at(self, lot: Lot, time_ns: int, price: int) -> bool:
        reason = self._passed(lot, price) if lot.units else None
        if reason == "STOP_LOSS":
            order = lot.stop[1]
            self._fill(lot, order, time_ns, -lot.units, self._slipped(lot, price, -lot.units), reason)
        elif reason == "TAKE_PROFIT":
            self._fill(lot, lot.target[1], time_ns, -lot.units, price, reason)
        return reason is not None

    def _exit_within(self, lot: Lot, time_ns: int, first: int, low: int, high: int) -> None:
        if self._exit_at(lot, time_ns, first):
            return
        reasons = {self._passed(lot, low), self._passed(lot, high)}
        if "STOP_LOSS" in reasons:
            if "TAKE_PROFIT" in reasons:
                self.ambiguous += 1
            level, order = lot.stop
            self._fill(lot, order, time_ns, -lot.units, self._slipped(lot, level, -lot.units), "STOP_LOSS")
        elif "TAKE_PROFIT" in reasons:
            level, order = lot.target
            self._fill(lot, order, time_ns, -lot.units, level, "TAKE_PROFIT")

    def _market(self, lot: Lot, order: Order, time_ns: int) -> None:
        units = order.units
        against = lot.units * units < 0
        if order.reduce_only:
            if not against:
                self.canceled.append((order.client_order_id, "nothing to close"))
                return
            units = max(-abs(lot.units), min(abs(lot.units), units))
        only_reduces = against and abs(units) <= abs(lot.units)
        price = self._at_market(lot, units)
        if not only_reduces and self.margin({lot.instrument.id: lot.units + units}) > self.equity():
            self.canceled.append((order.client_order_id, "insufficient margin"))
            return
        self._fill(lot, order.client_order_id, time_ns, units, price, "MARKET")
        if only_reduces:
            return
        lot.last_order = order.client_order_id
        if against:
            lot.stop = lot.target = None
        side = 1 if lot.units > 0 else -1
        if order.stop_distance:
            level = price - side * order.stop_distance
            lot.stop = (level, order.client_order_id) if level > 0 else None
        if order.target_distance:
            level = price + side * order.target_distance
            lot.target = (level, order.client_order_id) if level > 0 else None

    def _close_out(self, time_ns: int) -> None:
        equity = self.balance + sum(lot.open_profit(lot.mid) for lot in self.lots.values())
        if any(lot.units for lot in self.lots.values()) and 2 * equity <= self.margin():
            for lot in self.lots.values():
                if lot.units:
                    price = self._at_market(lot, -lot.units)
                    self._fill(lot, lot.last_order, time_ns, -lot.units, price, "MARGIN_CLOSEOUT")
