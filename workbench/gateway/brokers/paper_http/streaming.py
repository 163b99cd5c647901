"""A stream of lines read by a thread of its own, taken from by another without waiting."""

import socket
import threading
import time
from collections import deque
from collections.abc import Mapping

import httpx

from workbench.gateway.brokers.paper_http.parsing import UnreadableError, news_of
from workbench.gateway.brokers.port import Beat, BrokerNews, Lost, UnavailableError

__all__ = ["LineStream"]


class LineStream:
    """News of a server's stream.

    A stream that ends, that brings what can not be read, or that brings nothing for `silence_s` is lost:
    the last of its news says so.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str], silence_s: float) -> None:
        self._url = url
        self.headers = dict(headers)  # of the next connection
        self._silence_s = silence_s
        self._news: deque[BrokerNews] = deque()
        self._reader: _Reader | None = None

    @property
    def clock_offset_ns(self) -> int | None:
        """The server's clock less ours when its last beat came; None without an open stream."""
        return self._reader.clock_offset_ns if self._reader is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether it is open and not known to be lost."""
        return self._reader is not None and not self._reader.over

    def open(self, *, timeout_s: float) -> None:
        """Open it anew and wait for its first line.

        Raises
        ------
        UnavailableError
            It did not come.
        """
        self.close()
        reader = _Reader(self._url, headers=self.headers, silence_s=self._silence_s, news=self._news)
        self._reader = reader
        reader.start()
        if not reader.opened.wait(timeout_s) or reader.over:
            self.close()
            raise UnavailableError(f"{self._url}: the stream did not open: {reader.why or 'no line came'}")

    def close(self) -> None:
        """Close it; what it brought and was not taken is dropped, the record has it."""
        if self._reader is not None:
            self._reader.stop()
            self._reader = None
        self._news = deque()

    def take(self) -> tuple[BrokerNews, ...]:
        """What came since the last call."""
        found: list[BrokerNews] = []
        while self._news:
            found.append(self._news.popleft())
        return tuple(found)


class _Reader(threading.Thread):
    """Reads one connection until it ends."""

    def __init__(
        self, url: str, *, headers: dict[str, str], silence_s: float, news: deque[BrokerNews]
    ) -> None:
        super().__init__(daemon=True, name="broker stream")
        self.opened = threading.Event()
        self.over = False
        self.clock_offset_ns: int | None = None
        self.why = ""
        self._url = url
        self._headers = headers
        self._silence_s = silence_s
        self._news = news
        self._stopped = False
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Lines to news; at the end, `Lost`."""
        timeout = httpx.Timeout(self._silence_s)
        transport = httpx.HTTPTransport(retries=0)
        try:
            with (
                httpx.Client(timeout=timeout, transport=transport, trust_env=False) as client,
                client.stream("GET", self._url, headers=self._headers) as response,
            ):
                if response.status_code != 200:
                    self._end(f"expected a stream, found status {response.status_code}")
                    return
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                self._read(response)
                self._end("the broker closed the stream")
        except httpx.ReadTimeout:
            self._end(f"the stream was silent for {self._silence_s:g} s")
        except (httpx.HTTPError, UnreadableError) as error:
            self._end(str(error) or type(error).__name__)

    def stop(self) -> None:
        """End it from another thread."""
        self._stopped = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it had ended

    def _read(self, response: httpx.Response) -> None:
        rest = b""
        for part in response.iter_raw():
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if self._stopped:
                    return
                item = news_of(line)
                if isinstance(item, Beat):
                    self.clock_offset_ns = item.time_ns - time.time_ns()
                self._news.append(item)
                self.opened.set()

    def _end(self, why: str) -> None:
        self.why = why
        self.over = True
        if not self._stopped and self.opened.is_set():
            self._news.append(Lost(reason=why))
        self.opened.set()
