"""Columns of axes and figures, put together from parts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "column_of", "joined_columns"]

Column = npt.NDArray[Any]


def joined_columns(parts: Sequence[tuple[Mapping[str, Column], int]]) -> dict[str, Column]:
    """Columns one below another, each part with its length; NaN where a part lacks a column."""
    found = {}
    for name in dict.fromkeys(name for columns, _ in parts for name in columns):
        pieces = [columns[name] if name in columns else np.full(count, np.nan) for columns, count in parts]
        kinds = {piece.dtype.kind for piece in pieces}
        if len(kinds) > 1 and kinds != {"i", "f"}:
            pieces = [piece.astype(object) for piece in pieces]
        found[name] = np.concatenate(pieces)
    return found


def column_of(values: Sequence[Any]) -> Column:
    """Values of an axis: truth values, whole numbers, numbers, or texts as objects."""
    kinds = {type(item) for item in values}
    for kind, dtype in ((bool, np.bool_), (int, np.int64), (float, np.float64)):
        if kinds == {kind}:
            return np.array(values, dtype)
    column = np.empty(len(values), object)
    column[:] = list(values)
    return column
