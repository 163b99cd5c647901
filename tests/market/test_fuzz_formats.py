"""Parsers under fire: what was written is read back, and damage gives an error or the rows that stand there.

The oracle is a second reader, slow and plain, of the same lines: whatever the fast one accepts, both must
read alike, and what the slow one can not read the fast one may not accept.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market.formats import open_source
from workbench.market.ticks import Ticks

EUR_USD = instrument("EUR_USD")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCALE = int(os.environ.get("WORKBENCH_FUZZ", "1"))  # 100 for an hour of it
FAST = settings(
    max_examples=40 * SCALE, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Row = tuple[int, int, int]  # nanoseconds, bid, ask


def _stamp(time_ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=time_ns // 1_000)


def _price(points: int) -> str:
    return f"{points // 10**5}.{points % 10**5:05d}"


def _write_truefx(rows: list[Row]) -> str:
    return "".join(
        f"EUR/USD,{_stamp(t):%Y%m%d %H:%M:%S}.{t % 10**9 // 10**6:03d},{_price(b)},{_price(a)}\n"
        for t, b, a in rows
    )


def _read_truefx(line: list[str]) -> Row:
    pair, stamp, bid, ask = line
    assert pair == "EUR/USD"
    return _slow_time(stamp, r"(\d{4})(\d\d)(\d\d) (\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"), *_points(
        bid, ask
    )


def _write_histdata(rows: list[Row]) -> str:
    return "".join(
        f"{_stamp(t):%Y%m%d %H%M%S}{t % 10**9 // 10**6:03d},{_price(b)}0,{_price(a)}0,0\n" for t, b, a in rows
    )


def _read_histdata(line: list[str]) -> Row:
    stamp, bid, ask, *volume = line
    assert len(volume) <= 1
    return _slow_time(stamp, r"(\d{4})(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(\d{3})"), *_points(bid, ask)


def _write_ticks(rows: list[Row]) -> str:
    return "time,bid,ask\n" + "".join(
        f"{_stamp(t):%Y-%m-%dT%H:%M:%S}.{t % 10**9:09d}Z,{_price(b)},{_price(a)}\n" for t, b, a in rows
    )


def _read_ticks(line: list[str]) -> Row:
    stamp, bid, ask = line
    assert stamp.endswith("Z")
    return (
        _slow_time(stamp[:-1], r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"),
        *_points(bid, ask),
    )


def _write_lean(rows: list[Row]) -> str:
    return "".join(f"{t // 10**6 % 86_400_000},{_price(b)},{_price(a)}\n" for t, b, a in rows)


def _read_lean(line: list[str]) -> Row:
    stamp, bid, ask = line
    moment = Decimal(_digits(stamp)) * 10**6
    assert moment == int(moment)
    return int(moment) + 1_583_193_600 * 10**9, *_points(bid, ask)


def _slow_time(text: str, pattern: str) -> int:
    found = re.fullmatch(pattern, text, re.ASCII)
    assert found is not None
    year, month, day, hour, minute, second, fraction = found.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    return (moment - EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))


def _digits(text: str) -> str:
    assert re.fullmatch(r"\d+(\.\d*)?", text, re.ASCII)
    return text


def _points(*texts: str) -> tuple[int, int]:
    bid, ask = (EUR_USD.to_points(Decimal(_digits(text))) for text in texts)
    return bid, ask


class Case:
    """A format: its file's name, writer, slow reader of one line, lines of header, unit of its times."""

    def __init__(
        self,
        name: str,
        write: Callable[[list[Row]], str],
        read: Callable[[list[str]], Row],
        *,
        header: int = 0,
        unit: int = 10**6,
    ) -> None:
        self.name, self.write, self.read_line, self.header, self.unit = name, write, read, header, unit

    def slow(self, data: bytes) -> list[Row]:
        """The rows by the plain reader; any exception when there is one that can not be read."""
        lines = (
            data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        )
        found = [next(csv.reader([line.strip("\r")])) for line in lines if line.strip()][self.header :]
        return [self.read_line([item.strip() for item in line]) for line in found]

    def fast(self, path: Path) -> list[Row] | None:
        """The rows by the reader under test, or None when it takes the file for something else."""
        source = open_source(path, EUR_USD, timezone="UTC")
        rows: list[Row] = []
        for batch in source.batches():
            if not isinstance(batch, Ticks):
                return None
            rows += zip(batch.time_ns.tolist(), batch.bid.tolist(), batch.ask.tolist(), strict=True)
        return rows


