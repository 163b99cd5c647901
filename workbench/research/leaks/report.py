"""What a leak check found, in plain sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from workbench.domain.calendar import to_datetime
from workbench.research import html

__all__ = ["Leak", "LeakReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A value about the past that changed when the future was cut off."""

    cell: int  # counted from 1 over the code cells
    first_line: str  # of the cell
    variable: str
    cut_ns: int  # where the future was cut off
    at_ns: int  # the first moment whose value changed
    cuts: int  # at how many cut points it changed

    @property
    def sentence(self) -> str:
        """Cell, variable, moments."""
        return (
            f"Cell {self.cell} ({self.first_line}): {self.variable} at {_utc(self.at_ns)} is another when "
            f"the data end at {_utc(self.cut_ns)}, so it knows what came after; {self.cuts} cuts show it."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakReport:
    """The leaks of a notebook, those of the first cell first."""

    notebook: str
    leaks: tuple[Leak, ...]  # a variable once, in the first cell it leaks in
    cuts: tuple[int, ...]  # nanoseconds UTC
    compared: int  # variables that were compared
    unsteady: tuple[str, ...]  # variables that differ between two runs on the same data: no seed
    failed: Mapping[int, str]  # cut points at which the notebook did not run to its end, and why

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing leaked."""
        return not self.leaks and self.compared > 0 and len(self.failed) < len(self.cuts)

    @property
    def cell(self) -> int | None:
        """The first cell that looks ahead."""
        return self.leaks[0].cell if self.leaks else None

    @property
    def sentence(self) -> str:
        """The finding."""
        done = len(self.cuts) - len(self.failed)
        if self.leaks:
            first = self.leaks[0]
            cells = sorted({item.cell for item in self.leaks})
            more = f" Cells that use it, or leak too: {', '.join(map(str, cells[1:]))}." if cells[1:] else ""
            return f"{self.notebook} looks ahead, first in cell {first.cell}. {first.sentence}{more}"
        if not self.compared:
            return (
                f"{self.notebook}: nothing could be compared; the check sees frames and series indexed by "
                "time, arrays as long as the bars that were loaded, and named backtests, sweeps, searches"
            )
        if not done:
            return f"{self.notebook}: did not run on shortened data at any of {len(self.cuts)} cut points"
        return (
            f"{self.notebook}: no look-ahead found; {self.compared} variables stayed the same at {done} cuts"
        )

    def to_json(self) -> dict[str, Any]:
        """As a plain value."""
        return {
            "notebook": self.notebook,
            "passed": self.passed,
            "sentence": self.sentence,
            "leaks": [
                {
                    "cell": item.cell,
                    "first_line": item.first_line,
                    "variable": item.variable,
                    "cut_ns": item.cut_ns,
                    "at_ns": item.at_ns,
                    "cuts": item.cuts,
                }
                for item in self.leaks
            ],
            "cuts": list(self.cuts),
            "compared": self.compared,
            "unsteady": list(self.unsteady),
            "failed": {str(cut): why for cut, why in self.failed.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LeakReport":
        """Back from the plain value."""
        return cls(
            notebook=value["notebook"],
            leaks=tuple(Leak(**item) for item in value["leaks"]),
            cuts=tuple(value["cuts"]),
            compared=value["compared"],
            unsteady=tuple(value["unsteady"]),
            failed={int(cut): why for cut, why in value["failed"].items()},
        )

    @property
    def notes(self) -> Sequence[str]:
        """What else a reader should know."""
        found = []
        if self.unsteady:
            found.append(
                f"Not judged, as they differ between two runs on the same data: {', '.join(self.unsteady)}; "
                "give their generator a seed."
            )
        for cut, why in list(self.failed.items())[:3]:
            found.append(f"With data until {_utc(cut)} the notebook did not run to its end: {why}")
        return found

    def _repr_html_(self) -> str:
        rows = [
            (
                str(item.cell),
                item.first_line,
                item.variable,
                _utc(item.at_ns),
                _utc(item.cut_ns),
                str(item.cuts),
            )
            for item in self.leaks
        ]
        heads = ("cell", "its first line", "variable", "changed at", "data cut at", "cuts")
        table = html.table(heads, rows, words=(1,)) if rows else ""
        notes = "".join(f'<p class="wb-quiet">{escape(note)}</p>' for note in self.notes)
        return html.page(f'<p class="wb-note">{escape(self.sentence)}</p>{table}{notes}')

    def __repr__(self) -> str:
        return f"<{self.sentence}>"


def _utc(at_ns: int) -> str:
    return f"{to_datetime(at_ns):%Y-%m-%d %H:%M} UTC"
