"""Searches in a notebook: kept in the home, gone on with, counted for the idea, logged as one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import write_notebook_file
from tests.research.strategies_for_tests import Cross
from workbench.errors import BadInputError
from workbench.kernel import (
    Session,
    cost_book,
    current_session,
    explore,
    judge,
    load_bars,
    new_session,
    search,
    trials,
    two_speeds,
    walk_forward,
)
from workbench.market import Bars
from workbench.research.search import Random, SearchResult
from workbench.settings import Settings
from workbench.tracking import client, run_data, settings_environment

SPACE = {"fast": [5, 10, 15], "slow": [40, 60, 80]}


@pytest.fixture
def session(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A research session of a notebook of this test's own."""
    for name, value in settings_environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JPY_SESSION_NAME", str(write_notebook_file(tmp_path / "mine.ipynb")))
    for name in ("WORKBENCH_MODE", "WORKBENCH_RUN_ID", "WORKBENCH_NOTEBOOK", "WORKBENCH_IDEA"):
        monkeypatch.delenv(name, raising=False)
    yield new_session()
    current_session().close()


def run(**options: Any) -> SearchResult:
    """The same search each time."""
    bars = load_bars("EUR_USD", "H1", start="2017-03-01", end="2017-05-01")
    return search(Cross, bars, SPACE, cost_book=cost_book("EUR_USD"), progress=False, **options)


def test_a_search_is_counted_once_logged_as_one_run_and_not_done_twice(session: Session) -> None:
    before = trials()
    found = run()
    assert trials() == before + 9
    found_again = run()
    assert trials() == before + 9
    assert found_again.digest == found.digest
    artifacts = [item.path for item in client().list_artifacts(session.run_id(), "search_01")]
    assert artifacts == ["search_01/trials.parquet"]
    assert run_data(session.run_id())["metrics"]["search.trials"] == 9
    kept = list((session.settings.home / "searches").glob("*/part-*.parquet"))
    assert kept
    assert run(method=Random(trials=4)).digest != found.digest
    assert trials() == before + 13


def test_a_search_that_was_stopped_goes_on_when_it_is_called_again(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.tracking import SqlTrialLedger

    inner, calls = SqlTrialLedger.record, 0

    def record(self: Any, made: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        inner(self, made)

    before = trials()
    with monkeypatch.context() as patch:
        patch.setattr(SqlTrialLedger, "record", record)
        with pytest.raises(KeyboardInterrupt):
            run(folder=tmp_path / "kept", balance=5_000)
    assert "run the cell again" in capsys.readouterr().out
    counted = trials() - before
    assert 0 < counted < 9
    assert len(run(folder=tmp_path / "kept", balance=5_000)) == 9
    assert trials() == before + 9


def test_a_search_is_judged_with_everything_that_was_tried(session: Session) -> None:
    bars = load_bars("EUR_USD", "H1", start="2017-03-01", end="2017-05-01")
    costs = cost_book("EUR_USD")
    found = search(Cross, bars, SPACE, cost_book=costs, progress=False)
    walk_forward(
        Cross, bars, grid=SPACE, train="1M", test="1M", anchored=True, cost_book=costs, progress=False
    )
    verdict = judge(Cross, bars, found.to_sweep(), cost_book=costs, draws=50, blocks=4, progress=False)
    assert verdict.numbers.trials == trials() > 9
    there = {item.path for item in client().list_artifacts(session.run_id())}
    assert {"walk_forward_01", "verdict"} <= there


def test_the_best_is_traded_again_on_the_finest_there_is(session: Session) -> None:
    bars = load_bars("EUR_USD", "H1", start="2017-03-01", end="2017-04-01")
    longer = load_bars("EUR_USD", "H4", start="2017-03-02", end="2017-03-31")
    found = two_speeds(Cross(), longer, cost_book=cost_book("EUR_USD"))
    assert found.equal
    assert found.finest.data["matched_on"] == "H1"
    with pytest.raises(BadInputError, match="shorter than H1"):
        two_speeds(Cross(), bars, cost_book=cost_book("EUR_USD"))
    assert isinstance(found.fast.bars, Bars)


def test_a_click_on_a_trial_opens_its_backtest(session: Session) -> None:
    found = run(method="grid")
    counted = trials()
    for view in ("heatmap", "slices", "parallel"):
        widget = explore(found, view)
        framed, below = widget.children
        picture, said = framed.children
        assert "wb-said" in picture.value  # the page looks for the field by this name
        said.value = '{"trial": 2}'
        shown = "".join(str(item) for item in below.outputs)
        assert f"Trial 2: {found.parameters(2)}" in shown
        assert found.backtest(2).digest[:16] in shown  # as the tear sheet tells it
        for unknown in ('{"trial": 1000000}', '{"trial": "2"}', "[]", "{"):
            said.value = unknown
        assert "".join(str(item) for item in below.outputs) == shown
    assert trials() == counted
    with pytest.raises(BadInputError, match="heatmap, slices, parallel"):
        explore(found, "cube")
