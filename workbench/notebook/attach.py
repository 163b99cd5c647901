"""A manager for a kernel that somebody else started and keeps: it only talks to it."""

import json
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import AsyncKernelManager

from workbench.notebook.errors import KernelStartError

__all__ = ["AttachedKernelManager"]


class AttachedKernelManager(AsyncKernelManager):
    """Talks to a running kernel; never starts, restarts, stops or interrupts it.

    It reads the connection file once and forgets its path. A manager that knows the path and believes it
    has no kernel starts a second one and overwrites the file, and the running kernel can not be reached
    any more.
    """

    def __init__(self, connection_file: Path | str, *, pid: int = 0) -> None:
        super().__init__(owns_kernel=False)
        try:
            info = json.loads(Path(connection_file).read_text(encoding="utf-8"))
            self.load_connection_info(info)
        except (OSError, ValueError, KeyError) as error:
            raise KernelStartError(
                f"expected a kernel's connection file at {connection_file}, could not read it: {error}"
            ) from error
        self._attached_pid = pid

    @property
    def has_kernel(self) -> bool:
        """True: the kernel runs already."""
        return True

    async def start_kernel(self, **_: Any) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Refused.

        Raises
        ------
        RuntimeError
            Always.
        """
        raise RuntimeError("the kernel runs already and belongs to another process")

    async def restart_kernel(self, *_: Any, **__: Any) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Do nothing: the kernel belongs to another process."""

    async def shutdown_kernel(self, *_: Any, **__: Any) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Do nothing: the kernel belongs to another process."""

    async def interrupt_kernel(self) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Do nothing: the kernel belongs to another process."""

    async def signal_kernel(self, signum: int) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Do nothing: the kernel belongs to another process."""

    async def is_alive(self) -> bool:  # type: ignore[override]  # the base is typed in its blocking form
        """Whether the kernel's process lives; taken for granted when its pid is not known."""
        if not self._attached_pid:
            return True
        try:
            return bool(psutil.Process(self._attached_pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def cleanup_connection_file(self) -> None:
        """Leave the connection file alone."""

    def cleanup_ipc_files(self) -> None:
        """Leave the sockets alone."""

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]  # the base is typed in its blocking form
        """Leave everything alone."""
