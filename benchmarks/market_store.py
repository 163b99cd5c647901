"""Measure the tick store against ArcticDB, DuckDB and Polars: write, size, last day, ticks to bars.

P12 to P15 of the performance targets, on 10 million bid/ask ticks of a fixed walk, the peers' repeats between
ours in the same process. CPU seconds where the unit says cpu-s, otherwise the clock's; medians.
Run: python benchmarks/market_store.py [ROWS]
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from market_for_benchmarks import synthetic_ticks
from market_peers import peers

from workbench.market import MarketStore
from workbench.market.storage.tick_versions import concatenated

_DAY_NS = 86_400_000_000_000


def measure(rows: int = 10_000_000, *, repeats: int = 5, folder: Path | None = None) -> list[dict[str, Any]]:
    """One row a figure and peer."""
    with tempfile.TemporaryDirectory(prefix="market-bench-", dir=folder) as name:
        return _measure(Path(name), rows, repeats)


def _measure(root: Path, rows: int, repeats: int) -> list[dict[str, Any]]:
    ticks = concatenated(list(synthetic_ticks(rows)))
    others = peers(root)
    stores = iter(range(10_000))

    def fresh() -> MarketStore:
        number = next(stores)
        return MarketStore(root / f"m{number}", f"sqlite:///{root / f'm{number}.db'}")

    def write(store: MarketStore, *keep: str) -> str:
        batches = (ticks.at(low, min(low + 1_000_000, rows)) for low in range(0, rows, 1_000_000))
        return store.add_ticks(
            batches, instrument="EUR_USD", source="walk", keep=keep, check=False
        ).fingerprint

    found: list[dict[str, Any]] = []
    ours_cpu, ours_wall, theirs_cpu = [], [], {item.name: [] for item in others}
    for _ in range(repeats):
        store = fresh()
        cpu, wall = _timed(lambda store=store: write(store))
        ours_cpu.append(rows / cpu / 1e6)
        ours_wall.append(rows / wall / 1e6)
        for item in others:
            theirs_cpu[item.name].append(rows / _timed(lambda item=item: item.write(ticks))[0] / 1e6)
    for item in others:
        found.append(_row("P12", "write", ours_cpu, "M rows/cpu-s", item, theirs_cpu[item.name], 12.0))
    found.append(_row("P12", "write, durable (fsync)", ours_wall, "M rows/s", None, None, 5.0))

    dataset = store.datasets()[0]
    size = [dataset.to_json()["bytes"] / rows]
    for item in others:
        found.append(_row("P13", "size", size, "B/row", item, [item.size() / rows], 5.0, less=True))

    start = int(ticks.time_ns[-1]) - _DAY_NS
    expected = int((ticks.time_ns >= start).sum())
    assert len(store.ticks("EUR_USD", start=start)) == expected
    ours, theirs = [], {item.name: [] for item in others}
    for _ in range(repeats * 6):
        ours.append(1e3 * _timed(lambda: store.ticks("EUR_USD", start=start))[1])
        for item in others:
            assert len(item.last_day(start)) == expected
            theirs[item.name].append(1e3 * _timed(lambda item=item: item.last_day(start))[1])
    for item in others:
        what = f"last day, {expected:,} rows, into arrays"
        found.append(_row("P14", what, ours, "ms", item, theirs[item.name], 2.0, less=True))

    bars = store.bars("EUR_USD", "M1")
    ours, ours_cpu, theirs = [], [], {item.name: [] for item in others}
    for _ in range(repeats):
        cpu, wall = _timed(lambda: store.bars("EUR_USD", "M1"))
        ours.append(wall)
        ours_cpu.append(cpu)
        for item in others:
            theirs[item.name].append(_timed(item.to_m1)[1])
    for item in others:
        assert item.to_m1() == len(bars), item.name
        what = f"{rows / 1e6:g}M stored ticks to M1 ({statistics.median(ours_cpu):.3f} cpu-s)"
        found.append(_row("P15", what, ours, "s", item, theirs[item.name], 0.12, less=True))

    kept = fresh()
    write(kept, "M1")
    again = MarketStore(kept.root, kept._engine)
    first = 1e3 * _timed(lambda: again.bars("EUR_USD", "M1"))[1]
    ours, touched = [], []
    for _ in range(repeats * 4):
        ours.append(1e3 * _timed(lambda: again.bars("EUR_USD", "M1"))[1])
        touched.append(1e3 * _timed(lambda: _sum(again.bars("EUR_USD", "M1")))[1])
    assert again.bars("EUR_USD", "M1").content_digest() == bars.content_digest()
    what = (
        f"M1 kept up beside {rows / 1e6:g}M ticks, mapped (the first read of a process compares its hash: "
        f"{first:.0f} ms; with a sum over all columns {statistics.median(touched):.1f} ms)"
    )
    found.append(_row("P15", what, ours, "ms", None, None, 2.0, less=True))
    return found


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _sum(bars: Any) -> int:
    return sum(int(np.sum(column)) for column in bars.columns().values())


def _row(
    name: str,
    what: str,
    ours: list[float],
    unit: str,
    peer: Any,
    theirs: list[float] | None,
    target: float,
    *,
    less: bool = False,
) -> dict[str, Any]:
    value = statistics.median(ours)
    other = None if theirs is None else statistics.median(theirs)
    ratio = None if not other else (other / value if less else value / other)
    return {
        "id": name,
        "what": what,
        "ours": value,
        "unit": unit,
        "peer": None if peer is None else f"{peer.name}: {other:.3g}",
        "peer_version": None if peer is None else peer.version,
        "ratio": ratio,
        "target": target,
        "met": value <= target if less else value >= target,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows for a person."""
    for row in rows:
        peer = "" if row["peer"] is None else f"  |  {row['peer']} ({row['peer_version']})"
        ratio = "" if row["ratio"] is None else f", {row['ratio']:.1f}x"
        met = "met" if row["met"] else "NOT met"
        print(
            f"{row['id']}  {row['what']}: {row['ours']:.3g} {row['unit']} "
            f"(target {row['target']:g}, {met}){peer}{ratio}"
        )


def main() -> None:
    """Measure and print."""
    print(f"{os.cpu_count()} cores, python {sys.version.split()[0]}, numpy {np.__version__}")
    show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))


if __name__ == "__main__":
    main()
