"""Measure batched ingestion into the tick store: checks, bars kept up, durable versions (target P17).

Live-sized batches go through a recorder with a commit for every half million ticks. The peer takes the same
batches with `append`, which is how it is fed live. Run: python benchmarks/market_ingest.py [ROWS]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from market_for_benchmarks import synthetic_ticks
from market_peers import peers
from market_store import show

from workbench.market import MarketStore
from workbench.market.storage.tick_versions import concatenated

_BATCH = 10_000
_COMMIT = 500_000
_TARGET = 3.0


def measure(rows: int = 5_000_000, *, repeats: int = 5, folder: Path | None = None) -> list[dict[str, Any]]:
    """One row a figure and peer."""
    ticks = concatenated(list(synthetic_ticks(rows)))
    batches = [ticks.at(low, min(low + _BATCH, rows)) for low in range(0, rows, _BATCH)]
    ours: list[float] = []
    imported: list[float] = []
    theirs: dict[str, list[float]] = {}
    versions: dict[str, str] = {}
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="ingest-bench-", dir=folder) as name:
            root = Path(name)
            store = MarketStore(root / "market", f"sqlite:///{root / 'w.db'}")
            recorder = store.recorder("EUR_USD", source="walk")
            began = time.process_time()
            for batch in batches:
                recorder.add(batch)
                if len(recorder) >= _COMMIT:
                    recorder.commit()
            recorder.commit()
            ours.append(rows / (time.process_time() - began) / 1e6)
            assert store.datasets()[0].rows == rows
            other = MarketStore(root / "other", f"sqlite:///{root / 'o.db'}")
            began = time.process_time()
            report = other.add_ticks(batches, instrument="EUR_USD", source="walk")
            imported.append(rows / (time.process_time() - began) / 1e6)
            assert report.fingerprint == store.datasets()[0].fingerprint
            for peer in peers(root / "peers"):
                if peer.append is None or repeat > 2:
                    continue
                few = batches[:100]  # its cost a batch does not fall with more of them
                began = time.process_time()
                for batch in few:
                    peer.append(batch)
                spent = time.process_time() - began
                theirs.setdefault(peer.name, []).append(sum(map(len, few)) / spent / 1e6)
                versions[peer.name] = peer.version
    found = [
        _row("live batches, checked, M1 kept up, a version each half million", ours, None, None, None),
        _row("a stream of batches, checked, M1 kept up, one version", imported, None, None, None),
    ]
    for name, values in theirs.items():
        found.append(_row("live batches", ours, name, statistics.median(values), versions[name]))
    return found


def _row(
    what: str, ours: list[float], peer: str | None, theirs: float | None, version: str | None
) -> dict[str, Any]:
    value = statistics.median(ours)
    return {
        "id": "P17",
        "what": f"ingestion, {what}",
        "ours": value,
        "unit": "M ticks/cpu-s",
        "peer": None if peer is None else f"{peer}: {theirs:.3g}",
        "peer_version": version,
        "ratio": None if theirs is None else value / theirs,
        "target": _TARGET,
        "met": value >= _TARGET,
    }


if __name__ == "__main__":
    show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000))
