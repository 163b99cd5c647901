"""Sixty-four truths in one whole number: comparing 64 numbers at once, and finding the next truth.

Bit ``i`` of word ``w`` stands for bar ``64 * w + i``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.indicators.compiled import borrowing, compiled

__all__ = [
    "WORD",
    "compared_equal",
    "compared_greater",
    "compared_less",
    "first_bit",
    "next_truth",
    "packed",
    "shifted",
    "unpacked",
]

Words = npt.NDArray[np.int64]
WORD = 64


def _comparing(predicate: str) -> Any:
    """A function of (a, at_a, b, at_b): bit i is ``a[at_a + i] PREDICATE b[at_b + i]``."""

    @intrinsic
    def compare(_typing: Any, a: Any, at_a: Any, b: Any, at_b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = ir.VectorType(ir.DoubleType(), WORD)
            loaded = []
            for kind, value, at in (
                (signature.args[0], arguments[0], arguments[1]),
                (signature.args[2], arguments[2], arguments[3]),
            ):
                array = context.make_array(kind)(context, builder, value)
                address = cgutils.gep_inbounds(builder, array.data, at)  # type: ignore[no-untyped-call]  # numba has no types
                load = builder.load(builder.bitcast(address, vector.as_pointer()))
                load.align = 8
                loaded.append(load)
            truths = builder.fcmp_ordered(predicate, *loaded)
            return builder.bitcast(truths, ir.IntType(WORD))

        return types.int64(a, types.int64, b, types.int64), generate

    return compare


compared_greater = _comparing(">")
compared_less = _comparing("<")
compared_equal = _comparing("==")


@intrinsic
def first_bit(_typing: Any, word: Any) -> Any:
    """Place of the lowest bit that is set, 64 when none is."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


@borrowing
def next_truth(first: Words, second: Words, start: int, stop: int) -> int:
    """The first bar from `start` on of which `first` or `second` is true; `stop` when none before it is."""
    if start >= stop:
        return stop
    at = start >> 6
    word = (first[at] | second[at]) & (np.int64(-1) << np.int64(start & 63))
    last = (stop - 1) >> 6
    while word == 0 and at < last:
        at += 1
        word = first[at] | second[at]
    if word == 0:
        return stop
    return min(stop, at * 64 + first_bit(word))  # type: ignore[call-arg]  # without the compiler's context


@compiled
def packed(flags: npt.NDArray[np.bool_]) -> Words:
    """The truths of a column as words, the last one filled up with none."""
    n = flags.shape[0]
    words = np.zeros((n + 63) // 64, np.int64)
    for at in range(words.shape[0]):
        word = np.int64(0)
        for i in range(min(64, n - 64 * at)):
            word |= np.int64(flags[64 * at + i]) << np.int64(i)
        words[at] = word
    return words


def unpacked(words: Words, count: int) -> npt.NDArray[np.bool_]:
    """The first `count` truths of `words` as a column."""
    bits = np.unpackbits(np.ascontiguousarray(words, "<i8").view(np.uint8), bitorder="little")
    return bits[:count].astype(np.bool_)


@compiled
def shifted(words: Words, start: int, count: int) -> Words:
    """The truths of bars `start` to ``start + count`` as words of their own."""
    found = np.zeros((count + 63) // 64, np.int64)
    skip, at = np.int64(start & 63), start >> 6
    for w in range(found.shape[0]):
        word = words[at + w]
        if skip != 0:
            word = (word >> skip) & ((np.int64(1) << (np.int64(64) - skip)) - 1)
            if at + w + 1 < words.shape[0]:
                word |= words[at + w + 1] << (np.int64(64) - skip)
        found[w] = word
    if count & 63 != 0 and found.shape[0] > 0:
        found[-1] &= (np.int64(1) << np.int64(count & 63)) - 1
    return found
