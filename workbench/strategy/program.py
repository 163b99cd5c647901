"""Expressions as a program: every different expression once, in order, run compiled over blocks of bars.

A batch runs blocks of many bars, a stream blocks of one, through the same compiled function with the same
carried state, so both give the same bits; user-written rules need no compilation of their own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.indicators import compiled
from workbench.indicators.calling import MAX_INPUTS, call_kernel
from workbench.indicators.declaring import Indicator
from workbench.strategy.clock import CLOCK_ROWS, clock_kernel
from workbench.strategy.expressions import FIELDS, MAX_NODES, SIDES, Expr, Model
from workbench.strategy.indicator_expressions import outputs_of, settings_of
from workbench.strategy.node_kernels import (
    ADD,
    AND,
    CONST,
    CROSSES_ABOVE,
    CROSSES_BELOW,
    FILLED,
    HOUR,
    INDICATOR,
    INPUT,
    LAG,
    LT,
    MAX,
    NE,
    NOT,
    OPS,
    PRICE,
    SESSION,
    WEEKDAY,
    arithmetic_kernel,
    comparison_kernel,
    cross_kernel,
    lag_kernel,
    logic_kernel,
)
from workbench.strategy.operations import kernel_of

__all__ = [
    "BLOCK",
    "PRICES",
    "READS_CLOCK",
    "Program",
    "compile_program",
    "required_bars",
    "run_bar",
    "run_batch",
    "run_nodes",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

READS_CLOCK = 8  # in `Program.reads`: hour, weekday or session is used
BLOCK = 512  # bars: buffers of a whole rule stay in the second-level cache
PRICES = tuple(f"{side}_{field}" for side in SIDES[:2] for field in FIELDS)  # rows of a block of prices

_CODE = {name: number for number, name in enumerate(OPS)}
_CLOCK = ("hour", "weekday", "session")

# columns of the code table: operation, up to five arguments (node numbers), a whole number, where its
# parameters and its state begin and end in the state, address of the kernel, numbers of inputs and outputs
(
    N_OP, N_A, N_B, N_C, N_D, N_E, N_NUMBER, N_PARAMETERS, N_STATE, N_END,
    N_KERNEL, N_INPUTS, N_OUTPUTS, _COLUMNS,
) = range(14)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A node that Python is asked for: which row it fills, from which rows, and by what."""

    node: int
    features: tuple[int, ...]
    start: Callable[[], Callable[[Floats], Floats]]  # a fresh run: rows of features in, their values out


@dataclass(frozen=True, slots=True)
class Program:
    """Rules for one instrument, ready to run in this process: its kernels are known by their address."""

    code: Ints
    constants: Floats
    initial_state: Floats
    outputs: tuple[int, ...]  # node of each output, -1 for none
    asked: tuple[Asked, ...]
    reads: Ints  # rows of `PRICES` that it uses, and `READS_CLOCK`
    inputs: int  # columns that it is given besides the prices

    @property
    def nodes(self) -> int:
        """How many different expressions are computed."""
        return len(self.code)

    def __reduce__(self) -> Any:
        raise TypeError("a program can not go to another process; send the rules and compile them there")


def compile_program(outputs: Sequence[Expr | None], *, instrument: Instrument) -> Program:
    """The program that computes `outputs`, each different subexpression once.

    All go by one clock; what comes from another is an ``input`` (`workbench.strategy.plan`).
    """
    numbers: dict[str, int] = {}
    order: list[Expr | None] = []  # None: another output of the indicator before it
    for item in outputs:
        if item is not None:
            _visit(item, numbers, order)
    code = np.zeros((len(order), _COLUMNS), np.int64)
    constants = np.zeros(len(order))
    size = 0
    filled: list[tuple[int, list[float]]] = []  # where the state does not begin as zeros
    asked: list[Asked] = []
    reads: set[int] = set()
    inputs = 0
    for node, item in enumerate(order):
        if item is None:
            code[node, N_OP] = FILLED
            continue
        data = dict(item.data)
        args = [numbers[argument.key] for argument in item.args]
        name, number = item.op, int(data.get("n", 0))
        code[node, N_PARAMETERS] = code[node, N_STATE] = size
        if found := kernel_of(item):
            settings = settings_of(found, item)
            parameters = found.encoded(settings)
            filled.append((size, parameters))
            code[node, N_STATE] = size + len(parameters)
            size += len(parameters) + found.state_size(settings)
            code[node, N_KERNEL], code[node, N_INPUTS] = found.address(), len(found.inputs)
            code[node, N_OUTPUTS] = len(found.outputs)
            name = "indicator"
        elif name in ("predict", "causal"):
            asked.append(Asked(node, tuple(args), _start(item)))
            args, name = [], "asked"
        elif name == "input":
            inputs = max(inputs, number + 1)
        elif name == "price":
            number = SIDES.index(data["side"]) * len(FIELDS) + FIELDS.index(data["field"])
            reads |= {number} if number < 8 else {number - 8, number - 4}  # the mid needs both sides
        elif name in _CLOCK:
            reads.add(READS_CLOCK)
        elif name in ("const", "pips", "level"):
            constants[node] = _constant(item, instrument)
            name = "const"
        elif name == "lag":
            filled.append((size + 1, [math.nan] * number))
            size += 1 + number
        elif name.startswith("crosses"):
            filled.append((size, [math.nan] * 2))
            size += 2
        code[node, N_OP] = _CODE[name]
        code[node, N_A : N_A + len(args)] = args
        code[node, N_NUMBER] = number
        code[node, N_END] = size
    chosen = tuple(-1 if item is None else numbers[item.key] for item in outputs)
    state = np.zeros(size)
    for start, values in filled:
        state[start : start + len(values)] = values
    rows = np.array(sorted(reads), np.int64)
    return Program(code, constants, state, chosen, tuple(asked), rows, inputs)


