"""How the stand-alone Voila is started: a folder, a port, a token in a file; the rest is not for the caller.

Voila as an extension of the lab's server would let every viewer run code; it is never loaded there.
"""

import os
import secrets
import sys
from pathlib import Path

__all__ = ["token_file", "voila_command"]


def token_file(folder: Path, name: str) -> Path:
    """A file with a login token, made at the first use and readable by its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.token"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path


def voila_command(dashboards: Path, *, port: int) -> list[str]:
    """The command that serves the notebooks of a folder; its token comes by `JUPYTER_TOKEN_FILE`."""
    return [sys.executable, "-m", "workbench.dashboards", str(dashboards), f"--port={port}"]
