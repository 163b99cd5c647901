"""A version of a dataset of ticks with new ticks in their place: weeks that do not change are shared."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np

from workbench.domain.timeframes import Timeframe
from workbench.market.bar_builder import BarBuilder
from workbench.market.errors import ConflictingDataError
from workbench.market.resampling import joined
from workbench.market.storage.folders import Folder
from workbench.market.storage.parts import Part, read_part, week_start
from workbench.market.storage.tick_versions import (
    GROUP_WEEKS,
    TICK_COLUMNS,
    Version,
    as_bars,
    concatenated,
    fetched,
    write_bars,
    write_week,
)
from workbench.market.ticks import Ticks

__all__ = ["merged"]

_HOUR_NS = 3_600_000_000_000


def merged(folder: Folder, base: Version, new: Version, *, replace: bool) -> Version:
    """`base` with the ticks of `new` in their place; weeks that only one of them has are shared.

    Within a week, what both have for the same time must be the same; with `replace` the new ticks take
    the place of the old between the first and the last of them.

    Raises
    ------
    ConflictingDataError
        It is not.
    """
    if (new.instrument.id, new.sides) != (base.instrument.id, base.sides):
        raise ConflictingDataError(
            f"the dataset holds {base.instrument.id} ({base.sides}), the new data {new.instrument.id} "
            f"({new.sides}); import them as a dataset of their own"
        )
    theirs, ours = _weeks(new.ticks), _weeks(base.ticks)
    ticks: list[Part] = []
    touched: dict[int, Ticks | None] = {}  # None: as it is in `new`
    for week in sorted({*ours, *theirs}):
        if week not in theirs or _digests(ours.get(week, [])) == _digests(theirs[week]):
            ticks += ours[week]
        elif week not in ours:
            ticks += theirs[week]
            touched[week] = None
        else:
            union = _union(
                _whole(folder, base, ours[week]), _whole(folder, new, theirs[week]), replace=replace
            )
            parts = write_week(folder, week, union)
            if _digests(parts) == _digests(ours[week]):
                ticks += ours[week]
            else:
                ticks += parts
                touched[week] = union
    if not touched:
        return base
    result = Version(instrument=base.instrument, sides=base.sides, ticks=tuple(ticks), bars={})
    bars = {timeframe: _merged_bars(folder, base, new, result, timeframe, touched) for timeframe in base.bars}
    return Version(instrument=base.instrument, sides=base.sides, ticks=tuple(ticks), bars=bars)


def _union(base: Ticks, new: Ticks, *, replace: bool) -> Ticks:
    """Both in time order; what both have once."""
    if int(base.time_ns[-1]) < int(new.time_ns[0]):
        return concatenated([base, new])
    if int(new.time_ns[-1]) < int(base.time_ns[0]):
        return concatenated([new, base])
    if replace:
        first, last = int(new.time_ns[0]), int(new.time_ns[-1])
        return concatenated([base.between(None, first), new, base.between(last + 1, None)])
    hours = np.unique(np.concatenate([base.time_ns // _HOUR_NS, new.time_ns // _HOUR_NS]))
    borders = [int(item) * _HOUR_NS for item in (*hours, hours[-1] + 1)]
    return concatenated(
        [_union_of_hour(base.between(low, high), new.between(low, high)) for low, high in pairwise(borders)]
    )


def _union_of_hour(base: Ticks, new: Ticks) -> Ticks:
    if not len(base) or not len(new):
        return base if len(base) else new
    first, last = int(new.time_ns[0]), int(new.time_ns[-1])
    before, after = base.between(None, first), base.between(last + 1, None)
    low, high = max(first, int(base.time_ns[0])), min(last, int(base.time_ns[-1]))
    ours, theirs = base.between(low, high + 1), new.between(low, high + 1)
    if _same(ours, theirs) or not len(ours):
        return concatenated([before, new, after])
    if not len(theirs):
        return concatenated([new.between(None, low), base, new.between(high + 1, None)])
    if int(base.time_ns[-1]) == first:  # they touch at one instant, and each has quotes of its own there
        return concatenated([base, new])
    if last == int(base.time_ns[0]):
        return concatenated([new, base])
    raise ConflictingDataError(
        f"{base.instrument.id}: from {_shown(low)} to {_shown(high)} UTC the dataset has "
        f"{len(ours):,} quotes and the new data {len(theirs):,}; they differ{_where(ours, theirs)}. "
        "Import the new data as a dataset of its own, or let them replace the old"
    )


def _same(left: Ticks, right: Ticks) -> bool:
    return all(np.array_equal(left.columns()[name], right.columns()[name]) for name in TICK_COLUMNS)


def _where(left: Ticks, right: Ticks) -> str:
    rows = min(len(left), len(right))
    differs = np.zeros(rows, dtype=np.bool_)
    for name in TICK_COLUMNS:
        differs |= left.columns()[name][:rows] != right.columns()[name][:rows]
    return f", first at {_shown(int(left.time_ns[int(np.argmax(differs))]))}" if differs.any() else ""


def _merged_bars(
    folder: Folder,
    base: Version,
    new: Version,
    result: Version,
    timeframe: Timeframe,
    touched: Mapping[int, Ticks | None],
) -> tuple[Part, ...]:
    parts = {item.week: item for item in base.bars[timeframe]}
    whole = _weeks(result.ticks)
    for group in sorted({week // GROUP_WEEKS * GROUP_WEEKS for week in touched}):
        old = parts.get(group)
        kept = None if old is None else as_bars(base, timeframe, read_part(folder, old).in_ns())
        pieces = []
        for week in (item for item in sorted(whole) if item // GROUP_WEEKS * GROUP_WEEKS == group):
            if week in touched or kept is None:
                ticks = touched.get(week)
                if ticks is None:
                    ticks = _whole(folder, new, whole[week])
                builder = BarBuilder(base.instrument, timeframe, sides=base.sides)
                pieces += [builder.add(ticks), builder.finish()]
            else:
                pieces.append(kept.between(week_start(week), week_start(week + 1)))
        parts[group] = write_bars(folder, joined(pieces))
    return tuple(parts[week] for week in sorted(parts))


def _digests(parts: Sequence[Part]) -> list[str]:
    return [item.digest for item in parts]


def _whole(folder: Folder, version: Version, parts: Sequence[Part]) -> Ticks:
    found = [
        Ticks(instrument=version.instrument, **read_part(folder, item).in_ns())
        for item in fetched(folder, parts)
    ]
    return concatenated(found)


def _weeks(parts: Iterable[Part]) -> dict[int, list[Part]]:
    return {week: list(items) for week, items in groupby(parts, key=lambda item: item.week)}


def _shown(time_ns: int) -> str:
    return str(np.datetime64(time_ns, "ns").astype("M8[ms]")).replace("T", " ")
