"""Conditions of rules at every bar as words of 64 truths: what `evaluate` gives, at an eighth of the cost.

Numbers (prices, indicators, arithmetic) are computed by the strategy room's program, block by block; what is
compared and combined of them are words. A condition has two rows of words, where it is true and where it is
false; where it is neither, it is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import InstrumentId
from workbench.indicators.compiled import borrowing, compiled
from workbench.research.words import WORD, compared_equal, compared_greater, compared_less, packed
from workbench.strategy.clock import CLOCK_ROWS, clock_kernel, new_york_offsets
from workbench.strategy.expressions import TRUTH, Expr
from workbench.strategy.panel import evaluate_outputs
from workbench.strategy.plan import make_plan
from workbench.strategy.program import PRICES, READS_CLOCK, compile_program, run_nodes
from workbench.strategy.running import BarColumns

__all__ = [
    "BEFORE",
    "CROSS",
    "KEEP",
    "PAIR",
    "ConditionPlan",
    "Conditions",
    "evaluate_conditions",
    "run_steps",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

PAIR, CROSS, _AND, _OR, _AND_NOT, BEFORE, KEEP = range(7)
_ROWS = {PAIR: 3, CROSS: 5}  # greater, less, equal; crossed above, crossed below
_TWO = (_AND, _OR, _AND_NOT)
_COMPARISONS = {  # true where; false where; of greater, less, equal
    "gt": ((0,), (1, 2)),
    "lt": ((1,), (0, 2)),
    "ge": ((0, 2), (1,)),
    "le": ((1, 2), (0,)),
    "eq": ((2,), (0, 1)),
    "ne": ((0, 1), (2,)),
}
_MIRRORED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "eq": "eq", "ne": "ne"}
_ONE = Expr("const", data=(("value", 1.0),))
_NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions by key as words, and numbers by key as columns; each row covers all bars."""

    words: dict[str, Words]
    numbers: dict[str, Floats]


