"""Every format in text is recognised and read to the point."""

import zipfile
from pathlib import Path

import pytest

from tests.market.short_files import (
    EUR_USD,
    FXCM,
    FXCM_TICKS,
    HISTDATA_TICKS,
    LEAN_MINUTE,
    MT4,
    MT5,
    MT5_TICKS,
    TICKS,
    TRUEFX,
    bars_of,
    ns_of,
    rows_of,
    ticks_of,
    write_file,
)
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.errors import (
    MalformedLineError,
)
from workbench.market.formats import byte_parser, grammar, open_source


def test_the_codes_of_the_grammar_are_the_parsers() -> None:
    shared = {name.lstrip("_") for name in vars(grammar)} & set(vars(byte_parser))
    for name in ("SKIP", "NUMBER", "TIME", "NUMBER_OR_SAME"):
        assert getattr(grammar, name) == getattr(byte_parser, name)
    steps = [name for name in shared if hasattr(grammar, f"_{name}") and name.isupper()]
    assert len(steps) == 17
    assert all(getattr(grammar, f"_{name}") == getattr(byte_parser, name) for name in steps)


def test_truefx_is_utc_and_keeps_the_order_within_a_millisecond(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, TRUEFX), EUR_USD)
    assert (source.format, source.kind, source.zone.zone, source.zone.basis) == (
        *("truefx", "ticks", "UTC", "format"),
    )
    assert rows_of(ticks_of(source)) == [
        (ns_of(2009, 5, 1, ns=312_000_000), 132_262, 132_271, 0, 0),
        (ns_of(2009, 5, 1, ns=312_000_000), 132_263, 132_271, 0, 0),
        (ns_of(2009, 5, 1, 0, 0, 1), 132_263, 132_270, 0, 0),
    ]
    with pytest.raises(BadInputError, match="holds EURUSD, not GBP_USD"):
        open_source(write_file(tmp_path, TRUEFX), instrument("GBP_USD"))
    mixed = TRUEFX + "GBP/USD,20090501 00:00:02,1.5,1.5001\n"
    with pytest.raises(MalformedLineError, match="line 4: expected EUR/USD, found 'GBP/USD'"):
        ticks_of(open_source(write_file(tmp_path, mixed), EUR_USD))


def test_histdatas_ticks_are_bid_then_ask(tmp_path: Path) -> None:
    path = write_file(tmp_path, HISTDATA_TICKS, "DAT_ASCII_EURUSD_T_202001.csv")
    source = open_source(path, EUR_USD, timezone="America/New_York")
    assert source.format == "histdata-ticks"
    assert rows_of(ticks_of(source)) == [
        (ns_of(2020, 1, 2, 22, ns=65_000_000), 112_120, 112_172, 0, 0),
        (ns_of(2020, 1, 2, 22, 0, 10, ns=447_000_000), 112_120, 112_192, 0, 0),
    ]
    with pytest.raises(BadInputError, match="holds EURUSD, not USD_JPY"):
        open_source(path, instrument("USD_JPY"), timezone="UTC")


def test_metatrader_4_shows_its_servers_clock(tmp_path: Path, cost_book: CostBook) -> None:
    source = open_source(write_file(tmp_path, MT4, "EURUSD1.csv"), EUR_USD, cost_book=cost_book)
    assert (source.format, source.zone.zone) == ("mt4", "America/New_York+7h")
    assert "nothing in the file speaks against it" in source.zone.text
    bars = bars_of(source)
    assert bars.open_ns.tolist() == [ns_of(2017, 2, 28, 22), ns_of(2017, 2, 28, 22, 1)]
    assert bars.bid_close.tolist() == [105_529, 105_531]
    assert bars_of(open_source(source.files[0], EUR_USD, timezone="UTC", cost_book=cost_book)).open_ns[
        0
    ] == ns_of(2017, 3, 1)
    named = write_file(tmp_path, MT4, "DAT_MT_EURUSD_M1_2017.csv")
    assert open_source(named, EUR_USD, timezone="Etc/GMT+5").format == "histdata-mt"


