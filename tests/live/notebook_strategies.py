"""Cells of released notebooks: each defines a strategy with the parameters `fast` and `slow`."""

DEFINE = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above, crosses_below, sma

class SmaCross(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            stop=3.0 * atr(bar, 14),
            size=RiskFraction(0.01),
        )
"""
BREAKOUT = """
from workbench.strategy import BySide, LimitAt, Param, RiskFraction, Rules, StopAt, Strategy, atr

class Breakout(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        return Rules(
            enter_long=bar.mid.close > bar.mid.open,
            enter_short=bar.mid.close < bar.mid.open,
            entry=BySide(
                long=StopAt(bar.ask.high.rolling(self.fast).max()),
                short=LimitAt(bar.bid.high.rolling(3).max()),
            ),
            expires_bars=3,
            stop=2.0 * atr(bar, 14),
            target=1.5 * atr(bar, self.slow),
            size=RiskFraction(0.01),
        )
"""
TRAILING = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above, crosses_below, sma

class Trailing(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, 3), sma(bar.timeframe("H4").mid.close, self.fast)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            stop=3.0 * atr(bar, self.slow),
            trail=1.0 * atr(bar, 14),
            size=RiskFraction(0.01),
        )
"""
RANKED = """
from workbench.strategy import Param, Rules, Strategy, Units, cross_mean, pips, rank, sma

class Ranked(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        move = bar.mid.close - sma(bar.mid.close, self.fast)
        place, euro = rank(move), bar.of("EUR_USD").mid.close
        return Rules(
            enter_long=(place > 2.5) & (move > cross_mean(move)),
            enter_short=(place < 1.5) & (euro > sma(euro, self.slow) - pips(20)),
            exit_long=place < 2.5,
            exit_short=place > 1.5,
            stop=300,
            size=Units(10_000),
        )
"""
FOLLOWER = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above
from workbench.strategy import crosses_below, pips, sma

class Follower(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, 3), sma(bar.mid.close, self.fast)
        pound = bar.of("GBP_USD").mid.close
        return Rules(
            enter_long=crosses_above(fast, slow) & (pound > sma(pound, self.slow) - pips(30)),
            enter_short=crosses_below(fast, slow) & (pound < sma(pound, self.slow) + pips(30)),
            stop=3.0 * atr(bar, 14),
            target=2.0 * atr(bar, self.slow),
            size=RiskFraction(0.01),
        )
"""
BY_HAND = """
from workbench.strategy import Param, Strategy, atr, bar, sma

class ByHand(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def on_bar(self, market, account):
        mean, reach = market.value(sma(bar.mid.close, self.slow)), market.value(atr(bar, self.fast))
        if reach != reach or mean != mean:
            return
        reach, held, bid = min(300, max(20, int(reach))), account.position(), market.quote.bid
        for order in account.waiting:
            near = market.quote.ask if order.units > 0 else bid
            account.replace(order.client_order_id, price=near + reach // 3)
        if held is None and not account.waiting:
            if bid > mean:
                account.buy_stop(10_000, price=market.quote.ask + reach // 2, stop=2 * reach)
            else:
                account.sell_limit(10_000, price=bid + reach // 2, stop=2 * reach, target=4 * reach)
        if held is not None:
            level = bid - reach if held.units > 0 else market.quote.ask + reach
            if (level > held.stop) == (held.units > 0):
                account.change_exits(stop_price=level)
            if abs(bid - held.average_price) > 3 * reach and not held.trailing:
                account.change_exits(trailing=reach // 2, target=0)
"""
HEDGED = """
from workbench.strategy import Param, Strategy, atr, bar

class Hedged(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def on_bar(self, market, account):
        reach, number = market.value(atr(bar, self.slow)), len(market)
        if reach != reach:
            return
        reach, trades = min(300, max(20, int(reach))), account.trades
        if number % self.fast == 0:
            account.buy(3_000, stop=3 * reach)
        if number % 11 == 0:
            account.sell(2_000, target=2 * reach)
        if len(trades) > 3:
            account.close_trade(trades[0].client_order_id)
        elif number % 13 == 0 and trades:
            account.change_exits(trade=trades[-1].client_order_id, trailing=reach)
        if number % 60 == 0:
            account.close()
"""
SCALPER = """
from workbench.strategy import Param, Strategy

class Scalper(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def __init__(self, **params):
        super().__init__(**params)
        self.last = 0
        self.run = 0

    def on_tick(self, market, account):
        bid = market.quote.bid
        self.run = self.run + 1 if bid > self.last else 0
        self.last = bid
        if self.run >= 3 and account.units == 0:
            account.buy(1_000, stop=60 + self.slow, target=40 + self.fast)
"""
HANGING = """
from workbench.strategy import Param, Strategy

class Hanging(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def on_bar(self, market, account):
        if account.position() is None and not account.waiting:
            account.buy(1_000, stop=20_000)
            account.buy_limit(2_000, price=market.quote.bid // 2)
        while account.position() is not None:
            pass
"""
