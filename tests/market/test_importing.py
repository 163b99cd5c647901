"""Importing files: exact numbers in, clear refusals of everything else."""

import gzip
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, m1_bars
from workbench.domain.calendar import hour_of_week, to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.bars import PRICES
from workbench.market.errors import (
    BadBarsError,
    CostBookNeededError,
    DuplicateBarsError,
    EmptyFileError,
    MalformedLineError,
    SideNotStatedError,
    TimeZoneNotStatedError,
    UnknownFormatError,
    WrongTimeZoneError,
)
from workbench.market.importing import bars_from_file

EUR_USD = instrument("EUR_USD")

DUKASCOPY = """Time,Open,High,Low,Close,Volume
01.01.2017 22:00:00.000,1.05236,1.05253,1.05221,1.05227,143539993.3
01.01.2017 23:00:00.000,1.05227,1.05426,1.05226,1.05282,253139999.4
02.01.2017 00:00:00.000,1.05283,1.05283,1.05268,1.0524,131399993.9
"""
ISO = """timestamp,open,high,low,close
2017-01-01T22:00:00+00:00,1.05236,1.05253,1.05221,1.05227
2017-01-01T23:00:00+00:00,1.05227,1.05426,1.05226,1.05282
"""
HISTDATA = """20170301 000000;1.050010;1.050080;1.049970;1.050060;0
20170301 000100;1.050070;1.050090;1.050020;1.050030;0
"""
WIDE = """open_time;bid_open;bid_high;bid_low;bid_close;ask_open;ask_high;ask_low;ask_close
2026-03-02T00:00:00Z;1.10000;1.10010;1.09990;1.10005;1.10013;1.10023;1.10003;1.10018
2026-03-02T00:01:00Z;1.10005;1.10010;1.10000;1.10001;1.10018;1.10023;1.10013;1.10014
"""


