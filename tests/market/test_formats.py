"""Every format is recognised, read to the point, and refused with its line when it is damaged."""

import bz2
import gzip
import json
import lzma
import os
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import sample_files
from workbench.market.bars import PRICES, Bars
from workbench.market.errors import (
    AmbiguousFormatError,
    ArchiveTooLargeError,
    BadTicksError,
    ChangedWhileReadError,
    DuplicateBarsError,
    EmptyFileError,
    MalformedLineError,
    SideNotStatedError,
    TruncatedFileError,
    UnknownFormatError,
)
from workbench.market.formats import Source, byte_parser, chunks, grammar, open_source, text_rows
from workbench.market.ticks import Ticks

EUR_USD = instrument("EUR_USD")

TRUEFX = """EUR/USD,20090501 00:00:00.312,1.32262,1.32271
EUR/USD,20090501 00:00:00.312,1.32263,1.32271
EUR/USD,20090501 00:00:01,1.32263,1.3227
"""
HISTDATA_TICKS = """20200102 170000065,1.121200,1.121720,0
20200102 170010447,1.121200,1.121920,0
"""
MT4 = """2017.03.01,00:00,1.05522,1.05529,1.05521,1.05529,12
2017.03.01,00:01,1.05530,1.05531,1.05530,1.05531,7
"""
MT5 = """<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>
2026.03.09\t00:00:00\t1.10000\t1.10010\t1.09990\t1.10005\t25\t0\t12
2026.03.09\t00:01:00\t1.10005\t1.10005\t1.10000\t1.10000\t13\t0\t9
"""
MT5_TICKS = """<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>
2026.03.09\t00:00:00.100\t\t1.10012\t\t\t4
2026.03.09\t00:00:00.200\t1.10000\t\t\t\t2
2026.03.09\t00:00:00.300\t\t1.10013\t\t\t4
2026.03.09\t00:00:00.400\t\t\t1.1\t1\t8
2026.03.09\t00:00:00.500\t1.10001\t1.10014\t\t\t6
"""
LEAN_MINUTE = "0,1.38676,1.38686,1.38669,1.38686,0,1.38686,1.38697,1.3868,1.38697,0\n"
FXCM = """DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose
01/04/2015 22:00:00.000,1.19500,1.19510,1.19490,1.19505,1.19520,1.19530,1.19510,1.19525
01/04/2015 22:01:00.000,1.19505,1.19510,1.19500,1.19501,1.19525,1.19530,1.19520,1.19521
"""
FXCM_TICKS = "DateTime,Bid,Ask\n01/04/2015 22:00:39.587,1.19548,1.19642\n01/04/2015 22:00:40.1,1.195,1.196\n"
TICKS = "time,bid,ask,bid_size,ask_size\n2026-03-02T00:00:00.000000001Z,1.1,1.10013,1000000,0\n"


def _file(folder: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _ns(*parts: int, ns: int = 0) -> int:
    return to_ns(datetime(*parts, tzinfo=UTC)) + ns  # type: ignore[misc,arg-type]


def _ticks(source: Source) -> Ticks:
    (found,) = source.batches()
    assert isinstance(found, Ticks)
    return found


def _bars(source: Source) -> Bars:
    (found,) = source.batches()
    assert isinstance(found, Bars)
    return found


def _rows(ticks: Ticks) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in ticks.columns().values()), strict=True))


def test_the_codes_of_the_grammar_are_the_parsers() -> None:
    shared = {name.lstrip("_") for name in vars(grammar)} & set(vars(byte_parser))
    for name in ("SKIP", "NUMBER", "TIME", "NUMBER_OR_SAME"):
        assert getattr(grammar, name) == getattr(byte_parser, name)
    steps = [name for name in shared if hasattr(grammar, f"_{name}") and name.isupper()]
    assert len(steps) == 17
    assert all(getattr(grammar, f"_{name}") == getattr(byte_parser, name) for name in steps)


def test_truefx_is_utc_and_keeps_the_order_within_a_millisecond(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, TRUEFX), EUR_USD)
    assert (source.format, source.kind, source.zone.zone, source.zone.basis) == (
        *("truefx", "ticks", "UTC", "format"),
    )
    assert _rows(_ticks(source)) == [
        (_ns(2009, 5, 1, ns=312_000_000), 132_262, 132_271, 0, 0),
        (_ns(2009, 5, 1, ns=312_000_000), 132_263, 132_271, 0, 0),
        (_ns(2009, 5, 1, 0, 0, 1), 132_263, 132_270, 0, 0),
    ]
    with pytest.raises(BadInputError, match="holds EURUSD, not GBP_USD"):
        open_source(_file(tmp_path, TRUEFX), instrument("GBP_USD"))
    mixed = TRUEFX + "GBP/USD,20090501 00:00:02,1.5,1.5001\n"
    with pytest.raises(MalformedLineError, match="line 4: expected EUR/USD, found 'GBP/USD'"):
        _ticks(open_source(_file(tmp_path, mixed), EUR_USD))


