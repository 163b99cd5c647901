"""The server: a paper account behind HTTP, with a stream of quotes, transactions and heartbeats.

It is for this machine: tests, rehearsals, and trying out an adapter. It keeps a record of its own of what
reached it (`PaperServer.received`), so that a test can count how often an order was really sent.

========================  =======================================================================
GET …/account             books, capabilities, clock, end of the record
GET …/instruments         what can be traded
GET …/positions           what is held
GET …/orders              what waits
GET …/orders/ID           one order by its client id, waiting or ended; 404 when there is none
GET …/transactions        ``?since=N``: a page of the record after N, and where the record ends
POST …/orders             place: 201, or 400 with the code REJECTED
PUT …/orders/ID/cancel    take back: 200 and whether there was one
PUT …/orders/ID/replace   take back and place: 201, or 400 with the code REJECTED
PUT …/exits               change stop, target and trailing stop: 200 and whether anything is held
GET …/quotes              ``?after=N&until=M``: quotes of the stream once more
GET …/stream              lines of JSON without end: quote, transaction, beat
========================  =======================================================================

All under ``/v1/accounts/ACCOUNT``, with ``Authorization: Bearer TOKEN``; errors are ``{code, message}``.
"""

import queue
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from http.server import ThreadingHTTPServer
from typing import Any

from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.paper.client import PaperBroker
from workbench.gateway.brokers.paper.config import PaperConfig
from workbench.gateway.brokers.paper_http.handling import Handler
from workbench.gateway.brokers.paper_http.parsing import (
    AccountReply,
    BeatLine,
    QuoteLine,
    QuotesReply,
    StreamLine,
    TransactionLine,
    TransactionsReply,
)
from workbench.gateway.brokers.port import Accepted
from workbench.gateway.messages import FeedEvent, QuoteMoved

__all__ = ["PaperServer"]

_KEPT = 100_000  # quotes that can be asked for again


class PaperServer:
    """One paper account on a port of the loopback interface.

    Parameters
    ----------
    beat_s
        How often each stream says that it is alive.
    grace_s
        How long after it was sent a request may still be on its way, for all that a client knows.
    page
        Transactions in one answer at most.
    clock_ns
        The server's clock.
    """

    def __init__(
        self,
        config: PaperConfig,
        *,
        account_id: str,
        token: str,
        port: int = 0,
        beat_s: float = 5.0,
        grace_s: float = 2.0,
        page: int = 100,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.account_id = account_id
        self.token = token
        self.beat_s = beat_s
        self.broker = PaperBroker(config)
        self.received: Counter[tuple[str, str]] = Counter()
        """How often each (verb, client order id or instrument) reached the server whole."""
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self._page = page
        self._capabilities = replace(
            self.broker.capabilities(),
            absence_grace_ns=round(grace_s * 1e9),
            heartbeat_ns=round(2 * beat_s * 1e9),
        )
        self._clock_ns = clock_ns
        self._told = 0  # the last transaction that the streams were told
        self._epoch = secrets.randbits(62) + 1
        self._quotes = 0  # the number of the last one
        self._kept: deque[Quote] = deque(maxlen=_KEPT)
        self._streams: list[queue.SimpleQueue[StreamLine]] = []
        self._http = _Http(("127.0.0.1", port), Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        """Stop, and cut every connection."""
        self.ended.set()
        self._http.shutdown()
        self._http.cut()
        self._http.server_close()
        self._thread.join()

    def take_event(self, event: FeedEvent) -> None:
        """What the market did: executes what waits and is told to every stream."""
        with self.lock:
            self.broker.take_event(event)
            if isinstance(event, QuoteMoved):
                self._quotes += 1
                self._kept.append(event.quote)
                self._tell(QuoteLine(quote=event.quote, seq=self._quotes))
            self._tell_transactions()

    # --- what the handler's threads ask ---

    def account(self) -> AccountReply:
        """Books, capabilities, clock and the record's end."""
        with self.lock:
            return AccountReply(
                account=self.broker.account(),
                capabilities=self._capabilities,
                time_ns=self._clock_ns(),
                last_transaction=self._last(),
            )

    def transactions(self, since: int) -> TransactionsReply:
        """A page of the record."""
        with self.lock:
            found = self.broker.transactions_since(since)
            return TransactionsReply(transactions=found[: self._page], last=self._last())

    def place(self, order: Order) -> Accepted:
        """Take an order in."""
        with self.lock:
            self.received["place", order.client_order_id] += 1
            return self.broker.place(order)

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """Take an order back."""
        with self.lock:
            self.received["cancel", client_order_id] += 1
            done = self.broker.cancel(client_order_id, reason=reason)
            self._tell_transactions()
            return done

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """Take an order back and another one in."""
        with self.lock:
            self.received["replace", order.client_order_id] += 1
            accepted = self.broker.replace(client_order_id, order)
            self._tell_transactions()
            return accepted

    def change_exits(self, change: ExitChange) -> bool:
        """Change the exits of what is held."""
        with self.lock:
            self.received["exits", change.instrument] += 1
            done = self.broker.change_exits(change)
            self._tell_transactions()
            return done

    def listen(self) -> "queue.SimpleQueue[StreamLine]":
        """A new stream's lines, the first of them a beat."""
        lines: queue.SimpleQueue[StreamLine] = queue.SimpleQueue()
        with self.lock:
            lines.put(self._beat())
            self._streams.append(lines)
        return lines

    def leave(self, lines: "queue.SimpleQueue[StreamLine]") -> None:
        """A stream is gone."""
        with self.lock:
            self._streams.remove(lines)

    def beat(self, lines: "queue.SimpleQueue[StreamLine]") -> None:
        """A sign of life, behind what the stream is still to be told."""
        with self.lock:
            lines.put(self._beat())

    def quotes(self, after: int, until: int) -> QuotesReply:
        """Quotes `after` + 1 to `until`, those that are kept."""
        with self.lock:
            first = self._quotes - len(self._kept)
            kept = list(self._kept)[max(0, after - first) : max(0, until - first)]
            return QuotesReply(epoch=self._epoch, quotes=tuple(kept) if after >= first else ())

    def _beat(self) -> BeatLine:
        return BeatLine(
            time_ns=self._clock_ns(),
            last_transaction=self._last(),
            epoch=self._epoch,
            last_quote=self._quotes,
        )

    def _last(self) -> int:
        found = self.broker.transactions_since(self._told)
        return found[-1].number if found else self._told

    def _tell_transactions(self) -> None:
        for item in self.broker.transactions_since(self._told):
            self._tell(TransactionLine(transaction=item))
            self._told = item.number

    def _tell(self, line: StreamLine) -> None:
        for lines in self._streams:
            lines.put(line)


class _Http(ThreadingHTTPServer):
    """A thread a connection; the open ones are known, so that they can be cut."""

    daemon_threads = True
    owner: PaperServer

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is no news."""

    def cut(self) -> None:
        """End every connection."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed meanwhile
