"""One seeded run of the whole order path against a broker, a network, a disk and a clock that fail.

Gateway, journal, controls, recovery and reconciliation are the real ones; strategy, broker, network and time
are simulated, in one thread, without a pause. The same seed gives the same run, to the last byte of the
journal.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from workbench.errors import WorkbenchError
from workbench.gateway.brokers.paper import PaperBroker, PaperConfig
from workbench.gateway.desk import Desk
from workbench.gateway.errors import DamagedStoreError, LedgerWriteError
from workbench.gateway.journal import verify_journal
from workbench.gateway.kernels import answer
from workbench.gateway.kill_requests import KillRequests
from workbench.gateway.killing import KillChase
from workbench.gateway.lease import take_lease
from workbench.gateway.ledger import Ledger
from workbench.gateway.messages import KernelReply, KernelRequest, OperatorRequest, QuoteMoved
from workbench.gateway.operators import act
from workbench.gateway.reconciliation import take_answer, watch
from workbench.gateway.recovery import load_desk
from workbench.gateway.simulation.adapter import GRACE_S, SimulatedBroker
from workbench.gateway.simulation.checks import Violation, final_checks, step_checks
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.faults import CATALOGUE, Fault
from workbench.gateway.simulation.house import House
from workbench.gateway.simulation.market import Scene, scene_of
from workbench.gateway.simulation.misfortunes import DEPLOYMENT, TOKEN, Misfortunes
from workbench.gateway.simulation.network import Network
from workbench.gateway.simulation.strategy import SimulatedKernel
from workbench.gateway.standing import Phase
from workbench.gateway.trading import State, Trading

__all__ = ["DEPLOYMENT", "TOKEN", "Crash", "Outcome", "World"]

_STEPS = 14
_QUIET_ROUNDS = 80


# how often each is drawn: one that needs an occasion more often, one that strikes at every request less, so
# that each is met about as often as the others
_USUAL = 4
_DRAWN = {
    name: times
    for times, names in (
        (3, "F01 F02 F03 F04 F06 F07 F08 F09 F12 F14 F17 F19 F23 F24 F25 F26 F27 F30 F48 F51 F52"),
        (5, "F10 F11"),
        (6, "F22 F34 F49"),
        (7, "F13 F21"),
        (8, "F31 F33"),
        (9, "F15 F16 F32"),
        (17, "F18"),
    )
    for name in names.split()
}
_URN = [name for name in sorted(CATALOGUE) for _ in range(_DRAWN.get(name, _USUAL))]


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    seed: int
    faults: tuple[str, ...]
    hits: Counter[str]
    violations: tuple[Violation, ...]
    trace: str  # SHA-256 over the journal's head and what the broker got
    orders: int
    fills: int
    restarts: int


class _NoCheckpoints:
    """Signed heads, not written."""

    def write(self, *, seq: int, head: str, created_ns: int) -> Any:
        raise OSError("no file of checkpoints in a simulation")


@dataclass
class World(Misfortunes):
    """Everything of one run."""

    seed: int
    disk: SimulatedDisk
    faults: Sequence[str] = ()
    steps: int = _STEPS
    decide: Any = None
    rng: random.Random = field(init=False)
    clock: SimulatedClock = field(init=False)
    house: House = field(init=False)
    network: Network = field(init=False)
    kernel: SimulatedKernel = field(init=False)
    desk: Desk = field(init=False)
    hits: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    logged: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    generation: int = 0
    killed: bool = False  # a kill was asked for and its verb has returned
    sent_at_kill: int = 0
    zombies: list[str] = field(default_factory=list)
    log_broken: bool = False
    quotes_bad: bool = False
    limits_lost: bool = False
    sent_without_limits: int = 0
    differs_since: tuple[float, int] | None = None
    seams: dict[str, Any] = field(default_factory=dict)  # of planted bugs
    _armed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _chase: KillChase = field(init=False)
    _cut_when_partial: bool = False
    _disk_fault: str = ""

    def __post_init__(self) -> None:
        self.rng = random.Random(f"workbench {self.seed}")
        self.clock = SimulatedClock()
        self.disk.reset(self.clock)
        if not self.faults:
            dice = random.Random(
                f"faults {self.seed}"
            )  # its own, so that a run with the same faults is the same
            count = dice.randint(1, 6)
            drawn: set[str] = set()
            while len(drawn) < count:
                drawn.add(dice.choice(_URN))
            self.faults = tuple(sorted(drawn))
        self.scene: Scene = scene_of(self.seed, across_weekend="F47" in self.faults)
        self.house = House(
            paper=PaperBroker(
                PaperConfig(
                    instruments=self.scene.records,
                    cost_book=self.scene.cost_book,
                    currency="USD",
                    balance=self.scene.balance,
                )
            ),
            feed=self.scene.feed().event,
            rng=random.Random(f"house {self.seed}"),
            clock=lambda: self.clock.seconds,
        )
        self.network = Network(house=self.house, clock=self.clock, rng=random.Random(f"network {self.seed}"))
        self.kernel = SimulatedKernel(
            deployment_id=DEPLOYMENT,
            token=TOKEN,
            seed=self.seed,
            instrument=self.scene.records[0].id,
            decide=self.decide,
        )

    def run(self) -> Outcome:
        """From the first start to the last check."""
        self._guard(self._start)
        self._open()
        plan = self._plan()
        for step in range(self.steps):
            for fault, first, last in plan:
                if step == last:
                    fault.end(self)
                if step == first:
                    fault.begin(self)
            self._step()
        for fault, _, last in sorted(plan, key=lambda item: self.rng.random()):
            if last >= self.steps:
                fault.end(self)
        self._calm_down()
        self.violations += final_checks(self)
        return self._outcome()

    # --- how it goes on -----------------------------------------------------------------------------

    def trading(self) -> Trading | None:
        """The deployment, when the gateway has it."""
        return self.desk.deployments.get(DEPLOYMENT)

    def _plan(self) -> list[tuple[Fault, int, int]]:
        """Each fault's first and last step: they begin and end in an order of their own."""
        plan = []
        for name in self.faults:
            first = self.rng.randrange(1, max(2, self.steps - 3))
            fault = CATALOGUE[name]
            plan.append((fault, first, first + self.rng.randint(fault.least_steps, 5)))
        return plan

    def _step(self) -> None:
        """The market moves, the gateway looks, the strategy decides, a person may act."""
        self.house.move_to(self.house.seq + self.rng.choice((1, 2, 2)))
        if self._cut_when_partial and any(item.state == "PARTIAL" for item in self.house.record):
            self._cut_when_partial = False
            self.house.troubles.down = True
            self.hits["F15"] += 1
        self.clock.advance(self.rng.uniform(0.3, 2.5))
        self._round()
        for _ in range(2):
            self._guard(lambda: self.kernel.step(self.ask))
        dice = self.rng.random()
        if dice < 0.04 and not self.killed:
            self._kill()
        elif dice < 0.10 and self.killed:
            self.release()
        elif dice < 0.13:
            self.kernel.restart()
        self._look_after()
        self._look()

    def _look(self) -> None:
        self.violations += step_checks(self)

    def _round(self) -> None:
        """What the gateway's loop does by itself."""
        self._guard(self._tick)

    def _tick(self) -> None:
        trading = self.trading()
        if trading is None:
            return
        try:
            for name, broker_id in self.network.due():
                take_answer(self.desk, trading, name, broker_id)  # type: ignore[arg-type]
            watch(self.desk, trading)
        except LedgerWriteError as error:
            self.desk.freeze(trading, f"deployment {DEPLOYMENT} is frozen: {error}")
        self._chase.tick()

    def _look_after(self) -> None:
        """What people and the supervisor do: start what ended, resume what froze once its reason is gone."""
        if self.desk.ledger.failed:
            self.disk.failure = "" if self.disk.failure == "io" else self.disk.failure
            self._restart()
        trading = self.trading()
        if trading is not None and trading.state is State.FROZEN and not self.disk.failure:
            self._verb("resume", deployment_id=DEPLOYMENT)

    def ask(self, request: KernelRequest) -> KernelReply:
        """A live kernel's question."""
        return answer(self.desk, request)

    def _open(self, **changes: Any) -> bool:
        done = self._verb("open", **{**self.scene.opening(DEPLOYMENT, TOKEN), **changes})
        if self.quotes_bad:
            self._spoil_quotes()
        return done

    def _kill(self) -> None:
        """A person throws the switch; from the answer on nothing may leave."""
        if self._verb("kill", scope="all", reason="simulation"):
            self.killed, self.sent_at_kill = True, sum(self.house.sent.values())

    def _verb(self, verb: str, **arguments: Any) -> bool:
        """A person's verb; whether it was done, or is in force."""
        request = OperatorRequest(version=1, verb=verb, user="david", role="admin", arguments=arguments)
        done: list[bool] = []

        def do() -> None:
            try:
                act(self.desk, request)
                done.append(True)
            except LedgerWriteError:
                done.append(verb == "kill")  # it says that it is in force
            except WorkbenchError:
                done.append(False)

        self._guard(do)
        return bool(done and done[0])

    def _guard(self, work: Callable[[], object]) -> None:
        """Do it in the gateway's process, which may die of it."""
        try:
            work()
        except Crash:
            self._restart()

    def _restart(self) -> None:
        """A new process on the same store; it may die while it starts, too."""
        for _ in range(8):
            self.restarts += 1
            try:
                self._start()
            except Crash:
                continue
            except (LedgerWriteError, sa.exc.SQLAlchemyError):
                self.disk.failure = ""  # it does not start on such a disk; somebody has put it right
                continue
            return
        raise AssertionError("the gateway did not start in 8 attempts")

    def _start(self) -> None:
        self.generation += 1
        found = verify_journal(self.disk.engine)
        if found.fault:
            raise DamagedStoreError(found.fault)
        log = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[self._hear])
        lease = take_lease(self.disk.engine, holder=f"gateway {self.generation}", now_ns=self.clock.wall_ns())
        self.desk = Desk(
            engine=self.disk.engine,
            ledger=Ledger(
                self.disk.engine,
                checkpoints=_NoCheckpoints(),  # type: ignore[arg-type]
                log=log,
                clock_ns=self.clock.wall_ns,
                monotonic=self.clock,
                at_boundary=self._boundary,
                lease=lease,
            ),
            load_bars=self.scene.load_bars,
            monotonic=self.clock,
            log=log,
            at_boundary=self._boundary,
            connect_broker=lambda spec: SimulatedBroker(self.network),
            kill_requests=KillRequests(self.disk.path.parent / "kills"),
            jitter=random.Random(f"jitter {self.seed} {self.generation}").random,
        )
        load_desk(self.desk)
        self._chase = KillChase(self.desk)
        if self.quotes_bad:
            self._spoil_quotes()

    def _hear(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> Any:
        self.logged[str(event.get("event"))] += 1
        if self.log_broken:
            self.hits["F51"] += 1
        raise structlog.DropEvent

    def _boundary(self, name: str) -> None:
        for fault, places in list(self._armed.items()):
            if name in places:
                del self._armed[fault]
                self.hits[fault] += 1
                raise Crash

    def _spoil_quotes(self) -> None:
        trading = self.trading() if hasattr(self, "desk") else None
        if trading is not None and not isinstance(trading.feed, _BadFeed):
            trading.feed = _BadFeed(trading.feed, self)

    def _calm_down(self) -> None:
        """Everything works again; wait until nothing is open, and let a person look at what is frozen."""
        self._armed.clear()
        self.disk.failure = ""
        self.kernel.queue.clear()
        for _ in range(_QUIET_ROUNDS):
            self.clock.advance(GRACE_S / 4)
            self._look_after()
            self._round()
            trading = self.trading()
            standing = trading.standing if trading is not None else None
            if trading is None or standing is None or standing.phase is not Phase.READY:
                continue
            for name in list(standing.frozen):
                self._verb("adopt", deployment_id=DEPLOYMENT, instrument=name, reason="looked at")
            unsettled = (
                standing.unknown()
                or standing.cancels
                or standing.wishes
                or standing.frozen
                or standing.mismatch_s
            )
            if not unsettled and not self.network.late and trading.state is State.RUNNING:
                self._guard(self._fetch)
                if standing.watermark == len(self.house.record):
                    return

    def _fetch(self) -> None:
        if (trading := self.trading()) is not None:
            watch(self.desk, trading, now=True)

    def _outcome(self) -> Outcome:
        digest = hashlib.sha256()
        report = verify_journal(self.disk.engine)
        digest.update(report.head.encode())
        digest.update("\n".join(self.house.log).encode())
        hits = self.hits + self.house.hits + self.network.hits
        return Outcome(
            seed=self.seed,
            faults=tuple(self.faults),
            hits=hits,
            violations=tuple(self.violations),
            trace=digest.hexdigest(),
            orders=sum(self.house.sent.values()),
            fills=sum(item.fill is not None for item in self.house.record),
            restarts=self.restarts,
        )


class _BadFeed:
    """A feed whose quotes are crossed, zero or far off while they are bad."""

    def __init__(self, feed: Any, world: World) -> None:
        self._feed, self._world = feed, world

    def event(self, seq: int) -> Any:
        found = self._feed.event(seq)
        if not self._world.quotes_bad or not isinstance(found, QuoteMoved):
            return found
        self._world.hits["F48"] += 1
        quote = found.quote
        bid, ask = ((quote.ask + 50, quote.bid), (0, 0), (quote.bid * 3, quote.ask * 3))[seq // 2 % 3]
        return QuoteMoved(
            seq=seq, quote=type(quote)(instrument=quote.instrument, time_ns=quote.time_ns, bid=bid, ask=ask)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def recall(self, until: int) -> None:
        self._feed.recall(until)