def test_histdatas_ticks_are_bid_then_ask(tmp_path: Path) -> None:
    path = _file(tmp_path, HISTDATA_TICKS, "DAT_ASCII_EURUSD_T_202001.csv")
    source = open_source(path, EUR_USD, timezone="America/New_York")
    assert source.format == "histdata-ticks"
    assert _rows(_ticks(source)) == [
        (_ns(2020, 1, 2, 22, ns=65_000_000), 112_120, 112_172, 0, 0),
        (_ns(2020, 1, 2, 22, 0, 10, ns=447_000_000), 112_120, 112_192, 0, 0),
    ]
    with pytest.raises(BadInputError, match="holds EURUSD, not USD_JPY"):
        open_source(path, instrument("USD_JPY"), timezone="UTC")


def test_metatrader_4_shows_its_servers_clock(tmp_path: Path, cost_book: CostBook) -> None:
    source = open_source(_file(tmp_path, MT4, "EURUSD1.csv"), EUR_USD, cost_book=cost_book)
    assert (source.format, source.zone.zone) == ("mt4", "America/New_York+7h")
    assert "nothing in the file speaks against it" in source.zone.text
    bars = _bars(source)
    assert bars.open_ns.tolist() == [_ns(2017, 2, 28, 22), _ns(2017, 2, 28, 22, 1)]
    assert bars.bid_close.tolist() == [105_529, 105_531]
    assert _bars(open_source(source.files[0], EUR_USD, timezone="UTC", cost_book=cost_book)).open_ns[
        0
    ] == _ns(2017, 3, 1)
    named = _file(tmp_path, MT4, "DAT_MT_EURUSD_M1_2017.csv")
    assert open_source(named, EUR_USD, timezone="Etc/GMT+5").format == "histdata-mt"


def test_metatrader_5_changes_its_clock_with_new_york_and_tells_its_spread(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, MT5), EUR_USD)
    bars = _bars(source)
    assert bars.open_ns[0] == _ns(2026, 3, 8, 21)  # Sunday 17:00 New York, where it is summer already
    assert (bars.ask_close - bars.bid_close).tolist() == [12, 9]
    assert bars.sides == "bid; ask = bid + the spread of the file's bar"
    assert source.format == "mt5"


def test_metatrader_5_daily_bars_have_no_time_of_day(tmp_path: Path) -> None:
    text = (
        "\n".join(line.replace("\t00:00:00", "").replace("\t<TIME>", "") for line in MT5.splitlines()[:2])
        + "\n2026.03.10\t1.1\t1.1\t1.1\t1.1\t5\t0\t10\n"
    )
    bars = _bars(open_source(_file(tmp_path, text), EUR_USD))
    assert bars.timeframe is Timeframe.D1
    assert bars.open_ns.tolist() == [_ns(2026, 3, 8, 21), _ns(2026, 3, 9, 21)]


def test_metatrader_5_ticks_leave_out_what_did_not_change(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, MT5_TICKS), EUR_USD)
    start = _ns(2026, 3, 8, 21)
    assert [row[:3] for row in _rows(_ticks(source))] == [
        (start + 200_000_000, 110_000, 110_012),
        (start + 300_000_000, 110_000, 110_013),
        (start + 500_000_000, 110_001, 110_014),
    ]
    assert {item.name: item.count for item in source.notes} == {
        "before the first quote": 1,
        "nothing quoted": 1,
    }


def test_leans_market_tells_its_clock(tmp_path: Path) -> None:
    def zipped(folder: str, text: str) -> Path:
        path = tmp_path / folder / "20140505_quote.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("20140505_eurusd_tick_quote.csv", text)
        return path

    ticks = "292,1.38676,1.38686\n920,1.38676,1.38687"
    oanda = open_source(zipped("oanda/tick", ticks), EUR_USD)
    assert (oanda.format, oanda.zone.zone) == ("lean-ticks", "UTC")
    assert _ticks(oanda).time_ns.tolist() == [
        _ns(2014, 5, 5, ns=292_000_000),
        _ns(2014, 5, 5, ns=920_000_000),
    ]
    fxcm = open_source(zipped("fxcm/tick", ticks), EUR_USD)
    assert fxcm.zone.zone == "Etc/GMT+5"
    assert _ticks(fxcm).time_ns[0] == _ns(2014, 5, 5, 5, ns=292_000_000)
    bars = _bars(open_source(zipped("oanda/minute", LEAN_MINUTE), EUR_USD, timeframe=Timeframe.M1))
    assert (bars.open_ns[0], bars.bid_low[0], bars.ask_low[0]) == (_ns(2014, 5, 5), 138_669, 138_680)
    with pytest.raises(BadInputError, match="its times have no zone"):
        open_source(zipped("elsewhere", ticks), EUR_USD)
    with pytest.raises(MalformedLineError, match="line 1: expected a time within the day of the file's name"):
        open_source(zipped("oanda/late", "86400000,1.1,1.1001\n"), EUR_USD)
    with pytest.raises(BadInputError, match="holds EURUSD, not GBP_USD"):
        open_source(oanda.files, instrument("GBP_USD"))


