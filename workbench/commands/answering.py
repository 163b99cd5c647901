"""How every command answers: a table or JSON, one sentence for an error, a bar for what takes long."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["ROLE", "answers", "cell_progress", "columns", "json_option", "parameters_from", "show"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_DATABASE_FAILURES = frozenset({"OperationalError", "InterfaceError", "DatabaseError"})
ROLE = "admin"  # whoever may reach the private sockets of a home is its administrator


def answers(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn an error into one sentence and exit code 1, Ctrl-C into 130."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except WorkbenchError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except OSError as error:  # a full disk, a folder that is a file or may not be written to
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"error: {where}{error.strerror or error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)
        except Exception as error:
            said = _from_outside(error)
            if said is None:  # a mistake of ours, which its traceback helps to find
                raise
            click.echo(f"error: {said}", err=True)
            sys.exit(1)

    return run


def _from_outside(error: Exception) -> str | None:
    """What a database or a storage that can not be used said; None for any other error."""
    kind = type(error)
    package = kind.__module__.partition(".")[0]
    if package in ("sqlalchemy", sqlite3.__name__) and kind.__name__ in _DATABASE_FAILURES:
        found = " ".join(str(getattr(error, "orig", None) or error).split())
        return (
            f"expected a database that can be opened and written to, found: {found}; check the home "
            "(WORKBENCH_HOME) or WORKBENCH_DATABASE_URL"
        )
    if package in ("botocore", "aiobotocore"):
        return (
            f"expected the storage of WORKBENCH_MARKET_URL to answer, found: {error}; check the URL and the "
            "AWS_ variables"
        )
    return None


def json_option(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")(function)


def show(value: Any, *, as_json: bool, text: Callable[[], Iterable[str]]) -> None:
    """Print a value as JSON, or its lines of text."""
    if as_json:
        click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))
        return
    for line in text():
        click.echo(line)


def columns(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[str]:
    """Rows as aligned text."""
    if not rows:
        return ["(none)"]
    table = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def parameters_from(given: Sequence[str]) -> dict[str, Any]:
    """Parameters given as ``name=value``; a value that is JSON is read as such, other text stays text.

    Raises
    ------
    BadInputError
        An item has no ``=``, or a name is given twice.
    """
    values: dict[str, Any] = {}
    for item in given:
        name, separator, text = item.partition("=")
        if not separator or not name:
            raise BadInputError(f"expected -p name=value, found -p {item!r}")
        if name in values:
            raise BadInputError(f"parameter {name!r} is given twice")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


@contextmanager
def cell_progress(path: Path, *, hidden: bool) -> Iterator[Callable[[Any], None]]:
    """A bar over the cells of a notebook run, on the terminal's error stream."""
    from tqdm import tqdm

    with tqdm(
        desc=path.name, unit="cell", disable=hidden or not sys.stderr.isatty(), file=sys.stderr, leave=False
    ) as bar:

        def told(progress: Any) -> None:
            bar.total = progress.n
            bar.n = progress.i - 1
            bar.set_postfix_str(progress.first_line[:40], refresh=False)
            bar.refresh()

        yield told
