"""The child process that runs one notebook: ``python -m workbench.notebook.child JOB.json EVENTS_FD``.

It reports by lines of JSON on its own pipe, which the kernel does not inherit, so that nothing a cell
prints can be taken for a report. When its parent goes away, so do it and its kernel.
"""

import json
import logging
import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.notebook.processes import kill_tree

__all__ = ["main"]


def main() -> int:
    """Run the job; 0 when the notebook reached its end."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    events = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8", buffering=1)
    threading.Thread(target=_die_with_parent, args=(job["token"],), daemon=True).start()

    def report(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    outcome = _run(job, report)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # kilobytes on Linux
    report({"event": "end", "peak_rss_bytes": used * 1024, **outcome})
    return 0 if outcome["status"] == "completed" else 1


def _run(job: dict[str, Any], report: Any) -> dict[str, Any]:
    logging.basicConfig(level=logging.WARNING)
    import nbformat
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.engines import papermill_engines

    from workbench.notebook.engine import CellFailure, WorkbenchEngine

    papermill_engines.register("workbench", WorkbenchEngine)  # found without an installed entry point too
    node = nbformat.read(job["notebook"], as_version=4)
    try:
        papermill.execute_notebook(
            node,
            job["output"].replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            parameters=job["parameters"],
            engine_name="workbench",
            kernel_name=job["kernel_name"],
            language="python",
            progress_bar=False,
            cwd=job["cwd"],
            start_timeout=job["start_timeout_s"],
            execution_timeout=job["cell_timeout_s"],
            connection_file=job["connection_file"],
            kernel_pid=job["kernel_pid"],
            socket_folder=str(Path(sys.argv[1]).parent),
            skip_tags=job["skip_tags"],
            progress=report,
        )
    except CellFailure as failure:
        return {
            "status": failure.kind,
            "cell": failure.number,
            "source": failure.source,
            "error_class": failure.ename,
            "error": failure.evalue,
            "traceback": failure.traceback,
        }
    except NoSuchKernel:
        return _no_cell(
            "KernelStartError",
            f"no kernel called {job['kernel_name']!r} is installed; install ours with "
            "`python -m workbench.kernel.install` or give another kernel_name",
        )
    except WorkbenchError as error:
        return _no_cell(type(error).__name__, str(error))
    except Exception as error:  # the process's entry point: whatever papermill raises is the run's outcome
        return _no_cell(type(error).__name__, str(error), traceback.format_exc())
    return {"status": "completed"}


def _no_cell(error_class: str, error: str, trace: str = "") -> dict[str, Any]:
    return {
        "status": "failed",
        "cell": None,
        "source": "",
        "error_class": error_class,
        "error": error,
        "traceback": trace,
    }


def _die_with_parent(token: str) -> None:
    sys.stdin.buffer.read()  # ends when the parent closes its end, or dies
    kill_tree(os.getpid(), token=token, include_root=False)
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