def test_leans_seconds_are_bars_of_a_second(tmp_path: Path) -> None:
    rows = "".join(f"{1000 * index}{LEAN_MINUTE[1:]}" for index in range(3))
    source = open_source(_file(tmp_path, rows, "oanda/20140505_quote.csv"), EUR_USD)
    assert _bars(source).timeframe is Timeframe.S1


def test_fxcms_months_come_first(tmp_path: Path) -> None:
    bars = _bars(open_source(_file(tmp_path, FXCM), EUR_USD))
    assert (bars.open_ns[0], bars.sides, bars.ask_low[1]) == (_ns(2015, 1, 4, 22), "bid+ask", 119_520)
    source = open_source(_file(tmp_path, FXCM_TICKS.encode("utf-16")), EUR_USD)
    assert source.format == "fxcm-ticks"
    assert _ticks(source).time_ns.tolist() == [
        _ns(2015, 1, 4, 22, 0, 39, ns=587_000_000),
        _ns(2015, 1, 4, 22, 0, 40, ns=100_000_000),
    ]
    assert [item.detail for item in source.notes] == ["files were UTF-16-LE"]


def test_ticks_of_the_stores_own_export_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, TICKS), EUR_USD)
    assert _rows(_ticks(source)) == [(_ns(2026, 3, 2, ns=1), 110_000, 110_013, 1_000_000, 0)]
    assert source.zone.basis == "stated"


@pytest.mark.parametrize(
    ("text", "columns", "time_format", "expected"),
    [
        ("when;b;a\n1772409600;1.1;1.2\n", {"time": "when", "bid": "b", "ask": "A"}, None, 0),
        ("1772409600.25|1.1|1.2\n", {"time": 0, "bid": 1, "ask": 2}, "s", 250_000_000),
        ("x,1772409600123,1.2,1.1\n", {"time": 1, "ask": 2, "bid": 3}, "ms", 123_000_000),
        ("T,B,A\n1772409600000001,1.1,1.2\n", {"time": "T", "bid": "B", "ask": "A"}, "us", 1_000),
        ("T,B,A\n1772409600000000001,1.1,1.2\n", {"time": "T", "bid": "B", "ask": "A"}, "ns", 1),
        (
            '"T","B","A"\n"2 Mar 2026, 12:00:00 AM","1.1","1.2"\n',
            {"time": 0, "bid": 1, "ask": 2},
            "%d %b %Y, %I:%M:%S %p",
            0,
        ),
        (
            "d,t,B,A\n02/03/26,0:0,1.1,1.2\n",
            {"date": "d", "time": "t", "bid": "B", "ask": "A"},
            "%d/%m/%y %H:%M",
            0,
        ),
        (
            "d\tt\tB\tA\n2026.03.02\t00:00\t1.1\t1.2\n",
            {"date": 0, "time": 1, "bid": "B", "ask": "A"},
            None,
            0,
        ),
        (
            "T,B,A\n2026-03-02 02:00:00.5+0200,1.1,1.2\n",
            {"time": "T", "bid": "B", "ask": "A"},
            None,
            500_000_000,
        ),
    ],
)
def test_a_person_may_name_the_columns(
    tmp_path: Path, text: str, columns: dict[str, str | int], time_format: str | None, expected: int
) -> None:
    source = open_source(
        _file(tmp_path, text), EUR_USD, columns=columns, time_format=time_format, timezone="UTC"
    )
    assert _rows(_ticks(source)) == [(_ns(2026, 3, 2, ns=expected), 110_000, 120_000, 0, 0)]
    assert source.format == "columns"


@pytest.mark.parametrize(
    ("columns", "time_format", "match"),
    [
        ({"time": "T", "bid": "B", "price": "A"}, None, "unknown 'price'; expected some of time, date, bid"),
        ({"bid": "B", "ask": "A"}, None, "expected time among them"),
        ({"time": "T", "bid": "B"}, None, "expected bid and ask, or open, high, low and close"),
        ({"time": "T", "bid": "B", "ask": "C"}, None, "no column 'C'; expected one of 'T', 'B', 'A'"),
        ({"time": "T", "bid": "B", "ask": 7}, None, "no column 7; it has 3"),
        ({"time": "T", "bid": "B", "ask": "B"}, None, "one column stands for two things"),
        ({"time": "T", "bid": "B", "ask": "A"}, "%Q", "%Q is not read"),
        ({"time": "T", "bid": "B", "ask": "A"}, "%d.", "expected a date or a time of day"),
    ],
)
def test_columns_that_make_no_quotes_are_refused(
    tmp_path: Path, columns: dict[str, str | int], time_format: str | None, match: str
) -> None:
    path = _file(tmp_path, "T,B,A\n1772409600,1.1,1.2\n")
    with pytest.raises(BadInputError, match=match):
        open_source(path, EUR_USD, columns=columns, time_format=time_format)