def test_metatrader_5_changes_its_clock_with_new_york_and_tells_its_spread(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, MT5), EUR_USD)
    bars = bars_of(source)
    assert bars.open_ns[0] == ns_of(2026, 3, 8, 21)  # Sunday 17:00 New York, where it is summer already
    assert (bars.ask_close - bars.bid_close).tolist() == [12, 9]
    assert bars.sides == "bid; ask = bid + the spread of the file's bar"
    assert source.format == "mt5"


def test_metatrader_5_daily_bars_have_no_time_of_day(tmp_path: Path) -> None:
    text = (
        "\n".join(line.replace("\t00:00:00", "").replace("\t<TIME>", "") for line in MT5.splitlines()[:2])
        + "\n2026.03.10\t1.1\t1.1\t1.1\t1.1\t5\t0\t10\n"
    )
    bars = bars_of(open_source(write_file(tmp_path, text), EUR_USD))
    assert bars.timeframe is Timeframe.D1
    assert bars.open_ns.tolist() == [ns_of(2026, 3, 8, 21), ns_of(2026, 3, 9, 21)]


def test_metatrader_5_ticks_leave_out_what_did_not_change(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, MT5_TICKS), EUR_USD)
    start = ns_of(2026, 3, 8, 21)
    assert [row[:3] for row in rows_of(ticks_of(source))] == [
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
    assert ticks_of(oanda).time_ns.tolist() == [
        ns_of(2014, 5, 5, ns=292_000_000),
        ns_of(2014, 5, 5, ns=920_000_000),
    ]
    fxcm = open_source(zipped("fxcm/tick", ticks), EUR_USD)
    assert fxcm.zone.zone == "Etc/GMT+5"
    assert ticks_of(fxcm).time_ns[0] == ns_of(2014, 5, 5, 5, ns=292_000_000)
    bars = bars_of(open_source(zipped("oanda/minute", LEAN_MINUTE), EUR_USD, timeframe=Timeframe.M1))
    assert (bars.open_ns[0], bars.bid_low[0], bars.ask_low[0]) == (ns_of(2014, 5, 5), 138_669, 138_680)
    with pytest.raises(BadInputError, match="its times have no zone"):
        open_source(zipped("elsewhere", ticks), EUR_USD)
    with pytest.raises(MalformedLineError, match="line 1: expected a time within the day of the file's name"):
        open_source(zipped("oanda/late", "86400000,1.1,1.1001\n"), EUR_USD)
    with pytest.raises(BadInputError, match="holds EURUSD, not GBP_USD"):
        open_source(oanda.files, instrument("GBP_USD"))


def test_leans_seconds_are_bars_of_a_second(tmp_path: Path) -> None:
    rows = "".join(f"{1000 * index}{LEAN_MINUTE[1:]}" for index in range(3))
    source = open_source(write_file(tmp_path, rows, "oanda/20140505_quote.csv"), EUR_USD)
    assert bars_of(source).timeframe is Timeframe.S1


def test_fxcms_months_come_first(tmp_path: Path) -> None:
    bars = bars_of(open_source(write_file(tmp_path, FXCM), EUR_USD))
    assert (bars.open_ns[0], bars.sides, bars.ask_low[1]) == (ns_of(2015, 1, 4, 22), "bid+ask", 119_520)
    source = open_source(write_file(tmp_path, FXCM_TICKS.encode("utf-16")), EUR_USD)
    assert source.format == "fxcm-ticks"
    assert ticks_of(source).time_ns.tolist() == [
        ns_of(2015, 1, 4, 22, 0, 39, ns=587_000_000),
        ns_of(2015, 1, 4, 22, 0, 40, ns=100_000_000),
    ]
    assert [item.detail for item in source.notes] == ["files were UTF-16-LE"]


def test_ticks_of_the_stores_own_export_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, TICKS), EUR_USD)
    assert rows_of(ticks_of(source)) == [(ns_of(2026, 3, 2, ns=1), 110_000, 110_013, 1_000_000, 0)]
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
        write_file(tmp_path, text), EUR_USD, columns=columns, time_format=time_format, timezone="UTC"
    )
    assert rows_of(ticks_of(source)) == [(ns_of(2026, 3, 2, ns=expected), 110_000, 120_000, 0, 0)]
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
    path = write_file(tmp_path, "T,B,A\n1772409600,1.1,1.2\n")
    with pytest.raises(BadInputError, match=match):
        open_source(path, EUR_USD, columns=columns, time_format=time_format)
