"""Rules run compiled: by `workbench.research.quick` where that covers them, by the event loop elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountMode
from workbench.domain.instruments import InstrumentId
from workbench.engine import core
from workbench.engine.accounts import engine_error
from workbench.engine.matching import CANCEL_REASONS
from workbench.indicators.spare import spare_column
from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.research.account_terms import AccountTerms
from workbench.research.conditions import Conditions, evaluate_conditions
from workbench.research.crossings import trade_crossings
from workbench.research.events import BAR_COLUMNS, run_events, step_addresses
from workbench.research.figures import Sums, cross_many, sum_up
from workbench.research.given import Given
from workbench.research.outcome import Outcome
from workbench.research.path import Path, bar_path, tick_path
from workbench.research.plain_steps import (
    DONE,
    GAVE_UP,
    NEEDS_EXTREMES,
    Q_BALANCE,
    Q_KEEPS_FILLS,
    R_AMBIGUOUS,
    R_BOOKINGS,
    R_FILLS,
    R_REFUSED,
    TERMS,
    TOTALS,
)
from workbench.research.quick import trade_plain
from workbench.research.words import shifted
from workbench.strategy import Rules, Units
from workbench.strategy.decision import MEMORY_SIZE, S_SIZE, V_SIZE
from workbench.strategy.expressions import Expr
from workbench.strategy.panel import evaluate_panel
from workbench.strategy.program import compile_program
from workbench.strategy.rule_settings import RuleSettings
from workbench.strategy.rules import FLAGS

__all__ = ["PlainRun", "Room", "Signals", "run_by_events", "run_compiled", "signals_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

_NONE = np.empty(0, np.int64)
_NO_NUMBERS = np.empty(0)
_TRADE: Any = trade_plain  # compiled: it takes what its docstring says, in that order
_CROSSINGS: Any = trade_crossings
_MANY: Any = cross_many


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """Rules at every traded bar of one instrument."""

    words: Mapping[str, Words]  # of the conditions that are declared, by the name of `FLAGS`
    numbers: Mapping[
        str, Floats
    ]  # of the numbers that are declared, by the name of `NUMBERS`; one for all bars or one a bar
    count: int


def signals_of(
    rules: Sequence[Rules],
    bars: Bars,
    *,
    first: int,
    others: Mapping[InstrumentId, Bars] | None = None,
) -> list[Signals]:
    """The signals of each of `rules` from bar `first` on; what they have in common is computed once."""
    conditions, numbers = [], []
    constants: dict[str, Floats] = {}
    columns = [item.columns() for item in rules]
    for of_rules in columns:
        for name, expr in of_rules.items():
            if expr is None:
                continue
            if name in FLAGS:
                conditions.append(expr)
            elif expr.op in ("const", "pips", "level"):
                program = compile_program([expr], instrument=bars.instrument)
                constants[expr.key] = program.constants[program.outputs[0] : program.outputs[0] + 1]
            else:
                numbers.append(expr)
    found = evaluate_conditions(conditions, numbers, bars, others=others)
    return [_signals(item, found, constants, first=first, count=len(bars) - first) for item in columns]


def _signals(
    columns: Mapping[str, Expr | None],
    found: Conditions,
    constants: Mapping[str, Floats],
    *,
    first: int,
    count: int,
) -> Signals:
    words: dict[str, Words] = {}
    numbers: dict[str, Floats] = {}
    for name, expr in columns.items():
        if expr is None:
            continue
        if name in FLAGS:
            words[name] = shifted(found.words[expr.key], first, count) if first else found.words[expr.key]
        else:
            numbers[name] = constants[expr.key] if expr.key in constants else found.numbers[expr.key][first:]
    return Signals(words=words, numbers=numbers, count=count)


def run_compiled(rules: Rules, given: Given, terms: AccountTerms) -> Outcome:
    """Trade `rules` on what is given.

    Raises
    ------
    EngineError
        A conversion pair has no quote yet when it is needed, or an amount is too large to count.
    """
    if rules.fast and given.is_plain:
        plain = PlainRun.prepared(given, terms)
        if plain is not None:
            ((name, bars),) = given.decided.items()
            (signals,) = signals_of([rules], bars, first=given.first[name], others=given.others)
            outcome = plain.trade(rules, signals)
            if outcome is not None:
                return outcome
    return run_by_events(rules, given, terms)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """Memory that `trade_plain` writes to."""

    fills: Ints
    fill_bar: Ints
    refused: Ints
    before: Ints
    amount: Ints
    equity: Ints


class PlainRun:
    """One instrument in an account of its own currency, ready to be traded by one strategy after another."""

    def __init__(self, path: Path, bars: Bars, state: tuple[Ints, ...]) -> None:
        account, books, roll_ns, roll_days, _ = state
        self.path = path
        self.instrument = instrument = bars.instrument
        self.close_ns = bars.close_ns
        self._roll_at, self._roll_inside = path.rollovers(roll_ns)
        self._roll_days = np.ascontiguousarray(roll_days[:, 0])
        lowest, highest = path.limits
        self._terms = np.zeros(TERMS, np.int64)
        self._terms[:] = (
            account[core.A_BALANCE],
            books[0, core.B_MICRO_PER_POINT],
            books[0, core.B_COMMISSION_PPM],
            books[0, core.B_LONG_PPM],
            books[0, core.B_SHORT_PPM],
            books[0, core.B_MARGIN_PPM],
            books[0, core.B_SLIPPAGE],
            books[0, core.B_SLIPPAGE_PPM],
            instrument.unit_step,
            instrument.minimum_units,
            path.ranges,
            True,
            lowest,
            highest,
        )
        self._figures_only = self._terms.copy()
        self._figures_only[Q_KEEPS_FILLS] = 0
        self._silence = np.zeros((path.bars + 63) // 64, np.int64)

    @classmethod
    def prepared(cls, given: Given, terms: AccountTerms) -> "PlainRun | None":
        """The run, or None where the account or the prices need the engine."""
        if terms.rules.mode is not AccountMode.NETTING or terms.rules.latency_ns != 0 or not given.is_plain:
            return None
        if terms.rules.close_out_ppm > core.PPM or given.by_size:
            return None
        state = terms.state(given)
        account, books, _, _, costs = state
        needs_engine = (
            account[core.A_CONVERTS]
            or len(costs)
            or books[0, core.B_COMMISSION_MINIMUM]
            or books[0, core.B_COMMISSION_LOT]
            or books[0, core.B_FINANCING] != core.FINANCING_ANNUAL
        )
        if needs_engine:
            return None
        (bars,), (matched,) = given.traded.values(), given.matched.values()
        (name,) = given.decided
        if given.whole[name] is given.decided[name]:
            path = bar_path(bars)
        elif isinstance(matched, Bars):
            path = bar_path(matched, decided=bars)
        else:
            path = tick_path(matched, decided=bars)
        return None if path is None else cls(path, bars, state)

    def trade(self, rules: Rules, signals: Signals) -> Outcome | None:
        """What happens, or None where it takes the engine to tell."""
        words = self._words(signals)
        any_of = (words[0] | words[1] | words[2] | words[3]).view(np.uint64)  # unsigned: counted as it is
        events = int(np.bitwise_count(any_of).sum())
        most = 3 * events + 1
        fills = spare_column(most * core.FILL_SIZE).reshape(most, core.FILL_SIZE)
        fill_bar = spare_column(most)
        refused = np.empty((events + 1, core.CANCELED_SIZE), np.int64)
        before, amount = np.empty(len(self._roll_at), np.int64), np.empty(len(self._roll_at), np.int64)
        equity = spare_column(self.path.bars)
        room = Room(
            fills=fills, fill_bar=fill_bar, refused=refused, before=before, amount=amount, equity=equity
        )
        totals = self._run(rules, signals, words, room, self._terms)
        if totals is None:
            return None
        done, dropped, booked = int(totals[R_FILLS]), int(totals[R_REFUSED]), int(totals[R_BOOKINGS])
        return Outcome(
            fills=fills[:done],
            fill_bar=fill_bar[:done],
            equity=equity,
            financing_before_fill=before[:booked],
            financing_amount=amount[:booked],
            refused=_refused(refused[:dropped]),
            ambiguous_bars=int(totals[R_AMBIGUOUS]),
            round_ns=self.close_ns,
            financing_book=np.zeros(booked, np.int64),
        )

    def room(self, *, by_bar: bool) -> "Room":
        """Memory for `totals` of one strategy after another, with the equity of each bar or without."""
        return Room(
            fills=np.empty((0, core.FILL_SIZE), np.int64),
            fill_bar=np.empty(0, np.int64),
            refused=np.empty((self.path.bars + 1, core.CANCELED_SIZE), np.int64),
            before=np.empty(len(self._roll_at), np.int64),
            amount=np.empty(len(self._roll_at), np.int64),
            equity=spare_column(self.path.bars) if by_bar else np.empty(0, np.int64),
        )

    def totals(self, rules: Rules, signals: Signals, room: "Room") -> Ints | None:
        """The sums of `workbench.research.quick` alone, or None where it takes the engine to tell."""
        return self._run(rules, signals, self._words(signals), room, self._figures_only)

    def sums(
        self, rules: Sequence[Rules], signals: Sequence[Signals], *, last: Ints | None
    ) -> tuple[Sums, npt.NDArray[np.bool_]]:
        """What is left of many runs, and which of them it takes the engine to tell (their sums are void).

        `last` has the last bar of each day, where the equity of each bar is asked for.
        """
        by_bar = last is not None
        days = _NONE if last is None else last
        room = self.room(by_bar=by_bar)
        found = Sums.room(len(rules), days=len(days))
        words = [self._words(item) for item in signals]
        answers = np.full(len(rules), GAVE_UP, np.int64)
        sizes = np.array([self.crossed_units(item) for item in rules], np.int64)
        _MANY(
            self.path.columns,
            self.path.bars,
            np.array([[item.__array_interface__["data"][0] for item in row] for row in words], np.int64),
            sizes,
            self._figures_only,
            self._roll_at,
            self._roll_inside,
            self._roll_days,
            room.before,
            room.amount,
            room.equity,
            days,
            answers,
            found.totals,
            found.deepest,
            found.falls,
            found.ends,
        )
        for run in np.flatnonzero(answers != DONE).tolist():
            totals = self._run(rules[run], signals[run], words[run], room, self._figures_only)
            if totals is not None:
                answers[run] = DONE
                found.totals[run] = totals
                if by_bar:
                    start = int(self._terms[Q_BALANCE])
                    sum_up(room.equity, start, days, run, found.deepest, found.falls, found.ends)
        return found, answers != DONE

    def _words(self, signals: Signals) -> list[Words]:
        """To enter long and short, to exit long and short."""
        return [signals.words.get(name, self._silence) for name in FLAGS[:4]]

    @property
    def inputs(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Terms of a run without fills; of each rollover its element, whether inside it, and its days."""
        return self._figures_only, self._roll_at, self._roll_inside, self._roll_days

    def crossed_units(self, rules: Rules) -> int:
        """Units of rules that `trade_crossings` covers, 0 for others."""
        covered = not len(self.path.after) and _only_units(rules) and isinstance(rules.size, Units)
        return rules.size.units if covered and isinstance(rules.size, Units) else 0

    def _run(
        self,
        rules: Rules,
        signals: Signals,
        words: Sequence[Words],
        room: "Room",
        terms: Ints,
    ) -> Ints | None:
        totals = np.zeros(TOTALS, np.int64)
        if units := self.crossed_units(rules):
            answer = _CROSSINGS(
                self.path.columns,
                self.path.bars,
                *words,
                units,
                terms,
                self._roll_at,
                self._roll_inside,
                self._roll_days,
                room.fills,
                room.fill_bar,
                room.before,
                room.amount,
                room.equity,
                totals,
            )
            if answer == DONE:
                return totals
        settings = RuleSettings.of(rules, self.instrument)
        distances = [signals.numbers.get(f"{name}_long", _NO_NUMBERS) for name in ("stop", "target", "trail")]
        has = [rules.stop is not None, rules.target is not None, rules.trail is not None]
        extremes = self.path.known_extremes
        while True:
            answer = _TRADE(
                self.path.columns,
                self.path.after,
                self.path.bars,
                *words,
                *distances,
                *has,
                int(settings.settings[S_SIZE]),
                float(settings.amounts[V_SIZE]),
                terms,
                self._roll_at,
                self._roll_inside,
                self._roll_days,
                extremes,
                room.fills,
                room.fill_bar,
                room.refused,
                room.before,
                room.amount,
                room.equity,
                totals,
            )
            if answer != NEEDS_EXTREMES:
                return totals if answer == DONE else None
            extremes = self.path.extremes


