"""History from vendors' servers into folders that `workbench.market.formats` reads."""

from workbench.market.downloads.downloading import DownloadReport, download
from workbench.market.downloads.errors import DownloadError, DownloadRefusedError

__all__ = ["DownloadError", "DownloadRefusedError", "DownloadReport", "download"]
