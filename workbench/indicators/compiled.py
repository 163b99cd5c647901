"""`compiled`: numba's njit with an on-disk cache that notices changes in called functions too.

Numba's cache of a function is keyed on the function's own source file alone. A compiled loop that calls
compiled functions of another module would therefore keep their old machine code after that module was
edited or upgraded. `compiled` adds the stamps of every compiled function that is called, directly or not.
The cache lies beside the source where that is writable and in the user's cache folder otherwise (set
``NUMBA_CACHE_DIR`` to choose); numba writes it atomically, so several processes may share it.
"""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.dispatcher import Dispatcher

__all__ = ["compiled"]

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile `function` with numba in nopython mode, cached on disk, without fast-math."""
    dispatcher = cast("Any", njit(cache=True, nogil=True, error_model="numpy")(function))
    stamps = tuple(sorted({_stamp(item) for item in _called(function)}))
    if stamps and hasattr(dispatcher, "py_func"):  # with NUMBA_DISABLE_JIT it is the plain function
        cache_file = dispatcher._cache._cache_file
        cache_file._source_stamp = (cache_file._source_stamp, stamps)
    return cast("_F", dispatcher)  # it is called with the same arguments


def _called(function: Callable[..., Any]) -> Iterator[Any]:
    """The compiled functions that `function` names, directly or as attributes of a module."""
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, Dispatcher):
            yield value
        elif isinstance(value, ModuleType):
            attributes = (getattr(value, attribute, None) for attribute in names)
            yield from (item for item in attributes if isinstance(item, Dispatcher))


def _stamp(dispatcher: Any) -> str:
    cache_file = getattr(dispatcher._cache, "_cache_file", None)
    if cache_file is None:  # not cached: identified by its source
        return inspect.getsource(dispatcher.py_func)
    return f"{dispatcher.py_func.__module__}:{cache_file._source_stamp}"