def run_by_events(rules: Rules, given: Given, terms: AccountTerms) -> Outcome:
    """The run of the event loop, which covers everything."""
    found = evaluate_panel(rules, given.decided, others=given.others)
    account, books, roll_ns, roll_days, costs = terms.state(given)
    account[core.A_LADDERS] = given.by_size  # so that there is room for a fill a level
    instruments = given.instruments
    kept: list[Ints] = []  # columns whose addresses are handed over

    def address(column: Ints) -> int:
        kept.append(np.ascontiguousarray(column, np.int64))
        return int(kept[-1].ctypes.data)

    path, bars, money, settings = [], [], [], []
    columns, flags, rates, count = [], [], [], 0
    for item in instruments:
        matched = given.matched[item.id]
        if isinstance(matched, Bars):
            sides = [f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close")]
            parts = [matched.open_ns, matched.close_ns, *(getattr(matched, name) for name in sides)]
        else:
            parts = [matched.time_ns] * 2 + [matched.bid] * 4 + [matched.ask] * 4
        offered = [0, 0]
        if isinstance(matched, Ticks) and given.by_size and item.id in given.sized:
            offered = [address(matched.bid_size), address(matched.ask_size)]
        path.append([*map(address, parts), len(matched), isinstance(matched, Bars), *offered])
        money.append([item.micro_per_point, item.unit_step, item.minimum_units])
        if item.id not in found:
            bars.append([0] * BAR_COLUMNS)
            continue
        signals, own, first = found[item.id], given.traded[item.id], given.first[item.id]
        bars.append([*map(address, (own.close_ns, own.bid_close, own.ask_close)), len(own), count])
        count += len(own)
        flags.append(signals.bits[first:])
        columns.append(signals.numbers[:, first:])
        known = signals.settings.fixed_units
        rates.append(np.ones(len(own)) if known else given.home_rates(item, terms.currency))
        settings.append(signals.settings)
    blank = settings[0]
    by_book = iter(settings)
    chosen = [next(by_book) if item.id in found else blank for item in instruments]
    round_ns, equity = np.empty(count, np.int64), np.empty(count, np.int64)
    signals_seen = sum(int(np.count_nonzero(item)) for item in flags)
    rounds, fills, fill_round, canceled, bookings = run_events(
        step_addresses(),
        np.array(path, np.int64),
        np.array(bars, np.int64),
        np.array(money, np.int64),
        np.ascontiguousarray(np.concatenate(flags)),
        np.ascontiguousarray(np.concatenate(columns, axis=1)),
        np.concatenate(rates) if any(item.quote != terms.currency for item in instruments) else _NO_NUMBERS,
        np.array([item.rows for item in chosen]),
        np.array([item.settings for item in chosen]),
        np.array([item.amounts for item in chosen]),
        np.zeros((len(instruments), MEMORY_SIZE), np.int64),
        account,
        books,
        core.new_rows(core.TRADE_SIZE),
        core.new_rows(core.FILL_SIZE, capacity=64 + min(4 * signals_seen, 4 * count)),
        core.new_rows(core.CANCELED_SIZE),
        roll_ns,
        roll_days,
        costs,
        round_ns,
        equity,
    )
    kept.clear()
    if account[core.A_ERROR]:
        raise engine_error(account, instruments)
    done = int(account[core.A_FILLS])
    return Outcome(
        fills=fills[:done],
        fill_bar=fill_round[:done],
        equity=equity[:rounds],
        financing_before_fill=bookings[:, 0].copy(),
        financing_amount=bookings[:, 1].copy(),
        refused=_refused(canceled[: account[core.A_CANCELED]]),
        ambiguous_bars=int(account[core.A_AMBIGUOUS]),
        round_ns=round_ns[:rounds],
        financing_book=bookings[:, 2].copy(),
        margin_calls=int(account[core.A_CALLS]),
    )


def _only_units(rules: Rules) -> bool:
    """Whether `trade_crossings` covers fast rules: a fixed number of units and no stops."""
    plain = rules.stop is None and rules.target is None and rules.trail is None
    return plain and isinstance(rules.size, Units)


def _refused(rows: Ints) -> tuple[tuple[int, str], ...]:
    return tuple((key, CANCEL_REASONS[reason]) for key, reason in rows.tolist())
