"""The scheduler's process: ``python -m workbench.schedule [--home FOLDER]``; SIGTERM ends it gracefully."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.schedule.scheduler import Scheduler, lease
from workbench.settings import load_settings

__all__ = ["main"]


def main() -> int:
    """Run the scheduler until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m workbench.schedule")
    parser.add_argument("--home", type=Path, help="the workbench's home; otherwise as in the settings")
    parser.add_argument("--poll", type=float, default=1.0, metavar="SECONDS", help="how often to look")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = load_settings(**({"home": options.home} if options.home else {}))
        with lease(settings):
            scheduler = Scheduler(settings, poll_s=options.poll)
            signal.signal(signal.SIGTERM, lambda *_: scheduler.end())
            signal.signal(signal.SIGINT, lambda *_: scheduler.end())
            scheduler.run()
    except WorkbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
