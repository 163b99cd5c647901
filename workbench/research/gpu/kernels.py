"""What runs on the card: the truths of conditions, and the passes that trade them, a thread a combination."""

# mypy: disable-error-code="arg-type,assignment,call-overload,operator"
# compiled: an int64 of an array and a plain whole number are one type there
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.research import conditions, crossings, figures, quick
from workbench.research.gpu.card import cuda
from workbench.research.gpu.compiling import on_device
from workbench.research.plain_steps import DONE, Q_BALANCE
from workbench.research.words import WORD

__all__ = [
    "MOST_ROWS",
    "S_AFTER",
    "S_BARS",
    "S_BLOCKS",
    "S_DAYS",
    "S_ROLLS",
    "S_VALUED",
    "cross_runs",
    "find_truths",
    "trade_runs",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

MOST_ROWS = 128  # of a plan, which a thread keeps to itself
S_BARS, S_AFTER, S_ROLLS, S_BLOCKS, S_DAYS, S_VALUED = range(6)  # how long columns are; 1 with equity by bar
_SIDES = 4  # to enter long and short, to exit long and short


def _path(prices: Ints, places: Ints) -> Any:
    """The ten columns of a path, of those that differ and the place of each."""
    return (
        prices[places[0]],
        prices[places[1]],
        prices[places[2]],
        prices[places[3]],
        prices[places[4]],
        prices[places[5]],
        prices[places[6]],
        prices[places[7]],
        prices[places[8]],
        prices[places[9]],
    )


_path_of: Any = on_device(_path)
_run_steps: Any = on_device(conditions.run_steps)
_trade_crossings: Any = on_device(crossings.trade_crossings)
_trade_plain: Any = on_device(quick.trade_plain)
_sum_up: Any = on_device(figures.sum_up)


def _find_truths(
    values: Floats,
    first: int,
    steps: Ints,
    starts: Ints,
    looks_back: Ints,
    whole: Any,
    truths: Words,
) -> None:
    """The truths of 64 bars of one combination, by its plan.

    Parameters
    ----------
    values
        The compared numbers, a row each: `WORD` of NaN, then the bars, then NaN to a whole word and one more.
    first
        The first bar that is traded.
    steps, starts
        Of combination k the rows ``starts[k]`` to ``starts[k + 1]`` of steps.
    looks_back
        1 where a plan asks for the bar before.
    whole
        False for each row of `values`.
    truths
        Receives them, shape (combinations, 4, words).
    """
    at = cuda.grid(1)
    count = truths.shape[2]
    run, word = at // count, at % count
    if run >= truths.shape[0]:
        return
    rows = cuda.local.array((MOST_ROWS, 1), np.int64)
    carried = cuda.local.array(MOST_ROWS, np.int64)
    found = cuda.local.array((_SIDES, 1), np.int64)
    for side in range(_SIDES):
        found[side, 0] = 0
    own = steps[starts[run] : starts[run + 1]]
    here = first + WORD * (word + 1)
    if looks_back[run] != 0:
        for row in range(MOST_ROWS):
            carried[row] = 0
        _run_steps(values[:, here - WORD : here], whole, own, rows, carried, found, 0, 1)
    _run_steps(values[:, here : here + WORD], whole, own, rows, carried, found, 0, 1)
    for side in range(_SIDES):
        truths[run, side, word] = found[side, 0]


def _cross_runs(
    prices: Ints,
    places: Ints,
    sizes: Ints,
    truths: Words,
    units: Ints,
    terms: Ints,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    unread: Ints,
    unread_rows: Ints,
    equity: Ints,
    last: Ints,
    answers: Ints,
    totals: Ints,
    deepest: Floats,
    falls: Ints,
    ends: Ints,
) -> None:
    """`trade_crossings` of one combination, summed up; one whose units are 0 is left out.

    Parameters
    ----------
    prices, places
        Different columns of the path, and which of them is each of its ten.
    sizes
        ``S_...``: every other array has room for one element or more.
    unread, unread_rows
        Room for what nobody reads; all threads write to it.
    """
    run = cuda.grid(1)
    if run >= answers.shape[0] or units[run] == 0:
        return
    rolls = sizes[S_ROLLS]
    own = equity[run, : sizes[S_BARS] * sizes[S_VALUED]]
    answers[run] = _trade_crossings(
        _path_of(prices, places),
        sizes[S_BARS],
        truths[run, 0],
        truths[run, 1],
        truths[run, 2],
        truths[run, 3],
        units[run],
        terms,
        roll_at[:rolls],
        roll_inside[:rolls],
        roll_days[:rolls],
        unread_rows,
        unread,
        unread,
        unread,
        own,
        totals[run],
    )
    if answers[run] == DONE and sizes[S_VALUED] != 0:
        _sum_up(own, terms[Q_BALANCE], last[: sizes[S_DAYS]], run, deepest, falls, ends)


def _trade_runs(
    prices: Ints,
    places: Ints,
    sizes: Ints,
    after: Ints,
    truths: Words,
    distances: Floats,
    spans: Ints,
    kinds: Ints,
    amounts: Floats,
    terms: Ints,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    extremes: Ints,
    unread: Ints,
    unread_rows: Ints,
    equity: Ints,
    last: Ints,
    answers: Ints,
    totals: Ints,
    deepest: Floats,
    falls: Ints,
    ends: Ints,
) -> None:
    """`trade_plain` of one combination that is not done yet, summed up.

    Parameters
    ----------
    distances, spans
        Stop, target and trail of combination k lie at ``spans[k, 2 * i]`` to ``spans[k, 2 * i + 1]``, none
        where these are equal.
    kinds, amounts
        Of the sizes.
    """
    run = cuda.grid(1)
    if run >= answers.shape[0] or answers[run] == DONE:
        return
    rolls, blocks = sizes[S_ROLLS], sizes[S_BLOCKS]
    own = equity[run, : sizes[S_BARS] * sizes[S_VALUED]]
    answers[run] = _trade_plain(
        _path_of(prices, places),
        after[: sizes[S_AFTER]],
        sizes[S_BARS],
        truths[run, 0],
        truths[run, 1],
        truths[run, 2],
        truths[run, 3],
        distances[spans[run, 0] : spans[run, 1]],
        distances[spans[run, 2] : spans[run, 3]],
        distances[spans[run, 4] : spans[run, 5]],
        spans[run, 0] != spans[run, 1],
        spans[run, 2] != spans[run, 3],
        spans[run, 4] != spans[run, 5],
        kinds[run],
        amounts[run],
        terms,
        roll_at[:rolls],
        roll_inside[:rolls],
        roll_days[:rolls],
        (extremes[0, :blocks], extremes[1, :blocks], extremes[2, :blocks], extremes[3, :blocks]),
        unread_rows,
        unread,
        unread_rows,
        unread,
        unread,
        own,
        totals[run],
    )
    if answers[run] == DONE and sizes[S_VALUED] != 0:
        _sum_up(own, terms[Q_BALANCE], last[: sizes[S_DAYS]], run, deepest, falls, ends)


find_truths: Any = cuda.jit(_find_truths)
cross_runs: Any = cuda.jit(_cross_runs)
trade_runs: Any = cuda.jit(_trade_runs)
