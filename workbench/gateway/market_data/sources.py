"""Where streamed quotes come from: the port of a source, and quotes published on a local socket.

On the socket each quote is a message of its own with a number; a heartbeat tells the number of the last
one, so that nothing is missing unnoticed, not even at the end. What is missing is asked for again.
"""

import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import zmq

__all__ = ["QUOTE", "MissedQuotesError", "QuotePublisher", "QuoteSource", "SocketQuotes", "no_quotes"]

QUOTE = np.dtype([("seq", "<u8"), ("time_ns", "<i8"), ("bid", "<i8"), ("ask", "<i8"), ("instrument", "<u8")])
"""One quote: its number at the source, UTC, points, and the index of the instrument there."""

Quotes = npt.NDArray[np.void]
_HEARTBEAT = np.iinfo(np.uint64).max
_AT_ONCE = 5_000
_WITHIN_MS = 500


class MissedQuotesError(Exception):
    """Quotes that were missed can not be had any more."""


def no_quotes() -> Quotes:
    """None."""
    return np.empty(0, QUOTE)


class QuoteSource(Protocol):
    """A stream of quotes; its quotes are numbered from 1 within an epoch."""

    def instruments(self) -> Sequence[str]:
        """The ids that its quotes' `instrument` counts; known once it is connected."""

    def read(self) -> Quotes:
        """The quotes that have come, without waiting."""

    def again(self, after: int, until: int) -> Quotes:
        """Quotes `after` + 1 to `until` once more; `MissedQuotesError` where that can not be."""

    def last(self) -> int:
        """The number of the last quote that the source says it has sent; 0 when it did not say."""

    def epoch(self) -> int:
        """Which life of the source its numbers belong to; 0 before it said anything."""

    def heard(self) -> int:
        """How many messages have come, heartbeats with them: it lives while this grows."""

    def reconnect(self) -> None:
        """Drop the line and take a new one."""

    def line(self) -> "zmq.Socket[bytes] | int":
        """What a poller waits on: a socket or a file descriptor; -1 for nothing."""

    def close(self) -> None:
        """Give the line back."""


@dataclass(frozen=True, slots=True)
class _Hello:
    epoch: int
    instruments: tuple[str, ...]


class QuotePublisher:
    """Publishes quotes on a local socket; for a broker's adapter, a recorder or a test.

    Parameters
    ----------
    path
        A short one: beside it the socket for questions is bound at ``path.again``.
    keep
        How many quotes can be asked for again.
    """

    def __init__(self, path: Path, *, instruments: Sequence[str], keep: int = 200_000) -> None:
        self._context = zmq.Context()
        self._index = {name: k for k, name in enumerate(instruments)}
        self.epoch = secrets.randbits(62) + 1
        self._kept: deque[bytes] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self._seq = 0
        self._line = self._context.socket(zmq.PUB)
        self._line.setsockopt(zmq.SNDHWM, 1_000_000)
        self._line.setsockopt(zmq.LINGER, 200)
        for name in (path, again_path(path)):
            name.unlink(missing_ok=True)
        self._line.bind(f"ipc://{path}")
        self._questions = self._context.socket(zmq.REP)
        self._questions.setsockopt(zmq.LINGER, 0)
        self._questions.bind(f"ipc://{again_path(path)}")
        self._ended = False
        self._answering = threading.Thread(target=self._answer, name="quotes again", daemon=True)
        self._answering.start()

    @property
    def seq(self) -> int:
        """The number of the last quote."""
        return self._seq

    def quote(self, instrument: str, time_ns: int, bid: int, ask: int) -> int:
        """Publish one; its number."""
        record = np.array([(self._seq + 1, time_ns, bid, ask, self._index[instrument])], QUOTE).tobytes()
        self.publish([record])
        return self._seq

    def publish(self, records: Sequence[bytes]) -> None:
        """Publish quotes that are numbered and packed already (`QUOTE`), a message each."""
        with self._lock:
            self._kept.extend(records)
            self._seq += len(records)
        for record in records:
            self._line.send(record)

    def heartbeat(self) -> None:
        """Say that it lives, and how far it is."""
        beat = np.array([(self._seq, 0, self.epoch, 0, _HEARTBEAT)], QUOTE)
        self._line.send(beat.tobytes())

    def lose(self, instrument: str, time_ns: int, bid: int, ask: int) -> int:
        """Number and keep a quote without sending it: what a line that drops messages does."""
        record = np.array([(self._seq + 1, time_ns, bid, ask, self._index[instrument])], QUOTE).tobytes()
        with self._lock:
            self._kept.append(record)
            self._seq += 1
        return self._seq

    def close(self) -> None:
        """End it."""
        self._ended = True
        self._answering.join(5)
        self._line.close()
        self._questions.close(0)
        self._context.term()

    def _answer(self) -> None:
        while not self._ended:
            if not self._questions.poll(100):
                continue
            asked: Mapping[str, int] = msgspec.json.decode(self._questions.recv())
            if "after" not in asked:
                hello = {"epoch": self.epoch, "instruments": list(self._index)}
                self._questions.send(msgspec.json.encode(hello))
                continue
            with self._lock:
                first = self._seq - len(self._kept)
                low, high = asked["after"] - first, asked["until"] - first
                found = b"" if low < 0 else b"".join(list(self._kept)[low:high])
            self._questions.send(found)


