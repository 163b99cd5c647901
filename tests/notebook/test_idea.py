"""An idea follows its notebook through copies and new names."""

import shutil
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

from tests.notebook.conftest import PARAMETERS, NotebookFile
from workbench.notebook import ensure_idea, idea_of, idea_of_place, read_notebook, stamp_on_save


def test_a_notebook_gets_one_idea_and_keeps_it_when_copied_moved_and_changed(
    notebook_file: NotebookFile, tmp_path: Path
) -> None:
    path = notebook_file(PARAMETERS)
    idea = ensure_idea(path)
    assert str(uuid.UUID(idea)) == idea
    copied = Path(shutil.copy(path, tmp_path / "copy.ipynb"))
    moved = path.rename(tmp_path / "moved.ipynb")
    assert ensure_idea(copied) == ensure_idea(moved) == idea


def test_two_notebooks_have_two_ideas(notebook_file: NotebookFile) -> None:
    assert ensure_idea(notebook_file(PARAMETERS, name="a.ipynb")) != ensure_idea(
        notebook_file(PARAMETERS, name="b.ipynb")
    )


def test_writing_the_idea_changes_nothing_else(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS, "x = fast")
    before = nbformat.read(path, as_version=4)
    ensure_idea(path)
    after = nbformat.read(path, as_version=4)
    assert after.cells == before.cells
    assert {**after.metadata, "workbench": None} == {**before.metadata, "workbench": None}


def test_a_damaged_idea_in_the_metadata_counts_as_none(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS)
    node = nbformat.read(path, as_version=4)
    node.metadata["workbench"] = {"idea": "<script>", "kept": 1}
    nbformat.write(node, path)
    assert idea_of(read_notebook(path)) == ""
    assert ensure_idea(path) == idea_of(read_notebook(path))
    assert read_notebook(path).node.metadata["workbench"]["kept"] == 1


def _saved(content: Any, path: Path) -> dict[str, Any]:
    model = {"type": "notebook", "content": content}
    stamp_on_save(model, path.name, SimpleNamespace(root_dir=str(path.parent)))
    return model


def test_saving_in_jupyterlab_gives_a_new_notebook_its_idea(tmp_path: Path) -> None:
    content = nbformat.v4.new_notebook()
    model = _saved(content, tmp_path / "new.ipynb")
    idea = model["content"]["metadata"]["workbench"]["idea"]
    assert str(uuid.UUID(idea)) == idea
    assert _saved(content, tmp_path / "new.ipynb")["content"]["metadata"]["workbench"]["idea"] == idea


def test_saving_an_open_notebook_keeps_the_idea_that_was_written_meanwhile(
    notebook_file: NotebookFile,
) -> None:
    path = notebook_file(PARAMETERS)
    stale = nbformat.read(path, as_version=4)
    idea = ensure_idea(path)
    assert _saved(stale, path)["content"]["metadata"]["workbench"]["idea"] == idea


def test_saving_a_notebook_without_an_idea_gives_it_the_one_its_kernel_counted_for(
    notebook_file: NotebookFile,
) -> None:
    path = notebook_file(PARAMETERS)
    counted_for = idea_of_place(path)
    saved = _saved(nbformat.read(path, as_version=4), path)
    assert saved["content"]["metadata"]["workbench"]["idea"] == counted_for
