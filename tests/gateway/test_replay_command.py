"""`workbench replay`: a notebook of a past moment, run, with what was so then."""

import json
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from tests.gateway.bench import Room
from tests.gateway.strategies import handy
from workbench.cli import main
from workbench.gateway.past_state import past_state
from workbench.market import Bars
from workbench.settings import load_settings
from workbench.store.schema import deliveries, journal


@pytest.fixture
def traded(tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A home whose gateway has traded."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    settings = load_settings()
    settings.home.mkdir()
    room = Room(url=settings.gateway_store_url, home=settings.home, bars=bars)
    room.open(decide=handy).run(most=60)
    return room


def run(*arguments: str) -> Result:
    """The command, in this process, with what it would print."""
    return CliRunner().invoke(main, ["replay", *arguments])


def test_the_notebook_of_a_moment_is_written_and_shows_it(traded: Room, tmp_path: Path) -> None:
    records = traded.rows(journal)
    record = next(row["seq"] for row in records[len(records) // 2 :] if row["kind"] == "order.working")
    state = past_state(traded.engine, "d-1", record=record)
    path = tmp_path / "moment.ipynb"
    said = run("d-1", "--at", str(record), "--output", str(path), "--json")
    assert said.exit_code == 0, said.output
    value = json.loads(said.output)
    assert (value["record"], value["event_seq"]) == (record, state.event_seq)
    assert value["balance"] == state.balance
    waiting = [item.order.client_order_id for item in state.waiting]
    assert waiting
    assert value["waiting"] == waiting
    node = nbformat.read(path, as_version=4)
    cells = [cell for cell in node.cells if cell.cell_type == "code" and cell.get("outputs")]
    assert len(cells) >= 8
    shown = json.dumps([cell.outputs for cell in cells])
    assert all(name in shown for name in waiting)
    assert f"{state.record:,}" in shown
    assert "max_order_units" in shown
    assert state.exits
    assert "trailing distance" in shown
    assert "DONE" in shown
    assert "image/png" in shown
    assert "Traceback" not in shown


def test_a_time_is_of_the_wall_clock_unless_it_is_said_to_be_of_the_market(
    traded: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.commands.replay._write", lambda path, **values: None)
    handed = traded.rows(deliveries)[20]
    by_market = datetime.fromtimestamp(handed["time_ns"] / 1e9, UTC).isoformat()
    value = json.loads(run("d-1", "--at", by_market, "--market", "--json").output)
    assert value["event_seq"] == handed["event_seq"]
    assert value["market_ns"] == handed["time_ns"]
    assert value["notebook"].endswith(f"notebooks/replays/d-1-{value['record']}.ipynb")
    last = traded.rows(journal)[-1]
    by_clock = datetime.fromtimestamp(last["created_ns"] / 1e9 + 1, UTC).replace(tzinfo=None).isoformat()
    assert json.loads(run("d-1", "--at", by_clock, "--json").output)["record"] == last["seq"]
    assert json.loads(run("d-1", "--json").output)["record"] == last["seq"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["d-1", "--at", "yesterday"], "expected a time like"),
        (["d-1", "--at", "99999999"], "expected the number of a journal record, 1 to"),
        (["d-1", "--at", "2001-01-01"], "before its first record"),
        (["d-1", "--at", "2001-01-01", "--market"], "no event by that time"),
        (["d-2"], "d-2 was not open"),
    ],
)
def test_what_can_not_be_shown_is_said_in_one_sentence(
    traded: Room, arguments: list[str], sentence: str
) -> None:
    said = run(*arguments, "--no-open")
    assert said.exit_code == 1
    assert sentence in said.output
    assert "Traceback" not in said.output
