"""Ticks in the store: versions that share immutable parts, safe against cuts, damage and other processes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.market.bars_for_tests import MONDAY, bars_at, minutes
from tests.market.ticks_for_tests import HOUR, MS, same, ticks, ticks_at, walk
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore, bars_from_ticks
from workbench.market.bars import COLUMNS
from workbench.market.errors import (
    ConflictingDataError,
    DamagedDatasetError,
    MissingDataError,
    TimeRunsBackError,
)
from workbench.market.ticks import Ticks
from workbench.store import open_store


def _add(market: MarketStore, *batches: Ticks, **options: object) -> str:
    return market.add_ticks(list(batches), instrument="EUR_USD", source="made up", **options).fingerprint  # type: ignore[arg-type]


def _files(market: MarketStore) -> set[str]:
    root = Path(market.root)
    return {path.name for path in root.glob("parts/*/*.parquet")}


def _same_bars(left: Bars, right: Bars) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in COLUMNS)


@pytest.fixture(scope="module")
def shared_market(tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    """One store for many examples: nothing in it ever changes what another one sees by its fingerprint."""
    folder = tmp_path_factory.mktemp("shared")
    return MarketStore(folder / "market", open_store(f"sqlite:///{folder / 'w.db'}"))


def test_ticks_come_back_exactly(market: MarketStore) -> None:
    series = walk(5_000)
    report = market.add_ticks([series], instrument="EUR_USD", source="made up", zone="UTC")
    assert report.is_new
    dataset = report.dataset
    assert (dataset.kind, dataset.timeframe_name, dataset.rows, dataset.zone) == (
        "ticks",
        "tick",
        5_000,
        "UTC",
    )
    assert same(market.ticks("EUR_USD"), series)
    assert "5,000 ticks" in dataset.describe()
    assert json.loads(json.dumps(dataset.to_json()))["kept"] == ["M1"]
    assert market.datasets("EUR_USD", "tick", "ticks") == [dataset]
    assert market.datasets(kind="bars") == []
    assert market.check(dataset.fingerprint).rows == 5_000
    assert "all as they were written" in str(market.verify(dataset.fingerprint))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    series=ticks(),
    cuts=st.lists(st.integers(0, 200), max_size=4),
    span=st.tuples(st.integers(-5, 300), st.integers(-5, 300)),
)
def test_however_ticks_come_they_are_the_same_dataset_and_a_range_is_the_filtered_whole(
    shared_market: MarketStore, series: Ticks, cuts: list[int], span: tuple[int, int]
) -> None:
    borders = [0, *sorted(min(cut, len(series)) for cut in cuts), len(series)]
    pieces = [series.at(low, high) for low, high in pairwise(borders)]
    name = _add(shared_market, *pieces)
    assert name == _add(shared_market, series)
    assert same(shared_market.ticks("EUR_USD", fingerprint=name), series)
    start, end = (MONDAY + hours * HOUR for hours in sorted(span))
    expected = series.between(start, end)
    batches = list(shared_market.tick_batches("EUR_USD", fingerprint=name, start=start, end=end))
    assert sum(map(len, batches)) == len(expected)
    if len(expected):
        assert same(shared_market.ticks("EUR_USD", fingerprint=name, start=start, end=end), expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(series=ticks(), timeframe=st.sampled_from(["M1", "M15", "H4", "D1", "W1"]), hours=st.integers(0, 400))
def test_bars_of_stored_ticks_are_those_of_the_ticks(
    shared_market: MarketStore, series: Ticks, timeframe: str, hours: int
) -> None:
    expected = bars_from_ticks(series, timeframe)
    start = MONDAY + hours * HOUR
    for keep in (("M1",), ("S10", "M15"), ()):
        name = _add(shared_market, series, keep=keep)
        assert _same_bars(shared_market.bars("EUR_USD", timeframe, fingerprint=name), expected)
        wanted = expected.between(start, None)
        if len(wanted):
            found = shared_market.bars("EUR_USD", timeframe, fingerprint=name, start=start)
            assert _same_bars(found, wanted)


def test_bars_are_kept_up_as_ticks_are_appended(sqlite_market: MarketStore) -> None:
    series = walk(40_000, step_ms=60_000)  # four weeks
    for low in range(0, 40_000, 9_000):
        _add(sqlite_market, series.at(low, min(low + 9_000, 40_000)), extend=True, keep=("M1", "H1"))
    dataset = sqlite_market.datasets()[0]
    assert [str(item) for item in dataset.kept] == ["M1", "H1"]
    assert _same_bars(sqlite_market.bars("EUR_USD", "M1"), bars_from_ticks(series, "M1"))
    assert _same_bars(sqlite_market.bars("EUR_USD", "H4"), bars_from_ticks(series, "H4"))
    assert sqlite_market.bars("EUR_USD", "M1").fingerprint == dataset.fingerprint
    assert dataset.fingerprint == _add(sqlite_market, series)


def test_an_appended_version_shares_the_parts_of_the_old(sqlite_market: MarketStore) -> None:
    series = walk(20_000, step_ms=120_000)  # four weeks
    old = _add(sqlite_market, series.at(0, 15_000), keep=())
    before = _files(sqlite_market)
    new = _add(sqlite_market, series.at(15_000, 20_000), extend=True)
    assert sqlite_market.dataset(new).parent == old
    assert sqlite_market.dataset(new).rule == "extended"
    shared = {item[5] for item in sqlite_market.dataset(old).parts["ticks"]} & {
        item[5] for item in sqlite_market.dataset(new).parts["ticks"]
    }
    assert len(shared) >= 3
    assert before <= _files(sqlite_market)
    assert same(sqlite_market.ticks("EUR_USD", fingerprint=old), series.at(0, 15_000))
    assert same(sqlite_market.ticks("EUR_USD"), series)


def test_days_may_come_in_any_order_and_twice(sqlite_market: MarketStore) -> None:
    series = walk(12_000, step_ms=60_000)
    pieces = [series.at(low, low + 2_000) for low in range(0, 12_000, 2_000)]
    for index in (3, 0, 5, 3, 1, 4, 2, 0):
        _add(sqlite_market, pieces[index], extend=True)
    assert same(sqlite_market.ticks("EUR_USD"), series)
    assert sqlite_market.datasets()[0].fingerprint == _add(sqlite_market, series)
    assert _same_bars(sqlite_market.bars("EUR_USD", "M1"), bars_from_ticks(series, "M1"))


def test_overlapping_ticks_that_agree_count_once(sqlite_market: MarketStore) -> None:
    series = walk(6_000, step_ms=60_000)
    _add(sqlite_market, series.at(0, 4_000))
    _add(sqlite_market, series.at(2_500, 6_000), extend=True)
    assert same(sqlite_market.ticks("EUR_USD"), series)
    again = sqlite_market.add_ticks([series.at(100, 200)], instrument="EUR_USD", source="again", extend=True)
    assert not again.is_new
    assert len(sqlite_market.datasets()) == 2


def test_ticks_that_contradict_are_refused_or_take_the_place(sqlite_market: MarketStore) -> None:
    series = walk(6_000, step_ms=60_000)
    first = _add(sqlite_market, series)
    columns = series.at(3_000, 3_100).columns()
    columns["bid"] = columns["bid"] - 1
    other = Ticks(instrument=series.instrument, **columns)
    with pytest.raises(
        ConflictingDataError, match=r"EUR_USD: from 2026-.* they differ, first at .* replace the old"
    ):
        _add(sqlite_market, other, extend=True)
    assert [item.fingerprint for item in sqlite_market.datasets()] == [first]
    second = _add(sqlite_market, other, extend=True, replace=True)
    assert sqlite_market.dataset(second).rule == "extended, new data first"
    found = sqlite_market.ticks("EUR_USD")
    assert same(found.at(3_000, 3_100), other)
    assert same(found.at(3_100, 6_000), series.at(3_100, 6_000))
    assert _same_bars(sqlite_market.bars("EUR_USD", "M1"), bars_from_ticks(found, "M1"))
    assert same(sqlite_market.ticks("EUR_USD", fingerprint=first), series)


def test_what_was_wrong_with_ticks_that_others_replaced_is_told_no_more(sqlite_market: MarketStore) -> None:
    series = walk(6_000, step_ms=60_000)
    columns = {name: column.copy() for name, column in series.columns().items()}
    columns["bid"][3_000:3_100] = columns["ask"][3_000:3_100] + 5
    first = _add(sqlite_market, Ticks(instrument=series.instrument, **columns))
    assert sqlite_market.dataset(first).report.finding("crossed").count == 100
    second = _add(sqlite_market, series.at(3_000, 3_090), extend=True, replace=True)
    assert sqlite_market.dataset(second).report.finding("crossed").count == 10
    assert sqlite_market.dataset(second).report == sqlite_market.check(second)


def test_a_repair_names_its_parent_and_rule(sqlite_market: MarketStore) -> None:
    series = walk(100)
    parent = _add(sqlite_market, series)
    name = _add(sqlite_market, series.at(0, 90), parent=parent, rule="repaired: last ten dropped")
    dataset = sqlite_market.dataset(name)
    assert (dataset.parent, dataset.rule) == (parent, "repaired: last ten dropped")
    assert f"repaired: last ten dropped of {parent[:12]}" in dataset.describe()


def test_a_version_is_the_same_for_ever(sqlite_market: MarketStore) -> None:
    series = walk(3_000)
    first = _add(sqlite_market, series.at(0, 2_000))
    _add(sqlite_market, series.at(2_000, 3_000), extend=True)
    for version in (first, first[:8], 1, -2):
        found = sqlite_market.snapshot("EUR_USD", "tick", version=version)
        assert isinstance(found, Ticks)
        assert same(found, series.at(0, 2_000))
    assert len(sqlite_market.snapshot("EUR_USD", "tick")) == 3_000
    bars = sqlite_market.snapshot("EUR_USD", "M1", version=first)
    assert isinstance(bars, Bars)
    assert _same_bars(bars, bars_from_ticks(series.at(0, 2_000), "M1"))
    with pytest.raises(
        MissingDataError, match="expected a version from 1 to 2 or -1 for the newest, found 3"
    ):
        sqlite_market.snapshot("EUR_USD", "tick", version=3)


def test_the_last_ones_are_read_without_the_rest(sqlite_market: MarketStore) -> None:
    series = walk(20_000, step_ms=120_000)
    _add(sqlite_market, series)
    for count in (1, 700, 6_000):
        found = sqlite_market.last("EUR_USD", "tick", count)
        assert isinstance(found, Ticks)
        assert same(found, series.at(20_000 - count, 20_000))
    moment = int(series.time_ns[7_000])
    found = sqlite_market.last("EUR_USD", "tick", 10, before=moment)
    assert isinstance(found, Ticks)
    expected = series.between(None, moment)
    assert same(found, expected.at(len(expected) - 10, len(expected)))
    bars = sqlite_market.last("EUR_USD", "H1", 5, before=moment)
    assert isinstance(bars, Bars)
    assert len(bars) == 5
    assert int(bars.close_ns[-1]) <= moment  # none that was not over
    with pytest.raises(BadInputError, match="1 or more"):
        sqlite_market.last("EUR_USD", "tick", 0)


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_damage_is_found_named_and_mended_by_the_source(sqlite_market: MarketStore, damage: str) -> None:
    series = walk(5_000)
    name = _add(sqlite_market, series, keep=())
    (file,) = Path(sqlite_market.root).glob("parts/*/*.parquet")
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-10])
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
    for read in (
        lambda: sqlite_market.ticks("EUR_USD", start=int(series.time_ns[-10])),
        lambda: sqlite_market.bars("EUR_USD", "M1"),
        lambda: sqlite_market.verify(name),
    ):
        with pytest.raises(DamagedDatasetError, match=rf"{file.name} .* import the source again"):
            read()
    assert _add(sqlite_market, series, keep=()) == name
    assert same(sqlite_market.ticks("EUR_USD"), series)


def test_a_damaged_cache_is_made_anew(tmp_path: Path, sqlite_url: str) -> None:
    series = walk(5_000)
    _add(MarketStore(tmp_path / "market", sqlite_url), series)
    (cached,) = (tmp_path / "market" / ".cache" / "bars").iterdir()
    data = bytearray(cached.read_bytes())
    data[len(data) // 2] ^= 1
    cached.write_bytes(bytes(data))
    market = MarketStore(tmp_path / "market", sqlite_url)
    for _ in range(2):
        assert _same_bars(market.bars("EUR_USD", "M1"), bars_from_ticks(series, "M1"))


@pytest.mark.parametrize("moment", ["fsync", "replace", "stream", "catalogue"])
def test_an_import_cut_off_leaves_nothing_and_can_be_done_again(
    sqlite_market: MarketStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    series = walk(20_000, step_ms=120_000)
    _add(sqlite_market, series.at(0, 100))
    before = sqlite_market.datasets()

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    def stream() -> "object":
        yield series.at(100, 15_000)
        if moment == "stream":
            raise KeyboardInterrupt
        yield series.at(15_000, 20_000)

    with monkeypatch.context() as patch:
        if moment in ("fsync", "replace"):
            patch.setattr(f"workbench.market.storage.folders.os.{moment}", interrupted)
        if moment == "catalogue":
            patch.setattr("workbench.market.storage.catalogue.Catalogue.add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sqlite_market.add_ticks(stream(), instrument="EUR_USD", source="cut", extend=True)  # type: ignore[arg-type]
    assert sqlite_market.datasets() == before
    assert same(sqlite_market.ticks("EUR_USD"), series.at(0, 100))
    _add(sqlite_market, series.at(100, 20_000), extend=True)
    assert same(sqlite_market.ticks("EUR_USD"), series)
    assert sqlite_market.collect_garbage() == 0  # too young
    if moment in ("stream", "catalogue"):
        assert sqlite_market.collect_garbage(older_than_s=-1) > 0
    sqlite_market.verify(sqlite_market.datasets()[0].fingerprint)
    sqlite_market.verify(before[0].fingerprint)


def test_what_runs_back_or_is_another_instruments_is_refused(sqlite_market: MarketStore) -> None:
    with pytest.raises(TimeRunsBackError, match="older than the one before it"):
        _add(sqlite_market, ticks_at([MONDAY + MS, MONDAY]))
    with pytest.raises(TimeRunsBackError):
        _add(sqlite_market, ticks_at([MONDAY + MS]), ticks_at([MONDAY]))
    with pytest.raises(BadInputError, match="expected ticks of EUR_USD, found those of GBP_USD"):
        _add(sqlite_market, walk(5, name="GBP_USD"))
    with pytest.raises(BadInputError, match="expected ticks, found none"):
        _add(sqlite_market)
    with pytest.raises(BadInputError, match="D1 bars can not be kept beside ticks"):
        _add(sqlite_market, walk(5), keep=("D1",))
    with pytest.raises(MissingDataError, match="no EUR_USD ticks in the market store"):
        sqlite_market.ticks("EUR_USD")
    assert sqlite_market.datasets() == []


def test_crossed_ticks_are_kept_and_make_bars_that_say_so(sqlite_market: MarketStore) -> None:
    columns = walk(100).columns()
    columns["ask"] = columns["ask"].copy()
    columns["ask"][0] = columns["bid"][0] - 3
    crossed = Ticks(instrument=instrument("EUR_USD"), **columns)
    _add(sqlite_market, crossed)
    assert same(sqlite_market.ticks("EUR_USD"), crossed)
    for _ in range(2):  # made, and from the cache
        bars = sqlite_market.bars("EUR_USD", "M1")
        assert bars.crossed[0]
        assert "with the bid above the ask" in repr(bars)


def test_what_was_wrong_stays_said_when_good_quotes_are_added(sqlite_market: MarketStore) -> None:
    columns = walk(100).columns()
    columns["ask"] = columns["bid"] - 3
    _add(sqlite_market, Ticks(instrument=instrument("EUR_USD"), **columns))
    later = walk(100)
    later = Ticks(
        instrument=later.instrument, **{**later.columns(), "time_ns": later.time_ns + 86_400_000_000_000}
    )
    report = sqlite_market.add_ticks([later], instrument="EUR_USD", source="later", extend=True)
    assert report.dataset.rows == 200
    assert not report.check.ok
    assert report.check.finding("crossed").count == 100
    assert report.check.rows == 200


def test_bars_can_be_extended_too(sqlite_market: MarketStore) -> None:
    bars = minutes(300)
    sqlite_market.add(bars.at(0, 200), source="first")
    report = sqlite_market.add(bars.at(150, 300), source="second", extend=True)
    assert report.fingerprint == bars.content_digest()
    assert report.dataset.rule == "extended"
    with pytest.raises(ConflictingDataError, match="bars differ from the dataset's"):
        sqlite_market.add(bars_at(bars.open_ns[:50].tolist(), seed=9), source="third", extend=True)
    assert not sqlite_market.add(bars.at(20, 30), source="again", extend=True).is_new


def test_the_recorder_makes_a_version_at_each_commit(sqlite_market: MarketStore) -> None:
    series = walk(1_000)
    recorder = sqlite_market.recorder("EUR_USD", source="live")
    assert recorder.commit() is None
    for index in range(400):
        recorder.quote(int(series.time_ns[index]), int(series.bid[index]), int(series.ask[index]))
    recorder.commit()
    recorder.add(series.at(400, 1_000))
    assert len(recorder) == 600
    report = recorder.commit()
    assert report is not None
    assert report.dataset.rows == 1_000
    assert same(sqlite_market.ticks("EUR_USD"), series)
    assert len(recorder) == 0


_IMPORT = """
import sys
from pathlib import Path
from tests.market.ticks_for_tests import walk
from workbench.market import MarketStore
root, url, low, high, step = sys.argv[1:]
market = MarketStore(Path(root), url)
series = walk(60_000, step_ms=60_000)
def batches():
    for start in range(int(low), int(high), int(step)):
        yield series.at(start, min(start + int(step), int(high)))
