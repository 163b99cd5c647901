"""`workbench backtest`, `leaks` and `promote`: notebooks, run, checked and frozen."""

import sys
from pathlib import Path
from typing import Any

import click

from workbench.commands.answering import answers, cell_progress, json_option, parameters_from, show
from workbench.domain.allowance import DECISION_S, Allowance
from workbench.errors import BadInputError
from workbench.settings import load_settings

__all__ = ["approve", "backtest", "leaks", "promote"]

_TIMEOUT = click.option("--timeout", default=3_600.0, show_default=True, help="Seconds a run may take.")


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebook.")
@_TIMEOUT
@json_option
@answers
def backtest(notebook: Path, given: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Run a notebook in the research kernel under a new MLflow run."""
    from workbench.tracking import run_data, run_tracked

    settings = load_settings()
    parameters = parameters_from(given)
    with cell_progress(notebook, hidden=as_json) as progress:
        done = run_tracked(
            notebook, settings=settings, parameters=parameters, timeout_s=timeout, progress=progress
        )
    done.run.raise_for_status()
    found = run_data(done.run_id)
    value = {"run_id": done.run_id, "metrics": found["metrics"], "wall_s": round(done.run.wall_s, 1)}

    def text() -> list[str]:
        lines = [f"run {done.run_id}, {done.run.wall_s:.1f} s"]
        lines += [f"  {name:<24} {number:,.4f}" for name, number in sorted(found["metrics"].items())]
        return [*lines, f"promote it with: workbench promote {done.run_id}"]

    show(value, as_json=as_json, text=text)


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("--cuts", default=12, show_default=True, help="Moments at which the future is cut off.")
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebook.")
@_TIMEOUT
@json_option
@answers
def leaks(notebook: Path, cuts: int, given: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Does a cell of a notebook know the future? Runs it again with less and less of the data.

    Exit code 0: no look-ahead found; 2: a cell looks ahead, or nothing could be compared; 1: it did not run.
    """
    from tqdm import tqdm

    from workbench.kernel import check_leaks

    if not notebook.is_file():
        raise BadInputError(f"{notebook}: expected a notebook, found no such file")
    hidden = as_json or not sys.stderr.isatty()
    with tqdm(desc=notebook.name, unit="run", disable=hidden, file=sys.stderr, leave=False) as bar:

        def told(done: int, of: int) -> None:
            bar.total, bar.n = of, done
            bar.refresh()

        found = check_leaks(
            notebook, cuts=cuts, parameters=parameters_from(given), timeout_s=timeout, progress=told
        )

    def text() -> list[str]:
        return [found.sentence, *(f"  {item.sentence}" for item in found.leaks[1:]), *found.notes]

    show(found.to_json(), as_json=as_json, text=text)
    if not found.passed:
        sys.exit(2)


@click.command()
@click.argument("subject", metavar="RUN_ID|NOTEBOOK")
@click.option(
    "-p", "given", multiple=True, metavar="NAME=VALUE", help="With a notebook: a parameter of its run."
)
@click.option("--author", help="Who promotes; default: WORKBENCH_USER.")
@click.option(
    "--decision-seconds",
    type=float,
    default=DECISION_S,
    show_default=True,
    help="How long one decision may take while it trades; longer, and the strategy is ended.",
)
@click.option(
    "--memory-mib", type=int, default=0, help="Memory while it trades; default: half of the machine's."
)
@_TIMEOUT
@json_option
@answers
def promote(
    subject: str,
    given: tuple[str, ...],
    author: str | None,
    decision_seconds: float,
    memory_mib: int,
    timeout: float,
    as_json: bool,
) -> None:
    """Send a run through the gates and make a release of it; a gate can refuse."""
    from tqdm import tqdm

    from workbench.release import promote as send

    settings = load_settings()
    hidden = as_json or not sys.stderr.isatty()
    with tqdm(unit=" events", unit_scale=True, disable=hidden, file=sys.stderr, leave=False) as bar:

        def told(progress: Any) -> None:
            bar.set_description(f"{progress.title}{'' if progress.of else f': {progress.detail}'}"[:60])
            bar.total, bar.n = progress.of or None, progress.done
            bar.refresh()
            if not as_json and progress.state != "running":
                bar.clear()
                click.echo(f"  {progress.state:<8} {progress.title}: {progress.detail}", err=True)

        release = send(
            Path(subject) if subject.endswith(".ipynb") else subject,
            settings=settings,
            author=author or settings.user,
            parameters=parameters_from(given) or None,
            allowance=Allowance(decision_s=decision_seconds, memory_mib=memory_mib),
            progress=told,
            timeout_s=timeout,
        )
    value = {
        "release_id": release.id,
        "name": release.name,
        "run_id": release.run_id,
        "gates": [item.to_json() for item in release.evidence],
    }
    show(
        value,
        as_json=as_json,
        text=lambda: [
            f"release {release.id}",
            f"somebody other than {release.author} approves it with: "
            f"workbench approve {release.id[:12]} --as NAME --reason …",
        ],
    )


@click.command()
@click.argument("release")
@click.option("--as", "approver", required=True, metavar="NAME", help="Who decides; not the author.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--refuse", "refused", is_flag=True, help="Refuse it instead, for good.")
@json_option
@answers
def approve(release: str, approver: str, reason: str, refused: bool, as_json: bool) -> None:
    """Approve a release that somebody else promoted."""
    from workbench.release import approve as say_yes
    from workbench.release import find_release_id
    from workbench.release import refuse as say_no

    settings = load_settings()
    release_id = find_release_id(release, settings=settings)
    decide = say_no if refused else say_yes
    found = decide(release_id, settings=settings, approver=approver, reason=reason, role="approver")
    show(
        {"release_id": release_id, "decision": found.decision, "approver": found.approver},
        as_json=as_json,
        text=lambda: [f"release {release_id[:12]} {found.decision} by {found.approver}"],
    )