class SocketQuotes:
    """A `QuoteSource` on what a `QuotePublisher` sends; drained without waiting, an array at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._context = zmq.Context()
        self._hello = _Hello(0, ())
        self._last, self._heard = 0, 0
        self._line = self._connected()

    def instruments(self) -> Sequence[str]:
        """See `QuoteSource`."""
        if not self._hello.instruments:
            self._greet()
        return self._hello.instruments

    def read(self) -> Quotes:
        """See `QuoteSource`; at most some thousands at once, so that nothing else waits long."""
        found: list[bytes] = []
        receive, take = self._line.recv, found.append
        try:
            for _ in range(_AT_ONCE):
                take(receive(zmq.NOBLOCK))
        except zmq.Again:
            pass
        if not found:
            return no_quotes()
        self._heard += len(found)
        quotes = np.frombuffer(b"".join(found), QUOTE)
        beats = quotes["instrument"] == _HEARTBEAT
        if not beats.any():
            return quotes
        beat = quotes[beats][-1]
        if int(beat["bid"]) != self._hello.epoch:
            self._greet()
        self._last = int(beat["seq"])
        rest: Quotes = quotes[~beats]
        return rest

    def again(self, after: int, until: int) -> Quotes:
        """See `QuoteSource`."""
        found = np.frombuffer(self._ask({"after": after, "until": until}), QUOTE)
        if len(found) != until - after or int(found["seq"][0]) != after + 1:
            raise MissedQuotesError(f"quotes {after + 1} to {until} are gone")
        return found

    def last(self) -> int:
        """See `QuoteSource`."""
        return self._last

    def epoch(self) -> int:
        """See `QuoteSource`."""
        return self._hello.epoch

    def heard(self) -> int:
        """See `QuoteSource`."""
        return self._heard

    def reconnect(self) -> None:
        """See `QuoteSource`."""
        self._line.close(0)
        self._line = self._connected()
        self._hello = _Hello(0, ())

    def line(self) -> "zmq.Socket[bytes] | int":
        """See `QuoteSource`."""
        return self._line

    def close(self) -> None:
        """See `QuoteSource`."""
        self._line.close(0)
        self._context.term()

    def _connected(self) -> "zmq.Socket[bytes]":
        line = self._context.socket(zmq.SUB)
        line.setsockopt(zmq.RCVHWM, 1_000_000)
        line.setsockopt(zmq.RECONNECT_IVL, 50)
        line.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        line.setsockopt(zmq.SUBSCRIBE, b"")
        line.connect(f"ipc://{self._path}")
        return line

    def _greet(self) -> None:
        try:
            answer = msgspec.json.decode(self._ask({}), type=dict[str, object])
        except MissedQuotesError:
            return
        names = answer["instruments"]
        assert isinstance(names, list)
        epoch = answer["epoch"]
        assert isinstance(epoch, int)
        self._hello = _Hello(epoch, tuple(names))

    def _ask(self, question: Mapping[str, int]) -> bytes:
        line = self._context.socket(zmq.REQ)
        try:
            line.setsockopt(zmq.LINGER, 0)
            line.connect(f"ipc://{again_path(self._path)}")
            line.send(msgspec.json.encode(dict(question)))
            if not line.poll(_WITHIN_MS):
                raise MissedQuotesError(f"no answer from {again_path(self._path)}")
            return line.recv()
        finally:
            line.close(0)


def again_path(path: Path) -> Path:
    """Where what was missed is asked for."""
    return path.with_name(path.name + ".again")
