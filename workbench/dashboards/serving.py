"""How the stand-alone Voila is started: loopback, a token, nothing a page's address could change.

Voila as an extension of the lab's server would let every viewer run code; it is never loaded there.
"""

import os
import secrets
import sys
from pathlib import Path

__all__ = ["token_file", "voila_command"]

_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@bokeh/jupyter_bokeh", "anywidget")


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
    allowed = ", ".join(f"'{name}'" for name in _EXTENSIONS)
    return [
        sys.executable,
        "-m",
        "voila",
        str(dashboards),
        "--no-browser",
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
        "--Voila.auto_token=True",
        "--Voila.port_retries=0",
        "--VoilaConfiguration.allow_template_override=NO",
        "--VoilaConfiguration.allow_theme_override=NO",
        "--VoilaConfiguration.show_tracebacks=False",
        f"--VoilaConfiguration.extension_allowlist=[{allowed}]",
        "--VoilaConfiguration.file_allowlist=[]",
        # a streaming page is never idle by its messages, so those do not count
        "--MappingKernelManager.cull_interval=60",
        "--MappingKernelManager.cull_idle_timeout=300",
        "--MappingKernelManager.untracked_message_types="
        "['comm_msg', 'comm_open', 'comm_close', 'comm_info_request', 'kernel_info_request']",
    ]
