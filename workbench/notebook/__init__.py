"""A notebook as a document: its cells, its parameters, a run of it by papermill."""

from workbench.notebook.document import (
    CodeCell,
    Notebook,
    check_notebook,
    first_line,
    notebook_from,
    read_notebook,
    write_notebook,
)
from workbench.notebook.errors import (
    DeployNotLastError,
    KernelStartError,
    NoDeployError,
    NoParametersCellError,
    NotANotebookError,
    NotebookFailedError,
)
from workbench.notebook.idea import ensure_idea, idea_of, idea_of_place, stamp_on_save
from workbench.notebook.parameters import Parameter, declared_parameters, validate_parameters
from workbench.notebook.results import DIGEST_MIME, NOTE_MIME, CellResult, cell_results
from workbench.notebook.run import NotebookRun, Progress, RunStatus, drive_notebook, run_notebook

__all__ = [
    "DIGEST_MIME",
    "NOTE_MIME",
    "CellResult",
    "CodeCell",
    "DeployNotLastError",
    "KernelStartError",
    "NoDeployError",
    "NoParametersCellError",
    "NotANotebookError",
    "Notebook",
    "NotebookFailedError",
    "NotebookRun",
    "Parameter",
    "Progress",
    "RunStatus",
    "cell_results",
    "check_notebook",
    "declared_parameters",
    "drive_notebook",
    "ensure_idea",
    "first_line",
    "idea_of",
    "idea_of_place",
    "notebook_from",
    "read_notebook",
    "run_notebook",
    "stamp_on_save",
    "validate_parameters",
    "write_notebook",
]
