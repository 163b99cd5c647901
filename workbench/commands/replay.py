"""Replay: a notebook with a deployment as it was at a past moment."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.commands.answering import answers, json_option, show
from workbench.errors import BadInputError
from workbench.settings import Settings, load_settings

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["replay"]

_CELLS = (
    "# {deployment} at journal record {record:,}\n\n"
    "Everything below is folded from the journal up to that record; each record and each row is checked "
    "against the chain first. Change `record` and run it again to look at another moment.",
    "deployment = {deployment!r}\nrecord = {record}  # of the journal\nhome = {home!r}",
    "import pandas as pd\n\n"
    "from workbench.gateway.past_state import past_state\n"
    "from workbench.gateway.past_tables import (\n"
    "    decision_table, equity_until, exits_table, fills_table, limits_table, orders_table,\n"
    "    positions_table, summary_table, waiting_table,\n"
    ")\n"
    "from workbench.settings import load_settings\n"
    "from workbench.store import read_only\n\n"
    "pd.set_option('display.max_colwidth', None)\n"
    "engine = read_only(load_settings(home=home).gateway_store_url)\n"
    "state = past_state(engine, deployment, record=record)\n"
    "summary_table(state)",
    "## Positions",
    "positions_table(state)  # stops and targets as of the last event",
    "exits_table(state)  # changes of them that were asked for, and what became of each",
    "## Orders that waited",
    "waiting_table(state)",
    "## What the strategy had decided last",
    "decision_table(state)",
    "## Limits in force",
    "limits_table(state)",
    "## Executions and orders before",
    "fills_table(state)",
    "orders_table(state)",
    "equity_until(engine, state).plot(figsize=(9, 3), title='equity until then');",
)


@click.command()
@click.argument("deployment")
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    help="As in 2026-11-21T10:15:30, UTC unless it says otherwise, or the number of a journal record; "
    "default: now.",
)
@click.option("--market", is_flag=True, help="TIME is of the deployment's market, not of the wall clock.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The notebook to write.")
@click.option("--no-open", is_flag=True, help="Write the notebook, open nothing.")
@json_option
@answers
def replay(
    deployment: str, moment: str | None, market: bool, output: Path | None, no_open: bool, as_json: bool
) -> None:
    """Open a notebook with a deployment's state at a past moment: books, orders, limits, decision.

    It is folded from the journal up to that moment; what was changed since is not shown but named.
    """
    from workbench.gateway.past_state import past_state
    from workbench.store import StoreMissingError, read_only

    settings = load_settings()
    try:
        engine = read_only(settings.gateway_store_url)
    except StoreMissingError:
        raise BadInputError(
            f"expected a journal in {settings.home.resolve()}, found none; start the workbench once, "
            "or name another home with WORKBENCH_HOME"
        ) from None
    record = _record(engine, deployment, moment, market=market)
    state = past_state(engine, deployment, record=record)
    path = output or _place(settings, deployment, record)
    _write(path, deployment=deployment, record=state.record, home=str(settings.home.resolve()))
    value = {
        "deployment_id": deployment,
        "record": state.record,
        "written_ns": state.written_ns,
        "market_ns": state.market_ns,
        "event_seq": state.event_seq,
        "state": state.state,
        "balance": state.balance,
        "units": {name: units for name, units in state.units.items() if units},
        "waiting": [item.order.client_order_id for item in state.waiting],
        "notebook": str(path.resolve()),
    }
    show(
        value,
        as_json=as_json,
        text=lambda: [
            f"{deployment} at journal record {state.record:,}, event {state.event_seq:,}: {state.state}, "
            f"{len(state.waiting)} orders waiting",
            f"notebook {path}",
        ],
    )
    if not (no_open or as_json):
        click.launch(_address(settings, path))


def _record(engine: "sa.Engine", deployment: str, moment: str | None, *, market: bool) -> int:
    """The number of the journal's record that TIME means."""
    from workbench.gateway.past_state import record_at, record_at_market_time

    if moment is None:
        at_ns = 2**63 - 1
    elif re.fullmatch(r"\d{1,12}", moment) and not market:
        last = record_at(engine, 2**63 - 1)
        if not 0 < int(moment) <= last:
            raise BadInputError(f"expected the number of a journal record, 1 to {last}, found {moment}")
        return int(moment)
    else:
        at_ns = _parsed(moment)
    return record_at_market_time(engine, deployment, at_ns) if market else record_at(engine, at_ns)


def _parsed(text: str) -> int:
    """A time as nanoseconds UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(
            f"expected a time like 2026-11-21T10:15:30 or the number of a journal record, found {text!r}"
        ) from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _place(settings: Settings, deployment: str, record: int) -> Path:
    """Where JupyterLab shows it: under the project."""
    return settings.project / "notebooks" / "replays" / f"{deployment}-{record}.ipynb"


def _write(path: Path, **values: Any) -> None:
    """Write the notebook and run it, so that it shows the moment before anybody runs it."""
    import nbformat

    from workbench.notebook import run_notebook, write_notebook

    node = nbformat.v4.new_notebook()
    for number, text in enumerate(_CELLS):
        source = text.format(**values) if number < 2 else text
        markdown = source.startswith("#")
        cell = nbformat.v4.new_markdown_cell(source) if markdown else nbformat.v4.new_code_cell(source)
        if number == 1:
            cell.metadata["tags"] = ["parameters"]
        node.cells.append(cell)
    node.metadata["kernelspec"] = {"name": "workbench", "display_name": "Workbench", "language": "python"}
    write_notebook(node, path)
    run_notebook(path, path, env={"WORKBENCH_IDEA": "replay"}, timeout_s=300).raise_for_status()


def _address(settings: Settings, path: Path) -> str:
    """The notebook in the lab of `workbench up`; the file itself where it lies outside."""
    try:
        below = path.resolve().relative_to(settings.project.resolve())
    except ValueError:
        return str(path.resolve())
    return f"http://127.0.0.1:{settings.lab_port}/lab/tree/{below.as_posix()}"
