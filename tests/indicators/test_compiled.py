"""The cache of compiled functions: shared by processes, and never stale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import workbench
from workbench.indicators import compiled

PACKAGE = Path(workbench.__file__).parent

STEP = """
from workbench.indicators import compiled

@compiled
def step(x):
    return x + {increment}
"""
LOOP = """
from step import step
from workbench.indicators import compiled

@compiled
def loop(n):
    x = 0
    for _ in range(n):
        x = step(x)
    return x
"""
OUTER = """
import loop
from workbench.indicators import compiled

@compiled
def outer(n):
    return loop.loop(n) * 10

print(outer(5), sum(outer.stats.cache_hits.values()))
"""
USE_ENGINE = """
from workbench.engine import core
rows = core.new_rows(core.FILL_SIZE)
core.core_margin_used(core.new_account(0), core.new_books(1))
print(core.__file__, sum(core.core_margin_used.stats.cache_hits.values()))
"""


def python(code: str, *, folder: Path, cache: Path) -> list[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_an_edit_of_a_called_function_reaches_its_callers(tmp_path):
    (tmp_path / "loop.py").write_text(LOOP)
    (tmp_path / "outer.py").write_text(OUTER)
    cache = tmp_path / "cache"
    (tmp_path / "step.py").write_text(STEP.format(increment=1))
    assert python("import outer", folder=tmp_path, cache=cache) == ["50", "0"]
    assert python("import outer", folder=tmp_path, cache=cache) == ["50", "1"]
    (tmp_path / "step.py").write_text(STEP.format(increment=1000))
    assert python("import outer", folder=tmp_path, cache=cache) == ["50000", "0"]


def test_an_installed_copy_is_compiled_once_for_all_processes(tmp_path):
    site = tmp_path / "site-packages"
    for name in ("__init__.py", "errors.py", "domain", "indicators", "engine"):
        source = PACKAGE / name
        if source.is_dir():
            shutil.copytree(source, site / "workbench" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (site / "workbench").mkdir(parents=True, exist_ok=True)
            shutil.copy(source, site / "workbench" / name)
    cache = tmp_path / "cache"
    first = python(USE_ENGINE, folder=site, cache=cache)
    assert first == [str(site / "workbench" / "engine" / "core.py"), "0"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(site)}
    together = [
        subprocess.Popen(
            [sys.executable, "-c", USE_ENGINE], env=environment, cwd=site, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    assert [item.communicate()[0].split()[1] for item in together] == [b"1", b"1"]


def test_a_function_without_a_source_file_is_compiled_without_a_cache():
    names: dict = {"compiled": compiled}
    exec("@compiled\ndef twice(x):\n    return 2 * x", names)
    assert names["twice"](21) == 42


def test_where_no_cache_can_be_written_the_package_still_works(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    code = "from workbench.indicators import sma; print(sma([1.0, 3.0], 2)[1])"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "file" / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["2.0"], done.stderr
