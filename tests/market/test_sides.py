"""The other side of a one-sided series."""

from datetime import date

import numpy as np
import pytest

from workbench.domain.calendar import day_open_ns
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import timeframe
from workbench.errors import BadInputError
from workbench.market.sides import with_both_sides

EUR_USD = instrument("EUR_USD")


def _book(valid_from: date, spread: int):
    book = retail_book("EUR_USD")
    return book.with_costs("EUR_USD", spread_points=(spread,) * 168).replace(valid_from=valid_from)


def _asks(costs, open_ns):
    prices = {f"bid_{part}": np.full(len(open_ns), 110_000) for part in ("open", "high", "low", "close")}
    plain = {name.removeprefix("bid_"): column for name, column in prices.items()}
    both = with_both_sides(
        plain, side="bid", open_ns=open_ns, instrument=EUR_USD, timeframe=timeframe("H1"), cost_book=costs
    )
    return both.prices["ask_close"].tolist()


def test_each_bar_takes_the_spread_of_the_costs_of_its_day():
    first, second = _book(date(2018, 1, 1), 10), _book(date(2018, 3, 7), 25)
    change = day_open_ns(date(2018, 3, 7))  # 17:00 New York of 6 March
    open_ns = np.array([change - 3_600_000_000_000, change, change + 3_600_000_000_000])
    assert _asks(CostHistory([first, second]), open_ns) == [110_010, 110_025, 110_025]
    assert _asks(first, open_ns) == [110_010] * 3


def test_a_bar_before_the_first_costs_is_refused():
    with pytest.raises(BadInputError, match="expected a day from 2018-01-01 on"):
        _asks(CostHistory([_book(date(2018, 1, 1), 10)]), np.array([day_open_ns(date(2017, 12, 20))]))
