"""Calls to brokers elsewhere leave the gateway's loop: a thread an account, one thread at a time at the desk.

Whatever may ask a broker outside this process is a piece of work in the lane of its account; a lane does one
after another, in order. A lane has the desk to itself while it works, and gives it back to the loop for as
long as it waits for its broker. So what the gateway knows is read and written by one thread at a time, the
order path reads as if it waited, and a broker that hangs holds up its own account and nothing else.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.gateway.brokers.port import (
    Accepted,
    Broker,
    BrokerNews,
    Capabilities,
    OpenOrder,
    OrderReport,
    Transaction,
)
from workbench.gateway.messages import FeedEvent

__all__ = ["Lane", "LaneBroker", "Lanes"]

_T = TypeVar("_T")
_Work = Callable[[], None]


class _EndedError(BaseException):
    """The gateway has ended: nothing more is done with an answer that came afterwards."""


class Lanes:
    """The lanes of a gateway; its own methods are for the loop's thread.

    Parameters
    ----------
    may_leave
        Asked before the desk is given back. While it says no, as in a transaction, a call is waited for.
    """

    def __init__(self, *, may_leave: Callable[[], bool] = lambda: True) -> None:
        self.wake: Callable[[], None] = lambda: None  # of the loop, from any thread
        self._may_leave = may_leave
        self._lanes: dict[str, Lane] = {}
        self._answered: SimpleQueue[Lane] = SimpleQueue()
        self._desk = threading.Semaphore(0)  # the loop's turn
        self._ended = False

    def of(self, account: str) -> "Lane":
        """The lane of an account, one for each name."""
        if account not in self._lanes:
            self._lanes[account] = Lane(self, account)
        return self._lanes[account]

    def run(self) -> None:
        """Let every lane work that can go on, each until it waits for its broker or has nothing to do."""
        while self._step():
            pass

    def close(self, *, patience_s: float = 3.0) -> None:
        """Let the work at hand end, but wait no longer than this for brokers; what waits is not begun.

        An order whose answer was not waited for stays as the store has it: sent, and UNKNOWN.
        """
        for lane in self._lanes.values():
            lane.drop()
        until = time.monotonic() + patience_s
        try:
            while any(lane.busy for lane in self._lanes.values()):
                self._hand_over(self._answered.get(timeout=max(0.0, until - time.monotonic())))
        except Empty:
            pass  # what is left is as after a crash
        self._ended = True
        for lane in self._lanes.values():
            lane.end()

    def _step(self) -> bool:
        try:
            self._hand_over(self._answered.get_nowait())
            return True
        except Empty:
            ready = [lane for lane in self._lanes.values() if lane.waits_to_begin]
        for lane in ready:
            self._hand_over(lane)
        return bool(ready)

    def _hand_over(self, lane: "Lane") -> None:
        lane.turn.release()
        self._desk.acquire()
        if lane.failure is not None:
            raise lane.failure

    # --- called by lanes, in their threads -------------------------------------------------------------

    def hand_back(self) -> None:
        """The loop's turn again."""
        self._desk.release()

    def answered(self, lane: "Lane") -> None:
        """A lane's broker has answered: it waits for its turn."""
        self._answered.put(lane)
        self.wake()

    @property
    def ended(self) -> bool:
        """Whether nothing is done any more."""
        return self._ended

    @property
    def may_leave(self) -> bool:
        """Whether the desk can be given back now."""
        return self._may_leave()


class Lane:
    """The work of one account."""

    def __init__(self, lanes: Lanes, account: str) -> None:
        self.turn = threading.Semaphore(0)
        self.failure: Exception | None = None  # of work that was not to raise: the loop does
        self._lanes = lanes
        self._waiting: deque[_Work] = deque()
        self._working = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"orders of {account}")
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether it is in the middle of something."""
        return self._working

    @property
    def waits_to_begin(self) -> bool:
        """Whether the next piece of work can begin."""
        return bool(self._waiting) and not self._working

    def add(self, work: _Work, *, first: bool = False) -> None:
        """Do this when what was asked for before is done; `first`: when what is at hand is done.

        Parameters
        ----------
        work
            Does not raise; it runs with the desk to itself, but for the time of calls through `outside`.
        """
        if first:
            self._waiting.appendleft(work)
        else:
            self._waiting.append(work)

    def drop(self) -> None:
        """Forget what was not begun."""
        self._waiting.clear()

    def end(self) -> None:
        """Let the thread end, at once or when its broker's call returns; the desk is not touched again."""
        self.turn.release()
        if not self._working:
            self._thread.join(1.0)

    def outside(self, call: Callable[[], _T]) -> _T:
        """What `call` returns or raises; meanwhile, in this lane's own thread, the loop has the desk."""
        mine = threading.current_thread() is self._thread
        if not (mine and self._lanes.may_leave):
            return call()
        self._lanes.hand_back()
        try:
            return call()
        finally:
            self._lanes.answered(self)
            self._take_turn()

    def _run(self) -> None:
        try:
            while True:
                self._take_turn()
                work = self._waiting.popleft()
                self._working = True
                try:
                    work()
                except Exception as error:
                    self.failure = error
                self._working = False
                self._lanes.hand_back()
        except _EndedError:
            return

    def _take_turn(self) -> None:
        self.turn.acquire()
        if self._lanes.ended:
            raise _EndedError


class LaneBroker:
    """An account's broker whose calls are made in the lane of the account; see `Broker`.

    What an adapter answers from memory (news, clocks, what it can do once it is connected) is asked for at
    once.
    """

    def __init__(self, broker: Broker, lane: Lane) -> None:
        self.lane = lane
        self._broker = broker
        self._connected = False  # once: from then on it knows what it can do

    @property
    def absence_is_proof(self) -> bool:
        """See `Broker`."""
        return self._broker.absence_is_proof

    @absence_is_proof.setter
    def absence_is_proof(self, value: bool) -> None:
        self._broker.absence_is_proof = value

    def capabilities(self) -> Capabilities:
        """See `Broker`."""
        if self._connected:
            return self._broker.capabilities()
        return self.lane.outside(self._broker.capabilities)

    def connect(self) -> None:
        """See `Broker`."""
        self.lane.outside(self._broker.connect)
        self._connected = True

    def disconnect(self) -> None:
        """See `Broker`."""
        self._broker.disconnect()

    def news(self) -> tuple[BrokerNews, ...]:
        """See `Broker`."""
        return self._broker.news()

    def time_ns(self) -> int:
        """See `Broker`."""
        return self._broker.time_ns()

    def clock_offset_ns(self) -> int | None:
        """See `Broker`."""
        return self._broker.clock_offset_ns()

    def account(self) -> AccountSnapshot:
        """See `Broker`."""
        return self.lane.outside(self._broker.account)

    def instruments(self) -> tuple[Instrument, ...]:
        """See `Broker`."""
        return self.lane.outside(self._broker.instruments)

    def positions(self) -> tuple[Position, ...]:
        """See `Broker`."""
        return self.lane.outside(self._broker.positions)

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """See `Broker`."""
        return self.lane.outside(self._broker.open_orders)

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.order(client_order_id))

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.transactions_since(watermark))

    def place(self, order: Order) -> Accepted:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.place(order))

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.cancel(client_order_id, reason=reason))

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.replace(client_order_id, order))

    def change_exits(self, change: ExitChange) -> bool:
        """See `Broker`."""
        return self.lane.outside(lambda: self._broker.change_exits(change))

    def take_event(self, event: FeedEvent) -> None:
        """See `Broker`."""
        self._broker.take_event(event)