def _start(item: Expr) -> Callable[[], Callable[[Floats], Floats]]:
    assert item.model is not None  # whoever makes such an expression demands it
    if item.op == "causal":
        return partial(item.model.start, dict(item.data)["settings"])
    return partial(_predicting, item.model)


def _predicting(model: Model) -> Callable[[Floats], Floats]:
    def run(rows: Floats) -> Floats:
        out = np.full(len(rows), np.nan)
        for i in np.flatnonzero(~np.isnan(rows).any(axis=1)):
            out[i] = float(model.predict_one(np.ascontiguousarray(rows[i])))
        return out

    return run


def required_bars(outputs: Sequence[Expr | None]) -> int:
    """Bars until every output can have a value, the bar of that value included."""
    needed: dict[str, int] = {}

    def visit(item: Expr) -> int:
        if item.key not in needed:
            before = max((visit(argument) for argument in item.args), default=1)
            needed[item.key] = before + _extra_bars(item)
        return needed[item.key]

    return max((visit(item) for item in outputs if item is not None), default=1)


def _extra_bars(item: Expr) -> int:
    if item.op == "lag":
        return int(dict(item.data)["n"])
    if item.op in ("crosses_above", "crosses_below"):
        return 1
    if item.op == "causal":
        return int(dict(item.data)["window"]) - 1
    found = kernel_of(item)
    return found.warm_up(settings_of(found, item)) if found else 0


def _visit(root: Expr, numbers: dict[str, int], order: list[Expr | None]) -> None:
    """Number `root` and all below it, arguments first, without recursion."""
    stack: list[tuple[Expr, bool]] = [(root, False)]
    while stack:
        item, ready = stack.pop()
        if item.key in numbers:
            continue
        if ready:
            _place(item, kernel_of(item), numbers, order)
            if len(order) > MAX_NODES:
                raise BadInputError(
                    f"expected rules of at most {MAX_NODES:,} different expressions, found more"
                )
            continue
        stack.append((item, True))
        stack.extend((argument, False) for argument in item.args)


def _place(item: Expr, of: Indicator | None, numbers: dict[str, int], order: list[Expr | None]) -> None:
    """Give `item` a node: for an indicator of several outputs one for each, all filled by the first."""
    if of is None or len(of.outputs) == 1:
        numbers[item.key] = len(order)
        order.append(item)
        return
    for place, sibling in enumerate(outputs_of(of, item)):
        numbers[sibling.key] = len(order)
        order.append(item if place == 0 else None)


def _constant(item: Expr, instrument: Instrument) -> float:
    value = dict(item.data)["value"]
    if item.op == "pips":
        return float(Decimal(repr(value)) * instrument.points_per_pip)
    if item.op == "level":
        return float(Decimal(value).scaleb(instrument.digits))
    return float(value)


@compiled
def _indicator_kernel(row: Ints, state: Floats, values: Floats, m: int, out: Floats) -> None:
    """Call the kernel of a node."""
    address, inputs = row[N_KERNEL], row[N_INPUTS]
    parameters = state[row[N_PARAMETERS] : row[N_STATE]]
    own = state[row[N_STATE] : row[N_END]]
    a = values[row[N_A], :m]
    if inputs == 1:
        call_kernel(address, own, parameters, (a,), out)
        return
    b = values[row[N_B], :m]
    if inputs == 2:
        call_kernel(address, own, parameters, (a, b), out)
        return
    c = values[row[N_C], :m]
    if inputs == 3:
        call_kernel(address, own, parameters, (a, b, c), out)
        return
    d = values[row[N_D], :m]
    if inputs == 4:
        call_kernel(address, own, parameters, (a, b, c, d), out)
    elif inputs == MAX_INPUTS:
        call_kernel(address, own, parameters, (a, b, c, d, values[row[N_E], :m]), out)


