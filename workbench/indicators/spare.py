"""Memory for results, used again once nobody holds the result that it was made for.

Pages that come fresh from the operating system cost more than a year of bars takes to trade, so a few columns
are kept.
"""

import sys
from threading import Lock

import numpy as np
import numpy.typing as npt

__all__ = ["spare_column"]

Ints = npt.NDArray[np.int64]

_KEPT: list[Ints] = []
_MOST = 8  # columns kept
_LARGEST = 8 * 2**20  # values of a column that is kept, and
_TOGETHER = 32 * 2**20  # of all: 256 MiB
_LOCK = Lock()


def spare_column(count: int) -> Ints:
    """Room for `count` numbers, unset; nobody else sees it as long as it or a view of it is held.

    A view of a view holds the column itself, so the count of references says whether anybody does.
    """
    if not 0 < count <= _LARGEST:
        return np.empty(count, np.int64)
    with _LOCK:
        for place in range(len(_KEPT)):
            if count <= len(_KEPT[place]) <= 4 * count + 4096 and _holders(_KEPT, place) == _ITS_LIST:
                _KEPT.append(_KEPT.pop(place))
                return _KEPT[-1][:count]
        _KEPT.append(np.empty(count, np.int64))
        while len(_KEPT) > _MOST or sum(map(len, _KEPT)) > _TOGETHER:
            del _KEPT[0]
        return _KEPT[-1][:count]


def _holders(columns: list[Ints], place: int) -> int:
    """Who holds a column of a list, the list included; counted alike by one version of Python."""
    return sys.getrefcount(columns[place])


_ITS_LIST = _holders([np.empty(1, np.int64)], 0)  # nobody but the list
