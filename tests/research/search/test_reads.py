"""A search knows the code and the constants that it was made with, and goes on with no others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.research.strategies_for_tests import Cross, book, walk
from workbench.research.search import OtherSearchError, Random, search
from workbench.strategy import spec
from workbench.strategy.reads import reads_of

CELL = """
import numpy as np
from workbench.strategy import Param, Rules, Strategy, Units, causal, sma
AWAY = {away}
LEVELS = {levels}
SLOW = {slow}
def units():
    return AMOUNT
AMOUNT = {amount}
@causal(window=3)
def last(x):
    return x[-1] + {extra}
class Own(Strategy):
    fast = Param(5, low=2, high=30)
    slow = Param(SLOW, low=10, high=60)
    def rules(self, bar):
        quick, slow = sma(bar.mid.close, self.fast), sma(last(bar.mid.close), self.slow)
        away = AWAY if self.fast > 5 else LEVELS["none"][0]
        return Rules(enter_long=quick > slow + away, exit_long=quick < slow, size=Units(units()))
"""
PLAIN = {"away": "0", "levels": "{'none': np.array([0.0])}", "slow": "20", "amount": "1_000", "extra": "0"}


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    """Cells as a notebook runs them."""
    return InteractiveShell()


def own(shell: InteractiveShell, **changed: str) -> type:
    """The class of the cell."""
    assert shell.run_cell(CELL.format(**{**PLAIN, **changed})).success
    found: type = shell.user_ns["Own"]
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {"away": "20"},
        {"levels": "{'none': np.array([1.0])}"},
        {"slow": "30"},
        {"amount": "2_000"},
        {"extra": "1"},
    ],
    ids=str,
)
def test_a_changed_constant_or_helper_is_another_search(
    shell: InteractiveShell, changed: dict[str, str], tmp_path: Path
) -> None:
    def found(strategy: type) -> list[float]:
        options = {"cost_book": book(), "method": Random(trials=4), "progress": False, "folder": tmp_path}
        return list(search(strategy, walk(200, seed=3), ["fast"], **options).figure("trades"))

    first = found(own(shell))
    assert found(own(shell)) == first  # the cell as it was, run again
    with pytest.raises(OtherSearchError, match="code"):
        found(own(shell, **changed))


def test_another_predicate_is_another_search(tmp_path: Path) -> None:
    def go(where: Callable[..., bool]) -> None:
        space = {"fast": (3, 4), "slow": (20, 30)}
        search(
            Cross, walk(200, seed=3), space, cost_book=book(), where=where, folder=tmp_path, progress=False
        )

    go(lambda fast, slow: fast < slow - 20)
    go(lambda fast, slow: fast < slow - 20)
    with pytest.raises(OtherSearchError, match="where"):
        go(lambda fast, slow: fast < slow - 10)


def test_values_count_by_what_they_hold() -> None:
    def reading(value: object) -> Callable[[], object]:
        return lambda: value

    same = [{"a": [1, (2.5, None)]}, {"x", "y", "z"}, np.arange(5), walk(30, seed=3), np]
    for value in same:
        assert reads_of(reading(value)) == reads_of(reading(value))
    assert len({reads_of(reading(value)) for value in same}) == len(same)
    assert reads_of(reading(np.arange(5))) != reads_of(reading(np.arange(5.0)))


BY_BAR = """
from workbench.strategy import Strategy, bar, crosses_above, sma
LEVEL = {level}
UP = crosses_above(sma(bar.mid.close, 5), sma(bar.mid.close, {slow}))
class ByBar(Strategy):
    def on_bar(self, market, account):
        if market.value(UP) == 1.0 and market.close > LEVEL:
            account.buy(1_000)
"""


def test_the_spec_of_an_on_bar_strategy_tells_what_it_reads(shell: InteractiveShell) -> None:
    def digest(level: int, slow: int) -> str:
        assert shell.run_cell(BY_BAR.format(level=level, slow=slow)).success
        found = spec(shell.user_ns["ByBar"]())["digest"]
        assert shell.user_ns["UP"].clock is not None  # an expression that was looked at is no other
        assert len(shell.user_ns["UP"].key) > 0
        assert spec(shell.user_ns["ByBar"]())["digest"] == found
        return str(found)

    first = digest(level=100, slow=20)
    assert digest(level=100, slow=20) == first
    assert len({first, digest(level=101, slow=20), digest(level=100, slow=21)}) == 3