def _bi5(rows: list[tuple[float, ...]], form: str = ">IIIff") -> bytes:
    return lzma.compress(b"".join(struct.pack(form, *row) for row in rows), format=lzma.FORMAT_ALONE)


def test_dukascopys_records_stand_in_a_tree_whose_months_begin_at_zero(tmp_path: Path) -> None:
    day = "EURUSD/2019/01/04"
    _file(
        tmp_path,
        _bi5([(14, 114_560, 114_557, 1.5, 0.75), (14, 114_561, 114_557, 0.1, 2)]),
        f"{day}/13h_ticks.bi5",
    )
    _file(tmp_path, b"", f"{day}/14h_ticks.bi5")
    _file(tmp_path, _bi5([(3_599_999, 114_600, 114_598, 1, 1)]), f"{day}/12h_ticks.bi5")
    source = open_source(tmp_path, EUR_USD)
    assert _rows(_ticks(source)) == [
        (_ns(2019, 2, 4, 12, 59, 59, ns=999_000_000), 114_598, 114_600, 1_000_000, 1_000_000),
        (_ns(2019, 2, 4, 13, ns=14_000_000), 114_557, 114_560, 750_000, 1_500_000),
        (_ns(2019, 2, 4, 13, ns=14_000_000), 114_557, 114_561, 2_000_000, 100_000),
    ]
    assert [str(item) for item in source.notes] == ["empty files: 1 hours had no tick (14h_ticks.bi5)"]


def test_dukascopys_flat_candles_are_left_out_and_both_sides_joined(tmp_path: Path) -> None:
    for side, spread in (("BID", 0), ("ASK", 3)):
        rows = [
            (0, 114_500 + spread, 114_510 + spread, 114_490 + spread, 114_520 + spread, 9.5),
            (60, *(114_510 + spread,) * 4, 0.0),
            (120, *(114_510 + spread,) * 4, 0.2),
        ]
        _file(tmp_path, _bi5(rows, ">IIIIIf"), f"EURUSD/2019/01/04/{side}_candles_min_1.bi5")
    source = open_source(tmp_path, EUR_USD)
    bars = _bars(source)
    assert bars.open_ns.tolist() == [_ns(2019, 2, 4), _ns(2019, 2, 4, 0, 2)]
    assert (bars.bid_high[0], bars.bid_low[0], bars.bid_close[0], bars.ask_close[0]) == (
        *(114_520, 114_490, 114_510, 114_513),
    )
    assert [(item.name, item.count) for item in source.notes] == [("flat fillers", 2)]


@pytest.mark.parametrize(
    ("body", "error", "match"),
    [
        (_bi5([(1, 114_560, 114_557, 1, 1)])[:-3], TruncatedFileError, "expected"),
        (b"no lzma at all", TruncatedFileError, "expected LZMA data"),
        (lzma.compress(b"x" * 21, format=lzma.FORMAT_ALONE), TruncatedFileError, "whole records of 20 bytes"),
        (
            _bi5([(3_600_000, 114_560, 114_557, 1, 1)]),
            BadInputError,
            "record 1: expected a time within its hour",
        ),
        (_bi5([(1, 114_560, 0, 1, 1)]), BadInputError, "record 1: expected prices from 1"),
        (_bi5([(1, 114_560, 114_557, float("nan"), 1)]), BadInputError, "expected volumes"),
        (
            _bi5([(2, 114_560, 114_557, 1, 1), (1, 114_560, 114_557, 1, 1)]),
            BadTicksError,
            "record 2: .* comes after",
        ),
    ],
)
def test_a_damaged_bi5_file_is_refused(
    tmp_path: Path, body: bytes, error: type[Exception], match: str
) -> None:
    _file(tmp_path, body, "EURUSD/2019/01/04/13h_ticks.bi5")
    with pytest.raises(error, match=match):
        list(open_source(tmp_path, EUR_USD).batches())


def test_a_bi5_file_out_of_its_folders_has_no_time(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="below folders like EURUSD/2019/01/04"):
        open_source(_file(tmp_path, b"", "13h_ticks.bi5"), EUR_USD)
    with pytest.raises(BadInputError, match="below folders"):
        open_source(_file(tmp_path, b"", "EURUSD/2019/12/04/13h_ticks.bi5"), EUR_USD)  # months are 00 to 11


def _dukascopy_json(**changes: object) -> str:
    value = {
        "timestamp": 1_783_641_600_000,
        "multiplier": 1e-5,
        "open": 1.14331,
        "high": 1.14334,
        "low": 1.14322,
        "close": 1.14324,
        "shift": 60_000,
        "times": [0, 1, 3],
        "opens": [0, -8, 9],
        "highs": [0, 1, -3],
        "lows": [0, -4, 9],
        "closes": [0, 9, -1],
        "volumes": [197.1, 104.85, 0.5],
    }
    return json.dumps(value | changes)


