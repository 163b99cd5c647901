"""Pieces of the pages' HTML; every text goes through `text`, so nothing from a store is ever markup."""

import html
from collections.abc import Sequence
from importlib.resources import files

import ipywidgets as widgets

__all__ = ["STYLE", "badge", "definitions", "put", "table", "text"]

STYLE = f"<style>{files('workbench.dashboards').joinpath('monitor.css').read_text()}</style>"


def text(value: object) -> str:
    """A value to be read, not interpreted."""
    return html.escape(str(value))


def badge(word: str, *, kind: str) -> str:
    """A word in a box; `kind` (good, warn, bad) colours the box, the word says the same."""
    return f'<span class="wb-badge wb-{kind}">{text(word.upper())}</span>'


def definitions(values: Sequence[tuple[str, str]]) -> str:
    """Names with their values."""
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in values)
    return f'<dl class="wb-figures">{cells}</dl>'


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> str:
    """A titled table, or a sentence when it has no rows; on a narrow screen a row is a block."""
    heading = f"<h3>{text(title)}</h3>"
    if not rows:
        return f"{heading}<p>{text(empty)}</p>"
    head = "".join(f'<th scope="col" role="columnheader">{text(name)}</th>' for name in headers)
    body = "".join(
        '<tr role="row">'
        + "".join(
            f'<td role="cell" data-name="{text(name)}">{text(cell)}</td>'
            for name, cell in zip(headers, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (  # the roles stay what they are when the style sheet makes blocks of the rows
        f'{heading}<table role="table" aria-label="{text(title)}">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def put(widget: widgets.HTML, value: str, *, again: bool = False) -> None:
    """Show a value; one that is shown already is sent only `again`, for a page that missed it."""
    if widget.value != value:
        widget.value = value
    elif again:
        widget.send_state("value")
