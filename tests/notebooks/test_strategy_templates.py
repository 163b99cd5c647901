"""The templates in notebooks/strategies: each from data to a candidate, top to bottom in a fresh kernel."""

import re
from pathlib import Path

import nbformat
import pytest
import sqlalchemy as sa

from workbench.notebook import cell_results, check_notebook, read_notebook, run_notebook
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import candidates

FOLDER = Path(__file__).parents[2] / "notebooks" / "strategies"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IDEAS = {
    "30_trend", "31_breakout", "32_mean_reversion", "33_carry", "34_session_range", "35_pairs",
    "36_cross_sectional_momentum", "37_volatility_target",
}  # fmt: skip
every = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def test_there_is_one_for_each_idea() -> None:
    assert {path.stem for path in NOTEBOOKS} == IDEAS


@every
def test_it_can_be_promoted_and_keeps_no_outputs(path: Path) -> None:
    check_notebook(read_notebook(path))
    node = nbformat.read(path, as_version=4)
    nbformat.validate(node)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert node.metadata.kernelspec.name == "workbench"
    assert [cell.metadata.get("tags") for cell in code].count(["parameters"]) == 1


@every
def test_it_imports_only_what_a_notebook_is_meant_to_import(path: Path) -> None:
    sources = [cell.source for cell in read_notebook(path).cells]
    found = set(re.findall(r"^\s*(?:from|import)\s+([\w.]+)", "\n".join(sources), re.MULTILINE))
    assert found <= {"workbench.kernel", "workbench.strategy", "workbench.market.sample"}


@every
def test_what_is_made_up_is_said_in_capitals(path: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert ("synthetic_companions" in text) == ("SYNTHETIC COMPANIONS" in text) == ("MADE UP" in text)


@pytest.mark.notebooks
@every
def test_it_runs_and_ends_with_an_honest_sentence_and_a_candidate(
    path: Path, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        run = run_notebook(path, tmp_path / "out.ipynb", env=environment)
    assert run.ok, run.error
    cells = cell_results(run.executed_path)
    kinds = {digest.split(":")[0] for cell in cells for digest in cell.digests}
    assert {"backtest", "deploy"} <= kinds
    text = "\n".join(item for cell in cells for item in cell.text)
    assert re.search(r"Before costs -?[\d,]+ USD, costs -?[\d,]+, net -?[\d,]+", text)
    assert "It is a template" in text or "says nothing about a market" in text
    with open_store(settings.store_url).connect() as connection:
        specs = connection.execute(sa.select(candidates.c.spec)).scalars().all()
    source = "\n".join(cell.source for cell in read_notebook(path).cells)
    (strategy,) = re.findall(r"^class (\w+)\(Strategy\)", source, re.MULTILINE)
    assert strategy in {item["strategy"]["class"] for item in specs}