@compiled
def run_nodes(
    code: Ints,
    constants: Floats,
    state: Floats,
    first: int,
    last: int,
    prices: Floats,
    clock: Floats,
    values: Floats,
    m: int,
) -> None:
    """Compute nodes `first` to `last` (exclusive) of a block of `m` bars into the rows of `values`.

    `prices` has a row for each of `PRICES` and then for each input, `clock` the rows of `clock_kernel`.
    """
    for node in range(first, last):
        op = code[node, N_OP]
        number = code[node, N_NUMBER]
        at = code[node, N_STATE]
        out = values[node, :m]
        a = values[code[node, N_A], :m]
        b = values[code[node, N_B], :m]
        if op == INDICATOR:
            _indicator_kernel(code[node], state, values, m, values[node : node + code[node, N_OUTPUTS]])
        elif op >= ADD and op <= MAX:
            arithmetic_kernel(op, a, b, out)
        elif op >= LT and op <= NE:
            comparison_kernel(op, a, b, out)
        elif op >= AND and op <= NOT:
            logic_kernel(op, a, b, out)
        elif op == PRICE:
            if number < 8:
                out[:] = prices[number, :m]
            else:
                for i in range(m):
                    out[i] = (prices[number - 8, i] + prices[number - 4, i]) * 0.5
        elif op == INPUT:
            out[:] = prices[len(PRICES) + number, :m]
        elif op == CONST:
            out[:] = constants[node]
        elif op == HOUR:
            out[:] = clock[0, :m]
        elif op == WEEKDAY:
            out[:] = clock[1, :m]
        elif op == SESSION:
            out[:] = clock[2, :m]
        elif op == LAG:
            lag_kernel(state, at, number, a, out)
        elif op == CROSSES_ABOVE:
            cross_kernel(state, at, 1.0, a, b, out)
        elif op == CROSSES_BELOW:
            cross_kernel(state, at, -1.0, a, b, out)


@compiled
def run_bar(
    code: Ints,
    constants: Floats,
    state: Floats,
    prices: Floats,
    clock: Floats,
    values: Floats,
    outputs: Ints,
    results: Floats,
    bid_open: int,
    bid_high: int,
    bid_low: int,
    bid_close: int,
    ask_open: int,
    ask_high: int,
    ask_low: int,
    ask_close: int,
) -> None:
    """Run a program that asks nothing over one bar; `results` gets the value of each of `outputs`.

    Inputs stand in `prices` already.
    """
    prices[0, 0], prices[1, 0], prices[2, 0], prices[3, 0] = bid_open, bid_high, bid_low, bid_close
    prices[4, 0], prices[5, 0], prices[6, 0], prices[7, 0] = ask_open, ask_high, ask_low, ask_close
    run_nodes(code, constants, state, 0, code.shape[0], prices, clock, values, 1)
    for place in range(outputs.shape[0]):
        results[place] = values[outputs[place], 0] if outputs[place] >= 0 else np.nan


@compiled
def run_batch(
    code: Ints,
    constants: Floats,
    state: Floats,
    columns: Any,
    open_ns: Ints,
    reads: Ints,
    offset_starts: Ints,
    offsets: Ints,
    flag_nodes: Ints,
    flags: Any,
    number_nodes: Ints,
    results: Floats,
    inputs: Floats,
) -> None:
    """Run a program that asks nothing over whole columns, block by block.

    `columns` are the int64 price columns in the order of `PRICES`, of which `reads` lists those in use (and
    `READS_CLOCK`); `offset_starts` and `offsets` are New York's. `flags` (bool) and `results` get a row for
    each node of `flag_nodes` and `number_nodes`. `inputs` are columns from elsewhere, a row each.
    """
    count = columns[0].shape[0]
    values = np.empty((max(1, code.shape[0]), BLOCK))
    prices = np.empty((len(PRICES) + inputs.shape[0], BLOCK))
    clock = np.empty((CLOCK_ROWS, BLOCK))
    for start in range(0, count, BLOCK):
        m = min(BLOCK, count - start)
        for row in reads:
            if row == READS_CLOCK:
                clock_kernel(open_ns[start : start + m], offset_starts, offsets, clock)
            else:
                column = columns[row][start : start + m]
                for i in range(m):
                    prices[row, i] = column[i]
        for row in range(inputs.shape[0]):
            prices[len(PRICES) + row, :m] = inputs[row, start : start + m]
        run_nodes(code, constants, state, 0, code.shape[0], prices, clock, values, m)
        for row in range(flag_nodes.shape[0]):
            if flag_nodes[row] >= 0:
                source, flag = values[flag_nodes[row]], flags[row, start : start + m]
                for i in range(m):
                    flag[i] = source[i] == 1.0
        for row in range(number_nodes.shape[0]):
            if number_nodes[row] >= 0:
                results[row, start : start + m] = values[number_nodes[row], :m]
