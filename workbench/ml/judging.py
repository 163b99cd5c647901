"""Judge a model by walking it forward: each block is predicted by what was known before it."""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.ml.errors import NotEnoughDataError
from workbench.ml.labels import Labels
from workbench.ml.onnx_model import OnnxModel
from workbench.ml.splits import Split

__all__ = ["Fold", "Judgement", "judge"]

Fit = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], OnnxModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One test block."""

    train_size: int
    test_size: int
    auc: float  # probability that a rise is ranked above a fall; one half is chance
    hit_rate: float  # share of right directions at the threshold one half
    base_rate: float  # share of the commoner direction: what always saying it would hit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """How a model did over all blocks."""

    name: str
    folds: tuple[Fold, ...]
    digest: str  # of all out-of-sample predictions

    @property
    def mean_auc(self) -> float:
        """Mean area under the ROC curve over the blocks."""
        return math.fsum(fold.auc for fold in self.folds) / len(self.folds)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over the blocks, which are few: read it as a hint."""
        mean, count = self.mean_auc, len(self.folds)
        variance = math.fsum((fold.auc - mean) ** 2 for fold in self.folds) / (count - 1)
        return math.sqrt(variance / count)

    @property
    def has_edge(self) -> bool:
        """Whether the mean lies more than two standard errors above chance."""
        return self.mean_auc - 2.0 * self.standard_error > 0.5

    def sentence(self) -> str:
        """What the numbers say, in words."""
        found = f"{self.name}: mean AUC {self.mean_auc:.3f}, standard error {self.standard_error:.3f}"
        blocks = f"over {len(self.folds)} blocks"
        if self.has_edge:
            return f"{found} {blocks}: better than chance on this sample, before costs."
        return f"{found} {blocks}: no edge, this is what chance looks like."


def _auc(labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def judge(
    name: str, fit: Fit, rows: npt.NDArray[np.float64], labels: Labels, splits: Iterable[Split]
) -> Judgement:
    """Fit on each split's training samples alone and score its test block.

    Parameters
    ----------
    rows
        Features of each labelled sample, shape (n_samples, n_features), no NaN.

    Raises
    ------
    NotEnoughDataError
        Fewer than two blocks, or a block with one direction only.
    """
    folds, seen = [], hashlib.sha256()
    for split in splits:
        actual = labels.values[split.test]
        if len(np.unique(actual)) < 2:
            raise NotEnoughDataError("a test block has one direction only; ask for fewer blocks or more data")
        model = fit(rows[split.train], labels.values[split.train])
        scores = model.predict(rows[split.test])
        seen.update(scores.tobytes())
        rises = float(actual.mean())
        folds.append(
            Fold(
                train_size=len(split.train),
                test_size=len(split.test),
                auc=_auc(actual, scores),
                hit_rate=float(((scores > 0.5) == (actual == 1)).mean()),
                base_rate=max(rises, 1.0 - rises),
            )
        )
    if len(folds) < 2:
        raise NotEnoughDataError(f"expected two or more test blocks to judge by, found {len(folds)}")
    return Judgement(name=name, folds=tuple(folds), digest=seen.hexdigest())
