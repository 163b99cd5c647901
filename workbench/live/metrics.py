"""The supervisor's metrics: counted from its log, looked up once a second."""

import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from workbench.operations.alerts import Alert

__all__ = ["SupervisorMetrics", "alert_title"]

_WARNING_EVENTS = {
    "killed": "A live kernel was killed",
    "overdue": "A strategy did not come back and was ended",
    "restarts": "A live kernel starts again",
    "store": "The store does not take a deployment's state",
    "the store does not answer": "The store does not answer",
}
_COUNTED = ("launched", "killed", "overdue", "recovered", "restarts")
_IN_ORDER = frozenset({"finished", "stopped"})
_LOOK_S = 1.0


def alert_title(event: Mapping[str, Any]) -> str:
    """The title of the alert that a line of the supervisor's log is worth; empty for none."""
    name = str(event.get("event", ""))
    if name == "over" and event.get("state") not in _IN_ORDER:
        return f"A deployment is {event.get('state')}"
    return _WARNING_EVENTS.get(name, "")


class SupervisorMetrics:
    """Counts and looks."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._wall = wall
        self._looked_at = float("-inf")
        self._events = Counter(
            "workbench_supervisor_kernel_events",
            "Live kernels launched, killed, recovered and started again",
            ("event",),
            registry=self.registry,
        )
        for event in _COUNTED:
            self._events.labels(event=event)
        self._alerts_sent = Counter(
            "workbench_supervisor_alerts",
            "Alerts by outcome",
            ("severity", "outcome"),
            registry=self.registry,
        )

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"workbench_supervisor_{name}", about, labels, registry=self.registry)

        self._deployments = gauge("deployments", "Deployments by state", "state")
        self._beat_age = gauge("beat_age_seconds", "Since the strategy's loop last went round", "deployment")
        self._decisions = gauge("decisions", "Decisions of a live kernel so far", "deployment")
        self._looked = gauge("last_look_timestamp_seconds", "When the loop last went round")

    def on_event(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: count a line of the log."""
        if event.get("event") in _COUNTED:
            self._events.labels(event=event["event"]).inc()
        return event

    def on_alert(self, alert: Alert, sent: bool) -> None:
        """What became of an alert."""
        self._alerts_sent.labels(severity=alert.severity, outcome="sent" if sent else "failed").inc()

    def look(self, statuses: Callable[[], list[dict[str, Any]]]) -> None:
        """Bring the gauges up to date, once a second at the most."""
        now = self._monotonic()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        self._looked.set(self._wall())
        found = statuses()
        self._deployments.clear()
        self._beat_age.clear()
        self._decisions.clear()
        for state in {item["state"] for item in found}:
            self._deployments.labels(state=state).set(sum(item["state"] == state for item in found))
        for item in found:
            if item["beat_age_s"] is not None:
                self._beat_age.labels(deployment=item["deployment_id"]).set(item["beat_age_s"])
                self._decisions.labels(deployment=item["deployment_id"]).set(item["decisions"])
