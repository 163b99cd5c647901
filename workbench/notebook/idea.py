"""The idea a notebook belongs to: a uuid in its metadata, so that copies and new names keep it."""

import contextlib
import uuid
from pathlib import Path
from typing import Any

from workbench.notebook.document import Notebook, metadata_of, read_notebook, write_notebook
from workbench.notebook.errors import NotANotebookError

__all__ = ["ensure_idea", "idea_of", "idea_of_place", "stamp_on_save"]

_NAMESPACE = uuid.UUID("6f1d2a70-5a38-4f5e-9a7c-6a1f3a5b9c11")  # of ideas derived from a place


def idea_of(notebook: Notebook) -> str:
    """The idea in the notebook's metadata; empty for none."""
    return _valid(metadata_of(notebook.node).get("idea"))


def ensure_idea(path: Path | str) -> str:
    """The idea of the notebook at `path`, written into its metadata if it has none.

    The first idea follows from the notebook's place, so that a kernel which may not write into an open
    notebook, or a notebook that can not be written, counts for the same idea.
    """
    notebook = read_notebook(path)
    found = idea_of(notebook)
    if found:
        return found
    idea = idea_of_place(path)
    notebook.node.metadata["workbench"] = {**metadata_of(notebook.node), "idea": idea}
    with contextlib.suppress(OSError):  # a notebook that can not be written
        write_notebook(notebook.node, notebook.path, sign=False)
    return idea


def idea_of_place(path: Path | str) -> str:
    """The idea of a notebook that has none in its metadata yet."""
    return str(uuid.uuid5(_NAMESPACE, str(Path(path).absolute())))


def stamp_on_save(model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """A `pre_save_hook` of Jupyter's contents manager: each saved notebook carries its idea.

    An open notebook may not know what was written into its file since, so the file's idea goes first.
    """
    if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
        return
    metadata = model["content"].setdefault("metadata", {})
    own = metadata.get("workbench")
    own = dict(own) if isinstance(own, dict) else {}
    if _valid(own.get("idea")):
        return
    found = ""
    root = getattr(contents_manager, "root_dir", "")
    file = Path(root) / path.lstrip("/")
    if file.is_file():
        try:
            # without one, what a kernel that is open on it counts for already
            found = idea_of(read_notebook(file)) or idea_of_place(file)
        except NotANotebookError:
            found = ""
    metadata["workbench"] = {**own, "idea": found or str(uuid.uuid4())}


def _valid(value: Any) -> str:
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else ""
    except ValueError:
        return ""
