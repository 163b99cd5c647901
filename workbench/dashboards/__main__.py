"""`python -m workbench.dashboards FOLDER --port=8866`: Voila over a folder of dashboards.

Further arguments are Voila's own, as in `--Voila.identity_provider_class=…`, and come first.
"""

import os
import sys

from voila.app import Voila

from workbench.dashboards.configuration import voila_configuration

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    os.umask(0o077)  # what the kernels write is nobody else's to read
    given = sys.argv[1:] if arguments is None else arguments
    Voila.launch_instance(argv=given, config=voila_configuration())


if __name__ == "__main__":
    main()
