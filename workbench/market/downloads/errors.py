"""What can go wrong with a download."""

from workbench.errors import WorkbenchError

__all__ = ["DownloadError", "DownloadRefusedError"]


class DownloadError(WorkbenchError):
    """The server could not be reached or sent nothing usable, however often it was asked."""


class DownloadRefusedError(DownloadError):
    """The server refused the request; asking again will not help."""
