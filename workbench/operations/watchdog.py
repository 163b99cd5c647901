"""The service manager's watchdog: told when a process is ready, alive and about to end.

The beat is given by the loop that does the work, so a loop that hangs is found and the process restarted
(`Type=notify` and `WatchdogSec=` of a systemd unit). Without a service manager nothing happens.
"""

import os
import time
from collections.abc import Callable, Mapping

import sdnotify

__all__ = ["Watchdog"]


class Watchdog:
    """Speaks to the service manager named by `NOTIFY_SOCKET`.

    Parameters
    ----------
    environment
        Where `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` stand.
    monotonic
        Seconds.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier = sdnotify.SystemdNotifier() if environment.get("NOTIFY_SOCKET") else None
        self._monotonic = monotonic
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        usec = environment.get("WATCHDOG_USEC", "")
        self._every_s = int(usec) / 2_000_000 if mine and usec.isdecimal() else 0.0
        self._beat_at = float("-inf")

    def ready(self, status: str) -> None:
        """The process serves from now on."""
        self._tell(f"READY=1\nSTATUS={status}")

    def beat(self) -> None:
        """The loop has gone round; passed on at half the interval the service manager asks for."""
        now = self._monotonic()
        if self._every_s and now - self._beat_at >= self._every_s:
            self._beat_at = now
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The process is about to end."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(text)
