"""Import, check and resample 100 million ticks within 2 GiB of memory, and say how long it took.

The ticks come as zipped CSV files of a million rows each, as vendors deliver them; they are written by a
process of their own just before they are needed, so they need no disk to speak of and none of the importer's
memory or time. The importer may not use more than 2 GiB of address space beyond what its libraries map
(`RLIMIT_DATA`); its peak resident memory is reported. Run: python benchmarks/hundred_million.py [ROWS]
"""

import multiprocessing
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from market_for_benchmarks import synthetic_ticks

from workbench.domain.instruments import instrument
from workbench.market import MarketStore
from workbench.market.exporting import rows_as_csv
from workbench.market.formats import open_source
from workbench.market.ticks import Ticks

_LIMIT = 2 << 30
_WAITING = 3  # files written ahead


def write_files(folder: Path, rows: int, taken: "multiprocessing.Semaphore") -> None:  # type: ignore[name-defined]
    """Write the files one after another, no more than a few ahead of the reader."""
    header = b"time,bid,ask,bid_size,ask_size\n"
    for number, ticks in enumerate(synthetic_ticks(rows)):
        taken.acquire()
        part = folder / f".{number:04}.part"
        with (
            zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open(f"{number:04}.csv", "w") as file,
        ):
            file.write(header)
            for block in rows_as_csv(ticks):
                file.write(block)
        part.rename(folder / f"{number:04}.csv.zip")


def read_files(
    folder: Path, files: int, taken: "multiprocessing.Semaphore", times: dict[str, float]
) -> Iterator[Ticks]:  # type: ignore[name-defined]
    """The ticks of every file as soon as it is there; each is removed when it was read."""
    record = instrument("EUR_USD")
    for number in range(files):
        file = folder / f"{number:04}.csv.zip"
        began = time.perf_counter()
        while not file.exists():
            time.sleep(0.01)
        times["waited"] += time.perf_counter() - began
        times["bytes"] += file.stat().st_size
        yield from open_source(file, record, timezone="UTC").batches()
        file.unlink()
        taken.release()


def main() -> None:
    """Import, check, resample; print what it took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000
    files = -(-rows // 1_000_000)
    with tempfile.TemporaryDirectory(prefix="hundred-million-") as name:
        root = Path(name)
        context = multiprocessing.get_context("spawn")
        taken = context.Semaphore(_WAITING)
        writer = context.Process(target=write_files, args=(root, rows, taken), daemon=True)
        writer.start()
        resource.setrlimit(resource.RLIMIT_DATA, (_LIMIT, _LIMIT))
        store = MarketStore(root / "market", f"sqlite:///{root / 'w.db'}")
        times = {"waited": 0.0, "bytes": 0.0}
        began, cpu = time.perf_counter(), time.process_time()
        report = store.add_ticks(
            read_files(root, files, taken, times), instrument="EUR_USD", source="100 files"
        )
        wall, spent = time.perf_counter() - began, time.process_time() - cpu
        dataset = report.dataset
        assert dataset.rows == rows
        size = dataset.to_json()["bytes"]
        checks = dataset.report.findings
        say(f"imported and checked {rows:,} ticks from {times['bytes'] / 1e9:.2f} GB of zips", wall, spent)
        print(f"  {rows / spent / 1e6:.2f}M ticks/cpu-s; {times['waited']:.1f} s of it waiting for the files")
        print(f"  stored in {size / 1e6:.0f} MB, {size / rows:.2f} B/row")
        print(f"  {len(checks)} checks, {sum(item.count for item in checks):,} findings")
        for timeframe in ("M1", "H1", "D1", "S30"):
            began, cpu = time.perf_counter(), time.process_time()
            bars = store.bars("EUR_USD", timeframe, fingerprint=dataset.fingerprint)
            what = "from all ticks" if timeframe == "S30" else "from bars kept up"
            say(
                f"{len(bars):,} {timeframe} bars {what}",
                time.perf_counter() - began,
                time.process_time() - cpu,
            )
            del bars
        began, cpu = time.perf_counter(), time.process_time()
        store.verify(dataset.fingerprint)
        say("every byte compared with its hash", time.perf_counter() - began, time.process_time() - cpu)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        verdict = "within" if peak <= _LIMIT else "ABOVE"
        print(f"peak resident memory {peak / (1 << 20):.0f} MiB, {verdict} {_LIMIT >> 20}")
        writer.join()


def say(what: str, wall: float, cpu: float) -> None:
    """Print what took how long."""
    print(f"{what}: {wall:.2f} s, {cpu:.2f} cpu-s", flush=True)


if __name__ == "__main__":
    main()
