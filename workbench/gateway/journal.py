"""The journal: append-only, hash-chained, gap-free, written in the transaction of the change it records.

Each record's hash covers the record before it, so an edit, a deletion and a changed order show. A
journal cut off at its end shows by the signed checkpoints (`workbench.gateway.checkpoints`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.gateway.checkpoints import Checkpoint
from workbench.gateway.errors import DamagedStoreError
from workbench.gateway.statements import Prepared
from workbench.store.schema import journal

__all__ = [
    "GENESIS",
    "JournalReport",
    "Record",
    "append",
    "canonical_json",
    "digest",
    "read_records",
    "tail",
    "verify_journal",
]

GENESIS = "0" * 64
_SELECT = sa.select(
    journal.c.seq, journal.c.created_ns, journal.c.kind, journal.c.body, journal.c.previous, journal.c.hash
).order_by(journal.c.seq)
_INSERT = Prepared(sa.insert(journal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the journal."""

    seq: int  # from 1, gap-free
    created_ns: int
    kind: str
    body: str  # canonical JSON
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """What a check of the journal found; `fault` is empty when all is well."""

    length: int
    head: str  # the last record's hash
    checkpoints: int  # signed heads compared
    fault: str


def canonical_json(value: object) -> str:
    """The one JSON text of a value: keys sorted, no blanks."""
    return msgspec.json.encode(value, order="sorted").decode()


def digest(value: object) -> str:
    """The SHA-256 of a value's one JSON text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def tail(connection: sa.Connection) -> tuple[int, str]:
    """Number and hash of the last record; 0 and zeros for none."""
    row = connection.execute(
        sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
    ).first()
    return (row.seq, row.hash) if row else (0, GENESIS)


def append(
    connection: sa.Connection,
    entries: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    after: tuple[int, str],
    created_ns: int,
) -> tuple[int, str]:
    """Write `entries` (kind, body) behind the record `after`; returns the new last number and hash."""
    seq, head = after
    rows = []
    for kind, value in entries:
        seq += 1
        body = canonical_json(value)
        digest = _hash(head, seq, created_ns, kind, body)
        rows.append(
            {
                "seq": seq,
                "created_ns": created_ns,
                "kind": kind,
                "body": body,
                "previous": head,
                "hash": digest,
            }
        )
        head = digest
    if rows:
        _INSERT.run(connection, rows)
    return seq, head


def read_records(engine: sa.Engine, *, until: int | None = None) -> Iterator[Record]:
    """The records from the first to number `until`, each link checked on the way.

    Raises
    ------
    DamagedStoreError
        A record is not what was written, or the journal ends before `until`.
    """
    length, head = 0, GENESIS
    query = _SELECT if until is None else _SELECT.where(journal.c.seq <= until)
    with engine.connect().execution_options(yield_per=2_000) as connection:
        for row in connection.execute(query):
            fault = _fault_of(row, length=length, head=head, heads={})
            if fault:
                raise DamagedStoreError(fault)
            length, head = row.seq, row.hash
            yield Record(**row._mapping)
    if until is not None and length < until:
        raise DamagedStoreError(f"expected {until} records, found {length}")


def verify_journal(engine: sa.Engine, *, checkpoints: Iterable[Checkpoint] = ()) -> JournalReport:
    """Read the whole journal and check every link, and every checkpoint against its record.

    Parameters
    ----------
    checkpoints
        Signed heads whose signatures were checked (`read_checkpoints`).
    """
    heads = {item.seq: item.hash for item in checkpoints}
    length, head, compared = 0, GENESIS, 0
    with engine.connect().execution_options(yield_per=2_000) as connection:
        for row in connection.execute(_SELECT):
            fault = _fault_of(row, length=length, head=head, heads=heads)
            if fault:
                return JournalReport(length=length, head=head, checkpoints=compared, fault=fault)
            length, head = row.seq, row.hash
            compared += length in heads
    last = max(heads, default=0)
    fault = (
        f"expected at least {last} records by the last signed checkpoint, found {length}: "
        "records are missing at the end"
        if last > length
        else ""
    )
    return JournalReport(length=length, head=head, checkpoints=compared, fault=fault)


def _fault_of(row: Any, *, length: int, head: str, heads: Mapping[int, str]) -> str:
    if row.seq != length + 1:
        return f"expected record {length + 1}, found {row.seq}: a record was removed or its number changed"
    if row.previous != head:
        return f"record {row.seq} does not follow record {length}: the order or a record before was changed"
    if row.hash != _hash(row.previous, row.seq, row.created_ns, row.kind, row.body):
        return f"record {row.seq} ({row.kind}) was changed after it was written"
    if heads.get(row.seq, row.hash) != row.hash:
        return f"record {row.seq} is not the one whose checkpoint was signed: the journal was rewritten"
    return ""


def _hash(previous: str, seq: int, created_ns: int, kind: str, body: str) -> str:
    return hashlib.sha256(f"{previous}|{seq}|{created_ns}|{kind}|{body}".encode()).hexdigest()
