"""Which ideas are one: a notebook copied, renamed, or given another idea keeps the trials it has behind it.

A mark is a text that a notebook leaves with each idea it counts for: its place, its author and code, the
kernel it runs in. Ideas that share a mark are one line of research, as are ideas joined by a chain of them.
"""

import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from workbench.store.schema import idea_marks

__all__ = ["leave_marks", "marks_of", "one_line"]

_NAMELESS = re.compile(r"untitled[\d ()-]*", re.IGNORECASE)  # every notebook begins so: a place of nobody
_SHORTEST = 200  # characters of code below which two notebooks are alike by chance
_AT_ONCE = 500  # values in one query


def marks_of(*, place: Path | None, code: str, author: str) -> tuple[str, ...]:
    """The marks of a notebook.

    Parameters
    ----------
    place
        Its file, if it has one.
    code
        The sources of its code cells, one after another.
    author
        Who works with it: the same code by somebody else, as from a template, is another line.
    """
    found = []
    if place is not None and not _NAMELESS.fullmatch(place.stem):
        found.append(f"place:{place.absolute()}")
    if len(code) >= _SHORTEST:
        content = hashlib.sha256(f"{author}\n{code}".encode()).hexdigest()
        found.append(f"code:{content}")
    return tuple(found)


def leave_marks(engine: sa.Engine, idea: str, marks: Iterable[str]) -> None:
    """Keep the marks of an idea; those it has already stay."""
    wanted = set(marks)
    if not wanted:
        return
    with engine.connect() as connection:
        query = sa.select(idea_marks.c.mark).where(idea_marks.c.idea == idea)
        known = set(connection.execute(query).scalars())
    for mark in sorted(wanted - known):
        try:
            with engine.begin() as connection:
                connection.execute(
                    sa.insert(idea_marks).values(mark=mark, idea=idea, created_ns=time.time_ns())
                )
        except sa.exc.IntegrityError:
            continue  # another process was faster


def one_line(engine: sa.Engine, idea: str, *, marks: Iterable[str] = ()) -> tuple[str, ...]:
    """All ideas of the line of research that `idea` belongs to, itself first.

    Parameters
    ----------
    marks
        Of the notebook that asks, though nothing was counted with them yet.
    """
    found = {idea: None}
    with engine.connect() as connection:
        shared = _column(connection, idea_marks.c.idea, idea_marks.c.mark, sorted(set(marks)))
        news = sorted({idea, *shared})
        found.update(dict.fromkeys(news))
        while news:
            marks = _column(connection, idea_marks.c.mark, idea_marks.c.idea, news)
            near = _column(connection, idea_marks.c.idea, idea_marks.c.mark, marks)
            news = sorted(set(near) - set(found))
            found.update(dict.fromkeys(news))
    return tuple(found)


def _column(
    connection: sa.Connection, wanted: "sa.Column[object]", by: "sa.Column[object]", values: list[str]
) -> list[str]:
    rows: set[str] = set()
    for start in range(0, len(values), _AT_ONCE):
        query = sa.select(wanted).where(by.in_(values[start : start + _AT_ONCE])).distinct()
        rows.update(str(item) for item in connection.execute(query).scalars())
    return sorted(rows)
