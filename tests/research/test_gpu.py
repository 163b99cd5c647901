"""Sweeps on a card: what is said where there is none, and what the simulator of one gives."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba.cuda
import pytest

from tests.research.strategies_for_tests import Cross, book, walk
from workbench.domain.accounts import AccountRules
from workbench.errors import BadInputError
from workbench.indicators.passes import fused
from workbench.research import MemoryLedger, sweep
from workbench.research.gpu import card
from workbench.research.gpu.compiling import on_device
from workbench.research.words import shifted

GRID = {"fast": [2, 3]}
CASES = Path(__file__).with_name("gpu_cases.py")
SHORT = {"progress": False, "cost_book": book(), "device": "cuda"}


@pytest.mark.skipif(numba.cuda.is_available(), reason="this machine has a card")
def test_without_a_card_the_way_out_is_said_and_nothing_is_counted() -> None:
    ledger = MemoryLedger()
    with pytest.raises(BadInputError, match=r"expected an NVIDIA card.*found.*device='cpu'.*\[gpu\]"):
        sweep(Cross, walk(60, seed=1), GRID, ledger=ledger, **SHORT)
    assert not ledger.trials


def test_a_device_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadInputError, match="device: expected cpu or cuda, found 'gpu'"):
        sweep(Cross, walk(60, seed=1), GRID, **{**SHORT, "device": "gpu"})


def test_what_a_card_does_not_cover_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "SIMULATED", True)
    with pytest.raises(BadInputError, match=r"latency.*device='cpu'"):
        sweep(Cross, walk(60, seed=1), GRID, account=AccountRules(latency_ns=1), **SHORT)


def test_a_pass_that_is_written_for_the_processor_alone_is_refused() -> None:
    with pytest.raises(TypeError, match="no stand-in for a card"):
        on_device(_fused)
    assert on_device(shifted) is on_device(shifted)


@pytest.mark.timeout(280)
def test_a_simulated_card_gives_the_bits_of_the_processor() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(CASES)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "skipped" not in done.stdout


@pytest.mark.timeout(3_000)
@pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None or shutil.which("gcc") is None,
    reason="the PTX of the kernels takes numba-cuda (pip install 'forex-workbench[gpu]') and gcc",
)
def test_the_program_for_a_card_gives_the_bits_of_the_processor() -> None:
    # fused multiply-adds round otherwise: these four look ahead at limits and margin, see `on_device`
    code = (
        "from tests.research.ptx_on_processor import fused_operations as n; "
        "print(n('find_truths'), n('cross_runs'), n('trade_runs'))"
    )
    counted = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = [int(item) for item in counted.stdout.split()]
    assert all(here <= most for here, most in zip(found, (0, 3, 1), strict=True)), found
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(CASES)],
        env={key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]


def _fused() -> float:
    return fused(1.0, 2.0, 3.0)
