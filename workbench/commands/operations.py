"""Being watched: where alerts go, and the files for systemd, Prometheus and Grafana."""

from pathlib import Path

import click

from workbench.commands.answering import answers, columns, json_option, show
from workbench.errors import WorkbenchError
from workbench.settings import load_settings

__all__ = ["alerts", "operations"]


@click.group()
def alerts() -> None:
    """Where alerts are sent: any of the services that apprise knows."""


@alerts.command("add")
@click.argument("url", required=False)
@answers
def add(url: str | None) -> None:
    """Send alerts to URL too, as in mailtos://user:password@host or ntfys://ntfy.sh/topic.

    Without URL it is asked for and not shown, and stays out of the shell's history.
    """
    from workbench.operations import AlertTargets

    given = url or click.prompt("URL", hide_input=True)
    shown = AlertTargets(load_settings().alerts_file).add(given)
    click.echo(f"alerts go to {shown} from the next start of the gateway and the supervisor on")


@alerts.command("list")
@json_option
@answers
def list_targets(as_json: bool) -> None:
    """List where alerts go, without the secrets."""
    from workbench.operations import AlertTargets
    from workbench.operations.alerts import shown_target

    found = [shown_target(url, where="a target") for url in AlertTargets(load_settings().alerts_file).urls()]
    show(
        [{"number": number, "target": target} for number, target in enumerate(found, start=1)],
        as_json=as_json,
        text=lambda: columns([(str(k), item) for k, item in enumerate(found, start=1)], ("", "target")),
    )


@alerts.command("remove")
@click.argument("number", type=int)
@answers
def remove(number: int) -> None:
    """Send no more alerts to the target of that NUMBER in the list."""
    from workbench.operations import AlertTargets

    click.echo(f"no more alerts to {AlertTargets(load_settings().alerts_file).remove(number)}")


@alerts.command("test")
@answers
def test() -> None:
    """Send a test alert to all targets, and say whether each took it."""
    from workbench.operations import AlertTargets
    from workbench.operations.alerts import send_test

    urls = AlertTargets(load_settings().alerts_file).urls()
    if not urls:
        raise WorkbenchError("expected a target for alerts, found none; add one: workbench alerts add")
    failed = 0
    for number, (target, sent) in enumerate(send_test(urls), start=1):
        click.echo(f"{number}  {'sent' if sent else 'NOT SENT'}  {target}")
        failed += not sent
    if failed:
        raise WorkbenchError(f"{failed} of {len(urls)} targets did not take the alert")


@click.group()
def operations() -> None:
    """Run the workbench as services and watch them."""


@operations.command("write")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--user", default="", help="Whom the services belong to; default: you.")
@json_option
@answers
def write(folder: Path, user: str, as_json: bool) -> None:
    """Write systemd units, Prometheus' configuration and rules, and Grafana's dashboard into FOLDER."""
    from workbench.operations.files import write_files

    settings = load_settings()
    written = write_files(
        folder, home=settings.home, project=settings.project, mlruns=settings.mlruns_dir, user=user
    )
    show(
        [str(path) for path in written],
        as_json=as_json,
        text=lambda: [
            *(str(path) for path in written),
            f"install: sudo cp {folder}/systemd/*.service /etc/systemd/system/ && "
            "sudo systemctl enable --now workbench-gateway workbench-supervisor workbench-scheduler "
            "workbench-dashboards",
        ],
    )
