"""Run scripted orders on quotes in NautilusTrader; its own environment's Python runs this file.

Reads {"instrument", "quotes": [[time_ns, bid, ask]...], "orders": [[at, kind, units, price]...]} from
standard input, prices in whole points, `at` the number of the quote after which the order is given. Writes
{"fills": [[time_ns, order, units, price]...], "balance", "digits"} to standard output.
"""

import json
import sys
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import ClientOrderId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

SIM = Venue("SIM")


class Scripted(Strategy):
    """Gives each order right after the quote it belongs to."""

    def __init__(self, instrument, orders):
        super().__init__(StrategyConfig(strategy_id="SCRIPTED-001"))
        self.instrument = instrument
        self.by_quote = {}
        for number, (at, kind, units, price) in enumerate(orders, 1):
            self.by_quote.setdefault(at, []).append((number, kind, units, price))
        self.seen = -1
        self.fills = []

    def on_start(self):
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick):
        self.seen += 1
        for number, kind, units, price in self.by_quote.get(self.seen, ()):
            common = {
                "instrument_id": self.instrument.id,
                "order_side": OrderSide.BUY if units > 0 else OrderSide.SELL,
                "quantity": Quantity.from_int(abs(units)),
                "client_order_id": ClientOrderId(f"O-{number}"),
            }
            digits = self.instrument.price_precision
            level = Price(Decimal(price).scaleb(-digits), digits) if price else None
            if kind == "MARKET":
                order = self.order_factory.market(**common)
            elif kind == "LIMIT":
                order = self.order_factory.limit(price=level, **common)
            else:
                order = self.order_factory.stop_market(trigger_price=level, **common)
            self.submit_order(order)

    def on_order_filled(self, event):
        units = int(event.last_qty) * (1 if event.order_side == OrderSide.BUY else -1)
        points = int(event.last_px.as_decimal().scaleb(self.instrument.price_precision))
        number = int(event.client_order_id.value.removeprefix("O-"))
        self.fills.append([event.ts_event, number, units, points])


def main():
    given = json.load(sys.stdin)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=SIM,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(100_000_000, USD)],
    )
    instrument = TestInstrumentProvider.default_fx_ccy(given["instrument"].replace("_", "/"), venue=SIM)
    engine.add_instrument(instrument)
    digits = instrument.price_precision
    plenty = Quantity.from_int(1_000_000_000)
    engine.add_data(
        [
            QuoteTick(
                instrument_id=instrument.id,
                bid_price=Price(Decimal(bid).scaleb(-digits), digits),
                ask_price=Price(Decimal(ask).scaleb(-digits), digits),
                bid_size=plenty,
                ask_size=plenty,
                ts_event=time_ns,
                ts_init=time_ns,
            )
            for time_ns, bid, ask in given["quotes"]
        ]
    )
    strategy = Scripted(instrument, given["orders"])
    engine.add_strategy(strategy)
    engine.run()
    balance = str(engine.portfolio.account(SIM).balance_total(USD).as_decimal())
    json.dump({"fills": strategy.fills, "balance": balance, "digits": digits}, sys.stdout)


main()
