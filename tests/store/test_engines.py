"""Opening a store: set up once, refused when newer, read-only when asked, the same on both databases."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import workbench.store.migrations as migrations
from tests.older_store import store_at
from workbench.store import (
    NewerDatabaseError,
    StoreMissingError,
    StoreUrlError,
    open_store,
    read_only,
    upgrade,
)
from workbench.store.schema import (
    datasets,
    fills,
    idea_marks,
    ideas,
    journal,
    metadata,
    trial_batches,
    trials,
)

_APPEND_ONLY = {
    "journal": (
        journal,
        {"seq": 1, "created_ns": 1, "kind": "start", "body": "{}", "previous": "0" * 64, "hash": "f" * 64},
        {"body": "changed"},
    ),
    "trials": (
        trials,
        {
            "idea": "cross",
            "strategy": "SmaCross",
            "parameters": {"fast": 10},
            "dataset": "d",
            "cost_book": "c",
            "result": {},
            "run_id": "",
            "author": "sarah",
            "created_ns": 1,
        },
        {"idea": "another"},
    ),
    "trial_batches": (
        trial_batches,
        {
            **dict.fromkeys(("idea", "strategy", "dataset", "cost_book", "run_id", "author"), "x"),
            **dict.fromkeys(("created_ns", "count", "sharpes"), 1),
            **dict.fromkeys(("sharpe_mean", "sharpe_squares", "sharpe_best"), 0.5),
            "columns": b"",
        },
        {"count": 0},
    ),
    "idea_marks": (idea_marks, {"mark": "place:x", "idea": "cross", "created_ns": 1}, {"created_ns": 2}),
    "fills": (
        fills,
        {
            "account_id": "a",
            "deployment_id": "d",
            "broker_trade_id": "1",
            "client_order_id": "c",
            "instrument": "EUR_USD",
            "event_seq": 1,
            "time_ns": 1,
            "units": 1000,
            "price": 110_000,
            "reason": "MARKET",
            "commission": 0,
            "realized": 0,
            "position": 1000,
            "balance": 10**11,
        },
        {"price": 1},
    ),
}


def test_migrations_make_the_schema_of_the_metadata(store_url: str) -> None:
    engine = open_store(store_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_same_tables_as_create_all(store_url: str, tmp_path: Path) -> None:
    """Compared column by column and constraint by constraint, beyond what Alembic compares."""
    engine = open_store(store_url)
    migrated = _reflected(engine)
    if engine.dialect.name == "sqlite":
        other = sa.create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
        metadata.create_all(other)
        assert _reflected(other) == migrated
        return
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA direct"))
        connection.execute(sa.text("SET search_path TO direct"))
        metadata.create_all(connection)
        assert _reflected(connection) == migrated


def _reflected(bind: sa.Engine | sa.Connection) -> dict[str, object]:
    inspector = sa.inspect(bind)
    return {
        table: (
            [
                (
                    column["name"],
                    str(column["type"]),
                    str(column["default"]).replace("direct.", ""),
                    column["nullable"],
                )
                for column in inspector.get_columns(table)
            ],
            inspector.get_pk_constraint(table),
            sorted(
                (key["name"], tuple(key["constrained_columns"]), key["referred_table"])
                for key in inspector.get_foreign_keys(table)
            ),
            sorted(
                (str(index["name"]), tuple(index["column_names"])) for index in inspector.get_indexes(table)
            ),
            sorted(
                (str(item["name"]), tuple(item["column_names"]))
                for item in inspector.get_unique_constraints(table)
            ),
        )
        for table in metadata.tables
    }


def test_the_known_revisions_are_those_of_the_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(item.revision for item in reversed(list(scripts.walk_revisions()))) == migrations.KNOWN
    assert scripts.get_current_head() == migrations.HEAD


@pytest.mark.parametrize("revision", migrations.KNOWN[:-1])
def test_a_store_of_each_older_revision_is_brought_to_the_schema(store_url: str, revision: str) -> None:
    store_at(store_url, revision).dispose()
    engine = open_store(store_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_store_opened_again_keeps_its_rows(store_url: str) -> None:
    engine = open_store(store_url)
    with engine.begin() as connection:
        connection.execute(ideas.insert(), {"id": "1", "name": "cross", "created_ns": 5})
    engine.dispose()
    assert upgrade(store_url) == migrations.HEAD
    with open_store(store_url).connect() as connection:
        assert connection.execute(sa.select(ideas.c.name)).scalars().all() == ["cross"]


def test_a_database_of_a_newer_workbench_is_refused_and_left_alone(store_url: str) -> None:
    engine = open_store(store_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for opening in (open_store, read_only, upgrade):
        with pytest.raises(NewerDatabaseError, match=r"found 9999 .* start the newer workbench"):
            opening(store_url)


@pytest.mark.parametrize("table", sorted(_APPEND_ONLY))
def test_append_only_tables_refuse_update_delete_and_replace(store_url: str, table: str) -> None:
    target, row, change = _APPEND_ONLY[table]
    engine = open_store(store_url)
    with engine.begin() as connection:
        connection.execute(target.insert(), row)
    with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"), engine.begin() as connection:
        connection.execute(target.update().values(**change))
    with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"), engine.begin() as connection:
        connection.execute(target.delete())
    if engine.dialect.name == "sqlite":
        clash = {"id": 1, **row} if "id" in target.c else row
        with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"), engine.begin() as connection:
            connection.execute(target.insert().prefix_with("OR REPLACE"), {**clash, **change})
    else:
        with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"), engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {table}"))
    with engine.connect() as connection:
        found = connection.execute(sa.select(target)).mappings().one()
        assert {name: found[name] for name in row} == row


def test_a_read_only_store_reads_and_refuses_every_write(store_url: str) -> None:
    with open_store(store_url).begin() as connection:
        connection.execute(ideas.insert(), {"id": "1", "name": "cross", "created_ns": 5})
    engine = read_only(store_url)
    with engine.connect() as connection:
        assert connection.execute(sa.select(ideas.c.id)).scalar_one() == "1"
    for statement in (ideas.insert().values(id="2", name="x", created_ns=1), ideas.delete()):
        with pytest.raises(sa.exc.DBAPIError, match=r"read.?only"), engine.connect() as connection:
            connection.execute(statement)
    with pytest.raises(sa.exc.DBAPIError, match=r"read.?only"), engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE mine (x int)"))


def test_reading_what_is_not_there_says_so_and_makes_nothing(store_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError, match="start"):
        read_only(store_url)
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "not a url", "sqlite:///file:x?mode=memory"],
)
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUrlError, match="expected"):
        open_store(url)


def test_a_password_stays_out_of_the_message(postgresql_url: str) -> None:
    secret = sa.make_url(postgresql_url).set(password="hunter2").render_as_string(hide_password=False)
    engine = open_store(secret)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError) as caught:
        open_store(secret)
    assert "hunter2" not in str(caught.value)


def test_foreign_keys_hold(store_url: str) -> None:
    engine = open_store(store_url)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(
            metadata.tables["approvals"].insert(),
            {
                "release_id": "nowhere",
                "approver": "david",
                "decision": "approved",
                "reason": "ok",
                "signature": "",
                "created_ns": 1,
            },
        )


def test_sqlite_connections_are_durable_and_wait_for_a_lock(sqlite_url: str) -> None:
    with open_store(sqlite_url).connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_whole_numbers_of_63_bits_come_back_exactly(store_url: str) -> None:
    engine = open_store(store_url)
    largest = 2**63 - 1
    row = {
        "fingerprint": "f",
        "instrument": "EUR_USD",
        "timeframe": "H1",
        "source": "s",
        "rows": largest,
        "first_ns": -largest - 1,
        "last_ns": largest,
        "sides": "bid+ask",
        "path": "p",
        "report": {"a": [1]},
        "created_ns": 1_785_000_000_123_456_789,
        "kind": "ticks",
        "parent": "e",
        "rule": "extended",
        "source_format": "histdata ticks",
        "zone": "America/New_York",
        "parts": {"parts": [[largest]]},
    }
    with engine.begin() as connection:
        connection.execute(datasets.insert(), row)
    with engine.connect() as connection:
        assert dict(connection.execute(sa.select(datasets)).mappings().one()) == row


_OPEN = """
import sys
from workbench.store import open_store
print("ready", flush=True)
sys.stdin.readline()
engine = open_store(sys.argv[1])
from workbench.store.schema import ideas
with engine.begin() as connection:
    connection.execute(ideas.insert(), {"id": sys.argv[2], "name": "x", "created_ns": 1})