def test_dukascopys_json_counts_differences(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, _dukascopy_json(), "candles-minute-EUR-USD-BID-2026-7-10.json")
    source = open_source(path, EUR_USD, cost_book=cost_book)
    bars = _bars(source)
    first = 1_783_641_600_000_000_000
    assert bars.open_ns.tolist() == [first, first + 60 * 10**9, first + 240 * 10**9]
    assert bars.bid_open.tolist() == [114_331, 114_323, 114_332]
    assert bars.bid_close.tolist() == [114_324, 114_333, 114_332]
    assert [(item.name, item.count) for item in source.notes] == [("gaps", 2)]


def test_dukascopys_json_ticks_have_sizes(tmp_path: Path) -> None:
    value = {
        "timestamp": 1_783_944_000_000,
        "multiplier": 1e-5,
        "ask": 1.14277,
        "bid": 1.14273,
        "times": [93, 104],
        "asks": [0, -2],
        "bids": [0, -1],
        "askVolumes": [900_000.0, 1.449e7],
        "bidVolumes": [2_700_000.0, 1.0],
    }
    source = open_source(_file(tmp_path, json.dumps(value), "ticks-EUR-USD-2026-7-13-12.json"), EUR_USD)
    start = 1_783_944_000_000_000_000
    assert _rows(_ticks(source)) == [
        (start + 93_000_000, 114_273, 114_277, 2_700_000, 900_000),
        (start + 197_000_000, 114_272, 114_275, 1, 14_490_000),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (_dukascopy_json(opens=[0, 1]), "expected 3 opens as there are times, found 2"),
        (_dukascopy_json(times=[0, -1, 3]), "times that go on"),
        (_dukascopy_json(times=[0, 1.5, 3]), "expected times as a list of whole numbers"),
        (_dukascopy_json(multiplier=3e-6), "expected a multiplier of whole points"),
        (_dukascopy_json(multiplier=True), "expected a multiplier"),
        (_dukascopy_json(open="abc"), "expected a price, found 'abc'"),
        (_dukascopy_json(open=None), "expected a price, found None"),
        (_dukascopy_json(opens=[0, -(10**10), 0]), "expected a price|beyond any price"),
        (_dukascopy_json(volumes=[1, 2]), "expected 3 volumes"),
        (_dukascopy_json(shift=0), "expected a shift"),
        (_dukascopy_json(timestamp=-5), "timestamp"),
        (_dukascopy_json()[:-20], "line 1: expected JSON"),
        (_dukascopy_json().replace("1.14331", "NaN"), "expected JSON"),
    ],
)
def test_damaged_json_is_refused(tmp_path: Path, cost_book: CostBook, text: str, match: str) -> None:
    path = _file(tmp_path, text, "candles-minute-EUR-USD-BID-2026-7-10.json")
    with pytest.raises(BadInputError, match=match):
        list(open_source(path, EUR_USD, cost_book=cost_book).batches())


def _oanda(minutes: range, *, complete: bool = True, **changes: object) -> str:
    prices = {"o": "1.38710", "h": "1.38711", "l": "1.38709", "c": "1.38711"}
    candles = [
        {
            "time": f"2014-05-05T00:{minute:02d}:00.000000000Z",
            "complete": complete or minute != minutes[-1],
            "volume": 12,
            "bid": prices,
            "ask": {name: f"{float(price) + 0.0001:.5f}" for name, price in prices.items()},
        }
        for minute in minutes
    ]
    return json.dumps({"instrument": "EUR_USD", "granularity": "M1", "candles": candles} | changes)


def test_pages_of_oandas_candles_are_one_series(tmp_path: Path) -> None:
    pages = [_file(tmp_path, _oanda(range(3, 6), complete=False), "a.json")]
    pages.append(_file(tmp_path, _oanda(range(4)), "b.json"))  # minute 3 stands in both
    source = open_source(pages, EUR_USD)
    bars = _bars(source)
    assert ((bars.open_ns - _ns(2014, 5, 5)) // (60 * 10**9)).tolist() == [0, 1, 2, 3, 4]
    assert (bars.timeframe, bars.sides, bars.ask_open[0]) == (Timeframe.M1, "bid+ask", 138_720)
    assert {item.name: item.count for item in source.notes} == {"not complete": 1, "shared": 1}
    other = _oanda(range(4)).replace("1.38711", "1.38712")
    with pytest.raises(
        DuplicateBarsError, match=r"b.json, candle 4 and a.json, candle 1: two bars .* differ"
    ):
        list(open_source([pages[0], _file(tmp_path, other, "b.json")], EUR_USD).batches())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (_oanda(range(2), granularity="M7"), "expected a granularity like M1, H1 or D, found 'M7'"),
        (_oanda(range(2), instrument="GBP_USD"), "holds GBP_USD, not EUR_USD"),
        (
            _oanda(range(2)).replace('"1.38711"', '"1.387111"', 1),
            "candle 1: .* at most 5 decimals, found 1.387111",
        ),
        (_oanda(range(2)).replace('"1.38711"', "null", 1), "expected a price, found None"),
        (_oanda(range(2)).replace("T00:01", "T00:61"), "candle 2: expected a time like"),
        (_oanda(range(2)).replace('"complete": true', '"complete": 1', 1), "complete to be true or false"),
        (_oanda(range(2)).replace('"ask"', '"task"'), "bid prices only"),
        (_oanda(range(1), candles=[]), "expected candles, found none"),
        (_oanda(range(2))[:-9], "expected JSON"),
    ],
)
def test_pages_that_are_wrong_are_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        list(open_source(_file(tmp_path, text, "page.json"), EUR_USD).batches())


