"""Papermill's engine `workbench`: cells in order, progress after each, and the truth about failures.

Papermill's own engine marks every cell "completed" after a kernel's death or a timeout. This one marks
the cell that was running as failed and leaves later ones pending. Callers judge by the exception anyway.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine
from papermill.log import logger
from traitlets.config import Config

from workbench.notebook.attach import AttachedKernelManager
from workbench.notebook.document import INJECTED_TAG
from workbench.notebook.errors import KernelStartError

__all__ = ["CellFailure", "WorkbenchEngine"]

_LONGEST_FOLDER = 80  # characters; a Unix socket's path has at most 107

Progress = Callable[[dict[str, Any]], None]


class CellFailure(Exception):
    """A cell did not end well; the fields say which and how."""

    def __init__(self, number: int, source: str, ename: str, evalue: str, traceback: str, kind: str) -> None:
        super().__init__(f"cell {number}: {ename}: {evalue}")
        self.number = number
        self.source = source
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback
        self.kind = kind  # failed | timed_out


class _Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill is untyped
    def __init__(
        self, nb_man: Any, *, skip_tags: Sequence[str] = (), progress: Progress | None = None, **options: Any
    ) -> None:
        super().__init__(nb_man, **options)
        self.skip_tags = frozenset(skip_tags)
        self.progress = progress

    def execute(self, **options: Any) -> Any:
        """Run the cells; no question to the kernel afterwards, which papermill is known to hang on."""
        self.reset_execution_trackers()
        with self.setup_kernel(**options):
            self.papermill_execute_cells()
            self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Run each cell that is code, is not empty and has none of the tags to skip."""
        chosen = [index for index, cell in enumerate(self.nb.cells) if self._runs(cell)]
        number = 0
        done = 0
        for index, cell in enumerate(self.nb.cells):
            injected = INJECTED_TAG in cell.metadata.get("tags", ())
            if cell.cell_type == "code" and not injected:
                number += 1
            if index not in chosen:
                cell.metadata.papermill["status"] = "skipped"
                continue
            done += 1
            self._report(done, len(chosen), number, cell)
            self._execute_one(cell, index, number)
        if self.progress is not None:
            self.progress({"event": "executed", "i": len(chosen), "n": len(chosen)})

    def _execute_one(self, cell: Any, index: int, number: int) -> None:
        self.nb_man.cell_start(cell, index)
        try:
            self.execute_cell(cell, index)
            self._raise_for_exit(cell)
        except CellExecutionError as error:
            self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
            raise CellFailure(
                number, cell.source, error.ename, error.evalue, error.traceback, "failed"
            ) from None
        except DeadKernelError:
            self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
            text = "the kernel died while this cell ran"
            raise CellFailure(number, cell.source, "DeadKernelError", text, "", "failed") from None
        except CellTimeoutError:
            self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
            text = f"the cell ran longer than {self.timeout} s"
            raise CellFailure(number, cell.source, "CellTimeoutError", text, "", "timed_out") from None
        finally:
            self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)

    def _raise_for_exit(self, cell: Any) -> None:
        # sys.exit(0) is an error output that papermill takes for success
        for output in cell.outputs:
            if output.output_type == "error":
                raise CellExecutionError(
                    "\n".join(output.traceback), ename=output.ename, evalue=output.evalue
                )

    def _runs(self, cell: Any) -> bool:
        tags = set(cell.metadata.get("tags", ()))
        skipped = tags & (self.skip_tags | {"skip-execution"})
        return cell.cell_type == "code" and bool(cell.source.strip()) and not skipped

    def _report(self, done: int, total: int, number: int, cell: Any) -> None:
        if self.progress is not None:
            self.progress({"event": "cell", "i": done, "n": total, "cell": number, "source": cell.source})


class WorkbenchEngine(Engine):  # type: ignore[misc]  # papermill is untyped
    """Runs a notebook in a new kernel, or in a running one given its `connection_file`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        log_output: bool = False,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        connection_file: str | None = None,
        kernel_pid: int = 0,
        socket_folder: str | None = None,
        skip_tags: Sequence[str] = (),
        progress: Progress | None = None,
        **_: Any,
    ) -> None:
        """Run the notebook; see `papermill.execute_notebook` for the common arguments.

        Parameters
        ----------
        connection_file
            Of a running kernel, which is neither started, stopped nor restarted.
        kernel_pid
            The running kernel's pid, to notice its death; 0 when not known.
        socket_folder
            A private folder for the new kernel's Unix sockets; TCP ports of this host when None, or when its
            name is too long for a socket's path.
        skip_tags
            Cells with one of these tags are not executed.
        progress
            Called before each cell with ``{"event": "cell", "i", "n", "cell", "source"}``.

        Raises
        ------
        CellFailure
            A cell failed, timed out, left by `sys.exit`, or took its kernel down.
        KernelStartError
            The kernel did not come up.
        """
        options: dict[str, Any] = {}
        if connection_file is not None:
            options = {"km": AttachedKernelManager(connection_file, pid=kernel_pid)}
        elif socket_folder is not None and len(socket_folder) <= _LONGEST_FOLDER:
            file = f"{socket_folder}/kernel.json"
            options = {
                "config": Config({"AsyncKernelManager": {"transport": "ipc", "connection_file": file}})
            }
        client = _Client(
            nb_man,
            skip_tags=skip_tags,
            progress=progress,
            kernel_name=kernel_name,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            log=logger,
            log_output=log_output,
            force_raise_errors=True,  # as papermill, which fails a run for any error a cell shows
            **options,
        )
        try:
            client.execute()
        except RuntimeError as error:  # nbclient's way to say that the kernel did not come up
            if client.code_cells_executed:
                raise
            raise KernelStartError(
                f"kernel {kernel_name!r} did not come up within {start_timeout:g} s: {error}"
            ) from error
        finally:
            if connection_file is not None and client.kc is not None:
                client.kc.stop_channels()
