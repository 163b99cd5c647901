"""Programs run: over whole columns of bars, or bar by bar, with the same bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.domain.quotes import Bar
from workbench.errors import BadInputError
from workbench.strategy.clock import CLOCK_ROWS, clock_kernel, new_york_offsets
from workbench.strategy.program import BLOCK, PRICES, READS_CLOCK, Program, run_bar, run_batch, run_nodes

__all__ = ["BarArrays", "BarColumns", "Flags", "Floats", "Ints", "ProgramStream", "run_program"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_NO_TIMES = np.empty(0, np.int64)
_NO_INPUTS = np.empty((0, 0))
_ASKED_BLOCK = 8 * BLOCK  # going to Python costs more than leaving the cache


class BarColumns(Protocol):
    """Columns of bars of one instrument: what is read of `workbench.market`'s Bars."""

    @property
    def instrument(self) -> Instrument: ...
    @property
    def open_ns(self) -> Ints: ...
    @property
    def close_ns(self) -> Ints: ...
    @property
    def bid_open(self) -> Ints: ...
    @property
    def bid_high(self) -> Ints: ...
    @property
    def bid_low(self) -> Ints: ...
    @property
    def bid_close(self) -> Ints: ...
    @property
    def ask_open(self) -> Ints: ...
    @property
    def ask_high(self) -> Ints: ...
    @property
    def ask_low(self) -> Ints: ...
    @property
    def ask_close(self) -> Ints: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BarArrays:
    """Columns of bars of one instrument, int64 each: times in ns UTC, prices in points."""

    instrument: Instrument
    open_ns: Ints
    close_ns: Ints
    bid_open: Ints
    bid_high: Ints
    bid_low: Ints
    bid_close: Ints
    ask_open: Ints
    ask_high: Ints
    ask_low: Ints
    ask_close: Ints

    @classmethod
    def of(cls, bars: Sequence[Bar], *, instrument: Instrument) -> "BarArrays":
        """The columns of a list of bars."""
        columns = {
            name: np.array([getattr(item, name) for item in bars], np.int64)
            for name in ("open_ns", "close_ns", *PRICES)
        }
        return cls(instrument=instrument, **columns)


def run_program(
    program: Program, bars: BarColumns, *, conditions: int, inputs: Floats = _NO_INPUTS
) -> tuple[Flags, Floats]:
    """All outputs at every bar: the first `conditions` as flags, the others as numbers.

    Raises
    ------
    BadInputError
        The columns have different lengths.
    """
    columns = tuple(np.ascontiguousarray(getattr(bars, name), np.int64) for name in PRICES)
    open_ns = np.ascontiguousarray(bars.open_ns, np.int64)
    count = len(open_ns)
    if {len(column) for column in columns} != {count}:
        raise BadInputError(f"expected price columns of {count} bars like the times, found other lengths")
    outputs = np.array(program.outputs, np.int64)
    flag_nodes, number_nodes = outputs[:conditions], outputs[conditions:]
    flags = np.zeros((len(flag_nodes), count), np.bool_)
    numbers = np.full((len(number_nodes), count), np.nan)
    reads_clock = READS_CLOCK in program.reads
    starts, offsets = new_york_offsets() if reads_clock else (_NO_TIMES, _NO_TIMES)
    state = program.initial_state.copy()
    if not program.asked:
        run_batch(
            program.code,
            program.constants,
            state,
            columns,
            open_ns,
            program.reads,
            starts,
            offsets,
            flag_nodes,
            flags,
            number_nodes,
            numbers,
            inputs,
        )
        return flags, numbers
    asking = _Asking(program)
    values = np.empty((program.nodes, _ASKED_BLOCK))
    prices = np.empty((len(PRICES) + len(inputs), _ASKED_BLOCK))
    clock = np.empty((CLOCK_ROWS, _ASKED_BLOCK))
    for start in range(0, count, _ASKED_BLOCK):
        stop = min(count, start + _ASKED_BLOCK)
        m = stop - start
        for row, column in enumerate(columns):
            prices[row, :m] = column[start:stop]
        prices[len(PRICES) :, :m] = inputs[:, start:stop]
        if reads_clock:
            clock_kernel(open_ns[start:stop], starts, offsets, clock)
        asking.run(state, prices, clock, values, m)
        for row, node in enumerate(flag_nodes):
            if node >= 0:
                flags[row, start:stop] = values[node, :m] == 1.0
        for row, node in enumerate(number_nodes):
            if node >= 0:
                numbers[row, start:stop] = values[node, :m]
    return flags, numbers


class _Asking:
    """One run of a program that stops at some nodes to ask Python."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._answers = [item.start() for item in program.asked]

    def run(self, state: Floats, prices: Floats, clock: Floats, values: Floats, m: int) -> None:
        """Compute one block of `m` bars."""
        program, first = self._program, 0
        for item, answer in zip(program.asked, self._answers, strict=True):
            run_nodes(program.code, program.constants, state, first, item.node, prices, clock, values, m)
            values[item.node, :m] = answer(np.ascontiguousarray(values[list(item.features), :m].T))
            first = item.node + 1
        run_nodes(program.code, program.constants, state, first, program.nodes, prices, clock, values, m)


class ProgramStream:
    """A program, one bar at a time."""

    def __init__(self, program: Program) -> None:
        self._state = program.initial_state.copy()
        self._values = np.empty((max(1, program.nodes), 1))
        self._prices = np.empty((len(PRICES) + program.inputs, 1))
        self._clock = np.zeros((CLOCK_ROWS, 1))
        self._reads_clock = READS_CLOCK in program.reads
        self._open_ns = np.zeros(1, np.int64)
        self._outputs = program.outputs
        self._results = np.empty(len(program.outputs))
        self._asking = _Asking(program) if program.asked else None
        self._arguments = (
            program.code,
            program.constants,
            self._state,
            self._prices,
            self._clock,
            self._values,
            np.array(program.outputs, np.int64),
            self._results,
        )

    def update(self, bar: Bar, inputs: Sequence[float] = ()) -> list[float]:
        """Every output after `bar`: NaN where unknown or not asked for, conditions as 1 and 0."""
        if self._reads_clock:
            self._open_ns[0] = bar.open_ns
            clock_kernel(self._open_ns, *new_york_offsets(), self._clock)
        for place, value in enumerate(inputs[: len(self._prices) - len(PRICES)], len(PRICES)):
            self._prices[place, 0] = value
        prices = (
            bar.bid_open,
            bar.bid_high,
            bar.bid_low,
            bar.bid_close,
            bar.ask_open,
            bar.ask_high,
            bar.ask_low,
            bar.ask_close,
        )
        if self._asking is None:
            run_bar(*self._arguments, *prices)
        else:
            self._prices[: len(PRICES), 0] = prices
            self._asking.run(self._state, self._prices, self._clock, self._values, 1)
            for place, node in enumerate(self._outputs):
                self._results[place] = self._values[node, 0] if node >= 0 else np.nan
        found: list[float] = self._results.tolist()
        return found
