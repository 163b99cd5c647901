"""Downloads from servers that stumble: whole files or none, and nothing fetched twice."""

import json
import logging
import lzma
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market.bars import Bars
from workbench.market.downloads import DownloadError, DownloadRefusedError, download
from workbench.market.formats import open_source

EUR_USD = instrument("EUR_USD")
TOKEN = "secret-token-4711"
Answer = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Callable[["_Handler", int], None]
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        type(self).script(self, len(self.seen))

    def send(self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[_Handler, int], None]], tuple[str, list[str]]]]:
    """Start a server that answers by a function of the handler and the number of the request."""
    servers = []

    def start(script: Callable[[_Handler, int], None]) -> tuple[str, list[str]]:
        seen: list[str] = []
        handler = type("Handler", (_Handler,), {"script": staticmethod(script), "seen": seen})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _hour(first_ms: int = 7) -> bytes:
    records = [(first_ms + 40 * index, 114_560 + index, 114_557 + index, 1.5, 0.75) for index in range(50)]
    return lzma.compress(
        b"".join(struct.pack(">IIIff", *record) for record in records), format=lzma.FORMAT_ALONE
    )


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def _no_sleep(_: float) -> None:
    pass


def _dukascopy(url: str, folder: Path, **options: object):  # type: ignore[no-untyped-def]
    return download(
        "dukascopy",
        "EUR_USD",
        *options.pop("span", (_at(2019, 2, 4, 10), _at(2019, 2, 4, 13))),  # type: ignore[misc]
        folder,
        base_url=url,
        sleep=options.pop("sleep", _no_sleep),
        requests_per_second=1e6,
        **options,
    )


def test_hours_of_ticks_are_fetched_by_their_zero_based_month_and_read_as_one(serve, tmp_path: Path) -> None:
    url, seen = serve(lambda handler, number: handler.send(b"" if number == 2 else _hour()))
    steps: list[tuple[int, int]] = []
    report = _dukascopy(url, tmp_path, progress=lambda done, total: steps.append((done, total)))
    assert seen == [f"/EURUSD/2019/01/04/{hour}h_ticks.bi5" for hour in (10, 11, 12)]
    assert (report.fetched, report.skipped, report.empty, report.missing) == (3, 0, 1, ())
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    source = open_source(tmp_path, EUR_USD)
    assert sum(len(batch) for batch in source.batches()) == 100
    assert "3 files fetched" in str(report)
    json.dumps(report.to_json())


def test_what_is_there_is_not_fetched_again(serve, tmp_path: Path) -> None:
    url, seen = serve(lambda handler, number: handler.send(_hour()))
    _dukascopy(url, tmp_path, span=(_at(2019, 2, 4, 10), _at(2019, 2, 4, 12)))
    again = _dukascopy(url, tmp_path)
    assert (again.fetched, again.skipped, len(again.files)) == (1, 2, 3)
    assert len(seen) == 3


def test_a_file_fetched_before_its_span_was_over_is_fetched_again(serve, tmp_path: Path) -> None:
    url, seen = serve(lambda handler, number: handler.send(_hour()))
    report = _dukascopy(url, tmp_path)
    path = report.files[1]
    early = _at(2019, 2, 4, 11, 30).timestamp()
    os.utime(path, (early, early))
    assert _dukascopy(url, tmp_path).fetched == 1
    assert seen[-1].endswith("/11h_ticks.bi5")


def test_nothing_is_asked_for_that_is_still_to_come_or_in_the_weekend(serve, tmp_path: Path) -> None:
    url, seen = serve(lambda handler, number: handler.send(_hour()))
    span = (_at(2019, 2, 1, 20), _at(2019, 2, 3, 23))  # Friday evening to Sunday evening
    _dukascopy(url, tmp_path, span=span)
    assert [path.removeprefix("/EURUSD/2019/")[:8] for path in seen] == ["01/01/20", "01/01/21", "01/03/22"]
    now = _at(2019, 2, 4, 11, 30).timestamp()
    _dukascopy(url, tmp_path, now=lambda: now)
    assert [path.rpartition("/")[2] for path in seen[3:]] == ["10h_ticks.bi5", "11h_ticks.bi5"]


@pytest.mark.parametrize(
    ("stumble", "waits"),
    [
        (lambda handler: handler.send(b"slow down", status=429, headers={"Retry-After": "7"}), [7.0]),
        (lambda handler: handler.send(b"oh no", status=503), [0.5]),
        (lambda handler: handler.send(b"oh no", status=500), [0.5]),
        (lambda handler: handler.connection.close(), [0.5]),  # dropped before an answer
        (lambda handler: handler.send(_hour()[:100], headers={"Content-Length": "900"}), [0.5]),
        (lambda handler: handler.send(_hour()[:100]), [0.5]),  # truncated, and its length says so
        (lambda handler: handler.send(_hour(), headers={"Content-Length": "100"}), [0.5]),
        (lambda handler: handler.send(b"<html>try later</html>"), [0.5]),
        (lambda handler: handler.send(b"\x1f\x8bxx", headers={"Content-Encoding": "gzip"}), [0.5]),
    ],
)
def test_what_fails_once_is_asked_for_again(
    serve, tmp_path: Path, stumble: Answer, waits: list[float]
) -> None:
    def script(handler: _Handler, number: int) -> None:
        if number == 1:
            handler.close_connection = True
            stumble(handler)
        else:
            handler.send(_hour())

    url, seen = serve(script)
    slept: list[float] = []
    report = _dukascopy(url, tmp_path, span=(_at(2019, 2, 4, 10), _at(2019, 2, 4, 11)), sleep=slept.append)
    assert [item for item in slept if item > 0.01] == waits
    assert (report.fetched, len(seen)) == (1, 2)
    assert report.files[0].read_bytes() == _hour()


