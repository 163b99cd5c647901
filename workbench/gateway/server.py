"""The gateway's sockets: one thread answers orders and verbs; what takes long is answered beside it.

Long questions are read from the store in a thread of their own; what asks a broker elsewhere is work of that
account's lane (`workbench.gateway.lanes`), and the loop goes on meanwhile.
"""

import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, cast

import msgspec
import zmq

from workbench.errors import WorkbenchError
from workbench.gateway.apart import Care, Kills, is_closing, lane_of_request, lane_of_verb
from workbench.gateway.desk import Desk
from workbench.gateway.errors import RefusedError
from workbench.gateway.kernels import answer
from workbench.gateway.killing import KillChase
from workbench.gateway.lanes import Lanes
from workbench.gateway.market_data.waiting import Streams
from workbench.gateway.messages import (
    KernelReply,
    KernelRequest,
    NextEvent,
    OperatorReply,
    OperatorRequest,
    Refused,
    Waiting,
)
from workbench.gateway.operators import act, check_request
from workbench.gateway.reports import REPORTS, Sources, report

__all__ = ["GatewayServer"]

_MOST_BYTES = 1 << 20
_MOST_REPORTS = 32
_IDLE_MS, _CLOSING_MS, _STREAMING_MS = 1_000, 20, 100
_AT_ONCE = 64  # requests of live kernels, then quotes and brokers have their turn
_Envelope = list[bytes]


