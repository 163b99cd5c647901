"""Unix sockets of the workbench's processes."""

import socket
from pathlib import Path

__all__ = ["somebody_listens"]


def somebody_listens(path: Path) -> bool:
    """Whether a process accepts connections at `path`; a file that a killed process left does not count."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True  # it is there and busy
        except OSError:
            return False
    return True
