"""Many combinations on a card: laid out, traded, summed up; what `PlainRun.sums` gives, bit for bit."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import InstrumentId
from workbench.engine.core import CANCELED_SIZE
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.compiled_run import PlainRun, signals_of
from workbench.research.figures import Sums
from workbench.research.gpu import blocks, kernels
from workbench.research.gpu.card import Card, cuda
from workbench.research.plain_steps import DONE, GAVE_UP, TOTALS
from workbench.research.words import WORD
from workbench.strategy import Rules
from workbench.strategy.decision import S_SIZE, V_SIZE
from workbench.strategy.rule_settings import RuleSettings

__all__ = ["DeviceRun"]

Ints = npt.NDArray[np.int64]
_TRADING_THREADS = 64  # a block: few, for they go their own ways
_TRUTH_THREADS = 128
_MOST_RUNS = 16_384  # at a time, so that progress is seen and Ctrl-C heeded
_MOST_HOST_BYTES = 2**28  # of results that a block brings back
_NUMBERS_SHARE = 0.4  # of the card's memory, for compared numbers and distances
_MOST_NUMBERS_BYTES = 2**30  # of them: the processor computes them
_SIGNAL_BYTES = 128 * 2**20  # of truths that the processor finds at a time


class DeviceRun:
    """One instrument in an account of its own currency, on a card, to be traded by many strategies.

    Parameters
    ----------
    last
        The last bar of each day, where the equity of each bar is asked for.

    Raises
    ------
    BadInputError
        The card has no room for one combination.
    """

    def __init__(
        self,
        plain: PlainRun,
        card: Card,
        bars: Bars,
        *,
        first: int,
        others: Mapping[InstrumentId, Bars] | None,
        last: Ints | None,
    ) -> None:
        self._plain, self._bars, self._first, self._others = plain, bars, first, others
        path = plain.path
        self._words = (path.bars + WORD - 1) // WORD
        self._days = 0 if last is None else len(last)
        self._valued = last is not None
        columns: dict[int, int] = {}
        places = [columns.setdefault(_address(column), len(columns)) for column in path.columns]
        different = dict(zip(places, path.columns, strict=True))
        terms, roll_at, roll_inside, roll_days = plain.inputs
        extremes = np.stack(path.extremes)
        sizes = np.zeros(6, np.int64)
        sizes[kernels.S_BARS], sizes[kernels.S_AFTER] = path.bars, len(path.after)
        sizes[kernels.S_ROLLS], sizes[kernels.S_BLOCKS] = len(roll_at), extremes.shape[1]
        sizes[kernels.S_DAYS], sizes[kernels.S_VALUED] = self._days, int(self._valued)
        sent = 8 * (len(different) * len(path.columns[0]) + 3 * path.bars + 4 * extremes.shape[1])
        self.size, self._numbers_bytes = self._room(card, sent)
        self._prices = _sent(np.stack([different[place] for place in range(len(different))]))
        self._places, self._sizes, self._after = _sent(places), _sent(sizes), _sent(path.after)
        self._terms = _sent(terms)
        self._rolls = [_sent(item) for item in (roll_at, roll_inside, roll_days)]
        self._extremes, self._last = _sent(extremes), _sent(last if last is not None else [0])
        self._unread = cuda.device_array(1 + len(roll_at) + 1, np.int64)
        self._unread_rows = cuda.device_array((path.bars + 1, CANCELED_SIZE), np.int64)

    def _room(self, card: Card, sent_bytes: int) -> tuple[int, int]:
        """Combinations that fit beside what is sent once, and bytes for the numbers that they compare."""
        bars = self._plain.path.bars
        free = card.memory_bytes - sent_bytes
        numbers = min(int(_NUMBERS_SHARE * max(0, free)), _MOST_NUMBERS_BYTES)
        own = 8 * (4 * self._words + TOTALS + 16)  # of a combination
        if self._valued:
            own += 8 * (bars + self._days)
        if free - numbers < own:
            raise BadInputError(
                f"device='cuda': expected room for one combination of {bars:,} bars, found "
                f"{card.memory_bytes / 2**20:,.0f} MB on {card.name}; take fewer bars, statistics='trades', "
                "or leave device='cpu'"
            )
        host = 8 * (TOTALS + 16 + self._days)
        return max(1, min(_MOST_RUNS, (free - numbers) // own, _MOST_HOST_BYTES // host)), numbers

    def sums(self, rules: Sequence[Rules]) -> tuple[Sums, npt.NDArray[np.bool_]]:
        """What is left of up to `size` runs, and which of them it takes the engine to tell."""
        count = len(rules)
        plans = blocks.plans_of(
            rules, self._bars, first=self._first, others=self._others, most_bytes=self._numbers_bytes
        )
        if plans is None and count * len(self._bars) > _SIGNAL_BYTES and count > 1:
            parts = [self.sums(rules[: count // 2]), self.sums(rules[count // 2 :])]
            return Sums.joined([part for part, _ in parts]), np.concatenate([void for _, void in parts])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grid size")  # numba's, of small sweeps
            return self._summed(rules, plans)

    def _summed(
        self, rules: Sequence[Rules], plans: blocks.Plans | None
    ) -> tuple[Sums, npt.NDArray[np.bool_]]:
        count = len(rules)
        truths, distances = self._truths(rules, plans)
        units = np.array([self._plain.crossed_units(item) for item in rules], np.int64)
        answers = cuda.to_device(np.full(count, GAVE_UP, np.int64))
        totals = cuda.to_device(np.zeros((count, TOTALS), np.int64))
        deepest = cuda.to_device(np.zeros(count))
        falls = cuda.to_device(np.zeros((count, 2), np.int64))
        ends = cuda.to_device(np.zeros((count, max(1, self._days)), np.int64))
        equity = cuda.device_array((count, self._plain.path.bars if self._valued else 1), np.int64)
        results = (equity, self._last, answers, totals, deepest, falls, ends)
        grid = (-(-count // _TRADING_THREADS), _TRADING_THREADS)
        if units.any():
            kernels.cross_runs[grid](
                *(self._prices, self._places, self._sizes, truths, _sent(units), self._terms, *self._rolls),
                *(self._unread, self._unread_rows, *results),
            )
        if (answers.copy_to_host() != DONE).any():
            settings = [RuleSettings.of(item, self._plain.instrument) for item in rules]
            kernels.trade_runs[grid](
                *(self._prices, self._places, self._sizes, self._after, truths),
                *(_sent(distances.column), _sent(distances.spans)),
                _sent([item.settings[S_SIZE] for item in settings]),
                _sent(np.array([item.amounts[V_SIZE] for item in settings], np.float64)),
                *(self._terms, *self._rolls, self._extremes, self._unread, self._unread_rows, *results),
            )
        found = Sums(
            totals=totals.copy_to_host(),
            deepest=deepest.copy_to_host(),
            falls=falls.copy_to_host(),
            ends=ends.copy_to_host()[:, : self._days],
        )
        return found, answers.copy_to_host() != DONE

    def _truths(self, rules: Sequence[Rules], plans: blocks.Plans | None) -> tuple[Any, blocks.Distances]:
        """The truths of the conditions, on the card, and the distances."""
        if plans is None:
            signals = signals_of(rules, self._bars, first=self._first, others=self._others)
            return _sent(blocks.signal_words(signals, self._words)), blocks.signal_distances(signals)
        truths = cuda.device_array((len(rules), 4, self._words), np.int64)
        threads = len(rules) * self._words
        kernels.find_truths[-(-threads // _TRUTH_THREADS), _TRUTH_THREADS](
            *(cuda.to_device(plans.values), self._first, _sent(plans.steps), _sent(plans.starts)),
            *(_sent(plans.looks_back), cuda.to_device(np.zeros(len(plans.values), np.bool_)), truths),
        )
        return truths, plans.distances


def _address(column: Ints) -> int:
    return int(column.__array_interface__["data"][0])


def _sent(values: Any) -> Any:
    """A column on the card, of one element or more: a card has no empty ones."""
    column = np.ascontiguousarray(values)
    if column.dtype != np.float64:
        column = column.astype(np.int64)
    return cuda.to_device(column if column.size else np.zeros((1,) * column.ndim, column.dtype))
