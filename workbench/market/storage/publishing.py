"""Bars and ticks as tables of a PostgreSQL server, for teams that ask with SQL.

With the TimescaleDB extension they are hypertables by time, otherwise plain partitions by year (bars) or
month (ticks). A dataset is written by COPY in one transaction: all of it or nothing, and the same again
changes nothing. Prices are ``numeric`` with the instrument's decimals.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import BadInputError
from workbench.market.bars import PRICES, Bars
from workbench.market.exporting import rows_as_csv
from workbench.market.ticks import Ticks

if TYPE_CHECKING:
    import psycopg

__all__ = ["PublishReport", "publish"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What was written for SQL users."""

    table: str
    fingerprint: str
    rows: int
    is_new: bool  # False: the table had this dataset already
    kind: str  # "hypertable" or "partitions"

    def __str__(self) -> str:
        what = "written" if self.is_new else "there already, nothing changed"
        return f"{self.table} ({self.kind}): {self.rows:,} rows of dataset {self.fingerprint[:12]}, {what}"


def publish(
    pieces: Iterable[Bars | Ticks], *, to: str, name: str, fingerprint: str, schema: str = "market"
) -> PublishReport:
    """Have the table `schema`.`name` hold exactly the rows of `pieces`.

    Raises
    ------
    BadInputError
        The URL is not one of a PostgreSQL server, or a name is not a plain one.
    """
    import psycopg
    from psycopg import sql

    for item in (name, schema):
        if not _NAME.fullmatch(item):
            raise BadInputError(f"expected a name of small letters, digits and _, found {item!r}")
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", to)
    if not url.startswith("postgresql://"):
        raise BadInputError(
            f"expected a URL like postgresql://user@host/name, found {to.partition('://')[0]!r}"
        )
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        lock = int.from_bytes(hashlib.sha256(f"{schema}.{name}".encode()).digest()[:7])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {schema}.published (name text PRIMARY KEY, "
            "fingerprint text NOT NULL, rows bigint NOT NULL, kind text NOT NULL, "
            "published_at timestamptz NOT NULL DEFAULT now())"
        )
        catalogue = sql.Identifier(schema, "published")
        asked = sql.SQL("SELECT fingerprint, rows, kind FROM {} WHERE name = %s").format(catalogue)
        cursor.execute(asked, (name,))
        known = cursor.fetchone()
        table = f"{schema}.{name}"
        if known is not None and known[0] == fingerprint:
            return PublishReport(
                table=table, fingerprint=fingerprint, rows=known[1], is_new=False, kind=known[2]
            )
        kind = "hypertable" if _has_timescale(cursor) else "partitions"
        cursor.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
        rows = _fill(cursor, pieces, schema, name, kind)
        cursor.execute(
            sql.SQL(
                "INSERT INTO {} (name, fingerprint, rows, kind) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, rows = excluded.rows, "
                "kind = excluded.kind, published_at = now()"
            ).format(catalogue),
            (name, fingerprint, rows, kind),
        )
    return PublishReport(table=table, fingerprint=fingerprint, rows=rows, is_new=True, kind=kind)


def _has_timescale(cursor: "psycopg.Cursor[Any]") -> bool:
    """Whether the extension is there, made ready where it is only available."""
    cursor.execute("SELECT installed_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    found = cursor.fetchone()
    if found is None:
        return False
    if found[0] is None:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return True


def _fill(
    cursor: "psycopg.Cursor[Any]", pieces: Iterable[Bars | Ticks], schema: str, name: str, kind: str
) -> int:
    table = f"{schema}.{name}"
    rows = 0
    periods: set[str] = set()
    for piece in pieces:
        if not rows:
            _create(cursor, table, piece, kind)
        if kind == "partitions":
            for period in _periods(piece):
                if period not in periods:
                    periods.add(period)
                    _create_partition(cursor, schema, name, period)
        columns = (
            ("time", *PRICES) if isinstance(piece, Bars) else ("time", "bid", "ask", "bid_size", "ask_size")
        )
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy:
            for block in rows_as_csv(piece):
                copy.write(block)
        rows += len(piece)
    return rows


def _create(cursor: "psycopg.Cursor[Any]", table: str, piece: Bars | Ticks, kind: str) -> None:
    price = f"numeric(18, {piece.instrument.digits}) NOT NULL"
    if isinstance(piece, Bars):
        columns = ["time timestamptz NOT NULL", *(f"{name} {price}" for name in PRICES)]
    else:
        sizes = (f"{name} bigint NOT NULL" for name in ("bid_size", "ask_size"))
        columns = ["time timestamptz NOT NULL", f"bid {price}", f"ask {price}", *sizes]
    partitioned = " PARTITION BY RANGE (time)" if kind == "partitions" else ""
    cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)}){partitioned}")
    if kind == "hypertable":
        span = "1 year" if isinstance(piece, Bars) else "1 month"
        cursor.execute(
            f"SELECT create_hypertable('{table}', 'time', chunk_time_interval => INTERVAL '{span}', "
            "create_default_indexes => FALSE)"
        )
    cursor.execute(f"CREATE INDEX ON {table} (time)")


def _periods(piece: Bars | Ticks) -> Iterator[str]:
    """Years as 2024, months as 2024-05, that a piece has rows in."""
    times = piece.open_ns if isinstance(piece, Bars) else piece.time_ns
    unit = "Y" if isinstance(piece, Bars) else "M"
    yield from np.unique(times.view("M8[ns]").astype(f"M8[{unit}]")).astype(str).tolist()


def _create_partition(cursor: "psycopg.Cursor[Any]", schema: str, name: str, period: str) -> None:
    start = np.datetime64(period)
    first, end = start.astype("M8[D]"), (start + 1).astype("M8[D]")
    cursor.execute(
        f"CREATE TABLE {schema}.{name}_{period.replace('-', '_')} PARTITION OF {schema}.{name} "
        f"FOR VALUES FROM ('{first} 00:00+00') TO ('{end} 00:00+00')"
    )