def evaluate_conditions(
    conditions: Sequence[Expr],
    numbers: Sequence[Expr],
    bars: BarColumns,
    *,
    others: Mapping[InstrumentId, BarColumns] | None = None,
) -> Conditions:
    """Each different one of `conditions` and `numbers` at every bar, with the bits of `evaluate`."""
    truths = {item.key: item for item in conditions}
    wanted = {item.key: item for item in numbers}
    count = len(bars.open_ns)
    everything = [*truths.values(), *wanted.values()]
    if not make_plan(everything).trivial:
        return _by_columns(truths, wanted, bars, others)
    plan = ConditionPlan(list(truths.values()))
    program = compile_program([*wanted.values(), *plan.leaves], instrument=bars.instrument)
    if program.asked:
        return _by_columns(truths, wanted, bars, others)
    leaves = np.array(program.outputs[len(wanted) :], np.int64)
    steps, rows = plan.packed()
    for step in steps:
        if step[0] in _ROWS:
            step[1], step[2] = leaves[step[1]], leaves[step[2]]
    found = np.empty((len(truths), (count + WORD - 1) // WORD), np.int64)
    results = np.empty((len(wanted), count))
    reads_clock = READS_CLOCK in program.reads
    starts, offsets = new_york_offsets() if reads_clock else (_NO_TIMES, _NO_TIMES)
    _run(
        program.code,
        program.constants,
        program.initial_state.copy(),
        tuple(np.ascontiguousarray(getattr(bars, name), np.int64) for name in PRICES),
        np.ascontiguousarray(bars.open_ns, np.int64),
        program.reads,
        starts,
        offsets,
        np.array(program.outputs[: len(wanted)], np.int64),
        results,
        np.unique(leaves),
        steps,
        rows,
        np.zeros(plan.rows + 1, np.int64),
        found,
        1024 if program.nodes <= 96 else 512,
    )
    return Conditions(
        words=dict(zip(truths, found, strict=True)), numbers=dict(zip(wanted, results, strict=True))
    )


def _by_columns(
    truths: Mapping[str, Expr],
    numbers: Mapping[str, Expr],
    bars: BarColumns,
    others: Mapping[InstrumentId, BarColumns] | None,
) -> Conditions:
    """The same by whole columns: for what goes by other clocks, or asks Python."""
    outputs = [*truths.values(), *numbers.values()]
    name = bars.instrument.id
    flags, values = evaluate_outputs(outputs, {name: bars}, conditions=len(truths), others=others)[name]
    return Conditions(
        words={key: packed(np.ascontiguousarray(row)) for key, row in zip(truths, flags, strict=True)},
        numbers=dict(zip(numbers, values, strict=True)),
    )


class ConditionPlan:
    """Steps on rows of words; equal ones are one. `KEEP` writes a row to the result of its number."""

    def __init__(self, conditions: Sequence[Expr]) -> None:
        self.code: list[tuple[int, int, int, int]] = []  # operation, two operands, row of the result
        self.leaves: list[Expr] = []
        self.rows = 0
        self._leaf: dict[str, int] = {}
        self._made: dict[tuple[int, int, int], int] = {}
        self._true: dict[str, int] = {}
        self._false: dict[str, int] = {}
        for place, item in enumerate(conditions):
            self.code.append((KEEP, self.true_row(item), 0, place))

    def packed(self) -> tuple[Ints, int]:
        """The steps with rows used again once nobody reads them, so that they stay in the cache; how many.

        A step is the operation, its operands, the row of its result and a number of its own.
        """
        owner: dict[int, int] = {}  # of each row: the first row of its step
        last: dict[int, int] = {}
        for at, (op, a, b, made) in enumerate(self.code):
            if op != KEEP:
                owner.update(dict.fromkeys(range(made, made + _ROWS.get(op, 1)), made))
            if op not in _ROWS:
                last[owner[a]] = last[owner[b] if op in _TWO else owner[a]] = at
        free: dict[int, list[int]] = {1: [], 3: [], 5: []}
        place: dict[int, int] = {}
        sizes: dict[int, int] = {}
        used, found = 0, []
        for at, (op, a, b, made) in enumerate(self.code):
            first, second = (a, b) if op in _ROWS else (place[a], place[b] if op in _TWO else 0)
            if op == KEEP:
                found.append((op, first, 0, made, 0))
            else:
                size = _ROWS.get(op, 1)
                if not free[size]:
                    free[size].append(used)
                    used += size
                base = free[size].pop()
                sizes[made] = size
                place.update({made + k: base + k for k in range(size)})
                found.append((op, first, second, base, made))
            if op not in _ROWS:
                for done in {owner[a], owner[b] if op in _TWO else owner[a]}:
                    if last[done] == at:
                        free[sizes[done]].append(place[done])
        return np.array(found, np.int64).reshape(-1, 5), used

    def true_row(self, item: Expr) -> int:
        """The row that says where `item` is true."""
        if item.key not in self._true:
            self._true[item.key] = self._row(item, truth=True)
        return self._true[item.key]

    def false_row(self, item: Expr) -> int:
        """The row that says where `item` is false."""
        if item.key not in self._false:
            self._false[item.key] = self._row(item, truth=False)
        return self._false[item.key]

    def _row(self, item: Expr, *, truth: bool) -> int:
        op, args = item.op, item.args
        if op in _COMPARISONS and all(arg.kind != TRUTH for arg in args):
            return self._compared(op, *args, truth=truth)
        if op in ("crosses_above", "crosses_below"):
            return self._crossed(op, *args, truth=truth)
        if op == "not":
            return self.false_row(args[0]) if truth else self.true_row(args[0])
        if op in ("and", "or"):
            row = self.true_row if truth else self.false_row
            return self._step(_AND if (op == "and") == truth else _OR, row(args[0]), row(args[1]))
        return self._compared("eq", item, _ONE, truth=truth)  # its value is 1, 0 or NaN

    def _compared(self, op: str, a: Expr, b: Expr, *, truth: bool) -> int:
        base, mirrored = self._pair(a, b)
        true, false = _COMPARISONS[_MIRRORED[op] if mirrored else op]
        return self._any(base, true if truth else false)

    def _crossed(self, op: str, a: Expr, b: Expr, *, truth: bool) -> int:
        base, mirrored = self._pair(a, b, crossing=True)
        crossed = base + (3 if (op == "crosses_above") != mirrored else 4)
        if truth:
            return crossed
        known = self._any(base, (0, 1, 2))
        both = self._step(_AND, known, self._step(BEFORE, known, 0))
        return self._step(_AND_NOT, both, crossed)

    def _any(self, base: int, which: tuple[int, ...]) -> int:
        row = base + which[0]
        for other in which[1:]:
            row = self._step(_OR, row, base + other)
        return row

    def _pair(self, a: Expr, b: Expr, *, crossing: bool = False) -> tuple[int, bool]:
        """First of the rows greater, less, equal (and crossed); and whether they are those of (b, a)."""
        first, second = self._number(a), self._number(b)
        mirrored = first > second
        operands = (second, first) if mirrored else (first, second)
        return self._step(CROSS if crossing else PAIR, *operands), mirrored

    def _number(self, item: Expr) -> int:
        if item.key not in self._leaf:
            self._leaf[item.key] = len(self.leaves)
            self.leaves.append(item)
        return self._leaf[item.key]

    def _step(self, op: int, a: int, b: int) -> int:
        if op in (_AND, _OR) and a > b:
            a, b = b, a
        made = self._made.get((op, a, b))
        if made is None:
            made = self._made[op, a, b] = self.rows
            self.code.append((op, a, b, made))
            self.rows += _ROWS.get(op, 1)
        return made


@compiled
def _run(
    code: Ints,
    constants: Floats,
    state: Floats,
    columns: Any,
    open_ns: Ints,
    reads: Ints,
    offset_starts: Ints,
    offsets: Ints,
    number_nodes: Ints,
    numbers: Floats,
    leaves: Ints,
    steps: Ints,
    rows: int,
    carried: Ints,
    found: Any,
    block: int,
) -> None:
    """Numbers by `run_nodes`, then the steps on words, a block of bars at a time."""
    count = open_ns.shape[0]
    values = np.empty((max(1, code.shape[0]), block))
    prices = np.empty((8, block))
    clock = np.empty((CLOCK_ROWS, block))
    whole = np.zeros(values.shape[0], np.bool_)  # rows of compared numbers that are all known
    words = np.empty((max(1, rows), block // 64), np.int64)
    for start in range(0, count, block):
        m = min(block, count - start)
        for row in reads:
            if row == READS_CLOCK:
                clock_kernel(open_ns[start : start + m], offset_starts, offsets, clock)
            else:
                column = columns[row][start : start + m]
                for i in range(m):
                    prices[row, i] = column[i]
        run_nodes(code, constants, state, 0, code.shape[0], prices, clock, values, m)
        many = (m + 63) // 64
        if m < 64 * many:  # beyond the last bar everything is unknown
            values[:, m : 64 * many] = np.nan
        for leaf in range(leaves.shape[0]):
            whole[leaves[leaf]] = _all_known(values[leaves[leaf]], many)
        run_steps(values, whole, steps, words, carried, found, start // WORD, many)
        for place in range(number_nodes.shape[0]):
            numbers[place, start : start + m] = values[number_nodes[place], :m]


@borrowing
def run_steps(
    values: Floats,
    whole: Any,
    steps: Ints,
    words: Words,
    carried: Ints,
    found: Any,
    first_word: int,
    many: int,
) -> None:
    """The steps of a `ConditionPlan` on the next `many` words of bars.

    Parameters
    ----------
    values
        The compared numbers at these bars, a row each; NaN beyond the last bar.
    whole
        Of each row of `values` whether all of it is known; False is always right.
    words
        Room for the rows of the plan.
    carried
        What the steps remember of the words before: zeros at first.
    found
        Receives the conditions, a row each, from word `first_word` on.
    """
    for at in range(steps.shape[0]):
        op, a, b, row, own = steps[at, 0], steps[at, 1], steps[at, 2], steps[at, 3], steps[at, 4]
        if op == PAIR:
            _compare(values[a], values[b], many, words[row], words[row + 1], words[row + 2])
        elif op == CROSS:
            _cross(
                values[a],
                values[b],
                many,
                whole[a] and whole[b],
                words[row],
                words[row + 1],
                words[row + 2],
                words[row + 3],
                words[row + 4],
                carried[own : own + 2],
            )
        elif op == _AND:
            for w in range(many):
                words[row, w] = words[a, w] & words[b, w]
        elif op == _OR:
            for w in range(many):
                words[row, w] = words[a, w] | words[b, w]
        elif op == _AND_NOT:
            for w in range(many):
                words[row, w] = words[a, w] & ~words[b, w]
        elif op == KEEP:
            target = found[row]
            for w in range(many):
                target[first_word + w] = words[a, w]
        else:
            carry = carried[own]
            for w in range(many):
                word = words[a, w]
                words[row, w] = (word << np.int64(1)) | carry
                carry = (word >> np.int64(63)) & np.int64(1)
            carried[own] = carry


@borrowing
def _all_known(x: Floats, many: int) -> bool:
    known = np.int64(-1)
    for w in range(many):
        known &= compared_equal(x, 64 * w, x, 64 * w)
    return bool(known == -1)


@borrowing
def _compare(x: Floats, y: Floats, many: int, greater: Words, less: Words, equal: Words) -> None:
    for w in range(many):
        greater[w] = compared_greater(x, 64 * w, y, 64 * w)
        less[w] = compared_less(x, 64 * w, y, 64 * w)
        equal[w] = compared_equal(x, 64 * w, y, 64 * w)


@borrowing
def _cross(
    x: Floats,
    y: Floats,
    many: int,
    whole: bool,
    greater: Words,
    less: Words,
    equal: Words,
    above: Words,
    below: Words,
    carried: Words,
) -> None:
    """The comparisons, and where one side passed the other since the bar before."""
    not_above, not_below = carried[0], carried[1]
    if whole:
        for w in range(many):
            more = compared_greater(x, 64 * w, y, 64 * w)
            fewer = compared_less(x, 64 * w, y, 64 * w)
            greater[w], less[w], equal[w] = more, fewer, ~(more | fewer)
            above[w] = more & ((~more << np.int64(1)) | not_above)
            below[w] = fewer & ((~fewer << np.int64(1)) | not_below)
            not_above = (~more >> np.int64(63)) & np.int64(1)
            not_below = (~fewer >> np.int64(63)) & np.int64(1)
        carried[0], carried[1] = not_above, not_below
        return
    for w in range(many):
        more = compared_greater(x, 64 * w, y, 64 * w)
        fewer = compared_less(x, 64 * w, y, 64 * w)
        same = compared_equal(x, 64 * w, y, 64 * w)
        greater[w], less[w], equal[w] = more, fewer, same
        above[w] = more & (((fewer | same) << np.int64(1)) | not_above)
        below[w] = fewer & (((more | same) << np.int64(1)) | not_below)
        not_above = ((fewer | same) >> np.int64(63)) & np.int64(1)
        not_below = ((more | same) >> np.int64(63)) & np.int64(1)
    carried[0], carried[1] = not_above, not_below
