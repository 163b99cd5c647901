"""Pipelines: read strictly, run by papermill, reported on also when they fail."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from tests.schedule.conftest import WriteNotebook
from workbench.errors import BadInputError
from workbench.schedule import (
    BadPipelineError,
    PipelineFailedError,
    PipelineProgress,
    get_run,
    list_runs,
    load_pipeline,
    run_pipeline,
)
from workbench.schedule.pipeline import check_target
from workbench.settings import Settings
from workbench.tracking import bootstrap, run_data

_GOOD = """
name: nightly
parameters: {instrument: EUR_USD, bars: 20}
steps:
  - {name: quotes, kind: import, sample: true, instrument: "${instrument}"}
  - {name: test, kind: notebook, notebook: tiny.ipynb, parameters: {n: "${bars}", note: "on ${instrument}"}}
"""


def _pipeline(folder: Path, text: str) -> Path:
    path = folder / "nightly.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sample: true", "smaple: true", r"steps\.0\.import\.smaple: unknown name"),
        ("kind: import", "kind: shell", r"steps\.0: .*'import', 'notebook', 'report'"),
        ("name: nightly", "name: Nightly Run!", "name: "),
        ("sample: true, ", "", "nothing to import"),
        ("name: test", "name: quotes", "each step's name once"),
        ("${bars}", "${days}", "refers to the parameter days"),
        ("notebook: tiny.ipynb", "notebook: 5", r"steps\.1\.notebook\.notebook: .*string.*found 5"),
        ("parameters: {n:", "timeout_s: -1, parameters: {n:", "greater than 0"),
        ("name: nightly", "name: nightly\nname: weekly", "comes twice"),
        ("steps:", "steps: []\nother:", "expected|List|at least|unknown"),
        ("{instrument: EUR_USD, bars: 20}", "{instrument: !!python/object:os.system x}", "could not read"),
    ],
)
def test_a_wrong_pipeline_is_refused_at_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in _GOOD
    with pytest.raises(BadPipelineError, match=says):
        load_pipeline(_pipeline(tmp_path, _GOOD.replace(old, new)))


def test_the_pipeline_that_comes_with_the_workbench_can_be_run() -> None:
    path = Path(__file__).parents[2] / "pipelines" / "nightly.yaml"
    check_target(path, {"instrument": "EUR_USD"})
    assert [step.kind for step in load_pipeline(path).steps] == ["import", "notebook", "notebook", "report"]


def test_references_take_the_parameters_in_their_types(tmp_path: Path) -> None:
    filled = load_pipeline(_pipeline(tmp_path, _GOOD)).with_parameters({"bars": 7})
    assert filled.steps[1].model_dump()["parameters"] == {"n": 7, "note": "on EUR_USD"}


@pytest.mark.parametrize(
    ("given", "says"), [({"days": 1}, "no parameter 'days'"), ({"bars": "7"}, "expected int")]
)
def test_a_wrong_parameter_of_a_pipeline_is_refused(
    tmp_path: Path, given: dict[str, object], says: str
) -> None:
    with pytest.raises(BadPipelineError, match=says):
        load_pipeline(_pipeline(tmp_path, _GOOD)).with_parameters(given)


def test_nothing_runs_when_a_notebook_does_not_take_its_parameters(
    settings: Settings, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    write_notebook("tiny.ipynb", "n = 1")
    path = _pipeline(settings.project, _GOOD)
    with pytest.raises(BadInputError, match="declares no parameter 'note'"):
        run_pipeline(path, settings)
    with pytest.raises(BadInputError, match="expected int"):
        run_pipeline(settings.project / "tiny.ipynb", settings, {"n": "1; import os"})
    assert list_runs(engine) == []


def test_a_pipeline_runs_its_steps_and_its_report_tells_of_a_failure(
    settings: Settings, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    write_notebook("good.ipynb", "n = 1", "print(n + 1)")
    write_notebook("bad.ipynb", "n = 1", "raise ValueError('no bars on Sunday')")
    write_notebook(
        "report.ipynb",
        'record = ""',
        "from workbench.schedule.report import read_record, steps_table\nsteps_table(read_record(record))",
    )
    steps = [
        {"name": "good", "kind": "notebook", "notebook": "good.ipynb", "parameters": {"n": 41}},
        {"name": "bad", "kind": "notebook", "notebook": "bad.ipynb"},
        {"name": "later", "kind": "notebook", "notebook": "good.ipynb"},
        {"name": "report", "kind": "report", "notebook": "report.ipynb"},
    ]
    path = _pipeline(settings.project, yaml.safe_dump({"name": "nightly", "steps": steps}))
    seen: list[PipelineProgress] = []
    result = run_pipeline(path, settings, progress=seen.append, by="sarah")

    assert [step.status for step in result.steps] == ["completed", "failed", "skipped", "completed"]
    assert result.status == "failed"
    with pytest.raises(PipelineFailedError, match=r"step bad: .*cell 2 .*no bars on Sunday"):
        result.raise_for_status()
    assert '"42' in Path(result.steps[0].files[0]).read_text()
    page = Path(result.files[-1]).read_text()
    assert page.startswith("<!doctype html>")
    assert "no bars on Sunday" in page
    assert "read_record" not in page  # the code is left out
    assert "<script" not in page
    assert {item.step for item in seen} == {"good", "bad", "report"}

    row = get_run(engine, result.id)
    assert (row.status, row.created_by) == ("failed", "sarah")
    assert [step["status"] for step in row.steps] == [step.status for step in result.steps]
    bootstrap(settings)
    assert run_data(result.steps[1].run_id)["status"] == "FAILED"


def test_a_stopped_pipeline_ends_its_step_and_begins_no_other(
    settings: Settings, engine: sa.Engine, write_notebook: WriteNotebook
) -> None:
    write_notebook("slow.ipynb", "n = 1", "import time\ntime.sleep(120)")
    steps = [{"name": name, "kind": "notebook", "notebook": "slow.ipynb"} for name in ("one", "two")]
    path = _pipeline(settings.project, yaml.safe_dump({"name": "nightly", "steps": steps}))
    stop = threading.Event()

    def stop_in_the_slow_cell(progress: PipelineProgress) -> None:
        if "time.sleep" in progress.detail or "import time" in progress.detail:
            stop.set()

    result = run_pipeline(path, settings, progress=stop_in_the_slow_cell, stop=stop)
    assert [step.status for step in result.steps] == ["stopped", "skipped"]
    assert get_run(engine, result.id).status == "stopped"
