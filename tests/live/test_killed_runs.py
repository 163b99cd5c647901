"""Rules with kernel and gateway killed under way: the executions of the backtest, to the last digit."""

import pytest

from tests.live.house import House
from tests.live.killed_run import killed_run
from tests.live.notebook_strategies import BREAKOUT, DEFINE, TRAILING

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("source", "reasons"),
    [
        (DEFINE, {"MARKET"}),
        (BREAKOUT, {"STOP", "LIMIT", "STOP_LOSS", "TAKE_PROFIT"}),
        (TRAILING, {"MARKET", "TRAILING_STOP"}),
    ],
    ids=["crossing", "breakout", "trailing"],
)
def test_a_run_with_killed_processes_has_exactly_the_fills_of_the_backtest(
    house: House, source: str, reasons: set[str]
) -> None:
    killed_run(house.take_in(source), reasons=reasons)
