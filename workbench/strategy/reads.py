"""What a strategy's code reads from outside: constants, functions and classes of the notebook or of a module.

A parameter cell, a helper or a `causal` function changes what a strategy does as the class itself does, so
that who names a strategy by what it is, or goes on with a search, has to know them.
"""

import dis
import functools
import hashlib
import inspect
import pickle
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import BadInputError
from workbench.strategy.causal import CausalFunction, source_of
from workbench.strategy.expressions import Expr

__all__ = ["is_library", "reads_of"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_OURS = "workbench"
_MISSING = object()


def reads_of(*items: Callable[..., Any]) -> str:
    """Digest of the source of classes and functions, and of everything of the user's that they read by name.

    Libraries have no part in it. A value that can not be written as bytes counts by its type alone.
    """
    found: dict[str, str] = {}
    for item in items:
        _follow(item, found)
    content = hashlib.sha256()
    for name, text in sorted(found.items()):
        content.update(f"{name}={text}|".encode())
    return content.hexdigest()


def _follow(item: Any, found: dict[str, str]) -> None:
    """Note the source of a class or function, and go on to what its code reads."""
    source = _source(item)
    # by what it says, not by where it stands: a notebook's code is in another module when it is a script's
    name = f"{item.__qualname__}:{hashlib.sha256(source.encode()).hexdigest()}"
    if name in found:
        return
    found[name] = source
    if isinstance(item, type):
        for member, value in vars(item).items():
            if not member.startswith("_") and not callable(
                value
            ):  # such as a Param with a constant's default
                found[f"{name}.{member}"] = _text(value, found)
    for function in _functions(item):
        cells = inspect.getclosurevars(function).nonlocals
        names = {*_globals_of(function.__code__), *cells}
        for read in sorted(names):
            value = cells[read] if read in cells else function.__globals__.get(read, _MISSING)
            if value is not _MISSING:
                found[f"{name}:{function.__name__}:{read}"] = _text(value, found)
        defaults = (function.__defaults__, function.__kwdefaults__)
        found[f"{name}:{function.__name__}()"] = _text(defaults, found)


def _functions(item: Any) -> Iterator[types.FunctionType]:
    members = vars(item).values() if isinstance(item, type) else (item,)
    for member in members:
        if isinstance(member, property):
            yield from (f for f in (member.fget, member.fset) if isinstance(f, types.FunctionType))
        else:
            inner = inspect.unwrap(getattr(member, "__func__", member))
            if isinstance(inner, types.FunctionType):
                yield inner


def _source(item: Any) -> str:
    """Its source; its code where it has none, or shares its lines with others as a lambda does."""
    if item.__name__ != "<lambda>":
        try:
            return source_of(item)
        except BadInputError:  # made by `exec`
            pass
    return "".join(_code_text(function.__code__) for function in _functions(item))


def _code_text(code: types.CodeType) -> str:
    parts = (
        _code_text(item) if isinstance(item, types.CodeType) else _text(item, {}) for item in code.co_consts
    )
    return f"{code.co_code.hex()}{code.co_names}{code.co_varnames}{'|'.join(parts)}"


def _globals_of(code: types.CodeType) -> set[str]:
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = (item for item in code.co_consts if isinstance(item, types.CodeType))
    return own.union(*(_globals_of(item) for item in inner))


def _text(value: Any, found: dict[str, str]) -> str:
    """A value in words that change with it."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(item, found) for item in value)}]"
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(_text(item, found) for item in value))}}}"
    if isinstance(value, Mapping):
        pairs = ((_text(key, found), _text(item, found)) for key, item in value.items())
        return f"{{{','.join(f'{key}:{item}' for key, item in sorted(pairs))}}}"
    if isinstance(value, CausalFunction):
        return value.digest
    if isinstance(value, Expr):  # its other parts are made when they are asked for
        return f"{value.key} {_text(value.model, found)}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, functools.partial):
        return _text((value.func, value.args, value.keywords), found)
    if isinstance(value, types.ModuleType):
        file = getattr(value, "__file__", None)
        return value.__name__ if is_library(value.__name__, file) else _file_digest(file)
    called = getattr(value, "py_func", value)  # of what numba compiles
    if isinstance(called, types.FunctionType | type):
        module = sys.modules.get(called.__module__)
        if is_library(called.__module__, getattr(module, "__file__", None)):
            return f"{called.__module__}.{called.__qualname__}"
        _follow(called, found)
        return str(called.__qualname__)
    return _bytes_digest(value)


def is_library(name: str, file: str | None) -> bool:
    """Whether a module of this name and file is installed, not written by the user."""
    root = name.partition(".")[0]
    if root in ("__main__", ""):
        return False
    known = root == _OURS or root in sys.stdlib_module_names
    return known or file is None or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


def _file_digest(file: str | None) -> str:
    try:
        return hashlib.sha256(Path(str(file)).read_bytes()).hexdigest()
    except OSError:
        return str(file)


def _bytes_digest(value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    content = getattr(value, "content_digest", None)  # of bars and ticks
    if callable(content):
        return f"{kind} {content()}"
    try:
        return f"{kind} {hashlib.sha256(pickle.dumps(value)).hexdigest()}"
    except Exception:
        # whatever an object's own code raises: it is not to be had as bytes
        return kind
