"""The first strategy notebook: from data to a candidate, top to bottom in a fresh kernel."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import sqlalchemy as sa

from workbench.notebook import (
    NotebookRun,
    cell_results,
    check_notebook,
    idea_of,
    read_notebook,
    run_notebook,
)
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import candidates
from workbench.tracking import trials_frame

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "10_sma_cross.ipynb"


@pytest.fixture(scope="module")
def run(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """One run of the notebook with another choice of averages."""
    output = tmp_path_factory.mktemp("run") / "out.ipynb"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return run_notebook(NOTEBOOK, output, parameters={"fast": 12, "slow": 48}, env=environment)


def test_the_notebook_can_be_promoted_and_keeps_no_outputs() -> None:
    notebook = read_notebook(NOTEBOOK)
    check_notebook(notebook)
    node = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(node)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert node.metadata.kernelspec.name == "workbench"


def test_it_imports_only_what_a_notebook_is_meant_to_import() -> None:
    sources = [cell.source for cell in read_notebook(NOTEBOOK).cells]
    found = set(re.findall(r"^\s*(?:from|import)\s+([\w.]+)", "\n".join(sources), re.MULTILINE))
    assert found == {"workbench.kernel", "workbench.strategy"}


@pytest.mark.notebooks
def test_it_runs_from_top_to_bottom_in_a_fresh_kernel(run: NotebookRun) -> None:
    assert run.ok, run.error
    results = {cell.source.splitlines()[0]: cell for cell in cell_results(run.executed_path)}
    assert all(cell.executed and not cell.error for cell in results.values())
    kinds = [digest.split(":")[0] for cell in results.values() for digest in cell.digests]
    assert {"backtest", "sweep", "deploy"} <= set(kinds)


@pytest.mark.notebooks
def test_the_parameters_it_was_given_are_those_of_the_candidate(run: NotebookRun, settings: Settings) -> None:
    assert run.ok, run.error
    with open_store(settings.store_url).connect() as connection:
        row = connection.execute(sa.select(candidates)).mappings().one()
    assert row["spec"]["strategy"]["params"]["fast"] == 12
    assert row["spec"]["strategy"]["params"]["slow"] == 48
    assert row["spec"]["data"]


@pytest.mark.notebooks
def test_every_variant_it_tried_is_counted(run: NotebookRun, settings: Settings) -> None:
    assert run.ok, run.error
    frame = trials_frame(open_store(settings.store_url), idea_of(read_notebook(NOTEBOOK)))
    assert len(frame) == 1 + 64
    assert set(frame["strategy"]) == {"SmaCross"}


@pytest.mark.notebooks
def test_its_conclusion_comes_from_its_numbers(run: NotebookRun) -> None:
    assert run.ok, run.error
    text = "\n".join(item for cell in cell_results(run.executed_path) for item in cell.text)
    assert "best of 64 trials is optimistic" in text
    assert re.search(r"Before costs -?[\d,]+ USD, costs [\d,]+, net -?[\d,]+", text)


def test_what_deploy_needs_runs_without_the_cells_of_research(environment: dict[str, str]) -> None:
    cells = [cell for cell in read_notebook(NOTEBOOK).cells if "research" not in cell.tags]
    source = "\n".join(cell.source for cell in cells)
    head, _, _ = source.rpartition("deploy(")
    program = f"{head}\nimport json\nfrom workbench.strategy import spec\nprint(json.dumps(spec(strategy)))\n"
    done = subprocess.run(
        [sys.executable, "-c", program.replace("from workbench.kernel import deploy", "")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["class"] == "SmaCross"
    assert found["params"] == {"fast": 20, "slow": 100, "stop_atr": 2.0, "risk": 0.005}
