"""What a strategy may take while it trades: time for one decision, and memory."""

from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

__all__ = ["DECISION_S", "Allowance", "machine_memory_mib"]

DECISION_S = 10.0
_MIB = 1 << 20
_CGROUP = Path("/sys/fs/cgroup/memory.max")


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one deployment's strategy; beyond them its process is ended."""

    decision_s: float = DECISION_S  # the longest decision on one event
    memory_mib: int = 0  # resident; half of the machine's when 0

    @property
    def memory_bytes(self) -> int:
        """Of the strategy's process, with the notebook's own data."""
        return (self.memory_mib or machine_memory_mib() // 2) * _MIB


def machine_memory_mib() -> int:
    """What the machine has, or the container where that is less."""
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):  # no container, or one without a limit
        total = min(total, int(_CGROUP.read_text()))
    return total // _MIB
