"""The paper broker behind HTTP on the cards' bench: a server, a proxy that disturbs, and clients."""

from dataclasses import replace

from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.brokers.conformance import Ability, Fault, FaultProxy, Verb
from workbench.gateway.brokers.paper.bench import bench_config, bench_quotes
from workbench.gateway.brokers.paper_http.client import PaperHttpBroker
from workbench.gateway.brokers.paper_http.config import PaperHttpConfig
from workbench.gateway.brokers.paper_http.parsing import ErrorCode, ErrorReply, encode
from workbench.gateway.brokers.paper_http.server import PaperServer
from workbench.gateway.brokers.port import EXTERNAL_PREFIX, Broker
from workbench.gateway.warming import warm_up

__all__ = ["PaperHttpBench"]

_ACCOUNT, _TOKEN = "bench-1", "bench-token"
_LINES = {
    Verb.PLACE: ("POST", "/orders "),
    Verb.CANCEL: ("PUT", "/cancel "),
    Verb.REPLACE: ("PUT", "/replace "),
    Verb.CHANGE_EXITS: ("PUT", "/exits "),
    Verb.REPORT: ("GET", ""),
}


def _too_many() -> bytes:
    body = encode(ErrorReply(code=ErrorCode.TOO_MANY_REQUESTS, message="slow down"))
    return b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class PaperHttpBench:
    """See `Bench`."""

    name = "paper_http"
    abilities = frozenset(Ability)
    faults = frozenset(Fault)
    patience_s = 10.0

    def __init__(self) -> None:
        warm_up()  # the server answers its first request within the time of any other
        config = bench_config()
        self.instrument = config.instruments[0]
        self.server = PaperServer(config, account_id=_ACCOUNT, token=_TOKEN, beat_s=0.1, page=2)
        host, port = self.server.url.removeprefix("http://").split(":")
        self.proxy = FaultProxy(host, int(port), too_many=_too_many())
        self._quote = bench_quotes(self.server.take_event, self.instrument)
        self._clients: list[PaperHttpBroker] = []

    def broker(self) -> Broker:
        """See `Bench`."""
        return self._client(_TOKEN)

    def stranger(self) -> Broker:
        """See `Bench`."""
        return self._client("another-token")

    def quote(self, bid: int, ask: int, *, size: int = 0) -> None:
        """See `Bench`."""
        self._quote(bid, ask, size)

    def cause(self, fault: Fault, verb: Verb) -> None:
        """See `Bench`."""
        method, path = _LINES[verb]
        self.proxy.cause(fault, lambda line: line.startswith(method) and path in line)

    def heal(self) -> None:
        """See `Bench`."""
        self.proxy.heal()

    def received(self, client_order_id: str) -> int:
        """See `Bench`: the server's own count."""
        return sum(self.server.received[verb, client_order_id] for verb in ("place", "replace"))

    def other(self, order: Order) -> None:
        """See `Bench`."""
        name = ClientOrderId(f"{EXTERNAL_PREFIX}1")
        with self.server.lock:
            self.server.broker.place(replace(order, client_order_id=name))

    def close(self) -> None:
        """See `Bench`."""
        for client in self._clients:
            client.disconnect()
        self.proxy.close()
        self.server.close()

    def _client(self, token: str) -> PaperHttpBroker:
        config = PaperHttpConfig(
            url=self.proxy.url, account_id=_ACCOUNT, token=token, timeout_s=1.0, silence_s=1.0
        )
        client = PaperHttpBroker(config)
        self._clients.append(client)
        return client
