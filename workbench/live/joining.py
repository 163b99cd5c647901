"""What joins the live session with the strategy room, the market store and the gateway."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.domain.orders import Order
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import timeframe
from workbench.gateway.client import GatewayClient
from workbench.live.errors import NotArmableError
from workbench.live.launch import Launch, WarmUp
from workbench.live.session import Deciders
from workbench.market import MarketStore
from workbench.strategy import Strategy, StrategyRunner, spec
from workbench.strategy.needs import needs

__all__ = ["WorkbenchParts"]

_ASK_AGAIN_S = 2.0


class WorkbenchParts:
    """The workbench's own parts."""

    def name(self, strategy: Any) -> str:
        """The strategy's class."""
        return str(_checked(strategy).name)

    def spec_digest(self, strategy: Any) -> str:
        """The sha256 of its canonical description."""
        return str(spec(_checked(strategy))["digest"])

    def deciders(self, strategy: Any, launch: Launch) -> Deciders:
        """One runner an instrument, compiled, and fed with every bar before the feed's start."""
        if missing := needs(_checked(strategy)):
            raise NotArmableError(
                f"{strategy.name} needs {' and '.join(missing)}, which a live kernel does not give yet; "
                "run it in a backtest, or write it without"
            )
        store = MarketStore(launch.market_dir, launch.store_url)
        runners: dict[InstrumentId, StrategyRunner] = {}
        count = 0
        for name in launch.instruments:
            record = instrument(name)
            bars = _bars(store, [item for item in launch.warm_up if item.instrument == name])
            _compile(_checked(strategy), record, launch, bars)
            runner = StrategyRunner(strategy, record, timeframe(launch.timeframe), launch.deployment_id)
            for bar in bars:
                runner.warm_up(bar)
            count += len(bars)
            runners[record.id] = runner
        return Deciders(by_instrument=runners, warm_up_bars=count)

    def gateway(self, launch: Launch) -> GatewayClient:
        """The gateway's client; it returns soon when the gateway is silent, so that a stop is heard."""
        return GatewayClient(Path(launch.gateway_socket), timeout_s=_ASK_AGAIN_S, patience_s=_ASK_AGAIN_S)


def _checked(strategy: Any) -> Strategy:
    if not isinstance(strategy, Strategy):
        raise NotArmableError(
            f"expected a Strategy in deploy(...), found {type(strategy).__name__}; pass an instance of yours"
        )
    return strategy


def _bars(store: MarketStore, wanted: Sequence[WarmUp]) -> list[Bar]:
    """The bars of each dataset in turn that come after those before it."""
    found: list[Bar] = []
    for item in wanted:
        for bar in store.bars(item.instrument, item.timeframe, fingerprint=item.fingerprint):
            if bar.close_ns <= item.until_ns and (not found or bar.open_ns >= found[-1].close_ns):
                found.append(bar)
    return found


def _compile(strategy: Strategy, record: Instrument, launch: Launch, bars: Sequence[Bar]) -> None:
    """Decide once on a throw-away copy, so that nothing is compiled when the first live bar closes."""
    if strategy.form != "rules" or not bars:
        return
    last = bars[-1]
    books = AccountSnapshot(
        time_ns=last.close_ns,
        currency=record.quote,
        balance=0,
        equity=0,
        margin_used=0,
        financing=0,
        commission=0,
        positions=(),
    )
    dry = StrategyRunner(strategy, record, timeframe(launch.timeframe), "warm-up")
    _: list[Order] = dry.on_bar(last, books, 0)
