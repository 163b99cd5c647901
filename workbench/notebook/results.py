"""What a run's code cells showed, in the form that two runs are compared by."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.notebook.document import Notebook, notebook_from, read_notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["DIGEST_MIME", "NOTE_MIME", "CellResult", "cell_results"]

DIGEST_MIME = "application/vnd.workbench.digest+json"  # {"kind": "backtest", "digest": "<sha256>"}
NOTE_MIME = "application/vnd.workbench.note+json"  # a remark about this run only; never compared

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What one code cell showed."""

    number: int  # counted from 1 over the code cells as written
    source: str
    source_sha256: str
    tags: tuple[str, ...]
    text: tuple[str, ...]  # standard output and plain text, without addresses and colours
    digests: tuple[str, ...]  # "kind:digest" of each result shown
    error: str  # class of the exception, empty for none
    executed: bool


def cell_results(executed: "Path | str | NotebookNode | Notebook") -> list[CellResult]:
    """The results of each code cell of an executed notebook that is not empty.

    A result with a digest counts by its digest alone, since its table or plot may name the run. Standard
    error, pictures, remarks about the run and papermill's injected cell are left out.
    """
    if isinstance(executed, Notebook):
        notebook = executed
    elif isinstance(executed, (Path, str)):
        notebook = read_notebook(executed)
    else:
        notebook = notebook_from(executed)
    found = []
    for cell in notebook.cells:
        node = notebook.node.cells[cell.position]
        text: list[str] = []
        digests: list[str] = []
        error = ""
        for output in node.get("outputs", ()):
            kind = output.get("output_type")
            if kind == "stream" and output.get("name") == "stdout":
                text.append(_plain(output.get("text", "")))
            elif kind in ("display_data", "execute_result"):
                data = output.get("data", {})
                if DIGEST_MIME in data:
                    digests.append(_digest(data[DIGEST_MIME]))
                elif NOTE_MIME not in data and "text/plain" in data:
                    text.append(_plain(data["text/plain"]))
            elif kind == "error":
                error = str(output.get("ename", "Error"))
        found.append(
            CellResult(
                number=cell.number,
                source=cell.source,
                source_sha256=cell.sha256,
                tags=cell.tags,
                text=tuple(text),
                digests=tuple(digests),
                error=error,
                executed=node.get("execution_count") is not None,
            )
        )
    return found


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else "".join(map(str, value))
    return _ADDRESS.sub("0x…", _COLOUR.sub("", text)).rstrip()


def _digest(value: Any) -> str:
    if isinstance(value, str):
        return f"result:{value}"
    if isinstance(value, Mapping) and "digest" in value:
        return f"{value.get('kind', 'result')}:{value['digest']}"
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"result:{hashlib.sha256(canonical.encode()).hexdigest()}"