def _one_side(prices: str) -> str:
    return "timestamp,open,high,low,close\n" + "".join(
        f"2026-03-02T00:0{minute}:00Z,{prices}\n" for minute in range(4)
    )


def test_a_bid_file_and_an_ask_file_are_a_pair(tmp_path: Path) -> None:
    bid = _file(tmp_path, _one_side("1.1,1.1,1.1,1.1"), "eurusd-bid.csv")
    ask_text = _one_side("1.2,1.2,1.2,1.2").replace("00:01", "00:07")
    lines = ask_text.splitlines()
    ask = _file(tmp_path, "\n".join([lines[0], lines[1], *lines[3:], lines[2]]), "eurusd-ask.csv")
    for first, second in ((bid, ask), (ask, bid)):
        source = open_source(first, EUR_USD, pair_with=second)
        bars = _bars(source)
        assert bars.sides == "bid+ask"
        assert (bars.bid_open[0], bars.ask_open[0], len(bars)) == (110_000, 120_000, 3)
        assert {item.name: (item.count, item.examples) for item in source.notes if "alone" in item.name} == {
            "ask alone": (1, ("eurusd-ask.csv, line 5",)),
            "bid alone": (1, ("eurusd-bid.csv, line 3",)),
        }
    nameless = _file(tmp_path, bid.read_bytes(), "one.csv")
    assert len(_bars(open_source(nameless, EUR_USD, pair_with=ask))) == 3
    with pytest.raises(SideNotStatedError):
        open_source(nameless, EUR_USD, pair_with=_file(tmp_path, bid.read_bytes(), "two.csv"))
    with pytest.raises(BadInputError, match=r"truefx files are bid\+ask"):
        open_source(bid, EUR_USD, pair_with=_file(tmp_path, TRUEFX, "ticks.csv"))


def test_parquet_is_exact_or_refused(tmp_path: Path) -> None:
    times = pa.array([_ns(2026, 3, 2), _ns(2026, 3, 2, 0, 1)], pa.timestamp("ns", tz="UTC"))
    from decimal import Decimal

    forms = {
        "doubles": pa.array([1.1, 1.10013]),
        "decimals": pa.array([Decimal("1.1"), Decimal("1.10013")], pa.decimal128(18, 6)),
        "text": pa.array(["1.1", "1.10013"]),
    }
    for name, prices in forms.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"time": times, "bid": prices, "ask": prices}), path)
        ticks = _ticks(open_source(path, EUR_USD))
        assert ticks.bid.tolist() == [110_000, 110_013]
        assert ticks.time_ns.tolist() == [_ns(2026, 3, 2), _ns(2026, 3, 2, 0, 1)]
    for wrong, match in (
        (pa.array([1.1, 1.1000001]), "row 2: expected a price with at most 5 decimals in bid"),
        (pa.array([1.1, None]), "row 2: expected a value in bid"),
        (pa.array([1.1, float("nan")]), "row 2: expected a price in bid"),
        (pa.array([1.1, 0.0]), "row 2: expected a price from 0 to 10,000 in bid"),
        (pa.array([110_000, 110_013]), "expected bid as decimals, text or doubles, found int64"),
        (
            pa.array([Decimal("1.1"), Decimal("1.100131")], pa.decimal128(18, 6)),
            "bid with at most 5 decimals",
        ),
    ):
        path = tmp_path / "wrong.parquet"
        pq.write_table(pa.table({"time": times, "bid": wrong, "ask": forms["doubles"]}), path)
        with pytest.raises(BadInputError, match=match):
            list(open_source(path, EUR_USD).batches())
    whole = (tmp_path / "doubles.parquet").read_bytes()
    with pytest.raises(TruncatedFileError, match="whole Parquet file"):
        open_source(_file(tmp_path, whole[:-30], "cut.parquet"), EUR_USD)
    pq.write_table(pa.table({"T": times.cast(pa.int64()), **dict.fromkeys(PRICES, forms["text"])}), path)
    source = open_source(
        path,
        EUR_USD,
        columns={"time": "T", **dict(zip(PRICES, PRICES, strict=True))},
        time_format="ns",
        timezone="UTC",
    )
    assert _bars(source).timeframe is Timeframe.M1