class GatewayServer:
    """Serves both sockets until `stop` is called, from any thread or signal handler, or asked for.

    Parameters
    ----------
    each_round
        Called when the loop has gone round, at least once a second.
    lanes
        Of the accounts at brokers elsewhere; without them the loop itself waits for their brokers.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        kernels: Path,
        operators: Path,
        sources: Sources,
        each_round: Callable[[], None] = lambda: None,
        lanes: Lanes | None = None,
    ) -> None:
        self._desk = desk
        self._lanes = lanes or Lanes()
        self._lanes.wake = self._wake
        self._care = Care(desk)
        desk.later = self._care.later
        self._kills = Kills(desk)
        self._sources = sources
        self._paths = (kernels, operators)
        self._context = zmq.Context()
        self._kernels = self._bound(kernels)
        self._operators = self._bound(operators)
        self._kernel_requests = msgspec.json.Decoder(KernelRequest)
        self._operator_requests = msgspec.json.Decoder(OperatorRequest)
        self._wake_end, self.wakeup = socket.socketpair()
        self._wake_end.setblocking(False)
        self.wakeup.setblocking(False)
        self._reporter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reports")
        self._under_way = 0
        self._reports: SimpleQueue[tuple[_Envelope, OperatorReply]] = SimpleQueue()
        self._stopping = False
        self._each_round = each_round
        self._chase = KillChase(desk)
        self._streams = Streams(desk)

    def serve(self) -> None:
        """Answer until stopped; then give the sockets back."""
        poller = zmq.Poller()
        for item in (self._kernels, self._operators, self._wake_end):
            poller.register(item, zmq.POLLIN)
        try:
            while not self._stopping:
                self._streams.follow(poller)
                poller.poll(self._patience_ms())
                self._drain_wakeups()
                self._lanes.run()
                self._streams.pump()
                self._drain()
                self._streams.answer_held(self._answer_or_pass_on, self._reply_to)
                self._send_reports()
                self._tick()
                self._lanes.run()
                self._kills.answer(self._tell_operator)
        finally:
            self._close()

    def stop(self) -> None:
        """Leave `serve` after the request at hand."""
        self._stopping = True
        self._wake()

    def _bound(self, path: Path) -> "zmq.Socket[bytes]":
        # only the holder of the lease comes here, so a file in the way is nobody's
        path.unlink(missing_ok=True)
        router = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 200)
        router.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
        before = os.umask(0o177)
        try:
            router.bind(f"ipc://{path}")
        finally:
            os.umask(before)
        path.chmod(0o600)
        return router

    def _drain(self) -> None:
        """Answer what waits; a person's verb never waits for more than one kernel's request."""
        for _ in range(_AT_ONCE):
            while not self._stopping and (parts := _received(self._operators)):
                self._answer_operator(parts)
            parts = _received(self._kernels) if not self._stopping else []
            if not parts:
                return
            self._answer_kernel(parts)

    def _patience_ms(self) -> int:
        if self._closing() or self._chase.busy or self._kills:
            return _CLOSING_MS
        return _STREAMING_MS if self._streams else _IDLE_MS

    def _answer_kernel(self, parts: _Envelope) -> None:
        *envelope, body = parts
        try:
            request = self._kernel_requests.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._desk.log.warning("unreadable request", detail=str(error), size=len(body))
            _send(self._kernels, envelope, Refused(reason=_unreadable(error)))
            return
        reply = self._answer_or_pass_on(envelope, request)
        if reply is not None:
            self._reply_or_hold(envelope, request, reply)

    def _answer_or_pass_on(
        self, envelope: _Envelope, request: KernelRequest, until: float | None = None
    ) -> KernelReply | None:
        """The answer; None where it is given in the lane of its account. `until`: see `Streams.hold`."""
        lane = lane_of_request(self._desk, request)
        if lane is None:
            return self._answered(request)
        lane.add(lambda: self._reply_or_hold(envelope, request, self._answered(request), until))
        return None

    def _reply_or_hold(
        self, envelope: _Envelope, request: KernelRequest, reply: KernelReply, until: float | None = None
    ) -> None:
        waits = isinstance(request, NextEvent) and isinstance(reply, Waiting)
        if not (waits and self._streams.hold(envelope, cast(NextEvent, request), until=until)):
            self._reply_to(envelope, reply)

    def _reply_to(self, envelope: _Envelope, reply: KernelReply) -> None:
        _send(self._kernels, envelope, reply)

    def _answered(self, request: KernelRequest) -> KernelReply:
        try:
            return answer(self._desk, request)
        except Exception as error:  # an entry point: one deployment stops, the others trade on
            self._desk.log.error("failed", request=type(request).__name__, exc_info=True)
            reason = f"the gateway failed on this request: {type(error).__name__}: {error}; see its log"
            if trading := self._desk.deployments.get(request.deployment_id):
                self._desk.freeze(trading, reason)
            return Refused(reason=reason)

    def _answer_operator(self, parts: _Envelope) -> None:
        *envelope, body = parts
        try:
            request = self._operator_requests.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._desk.log.warning("unreadable verb", detail=str(error), size=len(body))
            _send(self._operators, envelope, OperatorReply(error=_unreadable(error), value={}))
            return
        if request.verb in REPORTS:
            self._start_report(envelope, request)
            return
        lane = lane_of_verb(self._desk, self._lanes, request)
        if lane is None:
            self._do_verb(envelope, request)
        else:
            lane.add(lambda: self._do_verb(envelope, request))

    def _do_verb(self, envelope: _Envelope, request: OperatorRequest) -> None:
        reply = _reply(lambda: self._act(request), self._desk)
        if not (request.verb == "kill" and self._kills.hold(envelope, reply)):
            self._tell_operator(envelope, reply)

    def _tell_operator(self, envelope: _Envelope, reply: OperatorReply) -> None:
        _send(self._operators, envelope, reply)

    def _act(self, request: OperatorRequest) -> dict[str, Any]:
        check_request(request)
        if request.verb != "shutdown":
            return act(self._desk, request)
        self._desk.log.info("verb", verb="shutdown", user=request.user, role=request.role)
        self.stop()
        return {"pid": os.getpid()}

    def _start_report(self, envelope: _Envelope, request: OperatorRequest) -> None:
        def check() -> dict[str, Any]:
            check_request(request)
            if request.verb != "verify":
                self._desk.find(str(request.arguments.get("deployment_id", "")))
            if self._under_way >= _MOST_REPORTS:
                raise RefusedError(f"{_MOST_REPORTS} questions wait for an answer already; ask again later")
            return {}

        refusal = _reply(check, self._desk)
        if refusal.error:
            _send(self._operators, envelope, refusal)
            return
        self._under_way += 1
        future = self._reporter.submit(_reply, lambda: report(self._sources, request), self._desk)
        future.add_done_callback(lambda done: self._keep_report(envelope, done))

    def _keep_report(self, envelope: _Envelope, done: "Future[OperatorReply]") -> None:
        if not done.cancelled():
            self._reports.put((envelope, done.result()))
            self._wake()

    def _send_reports(self) -> None:
        while True:
            try:
                envelope, reply = self._reports.get_nowait()
            except Empty:
                return
            self._under_way -= 1
            _send(self._operators, envelope, reply)

    def _closing(self) -> bool:
        return any(is_closing(trading) for trading in self._desk.deployments.values())

    def _tick(self) -> None:
        """What goes on without anybody asking: closing positions of stopped deployments, checkpoints."""
        self._care.tick()
        self._chase.tick()
        self._desk.ledger.tick()
        self._each_round()
        if self._desk.ledger.failed:
            self.stop()  # what is on the disk is read again by the next start, and by no other way

    def _wake(self) -> None:
        try:
            self.wakeup.send(b"\0")
        except OSError:
            return  # it is awake, the buffer is full of such bytes; or it has ended

    def _drain_wakeups(self) -> None:
        try:
            while self._wake_end.recv(4_096):
                pass
        except BlockingIOError:
            return

    def _close(self) -> None:
        self._lanes.close()
        self._reporter.shutdown(wait=True, cancel_futures=True)
        self._send_reports()
        for router in (self._kernels, self._operators):
            router.close()
        self._context.term()
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._wake_end.close()
        self.wakeup.close()


def _received(router: "zmq.Socket[bytes]") -> _Envelope:
    try:
        return router.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return []


def _send(router: "zmq.Socket[bytes]", envelope: _Envelope, reply: msgspec.Struct) -> None:
    try:
        router.send_multipart([*envelope, msgspec.json.encode(reply)], zmq.NOBLOCK)
    except zmq.Again:
        return  # whoever asked does not read; asking again is safe


def _reply(work: Callable[[], dict[str, Any]], desk: Desk) -> OperatorReply:
    """The one place where a verb's failure becomes its answer."""
    try:
        return OperatorReply(error="", value=work())
    except WorkbenchError as error:
        return OperatorReply(error=str(error), value={"error": type(error).__name__})
    except Exception as error:
        desk.log.error("failed", exc_info=True)
        text = f"the gateway failed on this verb: {type(error).__name__}: {error}; see its log"
        return OperatorReply(error=text, value={"error": type(error).__name__})


def _unreadable(error: Exception) -> str:
    return f"expected a message of this protocol, found one that can not be read: {error}"
