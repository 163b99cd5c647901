"""What else keeps ticks: ArcticDB, DuckDB and Polars on Parquet, each as its manual does it."""

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from workbench.market.ticks import Ticks

__all__ = ["Peer", "peers"]

_M1_SQL = """
SELECT time_bucket(INTERVAL 1 MINUTE, time) AS open,
  arg_min(bid, time) bo, max(bid) bh, min(bid) bl, arg_max(bid, time) bc,
  arg_min(ask, time) ao, max(ask) ah, min(ask) al, arg_max(ask, time) ac
FROM '{file}' GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One other store: the same work, its result to be compared."""

    name: str
    version: str
    write: Callable[[Ticks], None]
    append: Callable[[Ticks], None] | None
    size: Callable[[], int]
    last_day: Callable[[int], Any]
    to_m1: Callable[[], int]


def peers(folder: Path) -> list[Peer]:
    """Those that are installed."""
    found = [_duckdb(folder / "duckdb"), _polars(folder / "polars")]
    if importlib.util.find_spec("arcticdb"):
        found.insert(0, _arctic(folder / "arctic"))
    return found


def _frame(ticks: Ticks) -> pd.DataFrame:
    index = pd.DatetimeIndex(ticks.time_ns.view("M8[ns]"), copy=False, name="time")
    return pd.DataFrame({"bid": ticks.bid, "ask": ticks.ask}, index=index, copy=False)


def _table(ticks: Ticks) -> pa.Table:
    times = pa.array(ticks.time_ns).view(pa.timestamp("ns"))
    return pa.table({"time": times, "bid": ticks.bid, "ask": ticks.ask})


def _below(folder: Path) -> int:
    return sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())


def _arctic(folder: Path) -> Peer:
    import arcticdb

    folder.mkdir(parents=True)
    library = arcticdb.Arctic(f"lmdb://{folder}?map_size=4GB").create_library("ticks")

    def write(ticks: Ticks) -> None:
        library.write("eur_usd", _frame(ticks), prune_previous_versions=True)

    def append(ticks: Ticks) -> None:
        library.append("live", _frame(ticks)) if library.has_symbol("live") else library.write(
            "live", _frame(ticks)
        )

    def size() -> int:
        sizes = library.admin_tools().get_sizes() if hasattr(library, "admin_tools") else {}
        return sum(item.bytes_compressed for item in sizes.values()) if sizes else 0

    def last_day(start_ns: int) -> Any:
        return library.read("eur_usd", date_range=(pd.Timestamp(start_ns), None)).data["bid"].to_numpy()

    def to_m1() -> int:
        parts = {
            f"{side}_{part}": (side, how)
            for side in ("bid", "ask")
            for part, how in (("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"))
        }
        query = arcticdb.QueryBuilder().resample("1min").agg(parts)
        return len(library.read("eur_usd", query_builder=query).data)

    return Peer("ArcticDB", importlib.metadata.version("arcticdb"), write, append, size, last_day, to_m1)


def _duckdb(folder: Path) -> Peer:
    folder.mkdir(parents=True)
    file = folder / "ticks.parquet"
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute("SET enable_progress_bar = false")

    def write(ticks: Ticks) -> None:
        table = _table(ticks)
        connection.register("source", table)
        connection.execute(f"COPY source TO '{file}' (FORMAT parquet, COMPRESSION zstd)")

    def last_day(start_ns: int) -> Any:
        moment = np.datetime64(start_ns, "ns")
        return connection.sql(f"SELECT * FROM '{file}' WHERE time >= TIMESTAMP_NS '{moment}'").fetchnumpy()[
            "bid"
        ]

    def to_m1() -> int:
        return len(connection.sql(_M1_SQL.format(file=file)).fetchnumpy()["bo"])

    return Peer(
        "DuckDB Parquet zstd", duckdb.__version__, write, None, lambda: _below(folder), last_day, to_m1
    )


def _polars(folder: Path) -> Peer:
    folder.mkdir(parents=True)
    file = folder / "ticks.parquet"

    def write(ticks: Ticks) -> None:
        pl.from_arrow(_table(ticks)).write_parquet(file, compression="zstd")

    def last_day(start_ns: int) -> Any:
        moment = pl.lit(start_ns).cast(pl.Datetime("ns"))
        return pl.scan_parquet(file).filter(pl.col("time") >= moment).collect()["bid"].to_numpy()

    def to_m1() -> int:
        parts = [
            how(pl.col(side)).alias(f"{side}_{part}")
            for side in ("bid", "ask")
            for part, how in (
                ("open", pl.Expr.first),
                ("high", pl.Expr.max),
                ("low", pl.Expr.min),
                ("close", pl.Expr.last),
            )
        ]
        return pl.scan_parquet(file).group_by_dynamic("time", every="1m").agg(parts).collect().height

    return Peer("Polars Parquet zstd", pl.__version__, write, None, lambda: _below(folder), last_day, to_m1)


def clean(folder: Path) -> None:
    """Remove what the peers wrote."""
    shutil.rmtree(folder, ignore_errors=True)
