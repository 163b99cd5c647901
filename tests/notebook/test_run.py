"""Runs of notebooks: how they end, what they leave, and that nothing survives them."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.sign import NotebookNotary

from tests.notebook.conftest import PARAMETERS, NotebookFile
from workbench.errors import BadInputError
from workbench.notebook import (
    NotebookFailedError,
    NotebookRun,
    Progress,
    RunStatus,
    cell_results,
    run_notebook,
)

pytestmark = pytest.mark.notebooks

KERNEL = "python3"


def _run(path: Path, **options: object) -> NotebookRun:
    return run_notebook(path, path.with_suffix(".out.ipynb"), kernel_name=KERNEL, **options)  # type: ignore[arg-type]


def _statuses(run: NotebookRun) -> list[str]:
    node = nbformat.read(run.executed_path, as_version=4)
    return [cell.metadata.papermill.status for cell in node.cells]


def _gone(pid: int, *, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_run_with_parameters_shows_its_cells_reports_them_and_is_trusted(
    notebook_file: NotebookFile,
) -> None:
    path = notebook_file(
        ("fast = 10\nname = 'x'", "parameters"), "import os\nprint(fast, name)", "os.environ['COLOUR']"
    )
    events: list[Progress] = []
    seen_early: list[bool] = []

    def progress(event: Progress) -> None:
        events.append(event)
        seen_early.append(path.with_suffix(".out.ipynb").exists())

    hostile = 'a"; import os; os._exit(1)\n\\'
    run = _run(path, parameters={"fast": 12, "name": hostile}, env={"COLOUR": "blue"}, progress=progress)

    assert run.status is RunStatus.COMPLETED, run.error
    assert [(event.i, event.n) for event in events] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert events[-1].cell == 3
    assert events[-1].first_line == "os.environ['COLOUR']"
    assert not any(seen_early)  # the output appears in one step, at the end
    results = cell_results(run.executed_path)
    assert [result.text for result in results] == [(), (f"12 {hostile}",), ("'blue'",)]
    node = nbformat.read(run.executed_path, as_version=4)
    assert NotebookNotary().check_signature(node)
    assert node.metadata.workbench.run.parameters.fast == 12
    assert run.raise_for_status() is run
    assert run.peak_rss_bytes > 10_000_000


FAILURES = {
    "an error": ("1 / 0", "ZeroDivisionError", "division by zero"),
    "a dead kernel": ("import os\nos._exit(0)", "DeadKernelError", "kernel died"),
    "sys.exit(0)": ("import sys\nsys.exit(0)", "SystemExit", r"sys\.exit\(0\); a notebook runs to its end"),
    "a question": ("input('sure?')", "StdinNotImplementedError", "input requests"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_failure_names_cell_first_line_class_and_message_and_the_output_tells_the_truth(
    notebook_file: NotebookFile, how: str
) -> None:
    source, error_class, words = FAILURES[how]
    run = _run(notebook_file(PARAMETERS, f"# why\n{source}", "print('after')"), parameters={"fast": 11})
    assert (run.status, run.cell, run.error_class) == (RunStatus.FAILED, 2, error_class)
    with pytest.raises(NotebookFailedError, match=words) as caught:
        run.raise_for_status()
    assert f"notebook.ipynb, cell 2 ({source.splitlines()[0]}): {error_class}" in str(caught.value)
    assert (caught.value.cell, caught.value.error_class) == (2, error_class)
    assert _statuses(run) == ["completed", "completed", "failed", "pending"]
    assert nbformat.read(run.executed_path, as_version=4).metadata.workbench.run.status == "failed"


def test_an_error_ends_the_run_also_in_a_cell_tagged_as_raising(notebook_file: NotebookFile) -> None:
    run = _run(notebook_file(PARAMETERS, ("1 / 0", "raises-exception"), "print('after')"))
    assert (run.status, run.cell, run.error_class) == (RunStatus.FAILED, 2, "ZeroDivisionError")


def test_a_cell_over_its_time_ends_the_run(notebook_file: NotebookFile) -> None:
    run = _run(notebook_file(PARAMETERS, "import time\ntime.sleep(60)", "1"), cell_timeout_s=1)
    assert (run.status, run.cell, run.error_class) == (RunStatus.TIMED_OUT, 2, "CellTimeoutError")
    assert _statuses(run) == ["completed", "failed", "pending"]


RUNAWAY = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
orphan = '''
import os, time
if os.fork(): os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
time.sleep(300)
'''
maker = subprocess.Popen([sys.executable, "-c", orphan], stdout=subprocess.PIPE, text=True)
lost = int(maker.stdout.readline())
pathlib.Path({pids!r}).write_text(f"{{os.getpid()}} {{child.pid}} {{lost}}")
time.sleep(300)
"""


