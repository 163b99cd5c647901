"""Machine code of users' functions kept on disk, so that a second process need not compile them again.

A function in a notebook has no file that numba could keep its code beside. Here it is kept in the user's
cache folder (``NUMBA_CACHE_DIR`` chooses another) under a key of everything that its code follows from: the
source of the function and of those that it calls, the constants that they read, the loop that drives it and
the versions of Python, numba, llvmlite and NumPy; numba adds the processor. Change one and another key is
looked up, so old code is never found. A function that reads a module, a class or a built-in function of any
library but NumPy and `math` is not kept: what it takes from there has no part in the key. A live kernel
compiles for itself and reads nothing of it.
"""

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import llvmlite  # type: ignore[import-untyped]  # it has no types
import numba
import numpy as np
from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.misc.appdirs import AppDirs

__all__ = ["cache_folder", "compiled_how", "keep_on_disk", "may_be_kept"]

_LIBRARIES = frozenset({"", "builtins", "numpy", "math", "cmath"})
_MOST_FILES = 1_000
_FORMAT = "causal code 1"


def may_be_kept(function: types.FunctionType) -> bool:
    """Whether all that a function's code follows from is in the digest of its sources."""
    return os.environ.get("WORKBENCH_MODE") != "live" and all(
        _home(item) in _LIBRARIES for item in _read(function, set())
    )


def _home(value: Any) -> str:
    """The library that something comes from; "" for what has its part in the digest."""
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0]
    if isinstance(value, types.BuiltinFunctionType | type):
        return str(value.__module__).partition(".")[0]
    return ""


def compiled_how(function: types.FunctionType) -> str:
    """The options that the compiled functions it calls were given, in words."""
    called = (item for item in _read(function, set()) if hasattr(item, "py_func"))
    return "|".join(f"{item.__name__} {sorted(item.targetoptions.items())}" for item in called)


def keep_on_disk(dispatcher: Any, *, name: str, digest: str, options: str) -> bool:
    """Let numba keep and find the code of `dispatcher`; False where no folder can be written.

    Parameters
    ----------
    dispatcher
        What `numba.njit` gave, not compiled yet.
    name
        Of the user's function, for the file's name.
    digest
        Of everything that the user wrote: sources and constants.
    options
        How it and what it calls are compiled.
    """
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return False
    versions = (platform.python_version(), numba.__version__, llvmlite.__version__, np.__version__)
    key = hashlib.sha256("|".join((_FORMAT, digest, options, *versions)).encode()).hexdigest()
    _thin_out(folder)
    dispatcher._cache = _Cache(dispatcher.py_func, folder=folder, name=f"{name}-{key[:32]}", stamp=key)
    return True


def cache_folder() -> Path:
    """Where the code lies."""
    known: Any = AppDirs  # numba has no types
    chosen = cast("Any", config).CACHE_DIR or known(appname="numba", appauthor=False).user_cache_dir
    return Path(chosen) / "workbench-causal"


class _Locator:
    """What numba asks of where code is kept."""

    _py_file = "<causal>"  # named in numba's warning where code can not be kept

    def __init__(self, folder: Path, stamp: str) -> None:
        self._folder, self._stamp = folder, stamp

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._stamp[:16]

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class _Results(CompileResultCacheImpl):
    """numba's own way of writing code, at our place."""

    def __init__(self, locator: _Locator, name: str) -> None:
        self._lineno = 0
        self._locator = locator
        self._filename_base = f"{name}.py{sys.version_info[0]}{sys.version_info[1]}"


class _Cache(FunctionCache):
    """The code of one function."""

    def __init__(self, py_func: Any, *, folder: Path, name: str, stamp: str) -> None:
        locator = _Locator(folder, stamp)
        self._name = repr(py_func)
        self._py_func = py_func
        self._impl = _Results(locator, name)
        self._cache_path = locator.get_cache_path()
        index: Any = IndexDataCacheFile
        self._cache_file = index(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=stamp
        )
        self._enabled = True


def _read(function: types.FunctionType, seen: set[Any]) -> Iterator[Any]:
    """What a function and those that it calls read from outside, the functions as they are given."""
    if function in seen:
        return
    seen.add(function)
    cells = {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    }
    for name in sorted(_names(function.__code__)):
        value = cells.get(name, function.__globals__.get(name))
        yield value
        called = getattr(value, "py_func", value)
        if isinstance(called, types.FunctionType):
            yield from _read(called, seen)


def _names(code: types.CodeType) -> set[str]:
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return {*code.co_names, *code.co_freevars}.union(*(_names(item) for item in inner))


def _thin_out(folder: Path) -> None:
    """Let go of the oldest files; another process may do the same at the same time."""
    with contextlib.suppress(OSError):
        files = sorted((item.stat().st_mtime_ns, item) for item in folder.iterdir())
        for _, item in files[: max(0, len(files) - _MOST_FILES)]:
            item.unlink(missing_ok=True)
