"""Watchers of a log: what looks at each event and must never stop the work that is logged."""

from collections.abc import MutableMapping
from typing import Any

from structlog.typing import Processor

__all__ = ["harmless"]


def harmless(watcher: Processor) -> Processor:
    """A processor that passes each event on whatever `watcher` does; its fault is told in the event."""

    def watch(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        try:
            watcher(logger, method, event)
        except Exception as error:
            event["watcher_failed"] = f"{type(error).__name__}: {error}"
        return event

    return watch
