"""The gateway process from start to end: lease, store, checks, desk, sockets."""

import gc
import logging
import logging.handlers
import os
import platform
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import sqlalchemy as sa
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from workbench.domain.instruments import Instrument
from workbench.gateway.brokers.outside import Credentials
from workbench.gateway.checkpoints import CheckpointFile, signing_key
from workbench.gateway.desk import Desk
from workbench.gateway.errors import DamagedStoreError, GatewayRunningError
from workbench.gateway.feeds import Feed
from workbench.gateway.kill_requests import KillRequests
from workbench.gateway.lanes import Lanes
from workbench.gateway.lease import gateway_lease, take_lease
from workbench.gateway.ledger import Ledger
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import SocketQuotes
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.metrics import GatewayMetrics
from workbench.gateway.outside_accounts import BROKER_SOURCE, outside_connector, outside_quotes
from workbench.gateway.recovery import load_desk
from workbench.gateway.reports import Sources, check_store
from workbench.gateway.server import GatewayServer
from workbench.gateway.specs import DeploymentSpec, StreamFeedSpec
from workbench.gateway.warming import warm_up
from workbench.market import Bars, MarketStore
from workbench.market.ticks import Ticks
from workbench.operations import Watchdog
from workbench.operations.logs import harmless
from workbench.settings import Settings
from workbench.store import database_name, open_store, read_only

__all__ = ["checkpoint_path", "open_log", "run_gateway"]

_ADVISORY_LOCK = 0x666F7265780002  # on PostgreSQL: one gateway a database


def run_gateway(
    settings: Settings,
    *,
    log: FilteringBoundLogger,
    at_boundary: Callable[[str], None] = lambda name: None,
    open_engine: Callable[[str], sa.Engine] = open_store,
    metrics: GatewayMetrics | None = None,
    watchdog: Watchdog | None = None,
) -> None:
    """Serve one home until SIGTERM, SIGINT or the verb shutdown.

    Parameters
    ----------
    metrics
        Kept up while it serves; None: none are.
    watchdog
        Told that it serves and that its loop goes round; default: the service manager's, where there is one.
    at_boundary
        Called at each boundary of a write, by its name.
    open_engine
        Opens the gateway's store.

    Raises
    ------
    GatewayRunningError
        Another gateway serves this home or this database.
    DamagedStoreError
        The store or its journal is not what a gateway wrote.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with gateway_lease(settings.home) as lease:
        engine = _opened(settings.gateway_store_url, open_engine)
        try:
            with _sole_gateway(engine):
                _serve(
                    settings,
                    engine,
                    lease=lease,
                    log=log,
                    at_boundary=at_boundary if metrics is None else _both(metrics.at_boundary, at_boundary),
                    metrics=metrics,
                    watchdog=watchdog or Watchdog(),
                )
        finally:
            engine.dispose()


def checkpoint_path(settings: Settings) -> Path:
    """Where the journal's signed heads are kept."""
    return settings.home / "gateway.checkpoints"