def test_after_the_last_attempt_it_is_said_and_what_was_fetched_stays(serve, tmp_path: Path) -> None:
    url, seen = serve(
        lambda handler, number: handler.send(_hour()) if number == 1 else handler.send(b"", status=502)
    )
    with pytest.raises(DownloadError, match=r"11h_ticks.bi5: 3 attempts failed, the last: HTTP 502"):
        _dukascopy(url, tmp_path, attempts=3)
    assert len(seen) == 4
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["10h_ticks.bi5"]


def test_what_the_server_does_not_have_is_said_and_asked_for_next_time(serve, tmp_path: Path) -> None:
    url, seen = serve(lambda handler, number: handler.send(b"", status=404))
    report = _dukascopy(url, tmp_path)
    assert (report.fetched, len(report.missing), report.files) == (0, 3, ())
    assert "3 are not on the server, first: EURUSD/2019/01/04/10h_ticks.bi5" in str(report)
    _dukascopy(url, tmp_path)
    assert len(seen) == 6


def test_requests_keep_their_distance(serve, tmp_path: Path) -> None:
    url, _ = serve(lambda handler, number: handler.send(_hour()))
    slept: list[float] = []
    download(
        "dukascopy",
        EUR_USD,
        _at(2019, 2, 4, 10),
        _at(2019, 2, 4, 13),
        tmp_path,
        base_url=url,
        requests_per_second=0.1,
        sleep=slept.append,
    )
    assert len(slept) == 2
    assert all(9 < item <= 20 for item in slept)


def test_days_of_candles_come_with_both_sides(serve, tmp_path: Path) -> None:
    def script(handler: _Handler, number: int) -> None:
        spread = 3 if "ASK" in handler.path else 0
        rows = [(60 * minute, *(114_500 + spread,) * 4, 1.0) for minute in range(5)]
        body = b"".join(struct.pack(">IIIIIf", *row) for row in rows)
        handler.send(lzma.compress(body, format=lzma.FORMAT_ALONE))

    url, seen = serve(script)
    _dukascopy(url, tmp_path, what="M1", span=(_at(2019, 2, 4), _at(2019, 2, 5)))
    assert seen == [f"/EURUSD/2019/01/04/{side}_candles_min_1.bi5" for side in ("BID", "ASK")]
    (bars,) = open_source(tmp_path, EUR_USD).batches()
    assert isinstance(bars, Bars)
    assert (bars.sides, set((bars.ask_close - bars.bid_close).tolist())) == ("bid+ask", {3})


def _candles(handler: _Handler, number: int) -> None:
    assert handler.headers["Authorization"] == f"Bearer {TOKEN}"
    query = parse_qs(urlsplit(handler.path).query)
    first, last = (datetime.fromisoformat(query[name][0]).timestamp() for name in ("from", "to"))
    prices = {side: dict.fromkeys("ohlc", price) for side, price in (("bid", "1.10000"), ("ask", "1.10013"))}
    candles = [
        {"time": f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}.000000000Z", "complete": True}
        | prices
        for moment in range(int(first), int(last), 3_600)
    ]
    body = {"instrument": "EUR_USD", "granularity": query["granularity"][0], "candles": candles}
    handler.send(json.dumps(body).encode())


def test_oandas_candles_are_fetched_in_spans_that_do_not_move(serve, tmp_path: Path) -> None:
    url, seen = serve(_candles)
    span = (_at(2018, 1, 10), _at(2018, 3, 1))
    report = download(
        "oanda", EUR_USD, *span, tmp_path, what="H1", base_url=url, token=TOKEN, sleep=_no_sleep
    )
    assert report.fetched == len(seen) == len(report.files)
    query = parse_qs(urlsplit(seen[0]).query)
    assert (query["price"], query["granularity"]) == (["BA"], ["H1"])
    again = download(
        "oanda", EUR_USD, _at(2018, 1, 20), span[1], tmp_path, what="H1", base_url=url, token=TOKEN
    )
    assert (again.fetched, again.skipped) == (0, len(again.files))
    (bars,) = open_source(tmp_path, EUR_USD).batches()
    assert isinstance(bars, Bars)
    assert (str(bars.timeframe), bars.sides) == ("H1", "bid+ask")
    assert int(bars.open_ns[0]) <= span[0].timestamp() * 1e9
    assert int(bars.close_ns[-1]) >= span[1].timestamp() * 1e9


