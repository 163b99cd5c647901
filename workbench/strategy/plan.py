"""What has to be computed for expressions that go by more than one clock, and in which order.

The strategy's own bars are one clock, longer bars and other instruments' bars are others. A part of an
expression that goes by another clock is computed on that clock's bars and read, at each own bar's close, as
the last value known; a value across the instruments traded is computed when all of them have its operand.
Such parts become inputs, columns that a program is given; what is left is a program for each clock and level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.strategy.expressions import ACROSS, OWN, Expr

__all__ = ["Clock", "Plan", "Slot", "Stage", "make_plan"]

Clock = tuple[str, str]  # instrument and timeframe, "" for the strategy's own
ALIGN, ACROSS_ALL, LOCAL, FRESH = "align", "across", "local", "fresh"


@dataclass(frozen=True, slots=True)
class Slot:
    """An input: which kind, for the bars of which clock, and where it comes from."""

    kind: str
    clock: Clock
    place: int  # among the inputs of that clock
    level: int  # at which its source is computed
    source: Clock = OWN
    output: int = -1  # of the stage (`source`, `level`)
    op: str = ""
    data: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What is computed on the bars of one clock when all inputs below a level are there."""

    clock: Clock
    level: int
    outputs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages and inputs in order, and at last the outputs."""

    clocks: tuple[Clock, ...]  # all but the strategy's own
    slots: tuple[Slot, ...]
    stages: tuple[Stage, ...]  # lower levels first
    outputs: tuple[Expr | None, ...]  # on own bars, with all inputs

    @property
    def trivial(self) -> bool:
        """Whether own bars are all that is needed."""
        return not self.slots

    @property
    def levels(self) -> int:
        """Levels of stages below the outputs."""
        return 1 + max((item.level for item in self.stages), default=-1)

    def inputs(self, clock: Clock) -> int:
        """How many inputs the bars of a clock have."""
        return sum(item.clock == clock for item in self.slots)


def make_plan(outputs: Sequence[Expr | None]) -> Plan:
    """The plan that computes `outputs` at the close of every own bar."""
    planner = _Planner()
    found = tuple(None if item is None else planner.lower(item, OWN) for item in outputs)
    stages = [
        Stage(clock, level, tuple(items))
        for (clock, level), items in sorted(planner.wanted.items(), key=lambda item: item[0][1])
    ]
    return Plan(tuple(planner.clocks), tuple(planner.slots), tuple(stages), found)


class _Planner:
    def __init__(self) -> None:
        self.clocks: list[Clock] = []
        self.slots: list[Slot] = []
        self.wanted: dict[tuple[Clock, int], list[Expr]] = {}
        self._lowered: dict[tuple[Clock, str], Expr] = {}
        self._levels: dict[tuple[Clock, str], int] = {}
        self._inputs: dict[tuple[Clock, str], Expr] = {}

    def lower(self, expr: Expr, clock: Clock) -> Expr:
        """The expression on the bars of `clock`, with inputs for what comes from elsewhere."""
        key = (clock, expr.key)
        if key not in self._lowered:
            self._lowered[key] = self._lower(expr, clock)
        return self._lowered[key]

    def _lower(self, expr: Expr, clock: Clock) -> Expr:
        if expr.clock not in (None, clock):
            return self._from_source(expr, ALIGN, expr.clock, expr)
        if expr.op in ACROSS:
            return self._from_source(expr, ACROSS_ALL, OWN, expr.args[0])
        if expr.op == "local":
            return self._input(expr, LOCAL, clock, data=expr.data)
        if expr.op == "just_closed":
            data = dict(expr.data)
            source = (data.get("instrument", ""), data.get("timeframe", ""))
            self._meet(source)
            return self._input(expr, FRESH, clock, source=source)
        args = tuple(self.lower(item, clock) for item in expr.args)
        level = max((self._levels[clock, item.key] for item in args), default=0)
        if any(new is not old for new, old in zip(args, expr.args, strict=True)):
            expr = Expr(expr.op, args, kind=expr.kind, data=expr.data, model=expr.model)
        self._levels[clock, expr.key] = level
        return expr

    def _from_source(self, expr: Expr, kind: str, source: Clock, operand: Expr) -> Expr:
        """An own input that is computed from `operand` on the bars of `source`."""
        if (OWN, expr.key) in self._inputs:
            return self._inputs[OWN, expr.key]
        lowered = self.lower(operand, source)
        level = self._levels[source, lowered.key]
        self._meet(source)
        wanted = self.wanted.setdefault((source, level), [])
        keys = [item.key for item in wanted]
        if lowered.key not in keys:
            keys.append(lowered.key)
            wanted.append(lowered)
        return self._input(
            expr, kind, OWN, source=source, level=level, output=keys.index(lowered.key), op=expr.op
        )

    def _input(self, expr: Expr, kind: str, clock: Clock, *, level: int = -1, **known: Any) -> Expr:
        if (clock, expr.key) not in self._inputs:
            place = sum(item.clock == clock for item in self.slots)
            self.slots.append(Slot(kind, clock, place, level, **known))
            found = Expr("input", kind=expr.kind, data=(("n", place),))
            self._inputs[clock, expr.key] = found
            self._levels[clock, found.key] = level + 1
        return self._inputs[clock, expr.key]

    def _meet(self, clock: Clock) -> None:
        if clock != OWN and clock not in self.clocks:
            self.clocks.append(clock)
