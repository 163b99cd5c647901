"""`workbench data export` and `snapshot`: what is in the store, as files and by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.commands.answering import answers, json_option, show
from workbench.commands.data_opening import market_store, moment
from workbench.settings import load_settings

if TYPE_CHECKING:
    from workbench.market import Dataset

__all__ = ["data_export", "data_snapshot"]


@click.command("export")
@click.argument("instrument")
@click.argument("timeframe")
@click.option("--from", "start", help="First instant, as 2024-01-31 or 2024-01-31T17:00:00Z; UTC.")
@click.option("--to", "end", help="Instant up to which, itself not included.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Ends with .csv, .csv.gz or .parquet.",
)
@click.option("--fingerprint", "-f", help="Of the dataset; the newest when not given.")
@json_option
@answers
def data_export(
    instrument: str,
    timeframe: str,
    start: str | None,
    end: str | None,
    out: Path,
    fingerprint: str | None,
    as_json: bool,
) -> None:
    """Write bars (TIMEFRAME M1, H1, D1 …) or ticks (tick) to a file that can be imported again.

    Where one side of bars is a model's, only .parquet says so.

    \b
    workbench data export EUR_USD H1 --from 2024-01-01 --to 2024-07-01 --out eurusd-h1.parquet
    """
    store = market_store(load_settings())
    path = store.export(instrument, timeframe, moment(start), moment(end), out, fingerprint=fingerprint)
    size = path.stat().st_size
    show(
        {"path": str(path), "bytes": size},
        as_json=as_json,
        text=lambda: [f"{path}: {size:,} bytes"],
    )


@click.command("snapshot")
@click.argument("instrument")
@click.argument("timeframe")
@click.option(
    "--version", help="Fingerprint (or its first eight digits), 1 for the first, -1 for the newest."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write it too: .csv, .csv.gz or .parquet.")
@json_option
@answers
def data_snapshot(
    instrument: str, timeframe: str, version: str | None, out: Path | None, as_json: bool
) -> None:
    """Read one version whole, compare it with its hash, and name it for ever.

    The fingerprint that is printed gives the same rows again at any time: keep it with what you made
    of them.
    """
    store = market_store(load_settings())
    number = version is not None and version.lstrip("-").isdecimal() and len(version) < 8
    chosen = int(version) if number and version is not None else version
    found = store.snapshot(instrument, timeframe, version=chosen)
    fingerprint = getattr(found, "fingerprint", "") or (
        store.dataset(chosen).fingerprint
        if isinstance(chosen, str)
        else _numbered(store.datasets(instrument, timeframe), chosen)
    )
    value = {
        "instrument": instrument,
        "timeframe": timeframe,
        "fingerprint": fingerprint,
        "content": found.content_digest(),
        "rows": len(found),
    }
    if out is not None:
        value["path"] = str(store.export(instrument, timeframe, None, None, out, fingerprint=fingerprint))
    show(
        value,
        as_json=as_json,
        text=lambda: [
            f"{name:<12}{item:,}" if name == "rows" else f"{name:<12}{item}" for name, item in value.items()
        ],
    )


def _numbered(datasets: "Sequence[Dataset]", number: int | None) -> str:
    """The fingerprint of a version by its number, datasets being newest first."""
    oldest_first = datasets[::-1]
    chosen = oldest_first[-1 if number is None else number - 1 if number > 0 else number]
    return chosen.fingerprint
