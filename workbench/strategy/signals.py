"""Simple rules evaluated, as the fast path takes them: over whole columns of bars, or bar by bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.quotes import Bar
from workbench.errors import BadInputError
from workbench.strategy.expressions import Expr
from workbench.strategy.panel import PanelStream, evaluate_outputs
from workbench.strategy.plan import make_plan
from workbench.strategy.program import compile_program, required_bars
from workbench.strategy.rules import Rules
from workbench.strategy.running import BarArrays, BarColumns, Flags, Floats, ProgramStream
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
    "signal_arguments",
    "simple_expressions",
    "warm_up_bars",
]


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
    trail: Floats | None = None  # points; None when the rules declare none

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


def simple_expressions(rules: Rules, *, trailing: bool = False) -> list[Expr | None]:
    """The expressions of `SIMPLE` in that order, and with `trailing` the trailing stop's.

    Raises
    ------
    BadInputError
        The rules say more than `decide` (`decide_trailing`) covers.
    """
    if not (rules.fast if trailing else rules.simple):
        raise BadInputError(
            f"expected rules with market entries, a stop and a target at most, found {rules!r}; "
            "evaluate these with evaluate_panel"
        )
    return [getattr(rules, name) for name in (*SIMPLE, *(["trail"] if trailing else []))]


def warm_up_bars(rules: Rules) -> int:
    """Bars until every signal of `rules` can have a value, that bar included; longer bars count as one."""
    return required_bars([item for _, item in rules.expressions()])


def evaluate(
    rules: Rules,
    bars: BarColumns,
    *,
    others: Mapping[InstrumentId, BarColumns] | None = None,
    trailing: bool = False,
) -> Signals:
    """The signals of simple rules at every bar.

    Parameters
    ----------
    others
        Bars of the instruments that the rules look at besides.
    trailing
        Whether the caller can do with a trailing stop; without it rules that have one are refused.

    Raises
    ------
    BadInputError
        The columns have different lengths, or the rules are not simple.
    """
    outputs = simple_expressions(rules, trailing=trailing)
    name = bars.instrument.id
    flags, numbers = evaluate_outputs(outputs, {name: bars}, conditions=4, others=others)[name]
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
        trail=numbers[2] if rules.trail is not None else None,
    )


def evaluate_expression(
    expr: Expr, bars: BarColumns, *, others: Mapping[InstrumentId, BarColumns] | None = None
) -> Floats:
    """The value of one expression at every bar; conditions are 1 and 0; NaN where unknown."""
    name = bars.instrument.id
    _, numbers = evaluate_outputs([expr], {name: bars}, conditions=0, others=others)[name]
    result: Floats = numbers[0]
    return result


class ExprStream:
    """Expressions, one bar at a time; of one instrument and its own longer bars."""

    def __init__(self, outputs: Sequence[Expr | None], *, instrument: Instrument) -> None:
        self._instrument = instrument
        self._program: ProgramStream | None = None
        self._panel: PanelStream | None = None
        if make_plan(outputs).trivial:
            self._program = ProgramStream(compile_program(outputs, instrument=instrument))
        else:
            self._panel = PanelStream(outputs, [instrument])

    def update(self, bar: Bar) -> list[float]:
        """Every output after `bar`: NaN where unknown or not asked for, conditions as 1 and 0.

        Raises
        ------
        BadInputError
            The bar is of another instrument.
        """
        if bar.instrument != self._instrument.id:
            raise BadInputError(f"expected a bar of {self._instrument.id}, found one of {bar.instrument}")
        if self._program is not None:
            return self._program.update(bar)
        assert self._panel is not None  # one of the two
        return self._panel.update([bar])[bar.instrument]


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
