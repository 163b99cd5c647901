"""`python -m workbench.live`: the supervisor of this home.

Ctrl-C or SIGTERM ends it and stops the live kernels gracefully; with `--keep-kernels` they trade on and
the next supervisor takes them over, which is what a service manager wants of a restart.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.live.driving import drive
from workbench.live.log import JsonLog, open_log
from workbench.live.metrics import SupervisorMetrics, alert_title
from workbench.live.preparing import Preparation
from workbench.live.releases import released_notebooks
from workbench.live.supervisor import Supervisor, serve_signals, supervisor_lease
from workbench.operations import AlertSender, AlertTargets, Watchdog, serve_metrics
from workbench.operations.alerts import AlertOnEvents
from workbench.settings import Settings, load_settings
from workbench.store import open_store

__all__ = ["main"]


def main() -> int:
    """Run the supervisor; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m workbench.live", description=__doc__)
    parser.add_argument("--home", type=Path, help="where the workbench keeps its things")
    parser.add_argument("--keep-kernels", action="store_true", help="leave live kernels running at the end")
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        settings = load_settings(**({"home": arguments.home} if arguments.home else {}))
        os.environ.update(  # live kernels see the same home and store
            WORKBENCH_HOME=str(settings.home.resolve()),
            WORKBENCH_PROJECT=str(settings.project.resolve()),
            WORKBENCH_DATABASE_URL=settings.store_url,
            WORKBENCH_TRACES_URL=settings.traces_url,
        )
        with supervisor_lease(settings.home), _watched(settings) as (log, each_round):
            engine = open_store(settings.store_url)
            preparation = Preparation(settings, engine=engine, load=released_notebooks(settings))
            supervisor = Supervisor(
                engine=engine,
                socket=settings.supervisor_socket,
                deployments_dir=settings.deployments_dir,
                runtime_dir=settings.runtime_dir,
                prepare=preparation.prepare,
                release=preparation.release,
                drive=drive,
                log=log,
                each_round=each_round,
            )
            serve_signals(supervisor, keep_kernels=arguments.keep_kernels)
            supervisor.run()
            engine.dispose()
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


@contextmanager
def _watched(settings: Settings) -> Iterator[tuple[JsonLog, Callable[[Supervisor], None]]]:
    """The log, watched for alerts and metrics, and what the loop calls each round."""
    metrics, watchdog = SupervisorMetrics(), Watchdog()
    alerts = AlertSender(
        urls=AlertTargets(settings.alerts_file).urls(), source="supervisor", report=metrics.on_alert
    )
    watchers = (metrics.on_event, AlertOnEvents(sender=alerts, title_of=alert_title))
    end_metrics = serve_metrics(
        metrics.registry, port=settings.supervisor_metrics_port, setting="WORKBENCH_SUPERVISOR_METRICS_PORT"
    )
    alerts.start()
    serving = False

    def each_round(supervisor: Supervisor) -> None:
        nonlocal serving
        if not serving:
            serving = True
            watchdog.ready("watching the live kernels")
        watchdog.beat()
        metrics.look(supervisor.statuses)

    try:
        yield open_log(settings.logs_dir / "supervisor.log", watchers=watchers), each_round
    finally:
        watchdog.stopping()
        end_metrics()
        alerts.close()


if __name__ == "__main__":
    sys.exit(main())
