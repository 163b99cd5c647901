"""Which requests go to a broker elsewhere: they, and the care of their deployments, are work of its lane."""

import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial

from workbench.errors import WorkbenchError
from workbench.gateway.controls.halting import watch_silence
from workbench.gateway.deliveries import advance
from workbench.gateway.desk import Desk
from workbench.gateway.errors import LedgerWriteError
from workbench.gateway.killing import waiting_under_kill
from workbench.gateway.lanes import Lane, LaneBroker, Lanes
from workbench.gateway.market_data.quote_deliveries import follows_quotes, skip_event
from workbench.gateway.messages import Heartbeat, KernelRequest, OperatorReply, OperatorRequest
from workbench.gateway.outside_accounts import outside_of
from workbench.gateway.reconciliation import watch
from workbench.gateway.specs import parse_spec
from workbench.gateway.trading import State, Trading

__all__ = ["Care", "Kills", "is_closing", "lane_of", "lane_of_request", "lane_of_verb"]

_MOST_LATER = 2  # pieces of the same work for one deployment
_CARE_EACH_S = 0.005
_KILL_PATIENCE_S = 1.0
_Envelope = list[bytes]


def lane_of(trading: Trading | None) -> Lane | None:
    """The lane of a deployment's account; None for a book of the gateway's own."""
    return trading.broker.lane if trading is not None and isinstance(trading.broker, LaneBroker) else None


def lane_of_request(desk: Desk, request: KernelRequest) -> Lane | None:
    """Where a live kernel's request is answered; None: at once."""
    if isinstance(request, Heartbeat):
        return None  # it says that the kernel lives, and asks no broker
    return lane_of(desk.deployments.get(request.deployment_id))


def lane_of_verb(desk: Desk, lanes: Lanes, request: OperatorRequest) -> Lane | None:
    """Where a person's verb is done; None: at once."""
    if request.verb == "open":
        try:
            account = outside_of(parse_spec(request.arguments).account)
        except WorkbenchError:
            return None  # it is refused
        return None if account is None else lanes.of(str(account))
    if request.verb in ("stop", "close", "resume", "adopt", "resolve"):
        return lane_of(desk.deployments.get(str(request.arguments.get("deployment_id", ""))))
    return None


def is_closing(trading: Trading) -> bool:
    """Whether it has stopped and its own orders have not ended."""
    return trading.state in (State.STOPPED, State.CLOSED) and bool(trading.working)


class Care:
    """What goes on for each deployment without anybody asking."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._monotonic = monotonic
        self._cared: dict[str, float] = {}
        self._asked: set[str] = set()  # whose care waits in a lane
        self._later: Counter[str] = Counter()

    def tick(self) -> None:
        """Look after all of them: those at a broker elsewhere in their lanes."""
        for name, trading in self._desk.deployments.items():
            lane = lane_of(trading)
            if lane is None:
                self._take_care(name)
            elif name not in self._asked and self._monotonic() - self._cared.get(name, 0.0) >= _CARE_EACH_S:
                self._asked.add(name)
                lane.add(partial(self._take_care_there, name))

    def later(self, trading: Trading, work: Callable[[], None]) -> bool:
        """See `Desk.later`."""
        lane, name = lane_of(trading), trading.spec.deployment_id
        if lane is None:
            return False
        if self._later[name] < _MOST_LATER:
            self._later[name] += 1
            lane.add(lambda: self._do(trading, work), first=True)
        return True

    def _do(self, trading: Trading, work: Callable[[], None]) -> None:
        name = trading.spec.deployment_id
        self._later[name] -= 1
        if self._desk.deployments.get(name) is not trading:
            return  # it was read from the store anew: whoever wanted this sees to it again
        try:
            work()
        except LedgerWriteError as error:
            self._desk.freeze(trading, f"deployment {name} is frozen: {error}")
        except Exception as error:  # one deployment stops, the others trade on
            self._desk.log.error("failed", deployment_id=name, exc_info=True)
            self._desk.freeze(trading, f"the gateway failed: {type(error).__name__}: {error}; see its log")

    def _take_care_there(self, name: str) -> None:
        self._asked.discard(name)
        try:
            self._take_care(name)
        finally:
            self._cared[name] = self._monotonic()

    def _take_care(self, name: str) -> None:
        trading = self._desk.deployments.get(name)
        if trading is None:
            return
        for part in (self._watch_kernel, self._watch_broker, self._close):
            try:
                part(trading)
            except LedgerWriteError as error:
                self._desk.freeze(trading, f"deployment {name} is frozen: {error}")

    def _watch_kernel(self, trading: Trading) -> None:
        if trading.state is State.RUNNING:
            watch_silence(self._desk, trading)

    def _watch_broker(self, trading: Trading) -> None:
        if trading.standing is not None:
            watch(self._desk, trading)

    def _close(self, trading: Trading) -> None:
        if not is_closing(trading):
            return
        if follows_quotes(trading):
            skip_event(self._desk, trading)
        else:
            advance(self._desk, trading, most=1)


class Kills:
    """Answers to kills that wait until the cancels were sent in the lanes, but not for long."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._monotonic = monotonic
        self._held: deque[tuple[_Envelope, OperatorReply, float]] = deque()

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, envelope: _Envelope, reply: OperatorReply) -> bool:
        """Keep the answer to a kill while orders wait in a lane; whether it is kept."""
        if reply.error or not self._in_lanes():
            return False
        self._held.append((envelope, reply, self._monotonic() + _KILL_PATIENCE_S))
        return True

    def answer(self, send: Callable[[_Envelope, OperatorReply], None]) -> None:
        """Send those whose orders are gone, or that waited long enough; each says what is left."""
        while self._held:
            envelope, reply, until = self._held[0]
            if self._in_lanes() and self._monotonic() < until:
                return
            self._held.popleft()
            reply.value["waiting"] = waiting_under_kill(self._desk)
            send(envelope, reply)

    def _in_lanes(self) -> bool:
        left = set(waiting_under_kill(self._desk))
        return bool(left) and any(
            left.intersection(map(str, trading.standing.orders))
            for trading in self._desk.deployments.values()
            if trading.standing is not None and lane_of(trading) is not None
        )
