"""Driving a kernel that somebody else started: only talked to, never touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from tests.notebook.conftest import PARAMETERS, NotebookFile
from workbench.notebook import RunStatus, cell_results, drive_notebook

pytestmark = pytest.mark.notebooks


@pytest.fixture
def running_kernel(tmp_path: Path) -> Iterator[KernelManager]:
    """A kernel on Unix sockets, as a supervisor starts it."""
    manager = KernelManager(
        kernel_name="python3", transport="ipc", connection_file=str(tmp_path / "kernel.json")
    )
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.stop_channels()
    yield manager
    manager.shutdown_kernel(now=True)


def _pid(manager: KernelManager) -> int:
    return int(manager.provisioner.pid)


def test_chosen_cells_run_in_the_running_kernel_which_stays_as_it_is(
    running_kernel: KernelManager, notebook_file: NotebookFile, tmp_path: Path
) -> None:
    connection_file = Path(running_kernel.connection_file)
    before, pid = connection_file.read_bytes(), _pid(running_kernel)
    path = notebook_file(
        PARAMETERS,
        "import os\nseen = globals().get('seen', 0) + 1\nprint(os.getpid(), seen, fast)",
        ("1 / 0", "research"),
    )
    for time in (1, 2):
        run = drive_notebook(
            path,
            tmp_path / "driven.ipynb",
            connection_file=connection_file,
            parameters={"fast": 7},
            kernel_pid=pid,
            timeout_s=60,
        )
        assert run.ok, run.error
        assert cell_results(run.executed_path)[1].text == (f"{pid} {time} 7",)
    assert connection_file.read_bytes() == before
    assert running_kernel.is_alive()
    assert _pid(running_kernel) == pid


def test_a_failing_cell_and_a_deadline_leave_the_kernel_alive(
    running_kernel: KernelManager, notebook_file: NotebookFile, tmp_path: Path
) -> None:
    connection_file = running_kernel.connection_file
    failing = notebook_file(PARAMETERS, "1 / 0", name="failing.ipynb")
    run = drive_notebook(failing, tmp_path / "out.ipynb", connection_file=connection_file, timeout_s=60)
    assert (run.status, run.error_class) == (RunStatus.FAILED, "ZeroDivisionError")
    slow = notebook_file(PARAMETERS, "import time\ntime.sleep(20)", name="slow.ipynb")
    run = drive_notebook(slow, tmp_path / "out.ipynb", connection_file=connection_file, timeout_s=6)
    assert run.status is RunStatus.TIMED_OUT
    assert running_kernel.is_alive()


def test_the_death_of_the_running_kernel_is_noticed(
    running_kernel: KernelManager, notebook_file: NotebookFile, tmp_path: Path
) -> None:
    path = notebook_file(PARAMETERS, "import os\nos._exit(1)")
    run = drive_notebook(
        path,
        tmp_path / "out.ipynb",
        connection_file=running_kernel.connection_file,
        kernel_pid=_pid(running_kernel),
        timeout_s=60,
    )
    assert (run.status, run.cell, run.error_class) == (RunStatus.FAILED, 2, "DeadKernelError")
    assert run.wall_s < 40


def test_a_connection_file_that_can_not_be_read_is_named(notebook_file: NotebookFile, tmp_path: Path) -> None:
    run = drive_notebook(
        notebook_file(PARAMETERS, "1"), tmp_path / "out.ipynb", connection_file=tmp_path / "gone.json"
    )
    assert run.error_class == "KernelStartError"
    assert "gone.json" in run.error
