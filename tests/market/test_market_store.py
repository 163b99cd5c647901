"""The market store: content-addressed, append-only, whole or not at all, shared by processes."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, minutes
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import MarketStore, import_sample, resample, sample_files
from workbench.market.bars import COLUMNS
from workbench.market.errors import DamagedDatasetError, MissingDataError
from workbench.market.storage import columnar
from workbench.store import open_store
from workbench.store.schema import datasets


def _files(market: MarketStore) -> list[str]:
    return sorted(
        path.relative_to(market.root).as_posix() for path in market.root.rglob("*") if path.is_file()
    )


def _import_sample(market: MarketStore, cost_book: CostBook) -> str:
    return import_sample(market, cost_book=cost_book).fingerprint


def test_what_was_imported_is_read_back_exactly(market: MarketStore) -> None:
    bars = minutes(500)
    report = market.add(bars, source="made up")
    assert report.is_new
    assert report.fingerprint == bars.fingerprint
    found = market.bars("EUR_USD", "M1")
    assert all((getattr(found, name) == getattr(bars, name)).all() for name in COLUMNS)
    assert (found.fingerprint, found.sides) == (bars.fingerprint, "bid+ask")
    assert found.content_digest() == bars.fingerprint


def test_the_catalogue_says_what_there_is(market: MarketStore, cost_book: CostBook) -> None:
    fingerprint = _import_sample(market, cost_book)
    (dataset,) = market.datasets()
    assert (dataset.instrument, dataset.timeframe, dataset.rows) == ("EUR_USD", Timeframe.H1, 6_225)
    assert dataset.fingerprint == fingerprint
    assert dataset.path == f"EUR_USD/H1/{fingerprint}.parquet"
    assert dataset.source == "eurusd_h1_2017_ask.csv.gz (UTC)"
    assert "2017-01-01 22:00 to 2017-12-29 22:00 UTC" in dataset.describe()
    assert (dataset.first_time, dataset.last_time) == ("2017-01-01 22:00", "2017-12-29 22:00")
    assert json.loads(json.dumps(dataset.to_json()))["report"]["rows"] == 6_225
    assert dataset.report == market.check(fingerprint)
    assert market.datasets("EUR_USD", "H1") == [dataset]
    assert market.datasets("GBP_USD") == market.datasets(timeframe="M1") == []


def test_the_sample_imports_without_a_word_about_it(sqlite_market: MarketStore) -> None:
    report = import_sample(sqlite_market)
    assert report.dataset.sides.startswith(
        "ask; bid = ask - spread by hour of week of cost book retail of 2018"
    )
    assert len(sqlite_market.bars("EUR_USD", "D1")) == 260


def test_importing_twice_changes_nothing(market: MarketStore, cost_book: CostBook) -> None:
    _import_sample(market, cost_book)
    before, files = market.datasets(), _files(market)
    stamps = [(market.root / name).stat().st_mtime_ns for name in files]
    sample = sample_files()
    again = market.import_file(sample.eurusd_h1_2017, "EUR_USD", timezone="UTC", cost_book=cost_book)
    assert not again.is_new
    assert "already there, nothing changed" in again.text
    assert (market.datasets(), _files(market)) == (before, files)
    assert [(market.root / name).stat().st_mtime_ns for name in files] == stamps


def test_a_corrected_file_is_another_dataset_and_the_first_stays(market: MarketStore) -> None:
    first, second = minutes(60), bars_at([MONDAY + index * MINUTE for index in range(60)], seed=2)
    market.add(first, source="first")
    market.add(second, source="second")
    assert market.bars("EUR_USD", "M1").fingerprint == second.fingerprint  # the newest
    pinned = market.bars("EUR_USD", "M1", fingerprint=first.fingerprint)
    assert pinned.content_digest() == first.fingerprint
    assert market.bars("EUR_USD", "M1", fingerprint=first.fingerprint[:8]).fingerprint == first.fingerprint


def test_bars_of_a_span_open_in_it(market: MarketStore) -> None:
    market.add(minutes(600), source="made up")
    start, end = datetime(2026, 3, 2, 1, tzinfo=UTC), datetime(2026, 3, 2, 2, tzinfo=UTC)
    found = market.bars("EUR_USD", "M1", start=start, end=end)
    assert (len(found), int(found.open_ns[0])) == (60, MONDAY + 60 * MINUTE)
    assert market.bars("EUR_USD", "M1", start=int(found.open_ns[0]), end=None).open_ns[0] == found.open_ns[0]
    with pytest.raises(MissingDataError, match=r"no bar from 2020-01-01 .* has EUR_USD M1: 600 bars"):
        market.bars(
            "EUR_USD", "M1", start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2020, 2, 1, tzinfo=UTC)
        )
    with pytest.raises(ValueError, match="aware"):
        market.bars("EUR_USD", "M1", start=datetime(2020, 1, 1))  # noqa: DTZ001


def test_longer_bars_are_made_from_the_longest_that_fit(market: MarketStore) -> None:
    short = minutes(3_000)
    market.add(short, source="made up")
    days = market.bars("EUR_USD", "D1")
    assert days.fingerprint == short.fingerprint
    assert days.content_digest() == resample(short, Timeframe.D1).content_digest()
    hours = bars_at([MONDAY + index * 60 * MINUTE for index in range(48)], Timeframe.H1, seed=5)
    market.add(hours, source="made up")
    assert market.bars("EUR_USD", "D1").fingerprint == hours.fingerprint
    assert (
        market.bars("EUR_USD", "D1", fingerprint=short.fingerprint).content_digest() == days.content_digest()
    )
    assert market.bars("EUR_USD", "M15").fingerprint == short.fingerprint


def test_cutting_a_span_out_of_longer_bars_changes_none_of_them(market: MarketStore) -> None:
    market.add(minutes(600), source="made up")
    whole = market.bars("EUR_USD", "H1")
    part = market.bars("EUR_USD", "H1", start=MONDAY + 61 * MINUTE)
    assert [part.bar(index) for index in range(3)] == [whole.bar(index + 2) for index in range(3)]


def test_missing_data_is_said_with_what_there_is(market: MarketStore) -> None:
    with pytest.raises(MissingDataError, match=r"no EUR_USD H1 bars .* nothing yet; import a file first"):
        market.bars("EUR_USD", "H1")
    market.add(minutes(10), source="made up")
    with pytest.raises(
        MissingDataError, match="no GBP_USD M1 bars in the market store, which has EUR_USD M1"
    ):
        market.bars("GBP_USD", "M1")
    with pytest.raises(MissingDataError, match="expected one dataset ffffffffffff, found 0"):
        market.bars("EUR_USD", "M1", fingerprint="f" * 64)
    with pytest.raises(MissingDataError, match="found 0"):
        market.check("%_______")
    with pytest.raises(MissingDataError, match="holds EUR_USD, not GBP_USD"):
        market.bars("GBP_USD", "M1", fingerprint=market.datasets()[0].fingerprint)
    with pytest.raises(BadInputError, match="unknown timeframe 'W2'"):
        market.bars("EUR_USD", "W2")
    with pytest.raises(BadInputError, match="unknown instrument 'EURUSD'"):
        market.bars("EURUSD", "H1")


def test_a_refused_file_leaves_the_store_as_it_was(market: MarketStore, tmp_path: Path) -> None:
    file = tmp_path / "cut_ask.csv"
    file.write_text("time,open,high,low,close\n2026-03-02T00:00:00Z,1.1,1.1,1.1,1.1\n2026-03-02T00:01")
    with pytest.raises(BadInputError):
        market.import_file(file, "EUR_USD", timeframe="M1")
    assert market.datasets() == []
    assert not market.root.exists()


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "other"])
def test_a_damaged_file_is_found_and_brought_back_by_its_source(
    sqlite_market: MarketStore, damage: str
) -> None:
    market, bars = sqlite_market, minutes(200)
    market.add(bars, source="made up")
    (name,) = _files(market)
    path = market.root / name
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "changed":
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 0xFF
        path.write_bytes(bytes(data))
    else:
        columnar.write_bars_file(bars_at(bars.open_ns.tolist(), seed=9), path)
    with pytest.raises(
        DamagedDatasetError, match=f"dataset {bars.fingerprint[:12]}: .* import the source again"
    ):
        market.bars("EUR_USD", "M1")
    assert not market.add(bars, source="made up").is_new
    assert market.bars("EUR_USD", "M1").content_digest() == bars.fingerprint


@pytest.mark.parametrize("moment", ["fsync", "replace", "insert"])
def test_ctrl_c_leaves_the_store_as_it_was(
    sqlite_market: MarketStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    market = sqlite_market
    market.add(minutes(50), source="before")
    before, files = market.datasets(), _files(market)

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "insert":
            patch.setattr(datasets, "insert", interrupted)
        else:
            patch.setattr(f"workbench.market.storage.folders.os.{moment}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            market.add(minutes(70), source="cut off")
    assert market.datasets() == before
    if moment != "insert":  # a whole file without a row in the catalogue is of no consequence
        assert _files(market) == files
    assert market.add(minutes(70), source="again").is_new
    assert market.bars("EUR_USD", "M1").content_digest() == minutes(70).fingerprint


_IMPORT = """
import sys, json
from pathlib import Path
from workbench.domain.cost_book import CostBook
from workbench.market import MarketStore
root, url, file, book, wait = sys.argv[1:]
market = MarketStore(Path(root), url)
book = CostBook.from_json(json.loads(book))
print("ready", flush=True)
if wait == "wait":
    sys.stdin.readline()
