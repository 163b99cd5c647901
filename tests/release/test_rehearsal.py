"""A rehearsal decides as a live kernel does: all bars of an instant at once, orders taken back too."""

from dataclasses import replace

from tests.gateway.bench import COSTS, made_up_bars
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.release.rehearsal import decide_over
from workbench.research import replay_backtest
from workbench.strategy import LimitAt, Rules, RulesStrategy, Units, bar, rank, sma

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
    decided = decide_over(RANKED, series, cost_book=BOOK)
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
    whole = decide_over(RANKED, series, cost_book=BOOK)
    cut = decide_over(RANKED, [bars.at(0, 50) for bars in series], cost_book=BOOK)
    until = int(series[0].close_ns[49])
    for name in NAMES:
        assert [item for item in whole[name] if item[0] <= until] == cut[name]
