"""The whole way of a notebook: run, log, count, register; then reproduced, rehearsed and live."""

import json
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.kernel.conftest import write_notebook_file
from workbench.notebook import CellResult, NotebookRun, cell_results, run_notebook
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import candidates
from workbench.tracking import (
    TAG_CANDIDATE,
    TAG_CODE,
    TAG_DATA,
    TAG_IDEA,
    TAG_NOTEBOOK,
    TAG_NOTEBOOK_SHA256,
    TrackedRun,
    client,
    count_trials,
    run_data,
    settings_environment,
    trials_frame,
)

pytestmark = pytest.mark.notebooks


def _candidate(home: Settings, run_id: str) -> dict[str, object]:
    with open_store(home.store_url).connect() as connection:
        row = connection.execute(sa.select(candidates).where(candidates.c.run_id == run_id)).one()
    return dict(row.spec)


def _in_mode(home: Settings, mode: str, output: Path, **environment: str) -> NotebookRun:
    return run_notebook(
        home.project / "notebooks" / "cross.ipynb",
        output,
        parameters={"fast": 12},
        env={**settings_environment(home), "WORKBENCH_MODE": mode, **environment},
        skip_tags=("research",) if mode in ("dry", "live") else (),
        timeout_s=280,
    )


def test_the_run_holds_parameters_metrics_curve_pictures_spec_and_the_executed_notebook(
    home: Settings, finished: TrackedRun, tmp_path: Path
) -> None:
    found = run_data(finished.run_id)
    assert found["status"] == "FINISHED"
    assert found["params"]["notebook.fast"] == "12"
    assert found["params"]["strategy"] == "SmaCross"
    assert (found["params"]["strategy.fast"], found["params"]["strategy.slow"]) == ("12", "50")
    assert found["metrics"]["score"] == 1.5
    assert found["metrics"]["sweep.variants"] == 6

    def artifact(name: str) -> Path:
        return Path(client().download_artifacts(finished.run_id, name, str(tmp_path)))

    curve = pd.read_parquet(artifact("result_01/equity.parquet"))
    assert len(curve) == found["metrics"]["bars"] > 1_000
    spec = json.loads(artifact("result_01/spec.json").read_text())
    assert spec["params"] == {"fast": 12, "slow": 50}
    for name in (
        "result_01/equity.png",
        "result_01/trades.parquet",
        "result_01/tear_sheet/monthly.png",
        "sweep_01/variants.parquet",
        "notebook/executed.ipynb",
        "candidate.json",
    ):
        assert artifact(name).stat().st_size > 0


def test_the_run_is_tagged_with_data_code_notebook_and_idea(home: Settings, finished: TrackedRun) -> None:
    tags = run_data(finished.run_id)["tags"]
    dataset = trials_frame(open_store(home.store_url), finished.run.idea)["dataset"].iloc[0]
    assert tags[TAG_DATA] == dataset
    assert tags[TAG_IDEA] == finished.run.idea
    assert tags[TAG_NOTEBOOK] == "notebooks/cross.ipynb"
    assert tags[TAG_NOTEBOOK_SHA256] == finished.run.source_sha256
    assert tags[TAG_CODE]
    assert tags["mlflow.user"] == "sarah"


def test_every_column_of_the_sweep_counts_as_a_trial(home: Settings, finished: TrackedRun) -> None:
    engine = open_store(home.store_url)
    frame = trials_frame(engine, finished.run.idea)
    mine = frame[frame["run_id"] == finished.run_id]
    assert len(mine) == 7  # one backtest and 3 x 2 variants
    assert mine[["param.fast", "param.slow"]].iloc[0].tolist() == [12, 50]
    swept = {tuple(pair) for pair in mine[["param.fast", "param.slow"]].iloc[1:].to_numpy().tolist()}
    assert swept == {(fast, slow) for fast in (5, 10, 20) for slow in (50, 100)}
    assert set(mine["author"]) == {"sarah"}


