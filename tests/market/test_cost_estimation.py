"""Spreads by hour of week, measured on quotes whose spreads are known."""

import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import retail_book, retail_costs
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import make_bars
from workbench.market.costs.estimation import ThinQuotesError, estimate_spreads
from workbench.market.new_york import hours_of_week
from workbench.market.ticks import Ticks

EUR_USD = instrument("EUR_USD")
SUNDAY = to_ns(datetime(2026, 3, 1, 22, tzinfo=UTC))  # 17:00 New York, when the week opens
MINUTE = 60_000_000_000


def _ticks(time_ns: np.ndarray, spread: np.ndarray, name: str = "EUR_USD") -> Ticks:
    time_ns = np.asarray(time_ns, np.int64)
    bid = np.full(len(time_ns), 110_000, np.int64)
    none = np.zeros(len(time_ns), np.int64)
    return Ticks(
        instrument=instrument(name), time_ns=time_ns, bid=bid, ask=bid + spread, bid_size=none, ask_size=none
    )


def _week(every: int = MINUTE) -> np.ndarray:
    return np.arange(SUNDAY, SUNDAY + 120 * 60 * MINUTE, every, dtype=np.int64)


def test_each_hour_gets_the_spread_of_its_quotes() -> None:
    times = _week()
    spread = 10 + hours_of_week(times)
    table = estimate_spreads(_ticks(times, spread))
    assert table.points[:120] == tuple(range(10, 130))
    assert set(table.counts[:120].tolist()) == {60}
    assert table.counts[120:].sum() == 0
    assert table.filled == tuple((hour, "closed: as the last hour of the week") for hour in range(120, 168))
    assert table.points[120:] == (129,) * 48
    assert "48 of 168 hours had too few quotes and were filled in" in str(table)
    assert "Fri 17:00 to Sun 16:00" in str(table)


def test_the_statistic_is_chosen() -> None:
    times = _week()
    spread = np.where(np.arange(len(times)) % 10 == 0, 100, 10)  # one in ten is wide
    ticks = _ticks(times, spread)
    assert estimate_spreads(ticks).points[0] == 19
    assert estimate_spreads(ticks, statistic="median").points[0] == 10
    assert estimate_spreads(ticks, statistic="q90").points[0] == 10
    assert estimate_spreads(ticks, statistic="q95").points[0] == 100
    assert estimate_spreads(ticks).quantiles[0].tolist() == [10, 10, 10, 100]
    for wrong in ("average", "q0", "q100", "qx"):
        with pytest.raises(BadInputError, match="expected mean, median or a quantile"):
            estimate_spreads(ticks, statistic=wrong)


def test_a_quote_may_count_as_long_as_it_stands() -> None:
    # 59 s at 10 points and 1 s at 70, again and again: 11 points over time, 40 by quotes
    minutes = _week()
    times = np.column_stack([minutes, minutes + 59 * 10**9]).ravel()
    ticks = _ticks(times, np.tile([10, 70], len(minutes)))
    assert estimate_spreads(ticks).points[5] == 40
    assert estimate_spreads(ticks, weight="time").points[5] == 11
    with pytest.raises(BadInputError, match="weight: expected quotes"):
        estimate_spreads(ticks, weight="volume")


@pytest.mark.parametrize("weight", ["quotes", "time"])
def test_batches_give_what_the_whole_gives(weight: str) -> None:
    times = _week(17 * 10**9)
    spread = np.random.default_rng(1).integers(0, 90, len(times))
    whole = _ticks(times, spread)
    batches = (whole.at(low, low + 997) for low in range(0, len(whole), 997))
    one, many = estimate_spreads(whole, weight=weight), estimate_spreads(batches, weight=weight)
    assert one.points == many.points
    assert (one.counts == many.counts).all()
    assert (one.first_ns, one.last_ns) == (many.first_ns, many.last_ns)


def test_crossed_quotes_are_left_out_and_counted() -> None:
    times = _week()
    spread = np.where(np.arange(len(times)) % 3 == 0, -5, 12)
    table = estimate_spreads(_ticks(times, spread))
    assert table.points[0] == 12
    assert table.crossed == len(times) // 3
    assert "2,400 crossed quotes" in str(table)


def test_thin_hours_are_an_error_that_names_them() -> None:
    times = _week()
    hours = hours_of_week(times)
    ticks = _ticks(times, 10 + hours % 24)
    holes = _ticks(times[(hours < 30) | (hours > 40)], (10 + hours % 24)[(hours < 30) | (hours > 40)])
    with pytest.raises(
        ThinQuotesError, match=r"30 quotes or more .* in 11 of 120: Mon 23:00 to Tue 09:00"
    ) as caught:
        estimate_spreads(holes)
    assert caught.value.hours == tuple(range(30, 41))
    with pytest.raises(ThinQuotesError, match="in 120 of 120"):
        estimate_spreads(ticks, minimum=1_000)


