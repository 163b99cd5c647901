"""What the catalogue of the market store knows of a dataset, and what an import reports."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from workbench.domain.calendar import to_datetime
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.market.checks import CheckReport

__all__ = ["TICK", "Dataset", "ImportReport"]

TICK = "tick"  # what stands for a timeframe where a dataset holds ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One version of one instrument's bars or ticks."""

    fingerprint: str
    instrument: str
    timeframe: Timeframe | None  # None: ticks
    source: str
    rows: int
    first_ns: int  # open of the first bar, or the first tick
    last_ns: int  # close of the last bar, or the last tick
    sides: str
    path: str  # below the store's folder; empty for ticks, which have `parts`
    report: CheckReport
    created_ns: int
    kind: str = "bars"
    parent: str = ""  # fingerprint of the version this one was made from
    rule: str = ""  # and how
    source_format: str = ""
    zone: str = ""  # of the times in the source
    parts: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def timeframe_name(self) -> str:
        """As in ``M1``, or ``tick``."""
        return TICK if self.timeframe is None else str(self.timeframe)

    @property
    def first_time(self) -> str:
        """When the first bar opens, for people, UTC."""
        return f"{to_datetime(self.first_ns):%Y-%m-%d %H:%M}"

    @property
    def last_time(self) -> str:
        """When the last bar closes, for people, UTC."""
        return f"{to_datetime(self.last_ns):%Y-%m-%d %H:%M}"

    @property
    def kept(self) -> tuple[Timeframe, ...]:
        """Timeframes of the bars that are kept beside the ticks."""
        return tuple(timeframe_named(name) for name in self.parts.get("bars", {}))

    def to_json(self) -> dict[str, Any]:
        """A plain value; of the parts their number and bytes."""
        value = {
            name: item for name, item in asdict(self).items() if name not in ("parts", "report", "timeframe")
        }
        files = list(self.parts.get("ticks", []))
        return {
            **value,
            "timeframe": self.timeframe_name,
            "report": self.report.to_json(),
            "parts": len(files),
            "bytes": sum(item[-1] for item in files),
            "kept": [str(item) for item in self.kept],
        }

    def describe(self) -> str:
        """One line for a list."""
        made = f"  {self.rule} of {self.parent[:12]}" if self.parent else ""
        return (
            f"{self.fingerprint[:12]}  {self.instrument} {self.timeframe_name}  {self.rows:,} {self.kind}  "
            f"{self.first_time} to {self.last_time} UTC  {self.source}{made}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did."""

    dataset: Dataset
    is_new: bool  # False: the store had this content already, nothing was changed
    notes: tuple[Any, ...] = ()  # what the reader of the files has to say
    zone: Any = None  # how the times' zone was settled

    @property
    def fingerprint(self) -> str:
        """Of the dataset."""
        return self.dataset.fingerprint

    @property
    def check(self) -> CheckReport:
        """What the checks found."""
        return self.dataset.report

    @property
    def text(self) -> str:
        """For a terminal."""
        what = "imported" if self.is_new else "already there, nothing changed"
        lines = [f"{what}: dataset {self.fingerprint[:12]} from {self.dataset.source}"]
        if self.zone is not None:
            lines.append(f"times: {self.zone.text}")
        lines += [f"{item.name}: {item.count:,} {item.detail}" for item in self.notes]
        return "\n".join([*lines, self.check.text])

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {
            "fingerprint": self.fingerprint,
            "is_new": self.is_new,
            "instrument": self.dataset.instrument,
            "timeframe": self.dataset.timeframe_name,
            "kind": self.dataset.kind,
            "source": self.dataset.source,
            "source_format": self.dataset.source_format,
            "sides": self.dataset.sides,
            "rows": self.dataset.rows,
            "parent": self.dataset.parent,
            "rule": self.dataset.rule,
            "zone": None if self.zone is None else self.zone.to_json(),
            "notes": [asdict(item) for item in self.notes],
            "check": self.check.to_json(),
        }

    def _repr_html_(self) -> str:
        what = "Imported" if self.is_new else "Already there, nothing changed"
        head = (
            f"<p>{what}: dataset <code>{self.fingerprint[:12]}</code> from {escape(self.dataset.source)}</p>"
        )
        return head + self.check._repr_html_()
