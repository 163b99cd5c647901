"""The processes of the workbench: trading does not wait for what only shows it."""

import sys
from pathlib import Path

import pytest

from workbench import processes
from workbench.processes import Process, ProcessFailedError, running
from workbench.settings import Settings


def process(name: str, program: str, folder: Path, *, needed: bool, ready: bool) -> Process:
    return Process(
        name=name,
        command=[sys.executable, "-c", program],
        ready=lambda: ready,
        folder=folder,
        needed=needed,
    )


def test_what_trading_does_not_need_stops_nothing_when_it_ends(tmp_path: Path) -> None:
    told: list[str] = []
    settings = Settings(home=tmp_path / "home", project=tmp_path, mlruns=tmp_path / "mlruns")
    trading = process("gateway", "import time; time.sleep(600)", tmp_path, needed=True, ready=True)
    shown = process("mlflow", "raise SystemExit('no room')", tmp_path, needed=False, ready=False)
    with running([trading, shown], settings=settings, tell=told.append) as children:
        assert children["gateway"].poll() is None
        [sentence] = [line for line in told if "mlflow" in line]
        assert "the mlflow ended with 1, the others go on without it" in sentence
        assert "no room" in sentence
    assert children["gateway"].poll() is not None


def test_what_trading_does_not_need_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PATIENCE_S", 0.2)
    told: list[str] = []
    settings = Settings(home=tmp_path / "home", project=tmp_path, mlruns=tmp_path / "mlruns")
    slow = process("mlflow", "import time; time.sleep(600)", tmp_path, needed=False, ready=False)
    with running([slow], settings=settings, tell=told.append) as children:
        assert "the mlflow was not ready in 0 s, the others go on without it" in told[0]
        assert children["mlflow"].poll() is None  # it may still come
    assert children["mlflow"].poll() is not None


def test_what_trading_needs_ends_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", project=tmp_path, mlruns=tmp_path / "mlruns")
    broken = process("gateway", "raise SystemExit('no store')", tmp_path, needed=True, ready=False)
    with (
        pytest.raises(ProcessFailedError, match=r"the gateway ended with 1; its log is(.|\n)*no store"),
        running([broken], settings=settings, tell=print),
    ):
        raise AssertionError("it started without its gateway")
