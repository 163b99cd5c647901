"""Combinations laid out for a card: what they compare, how, and the stops, targets and sizes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import InstrumentId
from workbench.market import Bars
from workbench.research.compiled_run import Signals
from workbench.research.conditions import BEFORE, CROSS, KEEP, PAIR, ConditionPlan, evaluate_conditions
from workbench.research.gpu.kernels import MOST_ROWS
from workbench.research.words import WORD
from workbench.strategy import Rules
from workbench.strategy.expressions import Expr
from workbench.strategy.plan import make_plan
from workbench.strategy.program import compile_program
from workbench.strategy.rules import FLAGS

__all__ = ["Distances", "Plans", "plans_of", "signal_distances", "signal_words"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

_SIDES = FLAGS[:4]  # to enter long and short, to exit long and short
_DISTANCES = ("stop_long", "target_long", "trail_long")
_CONSTANTS = ("const", "pips", "level")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """Stop, target and trail of every combination, in points, where `trade_runs` looks for them."""

    column: Floats  # one element or more
    spans: Ints  # shape (combinations, 6)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plans:
    """The conditions of every combination as steps on compared numbers."""

    values: Floats  # shape (numbers, bars and what stands round them), see `find_truths`
    steps: Ints  # shape (steps, 5)
    starts: Ints
    looks_back: Ints
    distances: Distances


def plans_of(
    rules: Sequence[Rules],
    bars: Bars,
    *,
    first: int,
    others: Mapping[InstrumentId, Bars] | None,
    most_bytes: int,
) -> Plans | None:
    """The plans of `rules`, None where their conditions have to be found by the processor.

    That is where some go by a clock of their own, where a plan needs more than `MOST_ROWS` rows, and where
    the compared numbers would take more than `most_bytes`.
    """
    columns = [item.columns() for item in rules]
    steps: list[Ints] = []
    looks_back: list[bool] = []
    numbers: dict[str, Expr] = {}
    places: dict[str, int] = {}
    for found in columns:
        sides = [at for at, name in enumerate(_SIDES) if found[name] is not None]
        plan = ConditionPlan([item for name in _SIDES if (item := found[name]) is not None])
        if plan.rows >= MOST_ROWS:
            return None
        for leaf in plan.leaves:
            places.setdefault(leaf.key, len(places))
            numbers[leaf.key] = leaf
        own, _ = plan.packed()
        compares = (own[:, 0] == PAIR) | (own[:, 0] == CROSS)
        at = np.array([places[leaf.key] for leaf in plan.leaves] or [0], np.int64)
        own[compares, 1:3] = at[own[compares, 1:3]]
        kept = own[:, 0] == KEEP
        own[kept, 3] = np.array(sides or [0], np.int64)[own[kept, 3]]
        steps.append(own)
        looks_back.append(bool(((own[:, 0] == CROSS) | (own[:, 0] == BEFORE)).any()))
    width = len(bars) + 3 * WORD
    for found in columns:
        for name in _DISTANCES:
            item = found[name]
            if item is not None and item.op not in _CONSTANTS:
                numbers[item.key] = item
    # conditions go by the clocks of what they compare
    if 8 * width * len(numbers) > most_bytes or not make_plan(list(numbers.values())).trivial:
        return None
    known = evaluate_conditions((), list(numbers.values()), bars, others=others).numbers
    values = np.full((max(1, len(places)), width), np.nan)
    for key, place in places.items():
        values[place, WORD : WORD + len(bars)] = known[key]
    return Plans(
        values=values,
        steps=np.concatenate(steps) if steps else np.zeros((1, 5), np.int64),
        starts=np.cumsum([0, *map(len, steps)], dtype=np.int64),
        looks_back=np.array(looks_back, np.int64),
        distances=_distances(
            [
                [None if (item := found[name]) is None else _points(item, known, bars, first)
                 for name in _DISTANCES]
                for found in columns
            ]
        ),
    )  # fmt: skip


def signal_words(signals: Sequence[Signals], words: int) -> Words:
    """The truths that the processor found, shape (combinations, 4, words)."""
    found = np.zeros((len(signals), len(_SIDES), words), np.int64)
    for run, item in enumerate(signals):
        for side, name in enumerate(_SIDES):
            if name in item.words:
                found[run, side] = item.words[name]
    return found


def signal_distances(signals: Sequence[Signals]) -> Distances:
    """The distances that the processor found."""
    return _distances([[item.numbers.get(name) for name in _DISTANCES] for item in signals])


def _points(item: Expr, known: Mapping[str, Floats], bars: Bars, first: int) -> Floats:
    """One number for all bars, or one a traded bar."""
    if item.op not in _CONSTANTS:
        return known[item.key][first:]
    program = compile_program([item], instrument=bars.instrument)
    return program.constants[program.outputs[0] : program.outputs[0] + 1]


def _distances(of_runs: Sequence[Sequence[Floats | None]]) -> Distances:
    """Columns one after another, each that several combinations share once."""
    parts: list[Floats] = []
    starts: dict[tuple[int, int], int] = {}
    length = 0
    spans = np.zeros((len(of_runs), 2 * len(_DISTANCES)), np.int64)
    for run, columns in enumerate(of_runs):
        for place, column in enumerate(columns):
            if column is None:
                continue
            key = (int(column.__array_interface__["data"][0]), len(column))
            if key not in starts:
                starts[key] = length
                parts.append(column)
                length += len(column)
            spans[run, 2 * place : 2 * place + 2] = starts[key], starts[key] + len(column)
    return Distances(column=np.concatenate(parts) if parts else np.zeros(1), spans=spans)
