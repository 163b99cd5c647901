"""The `Broker` port over a paper broker's HTTP server: the pattern for a broker that is elsewhere.

Every request is sent once. What is not an answer that proves something is `AmbiguousError` for the verbs
that change something, `UnavailableError` for reports.
"""

import itertools
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote as url_quote

import httpx

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.gateway.brokers.paper_http.config import PaperHttpConfig
from workbench.gateway.brokers.paper_http.parsing import (
    AccountReply,
    CancelBody,
    CanceledReply,
    ErrorCode,
    ErrorReply,
    ExitsBody,
    ExitsReply,
    InstrumentsReply,
    OpenOrdersReply,
    OrderBody,
    OrderReply,
    PlacedReply,
    PositionsReply,
    TransactionsReply,
    UnreadableError,
    decode,
    encode,
)
from workbench.gateway.brokers.paper_http.streaming import LineStream
from workbench.gateway.brokers.port import (
    Accepted,
    AmbiguousError,
    Beat,
    BrokerNews,
    Capabilities,
    NotAuthorizedError,
    OpenOrder,
    OrderReport,
    RateLimitedError,
    RejectedError,
    Transaction,
    UnavailableError,
)
from workbench.gateway.messages import FeedEvent

__all__ = ["PaperHttpBroker"]

_T = TypeVar("_T")
_MOST_BYTES = 64 * 1024 * 1024  # of one answer


class _NotSentError(Exception):
    """The request did not leave."""


class _NoAnswerError(Exception):
    """The request may have arrived."""


