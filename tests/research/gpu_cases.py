"""What a card would do, against what the processor does.

Run by `test_gpu.py` in a process of its own, with numba's simulator in the place of a card: it acts every
thread of the kernels in Python, and is chosen before numba is imported (``NUMBA_ENABLE_CUDASIM=1``). Without
it the kernels' PTX is carried out, see `tests.research.ptx_on_processor`. With a card there is
`benchmarks/gpu_sweep.py`.
"""

import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.research.markets_for_tests import finer_walk, ticks_of
from tests.research.ptx_on_processor import install
from tests.research.strategies_for_tests import Bracket, Cross, book, walk
from tests.research.test_everything_agrees import Everything
from tests.research.test_passes_agree import InAndOut
from workbench.domain.accounts import AccountRules
from workbench.domain.timeframes import Timeframe
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.research import MemoryLedger, sweep
from workbench.research.account_terms import AccountTerms
from workbench.research.compiled_run import PlainRun, signals_of
from workbench.research.given import given as put_in_order
from workbench.research.gpu import DeviceRun, open_card
from workbench.research.gpu import card as gpu_card
from workbench.research.gpu import device_run as module
from workbench.research.gpu.card import SIMULATED
from workbench.research.statistics import day_ends
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, crosses_below, sma

if not SIMULATED:
    install()

EXAMPLES = int(os.environ.get("WORKBENCH_GPU_EXAMPLES", "6"))
patient = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


class Logical(Strategy):
    """Conditions of conditions: what is not, either, neither, equal, and where nothing is known."""

    lookback = Param(5, low=2, high=50)
    hours = Param(1, low=1, high=4)

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, self.lookback)
        rises = crosses_above(bar.mid.close, mean) & ~crosses_below(bar.bid.low, mean)
        falls = ~crosses_above(bar.ask.close, mean) & (bar.ask.close < mean)
        quiet = bar.bid.high == bar.bid.low
        return Rules(
            enter_long=rises | (bar.hour == 3),
            enter_short=falls & (bar.hour != 5) & ~quiet,
            exit_long=~(bar.bid.close >= mean),
            exit_short=(bar.ask.close > mean) | quiet,
            size=Units(2_000 * self.hours),
        )


def both(
    strategies: Sequence[Strategy], data: Any, *, cost_book: Any, balance: int, by_bar: bool, **options: Any
) -> int:
    """Hold the sums of both against each other, bit for bit; how many runs took no engine."""
    terms = AccountTerms(
        currency="USD",
        balance=balance * 1_000_000,
        cost_books=as_cost_books(cost_book),
        rules=AccountRules(),
    )
    prices = put_in_order(data, **options)
    plain = PlainRun.prepared(prices, terms)
    assert plain is not None
    ((name, bars),) = prices.decided.items()
    first = prices.first[name]
    last = day_ends(prices.traded[name].close_ns).last if by_bar else None
    rules = [item.traced() for item in strategies]
    signals = signals_of(rules, bars, first=first, others=prices.others)
    expected, void = plain.sums(rules, signals, last=last)
    card = DeviceRun(plain, open_card(), bars, first=first, others=prices.others, last=last)
    found, void_there = card.sums(rules)
    assert void_there.tolist() == void.tolist()
    done = ~void
    for part in ("totals", "deepest", "falls", "ends"):
        here, there = getattr(expected, part)[done], getattr(found, part)[done]
        assert here.tobytes() == there.tobytes(), part
    return int(done.sum())


costs = st.builds(
    book,
    commission_ppm=st.sampled_from((0, 7, 35)),
    financing_long_ppm=st.sampled_from((-31_000, 0, 12_000)),
    financing_short_ppm=st.sampled_from((-9_000, 15_000)),
    slippage_points=st.sampled_from((0, 3)),
    slippage_spread_ppm=st.sampled_from((0, 250_000)),
    margin_rate_ppm=st.sampled_from((20_000, 500_000)),
)


@patient
@given(
    seed=st.integers(0, 9_999), costs=costs, by_bar=st.booleans(), size=st.sampled_from((3, 10_000, 10**6))
)
def test_crossings(seed: int, costs: Any, by_bar: bool, size: int) -> None:
    strategies = [Cross(fast=2, slow=5, units=size), Cross(fast=3, slow=9, units=7_000), InAndOut(lookback=4)]
    bars = walk(200, seed=seed)
    assert both(strategies, bars, cost_book=costs, balance=200_000, by_bar=by_bar) >= 1


@patient
@given(seed=st.integers(0, 9_999), count=st.integers(2, 140), skip=st.integers(0, 70))
def test_conditions_of_conditions_from_any_bar_on(seed: int, count: int, skip: int) -> None:
    bars = walk(count + skip, seed=seed)
    begin = int(bars.close_ns[skip]) if skip and count > 2 else None
    strategies = [Logical(lookback=2), Logical(lookback=3, hours=2), Logical(lookback=40)]
    done = both(strategies, bars, cost_book=book(), balance=10**6, by_bar=True, trade_from_ns=begin)
    assert done == len(strategies)