def test_reference_rates_are_no_quotes() -> None:
    with pytest.raises(UnknownFormatError, match="reference rates of the European Central Bank"):
        open_source(sample_files().ecb_rates, EUR_USD)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "time,bid,ask,open,high,low,close\n2026-03-02T00:00:00Z,1,1,1,1,1,1\n",
            "the header fits ohlc and ticks",
        ),
        ("time,bid,ask\n01/02/2026 00:00:00,1.1,1.2\n", "may have the day or the month first"),
    ],
)
def test_what_may_be_two_things_is_refused_with_both_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(AmbiguousFormatError, match=match):
        open_source(_file(tmp_path, text), EUR_USD)


def test_a_folder_with_several_things_wants_a_choice(tmp_path: Path) -> None:
    _file(tmp_path, TRUEFX, "a.csv")
    _file(tmp_path, TICKS, "b.csv")
    _file(tmp_path, "read me", "README.txt")
    with pytest.raises(AmbiguousFormatError, match=r"found ticks \(1 files\), truefx \(1 files\); choose"):
        open_source(tmp_path, EUR_USD)
    source = open_source(tmp_path, EUR_USD, fmt="truefx")
    assert len(_ticks(source)) == 3
    assert [(item.name, item.examples) for item in source.notes] == [("other files", ("README.txt", "b.csv"))]
    _file(tmp_path, gzip.compress(TRUEFX.encode())[:-20], "c.csv.gz")
    with pytest.raises(TruncatedFileError):  # not left aside
        open_source(tmp_path, EUR_USD, fmt="truefx")


