"""The process of one run: ``python -m workbench.schedule.child RUN_ID``, started by the scheduler.

It claims the queued run, so a run is never done twice; it says itself how the run ended, so it can go on
when the scheduler is restarted meanwhile. SIGTERM ends the step that runs.
"""

import logging
import os
import signal
import sys
import threading
import time

import sqlalchemy as sa

from workbench.live.pids import started_at
from workbench.schedule.runs import change_run, end_run, get_run
from workbench.settings import Settings, load_settings
from workbench.store import open_store

__all__ = ["main"]

_BEAT_EVERY_S = 5.0


def main() -> int:
    """Do the run; 0 when it reached its end."""
    run_id = sys.argv[1]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings()
    engine = open_store(settings.store_url)
    now = time.time_ns()
    claimed = change_run(
        engine,
        run_id,
        when=("queued",),
        status="running",
        detail="begins",
        pid=os.getpid(),
        pid_started=started_at(os.getpid()),
        started_ns=now,
        heartbeat_ns=now,
    )
    if not claimed:
        return 0  # stopped before it began, or another process does it
    threading.Thread(target=_beat, args=(engine, run_id), daemon=True).start()
    return _run(engine, run_id, settings=settings, stop=stop)


def _run(engine: sa.Engine, run_id: str, *, settings: Settings, stop: threading.Event) -> int:
    try:
        from workbench.schedule.running import run_pipeline

        run = get_run(engine, run_id)
        result = run_pipeline(run.pipeline, settings, run.parameters, run_id=run_id, stop=stop)
    except Exception as error:  # the process's entry point: whatever happened is the run's outcome
        logging.getLogger(__name__).exception("run %s failed", run_id)
        end_run(engine, run_id, status="failed", detail=f"{type(error).__name__}: {error}")
        return 1
    return 0 if result.ok else 1


def _beat(engine: sa.Engine, run_id: str) -> None:
    while True:
        time.sleep(_BEAT_EVERY_S)
        change_run(engine, run_id, when=("running", "stopping"), heartbeat_ns=time.time_ns())


if __name__ == "__main__":
    sys.exit(main())