def test_thin_hours_are_filled_only_when_asked_and_it_is_told() -> None:
    times = _week()
    hours = hours_of_week(times)
    kept = (hours < 30) | (hours > 40)
    table = estimate_spreads(_ticks(times[kept], (10 + hours % 24)[kept]), fill="same hour")
    assert table.points[30:41] == tuple(10 + hour % 24 for hour in range(30, 41))
    assert dict(table.filled)[30] == "from the same hour of all days"
    assert "from the same hour of all days: Mon 23:00 to Tue 09:00" in str(table)
    assert (table.rows()[30]["quotes"], table.rows()[30]["mean"]) == (0, None)
    assert table.to_json()["filled"][0] == [30, "from the same hour of all days"]
    first = _ticks(times[hours < 1], np.full(60, 9))
    with pytest.raises(ThinQuotesError, match="in 115 of 120: Sun 18:00 to Mon 16:00"):
        estimate_spreads(first, fill="same hour")
    with pytest.raises(BadInputError, match="fill: expected refuse or same hour"):
        estimate_spreads(_ticks(times, hours), fill="guess")


def test_bars_of_an_hour_or_less_with_both_sides_will_do() -> None:
    opens = np.arange(SUNDAY, SUNDAY + 4 * 7 * 24 * 60 * MINUTE, 60 * MINUTE, dtype=np.int64)
    opens = opens[hours_of_week(opens) < 120]
    bid = np.full(len(opens), 110_000, np.int64)
    wide = bid + 20
    prices = {f"bid_{part}": bid for part in ("open", "high", "low", "close")}
    prices |= {"ask_open": bid + 10, "ask_high": wide, "ask_low": bid + 10, "ask_close": wide}
    bars = make_bars(EUR_USD, timeframe=Timeframe.H1, open_ns=opens, prices=prices)
    table = estimate_spreads(bars, minimum=8)
    assert table.points == (15,) * 168
    with pytest.raises(BadInputError, match="bars with quoted bid and ask, found mid"):
        estimate_spreads(replace(bars, sides="mid"))
    with pytest.raises(BadInputError, match="weight: expected quotes"):
        estimate_spreads(bars, weight="time")
    long = make_bars(
        EUR_USD, timeframe=Timeframe.H4, open_ns=opens[2:3], prices={k: v[2:3] for k, v in prices.items()}
    )
    with pytest.raises(BadInputError, match="expected bars of an hour or less, found H4"):
        estimate_spreads(long)


def test_no_quotes_and_quotes_of_two_instruments_are_refused() -> None:
    with pytest.raises(BadInputError, match="found none"):
        estimate_spreads([])
    times = _week()
    with pytest.raises(BadInputError, match="one instrument, found EUR_USD and GBP_USD"):
        estimate_spreads([_ticks(times, times * 0), _ticks(times, times * 0, "GBP_USD")])


def test_a_measured_table_goes_into_a_book_with_a_note() -> None:
    times = _week()
    table = estimate_spreads(_ticks(times, np.full(len(times), 14)))
    book = retail_book("EUR_USD", "USD_JPY")
    new = table.into(book)
    assert new.of("EUR_USD").spread_points == (14,) * 168
    assert new.parent == book.version
    assert new.note.startswith("EUR_USD: mean spread of 7,200 quotes by hour of week")
    assert new.note.endswith("48 hours filled in")
    assert table.costs(retail_costs("EUR_USD")) == new.of("EUR_USD")
    assert table._repr_html_().count("<td") == 168


def test_oandas_ticks_of_may_2014_are_widest_at_17_new_york(real_data: Path) -> None:
    # seen in these ticks by other means: 17:00 to 17:15 New York averages 3.4 pips
    files = sorted((real_data / "oanda_eurusd_2014-05" / "tick").glob("*_quote.zip"))
    batches = []
    for path in files:
        with zipfile.ZipFile(path) as packed:
            text = packed.read(packed.namelist()[0])
        rows = np.loadtxt(io.BytesIO(text), delimiter=",", usecols=(0, 1, 2), ndmin=2)
        midnight = to_ns(datetime.strptime(path.name[:8], "%Y%m%d").replace(tzinfo=UTC))
        bid, ask = np.rint(rows[:, 1] * 1e5).astype(np.int64), np.rint(rows[:, 2] * 1e5).astype(np.int64)
        none = np.zeros(len(rows), np.int64)
        times = midnight + rows[:, 0].astype(np.int64) * 1_000_000
        batches.append(
            Ticks(instrument=EUR_USD, time_ns=times, bid=bid, ask=ask, bid_size=none, ask_size=none)
        )
    first = np.concatenate([item.ask - item.bid for item in batches])
    local = np.concatenate([hours_of_week(item.time_ns) for item in batches])
    table = estimate_spreads(batches, fill="same hour")
    assert table.crossed == 0
    by_hour = [np.mean(table.points[hour % 24 : 120 : 24]) for hour in range(24)]
    assert int(np.argmax(by_hour)) == 0  # 17:00 to 18:00
    assert table.means[50] == pytest.approx(first[local == 50].mean())
