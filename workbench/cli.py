"""The `workbench` command: parse what was typed, call, print the answer or its JSON."""

import click

from workbench import __version__
from workbench.commands.accounts_elsewhere import adopt, resolve
from workbench.commands.answering import answers
from workbench.commands.bench import bench
from workbench.commands.broker import broker
from workbench.commands.costs import costs
from workbench.commands.data import data
from workbench.commands.limits import limits
from workbench.commands.operations import alerts, operations
from workbench.commands.replay import replay
from workbench.commands.research import approve, backtest, leaks, promote
from workbench.commands.scheduling import pipeline, schedule
from workbench.commands.simulate import simulate
from workbench.commands.trading import account, deploy, kill, start, status, stop, unkill, verify
from workbench.settings import load_settings

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="workbench")
def main() -> None:
    """Research, promote and run forex strategies from notebooks."""


@main.command()
@click.option("--no-lab", is_flag=True, help="Without JupyterLab.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@answers
def up(no_lab: bool, no_browser: bool) -> None:
    """Start the workbench for one person on one machine; Ctrl-C stops it all."""
    from workbench.up import run_workbench

    run_workbench(load_settings(), lab=not no_lab, browser=not no_browser, tell=click.echo)


@main.command()
@click.option("--speed", default=150.0, show_default=True, help="Replayed bars a second.")
@click.option("--weeks", default=8, show_default=True, help="Weeks at the sample's end that are replayed.")
@answers
def demo(speed: float, weeks: int) -> None:
    """Run the main job, headless, on the shipped real quotes, and say what happened."""
    from workbench.demo import run_demo

    run_demo(load_settings(), speed=speed, weeks=weeks, tell=click.echo)


for command in (
    *(data, costs, backtest, promote, approve, account, deploy, status, stop, start, kill, unkill, verify),
    *(leaks, limits, adopt, resolve),
    *(pipeline, schedule, bench, simulate, broker, replay, alerts, operations),
):
    main.add_command(command)