@patient
@given(
    seed=st.integers(0, 9_999),
    costs=costs,
    stop=st.sampled_from((0.0, 0.6, 5.0)),
    trail=st.sampled_from((0.0, 0.8, 6.0)),
    target=st.sampled_from((0.0, 4.0)),
    form=st.sampled_from(("bars", "finer", "ticks")),
)
def test_stops_targets_and_trails_on_bars_finer_bars_and_ticks(
    seed: int, costs: Any, stop: float, trail: float, target: float, form: str
) -> None:
    bars, fine = finer_walk(16, seed=seed)
    finer = {"bars": None, "finer": fine, "ticks": ticks_of(fine, seed=seed)}[form]
    strategies = [
        Everything(stop=stop, trail=trail, target=target, units=10_000),
        Everything(stop=3.0, trail=trail, target=target, risk=True),
        Everything(stop=stop, trail=2.0, target=6.0, units=400_000),
    ]
    by_bar = seed % 2 == 0
    assert both(strategies, bars, finer=finer, cost_book=costs, balance=100_000, by_bar=by_bar) >= 1


@patient
@given(seed=st.integers(0, 9_999), costs=costs, step=st.sampled_from((60, 900)))
def test_brackets_by_risk_and_accounts_too_small(seed: int, costs: Any, step: int) -> None:
    bars = walk(130, seed=seed, step=step, spread=120 if step == 900 else 13)
    strategies = [
        Bracket(lookback=2, stop_pips=0.4, target_pips=20.0, units=10_000),
        Bracket(lookback=5, stop_pips=60.0, target_pips=90.0, units=400_000),
        Bracket(lookback=4, risk=0.01),
        Cross(units=1_000_000),
    ]
    both(strategies, bars, cost_book=costs, balance=50_000, by_bar=True)


def test_the_cases_reach_stops_targets_financing_and_the_engine() -> None:
    wild, slow = walk(130, seed=3, step=900), walk(130, seed=3, timeframe=Timeframe.H4)
    grids = (wild, {"stop": [2.0, 9.0]}), (slow, {"stop": [200.0], "target": [0.0], "trail": [90.0]})
    found = [
        sweep(Everything, bars, grid, cost_book=book(), progress=False, device="cuda").trials
        for bars, grid in grids
    ]
    assert found[0].column("ambiguous_bars").max() > 0
    assert np.abs(found[1].column("financing")).min() > 0
    bars = walk(130, seed=3, step=900, spread=120)
    poor = [Cross(units=1_000_000), Cross(units=1_000)]
    assert both(poor, bars, cost_book=book(), balance=9_000, by_bar=True) == 1


@pytest.mark.parametrize("statistics", ["bars", "trades"])
def test_a_sweep_gives_the_same_table_and_counts_the_same_trials(
    statistics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_RUNS", 3)  # several blocks
    bars, grid = walk(120, seed=5), {"fast": [2, 3, 4], "slow": [5, 9], "units": [1_000, 10**6]}
    ledgers = MemoryLedger(), MemoryLedger()
    here, there = (
        sweep(
            Cross, bars, grid, cost_book=book(), balance=Decimal(30_000), statistics=statistics,
            ledger=ledger, progress=False, device=device, where=lambda fast, slow, units: fast * 2 < slow,
        )
        for ledger, device in zip(ledgers, ("cpu", "cuda"), strict=True)
    )  # fmt: skip
    assert here.digest == there.digest
    assert ledgers[0].trials == ledgers[1].trials
    assert len(there) == len(ledgers[1].trials) == 8


def test_other_clocks_are_left_to_the_processor() -> None:
    class Slower(Cross):
        def rules(self, bar: BarExpr) -> Rules:
            mean = sma(bar.timeframe("H4").mid.close, self.fast)
            return Rules(enter_long=bar.mid.close > mean, enter_short=bar.mid.close < mean, size=Units(1_000))

    bars = walk(150, seed=8)
    assert both([Slower(fast=2), Slower(fast=3)], bars, cost_book=book(), balance=10**5, by_bar=True) == 2


def test_what_does_not_fit_at_once_is_taken_in_parts_and_what_never_fits_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_NUMBERS_BYTES", 8 * 4 * (60 + 3 * 64))  # four columns
    monkeypatch.setattr(module, "_SIGNAL_BYTES", 0)
    bars, strategies = walk(60, seed=2), [Cross(fast=at, slow=3 * at) for at in (2, 3, 4, 5, 6)]
    assert both(strategies, bars, cost_book=book(), balance=10**6, by_bar=True) == 5
    monkeypatch.setattr(gpu_card, "_SIMULATED_BYTES", 7_000)
    with pytest.raises(BadInputError, match=r"room for one combination of 60 bars.*statistics='trades'"):
        both(strategies, bars, cost_book=book(), balance=10**6, by_bar=True)


def test_a_sweep_that_is_interrupted_counts_the_blocks_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_RUNS", 2)
    real, calls = DeviceRun.sums, []

    def interrupted(self: DeviceRun, rules: Sequence[Rules]) -> Any:
        calls.append(len(rules))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, rules)

    monkeypatch.setattr(DeviceRun, "sums", interrupted)
    ledger = MemoryLedger()
    with pytest.raises(KeyboardInterrupt):
        sweep(
            Cross, walk(60, seed=1), {"fast": range(2, 9)}, cost_book=book(), ledger=ledger,
            progress=False, device="cuda",
        )  # fmt: skip
    assert [item.parameters["fast"] for item in ledger.trials] == [2, 3, 4, 5]
