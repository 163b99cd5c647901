"""A notebook as a document: its code cells in order, its parameters cell, its deploy cell."""

import ast
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.notebook.errors import (
    DeployNotLastError,
    NoDeployError,
    NoParametersCellError,
    NotANotebookError,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "INJECTED_TAG",
    "PARAMETERS_TAG",
    "RESEARCH_TAG",
    "CodeCell",
    "Notebook",
    "check_notebook",
    "first_line",
    "notebook_from",
    "read_notebook",
    "write_notebook",
]

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"  # papermill's own cell; not part of the notebook as written
RESEARCH_TAG = "research"  # not executed in a live kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCell:
    """One code cell that is not empty."""

    number: int  # counted from 1 over the code cells as written, papermill's injected cell left out
    position: int  # index among all cells of the file
    source: str
    tags: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of the source, hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook read from `path`."""

    path: Path
    node: "NotebookNode"
    cells: tuple[CodeCell, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def parameters_cells(self) -> tuple[CodeCell, ...]:
        """The cells tagged `parameters`; a good notebook has exactly one."""
        return tuple(cell for cell in self.cells if PARAMETERS_TAG in cell.tags)

    @property
    def parameters_cell(self) -> CodeCell:
        """The one cell tagged `parameters`.

        Raises
        ------
        NoParametersCellError
            There is none, or there are several.
        """
        found = self.parameters_cells
        if len(found) != 1:
            numbers = ", ".join(str(cell.number) for cell in found)
            raise NoParametersCellError(
                f"{self.path.name}: expected one code cell tagged 'parameters', found "
                + (f"{len(found)} (cells {numbers}); leave the tag on one" if found else "none; ")
                + ("" if found else "add the tag to the cell that sets the notebook's plain values")
            )
        return found[0]

    @property
    def deploy_cells(self) -> tuple[CodeCell, ...]:
        """The cells that call `deploy(...)`."""
        return tuple(cell for cell in self.cells if _calls_deploy(cell.source))

    @property
    def source_sha256(self) -> str:
        """SHA-256 over the code cells' sources and tags in order: outputs, ids and prose do not change it."""
        digest = hashlib.sha256()
        for cell in self.cells:
            digest.update(f"{cell.sha256}|{','.join(sorted(cell.tags))}\n".encode())
        return digest.hexdigest()


def read_notebook(path: Path | str) -> Notebook:
    """The notebook in a file.

    Raises
    ------
    NotANotebookError
        There is no such file, or it is not a notebook of format 4.
    """
    import nbformat  # costs a kernel's start half a second

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotANotebookError(f"expected a notebook at {path}, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotANotebookError(f"expected a notebook at {path}, could not read it: {error}") from error
    try:
        node = nbformat.reads(text, as_version=4)
        nbformat.validate(node)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotANotebookError(f"expected {path} to be a notebook of format 4, found: {reason}") from error
    return notebook_from(node, path=path)


def notebook_from(node: "NotebookNode", *, path: Path | str = "notebook.ipynb") -> Notebook:
    """The notebook of a document already in memory."""
    cells: list[CodeCell] = []
    number = 0
    for position, cell in enumerate(node.cells):
        tags = tuple(str(tag) for tag in cell.metadata.get("tags", ()))
        if cell.cell_type != "code" or INJECTED_TAG in tags:
            continue
        number += 1
        if cell.source.strip():
            cells.append(CodeCell(number=number, position=position, source=cell.source, tags=tags))
    return Notebook(path=Path(path), node=node, cells=tuple(cells))


def write_notebook(node: "NotebookNode", path: Path | str, *, sign: bool = True) -> Path:
    """Write a notebook in one step: readers see the old file or the new one, never a part.

    Signed, so that JupyterLab of the same user shows its outputs.
    """
    import nbformat

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".writing", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(nbformat.writes(node, version=nbformat.NO_CONVERT))
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if sign:
        from nbformat.sign import NotebookNotary

        NotebookNotary().sign(node)
    return path


def check_notebook(notebook: Notebook) -> None:
    """Check that a notebook can be promoted: one parameters cell, and `deploy(...)` in the last code cell.

    Raises
    ------
    NoParametersCellError, NoDeployError, DeployNotLastError
        What is missing, and what to do.
    """
    parameters = notebook.parameters_cell
    found = notebook.deploy_cells
    if not found:
        raise NoDeployError(
            f"{notebook.path.name}: expected the last code cell to call deploy(strategy, instruments=[...], "
            "timeframe=...), found no cell that does; add it at the end"
        )
    if len(found) > 1:
        numbers = ", ".join(str(cell.number) for cell in found)
        raise DeployNotLastError(
            f"{notebook.path.name}: expected deploy(...) once, found it in cells {numbers}; keep the last one"
        )
    last = notebook.cells[-1]
    if found[0].number != last.number:
        raise DeployNotLastError(
            f"{notebook.path.name}: expected deploy(...) in the last code cell, found it in cell "
            f"{found[0].number} with code after it (cell {last.number}: {first_line(last.source)!r}); "
            "move that code up or remove it"
        )
    if parameters.number == last.number:
        raise NoParametersCellError(
            f"{notebook.path.name}: expected the parameters cell before the deploy cell, "
            f"found both in cell {last.number}; split it"
        )


def first_line(source: str) -> str:
    """The first line of a cell that says something, cut to 80 characters."""
    for line in source.splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            return text if len(text) <= 80 else text[:79] + "…"
    return source.strip().splitlines()[0][:80] if source.strip() else ""


def _calls_deploy(source: str) -> bool:
    tree = parse_cell(source)
    if tree is None:
        return False
    return any(
        isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "deploy")
            or (isinstance(node.func, ast.Attribute) and node.func.attr == "deploy")
        )
        for node in ast.walk(tree)
    )


def parse_cell(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its magics and shell lines replaced; None when it is not Python."""
    try:
        return ast.parse(source)
    except SyntaxError:
        pass
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def metadata_of(node: "NotebookNode") -> dict[str, Any]:
    """The workbench's own entry in a notebook's metadata; a copy."""
    value = node.metadata.get("workbench", {})
    return dict(value) if isinstance(value, dict) else {}
