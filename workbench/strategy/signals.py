"""Rules evaluated: over whole columns of bars, or bar by bar, with the same bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.domain.quotes import Bar
from workbench.errors import BadInputError
from workbench.strategy.clock import CLOCK_ROWS, clock_kernel, new_york_offsets
from workbench.strategy.expressions import Expr
from workbench.strategy.program import (
    BLOCK,
    PRICES,
    READS_CLOCK,
    Prediction,
    Program,
    compile_program,
    required_bars,
    run_bar,
    run_batch,
    run_nodes,
)
from workbench.strategy.rules import Rules
from workbench.strategy.sizes import size_arguments

__all__ = [
    "BarArrays",
    "BarColumns",
    "ExprStream",
    "RulesStream",
    "SignalRow",
    "Signals",
    "evaluate",
    "evaluate_expression",
    "warm_up_bars",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_NO_TIMES = np.empty(0, np.int64)


class BarColumns(Protocol):
    """Columns of bars of one instrument: what `evaluate` reads of `workbench.market`'s Bars."""

    @property
    def instrument(self) -> Instrument: ...
    @property
    def open_ns(self) -> Ints: ...
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
            name: np.array([getattr(item, name) for item in bars], np.int64) for name in ("open_ns", *PRICES)
        }
        return cls(instrument=instrument, **columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The rules at every bar; the columns that `decide` takes, row by row."""

    enter_long: Flags
    enter_short: Flags
    exit_long: Flags
    exit_short: Flags
    stop: Floats  # points, NaN for none
    target: Floats
    has_stop: bool  # whether the rules declare one
    has_target: bool
    size_kind: int  # see `workbench.strategy.decision`
    size_value: float

    def __len__(self) -> int:
        return len(self.enter_long)

    def row(self, i: int) -> "SignalRow":
        """The signals of bar `i`."""
        return SignalRow(
            enter_long=bool(self.enter_long[i]),
            enter_short=bool(self.enter_short[i]),
            exit_long=bool(self.exit_long[i]),
            exit_short=bool(self.exit_short[i]),
            stop=float(self.stop[i]),
            target=float(self.target[i]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRow:
    """The signals of one bar."""

    enter_long: bool
    enter_short: bool
    exit_long: bool
    exit_short: bool
    stop: float  # points, NaN for none
    target: float


SIMPLE_CONDITIONS = ("enter_long", "enter_short", "exit_long", "exit_short")
SIMPLE = (*SIMPLE_CONDITIONS, "stop", "target")


def simple_expressions(rules: Rules) -> list[Expr | None]:
    """The expressions of `SIMPLE` in that order.

    Raises
    ------
    BadInputError
        The rules say more than `decide` covers.
    """
    if not rules.simple:
        raise BadInputError(
            f"expected rules with market entries, a stop and a target at most, found {rules!r}; "
            "evaluate these with evaluate_panel"
        )
    return [getattr(rules, name) for name in SIMPLE]


def warm_up_bars(rules: Rules) -> int:
    """Bars until every signal of `rules` can have a value, that bar included."""
    return required_bars([item for _, item in rules.expressions()])


def evaluate(rules: Rules, bars: BarColumns) -> Signals:
    """The signals of `rules` at every bar.

    Raises
    ------
    BadInputError
        The columns have different lengths.
    """
    program = compile_program(simple_expressions(rules), instrument=bars.instrument)
    flags, numbers = _run(program, bars, conditions=4)
    kind, value = size_arguments(rules.size, bars.instrument)
    return Signals(
        enter_long=flags[0],
        enter_short=flags[1],
        exit_long=flags[2],
        exit_short=flags[3],
        stop=numbers[0],
        target=numbers[1],
        has_stop=rules.stop is not None,
        has_target=rules.target is not None,
        size_kind=kind,
        size_value=value,
    )


def evaluate_expression(expr: Expr, bars: BarColumns) -> Floats:
    """The value of one expression at every bar; conditions are 1 and 0; NaN where unknown."""
    program = compile_program([expr], instrument=bars.instrument)
    _, numbers = _run(program, bars, conditions=0)
    result: Floats = numbers[0]
    return result


def _run(program: Program, bars: BarColumns, *, conditions: int) -> tuple[Flags, Floats]:
    """All outputs: the first `conditions` as flags, the others as numbers."""
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
    if not program.predictions:
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
        )
        return flags, numbers
    values = np.empty((program.nodes, BLOCK))
    prices, clock = np.empty((len(PRICES), BLOCK)), np.empty((CLOCK_ROWS, BLOCK))
    for start in range(0, count, BLOCK):
        stop = min(count, start + BLOCK)
        m = stop - start
        for row, column in enumerate(columns):
            prices[row, :m] = column[start:stop]
        if reads_clock:
            clock_kernel(open_ns[start:stop], starts, offsets, clock)
        _run_block(program, state, prices, clock, values, m)
        for row, node in enumerate(flag_nodes):
            if node >= 0:
                flags[row, start:stop] = values[node, :m] == 1.0
        for row, node in enumerate(number_nodes):
            if node >= 0:
                numbers[row, start:stop] = values[node, :m]
    return flags, numbers


def _run_block(
    program: Program, state: Floats, prices: Floats, clock: Floats, values: Floats, m: int
) -> None:
    """One block, stopping at each prediction to ask its model."""
    first = 0
    for item in program.predictions:
        run_nodes(program.code, program.constants, state, first, item.node, prices, clock, values, m)
        _ask(item, values, m)
        first = item.node + 1
    run_nodes(program.code, program.constants, state, first, program.nodes, prices, clock, values, m)


def _ask(item: Prediction, values: Floats, m: int) -> None:
    rows = values[list(item.features), :m].T
    for i in range(m):
        row = np.ascontiguousarray(rows[i])
        known = not np.isnan(row).any()
        values[item.node, i] = float(item.model.predict_one(row)) if known else np.nan


class ExprStream:
    """Expressions, one bar at a time."""

    def __init__(self, outputs: Sequence[Expr | None], *, instrument: Instrument) -> None:
        self._program = compile_program(outputs, instrument=instrument)
        self._instrument = instrument
        self._state = self._program.initial_state.copy()
        self._values = np.empty((max(1, self._program.nodes), 1))
        self._prices = np.empty((len(PRICES), 1))
        self._clock = np.zeros((CLOCK_ROWS, 1))
        self._reads_clock = READS_CLOCK in self._program.reads
        self._open_ns = np.zeros(1, np.int64)
        self._results = np.empty(len(self._program.outputs))
        self._arguments = (
            self._program.code,
            self._program.constants,
            self._state,
            self._prices,
            self._clock,
            self._values,
            np.array(self._program.outputs, np.int64),
            self._results,
        )

    def update(self, bar: Bar) -> list[float]:
        """Every output after `bar`: NaN where unknown or not asked for, conditions as 1 and 0.

        Raises
        ------
        BadInputError
            The bar is of another instrument.
        """
        if bar.instrument != self._instrument.id:
            raise BadInputError(f"expected a bar of {self._instrument.id}, found one of {bar.instrument}")
        if self._reads_clock:
            self._open_ns[0] = bar.open_ns
            clock_kernel(self._open_ns, *new_york_offsets(), self._clock)
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
        if self._program.predictions:
            self._prices[:, 0] = prices
            _run_block(self._program, self._state, self._prices, self._clock, self._values, 1)
            for place, node in enumerate(self._program.outputs):
                self._results[place] = self._values[node, 0] if node >= 0 else np.nan
        else:
            run_bar(*self._arguments, *prices)
        found: list[float] = self._results.tolist()
        return found


class RulesStream:
    """Rules, one bar at a time; bit for bit what `evaluate` gives."""

    def __init__(self, rules: Rules, *, instrument: Instrument) -> None:
        self.rules = rules
        self._stream = ExprStream(simple_expressions(rules), instrument=instrument)

    def update(self, bar: Bar) -> SignalRow:
        """The signals at the close of `bar`."""
        enter_long, enter_short, exit_long, exit_short, stop, target = self._stream.update(bar)
        return SignalRow(
            enter_long=enter_long == 1.0,
            enter_short=enter_short == 1.0,
            exit_long=exit_long == 1.0,
            exit_short=exit_short == 1.0,
            stop=stop,
            target=target,
        )


def signal_arguments(
    row: SignalRow, rules: Rules, instrument: Instrument
) -> tuple[bool, bool, bool, bool, float, float, bool, bool, int, float]:
    """The first ten arguments of `decide` for one row."""
    kind, value = size_arguments(rules.size, instrument)
    return (
        row.enter_long,
        row.enter_short,
        row.exit_long,
        row.exit_short,
        row.stop,
        row.target,
        rules.stop is not None,
        rules.target is not None,
        kind,
        value,
    )
