"""Splits without leakage: a training sample's label is known before the test begins.

Purging as in Lopez de Prado (2018), "Advances in Financial Machine Learning", ch. 7, by label intervals
in time rather than by rows, so labels of different length are right too.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.ml.errors import NotEnoughDataError

__all__ = ["Split", "walk_forward"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Positions of the samples to learn from and of those to be judged by."""

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def walk_forward(
    start_ns: npt.NDArray[np.int64],
    end_ns: npt.NDArray[np.int64],
    *,
    splits: int,
    first_train: float = 0.4,
    embargo_ns: int = 0,
) -> Iterator[Split]:
    """Consecutive test blocks, each judged by what was known before it began (an expanding window).

    Parameters
    ----------
    start_ns, end_ns
        Label interval of each sample, shape (n_samples,); `start_ns` rising.
    splits
        Number of test blocks.
    first_train
        Fraction of the samples before the first block.
    embargo_ns
        Time that must lie between a training label's end and the test's start.

    Raises
    ------
    NotEnoughDataError
        A block would be empty or have nothing to learn from.
    """
    if not 0 < first_train < 1:
        raise ValueError(f"expected first_train between 0 and 1, found {first_train}")
    if np.any(np.diff(start_ns) < 0):
        raise ValueError("expected samples in the order of time")
    count = len(start_ns)
    edges = np.linspace(round(count * first_train), count, splits + 1).astype(np.int64)
    for begin, end in itertools.pairwise(edges):
        test = np.arange(begin, end, dtype=np.int64)
        if not len(test):
            raise NotEnoughDataError(f"{count} samples are too few for {splits} test blocks")
        train = np.flatnonzero(end_ns[:begin] + embargo_ns < start_ns[begin])
        if not len(train):
            raise NotEnoughDataError(
                f"nothing is known before sample {begin}; ask for fewer blocks or less embargo"
            )
        yield Split(train=train, test=test)
