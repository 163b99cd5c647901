"""Compiled functions called through their address, so that who calls them is not compiled with them inside.

A function called by its name is compiled into its caller once more. The engine is large: with it inside, the
event loop takes minutes to compile; so it takes seconds, and the engine's own compiled form, which replay and
paper use too, is the one that runs.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types
from numba.extending import intrinsic

__all__ = ["address_of", "call", "call_for_whole", "whole_at"]

_types: Any = types
_make_intrinsic: Any = intrinsic

WHOLE = _types.int64
COLUMN = _types.int64[::1]
TABLE = _types.int64[:, ::1]


@cache
def address_of(function: Any, *arguments: Any) -> int:
    """Where the machine code of `function` for arguments of these types lies, compiled if need be."""
    function.compile(tuple(arguments))
    found = function.overloads[tuple(arguments)]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def _calling(result: Any) -> Callable[..., Any]:
    def call_at(_typing: Any, address: Any, arguments: Any) -> Any:
        kinds = tuple(arguments.types)

        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            unpacked = [builder.extract_value(values[1], i) for i in range(len(kinds))]
            form = context.call_conv.get_function_type(result, kinds)
            function = builder.inttoptr(values[0], form.as_pointer())
            _, found = context.call_conv.call_function(builder, function, result, kinds, unpacked)
            return context.get_dummy_value() if result is _types.none else found

        return result(address, arguments), generate

    made: Callable[..., Any] = _make_intrinsic(call_at)
    return made


call = _calling(_types.none)
call_for_whole = _calling(_types.int64)


@_make_intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def whole_at(_typing: Any, address: Any, index: Any) -> Any:
    """The `index`-th int64 from an address on: columns of any number of instruments need one compilation."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(builder.gep(pointer, [arguments[1]]))

    return _types.int64(_types.int64, _types.int64), generate