def open_log(folder: Path, *, watchers: Sequence[Processor] = ()) -> FilteringBoundLogger:
    """A JSON log of one line an event in `folder`/gateway.jsonl, kept to five files of 20 MB.

    A log that can not be written, or a watcher that fails, never stops an order or a cancel.

    Parameters
    ----------
    watchers
        structlog processors that see each event.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        folder / "gateway.jsonl", maxBytes=20_000_000, backupCount=5, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.raiseExceptions = False
    sink = logging.Logger("workbench.gateway", level=logging.INFO)
    sink.addHandler(handler)
    logger = structlog.wrap_logger(
        sink,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            *(harmless(watcher) for watcher in watchers),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )
    return cast(FilteringBoundLogger, logger)


def _serve(
    settings: Settings,
    engine: sa.Engine,
    *,
    lease: int,
    log: FilteringBoundLogger,
    at_boundary: Callable[[str], None],
    metrics: GatewayMetrics | None,
    watchdog: Watchdog,
) -> None:
    checkpoints = checkpoint_path(settings)
    key = signing_key(settings.keys_dir)
    began = time.monotonic()
    found = check_store(engine, checkpoints=checkpoints, keys=settings.keys_dir)
    if not found["ok"]:
        raise DamagedStoreError(
            f"{engine.url.render_as_string(hide_password=True)}: {found['fault']}; "
            "nothing is traded on it: keep it for a person to look at and restore a copy"
        )
    ledger = Ledger(
        engine,
        checkpoints=CheckpointFile(checkpoints, key),
        log=log,
        at_boundary=at_boundary,
        lease=take_lease(engine, holder=f"{platform.node()} {os.getpid()}", now_ns=time.time_ns()),
    )
    market = MarketStore(settings.market_root, settings.store_url)
    credentials = Credentials(settings.credentials_dir)
    fetching = ThreadPoolExecutor(max_workers=4, thread_name_prefix="quotes again")
    lanes = Lanes(may_leave=lambda: not ledger.under_way)

    def load_bars(spec: DeploymentSpec, record: Instrument) -> Bars:
        bars = market.bars(record.id, spec.bar_length, fingerprint=spec.fingerprint_of(record.id))
        return bars.between(spec.feed.start_ns, spec.feed.end_ns)

    def load_ticks(spec: DeploymentSpec, record: Instrument) -> Ticks:
        return market.ticks(
            record.id,
            fingerprint=spec.fingerprint_of(record.id),
            start=spec.feed.start_ns,
            end=spec.feed.end_ns,
        )

    def open_stream(spec: DeploymentSpec, feed: StreamFeedSpec) -> Feed:
        return StreamFeed(
            outside_quotes(spec, credentials)
            if feed.source == BROKER_SOURCE
            else SocketQuotes(settings.quotes_socket(feed.source)),
            EventLog(
                settings.home / "streams" / f"{spec.deployment_id}.events",
                instruments=[item.id for item in spec.all_records],
            ),
            spec.all_records,
            spec.bar_length,
            clock_ns=time.time_ns,
            monotonic=time.monotonic,
            jitter=random.random,
            every_quote=feed.every_quote,
            fetch=fetching.submit,
        )

    desk = Desk(
        engine=engine,
        ledger=ledger,
        load_bars=load_bars,
        load_ticks=load_ticks,
        open_stream=open_stream,
        monotonic=time.monotonic,
        log=log,
        at_boundary=at_boundary,
        kill_requests=KillRequests(settings.kills_dir),
        connect_broker=outside_connector(credentials, lanes),
    )
    desk.controls.approvers.update(settings.approvers)
    load_desk(desk)
    warm_up()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: looking through it again would hold quotes up for 0.1 s

    def each_round() -> None:
        if metrics is not None:
            metrics.look(desk)
        watchdog.beat()

    reading = read_only(settings.gateway_store_url)
    server = GatewayServer(
        desk,
        kernels=settings.gateway_socket,
        operators=settings.operator_socket,
        sources=Sources(engine=reading, checkpoints=checkpoints, keys=settings.keys_dir),
        each_round=each_round,
        lanes=lanes,
    )
    before = _stop_on_signals(server)
    log.info(
        "serving",
        lease=lease,
        database=database_name(engine),
        journal_length=ledger.length,
        deployments=len(desk.deployments),
        seconds=round(time.monotonic() - began, 3),
    )
    watchdog.ready(f"{len(desk.deployments)} deployments")
    try:
        server.serve()
    finally:
        watchdog.stopping()
        before()
        ledger.sign_head()
        ledger.close()
        fetching.shutdown(wait=False, cancel_futures=True)
        reading.dispose()
        log.info("ended", journal_length=ledger.length)
    if ledger.failed:
        raise DamagedStoreError(ledger.failed)


def _both(first: Callable[[str], None], second: Callable[[str], None]) -> Callable[[str], None]:
    def call(name: str) -> None:
        first(name)
        second(name)

    return call


def _stop_on_signals(server: GatewayServer) -> Callable[[], None]:
    """Let SIGTERM and SIGINT end `serve`; what puts the former handlers back."""
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in former:
        signal.signal(number, lambda *_: server.stop())
    former_wakeup = signal.set_wakeup_fd(server.wakeup.fileno(), warn_on_full_buffer=False)

    def put_back() -> None:
        signal.set_wakeup_fd(former_wakeup)
        for number, handler in former.items():
            signal.signal(number, handler)

    return put_back


def _opened(url: str, open_engine: Callable[[str], sa.Engine]) -> sa.Engine:
    try:
        return open_engine(url)
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise DamagedStoreError(
            f"expected a database at {shown}, found one that can not be used: "
            f"{getattr(error, 'orig', None) or error}; start the database, or restore a copy"
        ) from error


@contextmanager
def _sole_gateway(engine: sa.Engine) -> Iterator[None]:
    """On PostgreSQL, where a home's lease does not reach: one gateway a database."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
            raise GatewayRunningError(
                f"expected no gateway on {engine.url.render_as_string(hide_password=True)}, found one; "
                "use it, or stop it first"
            )
        yield