def test_the_candidate_names_strategy_data_costs_and_results(home: Settings, finished: TrackedRun) -> None:
    spec = _candidate(home, finished.run_id)
    tags = run_data(finished.run_id)["tags"]
    assert spec["instruments"] == ["EUR_USD"]
    assert spec["timeframe"] == "H1"
    assert spec["strategy"]["digest"] == tags[TAG_CANDIDATE]  # type: ignore[index]
    assert spec["data"] == {"EUR_USD H1": tags[TAG_DATA]}
    assert spec["cost_book_version"]
    assert [item["kind"] for item in spec["results"]] == ["backtest", "sweep", "tear_sheet"]  # type: ignore[attr-defined]
    assert spec["idea"] == finished.run.idea


def test_cells_show_results_that_carry_their_digests(finished: TrackedRun) -> None:
    shown = {result.number: result for result in cell_results(finished.run.executed_path)}
    assert len(shown[4].digests) == 2  # the line and the card
    assert {digest.split(":")[0] for digest in shown[4].digests} == {"backtest"}
    assert {digest.split(":")[0] for digest in shown[5].digests} == {"sweep"}
    assert {digest.split(":")[0] for digest in shown[6].digests} == {"tear_sheet"}
    assert shown[7].text == ("12 50",)
    assert [digest.split(":")[0] for digest in shown[8].digests] == ["deploy"]
    assert shown[8].text == ()  # what promotion would need is a remark, not a result


def test_reproducing_shows_the_same_and_counts_and_logs_nothing(
    home: Settings, finished: TrackedRun, tmp_path: Path
) -> None:
    engine = open_store(home.store_url)
    trials_before = count_trials(engine, finished.run.idea)
    runs_before = len(client().search_runs([run_data(finished.run_id)["experiment_id"]]))
    data = json.dumps(_candidate(home, finished.run_id)["data"])
    run = _in_mode(home, "reproduce", tmp_path / "again.ipynb", WORKBENCH_DATA=data)
    run.raise_for_status()

    def compared(results: list[CellResult]) -> list[tuple[object, ...]]:
        return [(item.source_sha256, item.text, item.digests, item.error) for item in results]

    assert compared(cell_results(run.executed_path)) == compared(cell_results(finished.run.executed_path))
    assert count_trials(engine, finished.run.idea) == trials_before
    assert len(client().search_runs([run_data(finished.run_id)["experiment_id"]])) == runs_before


def test_a_dry_start_only_shows_the_strategys_digest(
    home: Settings, finished: TrackedRun, tmp_path: Path
) -> None:
    run = _in_mode(home, "dry", tmp_path / "dry.ipynb")
    run.raise_for_status()
    results = cell_results(run.executed_path)
    assert [item.number for item in results if item.executed] == [1, 2, 7, 8]
    digest = run_data(finished.run_id)["tags"][TAG_CANDIDATE]
    assert results[-1].digests == (f"deploy:{digest}",)


def test_live_mode_outside_a_live_kernel_is_refused(
    home: Settings, finished: TrackedRun, tmp_path: Path
) -> None:
    run = _in_mode(home, "live", tmp_path / "live.ipynb")
    assert (run.cell, run.error_class) == (8, "NotLiveError")
    assert "live kernels are started by the supervisor only" in run.error


def test_a_strategy_written_with_on_bar_in_a_cell_can_be_tested_and_deployed(
    home: Settings, tmp_path: Path
) -> None:
    cells = (
        ("units = 1_000", "parameters"),
        (
            "from workbench.kernel import backtest, cost_book, deploy, load_bars\n"
            "from workbench.strategy import Param, Strategy\n\n\n"
            "class Flip(Strategy):\n"
            "    units = Param(1_000, low=1, high=10_000)\n\n"
            "    def on_bar(self, market, account):\n"
            "        if account.units == 0:\n"
            "            account.buy(self.units, stop=200)\n",
        ),
        ('bars = load_bars("EUR_USD", start="2017-03-01", end="2017-03-10")', "research"),
        ('backtest(Flip(units=units), bars, cost_book=cost_book("EUR_USD"))', "research"),
        ('deploy(Flip(units=units), instruments=["EUR_USD"])',),
    )
    path = write_notebook_file(home.project / "notebooks" / "flip.ipynb", cells)
    run = run_notebook(
        path, tmp_path / "flip.ipynb", env={**settings_environment(home), "WORKBENCH_MODE": "reproduce"}
    )
    run.raise_for_status()
    assert len(cell_results(run.executed_path)[-1].digests) == 1
