"""What a gate found: kept in the release, shown to whoever approves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["GATES", "Evidence", "GateProgress"]

GATES: Mapping[str, str] = {  # in the order they are passed, with the words people see
    "complete": "Notebook complete",
    "candidate": "Candidate registered",
    "limits": "Limits set",
    "code": "Code version noted",
    "reproduction": "Reproduced in a clean kernel",
    "dry_start": "Live start rehearsed",
    "causality": "Looks at no future bar",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One gate's finding."""

    name: str  # of GATES
    passed: bool
    summary: str  # one sentence
    figures: Mapping[str, Any] = field(default_factory=dict)  # plain JSON values

    @property
    def title(self) -> str:
        """The gate in words."""
        return GATES.get(self.name, self.name)

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return {
            "name": self.name,
            "passed": self.passed,
            "summary": self.summary,
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Evidence":
        """The evidence that `to_json` wrote."""
        return cls(
            name=value["name"], passed=value["passed"], summary=value["summary"], figures=value["figures"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateProgress:
    """A promotion came to a gate, goes on within it, or is through it."""

    name: str
    state: str  # running | passed | refused
    detail: str = ""
    done: int = 0  # of a rehearsal's events
    of: int = 0  # how many they are; 0 for what is not counted

    @property
    def title(self) -> str:
        """The gate in words."""
        return GATES.get(self.name, self.name)
