"""The IPython extension of the research kernel: ``%load_ext workbench.kernel.extension``.

It marks results that no longer follow from the cells above them, lets results carry their digest, shows
the workbench's errors without a traceback, and adds ``%trials``.
"""

import json
import logging
from collections.abc import Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class

from workbench.errors import WorkbenchError
from workbench.kernel.order import ExecutionOrder
from workbench.kernel.results import trials
from workbench.kernel.session import current_session
from workbench.kernel.showing import digest_bundle, note, warn

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_log = logging.getLogger(__name__)

_RESULTS = (
    ("workbench.research.result", "BacktestResult", "backtest"),
    ("workbench.research.tear_sheet", "TearSheet", "tear_sheet"),
    ("workbench.research.sweep_result", "SweepResult", "sweep"),
)


class _Watcher:
    """Follows the cells that run."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._order = ExecutionOrder()

    def after_cell(self, result: Any) -> None:
        """Say what is out of order after a cell that ended well."""
        info = result.info
        if not info.cell_id or not info.store_history or not result.success:
            return  # only a notebook's front end says which cell it is
        findings = self._order.ran(
            info.cell_id,
            info.raw_cell,
            count=result.execution_count or self._shell.execution_count,
            cells=_saved_cells(),
        )
        if not findings:
            return
        text = "; ".join(finding.text for finding in findings)
        warn(
            f"Out of order: {text}. Restart and run all to be sure.",
            metadata={
                "workbench": {
                    "out_of_order": [
                        {"kind": item.kind, "text": item.text, "cells": list(item.cells)} for item in findings
                    ]
                }
            },
        )


_watchers: dict[int, _Watcher] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Switch it on; once is enough."""
    if id(shell) in _watchers:
        return
    watcher = _Watcher(shell)
    _watchers[id(shell)] = watcher
    shell.events.register("post_run_cell", watcher.after_cell)
    assert shell.display_formatter is not None
    for module, name, kind in _RESULTS:
        shell.display_formatter.mimebundle_formatter.for_type_by_name(module, name, _with_digest(kind))
    shell.set_custom_exc((WorkbenchError,), _show_error)
    shell.register_magics(_Magics)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Switch it off."""
    watcher = _watchers.pop(id(shell), None)
    if watcher is not None:
        shell.events.unregister("post_run_cell", watcher.after_cell)
        shell.set_custom_exc((), None)


def _with_digest(kind: str) -> Any:
    def bundle(value: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return digest_bundle(kind, value.digest)

    return bundle


def _show_error(
    shell: InteractiveShell,
    kind: type[BaseException],
    error: BaseException,
    trace: Any,
    tb_offset: Any = None,
) -> Sequence[str]:
    """A workbench error says itself what to do: message first, the way to it only in the log."""
    lines = [f"\x1b[31m{kind.__name__}\x1b[0m: {error}"]
    _log.debug("workbench error in a cell", exc_info=(kind, error, trace))
    shell._showtraceback(kind, error, lines)
    return lines


@magics_class
class _Magics(Magics):
    @line_magic
    def trials(self, line: str) -> None:
        """Show how many variants of this notebook's idea were backtested so far."""
        session = current_session()
        count = trials()
        note(
            f"{count:,} variant{'s' if count != 1 else ''} of this idea backtested so far; copies of the "
            f"notebook count for the same idea ({session.idea[:8]})."
        )


def _saved_cells() -> list[tuple[str, str]]:
    """Id and source of each code cell as the notebook was saved last; empty when it can not be read."""
    path = current_session().notebook
    if path is None:
        return []
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return [
            (str(cell["id"]), "".join(cell["source"]))
            for cell in value["cells"]
            if cell["cell_type"] == "code" and "id" in cell
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
