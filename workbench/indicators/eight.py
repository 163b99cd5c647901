"""Eight numbers of an array at a time, where the compiler does not find the way by itself."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import extending, types
from numba.core import cgutils

__all__ = ["EIGHT", "means_of_eight"]

EIGHT = 8
_VECTOR = ir.VectorType(ir.DoubleType(), EIGHT)
_TRUTHS = ir.VectorType(ir.IntType(1), EIGHT)
_INDICES = ir.VectorType(ir.IntType(32), EIGHT)
_types: Any = types


def _intrinsic(function: Callable[..., Any]) -> Any:
    return extending.intrinsic(function)


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(cgutils.gep_inbounds(builder, data, at), _VECTOR.as_pointer())  # type: ignore[no-untyped-call]  # numba has no types


@_intrinsic
def means_of_eight(typing: Any, new: Any, old: Any, out: Any, at: Any, total: Any, by: Any) -> Any:
    """``out[at + k] = (total + the sum of new - old from at to at + k) / by``; the last such sum.

    The sums are formed by halves of the eight, so they have to be exact.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = []
        for place in range(2):
            load = builder.load(_address(context, builder, signature.args[place], values[place], values[3]))
            load.align = 8
            loaded.append(load)
        sums = builder.fsub(*loaded)
        for step in (1, 2, 4):  # each takes the sum of as many before it
            turned = [(place - step) % EIGHT for place in range(EIGHT)]
            moved = builder.shuffle_vector(sums, sums, ir.Constant(_INDICES, turned))
            added = builder.fadd(sums, moved)
            sums = builder.select(
                ir.Constant(_TRUTHS, [place >= step for place in range(EIGHT)]), added, sums
            )
        last = builder.extract_element(sums, ir.IntType(32)(EIGHT - 1))
        means = builder.fdiv(builder.fadd(sums, _all(builder, values[4])), _all(builder, values[5]))
        store = builder.store(means, _address(context, builder, signature.args[2], values[2], values[3]))
        store.align = 8
        return builder.fadd(values[4], last)

    return _types.float64(new, old, out, _types.int64, _types.float64, _types.float64), generate


def _all(builder: Any, value: Any) -> Any:
    """The same number eight times."""
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(_INDICES, [0] * EIGHT))
