"""Workers killed, a search stopped or killed: no finished trial is lost, and none is done twice."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.research.search.long_search import run
from tests.research.strategies_for_tests import book, walk
from workbench.errors import BadInputError
from workbench.research import MemoryLedger
from workbench.research.search import LostWorkerError, search
from workbench.strategy import AccountView, MarketView, Param, Strategy

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[3]
TRIALS = 24


@pytest.fixture(scope="module")
def whole() -> str:
    """The digest of the search when nothing happens to it."""
    return run(None, None).digest


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Dask cluster of two real workers, each a process."""
    from distributed import LocalCluster

    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as found:
        yield str(found.scheduler_address)


def _kill_one_of(kin: psutil.Process, word: str, *, after: threading.Event) -> None:
    after.wait(60)
    for child in kin.children(recursive=True):
        if word in " ".join(child.cmdline()):
            child.kill()
            return


class _Noticed(MemoryLedger):
    """Tells when the first trials are in."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def record(self, trials: list) -> None:  # type: ignore[type-arg]
        super().record(trials)
        self.begun.set()


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_a_killed_worker_loses_no_finished_trial(
    where: str, whole: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ledger = _Noticed()
    word = "popen_loky" if where == "processes" else "spawn_main"
    workers = 2 if where == "processes" else request.getfixturevalue("cluster")
    killer = threading.Thread(
        target=_kill_one_of, args=(psutil.Process(), word), kwargs={"after": ledger.begun}
    )
    killer.start()
    found = run(str(tmp_path), workers, ledger)
    killer.join()
    assert found.digest == whole
    assert sorted(item.parameters["lookback"] for item in ledger.trials) == list(range(2, 2 + TRIALS))


def _begun(folder: Path, workers: str) -> "subprocess.Popen[str]":
    """The search in a process of its own, once it has counted trials."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.research.search.long_search", str(folder), workers],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "counted" in process.stdout.readline()
    return process


def _counted(text: str) -> int:
    return int(re.findall(r"counted (\d+)", text)[-1]) if "counted" in text else 0


@pytest.mark.parametrize("workers", ["0", "2", "dask"])
def test_ctrl_c_loses_no_finished_trial(
    workers: str, whole: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("cluster") if workers == "dask" else workers
    process = _begun(tmp_path, address)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    said, _ = process.communicate(timeout=60)
    assert "interrupted" in said
    counted = _counted(said)
    rest = MemoryLedger()
    found = run(str(tmp_path), None, rest)
    assert found.digest == whole
    assert len(rest.trials) == TRIALS - max(counted, len(found) - len(rest.trials))
    assert len(rest.trials) < TRIALS


def test_a_killed_search_goes_on_where_it_was(whole: str, tmp_path: Path) -> None:
    process = _begun(tmp_path, "0")
    until = time.monotonic() + 60
    while not list(tmp_path.glob("part-*.parquet")) and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    rest = MemoryLedger()
    found = run(str(tmp_path), None, rest)
    assert found.digest == whole
    assert len(rest.trials) < TRIALS


class Deadly(Strategy):
    """Kills the process that trades it with a lookback of 7."""

    lookback = Param(5, low=2, high=50)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        """End here."""
        if self.lookback == 7:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_point_that_kills_every_worker_ends_the_search_and_is_named(tmp_path: Path) -> None:
    bars = walk(30, seed=1)
    with pytest.raises(LostWorkerError, match=r"7,.*ended there"):
        search(
            Deadly,
            bars,
            {"lookback": [5, 6, 7]},
            cost_book=book(),
            workers=1,
            folder=tmp_path,
            progress=False,
        )


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInputError, match=r"tcp://127\.0\.0\.1:1"):
        search(
            Deadly,
            walk(30, seed=1),
            {"lookback": [5]},
            cost_book=book(),
            workers="tcp://127.0.0.1:1",
            progress=False,
        )
