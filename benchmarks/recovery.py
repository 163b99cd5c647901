"""How long a gateway takes to be ready again after a SIGKILL at each boundary of a write.

    python benchmarks/recovery.py [--rounds 3] [--boundary 'after intent']… [--folder DIR]

A real gateway process with its store trades on an account behind HTTP, in this process. Again and again it
ends itself by SIGKILL at the next boundary of one name, right before, in or right after a commit, or between
a request to the broker and the writing of its answer, and is started again. Measured is the time from the
start of the new process, interpreter and imports included, until it takes orders again (READY: the broker's
record has been taken in), and until nothing is UNKNOWN any more; and the CPU seconds that the new process
used until READY, which a busy machine changes less. At the end the broker's own count and record are held
against the gateway's store: orders sent twice or made up and executions lost or booked twice are counted.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.timeframes import Timeframe
from workbench.gateway import GatewayClient, OperatorClient, specs
from workbench.gateway.brokers.outside import Credentials
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperServer
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.feeds import BarReplay
from workbench.gateway.journal import verify_journal
from workbench.gateway.process import open_log, run_gateway
from workbench.gateway.simulation.market import Scene
from workbench.gateway.simulation.strategy import SimulatedKernel
from workbench.market import Bars, MarketStore, make_bars
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import fills, intents

DEPLOYMENT, TOKEN, SECRET = "recovery", "benchmark", "made-up"
HOUR_NS = 3_600_000_000_000
BARS = 2_000
GRACE_S = 0.5  # of the account: so late may a request be
STARTS = 6  # a death may come while it starts, too
EVENTS = 30  # within which a boundary is met, or is not


def main() -> int:
    """Measure and print; 1 when something was lost or sent twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="deaths at each boundary")
    parser.add_argument("--boundary", action="append", help="this one only; may be given again")
    parser.add_argument("--folder", type=Path, default=None, help="of the store; default: temporary")
    parser.add_argument("--serve", nargs=2, metavar=("HOME", "BOUNDARY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve(Path(given.serve[0]), given.serve[1])
        return 0
    with tempfile.TemporaryDirectory(prefix="wb-", dir=given.folder) as folder:
        house = _House(Path(folder))
        try:
            names = given.boundary or house.boundaries()
            print(f"{len(names)} boundaries, {given.rounds} deaths at each", flush=True)
            for number in range(given.rounds):
                for name in names:
                    house.kernel.patient = number % 2
                    house.die_at(name)
            house.live_on()
            return house.check()
        finally:
            if house.took:
                _show(house.took)
            house.close()


def _serve(home: Path, boundary: str) -> None:
    """The gateway's process: it ends itself at the boundary of that name, or writes the names down."""
    specs._check_feed = lambda spec: None  # this market is in step with the replay; no other broker's is

    def at_boundary(name: str) -> None:
        if name == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        if not boundary:
            with (home / "boundaries").open("a") as file:
                file.write(f"{name}\n")

    settings = Settings(home=home)
    run_gateway(settings, log=open_log(settings.logs_dir), at_boundary=at_boundary)


class _House:
    """The account, its market, the strategy, and the gateway's process."""

    def __init__(self, folder: Path) -> None:
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        self.settings = Settings(home=folder / "home")
        bars = _bars()
        MarketStore(self.settings.market_dir, self.settings.store_url).add(bars, source="made up")
        self.scene = Scene(
            bars=bars,
            cost_book=CostBook(
                broker="paper",
                valid_from=date(2017, 1, 1),
                costs={InstrumentId("EUR_USD"): retail_costs("EUR_USD")},
            ),
        )
        self.server = PaperServer(
            PaperConfig(
                instruments=self.scene.records,
                cost_book=self.scene.cost_book,
                currency="USD",
                balance=self.scene.balance,
            ),
            account_id="far",
            token=SECRET,
            beat_s=0.2,
            grace_s=GRACE_S,
        )
        Credentials(self.settings.credentials_dir).write("far-1", SECRET)
        self.market = BarReplay([bars], bars_per_second=0, monotonic=time.monotonic)
        self.moved = 0
        self.kernel = SimulatedKernel(
            deployment_id=DEPLOYMENT, token=TOKEN, seed=1, instrument=InstrumentId("EUR_USD")
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.died_at = ""
        self.deaths: Counter[str] = Counter()
        self.took: dict[str, list[tuple[float, float, float]]] = {}

    def boundaries(self) -> list[str]:
        """The names of the boundaries, in the order in which they are first met."""
        self._start("")
        self._trade(EVENTS, patient=True)
        self._trade(EVENTS, patient=False)
        self._kill()
        self._start("")  # those of a start after a death
        self._kill()
        found = (self.settings.home / "boundaries").read_text().split("\n")
        return [name for name in dict.fromkeys(found) if name and "limits" not in name]

    def die_at(self, name: str) -> None:
        """Let it live until it meets the boundary, however often it has to start, and start it again."""
        for _ in range(STARTS):
            if self._start(name) and not self._trade(EVENTS):
                self._kill()  # not met
                return
            if self.died_at:
                self.deaths[name] += 1
                return

    def live_on(self) -> None:
        """A last life without a death, until nothing is open."""
        self._start("")
        self._trade(20)
        self._until(lambda shown: not shown["unknown"] and not shown["broker"]["cancel_pending"])
        self.operator().stop(DEPLOYMENT)
        self._until(lambda shown: not shown["waiting"])
        self._kill()

    def operator(self) -> OperatorClient:
        """A person's client."""
        return OperatorClient(self.settings.operator_socket, user="benchmark", role="admin", timeout_s=20.0)

    def check(self) -> int:
        """Hold the broker's count and record against the store; 1 for a difference."""
        engine = open_store(self.settings.gateway_store_url)
        with engine.connect() as connection:
            asked = set(connection.scalars(sa.select(intents.c.client_order_id)))
            booked = Counter(connection.scalars(sa.select(fills.c.broker_trade_id)))
        journal = verify_journal(engine)
        engine.dispose()
        sent = Counter(
            {
                name: times
                for (verb, name), times in self.server.received.items()
                if verb in ("place", "replace")
            }
        )
        record = {
            item.broker_trade_id for item in self.server.broker.transactions_since(0) if item.fill is not None
        }
        found = {
            "orders sent twice": [name for name, times in sent.items() if times > 1],
            "orders made up": sorted(set(sent) - asked),
            "executions lost": sorted(record - set(booked)),
            "executions made up or booked twice": [
                name for name, times in booked.items() if times > 1 or name not in record
            ],
        }
        print(
            f"{sum(self.deaths.values())} deaths, {len(sent)} orders sent, {len(record)} executions; "
            + ", ".join(f"{len(names)} {what}" for what, names in found.items())
            + f"; journal: {journal.length:,} records, {journal.fault or 'all well'}"
        )
        return int(bool(journal.fault) or any(found.values()))

    def close(self) -> None:
        """End it all."""
        self._kill()
        self.server.close()

    def _start(self, boundary: str) -> bool:
        """Start the gateway and wait until it takes orders; False when it died before."""
        began = time.monotonic()
        command = [sys.executable, __file__, "--serve", str(self.settings.home), boundary]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        after, self.died_at = self.died_at, ""
        ready_s = cpu_s = 0.0
        while self.process.poll() is None:
            shown = self._shown()
            if shown is not None and shown["broker"]["phase"] == "ready":
                if not ready_s:
                    ready_s, cpu_s = time.monotonic() - began, _cpu_s(self.process.pid)
                if not shown["unknown"]:
                    if after:
                        print(
                            f"{after}: READY after {ready_s:.2f} s, {cpu_s:.2f} CPU s",
                            file=sys.stderr,
                            flush=True,
                        )
                        self.took.setdefault(after, []).append((ready_s, time.monotonic() - began, cpu_s))
                    return True
            time.sleep(0.005)
        self.died_at = boundary
        return False

    def _shown(self) -> dict[str, Any] | None:
        """The deployment's line of the status, opened if it is not; None while nobody answers."""
        try:
            lines = self.operator().status()["deployments"]
            if not lines:
                self.operator().open(**self._opening())
                return None
        except GatewayUnreachableError:
            return None
        return dict(lines[0])

    def _opening(self) -> dict[str, Any]:
        return {
            **self.scene.opening(DEPLOYMENT, TOKEN),
            "account": {
                "id": "far-1",
                "broker": "paper_http",
                "url": self.server.url,
                "at_broker": "far",
                "currency": "USD",
                "balance": self.scene.balance,
            },
        }

    def _trade(self, events: int, *, patient: bool | None = None) -> bool:
        """Let the strategy go on for some events; whether the gateway died meanwhile."""
        if self.process is None:
            return False
        if patient is not None:
            self.kernel.patient = int(patient)
        last = self.kernel.after + events
        with GatewayClient(self.settings.gateway_socket, timeout_s=5.0, patience_s=0.2) as client:
            while self.kernel.after < last and not self.kernel.ended:
                try:
                    self.kernel.attach(client.ask)
                    while self.kernel.after < last and self.kernel.step(client.ask):
                        self._move()
                    self._move()
                except GatewayUnreachableError:
                    if self.process.poll() is not None:
                        self.died_at = self.process.args[-1]  # type: ignore[index]
                        return True
                time.sleep(0.005)
        return False

    def _move(self) -> None:
        """Let the broker's market see what the strategy has."""
        while self.moved < self.kernel.after:
            self.moved += 1
            event = self.market.event(self.moved)
            if event is not None:
                self.server.take_event(event)

    def _until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            shown = self._shown()
            if shown is not None and shown["broker"]["phase"] == "ready" and holds(shown):
                return
            time.sleep(0.05)
        raise AssertionError(f"expected the account to come to rest, found {self._shown()}")

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait(30)


def _bars() -> Bars:
    rng = np.random.default_rng(random.Random("recovery").randrange(2**32))
    first = round(datetime(2018, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
    closes = 118_000 + np.cumsum(rng.integers(-60, 61, BARS))
    opens = np.concatenate(([118_000], closes[:-1]))
    bid = {
        "bid_open": opens,
        "bid_high": np.maximum(opens, closes) + rng.integers(0, 80, BARS),
        "bid_low": np.minimum(opens, closes) - rng.integers(0, 80, BARS),
        "bid_close": closes,
    }
    ask = {name.replace("bid", "ask"): column + 13 for name, column in bid.items()}
    hours = np.arange(BARS, dtype=np.int64) * HOUR_NS
    return make_bars(
        instrument("EUR_USD"), timeframe=Timeframe.H1, open_ns=first + hours, prices={**bid, **ask}
    )


def _cpu_s(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def _show(took: dict[str, list[tuple[float, float, float]]]) -> None:
    print(f"load of the machine: {', '.join(f'{item:.1f}' for item in os.getloadavg())}")
    print(f"{'':<30}{'':>8}{'READY':>12}{'':>8}{'all known':>12}{'':>8}{'CPU':>12}{'':>8}")
    print(f"{'killed at':<30}{'deaths':>8}" + f"{'p50':>12}{'worst':>8}" * 3 + "  seconds")
    rows = [*took.items(), ("all", [item for found in took.values() for item in found])]
    for name, found in rows:
        cells = "".join(
            f"{np.median(column):>12.2f}{max(column):>8.2f}" for column in zip(*found, strict=True)
        )
        print(f"{name:<30}{len(found):>8}{cells}")


if __name__ == "__main__":
    raise SystemExit(main())
