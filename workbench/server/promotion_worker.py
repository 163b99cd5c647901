"""The process of one promotion: a JSON request on standard input, a JSON object a line on standard output.

What the gates print goes to standard error, so that standard output carries nothing but these lines.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from workbench.errors import BadInputError, WorkbenchError
from workbench.release import GateProgress, GateRefusedError, promote
from workbench.settings import Settings, load_settings

__all__ = ["main", "subject_of"]


def main() -> int:
    """Promote what standard input asks for; 0 also when a gate refused, since that is an answer."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1) as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        ended = _promote(json.loads(sys.stdin.read()), answers)
        print(json.dumps(ended), file=answers)
    return 0


def subject_of(request: Mapping[str, Any], settings: Settings) -> str | Path:
    """The run's id, or the notebook's path, which has to be in the project.

    Raises
    ------
    BadInputError
        The path leads out of the project or to no notebook.
    """
    if request.get("run_id"):
        return str(request["run_id"])
    project = settings.project.resolve()
    path = (project / str(request["notebook"])).resolve()
    if not path.is_relative_to(project) or path.suffix != ".ipynb" or not path.is_file():
        raise BadInputError(
            f"expected a notebook under the project {project.name}, found {request['notebook']!r}"
        )
    return path


def _promote(request: Mapping[str, Any], answers: TextIO) -> dict[str, Any]:
    def tell(progress: GateProgress) -> None:
        gate = {"name": progress.name, "title": progress.title, "state": progress.state}
        print(json.dumps({"gate": {**gate, "detail": progress.detail}}), file=answers)

    try:
        settings = load_settings()
        release = promote(
            subject_of(request, settings),
            settings=settings,
            author=str(request["author"]),
            limits=request.get("limits"),
            progress=tell,
        )
    except GateRefusedError as error:
        return {"state": "refused", "detail": str(error)}
    except WorkbenchError as error:
        return {"state": "failed", "detail": str(error)}
    detail = f"Release {release.name} ({release.id[:12]}) waits for somebody else's approval."
    return {"state": "promoted", "detail": detail, "release_id": release.id}


if __name__ == "__main__":
    sys.exit(main())
