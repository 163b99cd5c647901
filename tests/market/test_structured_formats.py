"""Binary files, JSON and Parquet, and two files that make a pair: read to the point or refused."""

import json
import lzma
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.market.short_files import EUR_USD, TRUEFX, bars_of, ns_of, rows_of, ticks_of, write_file
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import PRICES
from workbench.market.errors import (
    BadTicksError,
    DuplicateBarsError,
    SideNotStatedError,
    TruncatedFileError,
)
from workbench.market.formats import open_source


def _bi5(rows: list[tuple[float, ...]], form: str = ">IIIff") -> bytes:
    return lzma.compress(b"".join(struct.pack(form, *row) for row in rows), format=lzma.FORMAT_ALONE)


def test_dukascopys_records_stand_in_a_tree_whose_months_begin_at_zero(tmp_path: Path) -> None:
    day = "EURUSD/2019/01/04"
    write_file(
        tmp_path,
        _bi5([(14, 114_560, 114_557, 1.5, 0.75), (14, 114_561, 114_557, 0.1, 2)]),
        f"{day}/13h_ticks.bi5",
    )
    write_file(tmp_path, b"", f"{day}/14h_ticks.bi5")
    write_file(tmp_path, _bi5([(3_599_999, 114_600, 114_598, 1, 1)]), f"{day}/12h_ticks.bi5")
    source = open_source(tmp_path, EUR_USD)
    assert rows_of(ticks_of(source)) == [
        (ns_of(2019, 2, 4, 12, 59, 59, ns=999_000_000), 114_598, 114_600, 1_000_000, 1_000_000),
        (ns_of(2019, 2, 4, 13, ns=14_000_000), 114_557, 114_560, 750_000, 1_500_000),
        (ns_of(2019, 2, 4, 13, ns=14_000_000), 114_557, 114_561, 2_000_000, 100_000),
    ]
    assert [str(item) for item in source.notes] == ["empty files: 1 hours had no tick (14h_ticks.bi5)"]


def test_dukascopys_flat_candles_are_left_out_and_both_sides_joined(tmp_path: Path) -> None:
    for side, spread in (("BID", 0), ("ASK", 3)):
        rows = [
            (0, 114_500 + spread, 114_510 + spread, 114_490 + spread, 114_520 + spread, 9.5),
            (60, *(114_510 + spread,) * 4, 0.0),
            (120, *(114_510 + spread,) * 4, 0.2),
        ]
        write_file(tmp_path, _bi5(rows, ">IIIIIf"), f"EURUSD/2019/01/04/{side}_candles_min_1.bi5")
    source = open_source(tmp_path, EUR_USD)
    bars = bars_of(source)
    assert bars.open_ns.tolist() == [ns_of(2019, 2, 4), ns_of(2019, 2, 4, 0, 2)]
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
    write_file(tmp_path, body, "EURUSD/2019/01/04/13h_ticks.bi5")
    with pytest.raises(error, match=match):
        list(open_source(tmp_path, EUR_USD).batches())


