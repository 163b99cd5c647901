"""What a notebook must look like to be promoted, and what is said when it does not."""

import nbformat
import pytest

from tests.notebook.conftest import PARAMETERS, NotebookFile
from workbench.notebook import (
    DeployNotLastError,
    NoDeployError,
    NoParametersCellError,
    NotANotebookError,
    check_notebook,
    read_notebook,
    write_notebook,
)

DEPLOY = "deploy(strategy, instruments=['EUR_USD'], timeframe='H1')"


def test_a_notebook_with_parameters_and_deploy_at_its_end_can_be_promoted(
    notebook_file: NotebookFile,
) -> None:
    check_notebook(read_notebook(notebook_file(PARAMETERS, "strategy = 1", DEPLOY, "   ")))


def test_deploy_is_found_through_a_module_and_beside_magics(notebook_file: NotebookFile) -> None:
    check_notebook(read_notebook(notebook_file(PARAMETERS, f"%time pass\n!ls\nkernel.{DEPLOY}")))


@pytest.mark.parametrize(
    ("cells", "error", "words"),
    [
        (["a = 1", DEPLOY], NoParametersCellError, "found none; add the tag"),
        ([PARAMETERS, PARAMETERS, DEPLOY], NoParametersCellError, r"found 2 \(cells 1, 2\)"),
        ([PARAMETERS, "a = 1"], NoDeployError, "found no cell that does; add it at the end"),
        ([PARAMETERS, "# deploy(strategy)\nx = 'deploy()'"], NoDeployError, "add it at the end"),
        ([PARAMETERS, DEPLOY, "# and then\nplot(x)"], DeployNotLastError, r"cell 3: 'plot\(x\)'"),
        ([PARAMETERS, DEPLOY, DEPLOY], DeployNotLastError, "found it in cells 2, 3"),
        ([(f"fast = 1\n{DEPLOY}", "parameters")], NoParametersCellError, "split it"),
    ],
)
def test_what_is_missing_is_named_with_the_cell_and_what_to_do(
    notebook_file: NotebookFile, cells: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check_notebook(read_notebook(notebook_file(*cells)))


@pytest.mark.parametrize("content", ["", "not json", "[1, 2]", '{"nbformat": 4}', "\x00"])
def test_a_file_that_is_no_notebook_is_refused_with_its_name(
    notebook_file: NotebookFile, content: str
) -> None:
    path = notebook_file("a = 1")
    path.write_text(content)
    with pytest.raises(NotANotebookError, match=r"notebook\.ipynb"):
        read_notebook(path)


def test_a_missing_file_is_named(notebook_file: NotebookFile) -> None:
    path = notebook_file("a = 1").with_name("gone.ipynb")
    with pytest.raises(NotANotebookError, match=r"gone\.ipynb, found no such file"):
        read_notebook(path)


def test_the_source_hash_follows_code_and_tags_but_no_output_and_no_prose(
    notebook_file: NotebookFile,
) -> None:
    path = notebook_file(PARAMETERS, "x = fast")
    before = read_notebook(path).source_sha256
    node = nbformat.read(path, as_version=4)
    node.cells[1].outputs = [nbformat.v4.new_output("stream", text="shown")]
    node.cells[1].execution_count = 7
    node.cells.insert(0, nbformat.v4.new_markdown_cell("# A title"))
    write_notebook(node, path)
    assert read_notebook(path).source_sha256 == before
    node.cells[2].source = "x = fast + 1"
    write_notebook(node, path)
    assert read_notebook(path).source_sha256 != before


def test_cells_are_numbered_as_written_without_the_injected_one(notebook_file: NotebookFile) -> None:
    notebook = read_notebook(notebook_file(PARAMETERS, ("fast = 12", "injected-parameters"), "x = fast"))
    assert [(cell.number, cell.source) for cell in notebook.cells] == [(1, "fast = 10"), (2, "x = fast")]