class PaperHttpBroker:
    """One account at a `PaperServer`."""

    absence_is_proof = False  # a request may still be on its way; see `Capabilities.absence_grace_ns`

    def __init__(self, config: PaperHttpConfig, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._monotonic = monotonic
        self._base = f"{config.url}/v1/accounts/{url_quote(config.account_id, safe='')}"
        headers = {"Authorization": f"Bearer {config.token}"}
        self._http = httpx.Client(
            headers=headers,
            timeout=config.timeout_s,
            transport=httpx.HTTPTransport(retries=0),
            trust_env=False,
        )
        self._stream = LineStream(f"{self._base}/stream", headers=headers, silence_s=config.silence_s)
        self._capabilities: Capabilities | None = None
        self._time_ns = 0

    # --- connection ---

    def authorize(self, token: str) -> None:
        """Show another credential from the next request and the next stream on."""
        header = {"Authorization": f"Bearer {token}"}
        self._http.headers.update(header)
        self._stream.headers = header

    def capabilities(self) -> Capabilities:
        """See `Broker`; asked for once."""
        if self._capabilities is None:
            self._capabilities = self._report("/account", AccountReply).capabilities
        return self._capabilities

    def connect(self) -> None:
        """See `Broker`."""
        if self._stream.alive:
            return
        reply = self._report("/account", AccountReply)
        self._capabilities, self._time_ns = reply.capabilities, reply.time_ns
        self._stream.open(timeout_s=self._config.timeout_s)

    def disconnect(self) -> None:
        """See `Broker`."""
        self._stream.close()
        self._http.close()
        self._http = httpx.Client(
            headers=self._http.headers,
            timeout=self._config.timeout_s,
            transport=httpx.HTTPTransport(retries=0),
            trust_env=False,
        )

    def news(self) -> tuple[BrokerNews, ...]:
        """See `Broker`."""
        found = self._stream.take()
        for item in found:
            if isinstance(item, Beat):
                self._time_ns = max(self._time_ns, item.time_ns)
        return found

    def time_ns(self) -> int:
        """See `Broker`."""
        return self._time_ns

    def clock_offset_ns(self) -> int | None:
        """See `Broker`."""
        return self._stream.clock_offset_ns

    # --- reports ---

    def account(self) -> AccountSnapshot:
        """See `Broker`."""
        return self._report("/account", AccountReply).account

    def instruments(self) -> tuple[Instrument, ...]:
        """See `Broker`."""
        return self._report("/instruments", InstrumentsReply).instruments

    def positions(self) -> tuple[Position, ...]:
        """See `Broker`."""
        return self._report("/positions", PositionsReply).positions

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """See `Broker`."""
        return self._report("/orders", OpenOrdersReply).orders

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """See `Broker`."""
        try:
            status, body = self._exchange("GET", _path(client_order_id))
        except (_NotSentError, _NoAnswerError) as error:
            raise UnavailableError(f"order {client_order_id} could not be asked for: {error}") from None
        if status == 404 and _code(body) == ErrorCode.NO_SUCH_ORDER:
            return None
        return _read(status, body, OrderReply).order

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """See `Broker`: all pages, to where the record ended at the last of them."""
        found: list[Transaction] = []
        while True:
            since = found[-1].number if found else watermark
            page = self._report(f"/transactions?since={since}", TransactionsReply)
            numbers = [since, *(item.number for item in page.transactions)]
            if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
                raise UnavailableError(f"expected transactions after {since} in order, found {numbers[1:]}")
            found += page.transactions
            if numbers[-1] >= page.last:
                return tuple(found)
            if not page.transactions:
                raise UnavailableError(f"expected transactions {since + 1} to {page.last}, found none")

    # --- orders ---

    def place(self, order: Order) -> Accepted:
        """See `Broker`."""
        reply = self._change(
            "POST", "/orders", OrderBody(order=order), PlacedReply, what=order.client_order_id
        )
        return reply.accepted

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """See `Broker`."""
        path = f"{_path(client_order_id)}/cancel"
        reply = self._change("PUT", path, CancelBody(reason=reason), CanceledReply, what=client_order_id)
        return reply.canceled

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """See `Broker`."""
        path = f"{_path(client_order_id)}/replace"
        reply = self._change("PUT", path, OrderBody(order=order), PlacedReply, what=order.client_order_id)
        return reply.accepted

    def change_exits(self, change: ExitChange) -> bool:
        """See `Broker`."""
        reply = self._change("PUT", "/exits", ExitsBody(change=change), ExitsReply, what=change.instrument)
        return reply.changed

    def take_event(self, event: FeedEvent) -> None:
        """See `Broker`: the server has a market of its own."""

    # --- requests ---

    def _report(self, path: str, kind: type[_T]) -> _T:
        try:
            status, body = self._exchange("GET", path)
        except (_NotSentError, _NoAnswerError) as error:
            raise UnavailableError(f"{path} could not be had: {error}") from None
        return _read(status, body, kind)

    def _change(self, method: str, path: str, value: object, kind: type[_T], *, what: str) -> _T:
        """Send once; the answer, or what its absence means."""
        try:
            status, body = self._exchange(method, path, encode(value))
        except _NotSentError as error:
            raise RejectedError(f"{what}: nothing was sent: {error}") from None
        except _NoAnswerError as error:
            raise AmbiguousError(f"{what}: {error}") from None
        if status in (200, 201):
            try:
                return decode(body, kind)
            except UnreadableError as error:
                raise AmbiguousError(f"{what}: the answer can not be read: {error}") from None
        _raise_if_proven(status, body, what=what)
        raise AmbiguousError(
            f"{what}: expected an answer that proves something, found {status} {body[:200]!r}"
        )

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request, one answer, within the time for both."""
        deadline = self._monotonic() + self._config.timeout_s
        received = bytearray()
        try:
            with self._http.stream(method, self._base + path, content=body) as response:
                for part in response.iter_raw():
                    received += part
                    if self._monotonic() > deadline or len(received) > _MOST_BYTES:
                        raise _NoAnswerError(f"no whole answer within {self._config.timeout_s:g} s")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NotSentError(f"no connection to {self._config.url}: {error}") from None
        except httpx.HTTPError as error:
            raise _NoAnswerError(f"no whole answer: {error or type(error).__name__}") from None
        return response.status_code, bytes(received)


def _path(client_order_id: ClientOrderId) -> str:
    return f"/orders/{url_quote(client_order_id, safe='')}"


def _read(status: int, body: bytes, kind: type[_T]) -> _T:
    """A report, or why there is none."""
    if status == 200:
        try:
            return decode(body, kind)
        except UnreadableError as error:
            raise UnavailableError(f"the answer can not be read: {error}") from None
    _raise_if_proven(status, body, what="the report")
    raise UnavailableError(f"expected a report, found {status} {body[:200]!r}")


def _raise_if_proven(status: int, body: bytes, *, what: str) -> None:
    """Raise what the server's own word proves; a status alone, which anything between may send, does not."""
    try:
        reply = decode(body, ErrorReply)
    except UnreadableError:
        return
    match status, reply.code:
        case 400, ErrorCode.REJECTED:
            raise RejectedError(f"{what}: {reply.message}")
        case ((401 | 403), ErrorCode.NOT_AUTHORIZED):
            raise NotAuthorizedError(f"{what}: {reply.message}")
        case 429, ErrorCode.TOO_MANY_REQUESTS:
            raise RateLimitedError(f"{what}: {reply.message}")


def _code(body: bytes) -> str:
    try:
        return decode(body, ErrorReply).code
    except UnreadableError:
        return ""