def test_a_bi5_file_out_of_its_folders_has_no_time(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="below folders like EURUSD/2019/01/04"):
        open_source(write_file(tmp_path, b"", "13h_ticks.bi5"), EUR_USD)
    with pytest.raises(BadInputError, match="below folders"):
        open_source(
            write_file(tmp_path, b"", "EURUSD/2019/12/04/13h_ticks.bi5"), EUR_USD
        )  # months are 00 to 11


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
    path = write_file(tmp_path, _dukascopy_json(), "candles-minute-EUR-USD-BID-2026-7-10.json")
    source = open_source(path, EUR_USD, cost_book=cost_book)
    bars = bars_of(source)
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
    source = open_source(write_file(tmp_path, json.dumps(value), "ticks-EUR-USD-2026-7-13-12.json"), EUR_USD)
    start = 1_783_944_000_000_000_000
    assert rows_of(ticks_of(source)) == [
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
    path = write_file(tmp_path, text, "candles-minute-EUR-USD-BID-2026-7-10.json")
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
    pages = [write_file(tmp_path, _oanda(range(3, 6), complete=False), "a.json")]
    pages.append(write_file(tmp_path, _oanda(range(4)), "b.json"))  # minute 3 stands in both
    source = open_source(pages, EUR_USD)
    bars = bars_of(source)
    assert ((bars.open_ns - ns_of(2014, 5, 5)) // (60 * 10**9)).tolist() == [0, 1, 2, 3, 4]
    assert (bars.timeframe, bars.sides, bars.ask_open[0]) == (Timeframe.M1, "bid+ask", 138_720)
    assert {item.name: item.count for item in source.notes} == {"not complete": 1, "shared": 1}
    other = _oanda(range(4)).replace("1.38711", "1.38712")
    with pytest.raises(
        DuplicateBarsError, match=r"b.json, candle 4 and a.json, candle 1: two bars .* differ"
    ):
        list(open_source([pages[0], write_file(tmp_path, other, "b.json")], EUR_USD).batches())


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
        list(open_source(write_file(tmp_path, text, "page.json"), EUR_USD).batches())


def _one_side(prices: str) -> str:
    return "timestamp,open,high,low,close\n" + "".join(
        f"2026-03-02T00:0{minute}:00Z,{prices}\n" for minute in range(4)
    )


def test_a_bid_file_and_an_ask_file_are_a_pair(tmp_path: Path) -> None:
    bid = write_file(tmp_path, _one_side("1.1,1.1,1.1,1.1"), "eurusd-bid.csv")
    ask_text = _one_side("1.2,1.2,1.2,1.2").replace("00:01", "00:07")
    lines = ask_text.splitlines()
    ask = write_file(tmp_path, "\n".join([lines[0], lines[1], *lines[3:], lines[2]]), "eurusd-ask.csv")
    for first, second in ((bid, ask), (ask, bid)):
        source = open_source(first, EUR_USD, pair_with=second)
        bars = bars_of(source)
        assert bars.sides == "bid+ask"
        assert (bars.bid_open[0], bars.ask_open[0], len(bars)) == (110_000, 120_000, 3)
        assert {item.name: (item.count, item.examples) for item in source.notes if "alone" in item.name} == {
            "ask alone": (1, ("eurusd-ask.csv, line 5",)),
            "bid alone": (1, ("eurusd-bid.csv, line 3",)),
        }
    nameless = write_file(tmp_path, bid.read_bytes(), "one.csv")
    assert len(bars_of(open_source(nameless, EUR_USD, pair_with=ask))) == 3
    with pytest.raises(SideNotStatedError):
        open_source(nameless, EUR_USD, pair_with=write_file(tmp_path, bid.read_bytes(), "two.csv"))
    with pytest.raises(BadInputError, match=r"truefx files are bid\+ask"):
        open_source(bid, EUR_USD, pair_with=write_file(tmp_path, TRUEFX, "ticks.csv"))


def test_parquet_is_exact_or_refused(tmp_path: Path) -> None:
    times = pa.array([ns_of(2026, 3, 2), ns_of(2026, 3, 2, 0, 1)], pa.timestamp("ns", tz="UTC"))
    from decimal import Decimal

    forms = {
        "doubles": pa.array([1.1, 1.10013]),
        "decimals": pa.array([Decimal("1.1"), Decimal("1.10013")], pa.decimal128(18, 6)),
        "text": pa.array(["1.1", "1.10013"]),
    }
    for name, prices in forms.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"time": times, "bid": prices, "ask": prices}), path)
        ticks = ticks_of(open_source(path, EUR_USD))
        assert ticks.bid.tolist() == [110_000, 110_013]
        assert ticks.time_ns.tolist() == [ns_of(2026, 3, 2), ns_of(2026, 3, 2, 0, 1)]
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
        open_source(write_file(tmp_path, whole[:-30], "cut.parquet"), EUR_USD)
    pq.write_table(pa.table({"T": times.cast(pa.int64()), **dict.fromkeys(PRICES, forms["text"])}), path)
    source = open_source(
        path,
        EUR_USD,
        columns={"time": "T", **dict(zip(PRICES, PRICES, strict=True))},
        time_format="ns",
        timezone="UTC",
    )
    assert bars_of(source).timeframe is Timeframe.M1
