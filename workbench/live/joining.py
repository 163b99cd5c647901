"""What joins the live session with the strategy room, the market store and the gateway."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import timeframe
from workbench.gateway.client import GatewayClient
from workbench.live.errors import NotArmableError
from workbench.live.launch import Launch
from workbench.live.session import Ready
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

    def make_ready(self, strategy: Any, launch: Launch) -> Ready:
        """The strategy's runner, compiled, and fed with every bar before the feed's start.

        Raises
        ------
        NotArmableError
            It needs what a live kernel does not give.
        """
        quotes = _checked(strategy).form == "on_tick"
        if quotes and launch.feed == "replay":
            raise NotArmableError(
                f"{strategy.name} decides on every quote (on_tick), and this deployment replays bars; "
                "deploy it with a feed of ticks"
            )
        missing = () if quotes else needs(strategy, instruments=(*launch.instruments, *launch.others))
        if missing:
            raise NotArmableError(
                f"{strategy.name} needs {' and '.join(missing)}, and the release does not name them; "
                "give them to backtest(...) as also= and promote again"
            )
        store = MarketStore(launch.market_dir, launch.store_url)
        records = sorted((instrument(name) for name in launch.instruments), key=lambda item: item.id)
        instants = _instants([_bars(store, launch, item) for item in (*records, *_others(launch))])
        runner = _runner(strategy, records, launch, launch.deployment_id)
        if instants and strategy.form == "rules":
            _compile(strategy, records, launch, instants)
        for bars in instants:
            runner.warm_up_bars(bars)
        return Ready(decider=runner, warm_up_bars=sum(map(len, instants)), quotes=quotes)

    def gateway(self, launch: Launch) -> GatewayClient:
        """The gateway's client; it returns soon when the gateway is silent, so that a stop is heard."""
        return GatewayClient(Path(launch.gateway_socket), timeout_s=_ASK_AGAIN_S, patience_s=_ASK_AGAIN_S)


def _checked(strategy: Any) -> Strategy:
    if not isinstance(strategy, Strategy):
        raise NotArmableError(
            f"expected a Strategy in deploy(...), found {type(strategy).__name__}; pass an instance of yours"
        )
    return strategy


def _runner(strategy: Strategy, records: Sequence[Instrument], launch: Launch, name: str) -> StrategyRunner:
    return StrategyRunner(strategy, records, timeframe(launch.timeframe), name, others=_others(launch))


def _others(launch: Launch) -> list[Instrument]:
    return sorted((instrument(name) for name in launch.others), key=lambda item: item.id)


def _bars(store: MarketStore, launch: Launch, record: Instrument) -> list[Bar]:
    """An instrument's bars before the feed's start: of each dataset in turn those after the ones before."""
    found: list[Bar] = []
    for item in launch.warm_up:
        if item.instrument != record.id:
            continue
        for bar in store.bars(item.instrument, item.timeframe, fingerprint=item.fingerprint):
            if bar.close_ns <= item.until_ns and (not found or bar.open_ns >= found[-1].close_ns):
                found.append(bar)
    return found


def _instants(series: Sequence[Sequence[Bar]]) -> list[list[Bar]]:
    """The bars of several instruments, those that close at one instant together, in the order of time."""
    ordered = sorted((bar for bars in series for bar in bars), key=lambda bar: (bar.close_ns, bar.instrument))
    return [list(found) for _, found in groupby(ordered, key=lambda bar: bar.close_ns)]


def _compile(
    strategy: Strategy, records: Sequence[Instrument], launch: Launch, instants: Sequence[Sequence[Bar]]
) -> None:
    """Decide once on a throw-away copy, so that nothing is compiled when the first live bar closes."""
    last = instants[-1]
    books = AccountSnapshot(
        time_ns=last[0].close_ns,
        currency=launch.currency or records[0].quote,
        balance=0,
        equity=0,
        margin_used=0,
        financing=0,
        commission=0,
        positions=(),
    )
    _runner(strategy, records, launch, "warm-up").on_bars(last, books, 0)
