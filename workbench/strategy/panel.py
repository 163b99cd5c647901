"""Expressions evaluated for several instruments at once, with their other clocks: columns, or bar by bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import timeframe
from workbench.errors import BadInputError
from workbench.indicators import compiled
from workbench.strategy.across import CODES, across_groups, across_values
from workbench.strategy.decision import BIT
from workbench.strategy.expressions import OWN, Expr
from workbench.strategy.longer import LongerBars, last_closed, longer_bars
from workbench.strategy.plan import ACROSS_ALL, ALIGN, FRESH, LOCAL, Clock, Plan, Slot, make_plan
from workbench.strategy.program import compile_program
from workbench.strategy.rule_settings import RuleSettings, declared_numbers
from workbench.strategy.rules import FLAGS, Rules
from workbench.strategy.running import BarColumns, Flags, Floats, Ints, ProgramStream, run_program
from workbench.strategy.sessions import local_clock

__all__ = ["PanelStream", "RuleColumns", "evaluate_outputs", "evaluate_panel", "rule_outputs"]

Panel = Mapping[InstrumentId, BarColumns]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleColumns:
    """Rules at every bar of one instrument, as `decide_bar` takes them."""

    bits: npt.NDArray[np.uint16]  # of each bar, see `workbench.strategy.decision.BIT`
    numbers: Floats  # a row for each declared number, a column for each bar
    settings: RuleSettings


def evaluate_panel(
    rules: Rules, bars: Panel, *, others: Panel | None = None
) -> dict[InstrumentId, RuleColumns]:
    """The rules at every bar of every instrument traded.

    Parameters
    ----------
    bars
        Of the instruments traded.
    others
        Of instruments that are only looked at.
    """
    outputs, conditions = rule_outputs(rules)
    columns = rules.columns()
    found: dict[InstrumentId, RuleColumns] = {}
    for name, (flags, numbers) in evaluate_outputs(
        outputs, bars, conditions=conditions, others=others
    ).items():
        bits = np.zeros(flags.shape[1], np.uint16)
        for place, flag_name in enumerate(FLAGS):
            if columns[flag_name] is not None:
                _set_bits(flags[place], BIT[place], bits)
        settings = RuleSettings.of(rules, bars[name].instrument)
        found[name] = RuleColumns(bits=bits, numbers=numbers, settings=settings)
    return found


def rule_outputs(rules: Rules) -> tuple[list[Expr | None], int]:
    """What is computed for `decide_bar`: all conditions, then the declared numbers; how many conditions."""
    columns = rules.columns()
    return [*(columns[name] for name in FLAGS), *(item for _, item in declared_numbers(rules))], len(FLAGS)


def evaluate_outputs(
    outputs: Sequence[Expr | None], bars: Panel, *, conditions: int, others: Panel | None = None
) -> dict[InstrumentId, tuple[Flags, Floats]]:
    """Every output at every bar: the first `conditions` as flags, the others as numbers.

    Raises
    ------
    BadInputError
        Bars of an instrument that is looked at are missing.
    """
    plan = make_plan(outputs)
    at_hand = {**(others or {}), **bars}
    columns = [_Columns(plan, bars[name], at_hand) for name in sorted(bars)]
    for level in range(plan.levels):
        sources = [item.run(level) for item in columns]
        for slot in plan.slots:
            if slot.kind == ACROSS_ALL and slot.level == level:
                parts = [source[OWN][slot.output] for source in sources]
                for item, column in zip(columns, _across(slot, parts, columns), strict=True):
                    item.inputs[OWN][slot.place] = column
    return {item.record.id: item.outputs(conditions) for item in columns}


@compiled
def _set_bits(flags: Flags, bit: int, bits: npt.NDArray[np.uint16]) -> None:
    for i in range(flags.shape[0]):
        if flags[i]:
            bits[i] |= np.uint16(bit)


class _Columns:
    """One traded instrument: the bars of every clock, and their inputs as far as they are there."""

    def __init__(self, plan: Plan, own: BarColumns, at_hand: Panel) -> None:
        self.record = own.instrument
        self.own = own
        self._plan = plan
        self._bars: dict[Clock, BarColumns] = {OWN: own}
        for clock in plan.clocks:
            base = own if not clock[0] else at_hand.get(InstrumentId(clock[0]))
            if base is None:
                raise _missing(clock[0], self.record.id)
            self._bars[clock] = longer_bars(base, timeframe(clock[1])) if clock[1] else base
        self.inputs = {
            clock: np.empty((plan.inputs(clock), len(item.open_ns))) for clock, item in self._bars.items()
        }
        self._last: dict[Clock, Ints] = {}
        for slot in plan.slots:
            if slot.kind == LOCAL:
                open_ns = np.asarray(self._bars[slot.clock].open_ns, np.int64)
                self.inputs[slot.clock][slot.place] = _local(open_ns, slot)
            elif slot.kind == FRESH:
                known = self._known(slot.source)
                self.inputs[OWN][slot.place] = np.diff(known, prepend=-1) > 0

    def run(self, level: int) -> dict[Clock, Floats]:
        """The outputs of the stages of a level; what own bars read of them is put into its place."""
        found: dict[Clock, Floats] = {}
        for stage in self._plan.stages:
            if stage.level != level:
                continue
            bars = self._bars[stage.clock]
            program = compile_program(stage.outputs, instrument=bars.instrument)
            _, found[stage.clock] = run_program(program, bars, conditions=0, inputs=self.inputs[stage.clock])
        for slot in self._plan.slots:
            if slot.kind == ALIGN and slot.level == level:
                values, known = found[slot.source][slot.output], self._known(slot.source)
                padded = np.append(values, np.nan)  # -1 reads the last
                np.take(padded, known, out=self.inputs[OWN][slot.place], mode="wrap")
        return found

    def outputs(self, conditions: int) -> tuple[Flags, Floats]:
        """The plan's outputs."""
        program = compile_program(self._plan.outputs, instrument=self.record)
        return run_program(program, self.own, conditions=conditions, inputs=self.inputs[OWN])

    def _known(self, clock: Clock) -> Ints:
        """For each own bar the last bar of a clock that has closed by its close, -1 for none."""
        if clock not in self._last:
            closes = np.asarray(self._bars[clock].close_ns, np.int64)
            self._last[clock] = last_closed(closes, np.asarray(self.own.close_ns, np.int64))
        return self._last[clock]


