"""`workbench data verify` and `clean`: the files behind the datasets."""

import click

from workbench.commands.answering import answers, json_option, show
from workbench.commands.data_opening import market_store
from workbench.errors import BadInputError
from workbench.settings import load_settings

__all__ = ["data_clean", "data_verify"]


@click.command("verify")
@click.argument("fingerprints", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every dataset of the store.")
@json_option
@answers
def data_verify(fingerprints: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Read every file of datasets and compare it with its hash; says which file is damaged.

    \b
    workbench data verify 3f2a91c04d17
    workbench data verify --all
    """
    if bool(fingerprints) == every:
        raise BadInputError("expected fingerprints of datasets, or --all; see workbench data list")
    store = market_store(load_settings())
    names = [item.fingerprint for item in store.datasets()] if every else list(fingerprints)
    reports = [store.verify(name) for name in names]
    show(
        [
            {"fingerprint": item.dataset.fingerprint, "files": item.files, "bytes": item.bytes}
            for item in reports
        ],
        as_json=as_json,
        text=lambda: [str(item) for item in reports] or ["no datasets yet"],
    )


@click.command("clean")
@click.option("--older-than", default=24.0, show_default=True, help="Hours; younger files are left alone.")
@json_option
@answers
def data_clean(older_than: float, as_json: bool) -> None:
    """Remove files that no dataset needs, which imports that were cut off left behind."""
    if not older_than >= 0:
        raise BadInputError(f"--older-than: expected 0 or more hours, found {older_than:g}")
    freed = market_store(load_settings()).collect_garbage(older_than_s=older_than * 3_600)
    show({"freed_bytes": freed}, as_json=as_json, text=lambda: [f"{freed:,} bytes freed"])
