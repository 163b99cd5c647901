"""The last call of a notebook: in research it registers a candidate, in a live kernel it starts trading."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.domain.instruments import instrument
from workbench.domain.limits import Limits
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.kernel.errors import NotDeployableError, NotLiveError
from workbench.kernel.session import Mode, Session, current_session
from workbench.kernel.showing import note, show, show_result

if TYPE_CHECKING:
    from workbench.strategy import Strategy

__all__ = ["CANDIDATE_FORMAT", "deploy"]

CANDIDATE_FORMAT = 1


def deploy(
    strategy: "Strategy",
    *,
    instruments: Sequence[str],
    timeframe: str = "H1",
    limits: Mapping[str, Any] | None = None,
) -> None:
    """Say that this strategy is what the notebook is about; the last call of a notebook.

    In a research kernel it registers the candidate and shows what promotion will ask for. In a live kernel it
    hands the strategy over to trade. Promotion's rehearsals only check it.

    Parameters
    ----------
    instruments
        Names, as in ``["EUR_USD"]``.
    limits
        Proposed limits by name, see `workbench.domain.limits.Limits`; whoever approves sets those that bind.

    Raises
    ------
    NotDeployableError
        No strategy, no instrument, or an instrument twice.
    BadInputError
        An unknown instrument, timeframe or limit.
    NotArmableError
        In a live kernel: it is not what was released.
    """
    from workbench.strategy import Strategy, spec

    if not isinstance(strategy, Strategy):
        hint = " (the class; write its parameters in parentheses)" if isinstance(strategy, type) else ""
        raise NotDeployableError(
            f"deploy: expected a strategy, as in deploy(SmaCross(fast=10), ...), found {strategy!r}{hint}"
        )
    names = _names(instruments)
    frame = str(timeframe_named(timeframe))
    proposed = Limits.from_json(limits).to_json() if limits is not None else None
    session = current_session()
    session.deployed = (strategy, names, frame)
    if session.mode is Mode.LIVE:
        _arm(strategy, instruments=names, timeframe=frame)
        return
    described = spec(strategy)
    if session.mode is Mode.RESEARCH:
        value = _candidate(session, strategy=described, instruments=names, timeframe=frame, limits=proposed)
        _register(session, value)
        _show_next_steps(session, value, missing_live=_missing_live(strategy, [*names, *session.others]))
    show_result(
        "deploy",
        described["digest"],
        f"{strategy!r} on {', '.join(names)} {frame}: strategy {described['digest'][:16]}.",
    )


def _names(instruments: Sequence[str]) -> list[str]:
    if isinstance(instruments, str):
        raise NotDeployableError(f"deploy: expected a list of instruments, found the text {instruments!r}")
    names = [str(instrument(name).id) for name in instruments]
    if not names:
        raise NotDeployableError("deploy: expected at least one instrument, found none")
    if len(set(names)) != len(names):
        raise NotDeployableError(f"deploy: expected each instrument once, found {', '.join(names)}")
    return names


def _arm(strategy: "Strategy", *, instruments: list[str], timeframe: str) -> None:
    from workbench.live import arming

    live = arming.current()
    if live is None:
        raise NotLiveError(
            "WORKBENCH_MODE is live, but this process is no live kernel; live kernels are started by the "
            "supervisor only: deploy a release"
        )
    show(live.arm(strategy, instruments=instruments, timeframe=timeframe))


def _candidate(
    session: Session,
    *,
    strategy: Mapping[str, Any],
    instruments: list[str],
    timeframe: str,
    limits: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What the `candidates` table keeps as `spec`."""
    book = session.cost_book
    value = {
        "format": CANDIDATE_FORMAT,
        "strategy": dict(strategy),
        "instruments": instruments,
        "timeframe": timeframe,
        "limits": limits,
        "data": dict(sorted(session.data.items())),
        "cost_book": book.to_json() if book is not None else None,
        "cost_book_version": book.version if book is not None else "",
        "account": asdict(session.account),
        "currency": session.currency,
        "others": session.others,
        "finer": session.finer,
        "sizes": session.sizes,
        "results": list(session.results),
        "idea": session.idea,
        "notebook_sha256": session.notebook_sha256(),
        "author": session.author,
    }
    return dict(json.loads(json.dumps(value)))


def _register(session: Session, value: Mapping[str, Any]) -> None:
    import sqlalchemy as sa

    from workbench.store.schema import candidates
    from workbench.tracking import TAG_CANDIDATE, log_dict, set_tags

    run_id = session.run_id()
    row = {
        "run_id": run_id,
        "notebook": str(session.notebook or ""),
        "spec": dict(value),
        "created_ns": time.time_ns(),
    }
    with session.engine.begin() as connection:  # the run's last candidate counts
        connection.execute(sa.delete(candidates).where(candidates.c.run_id == run_id))
        connection.execute(sa.insert(candidates), row)
    log_dict(run_id, value, "candidate.json")
    set_tags(run_id, {TAG_CANDIDATE: str(value["strategy"]["digest"])})


def _missing_live(strategy: "Strategy", names: Sequence[str]) -> tuple[str, ...]:
    """What it needs that a live kernel would not give, in words; quotes come with a feed of ticks."""
    from workbench.strategy.needs import needs

    return () if strategy.form == "on_tick" else needs(strategy, instruments=names)


def _show_next_steps(session: Session, value: Mapping[str, Any], *, missing_live: Sequence[str]) -> None:
    from workbench.kernel.results import trials

    steps = [
        (
            session.run_was_given,
            "the whole notebook ran from top to bottom in a clean kernel",
            "run it once as a whole, with Run notebook",
        ),
        (bool(value["results"]), "a backtest of it is in this run", "call backtest(...) before deploy"),
        (bool(value["data"]), "its data is pinned by fingerprint", "load bars by load_bars(...)"),
        (value["cost_book"] is not None, "its costs are pinned", "give backtest(...) a cost book"),
        (
            value["limits"] is not None,
            "limits are proposed",
            "give deploy(...) limits, or set them when promoting",
        ),
        (
            not missing_live,
            "a live kernel can run it",
            f"it needs {' and '.join(missing_live)}: give them to backtest(...) as also=",
        ),
        *(
            [(True, "its orders take recorded sizes, so deployments replay ticks that carry them", "")]
            if session.sizes
            else []
        ),
        (False, "a second person approves the release", "they see it under Releases once you promote"),
    ]
    rows = "".join(
        f'<tr><td style="text-align:left">{"✓ done" if done else "○ open"}</td>'
        f'<td style="text-align:left">{escape(what)}{"" if done else escape(f" — {hint}")}</td></tr>'
        for done, what, hint in steps
    )
    count = trials()
    note(
        f"Candidate registered as run {session.run_id()}; {count:,} trials of this idea so far.",
        run_id=session.run_id(),
        steps=[{"done": done, "what": what} for done, what, _ in steps],
        body=f"<table>{rows}</table>",
    )
