"""Columns of whole numbers, faster than the compiler makes of a plain loop.

`soon` asks memory for a number that is read in a moment, while other work goes on; `scaled` writes eight at a
time; `column_at` is a column that is known by its address.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import carray, extending, types  # type: ignore[attr-defined]  # numba lists no names
from numba.core import cgutils

from workbench.indicators.compiled import compiled_inline

__all__ = ["EIGHT", "column_at", "scaled", "soon"]

EIGHT = 8
_VECTOR = ir.VectorType(ir.IntType(64), EIGHT)
_INDICES = ir.VectorType(ir.IntType(32), EIGHT)


def _intrinsic(function: Callable[..., Any]) -> Any:
    return extending.intrinsic(function)


@_intrinsic
def _pointer(_typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(address), generate  # type: ignore[no-untyped-call]  # numba has no types


@compiled_inline
def column_at(address: int, count: int) -> Any:
    """The `count` numbers at `address`; whoever knows it keeps them alive."""
    return carray(_pointer(address), (count,))


@_intrinsic
def soon(_typing: Any, column: Any, at: Any) -> Any:
    """Prefetch ``column[at]``; it changes nothing and may point anywhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), cgutils.voidptr_t)
        whole = ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch.p0",
            fnty=ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, whole, whole, whole]),
        )
        builder.call(prefetch, [address, whole(0), whole(3), whole(1)])  # to read, keep near, data
        return context.get_dummy_value()

    return types.void(column, types.int64), generate


@_intrinsic
def scaled(_typing: Any, column: Any, out: Any, at: Any, base: Any, worth: Any) -> Any:
    """``out[at + k] = base + worth * column[at + k]`` for `EIGHT` of them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def address(place: int) -> Any:
            array = context.make_array(signature.args[place])(context, builder, arguments[place])
            return builder.bitcast(builder.gep(array.data, [arguments[2]]), _VECTOR.as_pointer())

        def everywhere(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
            return builder.shuffle_vector(one, one, ir.Constant(_INDICES, [0] * EIGHT))

        found = builder.load(address(0))
        found.align = 8
        found = builder.add(everywhere(arguments[3]), builder.mul(everywhere(arguments[4]), found))
        builder.store(found, address(1)).align = 8
        return context.get_dummy_value()

    whole = types.int64
    return types.void(column, out, whole, whole, whole), generate
