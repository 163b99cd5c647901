"""The notebook of a release: what of the executed one is released, and its bytes."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from workbench.notebook import Notebook
from workbench.notebook.document import INJECTED_TAG

__all__ = ["notebook_bytes", "released_form"]


def released_form(notebook: Notebook) -> nbformat.NotebookNode:
    """The notebook as it is released: its code cells with their tags, without outputs, prose or counts."""
    cells = [
        cell
        for cell in notebook.node.cells
        if cell.cell_type == "code" and INJECTED_TAG not in cell.metadata.get("tags", ())
    ]
    node: nbformat.NotebookNode = new_notebook(
        cells=[
            new_code_cell(
                cell.source,
                id=f"cell-{number:03}",
                metadata={"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {},
            )
            for number, cell in enumerate(cells, start=1)
        ]
    )
    if "kernelspec" in notebook.node.metadata:
        node.metadata["kernelspec"] = notebook.node.metadata["kernelspec"]
    return node


def notebook_bytes(node: nbformat.NotebookNode) -> bytes:
    """The file of a notebook, as it is hashed and signed."""
    text: str = nbformat.writes(node, version=nbformat.NO_CONVERT)
    return f"{text}\n".encode()
