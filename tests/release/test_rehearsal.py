"""A rehearsal decides as a live kernel does: all bars of an instant at once, orders taken back too."""

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import COSTS, made_up_bars
from tests.gateway.tick_room import made_up_ticks
from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import MarketStore, bars_from_ticks
from workbench.market.ticks import Ticks
from workbench.release.rehearsal import ORDER, decide_over, rehearse
from workbench.release.rehearsal_progress import ProgressFile, progress_told
from workbench.release.tick_rehearsal import decide_over_ticks, start_of_last
from workbench.research import replay_backtest, run_backtest
from workbench.store import open_store
from workbench.strategy import (
    AccountView,
    LimitAt,
    MarketView,
    Rules,
    RulesStrategy,
    Strategy,
    Units,
    bar,
    rank,
    sma,
)

NAMES = ("EUR_USD", "GBP_USD")
BOOK = replace(COSTS, costs={InstrumentId(name): retail_costs(name) for name in NAMES})
RANKED = RulesStrategy(
    "Ranked",
    Rules(
        enter_long=rank(bar.mid.close - sma(bar.mid.close, 5)) > 1.5,
        entry=LimitAt(bar.bid.low),
        expires_bars=2,
        exit_long=rank(bar.mid.close - sma(bar.mid.close, 5)) < 1.5,
        stop=300,
        size=Units(1_000),
    ),
)


def test_several_instruments_are_decided_together_as_in_the_backtest() -> None:
    series = [made_up_bars(80, seed=seed, name=name) for seed, name in enumerate(NAMES)]
    decided = decide_over(RANKED, series, cost_book=BOOK).decisions
    assert set(decided) == set(NAMES)
    result = replay_backtest(RANKED, series, cost_book=BOOK)
    for name in NAMES:
        sent = sum(len(orders) for _, orders in decided[name])
        filled = {fill.client_order_id for fill in result.fills if fill.instrument == name}
        assert sent >= len(filled) > 3
        closes = [close for close, _ in decided[name]]
        assert closes == sorted(set(closes))
        assert all(order["instrument"] == name for _, orders in decided[name] for order in orders)


def test_what_was_decided_does_not_change_with_the_future_taken_away() -> None:
    series = [made_up_bars(80, seed=seed, name=name) for seed, name in enumerate(NAMES)]
    whole = decide_over(RANKED, series, cost_book=BOOK).decisions
    cut = decide_over(RANKED, [bars.at(0, 50) for bars in series], cost_book=BOOK).decisions
    until = int(series[0].close_ns[49])
    for name in NAMES:
        assert [item for item in whole[name] if item[0] <= until] == cut[name]


class Runs(Strategy):
    """Buys after three rising quotes."""

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.last = self.rising = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        bid = market.quote.bid
        self.rising = self.rising + 1 if bid > self.last else 0
        self.last = bid
        if self.rising >= 3 and account.units == 0:
            account.buy(1_000, stop=40, target=30)


