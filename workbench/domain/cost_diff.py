"""What is different between two cost books, as values and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Protocol

from workbench.domain.cost_tables import aligned, shown
from workbench.domain.cost_terms import InstrumentCosts
from workbench.domain.instruments import InstrumentId

__all__ = ["CostChange", "Priced", "changes_between", "changes_table"]


class Priced(Protocol):
    """What is compared of a cost book."""

    @property
    def broker(self) -> str:
        """Whose costs."""

    @property
    def valid_from(self) -> date:
        """The first day they hold."""

    @property
    def costs(self) -> Mapping[InstrumentId, InstrumentCosts]:
        """The costs by instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChange:
    """One field that is different; `instrument` is empty for a field of the book itself."""

    instrument: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        where = f"{self.instrument} {self.field}" if self.instrument else self.field
        return f"{where}: {self.before} -> {self.after}"


def changes_between(before: Priced, after: Priced) -> list[CostChange]:
    """What is different in `after`, in order of instrument and field."""
    found = [
        CostChange(instrument="", field=name, before=str(old), after=str(new))
        for name in ("broker", "valid_from")
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]
    for name in sorted({*before.costs, *after.costs}):
        old, new = before.costs.get(name), after.costs.get(name)
        if old is None or new is None:
            words = ("none", "added") if old is None else ("had costs", "removed")
            found.append(CostChange(instrument=name, field="costs", before=words[0], after=words[1]))
            continue
        found += [
            _change(name, item.name, old, new)
            for item in fields(InstrumentCosts)
            if getattr(old, item.name) != getattr(new, item.name)
        ]
    return found


def changes_table(changes: list[CostChange]) -> list[str]:
    """The changes as aligned text."""
    if not changes:
        return ["no difference"]
    rows = [(item.instrument or "(book)", item.field, item.before, item.after) for item in changes]
    return aligned(rows, ("instrument", "cost", "before", "after"))


def _change(name: str, field: str, old: InstrumentCosts, new: InstrumentCosts) -> CostChange:
    before, after = shown(old, field), shown(new, field)
    if field == "spread_points":
        hours = sum(a != b for a, b in zip(old.spread_points, new.spread_points, strict=True))
        after += f" ({hours} of {len(new.spread_points)} hours changed)"
    return CostChange(instrument=name, field=field, before=before, after=after)
