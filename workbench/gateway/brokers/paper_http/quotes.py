"""The quotes of a paper broker's stream as a `QuoteSource`: numbered there, asked for again where missing.

A thread of its own holds the connection: one that is cut or silent is taken anew, with longer and longer
pauses. Sizes that are on offer are not carried along.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

import httpx
import numpy as np

from workbench.errors import BadInputError
from workbench.gateway.brokers.paper_http.config import PaperHttpConfig
from workbench.gateway.brokers.paper_http.parsing import (
    BeatLine,
    InstrumentsReply,
    QuoteLine,
    QuotesReply,
    StreamLine,
    UnreadableError,
    decode,
)
from workbench.gateway.market_data.sources import QUOTE, MissedQuotesError, Quotes, no_quotes

__all__ = ["PaperHttpQuotes"]

_AT_ONCE = 5_000
_AGAIN_S = 1.0  # what was missed is waited for so long
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


class PaperHttpQuotes:
    """See `workbench.gateway.market_data.sources.QuoteSource`.

    Parameters
    ----------
    credential
        Asked for at each connection; that of `config` when None.
    """

    def __init__(self, config: PaperHttpConfig, *, credential: Callable[[], str] | None = None) -> None:
        self._config = config
        self._credential = credential or (lambda: config.token)
        self._base = f"{config.url}/v1/accounts/{config.account_id}"
        self._lines: deque[QuoteLine | BeatLine] = deque()
        self._names: tuple[str, ...] = ()
        self._epoch = self._last = self._heard = 0
        self._reading_end, self._writing_end = os.pipe()
        for end in (self._reading_end, self._writing_end):
            os.set_blocking(end, False)
        self._ended = threading.Event()
        self._cut = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="broker quotes")
        self._thread.start()

    def instruments(self) -> Sequence[str]:
        """See `QuoteSource`."""
        return self._names

    def read(self) -> Quotes:
        """See `QuoteSource`; quotes of two lives of the server never come together."""
        self._drain()
        rows: list[tuple[int, int, int, int, int]] = []
        index = {name: at for at, name in enumerate(self._names)}
        while self._lines and len(rows) < _AT_ONCE:
            line = self._lines[0]
            if isinstance(line, BeatLine):
                if line.epoch != self._epoch and rows:
                    break
                self._epoch, self._last = line.epoch, line.last_quote
            else:
                at = index.get(line.quote.instrument, len(index))
                rows.append((line.seq, line.quote.time_ns, line.quote.bid, line.quote.ask, at))
            self._lines.popleft()
            self._heard += 1
        if self._lines:
            self._wake()
        return np.array(rows, QUOTE) if rows else no_quotes()

    def again(self, after: int, until: int) -> Quotes:
        """See `QuoteSource`."""
        try:
            answer = self._get(f"/quotes?after={after}&until={until}", timeout_s=_AGAIN_S)
            found = decode(answer, QuotesReply)
        except (httpx.HTTPError, UnreadableError, BadInputError) as error:
            raise MissedQuotesError(f"quotes {after + 1} to {until} could not be had: {error}") from None
        if found.epoch != self._epoch or len(found.quotes) != until - after:
            raise MissedQuotesError(f"quotes {after + 1} to {until} are gone")
        index = {name: at for at, name in enumerate(self._names)}
        rows = [
            (after + 1 + at, item.time_ns, item.bid, item.ask, index.get(item.instrument, len(index)))
            for at, item in enumerate(found.quotes)
        ]
        return np.array(rows, QUOTE)

    def last(self) -> int:
        """See `QuoteSource`."""
        return self._last

    def epoch(self) -> int:
        """See `QuoteSource`."""
        return self._epoch

    def heard(self) -> int:
        """See `QuoteSource`."""
        return self._heard

    def reconnect(self) -> None:
        """See `QuoteSource`; it does not wait."""
        self._cut.set()

    def line(self) -> int:
        """See `QuoteSource`."""
        return self._reading_end

    def close(self) -> None:
        """See `QuoteSource`."""
        self._ended.set()
        self._cut.set()
        self._thread.join(2 * self._config.silence_s)
        for end in (self._reading_end, self._writing_end):
            os.close(end)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._ended.is_set():
            self._cut.clear()
            if self._connected():
                pause = _FIRST_PAUSE_S
            self._ended.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _connected(self) -> bool:
        """Read one connection until it ends; whether anything came."""
        seen = False
        try:
            answer = decode(self._get("/instruments", timeout_s=self._config.timeout_s), InstrumentsReply)
            names = tuple(sorted(item.id for item in answer.instruments))
            if self._names not in ((), names):
                return False  # the numbers of instruments would mean others
            self._names = names
            headers = {"Authorization": f"Bearer {self._credential()}"}
            with (
                httpx.Client(timeout=self._config.silence_s, trust_env=False) as client,
                client.stream("GET", f"{self._base}/stream", headers=headers) as response,
            ):
                rest = b""
                for part in response.iter_raw():
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        found: StreamLine = decode(line, StreamLine)  # type: ignore[arg-type]
                        if isinstance(found, QuoteLine | BeatLine):
                            self._lines.append(found)
                            seen = True
                    self._wake()
                    if self._cut.is_set():
                        return seen
        except (httpx.HTTPError, UnreadableError, BadInputError, ValueError):
            return seen
        return seen

    def _get(self, path: str, *, timeout_s: float) -> bytes:
        headers = {"Authorization": f"Bearer {self._credential()}"}
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            return client.get(f"{self._base}{path}", headers=headers).raise_for_status().content

    def _wake(self) -> None:
        try:
            os.write(self._writing_end, b"\0")
        except BlockingIOError:
            return  # it is awake

    def _drain(self) -> None:
        try:
            while os.read(self._reading_end, 4_096):
                pass
        except BlockingIOError:
            return
