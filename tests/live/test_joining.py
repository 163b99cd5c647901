"""What a live kernel does not give is refused by name before anything trades; the rest is made ready."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.bench import made_up_bars
from workbench.live.errors import NotArmableError
from workbench.live.joining import WorkbenchParts
from workbench.live.launch import Launch, WarmUp
from workbench.market import MarketStore
from workbench.strategy import Rules, RulesStrategy, StopAt, Strategy, Units, bar, rank, sma


class Ticking(Strategy):
    """Wants every quote."""

    def on_tick(self, market: Any, account: Any) -> None:
        """Decide nothing."""


def _launch(folder: Path, *names: str) -> Launch:
    url = f"sqlite:///{folder}/w.db"
    store = MarketStore(folder / "market", url)
    series = [made_up_bars(30, seed=number, name=name) for number, name in enumerate(names)]
    for bars in series:
        store.add(bars, source="made up")
    return Launch(
        deployment_id="d-1",
        release_id="r",
        account_id="a",
        token="t",
        gateway_socket="",
        folder="",
        private="",
        lease="",
        market_dir=str(folder / "market"),
        store_url=url,
        spec_digest="",
        instruments=names,
        timeframe="H1",
        warm_up=tuple(
            WarmUp(
                instrument=str(bars.instrument.id),
                timeframe="H1",
                fingerprint=bars.fingerprint,
                until_ns=int(bars.close_ns[19]),
            )
            for bars in series
        ),
    )


def _rules(**more: Any) -> RulesStrategy:
    return RulesStrategy("Some", Rules(**{"enter_long": bar.hour >= 0, "size": Units(1_000), **more}))


def test_a_strategy_that_wants_every_quote_is_refused_on_a_replay_of_bars_alone(tmp_path: Path) -> None:
    launch = _launch(tmp_path, "EUR_USD")
    with pytest.raises(NotArmableError, match=r"Ticking decides on every quote \(on_tick\), and this depl"):
        WorkbenchParts().make_ready(Ticking(), launch)
    ready = WorkbenchParts().make_ready(Ticking(), msgspec.structs.replace(launch, feed="ticks"))
    assert ready.quotes
    assert ready.warm_up_bars == 20


def test_a_strategy_that_looks_at_what_it_does_not_trade_is_refused(tmp_path: Path) -> None:
    looking = _rules(exit_long=bar.of("GBP_USD").mid.close > 1)
    with pytest.raises(NotArmableError, match="needs the bars of GBP_USD, which it does not trade"):
        WorkbenchParts().make_ready(looking, _launch(tmp_path, "EUR_USD"))


def test_waiting_entries_other_instruments_traded_and_ranks_are_made_ready(tmp_path: Path) -> None:
    strategy = _rules(
        entry=StopAt(bar.ask.high),
        exit_long=(rank(bar.mid.close) < 1.5) & (bar.of("GBP_USD").mid.close > sma(bar.mid.close, 3)),
        stop=300,
    )
    ready = WorkbenchParts().make_ready(strategy, _launch(tmp_path, "GBP_USD", "EUR_USD"))
    assert ready.warm_up_bars == 40
