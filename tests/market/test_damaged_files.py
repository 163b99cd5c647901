"""What is doubtful, packed, damaged or changing is read right or refused with its line."""

import bz2
import gzip
import json
import lzma
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.market.short_files import (
    EUR_USD,
    TICKS,
    TRUEFX,
    ticks_of,
    write_file,
)
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market import sample_files
from workbench.market.errors import (
    AmbiguousFormatError,
    ArchiveTooLargeError,
    BadTicksError,
    ChangedWhileReadError,
    EmptyFileError,
    MalformedLineError,
    TruncatedFileError,
    UnknownFormatError,
)
from workbench.market.formats import chunks, open_source, text_rows


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
        open_source(write_file(tmp_path, text), EUR_USD)


def test_a_folder_with_several_things_wants_a_choice(tmp_path: Path) -> None:
    write_file(tmp_path, TRUEFX, "a.csv")
    write_file(tmp_path, TICKS, "b.csv")
    write_file(tmp_path, "read me", "README.txt")
    with pytest.raises(AmbiguousFormatError, match=r"found ticks \(1 files\), truefx \(1 files\); choose"):
        open_source(tmp_path, EUR_USD)
    source = open_source(tmp_path, EUR_USD, fmt="truefx")
    assert len(ticks_of(source)) == 3
    assert [(item.name, item.examples) for item in source.notes] == [("other files", ("README.txt", "b.csv"))]
    write_file(tmp_path, gzip.compress(TRUEFX.encode())[:-20], "c.csv.gz")
    with pytest.raises(TruncatedFileError):  # not left aside
        open_source(tmp_path, EUR_USD, fmt="truefx")


def test_what_it_was_taken_for_is_said(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, TRUEFX), EUR_USD)
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
    assert len(ticks_of(open_source(path, EUR_USD))) == 3
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
    path = write_file(tmp_path, gzip.compress(bomb, 9), "bomb.csv.gz")
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
        list(open_source(write_file(tmp_path, text), EUR_USD).batches())


def test_a_file_of_carriage_returns_is_read(tmp_path: Path) -> None:
    assert len(ticks_of(open_source(write_file(tmp_path, TRUEFX.replace("\n", "\r")), EUR_USD))) == 3


def test_a_last_line_without_its_end_is_read_and_said(tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, TRUEFX.rstrip("\n")), EUR_USD)
    assert len(ticks_of(source)) == 3
    assert [item.name for item in source.notes] == ["no last line end"]


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(text_rows, "_CHUNK", 4_096)
    line = "EUR/USD,20090501 00:00:00.312,1.32262,1.32271\n"
    path = write_file(tmp_path, line * 1_000)

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
    path = write_file(tmp_path, "\n".join(rows))
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
        source = open_source(write_file(tmp_path, body, name), EUR_USD, progress=seen.append)
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
