"""Real files of vendors; they are not shipped, see `real_data` in conftest."""

import csv
import io
import lzma
import struct
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from workbench.domain.calendar import hour_of_week, to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, MarketStore, check_bars, resample
from workbench.market.bars import PRICES, Ints
from workbench.market.errors import (
    AmbiguousFormatError,
    TimeZoneNotStatedError,
    WrongTimeZoneError,
)
from workbench.market.formats import Source, open_source
from workbench.market.importing import bars_from_file
from workbench.market.repairing import repair
from workbench.market.ticks import Ticks

EUR_USD, GBP_USD = instrument("EUR_USD"), instrument("GBP_USD")
MINUTE, HOUR = 60 * 10**9, 3_600 * 10**9


def _zipped(path: Path) -> Iterator[list[str]]:
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        yield from csv.reader(io.TextIOWrapper(member))


def _bars(source: Source) -> Bars:
    (found,) = source.batches()
    assert isinstance(found, Bars)
    return found


def _ticks(source: Source) -> Ticks:
    (found,) = source.batches()
    assert isinstance(found, Ticks)
    return found


def _made_of(ticks: Ticks, length: int) -> dict[int, tuple[int, ...]]:
    """Bars of ticks, made here in the plainest way: opening time to the eight prices."""
    starts = ticks.time_ns // length * length
    edges = np.flatnonzero(np.diff(starts, prepend=-1))
    found = {}
    for low, high in zip(edges, [*edges[1:], len(ticks)], strict=True):
        sides = [column[low:high] for column in (ticks.bid, ticks.ask)]
        found[int(starts[low])] = tuple(
            int(value) for side in sides for value in (side[0], side.max(), side.min(), side[-1])
        )
    return found


def _by_open(bars: Bars) -> dict[int, tuple[int, ...]]:
    columns = [getattr(bars, name).tolist() for name in PRICES]
    return dict(zip(bars.open_ns.tolist(), zip(*columns, strict=True), strict=True))


def test_oandas_ticks_make_every_one_of_its_minutes(real_data: Path) -> None:
    folder = real_data / "oanda_eurusd_2014-05"
    ticks = _ticks(open_source(folder / "tick", EUR_USD))
    source = open_source(folder / "minute", EUR_USD)
    minutes = _bars(source)
    assert (source.format, source.zone.zone, minutes.timeframe, minutes.sides) == (
        *("lean", "UTC", Timeframe.M1, "bid+ask"),
    )
    assert (len(ticks), len(minutes)) == (532_903, 15_366)
    assert _made_of(ticks, MINUTE) == _by_open(minutes)
    repeated = np.diff(ticks.time_ns) == 0
    assert int(repeated.sum()) == 4_494
    with pytest.raises(AmbiguousFormatError, match=r"lean \(13 files\), lean-ticks \(13 files\)"):
        open_source(folder, EUR_USD)


def test_a_vendors_zip_is_read_as_a_plain_reader_reads_it(real_data: Path) -> None:
    path = real_data / "oanda_eurusd_2014-05" / "tick" / "20140508_quote.zip"
    midnight = to_ns(datetime(2014, 5, 8, tzinfo=UTC))
    plain = [
        (midnight + int(ms) * 10**6, EUR_USD.to_points(bid), EUR_USD.to_points(ask))
        for ms, bid, ask in _zipped(path)
    ]
    ticks = _ticks(open_source(path, EUR_USD))
    assert plain == list(zip(ticks.time_ns.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "record", "rows", "timeframe"),
    [
        ("eurusd_h1.zip", EUR_USD, 74_439, Timeframe.H1),
        ("eurusd_d1.zip", EUR_USD, 3_738, Timeframe.D1UTC),
        ("gbpusd_d1.zip", GBP_USD, 3_738, Timeframe.D1UTC),
    ],
)
def test_twelve_years_of_oandas_bars(
    real_data: Path, name: str, record: Instrument, rows: int, timeframe: Timeframe
) -> None:
    bars = _bars(open_source(real_data / "oanda_bars" / name, record))
    assert (len(bars), bars.timeframe) == (rows, timeframe)
    assert (bars.bid_open[1:] == bars.bid_close[:-1]).all()  # as the vendor smooths them
    first = next(_zipped(real_data / "oanda_bars" / name))
    assert record.to_price(int(bars.ask_close[0])) == record.to_price(record.to_points(first[9]))


