"""A release as a card that a person reads before approving it."""

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.release.evidence import Evidence
    from workbench.release.releases import Release

__all__ = ["evidence_rows", "release_card"]


def release_card(release: "Release") -> str:
    """The card as HTML; every text in it is escaped."""
    made = datetime.fromtimestamp(release.created_ns / 1e9, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = [
        ("Release", release.id[:16]),
        ("Strategy", f"{release.spec.get('class', '')} {_pairs(release.spec.get('params', {}))}"),
        ("Trades", f"{', '.join(release.instruments)} on {release.timeframe} bars"),
        ("Author", f"{release.author}, {made}"),
        ("Parameters", _pairs(release.parameters) or "the notebook's own"),
        ("Data", ", ".join(f"{name} {found[:12]}" for name, found in release.manifest["data"].items())),
        (
            "Variants tried",
            f"{release.trials:,} of this idea so far; the best of many looks better than it is",
        ),
        ("Limits", _pairs(release.limits.to_json())),
        ("Its strategy may take", str(release.allowance)),
    ]
    table = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return (
        f"<div class='workbench-release'><h4>{escape(release.name)}</h4><table>{table}</table>"
        f"<table>{evidence_rows(release.evidence)}</table></div>"
    )


def evidence_rows(evidence: "tuple[Evidence, ...]") -> str:
    """What the gates found, a table row each."""
    return "".join(
        f"<tr><td>{'✓' if item.passed else '✗'} {'passed' if item.passed else 'refused'}</td>"
        f"<td style='text-align:left'>{escape(item.title)}</td>"
        f"<td style='text-align:left'>{escape(item.summary)}</td></tr>"
        for item in evidence
    )


def _pairs(values: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) if isinstance(values, dict) else ""
