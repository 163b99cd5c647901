"""A deployment's row in the store, kept at what its watch found."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from workbench.live.deployments import Deployment, set_state

__all__ = ["StoredRow"]


class StoredRow:
    """The row as it should be; what a busy store does not take is written when it is told again.

    Parameters
    ----------
    note
        Told of a store that did not take it.
    """

    def __init__(self, row: Deployment, *, engine: sa.Engine, note: Callable[..., None]) -> None:
        self.now = row
        self.told_at = 0.0  # monotonic
        self._engine = engine
        self._note = note
        self._untold: dict[str, Any] = {}

    def tell(self, **values: Any) -> None:
        """Write down what was found."""
        self.told_at = time.monotonic()
        self.now = replace(self.now, **values)
        self._untold.update(values)
        try:
            set_state(self._engine, self.now.id, **self._untold)
        except sa.exc.OperationalError as error:
            self._note("store", deployment_id=self.now.id, problem=str(error))
        else:
            self._untold.clear()

    def tell_again(self) -> None:
        """Write what the store did not take before."""
        if self._untold:
            self.tell()