print("ready", flush=True)
sys.stdin.readline()
report = market.add_ticks(batches(), instrument="EUR_USD", source="process", extend=True)
print(report.dataset.rows, flush=True)
"""


def _process(
    market: MarketStore, url: str, low: int, high: int, step: int = 1_000
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORT, str(market.root), url, str(low), str(high), str(step)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_that_import_overlapping_ticks_at_once_lose_nothing(
    market: MarketStore, store_url: str
) -> None:
    spans = [(0, 25_000), (20_000, 45_000), (40_000, 60_000)]
    processes = [_process(market, store_url, low, high) for low, high in spans]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=120) for process in processes]
    assert [error for _, error in results] == [""] * 3
    series = walk(60_000, step_ms=60_000)
    assert same(market.ticks("EUR_USD"), series)
    newest = market.datasets()[0]
    assert newest.fingerprint == _add(market, series)
    for dataset in market.datasets():
        market.verify(dataset.fingerprint)
    assert _same_bars(
        market.bars("EUR_USD", "M1", fingerprint=newest.fingerprint), bars_from_ticks(series, "M1")
    )


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2])
def test_a_killed_import_leaves_the_store_as_it_was(
    sqlite_market: MarketStore, sqlite_url: str, delay_s: float
) -> None:
    series = walk(60_000, step_ms=60_000)
    first = _add(sqlite_market, series.at(0, 3_000))
    process = _process(sqlite_market, sqlite_url, 2_000, 60_000, step=50)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    if not output:  # it was cut off
        assert [item.fingerprint for item in sqlite_market.datasets()] == [first]
    sqlite_market.verify(first)
    _add(sqlite_market, series.at(2_000, 60_000), extend=True)
    assert same(sqlite_market.ticks("EUR_USD"), series)
    sqlite_market.collect_garbage(older_than_s=-1)
    assert not list(Path(sqlite_market.root).rglob(".writing-*"))
    sqlite_market.verify(sqlite_market.datasets()[0].fingerprint)


def test_the_oanda_ticks_rebuild_all_15366_minutes(sqlite_market: MarketStore, real_data: Path) -> None:
    folder = real_data / "oanda_eurusd_2014-05"
    name = sqlite_market.import_file(
        sorted((folder / "tick").glob("*.zip")), "EUR_USD", timezone="UTC", show_progress=False
    ).fingerprint
    minute_bars = sqlite_market.import_file(
        sorted((folder / "minute").glob("*.zip")),
        "EUR_USD",
        timeframe="M1",
        timezone="UTC",
        show_progress=False,
    ).fingerprint
    assert sqlite_market.dataset(name).rows == 532_903
    kept = sqlite_market.bars("EUR_USD", "M1", fingerprint=name)
    assert len(kept) == 15_366
    assert _same_bars(kept, sqlite_market.bars("EUR_USD", "M1", fingerprint=minute_bars))
    assert _same_bars(kept, bars_from_ticks(sqlite_market.ticks("EUR_USD"), "M1"))
    assert sqlite_market.dataset(name).to_json()["bytes"] < 5 * 532_903
    first = datetime(2014, 5, 14, tzinfo=UTC)
    assert sqlite_market.ticks("EUR_USD", start=first).time_ns[0] >= int(first.timestamp()) * 10**9