def test_hours_made_of_oandas_minutes_are_oandas_hours(real_data: Path) -> None:
    """But for the opening: the vendor's hours take the close before, which then may be an extreme."""
    minutes = _bars(open_source(real_data / "oanda_eurusd_2014-05" / "minute", EUR_USD))
    assert check_bars(minutes).finding("missing").severity == "warning"
    found = [check_bars(minutes).finding(name).count for name in ("crossed", "locked", "closed hours")]
    assert found == [0, 0, 0]
    hours = resample(minutes, Timeframe.H1)
    vendors = _by_open(_bars(open_source(real_data / "oanda_bars" / "eurusd_h1.zip", EUR_USD)))
    assert len(hours) == 264
    for bar in hours:
        bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close = vendors[bar.open_ns]
        assert (bar.bid_close, bar.ask_close) == (bid_close, ask_close)
        assert (max(bar.bid_high, bid_open), max(bar.ask_high, ask_open)) == (bid_high, ask_high)
        assert (min(bar.bid_low, bid_open), min(bar.ask_low, ask_open)) == (bid_low, ask_low)


def test_dukascopys_ticks_are_those_of_a_plain_decoder(real_data: Path) -> None:
    source = open_source(real_data / "dukascopy_bi5", EUR_USD, fmt="dukascopy-bi5-ticks")
    ticks = _ticks(source)
    plain = []
    for hour in range(24):
        path = real_data / f"dukascopy_bi5/EURUSD/2019/01/04/{hour:02d}h_ticks.bi5"
        start = to_ns(datetime(2019, 2, 4, hour, tzinfo=UTC))  # months count from zero
        for ms, ask, bid, ask_size, bid_size in struct.iter_unpack(
            ">IIIff", lzma.decompress(path.read_bytes())
        ):
            plain.append((start + ms * 10**6, bid, ask, round(bid_size * 1e6), round(ask_size * 1e6)))
    assert len(plain) == len(ticks) == 136_741
    assert plain == list(zip(*(column.tolist() for column in ticks.columns().values()), strict=True))


def test_dukascopys_candles_are_those_of_its_ticks(real_data: Path, cost_book: CostBook) -> None:
    folder = real_data / "dukascopy_bi5"
    ticks = _ticks(open_source(folder, EUR_USD, fmt="dukascopy-bi5-ticks"))
    for timeframe in (Timeframe.M1, Timeframe.H1, Timeframe.D1UTC):
        bars = _bars(
            open_source(folder, EUR_USD, fmt="dukascopy-bi5", timeframe=timeframe, cost_book=cost_book)
        )
        candles = _by_open(bars)
        made = _made_of(ticks, timeframe.nanoseconds)
        assert {moment: prices[:4] for moment, prices in made.items()} == {
            moment: candles[moment][:4] for moment in made
        }


def test_dukascopys_newer_answers_hold_1258_candles(real_data: Path, cost_book: CostBook) -> None:
    source = open_source(real_data / "dukascopy_json", EUR_USD, cost_book=cost_book)
    bars = _bars(source)
    assert (len(bars), source.sides[:3], str(bars.timeframe)) == (1_258, "bid", "M1")
    assert {item.name: item.count for item in source.notes} == {
        "empty files": 1,
        "gaps": 2,
        "other files": 1,
    }
    assert bars.open_ns[0] == to_ns(datetime(2026, 7, 10, tzinfo=UTC))
    assert bars.close_ns[-1] == to_ns(datetime(2026, 7, 10, 21, tzinfo=UTC))  # Friday 17:00 New York


