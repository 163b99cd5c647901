"""Users' functions are compiled once for all processes, and never found again once anything has changed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba import config

from tests.strategy.made_up import columns, made_up_bars
from workbench import strategy as ws
from workbench.errors import BadInputError
from workbench.strategy.causal_cache import cache_folder

SOURCE = """
import numpy as np
from numba import njit
from workbench.strategy import causal

SCALE = 2.0
{more}

@njit
def reach(values):
    return values.max() - values.min()

@causal(window=4)
def spread_out(values, power=1.0):
    return SCALE * reach(values) ** power
"""
BARS = columns(made_up_bars(60, seed=3))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path


def module(folder: Path, source: str) -> ModuleType:
    """The source as a module of its own, read anew."""
    path = folder / f"users_{len(list(folder.glob('users_*')))}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("users", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["users"] = made
    spec.loader.exec_module(made)
    return made


def run(folder: Path, source: str) -> tuple[np.ndarray, int, int]:
    """What the function gives, and how often its code was found on disk and not."""
    function = module(folder, source).spread_out
    values = ws.evaluate_expression(function(ws.bar.mid.close), BARS)
    stats = function._driver[0].stats
    return values, sum(stats.cache_hits.values()), sum(stats.cache_misses.values())


def expected(scale: float, size: int = 4) -> np.ndarray:
    mid = (np.array(BARS.bid_close) + np.array(BARS.ask_close)) / 2
    windows = np.lib.stride_tricks.sliding_window_view(mid, size)
    return np.concatenate((np.full(size - 1, np.nan), scale * (windows.max(axis=1) - windows.min(axis=1))))


def test_the_same_function_is_found_and_gives_the_same(own_folder: Path) -> None:
    source = SOURCE.format(more="")
    first, second = run(own_folder, source), run(own_folder, source)
    assert first[1:] == (0, 1)
    assert second[1:] == (1, 0)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[0], expected(2.0))


@pytest.mark.parametrize(
    ("old", "new", "scale", "size"),
    [
        ("SCALE = 2.0", "SCALE = 3.0", 3.0, 4),
        ("values.max() - values.min()", "4.0 * (values.max() - values.min())", 8.0, 4),
        ("return SCALE", "return 5.0 * SCALE", 10.0, 4),
        ("window=4", "window=6", 2.0, 6),
    ],
    ids=["a constant", "a function it calls", "its own source", "its window"],
)
def test_code_of_before_a_change_is_never_found(
    own_folder: Path, old: str, new: str, scale: float, size: int
) -> None:
    source = SOURCE.format(more="")
    assert old in source
    run(own_folder, source)
    values, hits, misses = run(own_folder, source.replace(old, new))
    assert (hits, misses) == (0, 1)
    np.testing.assert_array_equal(values, expected(scale, size))
    assert run(own_folder, source)[1] == 1  # and the first is there still


def test_another_way_of_compiling_a_called_function_is_other_code(own_folder: Path) -> None:
    run(own_folder, SOURCE.format(more=""))
    options = (
        SOURCE.format(more="")
        .replace("@njit\n", "")
        .replace("@causal", "reach = njit(reach, fastmath=True)\n\n@causal")
    )
    assert run(own_folder, options)[1:] == (0, 1)


def test_what_reads_another_library_is_compiled_by_each_process(own_folder: Path) -> None:
    source = SOURCE.format(more="import workbench.indicators as own\n").replace(
        "return SCALE", "_ = own\n    return SCALE"
    )
    for _ in range(2):
        function = module(own_folder, source).spread_out
        ws.evaluate_expression(function(ws.bar.mid.close), BARS)
    assert not list(cache_folder().glob("spread_out*"))


def test_a_live_kernel_reads_nothing_of_it(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCE.format(more="")
    values, _, _ = run(own_folder, source)
    monkeypatch.setenv("WORKBENCH_MODE", "live")
    again, hits, _ = run(own_folder, source)
    assert hits == 0
    np.testing.assert_array_equal(values, again)


def test_a_constant_changed_after_the_rule_was_written_is_refused(own_folder: Path) -> None:
    made = module(own_folder, SOURCE.format(more=""))
    rule = made.spread_out(ws.bar.mid.close)
    made.SCALE = 7.0
    with pytest.raises(BadInputError, match="spread_out reads something that was changed"):
        ws.evaluate_expression(rule, BARS)


def test_a_folder_that_can_not_be_written_costs_only_the_time(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "a file").touch()
    monkeypatch.setattr(config, "CACHE_DIR", str(own_folder / "a file"))
    values, hits, _ = run(own_folder, SOURCE.format(more=""))
    assert hits == 0
    np.testing.assert_array_equal(values, expected(2.0))


def test_a_second_process_finds_the_code_of_the_first(own_folder: Path) -> None:
    (own_folder / "mine.py").write_text(SOURCE.format(more=""), encoding="utf-8")
    script = (
        "import mine, numpy as np; f = mine.spread_out; go = f.start({'power': 1.0}); "
        "print(go(np.arange(6.0).reshape(-1, 1)).tolist(), sum(f._driver[0].stats.cache_hits.values()))"
    )
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(own_folder / "numba"),
        "PYTHONPATH": os.pathsep.join([str(own_folder), str(Path(ws.__file__).parents[2])]),
    }
    said = [
        subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == [f"[nan, nan, nan, 6.0, 6.0, 6.0] {hits}" for hits in (0, 1)]
