"""The leak check: whatever a notebook computed about a moment must not change when the future is cut off."""

from workbench.research.leaks.report import Leak, LeakReport
from workbench.research.leaks.timed import Timed, first_change, timed_values

__all__ = ["Leak", "LeakReport", "Timed", "first_change", "timed_values"]
