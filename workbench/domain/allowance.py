"""What a strategy may take while it trades: time for one decision, and memory."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.errors import BadInputError

__all__ = ["DECISION_S", "Allowance"]

DECISION_S = 10.0
_SHORTEST_S, _LONGEST_S = 0.01, 600.0
_LEAST_MIB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Part of a release: beyond it the process that its strategy decides in is ended.

    Raises
    ------
    BadInputError
        A time or a memory in which no strategy decides, or without an end.
    """

    decision_s: float = DECISION_S  # the longest that one event may be decided for; a minute for the first
    memory_mib: int = 0  # of that process, the notebook's own data with it; 0 for half of the machine's

    def __post_init__(self) -> None:
        seconds, mib = self.decision_s, self.memory_mib
        if not (math.isfinite(seconds) and _SHORTEST_S <= seconds <= _LONGEST_S):
            raise BadInputError(
                f"decision_s: expected {_SHORTEST_S:g} to {_LONGEST_S:g} seconds for one decision, "
                f"found {seconds:g}"
            )
        if mib and mib < _LEAST_MIB:
            raise BadInputError(
                f"memory_mib: expected {_LEAST_MIB} MiB or more, or 0 for half of the machine's memory, "
                f"found {mib}"
            )

    def __str__(self) -> str:
        memory = f"{self.memory_mib:,} MiB" if self.memory_mib else "half of the machine's memory"
        return f"{self.decision_s:g} s a decision, {memory}"

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Allowance":
        """The allowance that `to_json` wrote; that of releases made before there was one when empty."""
        return cls(
            decision_s=float(value.get("decision_s", DECISION_S)), memory_mib=int(value.get("memory_mib", 0))
        )
