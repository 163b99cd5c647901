"""Promotion with real kernels: what is reproducible and causal becomes a release, the rest is refused."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.release.conftest import LIMITS
from workbench.release import (
    CausalityError,
    GateProgress,
    GateRefusedError,
    LimitsMissingError,
    NoCandidateError,
    ReproductionError,
    list_releases,
    load_release,
    promote,
)
from workbench.settings import Settings
from workbench.tracking import NoSuchRunError, TrackedRun, executed_notebook, log_artifact, run_tracked

pytestmark = [pytest.mark.notebooks, pytest.mark.usefixtures("market")]

_DEFINE = """\
from workbench.strategy import Param, Rules, Strategy, Units, crosses_above, crosses_below, sma

class Cross(Strategy):
    fast = Param(3, low=2, high=50)

    def rules(self, bar):
        quick, steady = sma(bar.mid.close, self.fast), sma(bar.mid.close, 12)
        return Rules(enter_long=crosses_above(quick, steady), enter_short=crosses_below(quick, steady),
                     size=Units(1_000))
"""
_TEST = """\
from workbench.kernel import backtest, cost_book, deploy, load_bars

bars = load_bars("EUR_USD", "H1")
strategy = Cross(fast=fast)
print(len(bars), "bars")
backtest(strategy, bars, cost_book=cost_book("EUR_USD"))
"""
_DEPLOY = 'deploy(strategy, instruments=["EUR_USD"], timeframe="H1")'

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a notebook: parameters, the given cells, deploy."""
    return partial(_written, tmp_path / "cross.ipynb")


def _written(path: Path, *cells: str, deploy: str = _DEPLOY) -> Path:
    node = new_notebook(
        cells=[
            new_markdown_cell("# An idea"),
            new_code_cell("fast = 3", metadata={"tags": ["parameters"]}),
            *map(new_code_cell, cells),
            new_code_cell(deploy),
        ]
    )
    nbformat.write(node, path)
    return path


def _ran(path: Path, world: Settings, **parameters: object) -> TrackedRun:
    tracked = run_tracked(path, settings=world, parameters=parameters)
    tracked.run.raise_for_status()
    return tracked


@pytest.fixture(scope="module")
def good_run(_world: Settings, market: str) -> tuple[Path, str]:
    """A notebook that can be promoted, and its run."""
    path = _written(_world.project / "good.ipynb", _DEFINE, _TEST)
    return path, _ran(path, _world, fast=4).run_id


def test_a_run_becomes_a_release_and_a_changed_cell_is_refused(
    world: Settings, good_run: tuple[Path, str]
) -> None:
    path, run_id = good_run
    seen: list[GateProgress] = []
    release = promote(run_id, settings=world, author="sarah", limits=LIMITS, progress=seen.append)

    assert load_release(release.id, settings=world) == release
    assert all(item.passed for item in release.evidence)
    ended = [item.name for item in seen if item.state == "passed"]
    assert ended == ["complete", "candidate", "limits", "code", "reproduction", "dry_start", "causality"]
    assert release.parameters == {"fast": 4}
    assert release.spec["params"] == {"fast": 4}
    assert release.instruments == ("EUR_USD",)
    assert release.limits == LIMITS
    assert release.trials == 1  # a reproduction and the rehearsals are no trials
    released = nbformat.read(release.notebook, as_version=4)
    assert [cell.cell_type for cell in released.cells] == ["code"] * 4
    assert not any(cell.outputs for cell in released.cells)
    assert released.cells[0].source == "fast = 3"
    lock = (release.folder / "requirements.lock").read_text().splitlines()
    assert lock == sorted(lock)
    assert any(line.startswith("numpy==") for line in lock)

    original = path.read_text()
    node = nbformat.read(path, as_version=4)
    node.cells[3].source = node.cells[3].source.replace("Cross(fast=fast)", "Cross(fast=fast + 1)")
    nbformat.write(node, path)
    with pytest.raises(
        GateRefusedError, match=r"cell 3 \(from workbench\.kernel .*was changed since the run"
    ) as no:
        promote(run_id, settings=world, author="sarah", limits=LIMITS)
    assert no.value.gate == "complete"
    assert "'strategy = Cross(fast=fast)' ran" in str(no.value)
    path.write_text(original)


def test_what_can_not_be_promoted_is_refused_before_anything_runs(
    world: Settings, good_run: tuple[Path, str]
) -> None:
    _, run_id = good_run
    before = len(list_releases(world))
    with pytest.raises(LimitsMissingError, match="max_daily_loss missing or zero") as no:
        promote(run_id, settings=world, author="sarah", limits={**LIMITS.to_json(), "max_daily_loss": 0})
    assert [item.passed for item in no.value.evidence] == [True, True, False]
    with pytest.raises(LimitsMissingError):
        promote(run_id, settings=world, author="sarah")
    with pytest.raises(NoSuchRunError, match="5f0c"):
        promote("5f0c", settings=world, author="sarah", limits=LIMITS)
    assert len(list_releases(world)) == before


