"""Every feature of rules and accounts: the compiled runs and the replay are one backtest."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.research.markets_for_tests import book_for, finer_walk, moved, ticks_of
from tests.research.strategies_for_tests import Cross, walk
from tests.research.test_paths_agree import assert_same
from workbench.domain.accounts import AccountMode, AccountRules, CloseOut
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.research import BacktestResult, replay_backtest, run_backtest
from workbench.research.account_terms import AccountTerms
from workbench.research.compiled_run import run_by_events
from workbench.research.given import given as put_in_order
from workbench.strategy import (
    BarExpr,
    LimitAt,
    Param,
    RiskFraction,
    Rules,
    StopAt,
    Strategy,
    TouchAt,
    Units,
    atr,
    crosses_above,
    crosses_below,
    pips,
    sma,
)

EUR, GBP, JPY = "EUR_USD", "GBP_USD", "USD_JPY"


class Everything(Strategy):
    """What rules can say, chosen by parameters."""

    entry = Param("market", choices=("market", "limit", "stop", "touch"))
    trail = Param(0.0, low=0.0, high=1_000.0)
    stop = Param(6.0, low=0.0, high=1_000.0)
    target = Param(9.0, low=0.0, high=1_000.0)
    max_bars = Param(0, low=0, high=100)
    adds = Param(0, low=0, high=3)
    reduces = Param(False)
    risk = Param(False)
    units = Param(10_000, low=1, high=10_000_000)

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, 4)
        level = {
            "market": None,
            "limit": LimitAt(bar.mid.close - pips(2)),
            "stop": StopAt(bar.mid.close + pips(2)),
            "touch": TouchAt(bar.mid.close + pips(1)),
        }[self.entry]
        return Rules(
            enter_long=crosses_above(bar.mid.close, mean),
            enter_short=crosses_below(bar.mid.close, mean),
            exit_long=bar.bid.close < mean - atr(bar, 4),
            exit_short=bar.ask.close > mean + atr(bar, 4),
            entry=level,
            stop=pips(self.stop) if self.stop else None,
            target=pips(self.target) if self.target else None,
            trail=pips(self.trail) if self.trail else None,
            max_bars=self.max_bars or None,
            add_long=bar.mid.close > mean if self.adds else None,
            add_short=bar.mid.close < mean if self.adds else None,
            max_adds=self.adds or 1,
            reduce=(bar.hour == 3, 0.5) if self.reduces else None,
            size=RiskFraction(0.01) if self.risk and self.stop else Units(self.units),
        )


@st.composite
def everything(draw: st.DrawFn) -> Everything:
    """Any of it."""
    return Everything(
        entry=draw(st.sampled_from(("market", "limit", "stop", "touch"))),
        trail=draw(st.sampled_from((0.0, 1.5, 8.0))),
        stop=draw(st.sampled_from((0.0, 0.6, 6.0))),
        target=draw(st.sampled_from((0.0, 0.7, 9.0))),
        max_bars=draw(st.sampled_from((0, 1, 5))),
        adds=draw(st.sampled_from((0, 2))),
        reduces=draw(st.booleans()),
        risk=draw(st.booleans()),
        units=draw(st.sampled_from((3, 10_000, 900_000))),
    )


@st.composite
def accounts(draw: st.DrawFn) -> AccountRules:
    """Every mode, with and without latency."""
    return AccountRules(
        mode=draw(st.sampled_from(list(AccountMode))),
        close_out=draw(st.sampled_from(list(CloseOut))),
        latency_ns=draw(st.sampled_from((0, 0, 90_000_000_000))),
    )


def same(strategy: Strategy, data: object, **options: object) -> BacktestResult:
    """Both runs, held against each other."""
    compiled = run_backtest(strategy, data, **options)
    assert_same(compiled, replay_backtest(strategy, data, **options))
    assert compiled.path == "compiled"
    return compiled


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy=everything(), account=accounts(), seed=st.integers(0, 9_999), step=st.sampled_from((5, 60)))
def test_all_that_rules_can_say_is_replayed_to_the_same_bits(
    strategy: Everything, account: AccountRules, seed: int, step: int
) -> None:
    same(
        strategy,
        walk(150, seed=seed, step=step),
        cost_book=book_for(EUR),
        account=account,
        balance=Decimal(50_000),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    strategy=everything(),
    account=accounts(),
    seed=st.integers(0, 9_999),
    form=st.sampled_from(("bars", "ticks", "only ticks")),
)
def test_finer_prices_are_replayed_to_the_same_bits(
    strategy: Everything, account: AccountRules, seed: int, form: str
) -> None:
    bars, fine = finer_walk(40, seed=seed)
    options = {"cost_book": book_for(EUR), "account": account}
    if form == "only ticks":
        same(strategy, ticks_of(fine, seed=seed), timeframe="M15", **options)
    else:
        same(strategy, bars, finer=fine if form == "bars" else ticks_of(fine, seed=seed), **options)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy=everything(), account=accounts(), seed=st.integers(0, 9_999), converts=st.booleans())
def test_several_instruments_are_replayed_to_the_same_bits_in_any_order(
    strategy: Everything, account: AccountRules, seed: int, converts: bool
) -> None:
    first = walk(80, seed=seed)
    second = moved(GBP, walk(60, seed=seed + 1, timeframe=Timeframe.H4))
    third = moved(JPY, walk(80, seed=seed + 2))
    data = [first, second, third] if converts else [first, second]
    options = {"cost_book": book_for(EUR, GBP, JPY), "account": account, "balance": Decimal(90_000)}
    result = same(strategy, data, **options)
    shuffled = run_backtest(strategy, {item.instrument.id: item for item in reversed(data)}, **options)
    assert shuffled.digest == result.digest
    assert set(result.traded) == {item.instrument.id for item in data}
    assert result.trades["net_profit"].sum() == pytest.approx(result.metrics["net_profit"], abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9_999),
    stop=st.sampled_from((0.0, 0.6, 5.0)),
    trail=st.sampled_from((0.0, 0.8, 6.0)),
    target=st.sampled_from((0.0, 4.0)),
    form=st.sampled_from(("bars", "finer", "ticks")),
    units=st.sampled_from((10_000, 400_000)),
)
def test_the_fast_path_is_the_event_loop_where_it_applies(
    seed: int, stop: float, trail: float, target: float, form: str, units: int
) -> None:
    strategy = Everything(stop=stop, trail=trail, target=target, units=units)
    bars, fine = finer_walk(60, seed=seed)
    finer = {"bars": None, "finer": fine, "ticks": ticks_of(fine, seed=seed)}[form]
    fast = run_backtest(strategy, bars, finer=finer, cost_book=book_for(EUR))
    terms = AccountTerms(
        currency="USD", balance=100_000_000_000, cost_books=(book_for(EUR),), rules=AccountRules()
    )
    slow = run_by_events(strategy.traced(), put_in_order(bars, finer=finer), terms)
    assert np.array_equal(fast.outcome.fills, slow.fills)
    assert np.array_equal(fast.outcome.equity, slow.equity)
    assert (fast.ambiguous_bars, fast.digest) == (slow.ambiguous_bars, slow.digest)


def test_finer_prices_tell_what_came_first_within_a_bar() -> None:
    bars, fine = finer_walk(400, seed=5, step=60)
    strategy = Everything(stop=3.0, target=3.0)
    coarse = run_backtest(strategy, bars, cost_book=book_for(EUR))
    by_minute = run_backtest(strategy, bars, finer=fine, cost_book=book_for(EUR))
    by_tick = run_backtest(strategy, bars, finer=ticks_of(fine, seed=5), cost_book=book_for(EUR))
    assert coarse.ambiguous_bars > by_minute.ambiguous_bars > by_tick.ambiguous_bars == 0
    assert [item.data["matched_on"] for item in (coarse, by_minute, by_tick)] == ["M15", "M1", "ticks"]
    assert "shorter bars" in str(by_minute.data["matched_meaning"])
    assert len({coarse.fingerprint, by_minute.fingerprint, by_tick.fingerprint}) == 3


def test_a_pair_in_another_currency_is_converted_by_one_that_is_only_quoted() -> None:
    yen, dollar = moved("EUR_JPY", walk(120, seed=1)), moved(JPY, walk(120, seed=2))
    strategy = Everything(risk=True)
    result = same(strategy, yen, also=dollar, cost_book=book_for("EUR_JPY", JPY), balance=Decimal(50_000))
    assert list(result.traded) == ["EUR_JPY"]
    assert [item.id for item in result.instruments] == ["EUR_JPY", "USD_JPY"]
    assert result.fills


def test_doubled_units_double_the_profit_where_costs_are_linear() -> None:
    bars = walk(300, seed=3)
    free = book_for(EUR, commission_ppm=0, financing_long_ppm=0, financing_short_ppm=0)
    once, twice = (
        run_backtest(Cross(units=units), bars, cost_book=free, balance=Decimal(1_000_000))
        for units in (10_000, 20_000)
    )
    assert twice.net_profit_micro == 2 * once.net_profit_micro != 0


@settings(max_examples=20, deadline=None)
@given(strategy=everything(), seed=st.integers(0, 9_999), known=st.integers(2, 60))
def test_a_future_cut_off_changes_nothing_before(strategy: Everything, seed: int, known: int) -> None:
    bars = [walk(60, seed=seed), moved(GBP, walk(60, seed=seed + 1))]
    whole = run_backtest(strategy, bars, cost_book=book_for(EUR, GBP))
    cut = max(int(bars[0].close_ns[known - 1]), int(bars[1].close_ns[0]))  # a bar of each
    prefix = run_backtest(strategy, [item.between(None, cut) for item in bars], cost_book=book_for(EUR, GBP))
    until = int(np.searchsorted(whole.round_ns, cut, side="left"))
    assert np.array_equal(whole.equity[:until], prefix.equity[:until])


def test_what_does_not_fit_together_is_refused() -> None:
    bars, fine = finer_walk(20, seed=1)
    with pytest.raises(BadInputError, match="timeframe="):
        run_backtest(Cross(), ticks_of(fine, seed=1), cost_book=book_for(EUR))
    with pytest.raises(BadInputError, match="twice"):
        run_backtest(Cross(), [bars, fine], cost_book=book_for(EUR))
    with pytest.raises(BadInputError, match="finer"):
        run_backtest(Cross(), fine, finer=bars, cost_book=book_for(EUR))
    with pytest.raises(BadInputError, match="mode"):
        run_backtest(Cross(), bars, cost_book=book_for(EUR), mode="sideways")
    with pytest.raises(BadInputError, match="engine"):
        run_backtest(Cross(), bars, cost_book=book_for(EUR), engine="lean")
