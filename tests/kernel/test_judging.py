"""Walk-forward and verdicts in a notebook count every trial of its idea."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.conftest import write_notebook_file
from tests.research.strategies_for_tests import Cross
from workbench.kernel import (
    Session,
    cost_book,
    current_session,
    judge,
    load_bars,
    new_session,
    sweep,
    trials,
    walk_forward,
)
from workbench.settings import Settings
from workbench.tracking import settings_environment


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


def test_a_walk_forward_is_counted_and_the_verdict_counts_what_went_before(session: Session) -> None:
    bars = load_bars("EUR_USD", "H1", start="2017-03-01", end="2017-07-01")
    costs = cost_book("EUR_USD")
    grid = {"fast": [5, 10], "slow": [50, 100]}
    walked = walk_forward(
        Cross, bars, grid=grid, train="1M", test="1M", anchored=True, cost_book=costs, progress=False
    )
    assert trials() >= walked.trials > 0
    swept = sweep(Cross, bars, grid, cost_book=costs, progress=False)
    before = trials()
    verdict = judge(Cross, bars, swept, cost_book=costs, draws=50, blocks=4, progress=False)
    assert verdict.numbers.trials == before == trials()
    assert {"kind": "walk_forward", "digest": walked.digest} in session.results
