"""The kernels behind the pages: one a page, ended when its page is gone, and only so many."""

from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Integer

__all__ = ["ViewerKernels"]


class ViewerKernels(AsyncMappingKernelManager):
    """Kernels that are idle from when the last browser left them, whatever they go on sending.

    A page that refreshes itself is never idle by its messages, so Jupyter's own measure would keep the
    kernel of every page that was ever opened.
    """

    most = Integer(20, config=True, help="How many pages may be open at once; each takes about 100 MB.")

    def track_message_type(self, message_type: str) -> bool:
        """No message counts as activity."""
        return False

    def notify_disconnect(self, kernel_id: str) -> None:
        """A browser left: from now on the kernel is idle."""
        super().notify_disconnect(kernel_id)  # type: ignore[no-untyped-call]
        if kernel_id in self:
            self.get_kernel(kernel_id).last_activity = utcnow()  # type: ignore[attr-defined]

    async def start_kernel(self, **options: Any) -> str:  # type: ignore[override]
        """A kernel for a page that is being opened.

        Raises
        ------
        HTTPError
            503: as many pages are open as may be.
        """
        if len(self.list_kernel_ids()) >= self.most:
            reason = f"As many pages are open as may be ({self.most}): close one and try again"
            raise HTTPError(503, reason=reason)
        return str(await super().start_kernel(**options))
