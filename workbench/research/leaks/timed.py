"""Values that belong to moments: found among a notebook's variables, and compared before a cut."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.research.leaks.held import arrays_of, frame_of, moments_of, parts_of, records_of
from workbench.research.leaks.retried import backtests_in

__all__ = ["Timed", "first_change", "known_by", "timed_values"]

Ints = npt.NDArray[np.int64]
_CLOSE = 1e-9  # of a column's largest value: less is rounding
_DEEP = 6  # of values within values
_OF_MANY = frozenset(("SearchResult", "SweepResult", "WalkForwardResult", "TwoSpeeds"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timed:
    """A value a moment, several columns wide."""

    at_ns: Ints  # when the row is about; rising, not necessarily different
    rows: npt.NDArray[Any]  # shape (n, columns): float64, or objects compared as they are


def known_by(series: Bars | Ticks, cut_ns: int) -> Bars | Ticks:
    """The bars that have closed, or the ticks that have come, by a moment."""
    times = series.close_ns if isinstance(series, Bars) else series.time_ns
    count = int(np.searchsorted(times, cut_ns, side="right"))
    return series.at(0, count) if isinstance(series, Bars) else series.between(int(times[0]), cut_ns + 1)


def timed_values(variables: Mapping[str, Any]) -> dict[str, Timed]:
    """What is timed among variables, by a name such as ``signal`` or ``features[slow]``.

    Frames and series by their index or column of times; arrays, lists and columns by position, when they are
    as long as bars or ticks among the variables; mappings by their keys when these are times; records with a
    time each by that; backtests by their equity and fills; searches and sweeps by those of a few of their
    variants, walk-forwards by those of their windows. Containers, objects of the user's own classes and
    these classes are looked into. Bars, ticks and `Labels`, which speak of the future by their nature, are
    not looked at.
    """
    clocks: dict[int, Ints] = {}
    opens: list[tuple[Ints, Ints]] = []
    for value in variables.values():
        if isinstance(value, Bars | Ticks) and len(value):
            times = value.close_ns if isinstance(value, Bars) else value.time_ns
            clocks.setdefault(len(value), times)
            if isinstance(value, Bars):
                opens.append((value.open_ns, value.close_ns))
    found: dict[str, Timed] = {}
    for name, value in variables.items():
        if not name.startswith("_"):
            _collect(name, value, _Clocks(by_length=clocks, opens=tuple(opens)), found)
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Clocks:
    """The times of the series that were loaded."""

    by_length: Mapping[int, Ints]  # when each row of a series of that length is known
    opens: tuple[tuple[Ints, Ints], ...]  # of bars, and their closes

    def known_at(self, labels: Ints) -> Ints:
        """When rows are known: at the close of their bar, by which or by whose open they are labelled."""
        found = labels.copy()
        for opens, closes in self.opens:
            if np.isin(labels, np.setdiff1d(closes, opens)).any():
                continue  # by closes, some of which no bar opens at
            at = np.minimum(np.searchsorted(opens, labels), len(opens) - 1)
            found = np.where(opens[at] == labels, closes[at], found)
        return found


def first_change(whole: Timed, cut: Timed, *, cut_ns: int, may_end_early: bool = False) -> int | None:
    """The first moment up to `cut_ns` at which the two differ, in nanoseconds; None when none does.

    Parameters
    ----------
    may_end_early
        Whether `cut` may lack the last moments, as a table of samples does whose labels are not known yet.
    """
    before, after = _rows_until(whole, cut_ns), _rows_until(cut, cut_ns)
    shared = min(len(before.at_ns), len(after.at_ns))
    same_times = before.at_ns[:shared] == after.at_ns[:shared]
    if not same_times.all():
        at = int(np.argmin(same_times))
        return int(min(before.at_ns[at], after.at_ns[at]))
    if before.rows.shape[1] != after.rows.shape[1]:
        return int(before.at_ns[0]) if len(before.at_ns) else None
    unlike = _unlike(before.rows[:shared], after.rows[:shared])
    if unlike.any():
        return int(before.at_ns[int(np.argmax(unlike))])
    if len(before.at_ns) != len(after.at_ns) and not (may_end_early and len(after.at_ns) == shared):
        longer = before if len(before.at_ns) > shared else after
        return int(longer.at_ns[shared])
    return None


def _rows_until(value: Timed, cut_ns: int) -> Timed:
    count = int(np.searchsorted(value.at_ns, cut_ns, side="right"))
    return Timed(at_ns=value.at_ns[:count], rows=value.rows[:count])


def _unlike(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows differ by more than rounding."""
    if first.dtype != object and second.dtype != object:
        scale = np.nanmax(np.where(np.isfinite(first), np.abs(first), 0.0), axis=0, initial=0.0)
        with np.errstate(invalid="ignore"):
            apart = np.abs(first - second) > _CLOSE * np.maximum(scale, np.finfo(np.float64).tiny)
        apart &= ~((first == second) | (np.isnan(first) & np.isnan(second)))
        apart |= np.isnan(first) != np.isnan(second)
        found: npt.NDArray[np.bool_] = apart.any(axis=1)
        return found
    alike = np.ones(len(first), np.bool_)
    for one, other in zip(first.T, second.T, strict=True):
        plain, again = _numbers(one), _numbers(other)
        if plain is not None and again is not None:
            alike &= ~_unlike(plain[:, None], again[:, None])
        else:
            alike &= [_same(a, b) for a, b in zip(one, other, strict=True)]
    return np.logical_not(alike)