def _across(slot: Slot, parts: Sequence[Floats], columns: Sequence[_Columns]) -> list[Floats]:
    """One column an instrument: its value among all that closed a bar at the same time."""
    closes = np.concatenate([np.asarray(item.own.close_ns, np.int64) for item in columns])
    places = np.concatenate([np.full(len(part), place) for place, part in enumerate(parts)])
    order = np.lexsort((places, closes))
    borders = np.flatnonzero(np.diff(closes[order], prepend=closes[order][:1] - 1))
    starts = np.append(borders, len(order)).astype(np.int64)
    values = np.ascontiguousarray(np.concatenate(parts)[order])
    out = np.empty(len(values))
    across_groups(CODES[slot.op], starts, values, out)
    back = np.empty(len(values))
    back[order] = out
    return np.split(back, np.cumsum([len(part) for part in parts])[:-1])


def _local(open_ns: Ints, slot: Slot) -> Floats:
    data = {name: value for name, value in slot.data if name not in ("instrument", "timeframe")}
    return local_clock(open_ns, **data)


def _missing(name: str, of: str) -> BadInputError:
    return BadInputError(
        f"{of}: the rules look at {name}, and no bars of it are at hand; give them in also= "
        "(others= outside a backtest), or trade it too"
    )


class PanelStream:
    """Expressions for several instruments, one time after the other; bit for bit the columns' values."""

    def __init__(
        self,
        outputs: Sequence[Expr | None],
        instruments: Sequence[Instrument],
        *,
        others: Sequence[Instrument] = (),
    ) -> None:
        self._plan = make_plan(outputs)
        records = {item.id: item for item in (*others, *instruments)}
        self._runs = {
            item.id: _Stream(self._plan, item, records)
            for item in sorted(instruments, key=lambda item: item.id)
        }
        self._known = set(records)
        self._time_ns = -1

    def update(self, bars: Sequence[Bar]) -> dict[InstrumentId, list[float]]:
        """Every output after the bars that closed at one time, for each instrument traded among them.

        Raises
        ------
        BadInputError
            The bars do not close at one time after those before, or one is of an unknown instrument.
        """
        times = {item.close_ns for item in bars}
        if len(times) != 1 or (time_ns := times.pop()) <= self._time_ns:
            raise BadInputError(
                f"expected bars that close at one time after {self._time_ns}, found {sorted(times)}; "
                "give all bars of a time at once, in the order of time"
            )
        if strange := {item.instrument for item in bars} - self._known:
            raise BadInputError(
                f"expected a bar of {', '.join(sorted(self._known))}, "
                f"found one of {', '.join(sorted(strange))}"
            )
        self._time_ns = time_ns
        for run in self._runs.values():
            run.take(bars, time_ns)
        now = [self._runs[name] for name in sorted({item.instrument for item in bars} & set(self._runs))]
        for level in range(self._plan.levels):
            for run in now:
                run.run(level)
            for slot in self._plan.slots:
                if slot.kind == ACROSS_ALL and slot.level == level:
                    values = np.array([run.values[OWN, level][slot.output] for run in now])
                    out = np.empty(len(values))
                    across_values(CODES[slot.op], values, out)
                    for run, value in zip(now, out.tolist(), strict=True):
                        run.inputs[slot.place] = value
        return {run.record.id: run.outputs() for run in now}


