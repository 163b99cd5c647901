"""Statements that an order's way runs again and again: compiled once, and given to SQLite's driver at once.

SQLAlchemy takes some 150 microseconds around a statement that SQLite does in ten. What is written is the
same, by the same compiler and the same conversions of values; PostgreSQL is asked through SQLAlchemy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["Lookup", "Prepared"]


class _Compiled(NamedTuple):
    sql: str
    names: tuple[str, ...]  # of the parameters, in their places
    constants: Mapping[str, Any]
    conversions: Mapping[str, Callable[[Any], Any]]

    def places(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters as the driver takes them."""
        found = []
        for name in self.names:
            value = row[name] if name in row else self.constants[name]
            convert = self.conversions.get(name)
            found.append(value if convert is None else convert(value))
        return tuple(found)


class Prepared:
    """An INSERT, UPDATE or DELETE with named parameters; the same for every store of the process.

    Parameters
    ----------
    statement
        One whose values are all given or bound: a default of a column that Python makes is not known here.
    """

    def __init__(self, statement: sa.Insert | sa.Update | sa.Delete) -> None:
        self.statement = statement
        self._compiled: dict[tuple[str, ...], _Compiled | None] = {}

    def run(self, connection: sa.Connection, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
        """Run it for a row or for each of some rows; how many rows of the store an UPDATE or DELETE met.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The store refused it.
        """
        one = isinstance(rows, Mapping)
        first = rows if isinstance(rows, Mapping) else rows[0]
        compiled = self._for(connection, first) if connection.dialect.name == "sqlite" else None
        if compiled is None:
            return connection.execute(self.statement, cast(Any, rows)).rowcount
        with _cursor(connection, compiled.sql) as cursor:
            if one:
                cursor.execute(compiled.sql, compiled.places(first))
            else:
                cursor.executemany(compiled.sql, [compiled.places(row) for row in rows])  # type: ignore[arg-type]
            return int(cursor.rowcount)

    def _for(self, connection: sa.Connection, row: Mapping[str, Any]) -> _Compiled | None:
        keys = tuple(row)
        if keys not in self._compiled:
            made = self.statement.compile(dialect=connection.dialect, column_keys=sorted(keys))
            self._compiled[keys] = _read(made)
        return self._compiled[keys]


class Lookup:
    """A SELECT of whole numbers and texts with named parameters, of which the first row is wanted."""

    def __init__(self, statement: "sa.Select[Any]") -> None:
        self.statement = statement
        self._compiled: _Compiled | None = None

    def first(self, connection: sa.Connection, **values: Any) -> tuple[Any, ...] | None:
        """The first row; None for none.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The store could not be read.
        """
        if connection.dialect.name != "sqlite":
            found = connection.execute(self.statement, values).first()
            return None if found is None else tuple(found)
        if self._compiled is None:
            self._compiled = _read(self.statement.compile(dialect=connection.dialect))
        if self._compiled is None:
            raise TypeError(f"expected a plain SELECT, found {self.statement}")
        with _cursor(connection, self._compiled.sql) as cursor:
            cursor.execute(self._compiled.sql, self._compiled.places(values))
            return cast("tuple[Any, ...] | None", cursor.fetchone())


@contextmanager
def _cursor(connection: sa.Connection, sql: str) -> Iterator[Any]:
    """A cursor of SQLite's driver, whose errors come as SQLAlchemy's."""
    kind = connection.dialect.loaded_dbapi.Error
    cursor = cast(Any, connection.connection.dbapi_connection).cursor()
    try:
        yield cursor
    except kind as error:
        raise sa.exc.DBAPIError.instance(sql, None, error, kind, dialect=connection.dialect) from error
    finally:
        cursor.close()


def _read(made: SQLCompiler) -> _Compiled | None:
    """What the compiler made; None for what only SQLAlchemy's own execution does."""
    names = made.positiontup
    if names is None or made.insert_prefetch or made.update_prefetch or made.effective_returning:
        return None
    if made.post_compile_params or made.literal_execute_params:
        return None
    constants = {made.bind_names[bind]: bind.effective_value for bind in made.bind_names if not bind.required}
    conversions = {name: convert for name, convert in made._bind_processors.items() if callable(convert)}
    return _Compiled(str(made), tuple(names), constants, conversions)
