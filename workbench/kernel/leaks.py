"""The leak check of a whole notebook: run with less and less of the future, in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInputError
from workbench.kernel.errors import NotebookFailedError
from workbench.kernel.session import Mode, current_session

if TYPE_CHECKING:
    from workbench.research.leaks import LeakReport

__all__ = ["check_leaks"]


def check_leaks(
    notebook: Path | str | None = None,
    *,
    cuts: int = 12,
    parameters: Mapping[str, Any] | None = None,
    timeout_s: float = 1_800.0,
    progress: Callable[[int, int], None] | None = None,
) -> "LeakReport":
    """Whether any cell of a notebook computes something about the past from what came after.

    The notebook, as it was saved last, is run on all its data and on data that end at each of `cuts` moments.
    What a cell binds that belongs to moments (frames and series indexed by time, arrays as long as the bars,
    backtests, variants of sweeps and searches) must be the same up to the cut. Nothing is logged and
    no trial is counted.

    Parameters
    ----------
    notebook
        A file; the one this session belongs to if left out.
    parameters
        For its parameters cell.
    progress
        Told how many runs of the notebook are done, and of how many.

    Notes
    -----
    A label speaks of the future on purpose: give its cell the tag ``labels``, and it is not judged, while
    what later cells make of it is. Splits by share of the data move with the cut; split by date.

    Raises
    ------
    BadInputError
        No notebook, or fewer than one cut.
    NotebookFailedError
        It does not run to its end on all its data.
    """
    from workbench.research.leaks import LeakReport

    session = current_session()
    path = Path(notebook) if notebook is not None else session.notebook
    if path is None:
        raise BadInputError("notebook: expected a file, found none; save the notebook and give its path")
    if isinstance(cuts, bool) or cuts < 1:
        raise BadInputError(f"cuts: expected 1 or more, found {cuts!r}")
    environment = {
        **os.environ,
        "WORKBENCH_MODE": str(Mode.REPRODUCE),
        "WORKBENCH_NOTEBOOK": str(path.absolute()),
    }
    environment.pop("WORKBENCH_RUN_ID", None)
    command = [sys.executable, "-m", "workbench.kernel.leak_run", str(path.absolute()), str(cuts)]
    answer: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, json.dumps(dict(parameters or {}))],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=environment,
        )
        ended = threading.Event()

        def too_late() -> None:
            ended.set()
            process.kill()

        watch = threading.Timer(timeout_s, too_late)
        watch.start()
        try:
            for line in process.stdout or ():
                with contextlib.suppress(ValueError):
                    answer = json.loads(line)
                if progress is not None and "done" in answer:
                    progress(answer["done"], answer["of"])
        finally:
            watch.cancel()
            process.kill()
            process.wait()
        said.seek(0)
        last = (said.read().strip().splitlines() or ["no message"])[-1]
    if ended.is_set():
        raise NotebookFailedError(
            f"{path.name}: expected the check to end within {timeout_s:g} s; give fewer cuts or less data"
        )
    if not answer.keys() & {"report", "error"}:
        raise NotebookFailedError(f"{path.name}: the check ended without an answer: {last}")
    if "error" in answer:
        raise NotebookFailedError(answer["error"])
    return LeakReport.from_json(answer["report"])
