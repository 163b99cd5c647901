"""Driving the released notebook through the live kernel, by papermill in a child process."""

import threading

from workbench.live.launch import Places
from workbench.live.prepared import Prepared
from workbench.notebook import drive_notebook

__all__ = ["drive"]


def drive(prepared: Prepared, *, places: Places, kernel_pid: int, stop: threading.Event) -> str:
    """Run the cells but those tagged `research`; why it did not reach its end, empty when it did."""
    run = drive_notebook(
        prepared.notebook,
        places.notebook,
        connection_file=places.connection_file,
        parameters=prepared.parameters,
        stop=stop,
        kernel_pid=kernel_pid,
    )
    return "" if run.ok else run.error
