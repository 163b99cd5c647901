"""The network between the gateway and the broker: it loses, delays, cuts and refuses when told to."""

import random
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.house import House
from workbench.gateway.simulation.wire import Reply, Request, TimedOutError, Word

__all__ = ["Network"]

_TIMEOUT_S = 2.0
_CHANGES = frozenset({"place", "cancel", "replace", "exits"})


@dataclass(slots=True)
class Network:
    """Carries requests to the broker."""

    house: House
    clock: SimulatedClock
    rng: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    late: list[tuple[float, str, str]] = field(default_factory=list)  # when, client id, broker's id
    connections: int = 0
    cut: bool = False  # the connection is lost once
    attempts: list[float] = field(default_factory=list)  # when somebody tried to connect

    def connect(self) -> bool:
        """Whether a connection can be made."""
        self.attempts.append(self.clock.seconds)
        self.clock.advance(0.02)
        troubles = self.house.troubles
        if troubles.down or troubles.half_open:
            self.hits["F24" if troubles.half_open else "F52"] += 1
            self.clock.advance(_TIMEOUT_S if troubles.half_open else 0.0)
            return False
        self.connections += 1
        return True

    def ask(self, request: Request) -> Reply:
        """The broker's reply, as far as one comes.

        Raises
        ------
        TimedOutError
            None came.
        """
        troubles, verb = self.house.troubles, request.verb
        self.clock.advance(self.rng.uniform(0.005, 0.03))
        if troubles.down:
            self.hits["F26"] += 1
            raise TimedOutError("connection refused")
        if troubles.half_open:
            self._wait("F24")
        if troubles.unauthorized:
            self.hits["F06"] += 1
            return Reply(status=401, body=b'{"reason":"token expired"}')
        placing = verb == "place"
        if troubles.too_many and placing:
            self.hits["F05"] += 1
            return Reply(status=429, body=b'{"reason":"slow down"}')
        if troubles.lose_requests and placing:
            self._wait("F01")
        if troubles.lose_changes and verb in ("replace", "exits"):
            self._wait("F19")
        reply = self.house.answer(request)
        if verb not in _CHANGES:
            return self._spoiled(reply)
        if troubles.late_replies and placing and reply.status == 200:
            self.late.append(
                (self.clock.seconds + self.rng.uniform(3.0, 9.0), request_name(request), _id(reply))
            )
            self._wait("F03")
        if troubles.repeat_replies and placing and reply.status == 200:
            self.hits["F08"] += 1
            for _ in range(2):
                self.late.append((self.clock.seconds, request_name(request), _id(reply)))
        if troubles.lose_replies:
            self._wait("F02")
        if troubles.server_errors:
            self.hits["F04"] += 1
            return Reply(status=502, body=b"<html>bad gateway</html>")
        return self._spoiled(reply)

    def due(self) -> list[tuple[str, str]]:
        """Replies that came after nobody waited for them any more."""
        now = self.clock.seconds
        found = [(name, broker_id) for at, name, broker_id in self.late if at <= now]
        self.late = [item for item in self.late if item[0] > now]
        return found

    def _spoiled(self, reply: Reply) -> Reply:
        if not self.house.troubles.cut_bodies or self.rng.random() < 0.3:
            return reply
        self.hits["F07"] += 1
        return Reply(status=reply.status, body=reply.body[: len(reply.body) // 2])

    def _wait(self, fault: str) -> None:
        self.hits[fault] += 1
        self.clock.advance(_TIMEOUT_S)
        raise TimedOutError("no answer in time")


def request_name(request: Request) -> str:
    """The client id that a request is about."""
    return request.order.client_order_id if request.order is not None else request.name


def _id(reply: Reply) -> str:
    return msgspec.json.decode(reply.body, type=Word).id