def _numbers(column: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    with contextlib.suppress(TypeError, ValueError):  # what can not be compared, or not with one answer
        return bool(one == other) or bool(one != one and other != other)
    return repr(one) == repr(other)


def _collect(
    name: str, value: Any, clocks: _Clocks, found: dict[str, Timed], *, within: tuple[int, ...] = ()
) -> None:
    kind = type(value).__name__
    skipped = isinstance(value, Bars | Ticks | str | bytes) or kind == "Labels"
    if skipped or len(within) > _DEEP or id(value) in within:
        return
    inner = (*within, id(value))
    if kind == "BacktestResult":
        _backtest(name, value, found)
    elif kind in _OF_MANY:
        for label, made in backtests_in(value).items():
            _backtest(f"{name}{label}", made, found)
    elif (array := arrays_of(value)) is not None:
        _array(name, array, clocks, found)
    elif (frame := frame_of(value)) is not None:
        _pandas(name, frame, clocks, found)
    elif (table := records_of(value, lengths=clocks.by_length)) is not None:
        _pandas(name, table, clocks, found)
    else:
        for label, item in parts_of(value):
            _collect(f"{name}{label}", item, clocks, found, within=inner)


def _pandas(name: str, frame: Any, clocks: _Clocks, found: dict[str, Timed]) -> None:
    labels = moments_of(frame)
    if labels is not None:
        _add(name, clocks.known_at(labels), frame.to_numpy(), found)
    elif len(frame) in clocks.by_length:
        _add(name, clocks.by_length[len(frame)], frame.to_numpy(), found)


def _array(name: str, value: npt.NDArray[Any], clocks: _Clocks, found: dict[str, Timed]) -> None:
    for axis, length in enumerate(value.shape):
        if length in clocks.by_length:
            rows = np.moveaxis(value, axis, 0).reshape(length, -1)
            _add(name, clocks.by_length[length], rows, found)
            return


def _backtest(name: str, value: Any, found: dict[str, Timed]) -> None:
    _add(f"{name}.equity", value.round_ns, np.asarray(value.equity, np.float64)[:, None], found)
    fills = np.asarray(value.outcome.fills)
    if len(fills):
        from workbench.engine.layout import F_PRICE, F_TIME, F_UNITS

        # a fill at the open of a bar needs that bar, which data that end there do not have
        _add(f"{name}.fills", fills[:, F_TIME] + 1, fills[:, [F_UNITS, F_PRICE]], found)


def _add(name: str, at_ns: Ints, rows: npt.NDArray[Any], found: dict[str, Timed]) -> None:
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.dtype.kind in "biuf":
        rows = rows.astype(np.float64)
    elif rows.dtype.kind in "mM":
        rows = rows.astype(np.int64).astype(np.float64)
    elif rows.dtype != object:
        rows = rows.astype(object)
    else:
        with contextlib.suppress(TypeError, ValueError):
            rows = rows.astype(np.float64)
    order = np.argsort(at_ns, kind="stable")
    found[name] = Timed(at_ns=np.asarray(at_ns)[order], rows=rows[order])
