"""`workbench data`: import, list and check market data."""

import json
from pathlib import Path
from typing import Any

import click

from workbench.commands.answering import answers, columns, json_option, show
from workbench.domain.cost_book import CostBook, retail_book
from workbench.errors import BadInputError
from workbench.settings import Settings, load_settings

__all__ = ["data"]


@click.group()
def data() -> None:
    """Import, list and check market data."""


def _market(settings: Settings) -> Any:
    from workbench.market import MarketStore

    return MarketStore(settings.market_dir, settings.store_url)


@data.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--instrument", "-i", default="EUR_USD", show_default=True)
@click.option("--timeframe", "-t", help="As in H1; found from the stamps when not given.")
@click.option("--format", "fmt", default="auto", show_default=True, help="auto, ohlc, bid+ask or histdata.")
@click.option("--timezone", help="Zone of the file's times when they carry none, as in UTC.")
@click.option("--side", type=click.Choice(["bid", "ask", "mid"]), help="Of a file with one price a bar.")
@click.option("--cost-book", help="JSON file, or the word retail: makes the other side of one-price files.")
@click.option("--sample", is_flag=True, help="Import the sample that is shipped with the workbench.")
@json_option
@answers
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
    from workbench.market.sample.importing import import_sample

    if not files and not sample:
        raise BadInputError("nothing to import: name one or more files, or --sample")
    book = None if cost_book is None else _cost_book(cost_book, instrument)
    store = _market(load_settings())
    reports = [import_sample(store)] if sample else []
    reports += [
        store.import_file(
            path,
            instrument,
            fmt=fmt,
            timeframe=timeframe,
            timezone=timezone,
            side=side,
            cost_book=book,
            show_progress=not as_json,
        )
        for path in files
    ]
    show([item.to_json() for item in reports], as_json=as_json, text=lambda: (str(item) for item in reports))


def _cost_book(given: str, instrument: str) -> CostBook:
    if given == "retail":
        return retail_book(instrument)
    try:
        return CostBook.from_json(json.loads(Path(given).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"--cost-book {given}: expected a JSON file or the word retail, found: {error}"
        ) from None


@data.command("list")
@json_option
@answers
def data_list(as_json: bool) -> None:
    """List the datasets in the market store."""
    found = _market(load_settings()).datasets()
    names = ("instrument", "timeframe", "rows", "first_time", "last_time", "fingerprint", "sides", "source")
    show(
        [{name: getattr(item, name) for name in names} for item in found],
        as_json=as_json,
        text=lambda: columns(
            [
                (
                    item.instrument,
                    str(item.timeframe),
                    f"{item.rows:,}",
                    item.first_time,
                    item.last_time,
                    item.fingerprint[:12],
                    item.sides,
                )
                for item in found
            ],
            ("instrument", "timeframe", "bars", "first (UTC)", "last (UTC)", "fingerprint", "sides"),
        ),
    )


@data.command("check")
@click.argument("fingerprint")
@json_option
@answers
def data_check(fingerprint: str, as_json: bool) -> None:
    """Check a dataset and say what is wrong with it."""
    report = _market(load_settings()).check(fingerprint)
    show(report.to_json(), as_json=as_json, text=lambda: [str(report)])