def test_what_it_was_taken_for_is_said(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, TRUEFX), EUR_USD)
    assert source.describe().splitlines() == [
        "file.csv: truefx (ticks), by lines like EUR/USD,20090501 00:00:00.312,bid,ask",
        "Times are UTC: TrueFX writes UTC.",
    ]
    assert json.loads(json.dumps(source.to_json()))["recognised_by"].startswith("lines like EUR/USD")


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zip"])
def test_packed_ticks_are_the_same(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"ticks.csv.{packing}"
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ticks.csv", TRUEFX)
    else:
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[packing]
        path.write_bytes(pack(TRUEFX.encode()))
    assert len(_ticks(open_source(path, EUR_USD))) == 3
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(BadInputError, match="ticks"):
            list(open_source(path, EUR_USD).batches())


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_FREE_BYTES", 1 << 20)
    line = b"EUR/USD,20090501 00:00:00.312,1.32262,1.32271\n"
    bomb = line * 200_000
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bomb.csv", bomb)
    with pytest.raises(ArchiveTooLargeError, match="packed into"):
        open_source(path, EUR_USD)
    path = _file(tmp_path, gzip.compress(bomb, 9), "bomb.csv.gz")
    with pytest.raises(ArchiveTooLargeError, match="found more than"):
        list(open_source(path, EUR_USD).batches())


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ticks.csv", TRUEFX * 50)
    data = path.read_bytes()
    size = struct.pack("<I", len(TRUEFX) * 50)
    path.write_bytes(data.replace(size, struct.pack("<I", len(TRUEFX) * 10)))
    with pytest.raises(BadInputError, match="lie"):
        list(open_source(path, EUR_USD).batches())


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        (
            TRUEFX.encode() + TRUEFX.replace("\n", "\r\n").encode(),
            MalformedLineError,
            "line 4: expected lines that end with LF as the first does, found CR LF",
        ),
        (
            TRUEFX.replace("\n", "\r\n").encode() + TRUEFX.encode(),
            MalformedLineError,
            "line 4: expected lines that end with CR LF as the first does, found LF",
        ),
        (
            TRUEFX.encode().replace(b"00:00:01", b"00:00\x0001"),
            UnknownFormatError,
            "line 3: expected text, found a byte 0",
        ),
        (TRUEFX.encode("utf-16-le"), BadInputError, "file.csv"),
        (b"\xff\xfe" + TRUEFX.encode("utf-16-le")[:-1], UnknownFormatError, "truncated data"),
        (
            TICKS.encode() + b"2026-03-02T00:00:01Z,1.1,1.2,1,1\n" + TICKS.encode(),
            MalformedLineError,
            "line 4: expected a row, found the header again",
        ),
        (
            b"time;bid;ask\n2026-03-02T00:00:00Z;1,10000;1,10013\n",
            MalformedLineError,
            "line 2: EUR_USD: expected a price with a decimal point, found a decimal comma in '1,10000'",
        ),
        (
            b"time,bid,bid,ask\n2026-03-02T00:00:00Z,1.1,1.1,1.2\n",
            UnknownFormatError,
            "expected each column once",
        ),
        (
            b"time,bid,ask,mood\n2026-03-02T00:00:00Z,1.1,1.2,good\n",
            UnknownFormatError,
            "unknown column 'mood'",
        ),
        (
            TICKS.encode() + b"x" * 5_000_000,
            UnknownFormatError,
            "line 3: expected lines of text, found .* without a line end",
        ),
        (
            TRUEFX.encode() + b"EUR/USD,20090501 00:00:00,1.32262,1.32271\n",
            BadTicksError,
            "line 4: 2009-05-01 00:00:00 UTC comes after 2009-05-01 00:00:01; expected ticks in time order",
        ),
        (
            TRUEFX.encode() + b"EUR/USD,20090501 00:00:02,0.00000,1.32271\n",
            BadTicksError,
            "line 4: expected prices above 0",
        ),
        (
            TICKS.encode() + b"2026-03-02T00:00:01Z,1.1,1.2,1.5,1\n",
            MalformedLineError,
            "line 3: expected a size in whole units",
        ),
        (TICKS.encode() + b'2026-03-02T00:00:01Z,"1.1,1.2,1,1\n', MalformedLineError, "line 3"),
        (
            TICKS.encode() + b"2026-03-02T00:00:01Z,1.1,1.2,1\n",
            MalformedLineError,
            "line 3: expected 5 fields, found 4",
        ),
        (
            TICKS.encode() + b"2026-03-02T00:00:01Z,1.1 1,1.2,1,1\n",
            MalformedLineError,
            "line 3: EUR_USD: expected a price, found '1.1 1'",
        ),
        (
            TICKS.encode() + b"2026-03-02T00:00:01,1.1,1.2,1,1\n",
            MalformedLineError,
            "some times have a zone and some have none",
        ),
        (
            TICKS.encode() + b"2026-03-02T00:00:60Z,1.1,1.2,1,1\n",
            MalformedLineError,
            "line 3: expected a time",
        ),
        (
            TICKS.encode() + b"2026-02-29T00:00:00Z,1.1,1.2,1,1\n",
            MalformedLineError,
            "line 3: expected a time",
        ),
        (b"\n\n", EmptyFileError, "empty file"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(
    tmp_path: Path, text: bytes, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        list(open_source(_file(tmp_path, text), EUR_USD).batches())


def test_a_file_of_carriage_returns_is_read(tmp_path: Path) -> None:
    assert len(_ticks(open_source(_file(tmp_path, TRUEFX.replace("\n", "\r")), EUR_USD))) == 3


def test_a_last_line_without_its_end_is_read_and_said(tmp_path: Path) -> None:
    source = open_source(_file(tmp_path, TRUEFX.rstrip("\n")), EUR_USD)
    assert len(_ticks(source)) == 3
    assert [item.name for item in source.notes] == ["no last line end"]


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(text_rows, "_CHUNK", 4_096)
    line = "EUR/USD,20090501 00:00:00.312,1.32262,1.32271\n"
    path = _file(tmp_path, line * 1_000)

    def meddle(_: int) -> None:
        if path.stat().st_size != 1_000 * len(line):
            return
        if change == "grows":
            with path.open("a") as file:
                file.write(line)
        else:
            os.truncate(path, 40 * len(line))

    source = open_source(path, EUR_USD, progress=meddle)
    with pytest.raises(ChangedWhileReadError, match=r"file.csv(, line \d+)?: the file had 46,000 bytes"):
        list(source.batches())


def test_a_long_file_comes_in_batches_with_its_lines_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_rows, "_CHUNK", 8_192)
    rows = [
        f"EUR/USD,20090501 00:{i // 60:02d}:{i % 60:02d},1.{10_000 + i},1.{10_003 + i}" for i in range(3_000)
    ]
    path = _file(tmp_path, "\n".join(rows))
    reader = list(
        text_rows.read_text(
            path,
            open_source(path, EUR_USD)._reader.layouts[0],  # type: ignore[attr-defined]
            EUR_USD,
            notes=__import__("workbench.market.formats.raw", fromlist=["Notes"]).Notes(),
            batch_rows=257,
        )
    )
    assert [len(item) for item in reader] == [257] * 11 + [173]
    assert np.concatenate([item.rows for item in reader]).tolist() == list(range(1, 3_001))
    assert np.concatenate([item.columns["bid"] for item in reader]).tolist() == [
        110_000 + i for i in range(3_000)
    ]


def test_progress_sums_to_the_files_size(tmp_path: Path) -> None:
    for name, body in (("a.csv", TRUEFX.encode()), ("a.csv.gz", gzip.compress(TRUEFX.encode()))):
        seen: list[int] = []
        source = open_source(_file(tmp_path, body, name), EUR_USD, progress=seen.append)
        list(source.batches())
        assert sum(seen) == source.total_bytes == len(body)


@pytest.mark.parametrize("name", ["USDJPY-2024.csv", "usd_jpy.csv", "my.usd-jpy.m1.csv"])
def test_a_file_called_after_another_instrument_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("time,bid,ask\n2026-03-02T08:00:00Z,1.10000,1.10010\n")
    with pytest.raises(
        BadInputError, match="holds USDJPY, not EUR_USD, by its name; name its own instrument"
    ):
        open_source(path, instrument("EUR_USD"))
    both = path.rename(tmp_path / f"EURUSD-{name}")
    assert open_source(both, instrument("EUR_USD")).kind == "ticks"
