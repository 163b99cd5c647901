"""Real files of vendors; they are not shipped, see `real_data` in conftest."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.domain.calendar import hour_of_week, to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import MarketStore, check_bars, resample
from workbench.market.bars import PRICES
from workbench.market.errors import BadBarsError, WrongTimeZoneError
from workbench.market.importing import bars_from_file

_EUR_USD = instrument("EUR_USD")


def _zipped(path: Path) -> Iterator[list[str]]:
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        yield from csv.reader(io.TextIOWrapper(member))


def _oanda_minutes(real_data: Path, folder: Path) -> Path:
    """OANDA's M1 quote bars of May 2014 as one file with both sides."""
    path = folder / "oanda.csv"
    with path.open("w") as file:
        file.write("time," + ",".join(PRICES) + "\n")
        for day in sorted((real_data / "oanda_eurusd_2014-05" / "minute").glob("*.zip")):
            midnight = datetime.strptime(day.name[:8], "%Y%m%d").replace(tzinfo=UTC).timestamp()
            for row in _zipped(day):
                moment = datetime.fromtimestamp(midnight + int(row[0]) / 1_000, UTC).isoformat()
                file.write(",".join([moment, *row[1:5], *row[6:10]]) + "\n")
    return path


def test_hours_made_of_oandas_minutes_are_oandas_hours(real_data: Path, tmp_path: Path) -> None:
    """But for the opening: the vendor's hours take the close before, which then may be an extreme."""
    minutes = bars_from_file(_oanda_minutes(real_data, tmp_path), _EUR_USD)
    assert (len(minutes), minutes.timeframe, minutes.sides) == (15_366, Timeframe.M1, "bid+ask")
    assert check_bars(minutes).finding("missing").severity == "warning"
    assert [check_bars(minutes).finding(name).count for name in ("crossed", "locked", "closed hours")] == [
        0,
        0,
        0,
    ]
    hours = resample(minutes, Timeframe.H1)
    vendors = {
        to_ns(datetime.strptime(row[0], "%Y%m%d %H:%M").replace(tzinfo=UTC)): [
            _EUR_USD.to_points(row[index]) for index in (1, 2, 3, 4, 6, 7, 8, 9)
        ]
        for row in _zipped(real_data / "oanda_bars" / "eurusd_h1.zip")
        if row[0].startswith("201405")
    }
    assert len(hours) == 264
    for bar in hours:
        bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close = vendors[bar.open_ns]
        assert (bar.bid_close, bar.ask_close) == (bid_close, ask_close)
        assert (max(bar.bid_high, bid_open), max(bar.ask_high, ask_open)) == (bid_high, ask_high)
        assert (min(bar.bid_low, bid_open), min(bar.ask_low, ask_open)) == (bid_low, ask_low)


def test_histdata_is_new_york_time_whatever_its_label_says(real_data: Path, cost_book: CostBook) -> None:
    path = real_data / "histdata" / "DAT_ASCII_EURUSD_M1_201703.csv"
    found = bars_from_file(path, _EUR_USD, cost_book=cost_book)
    with pytest.raises(WrongTimeZoneError, match="1 at 17:00, 3 at 18:00"):
        bars_from_file(path, _EUR_USD, timezone="Etc/GMT+5", cost_book=cost_book)  # as documented
    bars = bars_from_file(path, _EUR_USD, timezone="America/New_York", cost_book=cost_book)
    assert found.fingerprint == bars.fingerprint
    assert len(bars) == 32_660
    assert check_bars(bars).finding("week openings").detail.startswith("4 of 4 weeks open")
    assert check_bars(bars).finding("missing").count < 30


def test_two_vendors_agree_on_the_hours_of_march_2017(
    real_data: Path, cost_book: CostBook, sqlite_market: MarketStore
) -> None:
    """HistData's bid against the shipped ask less the cost book's spread: closes within three pips.

    The exceptions all end at 17:00 New York, where the modelled spread is widest.
    """
    from workbench.market import sample_files

    sample = sample_files()
    sqlite_market.import_file(sample.eurusd_h1_2017, "EUR_USD", timezone="UTC", cost_book=cost_book)
    sqlite_market.import_file(
        real_data / "histdata" / "DAT_ASCII_EURUSD_M1_201703.csv",
        "EUR_USD",
        timezone="America/New_York",
        cost_book=cost_book,
        show_progress=False,
    )
    histdata, dukascopy = (
        {
            bar.open_ns: bar.bid_close
            for bar in sqlite_market.bars("EUR_USD", "H1", fingerprint=item.fingerprint)
        }
        for item in sqlite_market.datasets()
    )
    both = sorted(histdata.keys() & dukascopy.keys())
    far = [item for item in both if abs(histdata[item] - dukascopy[item]) > 30]
    assert len(both) > 500
    assert {hour_of_week(item) % 24 for item in far} <= {23}
    assert len(far) < 20


def test_a_dirty_file_is_refused_with_its_first_crossed_bar(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "fxcm_m1"
    path = tmp_path / "fxcm.csv"
    with (folder / "gbpusd-m1-bid-2012.csv").open() as bid, (folder / "gbpusd-m1-ask-2012.csv").open() as ask:
        next(bid), next(ask)
        rows = [
            f"{left.strip()},{right.strip().split(',', 1)[1]}" for left, right in zip(bid, ask, strict=True)
        ]
    path.write_text("\n".join(["time," + ",".join(PRICES), *rows]))
    assert len(rows) == 30_117
    with pytest.raises(
        BadBarsError, match=r"crossed: bid \w+ is above ask \w+ in \d+ of 30117 bars, first: line \d+"
    ):
        bars_from_file(path, instrument("GBP_USD"))
