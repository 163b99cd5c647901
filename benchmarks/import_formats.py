"""How fast vendors' text files become ticks: rows a CPU second, beside Polars reading the same file.

Run: ``.venv/bin/python benchmarks/import_formats.py [ROWS]``. The rows of both readers are compared.
"""

import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from workbench.domain.instruments import instrument
from workbench.market.formats import open_source

EUR_USD = instrument("EUR_USD")
REPEATS = 5


def _rows(count: int) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(1)
    times = 1_577_900_000_000 + np.cumsum(rng.integers(20, 300, count))
    bid = 112_000 + np.cumsum(rng.integers(-1, 2, count))
    stamps = times.astype("M8[ms]").astype(str).tolist()
    prices = [
        [f"{item // 100_000}.{item % 100_000:05d}" for item in side.tolist()] for side in (bid, bid + 3)
    ]
    return stamps, *prices


def _write(folder: Path, count: int) -> dict[str, tuple[Path, dict[str, str]]]:
    stamps, bids, asks = _rows(count)
    layouts: dict[str, tuple[str, Callable[[str, str, str], str], dict[str, str]]] = {
        "histdata-ticks": (
            "",
            lambda t, b, a: f"{t[:4]}{t[5:7]}{t[8:10]} {t[11:13]}{t[14:16]}{t[17:19]}{t[20:]},{b}0,{a}0,0\n",
            {"timezone": "America/New_York"},
        ),
        "truefx": ("", lambda t, b, a: f"EUR/USD,{t[:4]}{t[5:7]}{t[8:10]} {t[11:]},{b},{a}\n", {}),
        "ticks": ("time,bid,ask\n", lambda t, b, a: f"{t}Z,{b},{a}\n", {}),
        "mt5-ticks": (
            "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n",
            lambda t, b, a: f"{t[:4]}.{t[5:7]}.{t[8:10]}\t{t[11:]}\t{b}\t{a}\t\t\t6\n",
            {"timezone": "metatrader"},
        ),
    }
    found = {}
    for name, (header, line, options) in layouts.items():
        path = folder / f"{name}.csv"
        with path.open("w") as file:
            file.write(header)
            file.writelines(map(line, stamps, bids, asks))
        found[name] = path, options
    return found


def _measured(work: Callable[[], int]) -> tuple[float, int]:
    """Rows a CPU second, the median of the repeats after a first run."""
    rows = work()
    speeds = []
    for _ in range(REPEATS):
        begun = time.process_time()
        rows = work()
        speeds.append(rows / (time.process_time() - begun))
    return statistics.median(speeds), rows


def _polars(path: Path) -> int:
    """Times and prices as Polars reads them: doubles, which are not exact."""
    frame = pl.read_csv(path, schema_overrides={"bid": pl.Float64, "ask": pl.Float64})
    return len(frame.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ns")))


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    print(f"{platform.machine()}, Python {platform.python_version()}, {count:,} rows, median of {REPEATS}")
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), count)
        for name, (path, options) in files.items():
            source = open_source(path, EUR_USD, **options)  # type: ignore[arg-type]
            speed, rows = _measured(lambda: sum(len(item) for item in source.batches()))  # noqa: B023
            assert (source.format, rows) == (name, count)
            print(f"{name:<16}{speed / 1e6:6.1f} M rows/cpu-s  {path.stat().st_size / count:5.1f} B a row")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        path = files["ticks"][0]
        speed, _ = _measured(lambda: _polars(path))
        print(f"{'polars, doubles':<16}{speed / 1e6:6.1f} M rows/cpu-s  (the file 'ticks')")
        print(f"peak memory {peak:.0f} MB (of it the rows to write)")


if __name__ == "__main__":
    main()