"""


def test_many_processes_may_open_a_new_store_at_once(store_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, store_url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == [""] * 6
    with read_only(store_url).connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(ideas)) == 6


_COUNT = """
import sys
import sqlalchemy as sa
from workbench.store import open_store
from workbench.store.schema import ideas
engine = open_store(sys.argv[1])
for _ in range(20):
    with engine.begin() as connection:
        number = int(connection.scalar(sa.select(ideas.c.created_ns)))
        connection.execute(ideas.update().values(created_ns=number + 1))
"""


def test_transactions_that_read_then_write_take_turns_on_sqlite(sqlite_url: str) -> None:
    with open_store(sqlite_url).begin() as connection:
        connection.execute(ideas.insert(), {"id": "1", "name": "x", "created_ns": 0})
    processes = [
        subprocess.Popen([sys.executable, "-c", _COUNT, sqlite_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", "", ""]
    with read_only(sqlite_url).connect() as connection:
        assert connection.scalar(sa.select(ideas.c.created_ns)) == 60


def test_a_migration_that_fails_leaves_nothing(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import command

    def upgrade_then_fail(config: Config, revision: str) -> None:
        real(config, revision)
        raise KeyboardInterrupt

    real = command.upgrade
    monkeypatch.setattr(command, "upgrade", upgrade_then_fail)
    with pytest.raises(KeyboardInterrupt):
        open_store(store_url)
    monkeypatch.setattr(command, "upgrade", real)
    with pytest.raises(StoreMissingError):
        read_only(store_url)
    with open_store(store_url).connect() as connection:
        assert connection.execute(sa.select(ideas)).all() == []
