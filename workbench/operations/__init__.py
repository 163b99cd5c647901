"""What keeps the processes watched: metrics, alerts, traces, the service manager's watchdog, their files."""

from workbench.operations.alerts import Alert, AlertSender, AlertTargets
from workbench.operations.exposition import serve_metrics
from workbench.operations.tracing import Tracer, open_tracer
from workbench.operations.watchdog import Watchdog

__all__ = ["Alert", "AlertSender", "AlertTargets", "Tracer", "Watchdog", "open_tracer", "serve_metrics"]
