"""The journal: every way to change what was written shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.gateway.bench import Room, made_up_bars
from workbench.gateway.checkpoints import CheckpointFile, read_checkpoints, signing_key, verify_key
from workbench.gateway.errors import DamagedStoreError
from workbench.gateway.journal import GENESIS, append, verify_journal
from workbench.gateway.reports import check_store
from workbench.store.schema import journal


@pytest.fixture
def written(store_url: str, tmp_path: Path) -> Iterator[Room]:
    """A room that has traded, on each of the two databases, its append-only guard taken away."""
    room = Room(url=store_url, home=tmp_path / "home", bars=made_up_bars(40))
    room.open().run()
    room.desk.ledger.sign_head()
    _unguard(room.engine)
    yield room
    room.engine.dispose()


def _unguard(engine: sa.Engine) -> None:
    """What somebody with the database's password can do."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            names = connection.scalars(
                sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'")
            ).all()
            assert names
            for name in names:
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(sa.text("ALTER TABLE journal DISABLE TRIGGER ALL"))


def _fault(room: Room) -> str:
    signed = read_checkpoints(room.checkpoints, verify_key(room.home))
    return verify_journal(room.engine, checkpoints=signed).fault


def _change(room: Room, *statements: str) -> None:
    with room.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_an_untouched_journal_verifies(written: Room) -> None:
    signed = read_checkpoints(written.checkpoints, verify_key(written.home))
    report = verify_journal(written.engine, checkpoints=signed)
    assert report.fault == ""
    assert report.length == written.desk.ledger.length > 30
    assert report.checkpoints == 1


def test_an_edited_record_shows(written: Room) -> None:
    seq = next(row["seq"] for row in written.rows(journal) if row["kind"] == "order.intent")
    _change(written, f"UPDATE journal SET body = replace(body, 'EUR_USD', 'EUR_CHF') WHERE seq = {seq}")
    assert f"record {seq} " in _fault(written)
    assert "changed after it was written" in _fault(written)


@pytest.mark.parametrize("column", ["kind", "created_ns"])
def test_every_field_of_a_record_is_covered(written: Room, column: str) -> None:
    value = "'kill'" if column == "kind" else "created_ns + 1"
    _change(written, f"UPDATE journal SET {column} = {value} WHERE seq = 6")
    assert "record 6" in _fault(written)


def test_a_deleted_record_shows(written: Room) -> None:
    _change(written, "DELETE FROM journal WHERE seq = 7")
    assert "expected record 7, found 8" in _fault(written)


def test_a_deleted_record_shows_when_the_rest_is_renumbered(written: Room) -> None:
    last = written.desk.ledger.length
    moves = [f"UPDATE journal SET seq = {seq - 1} WHERE seq = {seq}" for seq in range(8, last + 1)]
    _change(written, "DELETE FROM journal WHERE seq = 7", *moves)
    assert "record 7 does not follow record 6" in _fault(written)


def test_a_changed_order_shows(written: Room) -> None:
    _change(
        written,
        "UPDATE journal SET seq = -1 WHERE seq = 9",
        "UPDATE journal SET seq = 9 WHERE seq = 10",
        "UPDATE journal SET seq = 10 WHERE seq = -1",
    )
    assert "record 9" in _fault(written)


def test_a_journal_cut_off_at_its_end_shows_by_the_signed_head(written: Room) -> None:
    last = written.desk.ledger.length
    _change(written, f"DELETE FROM journal WHERE seq > {last - 3}")
    assert verify_journal(written.engine).fault == ""
    assert f"expected at least {last} records" in _fault(written)


def test_a_journal_written_anew_shows_by_the_signed_head(written: Room) -> None:
    rows = written.rows(journal)
    _change(written, "DELETE FROM journal")
    with written.engine.begin() as connection:
        entries = [(row["kind"], {"forged": True}) for row in rows]
        append(connection, entries, after=(0, GENESIS), created_ns=1)
    assert verify_journal(written.engine).fault == ""
    assert "the journal was rewritten" in _fault(written)


def test_a_forged_checkpoint_is_refused(written: Room, tmp_path: Path) -> None:
    other = CheckpointFile(written.checkpoints, signing_key(tmp_path / "forger"))
    other.write(seq=1, head=GENESIS, created_ns=1)
    with pytest.raises(DamagedStoreError, match="expected the gateway's signature"):
        read_checkpoints(written.checkpoints, verify_key(written.home))
    found = check_store(written.engine, checkpoints=written.checkpoints, keys=written.home)
    assert not found["ok"]


def test_a_checkpoint_that_a_crash_cut_short_is_passed_over(written: Room) -> None:
    with written.checkpoints.open("ab") as file:
        file.write(b'{"seq": 999999, "ha')
    written.desk.ledger.sign_head()
    signed = read_checkpoints(written.checkpoints, verify_key(written.home))
    assert [item.seq for item in signed] == [written.desk.ledger.length] * 2
    assert _fault(written) == ""


def test_the_database_refuses_changes_of_the_journal(room: Room) -> None:
    room.open()
    with pytest.raises(sa.exc.DatabaseError), room.engine.begin() as connection:
        connection.execute(sa.delete(journal))


def test_heads_are_signed_every_thousand_records_and_every_minute(room: Room) -> None:
    room.open()
    ledger = room.desk.ledger
    ledger.tick()
    assert not room.checkpoints.exists()
    room.clock.now += 61
    ledger.tick()
    ledger.tick()
    assert len(room.checkpoints.read_bytes().splitlines()) == 1
    with ledger.change("test") as change:
        for number in range(1_000):
            change.record("test", number=number)
    assert len(room.checkpoints.read_bytes().splitlines()) == 2


def test_a_change_that_fails_leaves_neither_row_nor_record(room: Room) -> None:
    room.open()
    length = room.desk.ledger.length

    def fail() -> None:
        with room.desk.ledger.change("test") as change:
            change.record("test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with room.desk.ledger.change("test") as change:
        change.record("test")
    assert room.desk.ledger.length == length + 1
    assert verify_journal(room.engine).fault == ""


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    signing_key(tmp_path / "keys")
    assert (tmp_path / "keys" / "gateway.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
