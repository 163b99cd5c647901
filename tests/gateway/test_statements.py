"""Statements compiled once write and read what SQLAlchemy's own way does."""

from typing import Any

import pytest
import sqlalchemy as sa

from workbench.gateway.statements import Lookup, Prepared
from workbench.store import open_store
from workbench.store.schema import deliveries, leases

ROW: dict[str, Any] = {
    "deployment_id": "d-1",
    "event_seq": 1,
    "time_ns": 2**62,
    "event": {"kind": "quote", "text": "é ☃", "many": [1, None, True]},
    "snapshot": {},
    "acked": False,
    "decision": {"orders": []},
}
INSERT = Prepared(sa.insert(deliveries))
ACK = Prepared(
    sa.update(deliveries)
    .where(deliveries.c.event_seq == sa.bindparam("seq"))
    .values(acked=True, decision=sa.bindparam("new", type_=sa.JSON))
)


@pytest.fixture
def engine(store_url: str) -> sa.Engine:
    """Of each database that is at hand."""
    return open_store(store_url)


def _rows(engine: sa.Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(deliveries).order_by(deliveries.c.event_seq))
        return [dict(row) for row in found.mappings()]


def test_a_row_is_stored_as_sqlalchemy_stores_it(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(deliveries), ROW)
        INSERT.run(connection, {**ROW, "event_seq": 2})
        INSERT.run(connection, [{**ROW, "event_seq": 3}, {**ROW, "event_seq": 4}])
        assert ACK.run(connection, {"seq": 4, "new": {"a": [1]}}) == 1
        assert ACK.run(connection, {"seq": 5, "new": {}}) == 0
    first, *same, acked = _rows(engine)
    assert [first, *same] == [{**ROW, "event_seq": seq} for seq in (1, 2, 3)]
    assert acked == {**ROW, "event_seq": 4, "acked": True, "decision": {"a": [1]}}
    if engine.dialect.name == "sqlite":  # to the byte
        with engine.connect() as connection:
            texts = connection.execute(sa.text("SELECT event, acked FROM deliveries")).all()
        assert len(set(texts[:3])) == 1
    engine.dispose()


def test_what_the_database_refuses_is_refused_as_ever_and_undone(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        INSERT.run(connection, [ROW, ROW])
    assert _rows(engine) == []
    engine.dispose()


def test_a_lookup_finds_the_first_row_or_none(engine: sa.Engine) -> None:
    number = Lookup(sa.select(leases.c.number).where(leases.c.id == sa.bindparam("id")).with_for_update())
    with engine.begin() as connection:
        assert number.first(connection, id=1) is None
        connection.execute(sa.insert(leases), {"id": 1, "number": 7, "holder": "somebody", "taken_ns": 1})
        assert number.first(connection, id=1) == (7,)
    engine.dispose()
