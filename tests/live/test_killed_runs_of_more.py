"""Free code and several instruments, kernel and gateway killed under way: the executions of the backtest."""

from typing import Any

import pytest

from tests.live.house import House
from tests.live.killed_run import killed_run
from tests.live.notebook_strategies import BY_HAND, FOLLOWER, RANKED

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("source", "terms", "reasons"),
    [
        (BY_HAND, {}, {"STOP", "LIMIT", "STOP_LOSS", "TRAILING_STOP"}),
        (RANKED, {"traded": ["EUR_USD", "GBP_USD", "AUD_USD"]}, {"MARKET", "STOP_LOSS"}),
        (FOLLOWER, {"traded": ["EUR_USD", "EUR_GBP"], "others": ["GBP_USD"]}, {"MARKET", "TAKE_PROFIT"}),
    ],
    ids=["by hand", "three ranked", "converted"],
)
def test_a_run_with_killed_processes_has_exactly_the_fills_of_the_backtest(
    house: House, source: str, terms: dict[str, Any], reasons: set[str]
) -> None:
    killed_run(house.take_in(source, **terms), reasons=reasons)
