"""The store's data in the forms that others work with: nothing lost, nothing copied that need not be."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, m1_bars, minutes
from tests.market.ticks_for_tests import ticks, walk
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market import Bars, MarketStore
from workbench.market.aligning import align
from workbench.market.bars import PRICES
from workbench.market.frames import decimals, floats, to_arrow, to_numpy, to_pandas, to_polars
from workbench.market.ticks import Ticks


def test_pandas_is_indexed_by_aware_utc_times() -> None:
    bars, series = minutes(10), walk(20)
    frame, quotes = to_pandas(bars), to_pandas(series)
    for index in (frame.index, quotes.index):
        assert isinstance(index, pd.DatetimeIndex)
        assert str(index.tz) == "UTC"
    assert frame.index.as_unit("ns").asi8.tolist() == bars.open_ns.tolist()
    assert frame["close"].dt.tz is not None
    assert frame["bid_open"].tolist() == bars.bid_open.tolist()
    assert quotes["ask"].tolist() == series.ask.tolist()
    assert (frame.attrs["instrument"], frame.attrs["digits"]) == ("EUR_USD", "5")


def test_nothing_is_copied() -> None:
    series = walk(1_000)
    assert np.shares_memory(to_numpy(series)["bid"], series.bid)
    assert np.shares_memory(to_arrow(series).column("bid").chunk(0).to_numpy(), series.bid)
    assert np.shares_memory(to_polars(series)["bid"].to_numpy(), series.bid)
    assert np.shares_memory(to_pandas(series)["bid"].to_numpy(), series.bid)


def test_polars_has_the_same_rows() -> None:
    bars = minutes(10)
    frame = to_polars(bars)
    assert frame.schema["open"] == pl.Datetime("ns", "UTC")
    assert frame["ask_high"].to_list() == bars.ask_high.tolist()


def test_points_become_prices_exactly_or_the_nearest_doubles() -> None:
    points = np.array([110_001, 3, 138_676])
    euro = instrument("EUR_USD")
    assert decimals(points, euro) == [Decimal("1.10001"), Decimal("0.00003"), Decimal("1.38676")]
    assert floats(points, euro).tolist() == [1.10001, 0.00003, 1.38676]


def test_the_store_gives_each_form(sqlite_market: MarketStore) -> None:
    sqlite_market.add(minutes(100), source="made up")
    for form, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("numpy", dict)):
        found = sqlite_market.frame("EUR_USD", "M5", form=form)
        assert isinstance(found, kind)
    assert sqlite_market.frame("EUR_USD", "M5", form="arrow").num_rows == 20
    with pytest.raises(BadInputError, match="unknown form 'excel'; expected one of pandas, polars"):
        sqlite_market.frame("EUR_USD", "M5", form="excel")


def test_the_store_answers_sql(sqlite_market: MarketStore) -> None:
    series, bars = walk(5_000), minutes(100)
    name = sqlite_market.add_ticks([series], instrument="EUR_USD", source="made up").fingerprint
    sqlite_market.add(bars, source="made up")
    (row,) = sqlite_market.sql("SELECT count(*), min(bid), max(ask) FROM eur_usd_tick").fetchall()
    assert row == (5_000, int(series.bid.min()), int(series.ask.max()))
    assert sqlite_market.sql("SELECT count(*) FROM EUR_USD_M1").fetchall() == [(100,)]
    pinned = sqlite_market.sql(f'SELECT count(*) FROM "eur_usd_m1@{name[:8]}"').fetchall()
    assert pinned == [(len(sqlite_market.bars("EUR_USD", "M1", fingerprint=name)),)]
    hourly = sqlite_market.sql(
        "SELECT time_bucket(INTERVAL 1 HOUR, time) AS hour, count(*) AS quotes FROM eur_usd_tick GROUP BY 1"
    ).pl()
    assert hourly["quotes"].sum() == 5_000
    assert isinstance(sqlite_market.sql("SELECT 1"), duckdb.DuckDBPyRelation)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE eur_usd_m1",
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH 'x.db'",
        "SET enable_external_access = true",
        "SELECT * FROM gbp_usd_m1",
        "SELEC",
    ],
)
def test_sql_reads_the_store_and_nothing_else(sqlite_market: MarketStore, query: str) -> None:
    sqlite_market.add(minutes(10), source="made up")
    with pytest.raises(BadInputError):
        sqlite_market.sql(query).fetchall()


@given(left=m1_bars(), right=m1_bars())
def test_alignment_knows_nothing_of_later(left: Bars, right: Bars) -> None:
    other = bars_at(right.open_ns.tolist(), name="GBP_USD", seed=7)
    grid = align([left, other])
    times = sorted({*left.open_ns.tolist(), *other.open_ns.tolist()})
    assert grid.open_ns.tolist() == [item for item in times if item >= max(left.open_ns[0], other.open_ns[0])]
    for row, opened in enumerate(grid.open_ns.tolist()):
        for position, series in enumerate((left, other)):
            here = series.between(opened, opened + 1)
            known = series.between(None, opened + 1)
            assert grid.is_present[row, position] == bool(len(here))
            for name in PRICES:
                expected = getattr(here, name)[0] if len(here) else getattr(known, f"{name[:3]}_close")[-1]
                assert grid.columns[name][row, position] == expected


@given(left=m1_bars(), right=m1_bars())
def test_the_common_grid_has_every_bar(left: Bars, right: Bars) -> None:
    other = bars_at(right.open_ns.tolist(), name="GBP_USD", seed=7)
    grid = align([left, other], how="common")
    assert set(grid.open_ns.tolist()) == {*left.open_ns.tolist()} & {*other.open_ns.tolist()}
    assert grid.is_present.all()


def test_the_store_aligns_instruments(sqlite_market: MarketStore) -> None:
    sqlite_market.add(minutes(30), source="made up")
    sqlite_market.add(
        bars_at([MONDAY + 2 * index * MINUTE for index in range(20)], name="GBP_USD"), source="made up"
    )
    grid = sqlite_market.aligned(["EUR_USD", "GBP_USD"], "M1", end=MONDAY + 10 * MINUTE)
    assert grid.is_present.sum(axis=0).tolist() == [10, 5]
    frame = grid.to_pandas()
    assert frame["bid_close"].columns.tolist() == ["EUR_USD", "GBP_USD"]
    assert str(frame.index.tz) == "UTC"
    with pytest.raises(BadInputError, match="each instrument once"):
        sqlite_market.aligned(["EUR_USD", "EUR_USD"], "M1")
    with pytest.raises(BadInputError, match="'union' or 'common'"):
        sqlite_market.aligned(["EUR_USD"], "M1", how="outer")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@settings(deadline=None, max_examples=20)
@given(series=ticks(max_size=40), bars=m1_bars())
def test_import_export_import_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, ending: str, series: Ticks, bars: Bars
) -> None:
    folder = tmp_path_factory.mktemp("identity")
    market = MarketStore(folder / "market", f"sqlite:///{folder / 'w.db'}")
    first = market.add_ticks([series], instrument="EUR_USD", source="made up").fingerprint
    out = market.export("EUR_USD", "tick", None, None, folder / f"ticks{ending}")
    assert market.import_file(out, "EUR_USD", show_progress=False).fingerprint == first
    second = market.add(bars, source="made up").fingerprint
    out = market.export("EUR_USD", "M1", None, None, folder / f"bars{ending}", fingerprint=second)
    again = market.import_file(out, "EUR_USD", timeframe="M1", show_progress=False)
    assert (again.fingerprint, again.is_new) == (second, False)


def test_a_modelled_side_stays_one_in_parquet(sqlite_market: MarketStore, tmp_path: Path) -> None:
    bars = replace(minutes(30), sides="bid; ask = bid + a model")
    first = sqlite_market.add(bars, source="test").fingerprint
    out = sqlite_market.export("EUR_USD", "M1", None, None, tmp_path / "bars.parquet")
    again = sqlite_market.import_file(out, "EUR_USD")
    assert (again.fingerprint, again.is_new) == (first, False)


def test_an_export_is_whole_or_not_there(sqlite_market: MarketStore, tmp_path: Path) -> None:
    sqlite_market.add(minutes(10), source="made up")
    out = sqlite_market.export(
        "EUR_USD", "M1", MONDAY + MINUTE, MONDAY + 3 * MINUTE, tmp_path / "x" / "two.csv"
    )
    assert out.read_text().splitlines()[0].startswith("time,bid_open,")
    assert len(out.read_text().splitlines()) == 3
    assert out.read_text().splitlines()[1].startswith("2026-03-02T00:01:00Z,1.")
    with pytest.raises(BadInputError, match=r"expected a file name that ends with .csv"):
        sqlite_market.export("EUR_USD", "M1", None, None, tmp_path / "x" / "all.xlsx")
    assert [item.name for item in (tmp_path / "x").iterdir()] == ["two.csv"]
