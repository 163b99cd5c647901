"""What faults do to a simulated world: a disk that fails, a process that dies, a person who kills."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.desk import Desk
from workbench.gateway.errors import DamagedStoreError
from workbench.gateway.kernels import answer
from workbench.gateway.messages import SubmitIntent
from workbench.gateway.simulation.checks import Violation
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.house import House
from workbench.gateway.simulation.market import Scene
from workbench.gateway.simulation.network import Network
from workbench.gateway.simulation.strategy import SimulatedKernel
from workbench.gateway.trading import State

__all__ = ["DEPLOYMENT", "TOKEN", "Misfortunes"]

DEPLOYMENT = "sim"
TOKEN = "a simulated session"  # noqa: S105


class Misfortunes:
    """The part of a `World` that the catalogue's faults call; the world keeps the state."""

    rng: random.Random
    clock: SimulatedClock
    disk: SimulatedDisk
    house: House
    network: Network
    kernel: SimulatedKernel
    desk: Desk
    scene: Scene
    hits: Counter[str]
    violations: list[Violation]
    killed: bool
    zombies: list[str]
    log_broken: bool
    quotes_bad: bool
    limits_lost: bool
    sent_without_limits: int
    seams: dict[str, Any]
    _armed: dict[str, tuple[str, ...]]
    _cut_when_partial: bool
    _disk_fault: str

    def _start(self) -> None:
        raise NotImplementedError

    def _restart(self) -> None:
        raise NotImplementedError

    def _open(self, **changes: Any) -> bool:
        raise NotImplementedError

    def _kill(self) -> None:
        raise NotImplementedError

    def _verb(self, verb: str, **arguments: Any) -> bool:
        raise NotImplementedError

    def _guard(self, work: Callable[[], object]) -> None:
        raise NotImplementedError

    def _round(self) -> None:
        raise NotImplementedError

    def _step(self) -> None:
        raise NotImplementedError

    def _look(self) -> None:
        raise NotImplementedError

    def _spoil_quotes(self) -> None:
        raise NotImplementedError

    def arm(self, fault: str, places: tuple[str, ...]) -> None:
        """The process dies at the next of these boundaries."""
        self._armed[fault] = (self.rng.choice(places),)

    def disarm(self, fault: str) -> None:
        """It does not, any more."""
        self._armed.pop(fault, None)

    def disk_fails(self, fault: str, failure: str) -> None:
        """The store's disk does not do what it is asked to."""
        if failure == "slow":
            failure = self.rng.choice(("slow", "slow", "locked"))
        self.disk.failure, self._disk_fault = failure, fault
        before = self.disk.commits
        self.seams["commits"] = before

    def disk_works(self, fault: str) -> None:
        """It does again."""
        self.disk.failure = ""
        self.hits[fault] += 1

    def cut_after_partial(self) -> None:
        """The network goes down as soon as an order is partly executed."""
        self._cut_when_partial = True

    def stop_waiting_for_partial(self) -> None:
        """It stays up."""
        self._cut_when_partial = False

    def kill_and_die(self) -> None:
        """A person throws the kill switch and the process dies while it does so."""
        self.hits["F35"] += 1
        places = ("before kill", "in kill", "after kill", "before reconciliation", "after reconciliation")
        self.arm("F35", places)
        self._kill()
        if not self.killed:
            self._kill()  # nobody answered: a person asks again
        self.disarm("F35")

    def kill_and_look(self) -> None:
        """A person throws the kill switch, and releases it when nothing waits any more."""
        self._kill()
        for _ in range(3):
            self.clock.advance(1.0)
            self._round()
        self._look()
        self.release()

    def outsider(self) -> None:
        """Somebody else buys on the account."""
        self.house.outsider_trades(self.scene.records[0])

    def other_gateway(self) -> None:
        """A gateway of another home sells on the account."""
        self.house.other_gateway_trades(self.scene.records[0])

    def release(self) -> None:
        """A person lets it trade again."""
        self._verb("unkill", scope="all", reason="simulation")
        self.killed = False

    def cut_power(self) -> None:
        """The machine loses power."""
        self.hits["F36"] += 1
        self.disk.cut_power()
        self._restart()

    def corrupt_journal(self) -> None:
        """Somebody changes a record: the gateway must not start on it."""
        if self.disk.failure:
            return
        with self.disk.engine.begin() as connection:
            row = connection.execute(
                sa.text("SELECT seq, body FROM journal ORDER BY seq DESC LIMIT 1")
            ).first()
            guards = connection.execute(
                sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'")
            ).all()
            for guard in guards:
                connection.execute(sa.text(f"DROP TRIGGER {guard.name}"))
            if row is not None:
                changed = row.body[:-1] + ',"x":1}'
                connection.execute(
                    sa.text("UPDATE journal SET body = :b WHERE seq = :s"), {"b": changed, "s": row.seq}
                )
        if row is None:
            return
        self.hits["F41"] += 1
        try:
            self._start()
            self.violations.append(
                Violation(rule="I9", detail="a gateway started on a journal that was changed")
            )
        except DamagedStoreError:
            pass
        with self.disk.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE journal SET body = :b WHERE seq = :s"), {"b": row.body, "s": row.seq}
            )
            for guard in guards:
                connection.execute(sa.text(guard.sql))
        self._restart()

    def second_gateway(self) -> None:
        """A fail-over that should not be: the old gateway lives on, and tries to trade."""
        self.hits["F42"] += 1
        old, trading = self.desk, self.desk.deployments.get(DEPLOYMENT)
        self._restart()
        if trading is None or trading.state is not State.RUNNING:
            return
        name = f"zombie-{len(self.zombies)}"
        self.zombies.append(name)
        trading.acked = False
        order = Order(client_order_id=ClientOrderId(name), instrument=self.scene.records[0].id, units=1_000)
        request = SubmitIntent(
            deployment_id=DEPLOYMENT, token=TOKEN, event_seq=max(1, trading.decision_seq), order=order
        )
        self._guard(lambda: answer(old, request))

    def block_kernel(self) -> None:
        """Half a minute passes in the strategy's own code while the market moves on."""
        self.hits["F43"] += 1
        self.clock.advance(30.0)
        self.house.move_to(self.house.seq + 3)

    def burst_of_orders(self) -> None:
        """A strategy gone wild."""
        self.hits["F44"] += 1
        self.kernel.burst = 25

    def absurd_orders(self) -> None:
        """A strategy that can not count."""
        self.hits["F45"] += 1
        self.kernel.absurd = True

    def jump_clock(self) -> None:
        """An hour forwards or back."""
        self.hits["F46"] += 1
        self.clock.wall_offset_ns += self.rng.choice((-1, 1)) * 3_600_000_000_000

    def settle_clock(self) -> None:
        """The wall clock is right again."""
        self.clock.wall_offset_ns = 0

    def cross_a_weekend(self) -> None:
        """The scene does so; see `scene_of`."""
        self.hits["F47"] += 1

    def bad_quotes(self) -> None:
        """The gateway's quotes, not the broker's, go wrong."""
        self.quotes_bad = True
        self._spoil_quotes()

    def good_quotes(self) -> None:
        """They are right again."""
        self.quotes_bad = False

    def lose_limits(self) -> None:
        """The limits can not be read: zero."""
        self.hits["F50"] += 1
        self.limits_lost = self._open(limits={})
        self.sent_without_limits = self.house.openings

    def give_limits_back(self) -> None:
        """They can again."""
        self.limits_lost = False
        self._open()

    def break_log(self) -> None:
        """Log and metrics raise at everything they are told."""
        self.log_broken = True

    def mend_log(self) -> None:
        """They work again."""
        self.log_broken = False

    def kill_while_away(self) -> None:
        """The kill switch, with nobody at the other end."""
        self.house.troubles.down = True
        self.hits["F52"] += 1
        self._kill()

    def heal_and_release(self) -> None:
        """The broker answers again; a while later a person lets it trade."""
        self.house.troubles.down = False
        for _ in range(6):
            self._step()
        self.release()
