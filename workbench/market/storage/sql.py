"""The store's datasets as tables of DuckDB, for reading with SQL.

``eur_usd_m1`` is the newest EUR/USD M1 dataset (or bars kept beside ticks), ``eur_usd_tick`` the newest
ticks, and ``"eur_usd_m1@1a2b3c4d"`` the version whose fingerprint begins like this. Prices are whole points,
times are UTC and without a zone (DuckDB's functions of zoned times need an extension that is not shipped).
Only tables that a query names are read; nothing can be written.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from workbench.errors import BadInputError
from workbench.market.bars import Bars
from workbench.market.frames import to_arrow
from workbench.market.storage.datasets import TICK, Dataset
from workbench.market.ticks import Ticks

if TYPE_CHECKING:
    import duckdb

__all__ = ["Readable", "ask", "table_names"]

_PINNED = re.compile(r"([a-z0-9_]+)@([0-9a-f]{8,64})")


class Readable(Protocol):
    """What a query needs of the market store."""

    def datasets(self) -> Sequence[Dataset]:
        """The catalogue, newest first."""

    def bars(self, instrument: str, timeframe: str, *, fingerprint: str | None) -> Bars:
        """All bars of a dataset, of the newest without a fingerprint."""

    def ticks(self, instrument: str, *, fingerprint: str | None) -> Ticks:
        """The same of quotes."""


def table_names(store: Readable) -> dict[str, tuple[str, str]]:
    """Instrument and timeframe by the name of their table."""
    names = {}
    for dataset in store.datasets():
        for timeframe in (dataset.timeframe_name, *map(str, dataset.kept)):
            names[f"{dataset.instrument}_{timeframe}".lower()] = (dataset.instrument, timeframe)
    return names


def ask(store: Readable, query: str) -> "duckdb.DuckDBPyRelation":
    """The answer to a query, as a relation: ``.df()``, ``.pl()``, ``.arrow()``, ``.fetchall()``.

    Raises
    ------
    BadInputError
        Not one query that reads, or it can not be answered; the message is DuckDB's.
    """
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadInputError("expected one SELECT; the store is only read with SQL, imports change it")
        words = set(re.findall(r"[a-z0-9_@]+", query.lower()))
        known = table_names(store)
        for name in sorted(words):
            pinned = _PINNED.fullmatch(name)
            table = pinned[1] if pinned else name
            if table not in known:
                continue
            instrument, timeframe = known[table]
            fingerprint = pinned[2] if pinned else None
            data = (
                store.ticks(instrument, fingerprint=fingerprint)
                if timeframe == TICK
                else store.bars(instrument, timeframe, fingerprint=fingerprint)
            )
            connection.register(name, _without_zone(to_arrow(data)))
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection.sql(query)
    except duckdb.Error as error:
        raise BadInputError(
            f"{error}; tables are {', '.join(sorted(table_names(store))) or 'none yet'}"
        ) from None


def _without_zone(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(field.name, pa.timestamp("ns") if pa.types.is_timestamp(field.type) else field.type)
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