def _file(folder: Path, text: str, name: str = "eurusd_ask.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _ns(*parts: int) -> int:
    return to_ns(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


def test_dukascopys_export_is_read_to_the_point(tmp_path: Path, cost_book: CostBook) -> None:
    text = DUKASCOPY.replace("1.05268,1.0524,", "1.0524,1.05268,")
    bars = bars_from_file(_file(tmp_path, text), EUR_USD, timezone="UTC", cost_book=cost_book)
    assert bars.timeframe is Timeframe.H1
    assert bars.open_ns.tolist() == [_ns(2017, 1, 1, 22), _ns(2017, 1, 1, 23), _ns(2017, 1, 2, 0)]
    assert bars.ask_open.tolist() == [105_236, 105_227, 105_283]
    assert bars.ask_low.tolist() == [105_221, 105_226, 105_240]
    # 17:00, 18:00 and 19:00 New York: 2.9, 1.5 and 1.5 pips
    assert (bars.ask_close - bars.bid_close).tolist() == [29, 15, 15]
    assert bars.sides.startswith("ask; bid = ask - spread by hour of week of cost book retail of 2017-01-01")
    assert cost_book.version[:12] in bars.sides


def test_times_with_an_offset_need_no_zone(tmp_path: Path, cost_book: CostBook) -> None:
    local = (
        DUKASCOPY.replace("Time,", "Local time,")
        .replace(".000,", ".000 GMT+0200,")
        .replace("1.05268,1.0524", "1.0524,1.0524")
    )
    bars = bars_from_file(_file(tmp_path, local), EUR_USD, cost_book=cost_book)
    assert bars.open_ns.tolist() == [_ns(2017, 1, 1, 20), _ns(2017, 1, 1, 21), _ns(2017, 1, 1, 22)]
    iso = bars_from_file(_file(tmp_path, ISO), EUR_USD, cost_book=cost_book)
    assert iso.open_ns[0] == _ns(2017, 1, 1, 22)
    gmt = bars_from_file(
        _file(tmp_path, ISO.replace("timestamp", "Gmt time").replace("+00:00", "")),
        EUR_USD,
        cost_book=cost_book,
    )
    assert gmt.fingerprint == iso.fingerprint


def test_histdata_is_bid_in_the_stated_zone(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, HISTDATA, "DAT_ASCII_EURUSD_M1_2017.csv")
    bars = bars_from_file(path, EUR_USD, timezone="America/New_York", cost_book=cost_book)
    assert bars.timeframe is Timeframe.M1
    assert bars.open_ns[0] == _ns(2017, 3, 1, 5)
    assert bars.bid_open.tolist() == [105_001, 105_007]
    assert (bars.ask_low - bars.bid_low).tolist() == [15, 15]
    assert bars.sides.startswith("bid; ask = bid + spread")


def test_a_file_with_both_sides_needs_no_cost_book(tmp_path: Path) -> None:
    bars = bars_from_file(_file(tmp_path, WIDE), EUR_USD)
    assert bars.sides == "bid+ask"
    assert (bars.bid_high[0], bars.ask_close[1]) == (110_010, 110_014)


def test_mid_prices_are_put_in_the_middle_of_the_spread(tmp_path: Path, cost_book: CostBook) -> None:
    bars = bars_from_file(_file(tmp_path, ISO, "eurusd.csv"), EUR_USD, side="mid", cost_book=cost_book)
    assert bars.bid_open.tolist() == [105_236 - 14, 105_227 - 7]
    assert bars.ask_open.tolist() == [105_236 + 15, 105_227 + 8]


def test_the_spread_of_a_long_bar_is_the_mean_of_its_hours(tmp_path: Path, cost_book: CostBook) -> None:
    text = "time,open,high,low,close\n2026-03-03T20:00:00Z,1.1,1.1,1.1,1.1\n"
    bars = bars_from_file(_file(tmp_path, text), EUR_USD, timeframe=Timeframe.H4, cost_book=cost_book)
    spreads = cost_book.of("EUR_USD").spread_points
    first = hour_of_week(int(bars.open_ns[0]))
    assert [spreads[first + hour] for hour in range(4)] == [13, 49, 29, 15]  # 15:00 to 18:00 New York
    assert int(bars.ask_open[0] - bars.bid_open[0]) == 26  # 26.5, half to even


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_packed_files_are_read(tmp_path: Path, cost_book: CostBook, packed: str) -> None:
    plain = bars_from_file(_file(tmp_path, ISO), EUR_USD, cost_book=cost_book)
    path = tmp_path / f"eurusd_ask.csv.{packed}"
    if packed == "gz":
        path.write_bytes(gzip.compress(ISO.encode()))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("eurusd.csv", ISO)
    assert bars_from_file(path, EUR_USD, cost_book=cost_book).fingerprint == plain.fingerprint


def test_byte_order_marks_blank_lines_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = bars_from_file(_file(tmp_path, WIDE), EUR_USD)
    path = tmp_path / "windows.csv"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + WIDE.replace("\n", "\r\n\r\n").encode())
    assert bars_from_file(path, EUR_USD).fingerprint == plain.fingerprint


@given(bars=m1_bars())
def test_what_is_written_out_is_read_back(tmp_path_factory: pytest.TempPathFactory, bars: Bars) -> None:
    rows = ["time," + ",".join(PRICES)]
    for bar in bars:
        moment = datetime.fromtimestamp(bar.open_ns // 10**9, UTC).isoformat()
        rows.append(moment + "," + ",".join(str(EUR_USD.to_price(getattr(bar, name))) for name in PRICES))
    path = _file(tmp_path_factory.mktemp("round"), "\n".join(rows))
    assert bars_from_file(path, EUR_USD, timeframe=Timeframe.M1).fingerprint == bars.fingerprint


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("", EmptyFileError, "expected bars, found an empty file"),
        ("\n\n", EmptyFileError, "empty file"),
        (ISO.splitlines()[0], EmptyFileError, "below the header"),
        ("hello\nworld\n", UnknownFormatError, "expected a header with a time and open, high, low, close"),
        (ISO.replace("close", "last"), UnknownFormatError, "unknown column 'last'"),
        (ISO.replace("timestamp", "mood,timestamp"), UnknownFormatError, "unknown column 'mood'"),
        (ISO.replace(",close", ""), UnknownFormatError, "all of open, high, low, close"),
        (WIDE.replace(";ask_close", ""), UnknownFormatError, "for one side or for both"),
        (
            ISO + "2017-01-02T00:00:00+00:00,1.1,1.1,1.1\n",
            MalformedLineError,
            "line 4: expected 5 fields, found 4",
        ),
        (
            ISO + "2017-01-02T00:00:00+00:00,1.1,1.1,abc,1.1\n",
            MalformedLineError,
            r"line 4: EUR_USD: expected a price, found 'abc'; the line is .2017-01-02T00:00:00\+00:00,1.1",
        ),
        (
            ISO + "2017-01-02T00:00:00+00:00,1.1,1.1,-1.1,1.1\n",
            MalformedLineError,
            "expected a price, found '-1.1'",
        ),
        (ISO + "2017-01-02T00:00:00+00:00,1.1,1.1,,1.1\n", MalformedLineError, "expected a price, found ''"),
        (
            ISO + "2017-01-02T00:00:00+00:00,1.1,nan,1.1,1.1\n",
            MalformedLineError,
            "expected a price, found 'nan'",
        ),
        (ISO + "2017-01-02T00:00:00+00:00,1.1,١.١,1.1,1.1\n", MalformedLineError, "expected a price"),
        (
            ISO + "2017-01-02T00:00:00+00:00,1.1,1.123456,1.1,1.1\n",
            MalformedLineError,
            "line 4: EUR_USD: expected a price with at most 5 decimals, found 1.123456",
        ),
        (
            ISO + "yesterday,1.1,1.1,1.1,1.1\n",
            MalformedLineError,
            "line 4: expected a time, found 'yesterday'",
        ),
        (ISO + "2017-01-02T00:00:00+00:00,1.1,110523,1.1,1.1\n", MalformedLineError, "at most 10,000"),
        (ISO + f"2017-01-02T00:00:00+00:00,1.1,{10**14},1.1,1.1\n", MalformedLineError, "at most 10,000"),
        (ISO + "9017-01-02T00:00:00+00:00,1.1,1.1,1.1,1.1\n", MalformedLineError, "from 1970 to 2199"),
        (ISO + "2017-02-30T00:00:00+00:00,1.1,1.1,1.1,1.1\n", MalformedLineError, "line 4: expected a time"),
        (
            ISO + "2017-01-02T00:00:00,1.1,1.1,1.1,1.1\n",
            MalformedLineError,
            "some times have a zone and some have none",
        ),
        (
            ISO + "2017-01-01T23:00:00+00:00,1.1,1.1,1.1,1.1\n",
            DuplicateBarsError,
            "1 bars have the time of another, first: lines 3 and 4 at 2017-01-01 23:00:00 UTC",
        ),
        (
            ISO + "2017-01-01T21:00:00+00:00,1.1,1.1,1.1,1.1\n",
            BadBarsError,
            "line 4: 2017-01-01 21:00:00 UTC comes after 2017-01-01 23:00:00; expected bars in time order",
        ),
        (
            ISO + "2017-01-02T00:30:00+00:00,1.1,1.1,1.1,1.1\n",
            BadInputError,
            "the open is not one of H1 bars in 1 of 3",
        ),
        (
            ISO.replace("1.05421", "1.05500").replace("1.05221", "1.05300"),
            BadBarsError,
            "line 2, .* outside low to high|outside low to high in 1 of 2 bars, first: line 2",
        ),
        (ISO.replace("T23", "T22:17"), MalformedLineError, "expected a time"),
        (ISO.replace("T23:00", "T22:17"), BadInputError, "its bars are 17 minutes apart; expected one of M1"),
        ("\n".join(ISO.splitlines()[:2]), BadInputError, "one bar does not tell how long it is"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_what_was_found(
    tmp_path: Path, cost_book: CostBook, text: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        bars_from_file(_file(tmp_path, text), EUR_USD, cost_book=cost_book)


def test_crossed_bars_come_in_as_they_are(tmp_path: Path, cost_book: CostBook) -> None:
    text = WIDE.replace("1.10013;1.10023", "1.09998;1.10023", 1).replace("1.10003", "1.09991", 1)
    bars = bars_from_file(_file(tmp_path, text), EUR_USD, cost_book=cost_book)
    assert bars.crossed.tolist() == [True, False]


def test_a_malformed_line_is_given_to_the_caller_too(tmp_path: Path, cost_book: CostBook) -> None:
    with pytest.raises(MalformedLineError) as caught:
        bars_from_file(_file(tmp_path, ISO + "x\n"), EUR_USD, cost_book=cost_book)
    assert (caught.value.line, caught.value.content) == (4, "x")


def test_a_yen_pair_has_three_decimals(tmp_path: Path) -> None:
    text = WIDE.replace("1.1", "111.").replace("1.09", "110.9")
    with pytest.raises(MalformedLineError, match="line 2: USD_JPY: expected a price with at most 3 decimals"):
        bars_from_file(_file(tmp_path, text, "usdjpy.csv"), instrument("USD_JPY"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.csv: expected a file with bars, found no such file"):
        bars_from_file(tmp_path / "nowhere.csv", EUR_USD)
    with pytest.raises(BadInputError, match="expected files, found none"):
        bars_from_file(tmp_path, EUR_USD)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"\x80\x81\x82\xff"),
        ("x.csv.gz", b"not gzip"),
        ("x.zip", b"not zip"),
        ("x.csv.gz", gzip.compress(ISO.encode(), mtime=0)[:40]),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError, match="expected"):
        bars_from_file(path, EUR_USD)


def test_an_archive_with_several_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", ISO)
        archive.writestr("b.csv", ISO)
    with pytest.raises(UnknownFormatError, match="expected one file in the archive, found 2"):
        bars_from_file(path, EUR_USD)


def test_a_format_can_be_insisted_on(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, ISO)
    assert len(bars_from_file(path, EUR_USD, fmt="ohlc", cost_book=cost_book)) == 2
    with pytest.raises(UnknownFormatError, match="expected the layout histdata, found ohlc"):
        bars_from_file(path, EUR_USD, fmt="histdata", cost_book=cost_book)
    with pytest.raises(BadInputError, match=r"unknown format 'csv'; expected auto, ohlc, bid\+ask, histdata"):
        bars_from_file(path, EUR_USD, fmt="csv", cost_book=cost_book)


def test_the_side_is_never_guessed(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, ISO, "eurusd.csv")
    with pytest.raises(SideNotStatedError, match="give side='bid', 'ask' or 'mid'"):
        bars_from_file(path, EUR_USD, cost_book=cost_book)
    bid = bars_from_file(path, EUR_USD, side="bid", cost_book=cost_book)
    ask = bars_from_file(_file(tmp_path, ISO, "EURUSD_ASK_2017.csv"), EUR_USD, cost_book=cost_book)
    assert bid.bid_open.tolist() == ask.ask_open.tolist()
    with pytest.raises(BadInputError, match="histdata files are bid"):
        bars_from_file(_file(tmp_path, HISTDATA), EUR_USD, side="ask", timezone="UTC", cost_book=cost_book)


def test_a_one_sided_file_needs_a_cost_book_with_that_instrument(tmp_path: Path, cost_book: CostBook) -> None:
    with pytest.raises(CostBookNeededError, match="the file has ask prices only; give a cost_book"):
        bars_from_file(_file(tmp_path, ISO), EUR_USD)
    with pytest.raises(BadInputError, match="has no costs for AUD_USD"):
        bars_from_file(_file(tmp_path, ISO, "audusd_ask.csv"), instrument("AUD_USD"), cost_book=cost_book)


def test_naive_times_need_a_zone_that_exists(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, HISTDATA)
    with pytest.raises(TimeZoneNotStatedError, match="give timezone="):
        bars_from_file(path, EUR_USD, cost_book=cost_book)
    with pytest.raises(BadInputError, match="unknown time zone 'Mars/Base'"):
        bars_from_file(path, EUR_USD, timezone="Mars/Base", cost_book=cost_book)


@pytest.mark.parametrize("moment", ["2026-03-08T02:30:00", "2026-11-01T01:30:00"])
def test_a_time_that_happened_twice_or_never_is_refused(
    tmp_path: Path, cost_book: CostBook, moment: str
) -> None:
    text = f"time,open,high,low,close\n{moment},1.1,1.1,1.1,1.1\n"
    with pytest.raises(BadInputError, match=r"line 2: .* happened twice or never in America/New_York"):
        bars_from_file(
            _file(tmp_path, text),
            EUR_USD,
            timezone="America/New_York",
            timeframe=Timeframe.M1,
            cost_book=cost_book,
        )


def _weeks(first_monday: datetime, count: int, zone: str) -> str:
    """M15 bars of whole FX weeks, as a clock in `zone` wrote them."""
    from zoneinfo import ZoneInfo

    from workbench.domain.calendar import is_open

    rows = ["time,open,high,low,close"]
    start = to_ns(first_monday)
    for index in range(count * 7 * 96):
        instant = start + index * 15 * MINUTE
        if is_open(instant):
            local = datetime.fromtimestamp(instant // 10**9, ZoneInfo(zone)).replace(tzinfo=None)
            rows.append(f"{local.isoformat()},1.1,1.1,1.1,1.1")
    return "\n".join(rows)


def test_a_zone_that_puts_the_weeks_opening_elsewhere_is_refused_and_the_right_one_named(
    tmp_path: Path, cost_book: CostBook
) -> None:
    text = _weeks(datetime(2026, 2, 23, tzinfo=UTC), 4, "America/New_York")
    path = _file(tmp_path, text)
    right = bars_from_file(path, EUR_USD, timezone="America/New_York", cost_book=cost_book)
    assert right.open_ns[0] == _ns(2026, 2, 23)
    for wrong in ("UTC", "Etc/GMT+5"):  # the second is what the vendor of such files documents
        with pytest.raises(
            WrongTimeZoneError, match=r"expected 17:00 in every week. .* it fits America/New_York$"
        ):
            bars_from_file(path, EUR_USD, timezone=wrong, cost_book=cost_book)
    found = bars_from_file(path, EUR_USD, cost_book=cost_book)
    assert found.fingerprint == right.fingerprint


@given(
    price=st.decimals(min_value=Decimal("0.00001"), max_value=Decimal(9999), places=5, allow_nan=False),
    zeros=st.integers(0, 4),
)
def test_prices_are_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, price: Decimal, zeros: int
) -> None:
    shown = f"{price:f}" + "0" * zeros
    row = ",".join([shown] * 8)
    text = "time," + ",".join(PRICES) + f"\n2026-03-02T00:00:00Z,{row}\n"
    path = _file(tmp_path_factory.mktemp("exact"), text)
    bars = bars_from_file(path, EUR_USD, timeframe=Timeframe.M1)
    assert EUR_USD.to_price(int(bars.bid_open[0])) == price


def test_progress_counts_the_bytes_of_a_larger_file(tmp_path: Path) -> None:
    lines = WIDE.splitlines()
    rows = [
        lines[1].replace("00:00:00Z", f"{index // 60:02d}:{index % 60:02d}:00Z") for index in range(1_440)
    ]
    days = [row.replace("03-02", f"03-{day:02d}") for day in (2, 3, 4, 5) for row in rows]
    path = _file(tmp_path, "\n".join([lines[0], *days]))
    seen: list[int] = []
    bars_from_file(path, EUR_USD, progress=seen.append)
    assert sum(seen) == path.stat().st_size
    assert len(seen) > 1