def test_histdata_is_new_york_time_whatever_its_label_says(real_data: Path, cost_book: CostBook) -> None:
    path = real_data / "histdata" / "DAT_ASCII_EURUSD_M1_201703.csv"
    source = open_source(path, EUR_USD, cost_book=cost_book)
    assert (source.zone.zone, source.zone.basis) == ("America/New_York", "detected")
    assert (
        "5 h behind UTC from 2017-03-03 to 2017-03-10, 4 h behind UTC from 2017-03-12 to 2017-03-26, "
        "changing as clocks in the United States do" in source.zone.text
    )
    with pytest.raises(WrongTimeZoneError, match="1 at 17:00, 3 at 18:00"):
        open_source(path, EUR_USD, timezone="Etc/GMT+5", cost_book=cost_book)  # as documented
    bars = _bars(source)
    told = bars_from_file(path, EUR_USD, timezone="America/New_York", cost_book=cost_book)
    assert told.fingerprint == bars.fingerprint
    assert len(bars) == 32_660
    assert check_bars(bars).finding("week openings").detail.startswith("4 of 4 weeks open")
    assert check_bars(bars).finding("missing").count < 60


def test_histdata_follows_oanda_in_both_halves_of_march_2017(real_data: Path, cost_book: CostBook) -> None:
    hours = _bars(open_source(real_data / "oanda_bars" / "eurusd_h1.zip", EUR_USD))
    path = real_data / "histdata" / "DAT_ASCII_EURUSD_M1_201703.csv"
    source = open_source(path, EUR_USD, cost_book=cost_book, trusted=hours)
    assert source.zone.zone == "America/New_York"
    assert "hourly changes in 5 weeks follow EUR_USD H1 of the store (r > 0.95)" in source.zone.text
    ours, theirs = _closes(resample(_bars(source), Timeframe.H1)), _closes(hours)
    for first, last in ((1, 11), (12, 31)):
        low, high = (to_ns(datetime(2017, 3, day, tzinfo=UTC)) for day in (first, last))
        both = [item for item in sorted(ours.keys() & theirs.keys()) if low <= item < high]
        far = [item for item in both if abs(ours[item][0] - theirs[item][0]) > 2 * theirs[item][1]]
        assert len(both) > 170
        assert len(far) <= 0.05 * len(both)


def test_a_few_of_histdatas_ticks_do_not_tell_their_zone(real_data: Path) -> None:
    path = real_data / "histdata" / "DAT_ASCII_EURUSD_T_202001_head.csv"
    with pytest.raises(TimeZoneNotStatedError, match=r"does not settle it.*daylight saving in one import"):
        open_source(path, EUR_USD)
    ticks = _ticks(open_source(path, EUR_USD, timezone="America/New_York"))
    assert len(ticks) == 2_000
    assert ticks.time_ns[0] == to_ns(datetime(2020, 1, 1, 22, 0, 0, 65_000, tzinfo=UTC))


def _dirty(real_data: Path) -> list[Path]:
    return sorted((real_data / "fxcm_eurusd_tick_dirty").glob("*.zip"))


def test_fxcms_dirty_ticks_come_as_they_are_five_hours_behind(real_data: Path) -> None:
    sunday, monday = _dirty(real_data)
    source = open_source(monday, EUR_USD)
    ticks = _ticks(source)
    assert (source.zone.zone, source.zone.basis) == ("Etc/GMT+5", "format")
    crossed, locked = int((ticks.bid > ticks.ask).sum()), int((ticks.bid == ticks.ask).sum())
    assert (len(ticks), crossed, locked) == (58_143, 4_987, 7_109)
    ticks = _ticks(open_source(sunday, EUR_USD))
    crossed, locked = int((ticks.bid > ticks.ask).sum()), int((ticks.bid == ticks.ask).sum())
    assert (crossed, locked) == (174, 259)