report = market.import_file(Path(file), "EUR_USD", timezone="UTC", cost_book=book, show_progress=False)
print(report.is_new, report.fingerprint, flush=True)
"""


def _importer(market: MarketStore, url: str, file: Path, book: CostBook) -> "subprocess.Popen[str]":
    arguments = [str(market.root), url, str(file), json.dumps(book.to_json()), "wait"]
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_importing_the_same_file_at_once_agree(
    market: MarketStore, store_url: str, cost_book: CostBook
) -> None:
    file = sample_files().eurusd_h1_2017
    processes = [_importer(market, store_url, file, cost_book) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in results] == [""] * 3
    words = [output.split() for output, _ in results]
    assert sorted(new for new, _ in words) == ["False", "False", "True"]
    (dataset,) = market.datasets()
    assert {fingerprint for _, fingerprint in words} == {dataset.fingerprint}
    assert _files(market) == [dataset.path]
    assert market.bars("EUR_USD", "H1").content_digest() == dataset.fingerprint


def test_an_interrupted_process_leaves_the_store_as_it_was(
    sqlite_market: MarketStore, sqlite_url: str, cost_book: CostBook, tmp_path: Path
) -> None:
    file = tmp_path / "long_ask.csv"
    rows = ["time,open,high,low,close"]
    start = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
    for index in range(200_000):
        rows.append(f"{datetime.fromtimestamp(start + 60 * index, UTC).isoformat()},1.1,1.1,1.1,1.1")
    file.write_text("\n".join(rows))
    process = _importer(sqlite_market, sqlite_url, file, cost_book)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    time.sleep(0.3)  # it reads for more than a second
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
    assert output == ""
    assert sqlite_market.datasets() == []
    assert not sqlite_market.root.exists() or _files(sqlite_market) == []


def test_an_open_engine_serves_as_well_as_a_url(tmp_path: Path, store_url: str) -> None:
    engine = open_store(store_url)
    MarketStore(tmp_path, engine).add(minutes(5), source="made up")
    with engine.connect() as connection:
        assert connection.scalar(sa.select(datasets.c.rows)) == 5


def test_an_empty_series_is_no_dataset(sqlite_market: MarketStore) -> None:
    with pytest.raises(BadInputError, match="expected bars, found none"):
        sqlite_market.add(minutes(5).at(0, 0), source="made up")


def test_a_larger_file_shows_its_progress(
    sqlite_market: MarketStore, tmp_path: Path, cost_book: CostBook, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["time,open,high,low,close"]
    for index in range(30_000):
        moment = datetime.fromtimestamp(datetime(2026, 3, 2, tzinfo=UTC).timestamp() + 60 * index, UTC)
        rows.append(f"{moment.isoformat()},1.1,1.1,1.1,1.1")
    file = tmp_path / "long_ask.csv"
    file.write_text("\n".join(rows))
    sqlite_market.import_file(file, "EUR_USD", cost_book=cost_book)
    shown = capsys.readouterr().err
    assert "long_ask.csv" in shown
    assert "100%" in shown
    sqlite_market.import_file(file, "EUR_USD", cost_book=cost_book, show_progress=False)
    sample = sample_files()
    sqlite_market.import_file(sample.eurusd_h1_2017, "EUR_USD", timezone="UTC", cost_book=cost_book)
    assert capsys.readouterr().err == ""


def test_the_report_is_for_people_and_programs(sqlite_market: MarketStore, cost_book: CostBook) -> None:
    sample = sample_files()
    report = sqlite_market.import_file(sample.eurusd_h1_2017, "EUR_USD", timezone="UTC", cost_book=cost_book)
    assert report.to_json() == json.loads(json.dumps(report.to_json()))
    assert report.to_json()["rows"] == 6_225
    assert str(report).startswith(
        f"imported: dataset {report.fingerprint[:12]} from eurusd_h1_2017_ask.csv.gz"
    )
    assert "50 of 51 weeks open in the hour from 17:00 New York" in report._repr_html_()
