"""`workbench data`: import, check and list market data; the other verbs are in the modules beside."""

import sys
from pathlib import Path

import click

from workbench.commands.answering import answers, columns, json_option, show
from workbench.commands.data_instruments import data_instruments
from workbench.commands.data_keeping import data_clean, data_verify
from workbench.commands.data_making import data_download, data_repair
from workbench.commands.data_opening import market_store
from workbench.commands.data_reading import data_export, data_snapshot
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import Costs
from workbench.errors import BadInputError
from workbench.market.costs.files import read_costs
from workbench.settings import load_settings

__all__ = ["data"]


@click.group()
def data() -> None:
    """Import, check, repair, list and export market data."""


for command in (
    data_export,
    data_snapshot,
    data_download,
    data_repair,
    data_instruments,
    data_verify,
    data_clean,
):
    data.add_command(command)


@data.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--instrument", "-i", default="EUR_USD", show_default=True, help="As in GBP_USD.")
@click.option("--timeframe", "-t", help="Of bars, as in H1; found from the stamps when not given.")
@click.option("--format", "fmt", default="auto", show_default=True, help="Insist on a format; see --formats.")
@click.option("--formats", is_flag=True, help="List the formats that are read, and stop.")
@click.option(
    "--timezone",
    help="The clock of the file's times when they do not tell and the file is too short to find out: "
    "an IANA name, or metatrader for servers whose midnight is 17:00 New York.",
)
@click.option("--side", type=click.Choice(["bid", "ask", "mid"]), help="Of a file with one price a bar.")
@click.option("--pair-with", type=click.Path(path_type=Path), help="The file of the other side, ask to bid.")
@click.option(
    "--columns",
    "given_columns",
    help='What the columns of any other table are: "time=Stamp,bid=Bid,ask=3" (a name or a number from 0).',
)
@click.option("--time-format", help="How its times are written: s, ms, us, ns, or as strptime has it.")
@click.option("--cost-book", help="JSON file, or the word retail: makes the other side of one-price files.")
@click.option("--extend", is_flag=True, help="Add to the newest dataset of this instrument and timeframe.")
@click.option("--replace", is_flag=True, help="With --extend: what is new goes before what differs from it.")
@click.option("--sample", is_flag=True, help="Import the sample that is shipped with the workbench.")
@json_option
@answers
def data_import(
    files: tuple[Path, ...],
    instrument: str,
    timeframe: str | None,
    fmt: str,
    formats: bool,
    timezone: str | None,
    side: str | None,
    pair_with: Path | None,
    given_columns: str | None,
    time_format: str | None,
    cost_book: str | None,
    extend: bool,
    replace: bool,
    sample: bool,
    as_json: bool,
) -> None:
    """Import FILES of ticks or bars as one dataset; importing twice changes nothing.

    A folder means all files in it. The format is found out, and the time zone where the file shows it;
    what is doubtful is refused with a reason, and then nothing is imported. Ctrl-C leaves the store as
    it was.

    \b
    workbench data import EURUSD-2024.csv -i EUR_USD
    workbench data import DAT_ASCII_*.csv --side bid --cost-book retail
    workbench data import bid.csv --pair-with ask.csv -i GBP_USD --timezone UTC
    workbench data import mine.csv --columns "time=0,bid=1,ask=2" --time-format ms
    """
    from workbench.market.formats import FORMATS
    from workbench.market.sample.importing import import_sample

    if formats:
        show(list(FORMATS), as_json=as_json, text=lambda: FORMATS)
        return
    settings = load_settings()
    if not files and not sample:
        raise BadInputError("nothing to import: name one or more files, or --sample")
    book = None if cost_book is None else _cost_book(cost_book, instrument)
    store = market_store(settings)
    reports = [import_sample(store)] if sample else []
    if files:
        reports.append(
            store.import_file(
                list(files),
                instrument,
                fmt=fmt,
                timeframe=timeframe,
                timezone=timezone,
                side=side,
                pair_with=pair_with,
                columns=None if given_columns is None else _columns(given_columns),
                time_format=time_format,
                cost_book=book,
                extend=extend,
                replace=replace,
                show_progress=not as_json and sys.stderr.isatty(),
            )
        )
    show([item.to_json() for item in reports], as_json=as_json, text=lambda: (str(item) for item in reports))


def _cost_book(given: str, instrument: str) -> Costs:
    if given == "retail":
        return retail_book(instrument)
    try:
        return read_costs(Path(given))
    except BadInputError as error:
        raise BadInputError(f"--cost-book: {error}; give a JSON file or the word retail") from None


def _columns(given: str) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for item in given.split(","):
        role, separator, name = (part.strip() for part in item.partition("="))
        if not separator or not role or not name or role in found:
            raise BadInputError(f'--columns: expected "time=Stamp,bid=Bid,ask=3", each once, found {item!r}')
        found[role] = int(name) if name.isdecimal() else name
    return found


@data.command("list")
@click.option("--instrument", "-i", help="Only of this instrument.")
@json_option
@answers
def data_list(instrument: str | None, as_json: bool) -> None:
    """List the datasets in the market store, newest first."""
    found = market_store(load_settings()).datasets(instrument)
    names = (
        "instrument",
        "timeframe_name",
        "kind",
        "rows",
        "first_time",
        "last_time",
        "fingerprint",
        "sides",
        "source",
        "parent",
        "rule",
    )
    show(
        [
            {name.removesuffix("_name"): getattr(item, name) for name in names}
            | {"verdict": item.report.verdict}
            for item in found
        ],
        as_json=as_json,
        text=lambda: columns(
            [
                (
                    item.instrument,
                    item.timeframe_name,
                    f"{item.rows:,}",
                    item.first_time,
                    item.last_time,
                    item.fingerprint[:12],
                    f"{item.sides.split(';')[0]} and model" if ";" in item.sides else item.sides,
                    item.report.verdict,
                    f"{item.rule} of {item.parent[:12]}" if item.parent else item.source,
                )
                for item in found
            ],
            (
                "instrument",
                "timeframe",
                "rows",
                "first (UTC)",
                "last (UTC)",
                "fingerprint",
                "sides",
                "checks",
                "from",
            ),
        ),
    )


@data.command("check")
@click.argument("fingerprint")
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as a page, with a picture.")
@click.option("--against", help="Fingerprint of another source's bars: compare hourly closes and the zone.")
@json_option
@answers
def data_check(fingerprint: str, html: Path | None, against: str | None, as_json: bool) -> None:
    """Check a dataset and say what is wrong with it; FINGERPRINT or its first eight digits.

    Exit code 0 also when something is wrong: the report tells (with --json: "ok").
    """
    from workbench.market.checks import CheckReport, check_against

    store = market_store(load_settings())
    report = store.check(fingerprint)
    if against is not None:
        mine, theirs = (store.dataset(item) for item in (fingerprint, against))
        bars, trusted = (
            store.bars(
                item.instrument,
                "H1" if item.kind == "ticks" else item.timeframe_name,
                fingerprint=item.fingerprint,
            )
            for item in (mine, theirs)
        )
        more = check_against(bars, trusted)
        report = CheckReport(
            subject=report.subject,
            rows=report.rows,
            findings=(*report.findings, *more.findings),
            coverage=report.coverage,
        )
    if html is not None:
        html.write_text(report.to_html(), encoding="utf-8")
    show({**report.to_json(), "ok": report.ok}, as_json=as_json, text=lambda: [str(report)])