class _Stream:
    """One traded instrument, bar by bar."""

    def __init__(self, plan: Plan, record: Instrument, records: Mapping[InstrumentId, Instrument]) -> None:
        self.record = record
        self.values: dict[tuple[Clock, int], list[float]] = {}
        self.inputs = [float("nan")] * plan.inputs(OWN)
        self._plan = plan
        self._own: Bar | None = None
        self._final = ProgramStream(compile_program(plan.outputs, instrument=record))
        self._stages: dict[tuple[Clock, int], ProgramStream] = {}
        self._longer = {clock: LongerBars(timeframe(clock[1])) for clock in plan.clocks if clock[1]}
        self._fresh: set[Clock] = set()
        for clock in plan.clocks:
            if clock[0] and InstrumentId(clock[0]) not in records:
                raise _missing(clock[0], record.id)
        for stage in plan.stages:
            of = records[InstrumentId(stage.clock[0])] if stage.clock[0] else record
            program = compile_program(stage.outputs, instrument=of)
            self._stages[stage.clock, stage.level] = ProgramStream(program)
            if stage.clock != OWN:
                self.values[stage.clock, stage.level] = [float("nan")] * len(stage.outputs)

    def take(self, bars: Sequence[Bar], time_ns: int) -> None:
        """Take the bars of a time: those of other clocks are computed as far as they are over."""
        by_name = {item.instrument: item for item in bars}
        self._own = by_name.get(self.record.id)
        for clock in self._plan.clocks:
            bar = by_name.get(InstrumentId(clock[0])) if clock[0] else self._own
            longer = self._longer.get(clock)
            if longer is None:
                if bar is not None:
                    self._push(clock, bar)
                continue
            if bar is not None and (done := longer.add(bar)) is not None:
                self._push(clock, done)
            if (done := longer.over_at(time_ns)) is not None:
                self._push(clock, done)

    def run(self, level: int) -> None:
        """Compute own stages of a level, and read what other clocks have."""
        assert self._own is not None
        if level == 0:
            for slot in self._plan.slots:
                if slot.clock == OWN and slot.kind in (LOCAL, FRESH):
                    self.inputs[slot.place] = self._simple(slot, self._own)
            self._fresh.clear()
        stage = self._stages.get((OWN, level))
        if stage is not None:
            self.values[OWN, level] = stage.update(self._own, self.inputs)
        for slot in self._plan.slots:
            if slot.kind == ALIGN and slot.level == level:
                self.inputs[slot.place] = self.values[slot.source, level][slot.output]

    def outputs(self) -> list[float]:
        """The plan's outputs."""
        assert self._own is not None
        if not self._plan.levels:
            for slot in self._plan.slots:
                self.inputs[slot.place] = self._simple(slot, self._own)
            self._fresh.clear()
        return self._final.update(self._own, self.inputs)

    def _push(self, clock: Clock, bar: Bar) -> None:
        """A bar of another clock is over: compute what own bars will read of it."""
        self._fresh.add(clock)
        stage = self._stages.get((clock, 0))
        if stage is not None:
            slots = [item for item in self._plan.slots if item.clock == clock]
            inputs = [self._simple(item, bar) for item in slots]
            self.values[clock, 0] = stage.update(bar, inputs)

    def _simple(self, slot: Slot, bar: Bar) -> float:
        if slot.kind == FRESH:
            return 1.0 if slot.source == OWN or slot.source in self._fresh else 0.0
        return float(_local(np.array([bar.open_ns]), slot)[0])
