"""Alerts: what a person must know now, sent to where people look, by apprise.

The targets are apprise URLs (e-mail, Slack, Telegram, Matrix, ntfy, a web hook and some hundred more), one a
line in `alerts.urls` of the home. They hold secrets, so the file is its owner's alone. Sending happens in a
thread beside the work and can neither stop nor slow it; what could not be sent is in the log and counted.
"""

import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import BadInputError

__all__ = [
    "CRITICAL",
    "WARNING",
    "Alert",
    "AlertOnEvents",
    "AlertSender",
    "AlertTargets",
    "send_test",
    "shown_target",
]

WARNING, CRITICAL = "warning", "critical"
_MOST_WAITING = 1_000
_QUIET_S = 60.0  # the same alert about the same thing is sent once in this time, and counted meanwhile
_MOST_SUBJECTS = 10_000
_WAITS_S = (0.0, 2.0, 8.0)  # before each try; an alert may come twice, an order may not


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to know."""

    name: str  # as in the log: "frozen", "killed", …
    severity: str  # WARNING or CRITICAL
    title: str
    body: str
    subject: str = ""  # what it is about, a deployment or an account


class AlertTargets:
    """The file of the URLs that alerts go to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def urls(self) -> tuple[str, ...]:
        """The URLs, in the file's order; empty where there is no file.

        Raises
        ------
        BadInputError
            Others may read the file, or a line is no URL that apprise knows.
        """
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise BadInputError(f"expected to read {self._path}, found: {error.strerror}") from None
        with os.fdopen(handle, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise BadInputError(
                    f"expected {self._path} to be readable by its owner alone, found mode {mode:04o}; "
                    f"it holds secrets: chmod 600 {self._path}"
                )
            lines = [line.strip() for line in file]
        found = [line for line in lines if line and not line.startswith("#")]
        for number, url in enumerate(found, start=1):
            shown_target(url, where=f"{self._path}, target {number}")
        return tuple(found)

    def add(self, url: str) -> str:
        """Take a target in; its text without its secrets.

        Raises
        ------
        BadInputError
            apprise knows no such URL, or it is there already.
        """
        url = url.strip()
        shown = shown_target(url, where="the target")
        before = self.urls()
        if url in before:
            raise BadInputError(f"expected a target that is not there yet, found {shown}")
        self._write((*before, url))
        return shown

    def remove(self, number: int) -> str:
        """Drop the target of that number, from 1; its text without its secrets."""
        before = self.urls()
        if not 1 <= number <= len(before):
            raise BadInputError(
                f"expected the number of one of {len(before)} targets, found {number}; "
                "`workbench alerts list` shows them"
            )
        self._write((*before[: number - 1], *before[number:]))
        return shown_target(before[number - 1], where="the target")

    def _write(self, urls: tuple[str, ...]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("".join(f"{url}\n" for url in urls))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def shown_target(url: str, *, where: str) -> str:
    """A target's URL with its secrets hidden.

    Raises
    ------
    BadInputError
        apprise knows no such URL; the message does not repeat it.
    """
    import apprise

    made = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if made is None:
        scheme = url.partition("://")[0][:20] if "://" in url else ""
        raise BadInputError(
            f"{where}: expected a URL that apprise knows, as in mailtos://user:password@host or "
            f"json://host/path, found one{f' of scheme {scheme!r}' if scheme else ' without a scheme'}"
        )
    return str(made.url(privacy=True))  # type: ignore[no-untyped-call]


def send_test(urls: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Send a test alert to each target: its text without secrets, and whether it took the alert."""
    import apprise

    for url in urls:
        sender = apprise.Apprise()
        sender.add(url)
        sent = bool(sender.notify(title="[workbench] Test", body="This is a test: alerts reach you here."))
        yield shown_target(url, where="a target"), sent


@dataclass(slots=True)
class _Told:
    at: float
    kept_back: int = 0


@dataclass(slots=True, kw_only=True)
class AlertSender:
    """Sends alerts from a thread of its own.

    Parameters
    ----------
    urls
        Where to; with none nothing is sent.
    source
        The process, for the title.
    report
        Called with the alert and whether it was sent, from the thread.
    """

    urls: tuple[str, ...]
    source: str
    report: Callable[[Alert, bool], None] = lambda alert, sent: None
    monotonic: Callable[[], float] = time.monotonic
    _waiting: "queue.Queue[Alert | None]" = field(default_factory=lambda: queue.Queue(_MOST_WAITING))
    _told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        if self.urls and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self._thread.start()

    def close(self, *, timeout_s: float = 3.0) -> None:
        """Send what waits, for `timeout_s` at the longest, and end."""
        if self._thread is None:
            return
        self._ending.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def tell(self, alert: Alert) -> None:
        """Have an alert sent, at once and without waiting; the same one again within a minute is counted."""
        if not self.urls:
            return
        key = (alert.name, alert.subject)
        now = self.monotonic()
        before = self._told.get(key)
        if before is not None and now - before.at < _QUIET_S:
            before.kept_back += 1
            return
        if len(self._told) >= _MOST_SUBJECTS:
            self._told.clear()
        kept_back = before.kept_back if before is not None else 0
        self._told[key] = _Told(now)
        if kept_back:
            alert = Alert(
                name=alert.name,
                severity=alert.severity,
                title=alert.title,
                body=f"{alert.body}\n({kept_back} more of these since the last alert)",
                subject=alert.subject,
            )
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            self.report(alert, False)

    def _run(self) -> None:
        import apprise

        sender = apprise.Apprise()
        for url in self.urls:
            sender.add(url)
        kinds = {WARNING: apprise.NotifyType.WARNING, CRITICAL: apprise.NotifyType.FAILURE}
        while (alert := self._waiting.get()) is not None:
            self.report(alert, self._sent(sender, alert, kinds[alert.severity]))

    def _sent(self, sender: Any, alert: Alert, kind: Any) -> bool:
        for wait_s in _WAITS_S:
            if wait_s and self._ending.wait(wait_s):
                return False
            try:
                if sender.notify(title=f"[{self.source}] {alert.title}", body=alert.body, notify_type=kind):
                    return True
            except Exception:  # noqa: S112 - a target's own fault must not end the thread; it is reported below
                continue
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertOnEvents:
    """A structlog processor that makes alerts of log events; the events pass through it unchanged.

    Parameters
    ----------
    title_of
        The title of the alert that an event below level error is worth; empty for none.
    """

    sender: AlertSender
    title_of: Callable[[Mapping[str, Any]], str]

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Look at an event."""
        name = str(event.get("event", ""))
        failed = method in ("error", "critical", "exception")
        title = self.title_of(event)
        if failed or title:
            subject = str(event.get("deployment_id") or event.get("scope") or event.get("account") or "")
            self.sender.tell(
                Alert(
                    name=name,
                    severity=CRITICAL if failed else WARNING,
                    title=f"{title or name}{f': {subject}' if subject else ''}",
                    body=_body(event),
                    subject=subject,
                )
            )
        return event


def _body(event: Mapping[str, Any]) -> str:
    left_out = ("event", "exc_info", "exception", "level", "timestamp")
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in event.items() if name not in left_out]
    return "\n".join(lines) or str(event.get("event", ""))
