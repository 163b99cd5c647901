"""One connection of the server: requests parsed, answered, and the stream written."""

import hmac
import queue
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from workbench.domain.orders import ClientOrderId
from workbench.gateway.brokers.paper_http.parsing import (
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
    UnreadableError,
    decode,
    encode,
)
from workbench.gateway.brokers.port import RejectedError

__all__ = ["Handler"]


class Handler(BaseHTTPRequestHandler):
    """Answers for `PaperServer`, which is `server.owner`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece
    timeout = 60.0

    def do_GET(self) -> None:
        """Reports and the stream."""
        parts = self._parts()
        if parts is None:
            return
        owner = self._owner
        match parts:
            case ["account"]:
                self._answer(200, owner.account())
            case ["instruments"]:
                self._answer(200, InstrumentsReply(instruments=owner.broker.instruments()))
            case ["positions"]:
                with owner.lock:
                    positions = owner.broker.positions()
                self._answer(200, PositionsReply(positions=positions))
            case ["orders"]:
                with owner.lock:
                    found = owner.broker.open_orders()
                self._answer(200, OpenOrdersReply(orders=found))
            case ["orders", name]:
                with owner.lock:
                    one = owner.broker.order(ClientOrderId(name))
                if one is None:
                    self._refuse(404, ErrorCode.NO_SUCH_ORDER, f"no order {name} was ever taken")
                else:
                    self._answer(200, OrderReply(order=one))
            case ["transactions"]:
                given = parse_qs(urlsplit(self.path).query).get("since", ["0"])[0]
                if given.isascii() and given.isdigit():
                    self._answer(200, owner.transactions(int(given)))
                else:
                    self._refuse(
                        400, ErrorCode.BAD_REQUEST, f"expected a number after since, found {given!r}"
                    )
            case ["quotes"]:
                query = parse_qs(urlsplit(self.path).query)
                asked = [query.get(name, [""])[0] for name in ("after", "until")]
                if all(item.isascii() and item.isdigit() for item in asked):
                    self._answer(200, owner.quotes(*map(int, asked)))
                else:
                    self._refuse(
                        400, ErrorCode.BAD_REQUEST, f"expected numbers after and until, found {asked}"
                    )
            case ["stream"]:
                self._stream()
            case _:
                self._refuse(404, ErrorCode.BAD_REQUEST, f"nothing is at {self.path}")

    def do_POST(self) -> None:
        """Place."""
        body, parts = self._body(), self._parts()
        if parts is None:
            return
        if parts != ["orders"]:
            self._refuse(404, ErrorCode.BAD_REQUEST, f"nothing is at {self.path}")
            return
        try:
            accepted = self._owner.place(decode(body, OrderBody).order)
        except UnreadableError as error:
            self._refuse(400, ErrorCode.REJECTED, f"the order can not be read: {error}")
        except RejectedError as error:
            self._refuse(400, ErrorCode.REJECTED, str(error))
        else:
            self._answer(201, PlacedReply(accepted=accepted))

    def do_PUT(self) -> None:
        """Take back, replace."""
        body, parts = self._body(), self._parts()
        if parts is None:
            return
        try:
            match parts:
                case ["orders", name, "cancel"]:
                    reason = decode(body, CancelBody).reason
                    done = self._owner.cancel(ClientOrderId(name), reason=reason)
                    self._answer(200, CanceledReply(canceled=done))
                case ["orders", name, "replace"]:
                    order = decode(body, OrderBody).order
                    accepted = self._owner.replace(ClientOrderId(name), order)
                    self._answer(201, PlacedReply(accepted=accepted))
                case ["exits"]:
                    changed = self._owner.change_exits(decode(body, ExitsBody).change)
                    self._answer(200, ExitsReply(changed=changed))
                case _:
                    self._refuse(404, ErrorCode.BAD_REQUEST, f"nothing is at {self.path}")
        except UnreadableError as error:
            self._refuse(400, ErrorCode.REJECTED, f"the request can not be read: {error}")
        except RejectedError as error:
            self._refuse(400, ErrorCode.REJECTED, str(error))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the server keeps a record of its own."""

    @property
    def _owner(self) -> Any:
        return self.server.owner  # type: ignore[attr-defined]

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _parts(self) -> list[str] | None:
        """The path below the account; None when the request was answered already."""
        shown = self.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {self._owner.token}".encode()):
            self._refuse(401, ErrorCode.NOT_AUTHORIZED, "expected the account's token, found another")
            return None
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")]
        if parts[:4] != ["", "v1", "accounts", self._owner.account_id]:
            self._refuse(403, ErrorCode.NOT_AUTHORIZED, "this token is not for that account")
            return None
        return parts[4:]

    def _answer(self, status: int, value: object) -> None:
        body = encode(value)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._answer(status, ErrorReply(code=code, message=message))

    def _stream(self) -> None:
        """Lines until the connection or the server ends."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        lines = self._owner.listen()
        due = time.monotonic() + self._owner.beat_s
        try:
            while not self._owner.ended.is_set():
                now = time.monotonic()
                if now >= due:  # however many quotes there are: it tells the clock
                    self._owner.beat(lines)
                    due = now + self._owner.beat_s
                try:
                    line = lines.get(timeout=due - now if due > now else 0.0)
                except queue.Empty:
                    continue
                text = encode(line) + b"\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))
                self.wfile.flush()
        finally:
            self._owner.leave(lines)
