"""The kernel itself, spoken to as JupyterLab does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.kernel.conftest import write_notebook_file
from workbench.notebook import NOTE_MIME
from workbench.settings import Settings
from workbench.tracking import settings_environment

pytestmark = pytest.mark.notebooks

CELLS = (("fast = 10",), ("slow = fast * 5",), ("print(slow)",))


@pytest.fixture(scope="module")
def kernel(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingKernelClient]:
    """A kernel started from the installed kernelspec for a saved notebook."""
    import os

    folder = tmp_path_factory.mktemp("kernel")
    path = write_notebook_file(folder / "mine.ipynb", CELLS)
    node = json.loads(path.read_text())
    for cell, name in zip(node["cells"], ("one", "two", "three"), strict=True):
        cell["id"] = name
    path.write_text(json.dumps(node))
    manager = KernelManager(kernel_name="workbench")
    manager.start_kernel(env={**os.environ, **settings_environment(home), "JPY_SESSION_NAME": str(path)})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _execute(client: BlockingKernelClient, source: str, cell_id: str = "") -> list[dict[str, Any]]:
    """The outputs of a cell, executed as JupyterLab asks for it."""
    message = client.session.msg(
        "execute_request",
        {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
        metadata={"cellId": cell_id, "deletedCells": []} if cell_id else {},
    )
    client.shell_channel.send(message)
    outputs = []
    while True:
        found = client.get_iopub_msg(timeout=60)
        if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        kind = found["header"]["msg_type"]
        if kind == "status" and found["content"]["execution_state"] == "idle":
            client.get_shell_msg(timeout=60)
            return outputs
        if kind in ("stream", "display_data", "execute_result", "error"):
            outputs.append({"type": kind, **found["content"]})


def test_the_kernelspec_is_found_under_its_name(jupyter_folders: Path) -> None:
    spec = KernelSpecManager().get_kernel_spec("workbench")
    assert spec.display_name == "Workbench"
    assert spec.argv[1:] == ["-m", "workbench.kernel", "-f", "{connection_file}"]
    assert (Path(spec.resource_dir) / "logo-svg.svg").is_file()


def test_the_install_command_puts_it_into_a_prefix(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.kernel.install", "--prefix", str(tmp_path)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str(tmp_path / "share" / "jupyter" / "kernels" / "workbench") in done.stdout
    assert json.loads((tmp_path / "share/jupyter/kernels/workbench/kernel.json").read_text())["argv"]


def test_it_says_that_it_can_not_send_orders(kernel: BlockingKernelClient) -> None:
    kernel.kernel_info()
    reply = kernel.get_shell_msg(timeout=60)["content"]
    assert reply["implementation"] == "workbench"
    assert "can not send orders" in reply["banner"]


def test_cells_out_of_order_are_marked_with_text_and_metadata(kernel: BlockingKernelClient) -> None:
    for name, source in (("one", "fast = 10"), ("two", "slow = fast * 5"), ("three", "print(slow)")):
        assert all(output["type"] == "stream" for output in _execute(kernel, source, name))
    (marker,) = _execute(kernel, "fast = 20", "one")
    assert "used earlier values of “fast”" in marker["data"]["text/plain"]
    assert marker["data"]["text/html"].startswith('<div role="alert"')
    assert marker["data"][NOTE_MIME]["kind"] == "warning"
    (found,) = marker["metadata"]["workbench"]["out_of_order"]
    assert (found["kind"], found["cells"]) == ("stale", ["one", "two"])
    assert _execute(kernel, "slow = fast * 5", "two")[0]["metadata"]["workbench"]
    assert [output["type"] for output in _execute(kernel, "print(slow)", "three")] == ["stream"]


def test_code_from_a_console_is_not_judged(kernel: BlockingKernelClient) -> None:
    assert _execute(kernel, "fast = 30") == []


def test_an_error_of_the_workbench_is_shown_without_a_traceback(kernel: BlockingKernelClient) -> None:
    (output,) = _execute(kernel, 'from workbench.kernel import load_bars\nload_bars("EURUSD")')
    assert (output["type"], output["ename"]) == ("error", "UnknownInstrumentError")
    assert "did you mean EUR_USD" in output["evalue"]
    assert len(output["traceback"]) == 1
    (other,) = _execute(kernel, "1 / 0")
    assert len(other["traceback"]) > 1


def test_the_trials_of_the_idea_are_shown_by_a_magic(kernel: BlockingKernelClient) -> None:
    (output,) = _execute(kernel, "%trials")
    assert output["data"]["text/plain"].startswith("0 variants of this idea backtested so far")


def test_importing_what_a_notebook_imports_does_not_load_mlflow_or_the_compiler() -> None:
    code = "import sys; import workbench.kernel; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"mlflow", "numba", "torch", "pandas"}.isdisjoint(done.stdout.split())