def test_at_the_deadline_every_process_of_the_run_is_killed_also_one_that_cut_itself_off(
    notebook_file: NotebookFile, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    run = _run(notebook_file(PARAMETERS, RUNAWAY.format(pids=str(pids))), timeout_s=12)
    assert (run.status, run.cell, run.error_class) == (RunStatus.TIMED_OUT, 2, "DeadlineError")
    assert "longer than its deadline of 12 s" in run.error
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 3
    assert all(_gone(pid) for pid in found)
    assert run.wall_s < 30


def test_a_run_can_be_stopped_from_another_thread(notebook_file: NotebookFile) -> None:
    stop = threading.Event()

    def progress(event: Progress) -> None:
        if event.cell == 2:
            stop.set()

    run = _run(notebook_file(PARAMETERS, "import time\ntime.sleep(60)"), stop=stop, progress=progress)
    assert (run.status, run.cell) == (RunStatus.STOPPED, 2)


def _run_elsewhere(path: Path, pids: Path) -> subprocess.Popen[str]:
    """Run a notebook that notes its kernel's pid and sleeps, in a process of its own."""
    code = f"""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        from workbench.notebook import run_notebook
        print("begun", flush=True)
        run_notebook({str(path)!r}, {str(path.with_suffix(".out.ipynb"))!r}, kernel_name={KERNEL!r})
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE, text=True, cwd=path.parent
    )
    deadline = time.monotonic() + 60
    while not (pids.exists() and pids.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def _sleeper(notebook_file: NotebookFile, pids: Path) -> Path:
    source = (
        f"import os, pathlib, time\npathlib.Path({str(pids)!r}).write_text(str(os.getpid()))\ntime.sleep(300)"
    )
    return notebook_file(PARAMETERS, source)


def test_ctrl_c_kills_the_kernel_and_leaves_the_executed_cells(
    notebook_file: NotebookFile, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    path = _sleeper(notebook_file, pids)
    process = _run_elsewhere(path, pids)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT or "KeyboardInterrupt" in errors
    assert _gone(int(pids.read_text()))
    assert (
        nbformat.read(path.with_suffix(".out.ipynb"), as_version=4).metadata.workbench.run.status == "stopped"
    )


def test_when_the_runner_itself_is_killed_its_kernel_goes_too(
    notebook_file: NotebookFile, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    process = _run_elsewhere(_sleeper(notebook_file, pids), pids)
    process.kill()
    process.communicate(timeout=30)
    assert _gone(int(pids.read_text()))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            [sys.executable, "-c", "import sys; sys.exit('no licence for this kernel')", "{connection_file}"],
            "did not come up|died",
        ),
        (["/nowhere/python", "{connection_file}"], "/nowhere/python"),
    ],
)
def test_a_kernel_that_dies_at_its_start_is_a_clear_error(
    notebook_file: NotebookFile, tmp_path: Path, argv: list[str], words: str
) -> None:
    folder = tmp_path / "jupyter" / "kernels" / "broken"
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": "Broken", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    path = notebook_file(PARAMETERS, "print(1)")
    run = run_notebook(path, path.with_suffix(".out.ipynb"), kernel_name="broken", timeout_s=60)
    assert run.status is RunStatus.FAILED
    assert run.cell is None
    assert run.error_class in ("KernelStartError", "FileNotFoundError")
    with pytest.raises(NotebookFailedError, match=words):
        run.raise_for_status()


def test_an_unknown_kernel_is_named_with_what_to_do(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS, "1")
    run = run_notebook(path, path.with_suffix(".out.ipynb"), kernel_name="nobody")
    assert "no kernel called 'nobody' is installed" in run.error


def test_bad_parameters_start_nothing_and_write_nothing(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS, "1")
    with pytest.raises(BadInputError, match="no parameter 'slow'"):
        _run(path, parameters={"slow": 1})
    assert not path.with_suffix(".out.ipynb").exists()


def test_cells_with_a_tag_to_skip_are_not_executed(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS, ("fast = 99", "research"), "print(fast)")
    run = _run(path, skip_tags=("research",))
    assert run.ok, run.error
    skipped, last = cell_results(run.executed_path)[1:]
    assert (skipped.executed, last.text) == (False, ("10",))


def test_a_folder_with_braces_in_its_name_is_no_template(tmp_path: Path, notebook_file: NotebookFile) -> None:
    folder = tmp_path / "{fast} and {0}"
    folder.mkdir()
    path = notebook_file(PARAMETERS, "import os\nprint(os.path.basename(os.getcwd()))").rename(
        folder / "n.ipynb"
    )
    run = _run(path, parameters={"fast": 3})
    assert run.ok, run.error
    assert cell_results(run.executed_path)[1].text == ("{fast} and {0}",)


def test_papermill_itself_finds_the_engine(notebook_file: NotebookFile) -> None:
    path = notebook_file(PARAMETERS, "print(fast)")
    out = path.with_suffix(".out.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "workbench", "-k", KERNEL, "-p", "fast", "3"]
    done = subprocess.run(
        [*command, "--language", "python", str(path), str(out)],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    assert cell_results(out)[1].text == ("3",)
