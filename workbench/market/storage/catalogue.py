"""The catalogue of datasets in the relational store: rows are only ever added.

A dataset counts from the moment its row is there, so an import that is cut off before leaves nothing.
"""

import time
from dataclasses import asdict
from functools import lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa

from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.market.checks import CheckReport
from workbench.market.errors import MissingDataError
from workbench.market.storage.datasets import TICK, Dataset
from workbench.store.schema import datasets as table

__all__ = ["Catalogue", "NewerVersionError"]

_Wanted: TypeAlias = "str | sa.BindParameter[str] | None"

_HEX_SHOWN = 12
_SHORTEST = 8
_LOCK = 0x666F7265780002  # any number that only this catalogue uses


class NewerVersionError(Exception):
    """Another process added a version since the one that a new version was made from."""


class Catalogue:
    """Datasets by their fingerprint."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._known = lru_cache(maxsize=256)(self._load)  # a row never changes

    def find(self, fingerprint: str) -> Dataset | None:
        """The dataset of a whole fingerprint, or None."""
        try:
            return self._known(fingerprint)
        except KeyError:
            return None

    def get(self, fingerprint: str) -> Dataset:
        """The dataset of a fingerprint, or of its first eight digits or more.

        Raises
        ------
        MissingDataError
            There is none, or several begin like this.
        """
        if len(fingerprint) == 64 and (found := self.find(fingerprint)) is not None:
            return found
        with self._engine.connect() as connection:
            names = [row[0] for row in connection.execute(sa.select(table.c.fingerprint))]
        known = [name for name in names if name.startswith(fingerprint)]
        if len(known) == 1 and len(fingerprint) >= _SHORTEST:
            return self._known(known[0])
        shown = fingerprint[:_HEX_SHOWN]
        if len(fingerprint) < _SHORTEST:
            raise MissingDataError(
                f"expected a fingerprint or its first {_SHORTEST} digits, found {shown!r}; "
                "`workbench data list` shows them"
            )
        raise MissingDataError(
            f"expected one dataset {shown}, found {len(known)}; "
            + (
                "give more of the fingerprint"
                if known
                else "import its source; `workbench data list` shows them"
            )
        )

    def all(
        self, instrument: str | None = None, timeframe: str | None = None, kind: str | None = None
    ) -> list[Dataset]:
        """Datasets, newest first."""
        with self._engine.connect() as connection:
            names = connection.scalars(_newest_first(instrument, timeframe, kind)).all()
        return [self._known(name) for name in names]

    def newest(self, instrument: str, timeframe: str) -> Dataset | None:
        """The newest dataset of one instrument and timeframe."""
        with self._engine.connect() as connection:
            name = connection.scalar(_NEWEST, {"instrument": instrument, "timeframe": timeframe})
        return None if name is None else self._known(name)

    def add(self, dataset: Dataset, *, newest: str | None = None) -> tuple[Dataset, bool]:
        """Add a row; the dataset as it is in the catalogue, and whether it is new there.

        Parameters
        ----------
        newest
            Fingerprint that the newest dataset of this instrument and timeframe must have, empty for none
            at all; not looked at when not given.

        Raises
        ------
        NewerVersionError
            It has another.
        """
        row = {
            **{name: item for name, item in asdict(dataset).items() if name != "report"},
            "timeframe": dataset.timeframe_name,
            "report": dataset.report.to_json(),
            "parts": dict(dataset.parts),
            "created_ns": time.time_ns(),
        }
        try:
            with self._engine.begin() as connection:
                if newest is not None:
                    if self._engine.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                    query = _newest_first(dataset.instrument, dataset.timeframe_name, None)
                    last = connection.execute(query.add_columns(table.c.created_ns).limit(1)).first()
                    if (last[0] if last else "") != newest:
                        raise NewerVersionError
                    if last:  # clocks of two machines differ
                        row["created_ns"] = max(row["created_ns"], last[1] + 1)
                connection.execute(table.insert(), row)
        except sa.exc.IntegrityError:  # the same content came from another process at this moment
            found = self.find(dataset.fingerprint)
            if found is None:
                raise
            return found, False
        return self._known(dataset.fingerprint), True

    def files(self) -> set[str]:
        """The names of every file that a dataset needs."""
        needed = set()
        with self._engine.connect() as connection:
            for path, parts in connection.execute(sa.select(table.c.path, table.c.parts)):
                needed.add(path)
                for group in (parts.get("ticks", []), *parts.get("bars", {}).values()):
                    needed.update(f"parts/{item[5][:2]}/{item[5]}.parquet" for item in group)
        return needed

    def _load(self, fingerprint: str) -> Dataset:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.fingerprint == fingerprint)).one_or_none()
        if row is None:
            raise KeyError(fingerprint)
        return _dataset(dict(row._mapping))


def _newest_first(instrument: _Wanted, timeframe: _Wanted, kind: _Wanted) -> "sa.Select[tuple[str]]":
    query = sa.select(table.c.fingerprint).order_by(table.c.created_ns.desc(), table.c.fingerprint)
    for column, value in (
        (table.c.instrument, instrument),
        (table.c.timeframe, timeframe),
        (table.c.kind, kind),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def _dataset(values: dict[str, Any]) -> Dataset:
    name = values["timeframe"]
    return Dataset(
        **{
            **values,
            "timeframe": None if name == TICK else timeframe_named(name),
            "report": CheckReport.from_json(values["report"]),
        }
    )


_NEWEST = _newest_first(  # made once: to make it takes longer than to ask it
    sa.bindparam("instrument"), sa.bindparam("timeframe"), None
).limit(1)