CASES = [
    Case("truefx.csv", _write_truefx, _read_truefx),
    Case("DAT_ASCII_EURUSD_T_202001.csv", _write_histdata, _read_histdata),
    Case("ticks.csv", _write_ticks, _read_ticks, header=1, unit=1),
    Case("oanda/20200303_quote.csv", _write_lean, _read_lean),
]
IDS = [case.name.rpartition("/")[2].partition("_")[0] for case in CASES]
DAY = 1_583_193_600 * 10**9  # 3 March 2020


@st.composite
def rows_of(draw: st.DrawFn, unit: int) -> list[Row]:
    count = draw(st.integers(1, 12))
    steps = draw(st.lists(st.integers(0, 7_000 * 10**9 // unit), min_size=count, max_size=count))
    prices = st.tuples(st.integers(1, 10**9), st.integers(1, 10**9))
    found, moment = [], DAY
    for step in steps:
        moment += step * unit
        found.append((moment, *draw(prices)))
    return found


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    body = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        kind = draw(st.sampled_from(["change", "insert", "delete", "cut", "double", "swap"]))
        byte = draw(
            st.one_of(st.sampled_from(b"0123456789.,;:- \t\r\n\"'eEZ+/\x00\xff"), st.integers(0, 255))
        )
        if kind == "change" and body:
            body[at] = byte
        elif kind == "insert":
            body.insert(at, byte)
        elif kind == "delete":
            del body[at : at + draw(st.integers(1, 5))]
        elif kind == "cut":
            del body[at:]
        elif kind == "double":
            body[at:at] = body[at : at + draw(st.integers(1, 60))]
        elif kind == "swap":
            other = draw(st.integers(0, max(len(body) - 1, 0)))
            if body:
                body[at], body[other] = body[other], body[at]
    return bytes(body)


def _put(folder: Path, case: Case, data: bytes) -> Path:
    path = folder / case.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", CASES, ids=IDS)
@FAST
@given(data=st.data())
def test_what_is_written_in_a_format_is_read_back(tmp_path: Path, case: Case, data: st.DataObject) -> None:
    rows = data.draw(rows_of(case.unit))
    body = case.write(rows).encode()
    assert case.slow(body) == rows
    assert case.fast(_put(tmp_path, case, body)) == rows
    windows = body.replace(b"\n", b"\r\n")
    assert case.fast(_put(tmp_path, case, b"\xef\xbb\xbf" + windows)) == rows


@pytest.mark.parametrize("case", CASES, ids=IDS)
@settings(parent=FAST, max_examples=120 * SCALE)
@given(data=st.data())
def test_damage_gives_an_error_or_the_rows_that_stand_there(
    tmp_path: Path, case: Case, data: st.DataObject
) -> None:
    body = _damaged(data.draw, case.write(data.draw(rows_of(case.unit))).encode())
    try:
        fast = case.fast(_put(tmp_path, case, body))
    except BadInputError:
        return
    if fast is not None:
        assert fast == case.slow(body)


def _names() -> st.SearchStrategy[str]:
    return st.sampled_from(
        [
            *("x.csv", "x.txt", "x.json", "x.parquet", "x.csv.gz", "x.zip", "x.bz2", "x.xz", "x.lzma"),
            *(
                "20200303_quote.zip",
                "EURUSD/2019/01/04/13h_ticks.bi5",
                "EURUSD/2019/01/BID_candles_hour_1.bi5",
            ),
            *("DAT_MT_EURUSD_M1_2017.csv", "candles-minute-EUR-USD-BID-2026-7-10.json"),
        ]
    )


_PIECES = [
    *(b"EUR/USD,", b"20200303 101112345", b"1.10000", b",", b";", b"\n", b"\r\n", b"0", b'"', b"[" * 999),
    *(b"time,bid,ask\n", b"time,open,high,low,close\n", b"2020-03-03T10:00:00Z", b"2020.03.03,10:00,"),
    *(b"<DATE>\t<TIME>", b"Date, USD, JPY, ", b'{"candles":[', b'"complete":true', b'"granularity":"M1"'),
    *(b'"multiplier":1e-5,', b'"timestamp":1', b"]}", b"NaN", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9"),
    *(b"\xfd7zXZ\x00", b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf", b"]\x00\x00"),
]


@settings(parent=FAST, max_examples=250 * SCALE)
@given(
    name=_names(),
    body=st.one_of(
        st.binary(max_size=200),
        st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=5)), max_size=20).map(b"".join),
    ),
)
def test_whatever_stands_in_a_file_it_is_refused_or_read(tmp_path: Path, name: str, body: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    try:
        for batch in open_source(path, EUR_USD, timezone="UTC", side=None).batches():
            assert len(batch)
    except BadInputError:
        pass


_TICK_RECORDS = st.lists(
    st.tuples(
        st.integers(0, 3_599_999),
        st.integers(1, 10**9),
        st.integers(1, 10**9),
        st.integers(0, 9_999).map(lambda value: value / 4),
        st.integers(0, 9_999).map(lambda value: value / 4),
    ),
    min_size=1,
    max_size=30,
).map(sorted)


def test_a_bi5_file_that_goes_on_after_its_end_is_refused(tmp_path: Path) -> None:
    body = lzma.compress(struct.pack(">IIIff", 0, 2, 1, 1.0, 1.0), format=lzma.FORMAT_ALONE)
    path = tmp_path / "EURUSD/2019/01/04/13h_ticks.bi5"
    path.parent.mkdir(parents=True)
    for rest in (body, body[:9], b"\x00"):
        path.write_bytes(body + rest)
        with pytest.raises(BadInputError, match=f"found {len(rest)} bytes after its end"):
            list(open_source(path, EUR_USD).batches())


@FAST
@given(records=_TICK_RECORDS, data=st.data())
def test_bi5_records_are_those_a_plain_decoder_finds(
    tmp_path: Path, records: list[tuple[int, int, int, float, float]], data: st.DataObject
) -> None:
    body = lzma.compress(b"".join(struct.pack(">IIIff", *item) for item in records), format=lzma.FORMAT_ALONE)
    damaged = data.draw(st.booleans())
    if damaged:
        body = _damaged(data.draw, body)
    path = tmp_path / "EURUSD/2019/01/04/13h_ticks.bi5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    try:
        found = [
            item
            for batch in open_source(path, EUR_USD).batches()
            if isinstance(batch, Ticks)
            for item in zip(*(column.tolist() for column in batch.columns().values()), strict=True)
        ]
    except BadInputError:
        assert damaged
        return
    hour = 1_549_285_200 * 10**9
    plain = struct.iter_unpack(">IIIff", lzma.decompress(body, format=lzma.FORMAT_ALONE))
    assert found == [
        (hour + ms * 10**6, bid, ask, round(bid_size * 1e6), round(ask_size * 1e6))
        for ms, ask, bid, ask_size, bid_size in plain
    ]


@FAST
@given(rows=rows_of(60 * 10**9), data=st.data())
def test_oandas_candles_are_those_that_stand_there(
    tmp_path: Path, rows: list[Row], data: st.DataObject
) -> None:
    rows = list({row[0]: row for row in rows}.values())
    candles = [
        {
            "time": f"{_stamp(t):%Y-%m-%dT%H:%M:%S}.000000000Z",
            "complete": True,
            "bid": dict.fromkeys("ohlc", _price(min(b, a))),
            "ask": dict.fromkeys("ohlc", _price(max(b, a))),
        }
        for t, b, a in rows
    ]
    body = json.dumps({"instrument": "EUR_USD", "granularity": "M1", "candles": candles}).encode()
    damaged = data.draw(st.booleans())
    if damaged:
        body = _damaged(data.draw, body)
    path = tmp_path / "page.json"
    path.write_bytes(body)
    try:
        found = [
            bar
            for batch in open_source(path, EUR_USD).batches()
            if not isinstance(batch, Ticks)
            for bar in zip(
                batch.open_ns.tolist(), batch.bid_low.tolist(), batch.ask_high.tolist(), strict=True
            )
        ]
    except BadInputError:
        assert damaged
        return
    plain = [
        (
            _slow_time(
                item["time"].removesuffix("Z"), r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
            ),
            EUR_USD.to_points(Decimal(item["bid"]["l"])),
            EUR_USD.to_points(Decimal(item["ask"]["h"])),
        )
        for item in json.loads(body, parse_float=str)["candles"]
        if item.get("complete", True)
    ]
    assert found == plain


@FAST
@given(data=st.data(), packing=st.sampled_from(["gz", "bz2", "xz", "zip"]))
def test_a_damaged_archive_is_an_error_or_what_it_was(
    tmp_path: Path, data: st.DataObject, packing: str
) -> None:
    rows = data.draw(rows_of(10**6))
    text = _write_truefx(rows).encode()
    if packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("truefx.csv", text)
        body = buffer.getvalue()
    else:
        body = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[packing](text)
    path = tmp_path / f"truefx.csv.{packing}"
    path.write_bytes(_damaged(data.draw, body))
    try:
        found = CASES[0].fast(path)
    except BadInputError:
        return
    assert found is None or found == rows[: len(found)]
