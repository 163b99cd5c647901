"""Fewer points for a picture, keeping every peak and trough."""

import numpy as np
import numpy.typing as npt

__all__ = ["thinned"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def thinned(values: Floats, *, limit: int) -> Ints:
    """Indices of at most `limit` of `values`: first, last, and the least and greatest of each stretch."""
    n = len(values)
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    stretches = max((limit - 2) // 2, 1)
    edges = np.linspace(0, n, stretches + 1).astype(np.int64)
    found = {0, n - 1}
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[low:high]
        found.add(low + int(np.argmin(part)))
        found.add(low + int(np.argmax(part)))
    return np.array(sorted(found), np.int64)
