"""Cost books as files that a person can edit."""

import json
import os
import tempfile
from pathlib import Path

from workbench.domain.cost_book import CostBook
from workbench.domain.cost_history import CostHistory, costs_from_json
from workbench.errors import BadInputError

__all__ = ["read_costs", "write_costs"]


def read_costs(path: Path) -> CostBook | CostHistory:
    """The book or history in a JSON file.

    Raises
    ------
    BadInputError
        No such file, no JSON, or no cost book; the message names the file and the line or the instrument.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"expected a cost book at {path}, could not read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: expected text in UTF-8, found other bytes") from None
    except json.JSONDecodeError as error:
        raise BadInputError(
            f"{path}, line {error.lineno}, column {error.colno}: expected JSON, found {error.msg}"
        ) from None
    try:
        return costs_from_json(value)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def write_costs(costs: CostBook | CostHistory, path: Path) -> Path:
    """Write a book or history to a file, whole or not at all; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(costs.to_text())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
