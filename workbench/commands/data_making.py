"""`workbench data download` and `repair`: new data from servers, new versions of data that are there."""

import sys
from pathlib import Path

import click

from workbench.commands.answering import answers, json_option, show
from workbench.commands.data_opening import market_store, moment
from workbench.errors import BadInputError
from workbench.settings import load_settings

__all__ = ["data_download", "data_repair"]


@click.command("download")
@click.argument("source", type=click.Choice(["dukascopy", "oanda"]))
@click.option("--instrument", "-i", required=True, help="As in EUR_USD.")
@click.option("--from", "start", required=True, help="First instant, as 2024-01-31; UTC.")
@click.option("--to", "end", required=True, help="Instant up to which.")
@click.option("--what", help="ticks, or candles as in M1, H1.  [default: ticks of Dukascopy, M1 of OANDA]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where the files go.  [default: downloads in the workbench's home]",
)
@click.option("--base-url", help="Another server, as OANDA's practice one.")
@click.option("--no-import", is_flag=True, help="Fetch the files only.")
@json_option
@answers
def data_download(
    source: str,
    instrument: str,
    start: str,
    end: str,
    what: str | None,
    folder: Path | None,
    base_url: str | None,
    no_import: bool,
    as_json: bool,
) -> None:
    """Fetch history from SOURCE and import it; started again, it fetches only what is missing.

    OANDA's token comes from WORKBENCH_OANDA_TOKEN or the keyring. Ctrl-C leaves whole files only.

    \b
    workbench data download dukascopy -i EUR_USD --from 2024-01-01 --to 2024-02-01
    workbench data download oanda -i XAU_USD --from 2023-01-01 --to 2024-01-01 --what H1
    """
    from tqdm import tqdm

    from workbench.domain.instruments import instrument as instrument_named
    from workbench.market.downloads import download

    settings = load_settings()
    record = instrument_named(instrument)
    first, last = moment(start), moment(end)
    if first is None or last is None or not first < last:
        raise BadInputError(f"expected --from before --to, found {start} and {end}")
    store = market_store(settings)
    kind = what or ("ticks" if source == "dukascopy" else "M1")
    folder = folder or settings.home / "downloads" / source / str(record.id) / kind
    hidden = as_json or not sys.stderr.isatty()
    with tqdm(desc=f"{source} {record.id}", unit="file", disable=hidden, file=sys.stderr) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        fetched = download(source, record, first, last, folder, what=kind, base_url=base_url, progress=told)
    imported = None
    if not no_import and fetched.files:
        imported = store.import_file(list(fetched.files), record, show_progress=not hidden)
    show(
        {
            "download": fetched.to_json(),
            "import": None if imported is None else imported.to_json(),
        },
        as_json=as_json,
        text=lambda: [str(fetched), *([] if imported is None else [str(imported)])],
    )


@click.command("repair")
@click.argument("fingerprint", required=False)
@click.argument("rule", required=False)
@click.option("--rules", is_flag=True, help="List the rules, and stop.")
@json_option
@answers
def data_repair(fingerprint: str | None, rule: str | None, rules: bool, as_json: bool) -> None:
    """Make a new version of a dataset by a named RULE; the old one stays as it is.

    The new version names its parent and the rule, so what a backtest used can always be told.

    \b
    workbench data repair --rules
    workbench data repair 1a2b3c4d drop_crossed
    """
    from workbench.market.repairing import repair
    from workbench.market.repairs import RULES

    if rules:
        show(
            {name: item.what for name, item in RULES.items()},
            as_json=as_json,
            text=lambda: (f"{name:<26}{item.what}" for name, item in RULES.items()),
        )
        return
    if fingerprint is None or rule is None:
        raise BadInputError("expected a fingerprint and a rule; --rules lists the rules")
    store = market_store(load_settings())
    report, taken = repair(store, fingerprint, rule, show_progress=not as_json and sys.stderr.isatty())
    show(
        {**report.to_json(), "taken": taken},
        as_json=as_json,
        text=lambda: [f"{rule} took {taken:,} rows away" if taken else f"{rule} found nothing", str(report)],
    )
