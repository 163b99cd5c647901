"""Install the kernelspec: ``python -m workbench.kernel.install [--user | --prefix FOLDER]``.

A wheel brings it along; this is for editable installs and for other prefixes. Without an option it goes
to the environment that runs this, where JupyterLab and papermill of the same environment find it.
"""

import argparse
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["KERNEL_NAME", "install_kernelspec", "main"]

KERNEL_NAME = "workbench"
_RESOURCES = Path(__file__).parent / "resources"


def install_kernelspec(*, prefix: Path | str | None = None, user: bool = False) -> Path:
    """Copy the kernelspec; installing it twice changes nothing.

    Parameters
    ----------
    prefix
        The environment's folder; that of this Python when None.
    user
        For this user, in all environments.
    """
    where = None if user else str(prefix or sys.prefix)
    folder = KernelSpecManager().install_kernel_spec(str(_RESOURCES), KERNEL_NAME, user=user, prefix=where)
    return Path(folder)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workbench.kernel.install", description=__doc__)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--user", action="store_true", help="for this user, in all environments")
    group.add_argument("--prefix", help="the environment's folder (default: this one)")
    options = parser.parse_args()
    folder = install_kernelspec(prefix=options.prefix, user=options.user)
    sys.stdout.write(f"kernel {KERNEL_NAME!r} installed in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
