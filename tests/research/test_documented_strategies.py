"""The strategies that the documentation shows run as they stand there, and do what it says."""

import linecache
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.research.markets_for_tests import book_for
from tests.research.strategies_for_tests import walk
from tests.research.test_paths_agree import assert_same
from workbench.research import replay_backtest, run_backtest
from workbench.strategy import AccountView, MarketView, Strategy

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to.md"


def documented(heading: str) -> Strategy:
    """The strategy of the first block of code below a heading."""
    text = HOW_TO.read_text().split(f"{heading}\n", 1)[1]
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    source = code.group(1)
    name = f"<{heading}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    scope: dict[str, object] = {"__name__": "documented"}
    exec(compile(source, name, "exec"), scope)
    found = next(
        item
        for item in scope.values()
        if isinstance(item, type) and issubclass(item, Strategy) and item is not Strategy
    )
    return found()


@pytest.mark.parametrize(
    "heading",
    ["## Write a strategy that rules can not express", "### Trail a stop by hand, and move a waiting order"],
)
def test_a_documented_strategy_trades_and_both_ways_of_running_it_agree(heading: str) -> None:
    bars = walk(800, seed=3)
    options = {"cost_book": book_for("EUR_USD")}
    fast = run_backtest(documented(heading), bars, **options)
    assert fast.path == "callback"
    assert len(fast.fills) > 10
    assert_same(fast, replay_backtest(documented(heading), bars, **options))


def test_the_stop_that_is_trailed_by_hand_never_moves_away() -> None:
    stops: list[tuple[int, int]] = []

    class Watched(type(documented("### Trail a stop by hand, and move a waiting order"))):  # type: ignore[misc]
        def on_bar(self, market: MarketView, account: AccountView) -> None:
            held = account.position()
            stops.append((held.units, held.stop) if held else (0, 0))
            super().on_bar(market, account)

    result = run_backtest(Watched(), walk(800, seed=3), cost_book=book_for("EUR_USD"))
    held_on = [(before, after) for (units, before), (then, after) in pairwise(stops) if units and then]
    assert all(after >= before for before, after in held_on)
    assert sum(after > before for before, after in held_on) > 10
    assert {fill.reason for fill in result.fills} == {"STOP", "STOP_LOSS"}
