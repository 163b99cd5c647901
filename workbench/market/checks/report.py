"""What the checks of one series found: for a person as text and HTML, for a machine as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from workbench.market.checks.picture import calendar_picture

__all__ = ["CheckReport", "Coverage", "Finding"]

_EXAMPLES = 5
_SIGNS = {"ok": "✓", "note": "·", "warning": "!", "error": "✗"}
_COLOURS = {"ok": "#2e8b57", "note": "#7f7f7f", "warning": "#c77700", "error": "#d03a3a"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    severity: str  # "ok"; "note": for you to know; "warning": look at it; "error": do not use it
    count: int
    detail: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of one FX day is there: minutes with a quote, or bars, against those in open hours."""

    session: str  # ISO date
    present: int
    expected: int  # 0: closed all day


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The findings of every check on one series, in a fixed order."""

    subject: str
    rows: int
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found that forbids the use."""
        return all(item.severity != "error" for item in self.findings)

    @property
    def verdict(self) -> str:
        """One line: is it any good?"""
        count = {name: sum(item.severity == name for item in self.findings) for name in _SIGNS}
        warnings = f"{count['warning']} warning{'' if count['warning'] == 1 else 's'}"
        if count["error"]:
            errors = f"{count['error']} error{'' if count['error'] == 1 else 's'}"
            return f"not fit for use: {errors}, {warnings}"
        if count["warning"]:
            return f"usable, but look at {warnings}"
        return "nothing wrong found" if self.findings else "not checked"

    def finding(self, name: str) -> Finding:
        """The finding of the check called `name`.

        Raises
        ------
        KeyError
            There is no such check.
        """
        for item in self.findings:
            if item.name == name:
                return item
        raise KeyError(name)

    def with_later(self, later: "CheckReport", *, subject: str, rows: int) -> "CheckReport":
        """What was found in two parts of a series, checked apart: counts add up, the worse verdict stays."""
        rank = list(_SIGNS)
        found = {item.name: item for item in self.findings}
        for item in later.findings:
            before = found.get(item.name, item)
            if before is item:
                found[item.name] = item
                continue
            worse = max(before, item, key=lambda one: (rank.index(one.severity), one.count))
            examples = (*before.examples, *item.examples)[:_EXAMPLES]
            found[item.name] = replace(worse, count=before.count + item.count, examples=examples)
        days = {item.session: item for item in self.coverage}
        for day in later.coverage:
            had = days.get(day.session, Coverage(session=day.session, present=0, expected=0))
            expected = max(had.expected, day.expected)
            present = min(had.present + day.present, expected)
            days[day.session] = Coverage(session=day.session, present=present, expected=expected)
        coverage = tuple(days[session] for session in sorted(days))
        return CheckReport(subject=subject, rows=rows, findings=tuple(found.values()), coverage=coverage)

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        return {
            "subject": self.subject,
            "rows": self.rows,
            "findings": [{**asdict(item), "examples": list(item.examples)} for item in self.findings],
            "coverage": [[item.session, item.present, item.expected] for item in self.coverage],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CheckReport":
        """The report that `to_json` wrote; older ones had no coverage."""
        findings = tuple(
            Finding(**{**item, "examples": tuple(item["examples"])}) for item in value["findings"]
        )
        coverage = tuple(
            Coverage(session=session, present=present, expected=expected)
            for session, present, expected in value.get("coverage", ())
        )
        return cls(subject=value["subject"], rows=value["rows"], findings=findings, coverage=coverage)

    @property
    def text(self) -> str:
        """For a terminal: a line a check, examples below."""
        lines = [self.subject, f"  {self.verdict}"]
        for item in self.findings:
            lines.append(f"  {item.severity:<8}{item.name:<18}{item.count:>10,}  {item.detail}")
            lines += [f"{'':<38}{example}" for example in item.examples]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr style='border-top:1px solid rgba(128,128,128,.35)'>"
            f"<td style='color:{_COLOURS[item.severity]};text-align:left;white-space:nowrap;"
            f"vertical-align:top;padding:.2em .8em .2em 0'>{_SIGNS[item.severity]} {item.severity}</td>"
            f"<td style='text-align:left;vertical-align:top;white-space:nowrap;padding-right:.8em'>"
            f"{escape(item.name)}</td>"
            f"<td style='text-align:right;vertical-align:top;padding-right:1em'>{item.count:,}</td>"
            f"<td style='text-align:left'>{escape(item.detail)}"
            + "".join(f"<br><small><code>{escape(example)}</code></small>" for example in item.examples)
            + "</td></tr>"
            for item in self.findings
        )
        heads = "".join(
            f"<th style='text-align:{side};padding-right:1em'>{name}</th>"
            for name, side in (("", "left"), ("check", "left"), ("found", "right"), ("what", "left"))
        )
        picture = calendar_picture([(item.session, item.present, item.expected) for item in self.coverage])
        return (
            f"<div style='line-height:1.45'><p><b>{escape(self.subject)}</b><br>{escape(self.verdict)}</p>"
            f"{picture}"
            f"<table style='border-collapse:collapse;background:transparent'><tr>{heads}</tr>{rows}</table>"
            "</div>"
        )

    def to_html(self) -> str:
        """A page of its own, for a browser, light or dark as it is set."""
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            f"<title>{escape(self.subject)}</title><style>:root{{color-scheme:light dark}}"
            "body{font:14px system-ui,sans-serif;margin:2rem;max-width:75rem}"
            "td,th{padding:.25rem .8rem .25rem 0}</style></head>"
            f"<body>{self._repr_html_()}</body></html>"
        )
