"""The gateway's metrics: counted from its log, timed at its boundaries, looked up once a second.

All of it happens in the one thread that answers; Prometheus reads the numbers from another.
"""

import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workbench.domain.calendar import is_open
from workbench.gateway.controls.usage import limit_use
from workbench.gateway.desk import Desk
from workbench.gateway.trading import State, Trading
from workbench.operations.alerts import CRITICAL, WARNING, Alert, AlertSender
from workbench.operations.tracing import Tracer

__all__ = ["GatewayMetrics", "alert_title"]

_TITLES = {  # events of the gateway's log below level error that a person must know of
    "killed": "Kill switch pressed",
    "kill request refused": "A kill was asked for and refused",
    "cancel unanswered": "The broker did not answer a cancel",
    "adopted": "The broker's position was adopted",
    "limits": "The table of limits was changed",
}
_UNKNOWN_S = 5.0  # an order may be UNKNOWN so long before a person is told
_CHECKPOINT_S = 120.0  # and the journal's head unsigned
_LOOK_S = 1.0
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def alert_title(event: Mapping[str, Any]) -> str:
    """The title of the alert that a line of the gateway's log is worth; empty for none."""
    return _TITLES.get(str(event.get("event", "")), "")


class GatewayMetrics:
    """Counts, times and looks.

    Parameters
    ----------
    alerts
        Told of what only a look over time shows: an order that stays UNKNOWN, a journal that is not signed.
    tracer
        Given the spans of each order's way; None for none.
    """

    def __init__(
        self,
        *,
        alerts: AlertSender,
        tracer: Tracer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.registry = CollectorRegistry()
        self._alerts = alerts
        self._tracer = tracer
        self._monotonic = monotonic
        self._wall_ns = wall_ns
        self._marks: dict[str, tuple[float, int]] = {}
        self._unknown_since: dict[str, float] = {}
        self._unsigned_since: float | None = None
        self._looked_at = float("-inf")

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"workbench_gateway_{name}", about, labels, registry=self.registry)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"workbench_gateway_{name}", about, labels, registry=self.registry)

        self._orders = counter("orders", "Orders by what became of sending them", "state")
        self._denials = counter("denials", "Orders that a control stopped", "control")
        self._fills = counter("fills", "Executions written down", "deployment")
        self._events = counter("log_events", "Lines of the log by level", "level")
        self._alerts_sent = counter("alerts", "Alerts by outcome", "severity", "outcome")
        self._commit = Histogram(
            "workbench_gateway_commit_seconds",
            "Time of a durable commit",
            ("change",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._send = Histogram(
            "workbench_gateway_send_seconds",
            "Time from a durable intent to the broker's answer",
            buckets=_SECONDS,
            registry=self.registry,
        )
        for state in ("WORKING", "REJECTED", "UNKNOWN", "DENIED"):  # a rate needs to see the first one
            self._orders.labels(state=state)
        for severity in (WARNING, CRITICAL):
            for outcome in ("sent", "failed"):
                self._alerts_sent.labels(severity=severity, outcome=outcome)
        self._deployments = gauge("deployments", "Open deployments by state", "state")
        self._open_orders = gauge("open_orders", "Orders that wait at the broker", "deployment")
        self._unknown = gauge("unknown_orders", "Orders of which nobody knows whether the broker has them")
        self._unknown_age = gauge("unknown_age_seconds", "Age of the oldest UNKNOWN order")
        self._equity = gauge("equity", "Equity in the account's currency", "deployment")
        self._daily_loss = gauge("daily_loss", "Loss since 17:00 New York", "deployment")
        self._kernel_age = gauge("kernel_age_seconds", "Since the live kernel was last heard", "deployment")
        self._data_age = gauge(
            "data_age_seconds",
            "Age of the latest quote, 0 while the market is closed",
            "deployment",
            "instrument",
        )
        self._away = gauge("broker_away", "1 while the broker does not answer", "deployment")
        self._compared_age = gauge(
            "compared_age_seconds", "Since the books were found to be the broker's", "deployment"
        )
        self._frozen = gauge("frozen_instruments", "Instruments that may only be reduced", "deployment")
        self._limit_use = gauge(
            "limit_use_ratio", "Share of a limit that is used, 1 at the limit", "deployment", "limit"
        )
        self._kills = gauge("kills", "Kills in force")
        self._journal = gauge("journal_records", "Records in the journal")
        self._checkpoint_age = gauge("checkpoint_age_seconds", "How long the journal's head is not signed")
        self._looked = gauge("last_look_timestamp_seconds", "When the serving loop last went round")

    # --- what the gateway calls ----------------------------------------------------------------------------

    def at_boundary(self, name: str) -> None:
        """A boundary of a write: the time of commits and of the way to the broker and back."""
        now, wall = self._monotonic(), self._wall_ns()
        self._marks[name] = now, wall
        when, _, change = name.partition(" ")
        if when == "after" and (began := self._marks.get(f"in {change}")):
            self._commit.labels(change=change).observe(now - began[0])
        elif name == "placed" and (began := self._marks.get("after intent")):
            self._send.observe(now - began[0])

    def on_event(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: count a line of the log."""
        self._events.labels(level=method).inc()
        match event.get("event"):
            case "order":
                self._orders.labels(state=event["state"]).inc()
                self._trace(event)
            case "denied":
                self._orders.labels(state="DENIED").inc()
                self._denials.labels(control=event["control"]).inc()
            case "fill":
                self._fills.labels(deployment=event["deployment_id"]).inc()
                if self._tracer is not None:
                    now = self._wall_ns()
                    self._tracer.add(event["client_order_id"], "fill", start_ns=now, end_ns=now)
        return event

    def on_alert(self, alert: Alert, sent: bool) -> None:
        """What became of an alert."""
        self._alerts_sent.labels(severity=alert.severity, outcome="sent" if sent else "failed").inc()

    def look(self, desk: Desk) -> None:
        """Bring the gauges up to date, once a second at the most."""
        now = self._monotonic()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        self._looked.set(self._wall_ns() / 1e9)
        deployments = desk.deployments
        for state in State:
            self._deployments.labels(state=state.value).set(
                sum(trading.state is state for trading in deployments.values())
            )
        self._limit_use.clear()
        for name, trading in deployments.items():
            if trading.archived is not None:
                continue
            self._look_at_limits(name, trading)
            self._open_orders.labels(deployment=name).set(len(trading.working))
            self._equity.labels(deployment=name).set(trading.equity / 1e6)
            self._daily_loss.labels(deployment=name).set((trading.day_start_equity - trading.equity) / 1e6)
            self._look_at_sources(name, trading)
            if trading.kernel_seen_ns:
                age_s = (self._wall_ns() - trading.kernel_seen_ns) / 1e9
                self._kernel_age.labels(deployment=name).set(age_s)
        self._kills.set(len(desk.kills))
        self._look_at_unknown(desk, now)
        self._look_at_journal(desk, now)

    # --- looks ----------------------------------------------------------------------------------------------

    def _look_at_sources(self, name: str, trading: Trading) -> None:
        for record in trading.spec.records:
            age_ns = trading.feed.data_age_ns(record.id)
            if age_ns is not None:
                if age_ns and not is_open(self._wall_ns(), record):
                    age_ns = 0  # nothing is quoted then, and nothing is amiss
                self._data_age.labels(deployment=name, instrument=record.id).set(age_ns / 1e9)
        standing = trading.standing
        if standing is None:
            return
        self._away.labels(deployment=name).set(standing.away)
        self._frozen.labels(deployment=name).set(len(standing.frozen))
        compared_ns = standing.reconcile_age_ns()
        if compared_ns is not None:
            self._compared_age.labels(deployment=name).set(compared_ns / 1e9)

    def _look_at_limits(self, name: str, trading: Trading) -> None:
        if trading.desk_view is None or trading.state is State.CLOSED:
            return
        for use in limit_use(trading):
            self._limit_use.labels(deployment=name, limit=use.name).set(use.ratio)

    def _look_at_unknown(self, desk: Desk, now: float) -> None:
        unknown = {
            order_id: name for name, trading in desk.deployments.items() for order_id in trading.unknown
        }
        self._unknown_since = {key: self._unknown_since.get(key, now) for key in unknown}
        oldest = max((now - since for since in self._unknown_since.values()), default=0.0)
        self._unknown.set(len(unknown))
        self._unknown_age.set(oldest)
        for order_id, since in self._unknown_since.items():
            if now - since > _UNKNOWN_S:
                self._alerts.tell(
                    Alert(
                        name="unknown order",
                        severity=CRITICAL,
                        title=f"Order UNKNOWN for {now - since:.0f} s: {unknown[order_id]}",
                        body=(
                            f"client order id: {order_id}\nNobody knows whether the broker has it. Its "
                            "exposure stays reserved. Look at the broker's own page."
                        ),
                        subject=order_id,
                    )
                )

    def _look_at_journal(self, desk: Desk, now: float) -> None:
        self._journal.set(desk.ledger.length)
        if not desk.ledger.unsigned:
            self._unsigned_since = None
        elif self._unsigned_since is None:
            self._unsigned_since = now
        age = 0.0 if self._unsigned_since is None else now - self._unsigned_since
        self._checkpoint_age.set(age)
        if age > _CHECKPOINT_S:
            self._alerts.tell(
                Alert(
                    name="checkpoint late",
                    severity=CRITICAL,
                    title=f"The journal's head is not signed for {age:.0f} s",
                    body="See the gateway's log for why no checkpoint could be written.",
                )
            )

    def _trace(self, event: MutableMapping[str, Any]) -> None:
        if self._tracer is None:
            return
        order_id = event["client_order_id"]
        began, placed = self._marks.get("before intent"), self._marks.get("placed")
        durable = self._marks.get("after intent")
        if not (began and durable and placed and began[1] <= durable[1] <= placed[1]):
            return
        values = {
            name: event[name] for name in ("deployment_id", "state", "units", "event_seq") if name in event
        }
        end = self._wall_ns()
        self._tracer.add(order_id, "gateway", start_ns=began[1], end_ns=end, **values)
        self._tracer.add(order_id, "commit intent", start_ns=began[1], end_ns=durable[1])
        self._tracer.add(order_id, "send to broker", start_ns=durable[1], end_ns=placed[1])
        self._tracer.add(order_id, "record answer", start_ns=placed[1], end_ns=end)
