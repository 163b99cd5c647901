"""The `workbench` command: parse what was typed, call, print the answer or its JSON.

Whoever may reach the private sockets of this home is its administrator, so the command acts in the role
admin under the name in `WORKBENCH_USER`; approvals name a person with `--as`.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from workbench import __version__
from workbench.errors import BadInputError, WorkbenchError
from workbench.settings import Settings, load_settings

__all__ = ["main"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_ROLE = "admin"


def _answers(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn an error into one sentence and exit code 1; Ctrl-C into 130."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except WorkbenchError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)

    return run


def _json_option(function: Callable[_P, _R]) -> Callable[_P, _R]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")(function)


def _print(value: Any, *, as_json: bool, text: Callable[[], Iterable[str]]) -> None:
    if as_json:
        click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))
        return
    for line in text():
        click.echo(line)


def _columns(rows: list[tuple[str, ...]], headers: tuple[str, ...]) -> list[str]:
    if not rows:
        return ["(none)"]
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [headers, *rows]]


def _parameters(given: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in given:
        name, separator, text = item.partition("=")
        if not separator:
            raise BadInputError(f"expected -p name=value, found {item!r}")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="workbench")
def main() -> None:
    """Research, promote and run forex strategies from notebooks."""


# --- processes ---------------------------------------------------------------------------------------


@main.command()
@click.option("--no-lab", is_flag=True, help="Without JupyterLab: gateway, supervisor, scheduler, Voila, MLflow.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@_answers
def up(no_lab: bool, no_browser: bool) -> None:
    """Start the workbench for one person on one machine; Ctrl-C stops it all."""
    from workbench.up import run_workbench

    run_workbench(load_settings(), lab=not no_lab, browser=not no_browser, tell=click.echo)


@main.command()
@click.option("--speed", default=150.0, show_default=True, help="Replayed bars a second.")
@_answers
def demo(speed: float) -> None:
    """Run the main job, headless, on the shipped real quotes, and say what happened."""
    from workbench.demo import run_demo

    run_demo(load_settings(), speed=speed, tell=click.echo)


# --- data ----------------------------------------------------------------------------------------------


@main.group()
def data() -> None:
    """Import, list and check market data."""


def _market(settings: Settings) -> Any:
    from workbench.market import MarketStore

    return MarketStore(settings.market_dir, settings.store_url)


@data.command("import")
@click.argument("files", nargs=-1, required=False, type=click.Path(path_type=Path))
@click.option("--instrument", "-i", default="EUR_USD", show_default=True)
@click.option("--timeframe", "-t", default=None, help="As in H1; found from the stamps when not given.")
@click.option("--format", "fmt", default="auto", show_default=True)
@click.option("--timezone", default=None, help="Zone of the file's times, when they carry none, as in UTC.")
@click.option("--side", type=click.Choice(["bid", "ask", "mid"]), help="Of a file with one price a bar.")
@click.option(
    "--cost-book",
    default=None,
    help="JSON file, or the word retail: makes the other side of files with one price a bar.",
)
@click.option("--sample", is_flag=True, help="Import the sample that is shipped with the workbench.")
@_json_option
@_answers
def data_import(
    files: tuple[Path, ...],
    instrument: str,
    timeframe: str | None,
    fmt: str,
    timezone: str | None,
    side: str | None,
    cost_book: str | None,
    sample: bool,
    as_json: bool,
) -> None:
    """Import files of quotes into the market store; importing twice changes nothing."""
    from workbench.market.sample import import_sample

    store = _market(load_settings())
    if not files and not sample:
        raise BadInputError("nothing to import: name one or more files, or --sample")
    reports = [import_sample(store)] if sample else []
    book = None if cost_book is None else _cost_book(cost_book, instrument)
    reports += [
        store.import_file(
            path, instrument, fmt=fmt, timeframe=timeframe, timezone=timezone, side=side, cost_book=book
        )
        for path in files
    ]
    _print([report.to_json() for report in reports], as_json=as_json, text=lambda: (str(item) for item in reports))


def _cost_book(given: str, instrument: str) -> Any:
    from workbench.domain.cost_book import CostBook, retail_book

    if given == "retail":
        return retail_book(instrument)
    try:
        return CostBook.from_json(json.loads(Path(given).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"--cost-book {given}: expected a JSON file or the word retail, found: {error}"
        ) from None


@data.command("list")
@_json_option
@_answers
def data_list(as_json: bool) -> None:
    """List the datasets in the market store."""
    found = _market(load_settings()).datasets()
    _print(
        [asdict(item) for item in found],
        as_json=as_json,
        text=lambda: _columns(
            [
                (item.instrument, item.timeframe, f"{item.rows:,}", item.first_time, item.last_time, item.fingerprint[:12], item.sides)
                for item in found
            ],
            ("instrument", "timeframe", "bars", "first", "last", "fingerprint", "sides"),
        ),
    )


@data.command("check")
@click.argument("fingerprint")
@_json_option
@_answers
def data_check(fingerprint: str, as_json: bool) -> None:
    """Check a dataset and say what is wrong with it."""
    report = _market(load_settings()).check(fingerprint)
    _print(report.to_json(), as_json=as_json, text=lambda: [str(report)])
