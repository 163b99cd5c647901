"""`workbench data instruments`: the records in force, and the broker's in their place."""

import json
import os
from pathlib import Path

import click

from workbench.commands.answering import answers, columns, json_option, show
from workbench.commands.data_opening import market_store
from workbench.domain.instrument_records import instrument_to_json, instruments_from_file
from workbench.domain.instruments import Instrument, known_instruments, refresh_instruments
from workbench.errors import BadInputError
from workbench.settings import Settings, load_settings

__all__ = ["data_instruments"]


@click.command("instruments")
@click.option(
    "--refresh",
    type=click.Path(path_type=Path),
    help="JSON file: OANDA's answer to GET /v3/accounts/ID/instruments, or a list as --json prints it.",
)
@json_option
@answers
def data_instruments(refresh: Path | None, as_json: bool) -> None:
    """List the instruments known, or take your broker's records in their place.

    What a record says goes before what is shipped. Decimals of an instrument that has data in the store
    can not change: the prices kept would be read wrong.
    """
    settings = load_settings()
    if refresh is not None:
        _refresh(settings, refresh)
    found = list(known_instruments().values())
    show(
        [instrument_to_json(item) for item in found],
        as_json=as_json,
        text=lambda: columns([_row(item) for item in found], ("instrument", *_HEADS)),
    )


_HEADS = ("point", "pip", "lot", "unit step", "minimum", "margin", "settles")


def _row(item: Instrument) -> tuple[str, ...]:
    return (
        str(item.id),
        format(item.to_price(1), "f"),
        format(item.to_price(item.points_per_pip), "f"),
        f"{item.lot_units:,}",
        str(item.unit_step),
        str(item.minimum_units),
        f"{item.margin_rate_ppm / 10_000:g} %",
        f"T+{item.settlement_days}",
    )


def _refresh(settings: Settings, path: Path) -> None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInputError(f"{path}: expected JSON, found: {error}") from None
    given = {item.id: item for item in instruments_from_file(value)}
    if not given:
        raise BadInputError(f"{path}: expected records of currency pairs or metals, found none")
    known = known_instruments()
    stored = {item.instrument for item in market_store(settings).datasets()}
    for name, item in given.items():
        if name in stored and name in known and known[name].digits != item.digits:
            raise BadInputError(
                f"{name}: the store has data with {known[name].digits} decimals, {path.name} says "
                f"{item.digits}; nothing was changed"
            )
    old = settings.instruments_file
    if old.is_file():
        before = instruments_from_file(json.loads(old.read_text(encoding="utf-8")))
        given = {**{item.id: item for item in before}, **given}
    settings.home.mkdir(parents=True, exist_ok=True)
    part = old.with_suffix(".part")
    text = json.dumps([instrument_to_json(item) for item in given.values()], indent=1)
    part.write_text(text, encoding="utf-8")
    os.replace(part, old)
    refresh_instruments(given.values())