def test_a_token_is_in_no_file_no_log_and_no_message(serve, tmp_path: Path, caplog) -> None:  # type: ignore[no-untyped-def]
    caplog.set_level(logging.DEBUG)
    url, _ = serve(
        lambda handler, number: handler.send(
            f"bad token {handler.headers['Authorization']}".encode(), status=401
        )
    )
    with pytest.raises(DownloadRefusedError, match="HTTP 401, the token was not accepted") as caught:
        download("oanda", EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, base_url=url, token=TOKEN)
    assert TOKEN not in str(caught.value)
    good, _ = serve(_candles)
    download(
        "oanda", EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, what="H1", base_url=good, token=TOKEN
    )
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert TOKEN not in caplog.text


def test_a_token_is_not_sent_after_a_redirect(serve, tmp_path: Path) -> None:
    elsewhere, seen = serve(_candles)
    url, _ = serve(
        lambda handler, number: handler.send(b"", status=302, headers={"Location": elsewhere + handler.path})
    )
    with pytest.raises(DownloadRefusedError, match="HTTP 302"):
        download("oanda", EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, base_url=url, token=TOKEN)
    assert seen == []


def test_without_a_token_it_is_said_where_one_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_OANDA_TOKEN", raising=False)
    with pytest.raises(DownloadRefusedError, match="set WORKBENCH_OANDA_TOKEN"):
        download("oanda", EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, base_url="http://127.0.0.1:9")


def test_a_token_may_be_in_the_keyring(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Keyring:
        @staticmethod
        def get_password(service: str, name: str) -> str:
            asked.append((service, name))
            return TOKEN

    monkeypatch.delenv("WORKBENCH_OANDA_TOKEN", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", Keyring)  # type: ignore[arg-type]
    url, _ = serve(_candles)
    download("oanda", EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, what="H1", base_url=url)
    assert asked == [("forex-workbench", "oanda")]


def test_an_answer_about_something_else_is_not_kept(serve, tmp_path: Path) -> None:
    body = json.dumps({"instrument": "GBP_USD", "granularity": "M1", "candles": []}).encode()
    url, _ = serve(lambda handler, number: handler.send(body))
    with pytest.raises(DownloadError, match="expected candles of what was asked for"):
        download(
            "oanda",
            EUR_USD,
            _at(2018, 1, 1),
            _at(2018, 1, 2),
            tmp_path,
            base_url=url,
            token=TOKEN,
            attempts=2,
            sleep=_no_sleep,
        )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("source", "what", "match"),
    [
        ("yahoo", "M1", "unknown source 'yahoo'; expected dukascopy or oanda"),
        ("dukascopy", "M5", "unknown 'M5'; expected one of ticks, M1, H1, D1"),
        ("oanda", "M7", "unknown length 'M7'"),
    ],
)
def test_what_is_not_to_be_had_is_refused(tmp_path: Path, source: str, what: str, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        download(source, EUR_USD, _at(2018, 1, 1), _at(2018, 1, 2), tmp_path, what=what, token=TOKEN)
    with pytest.raises(BadInputError, match="the first before the second"):
        download("dukascopy", EUR_USD, _at(2018, 1, 2), _at(2018, 1, 1), tmp_path)


def test_interrupting_leaves_whole_files_and_the_rest_for_the_next_time(serve, tmp_path: Path) -> None:
    slow = threading.Event()

    def script(handler: _Handler, number: int) -> None:
        body = _hour()
        if number == 2:  # half a body, then silence
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:50])
            handler.wfile.flush()
            slow.wait(20)
            return
        handler.send(body)

    url, seen = serve(script)
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from workbench.market.downloads import download;"
        "download('dukascopy', 'EUR_USD', datetime(2019,2,4,10,tzinfo=UTC), datetime(2019,2,4,13,tzinfo=UTC),"
        "Path(sys.argv[1]), base_url=sys.argv[2])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), url], stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    slow.set()
    assert child.returncode != 0
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["10h_ticks.bi5"]
    assert _dukascopy(url, tmp_path).fetched == 2


def test_what_a_killed_download_left_is_invisible_and_swept_away(serve, tmp_path: Path) -> None:
    url, _ = serve(lambda handler, number: handler.send(_hour()))
    report = _dukascopy(url, tmp_path)
    part = report.files[0].with_name(".13h_ticks.bi5.999999999.part")
    part.write_bytes(b"half")
    assert len(open_source(tmp_path, EUR_USD).files) == 3
    _dukascopy(url, tmp_path)
    assert not part.exists()


def test_the_command_fetches_imports_and_fetches_no_more(
    serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from workbench.cli import main

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    url, asked = serve(lambda handler, number: handler.send(_hour()))
    command = ["data", "download", "dukascopy", "-i", "EUR_USD", "--from", "2019-02-04T10:00"]
    command += ["--to", "2019-02-04T12:00", "--base-url", url, "--json"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["import"]["kind"], told["import"]["is_new"]) == ("ticks", True)
    fetched = len(asked)
    assert fetched == 2
    again = json.loads(CliRunner().invoke(main, command).stdout)
    assert not again["import"]["is_new"]
    assert len(asked) == fetched
