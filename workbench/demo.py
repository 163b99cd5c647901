"""The main job, headless, on the shipped real quotes: what `make demo` runs.

Everything goes through the same doors a user has. It can be run again in the same home.
"""

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.commands.answering import ROLE, cell_progress, columns
from workbench.commands.lifting import lifted
from workbench.domain.calendar import session_of, to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import Fill
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.live import SupervisorClient, add_account, deploy, list_accounts, released_notebooks
from workbench.live.divergence import Divergence, compare
from workbench.live.replays import replay_feed
from workbench.market import MarketStore
from workbench.market.sample.importing import import_sample
from workbench.processes import running
from workbench.release import Release, approve, is_approved, promote
from workbench.research import run_backtest
from workbench.settings import Settings
from workbench.store import open_store
from workbench.strategy import strategy_from_spec
from workbench.tracking import count_trials, run_data, run_tracked
from workbench.up import dashboard_process, dashboard_url, trading_processes

__all__ = ["DemoFailedError", "run_demo"]

Tell = Callable[[str], None]

_ACCOUNTS = ("demo", "demo-undisturbed")
_BALANCE = Decimal(100_000)
_LONGEST_S = 240.0


class DemoFailedError(WorkbenchError):
    """The demo did not show what it is there to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traded:
    """What the live part of the demo found."""

    deployments: tuple[str, ...]  # the one that was killed, and the undisturbed one
    killed_at: str  # market time
    recovery_s: float
    fills: dict[str, list[Fill]]


def run_demo(settings: Settings, *, speed: float, weeks: int, tell: Tell) -> None:
    """Run the main job and print what happened.

    Parameters
    ----------
    speed
        Replayed bars a second.
    weeks
        How many weeks at the end of the sample are replayed.

    Raises
    ------
    DemoFailedError
        Live trading and backtest differ, or a process did not do its part.
    """
    began = time.monotonic()
    settings.home.mkdir(parents=True, exist_ok=True)
    engine = open_store(settings.store_url)

    _step(tell, began, 1, "Real quotes into the market store")
    report = import_sample(MarketStore(settings.market_root, engine))
    tell("   " + "\n   ".join(str(report).splitlines()[:2]))

    _step(tell, began, 2, "A strategy notebook, run by papermill in the research kernel")
    research = _run_notebook(settings, "10_sma_cross.ipynb", engine=engine, tell=tell)

    _step(tell, began, 3, "A model notebook")
    model = _run_notebook(settings, "20_direction_model.ipynb", engine=engine, tell=tell)

    _step(
        tell, began, 4, "Promotion: frozen, reproduced in a clean kernel, signed, approved by somebody else"
    )
    release = _promote(research, settings=settings, tell=tell)

    _step(tell, began, 5, f"Live on a paper account, on a replay of the last {weeks} weeks")
    with ExitStack() as stack:
        gateway = OperatorClient(settings.operator_socket, user="demo", role=ROLE)
        supervisor = SupervisorClient(settings.supervisor_socket, user="demo", role=ROLE)
        if _answers(gateway) and _answers(supervisor):
            tell("   the workbench of this home is running already; the demo uses it")
        else:
            stack.enter_context(
                running(trading_processes(settings), settings=settings, tell=lambda text: tell(f"   {text}"))
            )
        owner = OperatorClient(settings.operator_socket, user=settings.user, role=ROLE)
        stack.enter_context(lifted(owner, by=settings.user, tell=lambda text: tell(f"   {text}")))
        traded = _trade(
            release, engine, gateway, supervisor, settings=settings, speed=speed, weeks=weeks, tell=tell
        )
        journal = gateway.verify()
    if not journal["ok"]:
        raise DemoFailedError(f"the journal does not verify: {journal['fault']}")
    tell(f"   journal: {journal['length']:,} records, the chain holds")

    _step(tell, began, 7, "Live fills beside a backtest of the same release over the same quotes")
    parity = _compare(release, traded, engine, settings=settings, tell=tell)

    _step(tell, began, 8, "The monitor, rendered by Voila")
    _render_monitor(settings, tell=tell)

    fills = traded.fills[traded.deployments[0]]
    profit = sum((to_decimal(fill.realized - fill.commission) for fill in fills), Decimal(0))
    rows = [
        ("runs", f"{research}  10_sma_cross"),
        ("", f"{model}  20_direction_model"),
        ("release", release.id),
        ("deployment", f"{traded.deployments[0]} (killed once), {traded.deployments[1]} (undisturbed)"),
        ("executions", f"{len(fills)}, booked profit after commission {profit:+,.2f} USD"),
        ("parity", parity),
        ("recovery", f"{traded.recovery_s:.2f} s from SIGKILL to trading again"),
        ("time", f"{time.monotonic() - began:.0f} s"),
        ("home", str(settings.home.resolve())),
        ("MLflow", f"mlflow ui --backend-store-uri {settings.tracking_uri}"),
        ("next", "make lab opens JupyterLab, the monitor and MLflow on what you see here"),
    ]
    tell("")
    for name, value in rows:
        tell(f"{name:<11} {value}")


def _step(tell: Tell, began: float, number: int, title: str) -> None:
    tell(f"\n[{time.monotonic() - began:5.0f} s] {number}. {title}")


def _run_notebook(settings: Settings, name: str, *, engine: sa.Engine, tell: Tell) -> str:
    path = settings.project / "notebooks" / name
    with cell_progress(path, hidden=False) as progress:
        done = run_tracked(path, settings=settings, progress=progress)
    done.run.raise_for_status()
    found = run_data(done.run_id)
    metrics = found["metrics"]
    tell(
        f"   run {done.run_id}, {done.run.wall_s:.0f} s, "
        f"{count_trials(engine, done.run.idea):,} trials of this idea so far"
    )
    tell(
        f"   net profit {metrics['net_profit']:+,.2f} USD in {metrics['trades']:.0f} trades, "
        f"Sharpe {metrics['sharpe']:.2f}, worst drawdown {metrics['max_drawdown']:.1%}"
    )
    return done.run_id


def _promote(run_id: str, *, settings: Settings, tell: Tell) -> Release:
    def told(progress: Any) -> None:
        if progress.state != "running":
            tell(f"   {progress.state:<7} {progress.title}: {progress.detail}")

    release = promote(run_id, settings=settings, author="sarah", progress=told)
    if not is_approved(release.id, settings=settings):
        approve(
            release.id, settings=settings, approver="david", reason="demo on a paper account", role="approver"
        )
    tell(f"   release {release.id[:16]}… by sarah, approved by david")
    return release


def _answers(client: OperatorClient | SupervisorClient) -> bool:
    try:
        client.status()
    except WorkbenchError:
        return False
    return True


def _trade(
    release: Release,
    engine: sa.Engine,
    gateway: OperatorClient,
    supervisor: SupervisorClient,
    *,
    settings: Settings,
    speed: float,
    weeks: int,
    tell: Tell,
) -> _Traded:
    """Deploy twice, kill the first one's kernel in the middle, wait for both to end."""
    load = released_notebooks(settings)
    known = {account.id for account in list_accounts(engine)}
    for name in _ACCOUNTS:
        if name not in known:
            add_account(engine, name, currency="USD", balance=_BALANCE)
    released = load(release.id)
    whole = replay_feed(engine, released, bars_per_second=speed)
    start = session_of(whole["end_ns"] - 1) - timedelta(weeks=weeks)
    feed = replay_feed(engine, released, start=start, bars_per_second=speed)
    names = tuple(
        deploy(engine, load, release_id=release.id, account_id=account, feed=feed, by="david")
        for account in _ACCOUNTS
    )
    bars = MarketStore(settings.market_root, engine).bars(
        release.instruments[0],
        release.timeframe,
        fingerprint=feed["fingerprint"],
        start=to_datetime(feed["start_ns"]),
        end=to_datetime(feed["end_ns"]),
    )
    events = 2 * len(bars)
    tell(
        f"   deployments {' and '.join(names)}, {len(bars):,} bars "
        f"from {to_datetime(feed['start_ns']):%Y-%m-%d}"
    )

    _progress(gateway, supervisor, names[:1], until=events // 2, events=events)
    before = _books(gateway, names[0])
    kernel = _watched(supervisor, names[0])
    killed_at = f"{to_datetime(before['last_event_ns']):%Y-%m-%d %H:%M} UTC"
    tell("")
    tell(
        f"6. SIGKILL of the live kernel (pid {kernel['pid']}) at {killed_at} market time, "
        f"{before['fills']} fills so far"
    )
    os.kill(kernel["pid"], signal.SIGKILL)

    _progress(gateway, supervisor, names, until=None, events=events)
    found = _watched(supervisor, names[0])
    if not found["recoveries"]:
        raise DemoFailedError(
            f"{names[0]} was killed, but the supervisor noticed no restart: {found['detail']}"
        )
    recovery = found["recoveries"][-1]
    tell(f"   the supervisor restarted it in {recovery['seconds']:.2f} s; both replays came to their end")
    fills = {name: _fills(gateway, name) for name in names}
    return _Traded(deployments=names, killed_at=killed_at, recovery_s=recovery["seconds"], fills=fills)


def _watched(supervisor: SupervisorClient, name: str) -> dict[str, Any]:
    return next(item for item in supervisor.status()["deployments"] if item["deployment_id"] == name)


def _books(gateway: OperatorClient, name: str) -> dict[str, Any]:
    found = [item for item in gateway.status()["deployments"] if item["deployment_id"] == name]
    return found[0] if found else {"event_seq": 0, "fills": 0, "last_event_ns": 0}


def _progress(
    gateway: OperatorClient,
    supervisor: SupervisorClient,
    names: tuple[str, ...],
    *,
    until: int | None,
    events: int,
) -> None:
    """Wait until the first deployment is past event `until`, or all are finished; show how far it is."""
    from tqdm import tqdm

    deadline = time.monotonic() + _LONGEST_S
    with tqdm(total=events // 2, desc="replay", unit="bar", leave=False, disable=None) as bar:
        while time.monotonic() < deadline:
            seq = int(_books(gateway, names[0])["event_seq"])
            bar.n = min(seq // 2, events // 2)
            bar.refresh()
            states = [_state(supervisor, name) for name in names]
            for name, (state, detail) in zip(names, states, strict=True):
                if state == "failed":
                    raise DemoFailedError(f"{name} failed: {detail}")
            if until is not None and seq >= until:
                return
            if all(state == "finished" for state, _ in states):
                if until is None:
                    return
                raise DemoFailedError("the replay ended before its middle could be seen; lower --speed")
            time.sleep(0.05)
    raise DemoFailedError(
        f"the replay was not over after {_LONGEST_S:.0f} s; see {names[0]} in `workbench status`"
    )


def _state(supervisor: SupervisorClient, name: str) -> tuple[str, str]:
    found = [item for item in supervisor.status()["deployments"] if item["deployment_id"] == name]
    return (found[0]["state"], found[0]["detail"]) if found else ("starting", "")


def _fills(gateway: OperatorClient, name: str) -> list[Fill]:
    names = {field.name for field in fields(Fill)}
    rows = gateway.fills(name)
    return [msgspec.convert({key: row[key] for key in names}, Fill) for row in rows]


def _compare(release: Release, traded: _Traded, engine: sa.Engine, *, settings: Settings, tell: Tell) -> str:
    """Print the table and say in a sentence whether all three are equal."""
    feed = _feed_of(engine, traded.deployments[0])
    bars = MarketStore(settings.market_root, engine).bars(
        release.instruments[0],
        release.timeframe,
        fingerprint=feed["fingerprint"],
        end=to_datetime(feed["end_ns"]),
    )
    result = run_backtest(
        strategy_from_spec(release.spec),
        bars,
        cost_book=release.cost_book,
        currency="USD",
        balance=_BALANCE,
        trade_from_ns=feed["start_ns"],
        ledger=None,
    )
    killed, undisturbed = (traded.fills[name] for name in traded.deployments)
    table = compare(killed, result.fills)
    for line in _table(table):
        tell(f"   {line}")
    same = compare(killed, undisturbed)
    if not (table.equal and same.equal):
        raise DemoFailedError(table.sentence() if not table.equal else same.sentence())
    return f"{len(killed)} of {len(killed)} fills equal to the cent: killed = undisturbed = backtest"


def _feed_of(engine: sa.Engine, name: str) -> dict[str, Any]:
    from workbench.live import deployment

    return dict(deployment(engine, name).feed)


def _table(table: Divergence) -> list[str]:
    rows = []
    for line in table.lines:
        live, expected = line.live, line.backtest
        shown = live or expected
        if shown is None:
            continue
        record = instrument(shown.instrument)
        rows.append(
            (
                f"{to_datetime(shown.time_ns):%Y-%m-%d %H:%M}",
                f"{shown.units:+,}",
                str(record.to_price(live.price)) if live else "missing",
                str(record.to_price(expected.price)) if expected else "missing",
                f"{to_decimal(shown.realized):+,.2f}",
                f"{to_decimal(shown.commission):,.2f}",
                shown.reason,
                "equal" if line.equal else "DIFFERS",
            )
        )
    return columns(
        rows, ("time (UTC)", "units", "live", "backtest", "profit", "commission", "why", "to the cent")
    )


def _render_monitor(settings: Settings, *, tell: Tell) -> None:
    """Start Voila, fetch the page as a browser would, keep it in the reports."""
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    page = settings.reports_dir / "monitor.html"
    with running([dashboard_process(settings)], settings=settings, tell=lambda _: None):
        with urllib.request.urlopen(dashboard_url(settings), timeout=90) as answer:  # noqa: S310  # loopback
            text = answer.read().decode()
        if (
            "wb-monitor" not in text
            and "jupyter-widgets" not in text
            and "application/vnd.jupyter.widget" not in text
        ):
            raise DemoFailedError(f"the monitor has no widgets in it; see {settings.logs_dir / 'voila.out'}")
        page.write_text(text, encoding="utf-8")
    tell(f"   rendered: {len(text):,} characters, kept as {page}")
    tell("   open it live with: make lab (it prints the monitor's address)")