class RunsAndCloses(Runs):
    """And is out at each bar's end."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        account.close()


def over_ticks(made: Strategy, ticks: Ticks, **options: Any) -> list[list[Any]]:
    bars = bars_from_ticks(ticks, Timeframe("M5"))
    found = decide_over_ticks(
        made,
        [ticks],
        [bars],
        traded=["EUR_USD"],
        cost_book=COSTS,
        rules=AccountRules(),
        currency="USD",
        balance=100_000_000_000,
        deployment="rehearsal",
        **options,
    )
    return found.decisions["EUR_USD"]


@pytest.mark.parametrize("made", [Runs, RunsAndCloses])
def test_a_tick_strategy_is_rehearsed_quote_by_quote_as_in_its_backtest(made: type[Strategy]) -> None:
    ticks = made_up_ticks(1_500)
    decided = over_ticks(made(), ticks)
    result = run_backtest(made(), ticks, timeframe="M5", cost_book=COSTS, balance=Decimal(100_000))
    entered = [fill.time_ns for fill in result.fills if fill.reason == "MARKET" and fill.units > 0]
    sent = [time_ns for time_ns, wishes in decided for wish in wishes if not wish["reduce_only"]]
    assert len(entered) > 10
    assert len(sent) - len(entered) in (0, 1)  # the last may find no further quote
    after = [at for at, time_ns in enumerate(ticks.time_ns.tolist()) if time_ns in set(entered)]
    assert {int(ticks.time_ns[at - 1]) for at in after} >= set(sent[: len(entered)])
    assert all(early <= late for early, late in zip(sent, entered, strict=False))


def test_what_a_tick_strategy_decided_does_not_change_with_the_future_taken_away() -> None:
    ticks = made_up_ticks(1_500)
    whole = over_ticks(RunsAndCloses(), ticks)
    until = int(ticks.time_ns[900])
    cut = over_ticks(RunsAndCloses(), ticks.between(None, until + 1))
    found = [item for item in cut if item[0] <= until]  # a bar may be closed by the end of the ticks
    assert [item for item in whole if item[0] <= until] == found
    assert len(found) > 5


def test_of_many_quotes_the_last_are_decided_on_after_the_bars_before_have_warmed_the_strategy_up() -> None:
    ticks = made_up_ticks(1_500)
    start_ns = start_of_last([ticks.at(0, 700), ticks.at(700, 1_500)], most=600)
    assert start_ns == int(ticks.time_ns[900])
    assert start_of_last([ticks], most=1_500) == 0
    told: list[tuple[int, int]] = []

    class Counts(Runs):
        def on_tick(self, market: MarketView, account: AccountView) -> None:
            account.buy(1 + len(market))  # as many units as bars are known

    bars = bars_from_ticks(ticks, Timeframe("M5"))
    decided = over_ticks(
        Counts(), ticks, start_ns=start_ns, progress=lambda done, of: told.append((done, of))
    )
    assert decided[0][0] == start_ns
    assert decided[0][1][0]["units"] == 1 + int((bars.close_ns <= start_ns).sum())
    assert sum(len(orders) for _, orders in decided) == 600
    whole = over_ticks(Counts(), ticks)
    assert [(at, [item["units"] for item in found]) for at, found in decided] == [
        (at, [item["units"] for item in found]) for at, found in whole if at >= start_ns
    ]


def test_a_rehearsal_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with progress_told(tmp_path / "out.json", lambda done, of: told.append((done, of))):
        ProgressFile(tmp_path / "out.json").write(30_000, 90_000)
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told == [(30_000, 90_000)]


def rehearsed(folder: Path, monkeypatch: pytest.MonkeyPatch, fingerprint: str) -> dict[str, Any]:
    order = {
        "out": str(folder / "out.json"),
        "until_ns": 0,
        "market_dir": str(folder / "market"),
        "store_url": f"sqlite:///{folder / 'store.db'}",
        "data": {"EUR_USD M5": fingerprint},
        "cost_book": COSTS.to_json(),
        "account": {},
    }
    (folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
    monkeypatch.setenv(ORDER, str(folder / "order.json"))
    rehearse((Runs(), ["EUR_USD"], "M5"))
    return dict(json.loads((folder / "out.json").read_text(encoding="utf-8")))


def test_pinned_ticks_are_taken_and_pinned_bars_refused_for_a_tick_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = made_up_ticks(1_500)
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store = MarketStore(tmp_path / "market", engine)
    pinned = store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    found = rehearsed(tmp_path, monkeypatch, pinned.fingerprint)
    assert found["decisions"]["EUR_USD"] == over_ticks(Runs(), ticks)
    assert (found["bars"], found["events"]) == ({"EUR_USD": 1_500}, "quotes")
    bars = store.add(bars_from_ticks(ticks, Timeframe("M5")), source="made up")
    with pytest.raises(BadInputError, match=r"every quote \(on_tick\): expected the pinned data of EUR_USD"):
        rehearsed(tmp_path, monkeypatch, bars.dataset.fingerprint)
    engine.dispose()
