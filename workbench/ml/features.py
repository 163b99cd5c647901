"""Features: named expressions over bars, the same in training, back-test and live."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.ml.errors import NotEnoughDataError
from workbench.strategy import BarColumns, Expr, evaluate_expression

__all__ = ["FeatureTable", "feature_table"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """Features of each bar, known at its close."""

    names: tuple[str, ...]
    rows: npt.NDArray[np.float64]  # shape (n_bars, n_features), NaN before a feature is warmed up
    known: npt.NDArray[np.bool_]  # shape (n_bars,): every feature of the bar is a number

    @property
    def first_known(self) -> int:
        """The first bar with every feature.

        Raises
        ------
        NotEnoughDataError
            There is none.
        """
        if not self.known.any():
            raise NotEnoughDataError(
                f"no bar of {len(self.known)} has all of {', '.join(self.names)}; "
                "take more bars or shorter lookbacks"
            )
        return int(np.argmax(self.known))


def feature_table(features: Mapping[str, Expr], bars: BarColumns) -> FeatureTable:
    """Evaluate named expressions at every bar.

    Raises
    ------
    BadInputError
        No feature, or a name that is not an identifier.
    """
    if not features:
        raise BadInputError("expected one or more features, found none")
    if wrong := [name for name in features if not name.isidentifier()]:
        raise BadInputError(f"feature names must be identifiers; found {', '.join(map(repr, wrong))}")
    columns = [np.asarray(evaluate_expression(item, bars), dtype=np.float64) for item in features.values()]
    rows = np.column_stack(columns)
    known = np.asarray(np.isfinite(rows).all(axis=1), dtype=np.bool_)
    return FeatureTable(names=tuple(features), rows=rows, known=known)
