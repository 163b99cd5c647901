"""`python -m workbench.gateway`: run the gateway of one home."""

import argparse
import os
import sys
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.gateway.metrics import GatewayMetrics, alert_title
from workbench.gateway.process import open_log, run_gateway
from workbench.operations import AlertSender, AlertTargets, open_tracer, serve_metrics
from workbench.operations.alerts import AlertOnEvents
from workbench.settings import Settings, load_settings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; 0 after an orderly end, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m workbench.gateway", description=__doc__)
    parser.add_argument("--home", type=Path, help="the workbench's home; default: WORKBENCH_HOME")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        settings = load_settings(**({"home": given.home} if given.home else {}))
        _run(settings)
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(settings: Settings) -> None:
    alerts = AlertSender(urls=AlertTargets(settings.alerts_file).urls(), source="gateway")
    tracer = open_tracer(settings.traces_url, service="workbench-gateway")
    metrics = GatewayMetrics(alerts=alerts, tracer=tracer)
    alerts.report = metrics.on_alert
    watchers = (metrics.on_event, AlertOnEvents(sender=alerts, title_of=alert_title))
    log = open_log(settings.logs_dir, watchers=watchers)
    end_metrics = serve_metrics(
        metrics.registry, port=settings.gateway_metrics_port, setting="WORKBENCH_GATEWAY_METRICS_PORT"
    )
    alerts.start()
    try:
        run_gateway(settings, log=log, metrics=metrics)
    except Exception as error:
        log.error("the gateway has ended", detail=str(error))
        raise
    finally:
        end_metrics()
        alerts.close()
        if tracer is not None:
            tracer.close()


if __name__ == "__main__":
    raise SystemExit(main())
