"""Streams in the gateway's loop: drained as quotes come, and questions that wait for the next event."""

import time
from collections.abc import Callable

import zmq

from workbench.gateway.desk import Desk
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import KernelReply, NextEvent, Waiting

__all__ = ["Streams"]

_HOLD_S = 0.5  # shorter than a kernel waits for its answer
_Envelope = list[bytes]


class Streams:
    """The stream feeds of a desk."""

    def __init__(self, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._monotonic = monotonic
        self._lines: dict[str, tuple[StreamFeed, zmq.Socket[bytes] | int]] = {}
        self._held: dict[str, tuple[_Envelope, NextEvent, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def follow(self, poller: zmq.Poller) -> None:
        """Wait on the lines of the feeds that are open now."""
        found = {
            name: (trading.feed, trading.feed.source.line())
            for name, trading in self._desk.deployments.items()
            if isinstance(trading.feed, StreamFeed) and not trading.feed.closed
        }
        if found == self._lines:
            return
        for _, line in self._lines.values():
            if line != -1 and line in poller:
                poller.unregister(line)
        for _, line in found.values():
            if line != -1:
                poller.register(line, zmq.POLLIN)
        self._lines = found

    def pump(self) -> None:
        """Take what has come on every line."""
        for feed, _ in self._lines.values():
            if not feed.closed:  # meanwhile, in a lane that waits for its broker
                feed.pump()

    @property
    def behind(self) -> bool:
        """Whether a question that is held can be answered now."""
        return any(name in self._lines and self._lines[name][0].waiting for name in self._held)

    def hold(self, envelope: _Envelope, request: NextEvent, *, until: float | None = None) -> bool:
        """Keep a question until there is an event; whether it is kept.

        Parameters
        ----------
        until
            Of one that was held before: nobody asked anew, so it is not held for longer than at first.
        """
        now = self._monotonic()
        if until is None:
            until = now + _HOLD_S
        if request.deployment_id not in self._lines or until <= now:
            return False
        self._held[request.deployment_id] = (envelope, request, until)
        return True

    def answer_held(
        self,
        answer: Callable[[_Envelope, NextEvent, float], KernelReply | None],
        send: Callable[[_Envelope, KernelReply], None],
    ) -> None:
        """Answer the questions for which there is an event now, and those that were held long enough.

        Parameters
        ----------
        answer
            Told until when the question is held. None: its answer will be sent, or it is held again that
            long, by whoever took it.
        """
        now = self._monotonic()
        for name, (envelope, request, until) in list(self._held.items()):
            line = self._lines.get(name)
            if line is not None and not line[0].waiting and now < until:
                continue
            del self._held[name]
            reply = answer(envelope, request, until)
            if reply is None:
                continue
            if isinstance(reply, Waiting) and now < until:
                self._held[name] = (envelope, request, until)
            else:
                send(envelope, reply)
