"""Kernels called through their address: one compiled caller for all of them, whatever is added.

A kernel is compiled alone, when it is first used, and cached on disk. Who calls it knows its address as a
number, so neither a program of rules nor a stream is compiled anew when an indicator is added or edited.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray as _carray  # type: ignore[attr-defined]  # numba lists no names
from numba import extending, types
from numba.core import cgutils

from workbench.indicators.compiled import borrowing, compiled

__all__ = ["MAX_INPUTS", "Kernel", "address_of", "call_kernel", "run_batch", "step", "step_buffer"]

Floats = npt.NDArray[np.float64]
Kernel = Callable[..., None]
MAX_INPUTS = 5

_types: Any = types
_cgutils: Any = cgutils

_ROW = _types.float64[::1]
_ROWS = _types.float64[:, ::1]


@cache
def address_of(kernel: Any, inputs: int) -> int:
    """Where the machine code of `kernel(state, parameters, *inputs, out)` lies, compiled if need be."""
    signature = (_ROW, _ROW, *(_ROW,) * inputs, _ROWS)
    kernel.compile(_types.void(*signature))
    found = kernel.overloads[signature]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def _intrinsic(function: Callable[..., Any]) -> Any:
    return extending.intrinsic(function)


@_intrinsic
def call_kernel(typing: Any, address: Any, state: Any, parameters: Any, inputs: Any, out: Any) -> Any:
    """Call the kernel at `address` with the arrays of the tuple `inputs`."""
    arguments = (state, parameters, *inputs.types, out)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        where, state_, parameters_, inputs_, out_ = values
        rows = _cgutils.unpack_tuple(builder, inputs_, len(inputs.types))
        form = context.call_conv.get_function_type(_types.none, arguments)
        function = builder.inttoptr(where, form.as_pointer())
        context.call_conv.call_function(
            builder, function, types.none, arguments, [state_, parameters_, *rows, out_]
        )
        return context.get_dummy_value()

    return _types.void(address, state, parameters, inputs, out), generate


def _cast_to(kind: Any) -> Any:
    target = _types.CPointer(kind)

    def pointer(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(target))

        return target(address), generate

    return _intrinsic(pointer)


_pointer, _whole_pointer = _cast_to(_types.float64), _cast_to(_types.int64)


@borrowing
def run_batch(address: int, state: Floats, parameters: Floats, inputs: Any, out: Floats) -> None:
    """Run a kernel over whole arrays; `inputs` is a tuple of them."""
    call_kernel(address, state, parameters, inputs, out)


# A stream's memory: what it is made of (address, numbers of parameters, of values of state and of outputs,
# as bits of whole numbers), one value of each input, of each output, the parameters, the state.
_HEAD = 4
_INPUTS_AT = _HEAD
_OUTPUTS_AT = _INPUTS_AT + MAX_INPUTS


def step_buffer(address: int, parameters: Floats, *, state_size: int, outputs: int) -> tuple[Floats, Floats]:
    """Memory of a fresh stream, and the part of it where the outputs appear."""
    start = _OUTPUTS_AT + outputs
    buffer = np.zeros(start + len(parameters) + state_size)
    buffer[:_HEAD].view(np.int64)[:] = address, len(parameters), state_size, outputs
    buffer[start : start + len(parameters)] = parameters
    return buffer, buffer[_OUTPUTS_AT:start]


def step(inputs: int) -> Callable[..., float]:
    """The compiled function that feeds one value of each input to the stream whose memory starts at `base`.

    It takes `base` and the values and returns the first output.
    """
    return _STEPS[inputs - 1]


@compiled
def _parts(base: int) -> Any:
    """Address, state, parameters and outputs."""
    sizes = _carray(_whole_pointer(base), (_HEAD,))
    outputs = _carray(_pointer(base + 8 * _OUTPUTS_AT), (sizes[3], 1))
    start = base + 8 * (_OUTPUTS_AT + sizes[3])
    parameters = _carray(_pointer(start), (sizes[1],))
    state = _carray(_pointer(start + 8 * sizes[1]), (sizes[2],))
    return sizes[0], state, parameters, outputs


@compiled
def _input(base: int, place: int, value: float) -> Any:
    row = _carray(_pointer(base + 8 * (_INPUTS_AT + place)), (1,))
    row[0] = value
    return row


@compiled
def _step_1(base: int, a: float) -> float:
    address, state, parameters, out = _parts(base)
    call_kernel(address, state, parameters, (_input(base, 0, a),), out)
    return float(out[0, 0])


@compiled
def _step_2(base: int, a: float, b: float) -> float:
    address, state, parameters, out = _parts(base)
    call_kernel(address, state, parameters, (_input(base, 0, a), _input(base, 1, b)), out)
    return float(out[0, 0])


@compiled
def _step_3(base: int, a: float, b: float, c: float) -> float:
    address, state, parameters, out = _parts(base)
    inputs = (_input(base, 0, a), _input(base, 1, b), _input(base, 2, c))
    call_kernel(address, state, parameters, inputs, out)
    return float(out[0, 0])


@compiled
def _step_4(base: int, a: float, b: float, c: float, d: float) -> float:
    address, state, parameters, out = _parts(base)
    inputs = (_input(base, 0, a), _input(base, 1, b), _input(base, 2, c), _input(base, 3, d))
    call_kernel(address, state, parameters, inputs, out)
    return float(out[0, 0])


@compiled
def _step_5(base: int, a: float, b: float, c: float, d: float, e: float) -> float:
    address, state, parameters, out = _parts(base)
    inputs = (
        _input(base, 0, a), _input(base, 1, b), _input(base, 2, c), _input(base, 3, d), _input(base, 4, e),
    )  # fmt: skip
    call_kernel(address, state, parameters, inputs, out)
    return float(out[0, 0])


_STEPS: tuple[Callable[..., float], ...] = (_step_1, _step_2, _step_3, _step_4, _step_5)
