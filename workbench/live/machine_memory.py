"""How much memory a strategy's process may have on this machine."""

from contextlib import suppress
from pathlib import Path

import psutil

from workbench.domain.allowance import Allowance

__all__ = ["allowed_bytes"]

_MIB = 1 << 20
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def allowed_bytes(allowance: Allowance) -> int:
    """What the allowance names, or half of what the machine has, or its container where that is less."""
    if allowance.memory_mib:
        return allowance.memory_mib * _MIB
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):  # no container, or one without a limit
        total = min(total, int(_CGROUP.read_text()))
    return total // 2
