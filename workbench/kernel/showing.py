"""What a cell shows: rich output with a digest that promotion compares, and remarks that it does not.

The HTML takes its colours from the page, so it reads well in light and dark themes.
"""

import sys
from html import escape
from typing import Any

from workbench.notebook import DIGEST_MIME, NOTE_MIME

__all__ = ["digest_bundle", "in_notebook", "note", "show", "show_result", "warn"]

_LINE = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;"
    "color:var(--jp-ui-font-color1,inherit);padding:2px 0 2px 8px;border-left:3px solid "
)
_QUIET = "var(--jp-brand-color1,#1976d2)"
_LOUD = "var(--jp-warn-color1,#c98500)"


def in_notebook() -> bool:
    """Whether an IPython shell shows what is displayed."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None


def digest_bundle(kind: str, digest: str) -> dict[str, Any]:
    """The part of an output that promotion compares."""
    return {DIGEST_MIME: {"kind": kind, "digest": digest}}


def show(*values: Any) -> None:
    """Show values, one below the other; results carry their digest."""
    if not in_notebook():
        for value in values:
            sys.stdout.write(f"{value}\n")
        return
    from IPython.display import display

    display(*values)


def show_result(kind: str, digest: str, text: str) -> None:
    """One line about a result, with the digest that stands for it."""
    _publish(
        {
            "text/plain": text,
            "text/html": f'<div style="{_LINE}{_QUIET}">{escape(text)}</div>',
            **digest_bundle(kind, digest),
        }
    )


def note(text: str, *, body: str = "", **fields: Any) -> None:
    """A remark about this run alone, which promotion does not compare; `body` is HTML below it."""
    _publish(
        {
            "text/plain": text,
            "text/html": f'<div style="{_LINE}{_QUIET};opacity:.85">{escape(text)}{body}</div>',
            NOTE_MIME: {"kind": "note", "text": text, **fields},
        }
    )


def warn(text: str, *, metadata: dict[str, Any] | None = None, **fields: Any) -> None:
    """A remark that must not be missed; not compared either."""
    _publish(
        {
            "text/plain": f"Warning: {text}",
            "text/html": f'<div role="alert" style="{_LINE}{_LOUD}"><b>⚠</b> {escape(text)}</div>',
            NOTE_MIME: {"kind": "warning", "text": text, **fields},
        },
        metadata=metadata,
    )


def _publish(data: dict[str, Any], *, metadata: dict[str, Any] | None = None) -> None:
    if not in_notebook():
        sys.stdout.write(f"{data['text/plain']}\n")
        return
    from IPython.display import publish_display_data

    publish_display_data(data, metadata or {})
