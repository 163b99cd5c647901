"""The order path against a broker that fails: seeds, faults, and what held."""

import json
import sys
from collections import Counter
from typing import Any

import click

from workbench.commands.answering import answers, columns, json_option
from workbench.errors import BadInputError, WorkbenchError

__all__ = ["simulate"]

_SHOWN = 20  # failures that are told of while it runs


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many runs.")
@click.option("--first-seed", default=0, show_default=True, help="The first run's number.")
@click.option("--faults", default="", help="As in F01,F17: these in every run. Otherwise each draws 1 to 6.")
@click.option("--workers", type=click.IntRange(1), help="Processes; default: one for each processor.")
@click.option(
    "--least-hits",
    default=0,
    show_default=True,
    help="Fail when a fault was met less often than this.",
)
@click.option("--list", "listed", is_flag=True, help="Show the catalogue of faults and end.")
@json_option
@answers
def simulate(
    seeds: int,
    first_seed: int,
    faults: str,
    workers: int | None,
    least_hits: int,
    listed: bool,
    as_json: bool,
) -> None:
    """Run the order path against a simulated broker, network, disk and clock that fail.

    Gateway, journal, controls and reconciliation are the real ones. After each run invariants are checked:
    no order lost, sent twice or made up, no execution dropped or booked twice, books that balance. A failing
    run is shown with the command that repeats it; the exit code is then 1. It is 1 too when a fault was met
    less often than `--least-hits` asks for: runs that meet no trouble prove nothing.
    """
    from workbench.gateway.simulation.faults import CATALOGUE
    from workbench.gateway.simulation.runner import checked_faults
    from workbench.gateway.simulation.runner import simulate as run

    if listed:
        _show_catalogue(as_json)
        return
    if seeds < 1 or first_seed < 0:
        raise BadInputError(
            f"expected 1 or more seeds from 0 on, found {seeds} from {first_seed}; see --help"
        )
    names = checked_faults(faults.split(","))
    hits: Counter[str] = Counter(dict.fromkeys(names or CATALOGUE, 0))
    totals: Counter[str] = Counter()
    failed: list[dict[str, Any]] = []
    found = run(range(first_seed, first_seed + seeds), faults=names, workers=workers)
    hidden = as_json or not sys.stderr.isatty()
    with click.progressbar(found, length=seeds, label="runs", file=sys.stderr, hidden=hidden) as bar:
        for item in bar:
            hits.update(item.hits)
            totals.update(runs=1, orders=item.orders, executions=item.fills, restarts=item.restarts)
            if (failure := item.failure) is not None:
                failed.append(
                    {
                        "seed": failure.seed,
                        "faults": list(failure.faults),
                        "violations": list(failure.violations),
                        "command": failure.command,
                    }
                )
                if len(failed) <= _SHOWN:  # at once: the others may take an hour
                    click.echo(f"seed {failure.seed}: {failure.violations[0]}\n  {failure.command}", err=True)
    failed.sort(key=lambda item: int(item["seed"]))
    rare = [name for name in sorted(names or CATALOGUE) if hits[name] < least_hits]
    value = {
        **totals,
        "hits": dict(sorted(hits.items())),
        "failed": failed,
        "rare": rare,
        "ok": not failed and not rare,
    }
    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        _show(value)
    if failed:
        raise WorkbenchError(f"{len(failed)} of {seeds} runs broke an invariant; repeat one with its command")
    if rare:
        found_hits = ", ".join(f"{name} {hits[name]:,} times" for name in rare)
        raise WorkbenchError(
            f"expected each fault to be met {least_hits:,} times at least, found {found_hits}; run more seeds"
        )


def _show(value: dict[str, Any]) -> None:
    from workbench.gateway.simulation.faults import CATALOGUE

    rows = [(name, CATALOGUE[name].title, f"{count:,}") for name, count in value["hits"].items()]
    for line in columns(rows, ("fault", "", "met")):
        click.echo(line)
    click.echo(
        f"{value['runs']:,} runs: {value['orders']:,} orders, {value['executions']:,} executions, "
        f"{value['restarts']:,} restarts of the gateway"
    )
    if not value["failed"]:
        click.echo("every invariant held: 0 orders lost, 0 sent twice, 0 made up")


def _show_catalogue(as_json: bool) -> None:
    from workbench.gateway.simulation.faults import CATALOGUE

    if as_json:
        found = [{"id": item.id, "title": item.title, "also": item.also} for item in CATALOGUE.values()]
        click.echo(json.dumps(found, indent=2))
        return
    rows = [(item.id, item.title, item.also) for item in CATALOGUE.values()]
    for line in columns(rows, ("fault", "", "also met without a model")):
        click.echo(line)
