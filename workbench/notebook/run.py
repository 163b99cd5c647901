"""Run a notebook by papermill in a child process, under an outer deadline, and say truly how it ended."""

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from workbench.notebook.document import (
    INJECTED_TAG,
    Notebook,
    first_line,
    metadata_of,
    read_notebook,
    write_notebook,
)
from workbench.notebook.errors import NotebookFailedError
from workbench.notebook.idea import ensure_idea
from workbench.notebook.parameters import validate_parameters
from workbench.notebook.processes import TOKEN_VARIABLE, kill_tree

__all__ = ["NotebookRun", "Progress", "RunStatus", "drive_notebook", "run_notebook"]


class RunStatus(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Before cell `i` of the `n` that will be executed."""

    i: int
    n: int
    cell: int  # number of the code cell as written
    first_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookRun:
    """How a run of a notebook ended."""

    status: RunStatus
    executed_path: Path
    cell: int | None = None  # number of the code cell that failed, counted from 1 as written
    error: str = ""  # one sentence: cell, first line, class, message; empty for none
    error_class: str = ""
    traceback: str = ""
    wall_s: float = 0.0
    peak_rss_bytes: int = 0  # of the largest process of the run
    source_sha256: str = ""
    idea: str = ""

    @property
    def ok(self) -> bool:
        """Whether the notebook reached its end."""
        return self.status is RunStatus.COMPLETED

    def raise_for_status(self) -> "NotebookRun":
        """The run itself when it reached its end.

        Raises
        ------
        NotebookFailedError
            It did not; the message says why.
        """
        if not self.ok:
            raise NotebookFailedError(self.error, cell=self.cell, error_class=self.error_class)
        return self


def run_notebook(
    path: Path | str,
    output: Path | str,
    *,
    parameters: Mapping[str, Any] | None = None,
    kernel_name: str = "workbench",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 3600.0,
    cell_timeout_s: float | None = None,
    start_timeout_s: float = 120.0,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    skip_tags: Sequence[str] = (),
    cwd: Path | str | None = None,
    connection_file: Path | str | None = None,
    kernel_pid: int = 0,
) -> NotebookRun:
    """Run a notebook and write what it showed to `output`, in one step and signed.

    Parameters
    ----------
    parameters
        Checked against the notebook's parameters cell before anything starts.
    env
        Added to the environment that the kernel gets. `WORKBENCH_NOTEBOOK` (the notebook's path) and
        `WORKBENCH_IDEA` are set unless given.
    timeout_s
        Outer deadline of the whole run, start of the kernel included; then every process of it is killed.
    cell_timeout_s
        Longest time of one cell; None for no other limit than the deadline.
    progress
        Called before each cell, in this thread.
    stop
        When set, the run is killed and ends as `stopped`.
    skip_tags
        Cells with one of these tags are not executed.
    cwd
        Working folder of the kernel; the notebook's folder when None.
    connection_file
        Drive the running kernel of this connection file; see `drive_notebook`.

    Returns
    -------
    NotebookRun
        Also when a cell failed: `status`, `cell` and `error` say so. `output` then holds the cells that ran.

    Raises
    ------
    NotANotebookError, NoParametersCellError, BadInputError
        The notebook or the parameters can not be used; nothing was started.
    KeyboardInterrupt
        Ctrl-C; every process of the run was killed and `output` written.
    """
    notebook = read_notebook(path)
    checked = validate_parameters(notebook, parameters) if parameters else {}
    given = dict(env or {})
    idea = given.get("WORKBENCH_IDEA") or ensure_idea(notebook.path)
    output = Path(output).absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYNB_FILE": notebook.path.name,
        "WORKBENCH_NOTEBOOK": str(notebook.path.absolute()),
        "WORKBENCH_IDEA": idea,
        **given,
        TOKEN_VARIABLE: token,
    }
    environment.pop("JPY_SESSION_NAME", None)  # of the kernel that asked for the run
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="workbench-run-") as folder:
        partial = Path(folder) / "partial.ipynb"
        job = {
            "notebook": str(notebook.path.absolute()),
            "output": str(partial),
            "parameters": checked or None,
            "kernel_name": kernel_name,
            "cwd": str(Path(cwd).absolute() if cwd is not None else notebook.path.absolute().parent),
            "start_timeout_s": start_timeout_s,
            "cell_timeout_s": cell_timeout_s,
            "skip_tags": list(skip_tags),
            "connection_file": str(connection_file) if connection_file is not None else None,
            "kernel_pid": kernel_pid,
            "token": token,
        }
        child = _Child(job, folder=Path(folder), environment=environment)
        interrupted = False
        try:
            end = child.follow(
                deadline=started + timeout_s, timeout_s=timeout_s, progress=progress, stop=stop
            )
        except KeyboardInterrupt:
            interrupted = True
            end = child.outcome(RunStatus.STOPPED, "KeyboardInterrupt", "stopped by Ctrl-C")
        finally:
            child.close()
        run = _run_of(end, output=output, wall_s=time.monotonic() - started, notebook=notebook, idea=idea)
        _write_output(partial, notebook, run, checked)
    if interrupted:
        raise KeyboardInterrupt
    return run


def drive_notebook(
    path: Path | str,
    output: Path | str,
    *,
    connection_file: Path | str,
    parameters: Mapping[str, Any] | None = None,
    skip_tags: Sequence[str] = ("research",),
    timeout_s: float = 600.0,
    cell_timeout_s: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    kernel_pid: int = 0,
) -> NotebookRun:
    """Run a notebook's cells in a kernel that runs already, and leave it running.

    The kernel is never started, stopped, restarted or interrupted, and its connection file is only read.
    Its environment is its own: nothing is added to it. See `run_notebook` for the rest.
    """
    return run_notebook(
        path,
        output,
        parameters=parameters,
        skip_tags=skip_tags,
        timeout_s=timeout_s,
        cell_timeout_s=cell_timeout_s,
        progress=progress,
        stop=stop,
        env={"WORKBENCH_IDEA": "attached"},
        connection_file=connection_file,
        kernel_pid=kernel_pid,
    )


class _Child:
    """The child process of one run, and what it reported so far."""

    def __init__(self, job: Mapping[str, Any], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.token = str(job["token"])
        self.cell: dict[str, Any] | None = None
        self.log = folder / "log.txt"
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        read_end, write_end = os.pipe()
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "workbench.notebook.child",
                        str(folder / "job.json"),
                        str(write_end),
                    ],
                    stdin=subprocess.PIPE,  # its end tells the child that we are gone
                    stdout=log,
                    stderr=log,
                    env=dict(environment),
                    pass_fds=(write_end,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        self.events: IO[bytes] = os.fdopen(read_end, "rb", buffering=0)

    def follow(
        self,
        *,
        deadline: float,
        timeout_s: float,
        progress: Callable[[Progress], None] | None,
        stop: threading.Event | None,
    ) -> dict[str, Any]:
        """Read reports until the end, the deadline or the stop."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.events, selectors.EVENT_READ)
            while True:
                if stop is not None and stop.is_set():
                    return self.outcome(RunStatus.STOPPED, "Stopped", "stopped on request")
                left = deadline - time.monotonic()
                if left <= 0:
                    text = f"the notebook ran longer than its deadline of {timeout_s:g} s"
                    return self.outcome(RunStatus.TIMED_OUT, "DeadlineError", text)
                if not selector.select(min(left, 0.2)):
                    continue
                chunk = self.events.read(65536)
                if chunk is None:
                    continue
                if not chunk:
                    return self._gone()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["event"] == "end":
                        return dict(event)
                    if event["event"] == "cell":
                        self.cell = event
                        if progress is not None:
                            progress(
                                Progress(
                                    i=event["i"],
                                    n=event["n"],
                                    cell=event["cell"],
                                    first_line=first_line(event["source"]),
                                )
                            )

    def outcome(self, status: RunStatus, error_class: str, error: str) -> dict[str, Any]:
        """An end that the child did not report itself."""
        return {
            "status": str(status),
            "cell": self.cell["cell"] if self.cell else None,
            "source": self.cell["source"] if self.cell else "",
            "error_class": error_class,
            "error": error,
            "traceback": "",
        }

    def _gone(self) -> dict[str, Any]:
        code = self.process.wait()
        return self.outcome(
            RunStatus.FAILED,
            "RunnerDied",
            f"the process that ran the notebook ended with code {code}: {self.last_words() or 'no message'}",
        )

    def last_words(self) -> str:
        """The last lines that the child and its kernel wrote to their standard error."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-600:]

    def close(self) -> None:
        """Kill what is left of the run and wait for it."""
        try:
            if self.process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(timeout=0.5)
            kill_tree(self.process.pid, token=self.token, include_root=self.process.poll() is None)
            self.process.wait(timeout=10)
        finally:
            self.events.close()
            if self.process.stdin is not None:
                self.process.stdin.close()


def _run_of(
    end: Mapping[str, Any], *, output: Path, wall_s: float, notebook: Notebook, idea: str
) -> NotebookRun:
    status = RunStatus(end["status"])
    sentence = "" if status is RunStatus.COMPLETED else _sentence(notebook, end)
    return NotebookRun(
        status=status,
        executed_path=output,
        cell=end.get("cell"),
        error=sentence,
        error_class=end.get("error_class", ""),
        traceback=end.get("traceback", ""),
        wall_s=wall_s,
        peak_rss_bytes=int(end.get("peak_rss_bytes", 0)),
        source_sha256=notebook.source_sha256,
        idea=idea,
    )


def _sentence(notebook: Notebook, end: Mapping[str, Any]) -> str:
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(end["error"])).strip() or "no message"
    if end["error_class"] == "SystemExit":
        message = f"the cell left by sys.exit({end['error'] or ''}); a notebook runs to its end"
    where = f", cell {end['cell']} ({first_line(end['source'])})" if end.get("cell") is not None else ""
    return f"{notebook.path.name}{where}: {end['error_class']}: {message}"


def _write_output(partial: Path, notebook: Notebook, run: NotebookRun, parameters: Mapping[str, Any]) -> None:
    """Write the executed notebook with the true outcome in its metadata."""
    import nbformat

    node = notebook.node
    if partial.exists():
        try:
            node = nbformat.read(partial, as_version=4)
        except (nbformat.reader.NotJSONError, OSError):  # killed in the middle of a save
            node = notebook.node
    number = 0
    for cell in node.cells:
        own = cell.metadata.get("papermill")
        if cell.cell_type == "code" and INJECTED_TAG not in cell.metadata.get("tags", ()):
            number += 1
            if own and run.cell == number and not run.ok:
                own["status"], own["exception"] = "failed", True
        elif own and own.get("status") == "running":
            own["status"] = "failed"
    if "papermill" in node.metadata:
        node.metadata.papermill["input_path"] = str(notebook.path)
        node.metadata.papermill["output_path"] = str(run.executed_path)
        node.metadata.papermill["exception"] = None if run.ok else True
    node.metadata["workbench"] = {
        **metadata_of(node),
        "run": {
            "status": str(run.status),
            "cell": run.cell,
            "error_class": run.error_class,
            "error": run.error,
            "parameters": dict(parameters),
            "source_sha256": run.source_sha256,
            "wall_s": round(run.wall_s, 3),
        },
    }
    write_notebook(node, run.executed_path)