def test_outputs_that_were_altered_after_the_run_are_found_by_running_again(
    world: Settings, write: Write, tmp_path: Path
) -> None:
    tracked = _ran(write(_DEFINE, _TEST, "print('profit', 3)"), world)
    executed = executed_notebook(tracked.run_id, tmp_path)
    node = nbformat.read(executed, as_version=4)
    cell = next(cell for cell in node.cells if cell.source.startswith("print('profit'"))
    cell.outputs = [new_output("stream", name="stdout", text="profit 3000\n")]
    nbformat.write(node, executed)
    log_artifact(tracked.run_id, executed, "notebook")
    with pytest.raises(ReproductionError, match=r"cell 4 \(print\('profit', 3\)\)") as no:
        promote(tracked.run_id, settings=world, author="sarah", limits=LIMITS)
    assert "in the run: 'profit 3000', run again: 'profit 3'" in str(no.value)


def test_a_notebook_that_shows_something_else_each_time_is_refused(world: Settings, write: Write) -> None:
    path = write(_DEFINE, "import secrets\nprint('draw', secrets.token_hex(4))", _TEST)
    with pytest.raises(
        ReproductionError, match=r"cell 3 \(import secrets\): output in the run: 'draw "
    ) as no:
        promote(path, settings=world, author="sarah", limits=LIMITS)
    assert no.value.gate == "reproduction"


def test_a_strategy_that_peeks_at_later_bars_is_refused(world: Settings, write: Write) -> None:
    peeking = """\
from workbench.strategy import Strategy

ALL = None

class Oracle(Strategy):
    \"\"\"Buys before the rises that it has looked up in the whole of the data.\"\"\"

    def on_bar(self, market, account):
        later = ALL.bid_close[ALL.open_ns >= market.time_ns][:3]
        if len(later) == 3 and later[2] > later[0] and account.units <= 0:
            account.buy(1_000)
        elif len(later) == 3 and later[2] < later[0] and account.units >= 0:
            account.sell(1_000)
"""
    test = _TEST.replace("strategy = Cross(fast=fast)", "ALL = bars\nstrategy = Oracle()")
    path = write(peeking, test)
    with pytest.raises(CausalityError, match=r"makes another strategy than Oracle") as no:
        promote(path, settings=world, author="sarah", limits=LIMITS)
    assert [item.name for item in no.value.evidence if item.passed][-2:] == ["reproduction", "dry_start"]


def test_a_strategy_that_seldom_acts_and_peeks_one_bar_ahead_is_refused(
    world: Settings, write: Write
) -> None:
    peeking = """\
from workbench.strategy import Strategy

class Oracle(Strategy):
    \"\"\"Buys before the largest rises of the next hour, which it has looked up.\"\"\"

    def on_bar(self, market, account):
        if account.units:
            account.close()
        elif NEXT.get(market.bar.open_ns, 0) > 38:
            account.buy(1_000)
"""
    rises = (  # where the strategy's spec does not see it
        "import builtins\n"
        "later = (bars.bid_close[1:] - bars.bid_close[:-1]).tolist()\n"
        "builtins.NEXT = dict(zip(bars.open_ns[:-1].tolist(), later))"
    )
    path = write(peeking, _TEST.replace("strategy = Cross(fast=fast)", f"{rises}\nstrategy = Oracle()"))
    with pytest.raises(CausalityError, match=r"decided nothing instead of \+1,000 units"):
        promote(path, settings=world, author="sarah", limits=LIMITS)


def test_a_notebook_that_needs_a_research_cell_to_start_is_refused(world: Settings, write: Write) -> None:
    path = write(_DEFINE, _TEST)
    node = nbformat.read(path, as_version=4)
    node.cells[3].metadata["tags"] = ["research"]  # makes `strategy`
    nbformat.write(node, path)
    with pytest.raises(GateRefusedError, match=r"without its research cells .* NameError") as no:
        promote(path, settings=world, author="sarah", limits=LIMITS)
    assert no.value.gate == "dry_start"


def test_a_run_that_registered_nothing_is_refused(world: Settings, write: Write) -> None:
    path = write(_DEFINE, deploy="if False:\n    deploy(None, instruments=[])")
    tracked = _ran(path, world)
    with pytest.raises(NoCandidateError, match="end the notebook with deploy"):
        promote(tracked.run_id, settings=world, author="sarah", limits=LIMITS)
