"""`compiled`: numba's njit with a cache on disk that notices changes in called functions too.

Numba's cache of a function is keyed on the function's own source file alone. A compiled loop that calls
compiled functions of another module would therefore keep their old machine code after that module was
edited or upgraded. `compiled` adds the stamps of every compiled function that is called, directly or not, and
the constants that it takes from its module, which may have been imported from another.
The cache lies beside the source where that is writable and in the user's cache folder otherwise (set
``NUMBA_CACHE_DIR`` to choose); numba writes it atomically, so several processes may share it. Where nothing
can be written every process compiles for itself.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import config, njit, types
from numba.core.caching import IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

__all__ = ["borrowing", "borrowing_inline", "compiled", "compiled_inline", "stays_apart"]

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile `function` with numba in nopython mode, cached on disk, without fast-math."""
    return _compile(function)


def compiled_inline(function: _F) -> _F:
    """The same, written out where compiled functions call it: for a short step that returns an array."""
    return _compile(function, inline="always")


def borrowing(function: _F) -> _F:
    """The same for a function that only reads and writes the arrays it is given: none made, none returned.

    It skips numba's reference counts, which cost more than the work of a short step: about 2 ns for each
    array and call.
    """
    return _compile(function, _nrt=False, forceinline=False)  # else it takes after the first that calls it


def borrowing_inline(function: _F) -> _F:
    """The same, written out in the compiled functions that call it: for the steps of a hot loop."""
    return _compile(function, _nrt=False, forceinline=True)


def _staying_apart(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


# called first in a compiled function, it keeps the optimizer from writing that function out in its callers:
# for a rare step that is called from many places, where it would cost seconds of compiling
stays_apart: Callable[[], None] = (
    (lambda: None) if cast("Any", config).DISABLE_JIT else cast("Any", intrinsic)(_staying_apart)
)


def _compile(function: _F, **options: object) -> _F:
    compiler = cast("Any", njit)
    dispatcher = compiler(nogil=True, error_model="numpy", **options)(function)
    if isinstance(dispatcher, Dispatcher):  # with NUMBA_DISABLE_JIT it is the plain function
        if options.get("forceinline") is False:
            _compile_once_for_constants(dispatcher)
        _enable_cache(dispatcher, function)
    return cast("_F", dispatcher)  # it is called with the same arguments


def _compile_once_for_constants(dispatcher: Any) -> None:
    """Compiled callers that pass constants share one version: numba would make one for each constant."""
    template, unliteral = dispatcher.get_call_template, cast("Any", types).unliteral

    def plain(args: Any, keywords: Any) -> Any:
        return template(
            tuple(unliteral(item) for item in args),
            {name: unliteral(item) for name, item in keywords.items()},
        )

    dispatcher.get_call_template = plain


def _enable_cache(dispatcher: Any, function: Callable[..., Any]) -> None:
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # no folder can be written, or no source file: compiled anew by every process
        return
    dispatcher._cache._cache_file = _StampedFile(dispatcher._cache._cache_file, function)


class _StampedFile(IndexDataCacheFile):
    """The index of a function's compiled versions, void once anything that was compiled in has changed."""

    def __init__(self, plain: Any, function: Callable[..., Any]) -> None:
        found = dict(vars(plain))
        self.own_stamp = found.pop("_source_stamp")
        vars(self).update(found)
        self._function = function
        self._stamps: tuple[Any, ...] | None = None

    @property
    def _source_stamp(self) -> tuple[Any, ...]:
        # asked at the first call, when the names of all modules are known, not when the function is defined
        if self._stamps is None:
            self._stamps = (self.own_stamp, tuple(sorted(_all_stamps(self._function))))
        return self._stamps


def _all_stamps(function: Callable[..., Any]) -> set[str]:
    """The stamps and constants of a function and of all compiled ones that it calls, directly or not."""
    stamps, seen, ahead = set(_constants(function)), {function}, list(_called(function))
    while ahead:
        dispatcher = ahead.pop()
        called = dispatcher.py_func
        if called not in seen:
            seen.add(called)
            stamps.add(_stamp(dispatcher))
            stamps.update(_constants(called))
            ahead += _called(called)
    return stamps


def _constants(function: Callable[..., Any]) -> Iterator[str]:
    """The numbers and texts that `function` takes from its module: compiled in, wherever they were set."""
    for name in sorted(set(function.__code__.co_names)):
        value = function.__globals__.get(name)
        if isinstance(value, int | float | str | tuple):
            yield f"{function.__module__}.{name}={value!r}"


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
        return str(dispatcher.py_func.__code__.co_code.hex())
    own = getattr(cache_file, "own_stamp", None) or cache_file._source_stamp
    return f"{dispatcher.py_func.__module__}:{own}"
