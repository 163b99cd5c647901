"""The `workbench` command."""

import click

from workbench import __version__

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="workbench")
def main() -> None:
    """Research, promote and run forex strategies from notebooks."""
