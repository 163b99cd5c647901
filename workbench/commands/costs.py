"""`workbench costs`: show, measure, edit, compare and write out cost books."""

from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import click

from workbench.commands.answering import answers, columns, json_option, parameters_from, show
from workbench.domain.cost_book import CostBook, retail_book
from workbench.domain.cost_editing import edited_book
from workbench.domain.cost_history import CostHistory
from workbench.domain.cost_tables import spread_rows
from workbench.domain.instruments import instrument as record_of
from workbench.errors import BadInputError
from workbench.market.costs.files import read_costs, write_costs
from workbench.settings import Settings, load_settings

__all__ = ["costs"]

_SESSION = click.option("--at", "session", help="The FX day whose costs are meant, as in 2026-03-02.")


@click.group()
def costs() -> None:
    """Show, measure, edit and compare cost books: the one place costs come from.

    A BOOK is a JSON file, the name of one in the home's cost_books, or "retail" for plausible costs of the
    instruments given.
    """


@costs.command("show")
@click.argument("book")
@click.option("--instrument", "-i", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--hours", is_flag=True, help="With the spread of every hour of the week.")
@_SESSION
@json_option
@answers
def costs_show(book: str, names: tuple[str, ...], hours: bool, session: str | None, as_json: bool) -> None:
    """Show the costs of a book."""
    found = _read(book, names, load_settings())
    books = [_one(found, session)] if session or isinstance(found, CostBook) else list(found)
    shown = [_only(item, names) for item in books]
    show(
        {"version": found.version, **found.to_json()}
        if not names and not session
        else [{"version": item.version, **item.to_json()} for item in shown],
        as_json=as_json,
        text=lambda: (line for item in shown for line in _lines(item, hours=hours)),
    )


@costs.command("estimate")
@click.argument("instrument")
@click.option("--timeframe", "-t", default="tick", show_default=True, help="tick, or H1 at most.")
@click.option("--fingerprint", help="Of the dataset; the newest one when not given.")
@click.option("--statistic", default="mean", show_default=True, help="mean, median or a quantile as in q90.")
@click.option("--weight", type=click.Choice(["quotes", "time"]), default="quotes", show_default=True)
@click.option("--minimum", default=30, show_default=True, help="Quotes an hour needs.")
@click.option("--fill", type=click.Choice(["refuse", "same hour"]), default="refuse", show_default=True)
@click.option("--into", help="Book that gets these spreads.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the book with these spreads is written.")
@json_option
@answers
def costs_estimate(
    instrument: str,
    timeframe: str,
    fingerprint: str | None,
    statistic: str,
    weight: str,
    minimum: int,
    fill: str,
    into: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the spread of each hour of the week on quotes of the market store."""
    from workbench.market import MarketStore
    from workbench.market.costs.estimation import estimate_spreads

    settings = load_settings()
    if (into is None) != (out is None):
        raise BadInputError("--into and --out belong together: the book to start from, and the file to write")
    book = None if into is None else _one(_read(into, (instrument,), settings), None)
    market = MarketStore(settings.market_root, settings.store_url)
    quotes: Any
    if timeframe == "tick":
        quotes = market.tick_batches(instrument, fingerprint=fingerprint)
    else:
        quotes = market.bars(instrument, timeframe, fingerprint=fingerprint)
    table = estimate_spreads(quotes, statistic=statistic, weight=weight, minimum=minimum, fill=fill)
    written = None if book is None or out is None else write_costs(table.into(book), out)
    rows = [
        (
            row["new_york"],
            str(row["points"]),
            f"{row['quotes']:,}",
            str(row["q50"]),
            str(row["q99"]),
            row["filled"],
        )
        for row in table.rows()
    ]
    show(
        {**table.to_json(), "written": None if written is None else str(written)},
        as_json=as_json,
        text=lambda: [
            *columns(rows, ("New York", "points", "quotes", "median", "q99", "filled in")),
            *table.describe(),
            *([f"written to {written}"] if written else []),
        ],
    )


@costs.command("edit")
@click.argument("book")
@click.argument("instrument")
@click.argument("changes", nargs=-1, metavar="[COST=VALUE]...")
@click.option("--add", is_flag=True, help="Add the instrument, with retail costs to start from.")
@click.option("--remove", is_flag=True, help="Take the instrument out.")
@click.option("--valid-from", help="Date of the new book; by default that of the old.")
@click.option("--note", default="", help="Why; by default what was changed.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File of the new book.")
@json_option
@answers
def costs_edit(
    book: str,
    instrument: str,
    changes: tuple[str, ...],
    add: bool,
    remove: bool,
    valid_from: str | None,
    note: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write a book with other costs of an instrument, as in commission_ppm=35; the old one stays.

    With --valid-from and a history, the new book joins it.
    """
    found = _read(book, (instrument,), load_settings())
    begins = None if valid_from is None else _date(valid_from)
    old = found.at(begins) if isinstance(found, CostHistory) and begins else _one(found, None)
    new = edited_book(
        old, instrument, parameters_from(changes), add=add, remove=remove, valid_from=begins, note=note
    )
    kept = found.with_book(new) if isinstance(found, CostHistory) else new
    write_costs(kept, out)
    show(
        {"file": str(out), "version": new.version, "parent": new.parent, "note": new.note},
        as_json=as_json,
        text=lambda: [old.diff_text(new), f"written to {out}, version {new.version[:12]}"],
    )


@costs.command("diff")
@click.argument("before")
@click.argument("after")
@_SESSION
@json_option
@answers
def costs_diff(before: str, after: str, session: str | None, as_json: bool) -> None:
    """Say what is different between two books; `retail` is that of the other book's instruments."""
    settings = load_settings()
    old, new = _pair(before, after, session, settings)
    show(
        [{item.name: getattr(found, item.name) for item in fields(found)} for found in old.diff(new)],
        as_json=as_json,
        text=lambda: [old.diff_text(new)],
    )


@costs.command("export")
@click.argument("book")
@click.option("--instrument", "-i", "names", multiple=True, help="Instruments of a retail book.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@answers
def costs_export(book: str, names: tuple[str, ...], out: Path) -> None:
    """Write a book to a file that a person can edit."""
    found = _read(book, names, load_settings())
    click.echo(f"written to {write_costs(found, out)}, version {found.version[:12]}")


def _lines(book: CostBook, *, hours: bool) -> list[str]:
    lines = str(book).splitlines()
    if hours:
        head = ("from 17:00", *(f"{(hour + 17) % 24:02}" for hour in range(24)))
        for name, item in sorted(book.costs.items()):
            lines += ["", f"{name}: spread in points by hour, New York", *columns(spread_rows(item), head)]
    return lines


def _read(given: str, names: tuple[str, ...], settings: Settings) -> CostBook | CostHistory:
    if given == "retail":
        if not names:
            raise BadInputError("a retail book needs instruments, as in --instrument EUR_USD")
        return retail_book(*names)
    path = Path(given)
    if not path.exists() and path.parent == Path():
        path = settings.home / "cost_books" / path.name
    return read_costs(path)


def _one(found: CostBook | CostHistory, session: str | None) -> CostBook:
    if session is not None:
        return CostHistory([found] if isinstance(found, CostBook) else found).at(_date(session))
    return found if isinstance(found, CostBook) else found[-1]


def _pair(before: str, after: str, session: str | None, settings: Settings) -> tuple[CostBook, CostBook]:
    """Two books to compare; one of them may be `retail`."""
    found = [
        None if item == "retail" else _one(_read(item, (), settings), session) for item in (before, after)
    ]
    named = next((item for item in found if item is not None), None)
    if named is None:
        raise BadInputError("expected at least one book from a file, found retail twice")
    old, new = (retail_book(*named.costs) if item is None else item for item in found)
    return old, new


def _only(book: CostBook, names: tuple[str, ...]) -> CostBook:
    if not names:
        return book
    kept = {record_of(name).id: book.of(name) for name in names}
    return CostBook(broker=book.broker, valid_from=book.valid_from, costs=kept, note=book.note)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"expected a date such as 2026-03-02, found {text!r}") from None
