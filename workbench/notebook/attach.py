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

    async def _async_is_alive(self) -> bool:
        """Whether the kernel's process lives; taken for granted when its pid is not known."""
        if not self._attached_pid:
            return True
        try:
            return bool(psutil.Process(self._attached_pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    async def _async_start_kernel(self, **_: Any) -> None:
        raise RuntimeError("the kernel runs already and belongs to another process")

    async def _async_leave_alone(self, *_: Any, **__: Any) -> None:
        """Do nothing: the kernel belongs to another process."""

    # the base class calls the `_async_` forms itself and gives them out under the plain names
    is_alive = _async_is_alive
    start_kernel = _async_start_kernel
    restart_kernel = _async_restart_kernel = _async_leave_alone
    shutdown_kernel = _async_shutdown_kernel = _async_leave_alone
    interrupt_kernel = _async_interrupt_kernel = _async_leave_alone
    signal_kernel = _async_signal_kernel = _async_leave_alone
    cleanup_resources = _async_cleanup_resources = _async_leave_alone

    def cleanup_connection_file(self) -> None:
        """Leave the connection file alone."""

    def cleanup_ipc_files(self) -> None:
        """Leave the sockets alone."""
