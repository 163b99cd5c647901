"""What values hold: series of any library as arrays and frames, records as tables, objects as their parts."""

import contextlib
import inspect
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.strategy.reads import is_library

__all__ = ["arrays_of", "frame_of", "moments_of", "parts_of", "records_of"]

Ints = npt.NDArray[np.int64]
_NUMBERS = (bool, int, float, np.generic)
_MOST = 1_000  # parts of one value that are looked into
_SOME = 16  # values that tell what a column is
_NANOSECONDS = (631_152_000 * 10**9, 4_102_444_800 * 10**9)  # 1990 to 2100: whole numbers that are moments


def arrays_of(value: Any) -> npt.NDArray[Any] | None:
    """An array, a tensor, a series without an index or a list of numbers as an array; None for others."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple | deque):
        numbers = bool(value) and all(isinstance(item, _NUMBERS) for item in _some(value))
        listed: npt.NDArray[Any] | None = _tried(lambda: np.array(value)) if numbers else None
        return listed
    if isinstance(value, type) or hasattr(value, "index") or not hasattr(value, "__array__"):
        return None
    made: npt.NDArray[Any] | None = _tried(lambda: np.asarray(value))
    return made


def frame_of(value: Any) -> Any:
    """A frame for a frame or a series with an index, of pandas or what can be made one; None for others."""
    import pandas as pd

    if isinstance(value, pd.Series):
        return value.to_frame()
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, type) or not hasattr(value, "to_pandas"):
        return None
    made = _tried(value.to_pandas)
    return made.to_frame() if isinstance(made, pd.Series) else made


def records_of(value: Any, *, lengths: Collection[int]) -> Any:
    """A frame for a mapping by moments, and for records with one moment each, or one for each of the bars.

    Records are mappings, tuples and objects of the user's in a list, or in a mapping by moments. What has
    several moments, such as a trade with its entry and its exit, is known at none of them alone.
    """
    import pandas as pd

    if isinstance(value, Mapping):
        keys, items = list(value), list(value.values())
        if not keys or not all(_is_moment(item) for item in _some(keys)):
            return None
        rows = [_record(item) or {"value": item} for item in items]
        return _tried(lambda: pd.DataFrame(rows, index=_index(keys)))
    if not isinstance(value, list | tuple | deque) or not value:
        return None
    records = [_record(item) for item in value]
    if not all(records):
        return None
    frame = _tried(lambda: pd.DataFrame(records))
    if frame is None or (moments_of(frame) is None and len(frame) not in lengths):
        return None
    return frame


def moments_of(frame: Any) -> Ints | None:
    """The moment of each row in nanoseconds UTC: of its index, or of its only column of times."""
    import pandas as pd

    index = frame.index
    if isinstance(index, pd.MultiIndex):
        levels = [place for place, item in enumerate(index.levels) if isinstance(item, pd.DatetimeIndex)]
        return _nanoseconds(index.get_level_values(levels[0])) if len(levels) == 1 else None
    if isinstance(index, pd.DatetimeIndex):
        return _nanoseconds(index)
    columns = [name for name in range(frame.shape[1]) if _is_time_column(frame.iloc[:, name])]
    if len(columns) != 1 or frame.columns.nlevels > 1:
        return None
    found: Ints | None = _tried(lambda: _nanoseconds(_index(frame.iloc[:, columns[0]].tolist())))
    return found


def parts_of(value: Any) -> Iterator[tuple[str, Any]]:
    """What a container, an object of the user's, a class of the user's or an estimator holds, by a label."""
    if isinstance(value, Mapping):
        yield from ((f"[{key}]", item) for key, item in islice(value.items(), _MOST))
    elif isinstance(value, list | tuple | deque | set | frozenset):
        names = getattr(value, "_fields", ())
        for at, item in enumerate(islice(value, _MOST)):
            yield (f".{names[at]}" if names else f"[{at}]"), item
    elif isinstance(value, type):
        if _is_own(value):
            yield from ((f".{name}", item) for name, item in vars(value).items() if _is_value(name, item))
    elif _is_own(type(value)) or hasattr(value, "fit"):
        yield from ((f".{name}", item) for name, item in _attributes(value) if _is_value(name, item))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from list(getattr(value, "__dict__", {}).items())
    for owner in type(value).__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name != "__dict__" and hasattr(value, name):
                yield name, getattr(value, name)


def _is_value(name: str, item: Any) -> bool:
    hidden = name.startswith("__") and name.endswith("__")
    return not hidden and not isinstance(item, property | types.ModuleType) and not inspect.isroutine(item)


def _is_own(kind: type) -> bool:
    """Whether a class is the user's, a plain namespace, or a table of the workbench's own samples."""
    if kind is types.SimpleNamespace:
        return True
    if kind.__module__.startswith("workbench.ml"):
        return is_dataclass(kind)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return not is_library(kind.__module__, file)


def _record(item: Any) -> dict[str, Any]:
    """An item as values by name; empty when it is no record of plain values."""
    if isinstance(item, Mapping):
        found = dict(item)
    elif isinstance(item, tuple | list):
        found = {str(at): part for at, part in enumerate(item)}
    elif is_dataclass(item) and not isinstance(item, type):
        found = {part.name: getattr(item, part.name) for part in fields(item)}
    elif not isinstance(item, type) and _is_own(type(item)):
        found = dict(_attributes(item))
    else:
        return {}
    plain = all(isinstance(part, (*_NUMBERS, str, type(None))) or _is_moment(part) for part in found.values())
    return found if plain else {}


def _is_moment(item: Any) -> bool:
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return _NANOSECONDS[0] <= int(item) < _NANOSECONDS[1]
    return isinstance(item, datetime | np.datetime64 | date)


def _is_time_column(column: Any) -> bool:
    if column.dtype.kind == "M" or str(column.dtype).startswith("datetime64"):
        return True
    known = [item for item in column.iloc[:_SOME].tolist() if item is not None]
    return column.dtype.kind in "iO" and bool(known) and all(_is_moment(item) for item in known)


def _index(moments: Sequence[Any]) -> Any:
    """Moments as an index; a day is known when it is over."""
    import pandas as pd

    day = pd.Timedelta(days=1)
    return pd.DatetimeIndex(
        [
            pd.Timestamp(item, tz="UTC") + day
            if isinstance(item, date) and not isinstance(item, datetime)
            else pd.to_datetime(item, utc=True)
            for item in moments
        ]
    )


def _nanoseconds(index: Any) -> Ints:
    known = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    found: Ints = known.as_unit("ns").asi8
    return found


def _some(items: Sequence[Any]) -> list[Any]:
    """The first of them, and the last."""
    return [*islice(items, _SOME), items[len(items) - 1]]


def _tried(make: Callable[[], Any]) -> Any:
    """What is made, or None where it can not be: what a notebook holds may be anything."""
    with contextlib.suppress(Exception):
        return make()
    return None
