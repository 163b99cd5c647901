"""`python -m workbench.gateway`: run the gateway of one home."""

import argparse
import os
import sys
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.gateway.process import open_log, run_gateway
from workbench.settings import load_settings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; 0 after an orderly end, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m workbench.gateway", description=__doc__)
    parser.add_argument("--home", type=Path, help="the workbench's home; default: WORKBENCH_HOME")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        settings = load_settings(**({"home": given.home} if given.home else {}))
        run_gateway(settings, log=open_log(settings.logs_dir))
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
