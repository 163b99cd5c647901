"""A live kernel's own log: one JSON object a line, in a file of its deployment, never a cell's output."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from workbench.operations.logs import harmless

__all__ = ["JsonLog", "open_log"]


class JsonLog:
    """A structured log that is written through at each line; `watchers` see each of its events."""

    def __init__(self, file: TextIO, *, watchers: Sequence[Processor] = (), **always: Any) -> None:
        self._file = file
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                *(harmless(watcher) for watcher in watchers),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(sort_keys=True, default=str),
            ],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
        ).bind(**always)

    def info(self, event: str, **values: Any) -> None:
        """Something that belongs to the course of things."""
        self._log.info(event, **values)

    def warning(self, event: str, **values: Any) -> None:
        """Something a person should look at."""
        self._log.warning(event, **values)

    def error(self, event: str, *, exc_info: bool = False, **values: Any) -> None:
        """Something that ended the work."""
        self._log.error(event, exc_info=exc_info, **values)

    def flush(self) -> None:
        """Bring the log to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())


def open_log(path: Path, *, watchers: Sequence[Processor] = (), **always: Any) -> JsonLog:
    """Open a log for appending, readable by its owner alone; `always` is in every line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return JsonLog(os.fdopen(handle, "w", encoding="utf-8", buffering=1), watchers=watchers, **always)