def test_oandas_minutes_show_that_fxcms_clock_has_no_summer(real_data: Path, tmp_path: Path) -> None:
    """The same files under a name that tells no market: only the other series can place them."""
    for path in _dirty(real_data):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(TimeZoneNotStatedError):
        open_source(tmp_path, EUR_USD)
    minutes = _bars(open_source(real_data / "oanda_eurusd_2014-05" / "minute", EUR_USD))
    source = open_source(tmp_path, EUR_USD, trusted=minutes)
    assert (source.zone.zone, source.zone.basis) == ("Etc/GMT+5", "detected")
    assert "5 h behind UTC" in source.zone.text


def _closes(bars: Bars) -> dict[int, tuple[int, int]]:
    """Bid of each bar's close and its spread, by the bar's open."""
    spreads: Ints = bars.ask_close - bars.bid_close
    return dict(
        zip(bars.open_ns.tolist(), zip(bars.bid_close.tolist(), spreads.tolist(), strict=True), strict=True)
    )


def test_two_brokers_hours_of_may_2014_agree_within_a_spread_or_two(real_data: Path) -> None:
    ticks = _ticks(open_source(_dirty(real_data)[1], EUR_USD))
    fxcm = {moment: prices[3] for moment, prices in _made_of(ticks, HOUR).items()}
    oanda = _closes(_bars(open_source(real_data / "oanda_bars" / "eurusd_h1.zip", EUR_USD)))
    both = sorted(fxcm.keys() & oanda.keys())
    assert len(both) >= 23
    assert all(abs(fxcm[item] - oanda[item][0]) <= 2 * oanda[item][1] for item in both)


def test_two_vendors_agree_on_the_hours_of_march_2017(real_data: Path, cost_book: CostBook) -> None:
    """HistData's bid against the shipped ask less the cost book's spread: closes within three pips.

    The exceptions all end at 17:00 New York, where the modelled spread is widest.
    """
    from workbench.market import sample_files

    path = real_data / "histdata" / "DAT_ASCII_EURUSD_M1_201703.csv"
    histdata = _closes(resample(bars_from_file(path, EUR_USD, cost_book=cost_book), Timeframe.H1))
    sample = bars_from_file(sample_files().eurusd_h1_2017, EUR_USD, side="ask", cost_book=cost_book)
    dukascopy = _closes(sample)
    both = sorted(histdata.keys() & dukascopy.keys())
    far = [item for item in both if abs(histdata[item][0] - dukascopy[item][0]) > 30]
    assert len(both) > 500
    assert {hour_of_week(item) % 24 for item in far} <= {23}
    assert len(far) < 20


def test_fxcms_pair_of_files_comes_in_with_what_is_wrong_and_a_repair_cleans_it(
    real_data: Path, sqlite_market: MarketStore
) -> None:
    bid, ask = (real_data / "fxcm_m1" / f"gbpusd-m1-{side}-2012.csv" for side in ("bid", "ask"))
    source = open_source(bid, GBP_USD, pair_with=ask)
    assert (source.format, source.zone.basis) == ("ohlc", "stated")
    report = sqlite_market.add(_bars(source), source="fxcm")
    crossed = report.check.finding("crossed")
    assert (crossed.severity, report.dataset.rows) == ("error", 30_117)
    assert "low 254, close 347" in crossed.detail
    clean, taken = repair(sqlite_market, report.fingerprint, "drop_crossed")
    assert taken == crossed.count
    assert (clean.dataset.parent, clean.dataset.rule) == (report.fingerprint, "drop_crossed")
    assert clean.check.finding("crossed").severity == "ok"
    assert sqlite_market.bars("GBP_USD", "M1", fingerprint=report.fingerprint).crossed.sum() == taken
