"""The pass for plain crossings and the pass for all plain rules are one backtest."""

from decimal import Decimal

import pytest

from tests.research.strategies_for_tests import Cross, book, walk
from tests.research.test_paths_agree import assert_same
from workbench.domain.timeframes import Timeframe
from workbench.research import compiled_run, run_backtest, sweep
from workbench.research.plain_steps import DONE
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, sma


class InAndOut(Strategy):
    """Enters on either side, sometimes on both at once, and leaves by exits of its own."""

    lookback = Param(5, low=2, high=50)

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, self.lookback)
        return Rules(
            enter_long=bar.bid.close > mean,
            enter_short=crosses_above(mean, bar.ask.low),
            exit_long=bar.bid.low < mean,
            exit_short=bar.ask.close > mean,
            size=Units(3_000),
        )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the pass for crossings said."""
    said: list[int] = []
    real = compiled_run._CROSSINGS

    def asked(*arguments: object) -> int:
        said.append(int(real(*arguments)))
        return said[-1]

    monkeypatch.setattr(compiled_run, "_CROSSINGS", asked)
    return said


@pytest.mark.parametrize("strategy", [Cross(fast=3, slow=9), InAndOut(), InAndOut(lookback=2)], ids=repr)
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.H1, Timeframe.H4])
@pytest.mark.parametrize("seed", range(4))
def test_both_passes_write_the_same(
    strategy: Strategy, timeframe: Timeframe, seed: int, answers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = walk(1_500, seed=seed, timeframe=timeframe, gap_share=0.05)
    options = {
        "cost_book": book(
            financing_long_ppm=-31_000, financing_short_ppm=9_000, slippage_points=seed, commission_ppm=7
        ),
        "balance": Decimal(200_000),
    }
    short = run_backtest(strategy, bars, **options)
    assert answers == [DONE]
    assert len(short.fills) > 50
    assert timeframe is Timeframe.M1 or short.outcome.financing_amount.size > 5
    monkeypatch.setattr(compiled_run.PlainRun, "crossed_units", lambda self, rules: 0)
    assert_same(short, run_backtest(strategy, bars, **options))
    assert answers == [DONE]


def test_a_small_account_goes_the_longer_way(answers: list[int]) -> None:
    bars = walk(1_500, seed=1)
    result = run_backtest(Cross(units=100_000), bars, cost_book=book(), balance=Decimal(9_000))
    assert answers
    assert answers[0] != DONE
    swept = sweep(
        Cross,
        bars,
        {"units": [1_000, 100_000], "fast": [3, 5]},
        cost_book=book(),
        balance=Decimal(9_000),
        progress=False,
    )
    for trial in swept.trials:
        alone = run_backtest(
            Cross(**trial.parameters), bars, cost_book=book(), balance=Decimal(9_000)
        ).metrics
        assert trial.result == alone
    assert result.metrics["fills"] > 0
