"""Made-up accounts, costs, quotes, bars and orders, dense in everything that can happen to an account."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from workbench.domain.accounts import AccountMode, AccountRules, CloseOut, HedgedMargin
from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, FinancingMode, InstrumentCosts, swap_weekdays
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.orders import (
    ClientOrderId,
    ExitChange,
    Order,
    OrderKind,
    PositionFill,
    TimeInForce,
    TriggerSide,
)
from workbench.domain.quotes import Bar, Quote

START = to_ns(datetime(2026, 3, 2, 12, tzinfo=UTC))  # the week before New York changes its clocks
MINUTE = 60_000_000_000

WORLDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("USD", ("EUR_USD",)),
    ("USD", ("EUR_USD", "XAU_USD")),
    ("USD", ("USD_JPY",)),  # profit in yen, converted by the pair itself
    ("USD", ("EUR_GBP", "EUR_USD", "GBP_USD")),
    ("EUR", ("EUR_USD", "USD_CAD")),  # Canadian dollars by two legs
    ("EUR", ("EUR_JPY", "EUR_USD", "GBP_JPY")),
    ("GBP", ("AUD_JPY", "GBP_USD", "USD_JPY")),  # yen by two legs
)


@dataclass(frozen=True)
class Cancel:
    name: ClientOrderId


Event = Order | Quote | Bar | Cancel | ExitChange


@dataclass(frozen=True)
class World:
    """An account and what happens to it."""

    instruments: tuple[Instrument, ...]
    currency: str
    rules: AccountRules
    books: tuple[CostBook, ...]
    balance: int
    events: tuple[Event, ...]


def made_up_world(seed: int, count: int) -> World:
    """The world of a seed; a lower count gives a part of the same world, from its beginning."""
    rng = random.Random(seed)
    currency, names = rng.choice(WORLDS)
    mode = rng.choice([AccountMode.NETTING, *AccountMode])
    rules = AccountRules(
        mode=mode,
        hedged_margin=rng.choice(list(HedgedMargin)),
        close_out=rng.choice(list(CloseOut)),
        close_out_ppm=rng.choice([500_000, 500_000, 500_000, 300_000, 1_000_000]),
        latency_ns=rng.choice([0, 0, 0, 0, 1, MINUTE, 30 * MINUTE]),
    )
    records = tuple(instrument(name) for name in names)
    dates = sorted(
        rng.sample([date(2026, 3, day) for day in (3, 4, 5, 7, 9, 10, 12)], rng.choice([0, 0, 1, 2]))
    )
    books = tuple(
        CostBook(broker="made up", valid_from=day, costs={item.id: _costs(rng) for item in records})
        for day in (date(2026, 1, 1), *dates)
    )
    prices = {item.id: rng.choice([1_000, 3_000, 20_000]) for item in records}
    maker = _Maker(rng, records, mode, prices)
    rate = books[0].of(records[0].id).margin_rate_ppm
    # what a position of 5,000 units of the first instrument ties up in its quote currency, times a factor
    tied = 5_000 * prices[records[0].id] * records[0].micro_per_point * rate // 1_000_000
    balance = max(1_000, int(tied * rng.choice([0.3, 1.5, 3, 3, 6, 6, 20, 100])))
    events: list[Event] = maker.opening()
    for _ in range(count):
        events += maker.step()
    balance = int(balance / maker.home_rate(currency, records[0].quote))
    return World(records, currency, rules, books, balance, tuple(events))


def _costs(rng: random.Random) -> InstrumentCosts:
    mode = rng.choice([FinancingMode.ANNUAL_365, *FinancingMode])
    scale = 1 if mode in (FinancingMode.ANNUAL_365, FinancingMode.ANNUAL_360) else 40
    by_lot = rng.random() < 0.25
    return InstrumentCosts(
        spread_points=(3,) * 168,
        commission_ppm=0 if by_lot else rng.choice([0, 1, 20, 333, 5_001]),
        commission_per_lot=rng.choice([1, 3_500_000, 35_000_000]) if by_lot else 0,
        commission_minimum=rng.choice([0, 0, 0, 1, 20_000]),
        financing_mode=mode,
        financing_long_ppm=scale * rng.choice([-25_000, -1, 0, 7_777, 900_000]),
        financing_short_ppm=scale * rng.choice([-5_000, 0, 12_345, -800_001]),
        financing_weekdays=rng.choice([None, None, swap_weekdays("WED"), swap_weekdays("FRI")]),
        margin_rate_ppm=rng.choice([10_000, 33_333, 50_000, 500_000, 1_000_000]),
        slippage_points=rng.choice([0, 0, 1, 7]),
        slippage_spread_ppm=rng.choice([0, 0, 250_000, 333_333, 1_500_000]),
        conversion_markup_ppm=rng.choice([0, 0, 5_000, 12_345]),
    )


class _Maker:
    """Makes one event after the other, each on what the ones before have left."""

    def __init__(
        self, rng: random.Random, records: tuple[Instrument, ...], mode: AccountMode, prices: dict[str, int]
    ) -> None:
        self.rng, self.records, self.mode = rng, records, mode
        wild = rng.choice([5, 40, 120])  # of 2,000
        self.wild = {name: max(5, price * wild // 2_000) for name, price in prices.items()}
        self.steps = rng.choice([(0, 1, 1, 7), (0, 1, 7, 60, 240), (1, 60, 11 * 60, 24 * 60, 72 * 60)])
        self.has_ladders = rng.random() < 0.5
        self.has_bars = rng.random() < 0.7
        self.jump = rng.choice([1, 5, 40])
        self.buys = rng.choice([0.5, 0.5, 0.9])  # how often
        self.exits = rng.choice([0.2, 0.7])  # how often an order brings a stop, a target or both
        self.time_ns, self.placed = START, 0
        self.likely: list[Order] = []  # orders that may have opened a trade
        self.prices = dict(prices)
        self.lowest = {name: price // 4 for name, price in prices.items()}
        self.spreads = dict.fromkeys(prices, 3)

    def opening(self) -> list[Event]:
        """A quote of everything, so that all can be converted."""
        return [self._quote(item) for item in self.records]

    def home_rate(self, currency: str, quote: str) -> float:
        """About what one of the home currency is in another."""
        by_pair = {(item.base, item.quote): self.prices[item.id] / 10**item.digits for item in self.records}
        rates = by_pair | {(quote_, base): 1 / rate for (base, quote_), rate in by_pair.items()}
        if currency == quote:
            return 1.0
        if (currency, quote) in rates:
            return rates[currency, quote]
        return rates.get((currency, "USD"), 1.0) * rates.get(("USD", quote), 1.0)

    def step(self) -> list[Event]:
        rng = self.rng
        events: list[Event] = []
        for _ in range(rng.choice([0, 1, 1, 2])):
            order = self._order()
            replaces = self._some_order() if rng.random() < 0.1 else order.client_order_id
            alone = replaces == order.client_order_id
            events.append(order if alone else replace(order, replaces=replaces))
        if rng.random() < 0.1 and self.placed:
            events.append(Cancel(self._some_order()))
        if rng.random() < 0.15 and (self.placed or self.mode is AccountMode.NETTING):
            events.append(self._change())
        self.time_ns += rng.choice(self.steps) * MINUTE
        if self.has_bars and rng.random() < 0.5:
            return events + self._bars()
        record = rng.choice(self.records)
        self._move(record)
        return [*events, self._quote(record)]

    def _move(self, record: Instrument) -> None:
        wild = self.wild[record.id]
        moved = self.rng.randint(-wild, wild) * self.rng.choice([0, 1, 1, 1, 1, 1, self.jump])
        moved = abs(moved) if self.prices[record.id] + moved < self.lowest[record.id] else moved
        self.prices[record.id] += moved
        self.spreads[record.id] = self.rng.choice([0, 1, 3, 3, 12, 12, 40, -2])

    def _quote(self, record: Instrument) -> Quote:
        bid = self.prices[record.id]
        ask = bid + self.spreads[record.id]
        sized = self.has_ladders and self.rng.random() < 0.6
        return Quote(
            instrument=record.id,
            time_ns=self.time_ns,
            bid=bid,
            ask=ask,
            bids=self._ladder(bid, -1) if sized else (),
            asks=self._ladder(ask, 1) if sized else (),
        )

    def _ladder(self, price: int, step: int) -> tuple[tuple[int, int], ...]:
        levels = []
        for _ in range(self.rng.choice([1, 2, 3])):
            levels.append((price, self.rng.choice([1, 300, 1_000, 2_500, 10_000])))
            price += step * self.rng.choice([1, 2, 9])
        return tuple(levels)

    def _bars(self) -> list[Event]:
        some = [item for item in self.records if self.rng.random() < 0.7] or [self.rng.choice(self.records)]
        events: list[Event] = []
        for record in some:
            self._move(record)
            bid = self.prices[record.id]
            events.append(
                Quote(instrument=record.id, time_ns=self.time_ns, bid=bid, ask=bid + self.spreads[record.id])
            )
        opened, self.time_ns = self.time_ns, self.time_ns + self.rng.choice([1, 60, 60, 24 * 60]) * MINUTE
        return events + [self._bar(record, opened) for record in some]

    def _bar(self, record: Instrument, open_ns: int) -> Bar:
        rng = self.rng
        first = self.prices[record.id]
        wild = self.wild[record.id]
        path = [first, *(max(100, first + rng.randint(-wild, wild)) for _ in range(3))]
        spread = self.spreads[record.id]
        spreads = [spread, *(max(0, spread + rng.choice([0, 0, 0, 1, 9])) for _ in range(3))]
        asks = [price + item for price, item in zip(path, spreads, strict=True)]
        self.prices[record.id], self.spreads[record.id] = path[-1], spreads[-1]
        return Bar(
            instrument=record.id,
            open_ns=open_ns,
            close_ns=self.time_ns,
            bid_open=path[0],
            bid_high=max(path),
            bid_low=min(path),
            bid_close=path[-1],
            ask_open=asks[0],
            ask_high=max(asks),
            ask_low=min(asks),
            ask_close=asks[-1],
        )

    def _order(self) -> Order:
        rng = self.rng
        record = rng.choice(self.records)
        self.placed += 1
        units = rng.choice([1, 333, 999, 1_000, 1_000, 1_000, 2_001, 5_000, 7_000])
        units *= 1 if rng.random() < self.buys else -1
        kind = rng.choice([OrderKind.MARKET, OrderKind.MARKET, OrderKind.MARKET, *OrderKind])
        price = self.prices[record.id]
        near = self.wild[record.id] + 3
        force = rng.choice([TimeInForce.GTC, TimeInForce.GTC, *TimeInForce])
        closes = self._closed_by(record, rng.random()) if self.mode is not AccountMode.NETTING else None
        if closes and rng.random() < 0.9:
            units = -closes.units if rng.random() < 0.6 else -abs(units) * (1 if closes.units > 0 else -1)
        fill = rng.choice([PositionFill.DEFAULT] * 4 + list(PositionFill))
        side = 1 if units > 0 else -1
        bound = price + side * rng.choice([-3, 3, 7, 13, 60])
        has_levels = rng.random() < 0.2 * self.exits
        brings = rng.random() < self.exits
        order = Order(
            client_order_id=ClientOrderId(f"order-{self.placed}"),
            instrument=record.id,
            units=units,
            kind=kind,
            price=0 if kind is OrderKind.MARKET else max(1, price + rng.randint(-near, near)),
            price_bound=max(1, bound) if kind is not OrderKind.LIMIT and rng.random() < 0.2 else 0,
            time_in_force=force,
            expires_ns=self.time_ns + rng.choice([1, 7, 60, 600]) * MINUTE if force is TimeInForce.GTD else 0,
            position_fill=fill,
            reduce_only=rng.random() < 0.1 and fill is not PositionFill.OPEN_ONLY,
            trigger=rng.choice([TriggerSide.DEFAULT] * 4 + list(TriggerSide)),
            stop_distance=rng.choice([0, 1, 10, near, 3 * near, 5_000]) if brings else 0,
            target_distance=rng.choice([0, 1, 15, near, 3 * near, 5_000]) if brings else 0,
            trailing_distance=rng.choice([0, 0, 0, 1, 10, near]) if brings else 0,
            stop_price=max(1, price - side * rng.randint(0, near)) if has_levels else 0,
            target_price=max(1, price + side * rng.randint(0, near)) if has_levels else 0,
            closes=closes.client_order_id if closes else None,
        )
        lasts = order.kind is OrderKind.MARKET and not (order.stop_distance or order.trailing_distance)
        if lasts and not closes:
            self.likely = [*self.likely[-6:], order]
        return order

    def _closed_by(self, record: Instrument, chance: float) -> Order | None:
        known = [item for item in self.likely if item.instrument == record.id]
        return self.rng.choice([*known, known[-1]]) if known and chance < 0.3 else None

    def _some_order(self) -> ClientOrderId:
        return ClientOrderId(f"order-{self.rng.randint(max(1, self.placed - 8), self.placed)}")

    def _change(self) -> ExitChange:
        rng = self.rng
        record = rng.choice(self.records)
        price, wild = self.prices[record.id], self.wild[record.id]

        def level() -> int | None:
            return rng.choice([None, 0, max(1, price + rng.randint(-wild, wild))])

        return ExitChange(
            instrument=record.id,
            trade=None if self.mode is AccountMode.NETTING else self._some_order(),
            stop=level(),
            target=level(),
            trailing=rng.choice([None, None, 0, 5, 40]),
        )
