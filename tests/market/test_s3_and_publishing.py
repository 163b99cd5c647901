"""The store for teams: files behind a URL with copies here, and tables of PostgreSQL for SQL users."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.market.bars_for_tests import bars_at, minutes
from tests.market.ticks_for_tests import DAY, same, ticks_at, walk
from workbench.errors import BadInputError
from workbench.market import MarketStore, bars_from_ticks
from workbench.market.errors import DamagedDatasetError
from workbench.market.storage import publishing


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    """A local S3 server; what fsspec needs to reach it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {
        "key": "test",
        "secret": "test",
        "endpoint_url": f"http://{host}:{port}",
        "client_kwargs": {"region_name": "eu-central-1"},
    }
    import s3fs

    s3fs.S3FileSystem(**options).mkdir("desk")
    yield options
    server.stop()


@pytest.fixture
def team(s3: dict[str, Any], sqlite_url: str, tmp_path: Path) -> MarketStore:
    """A store whose files lie in a bucket."""
    root = f"s3://desk/{tmp_path.name}/market"
    return MarketStore(root, sqlite_url, cache=tmp_path / "cache-a", options=s3)


def test_a_bucket_serves_as_well_as_a_folder(
    team: MarketStore, s3: dict[str, Any], sqlite_url: str, tmp_path: Path
) -> None:
    series, bars = walk(15_000, step_ms=120_000), minutes(300)
    team.add_ticks([series.at(0, 9_000)], instrument="EUR_USD", source="made up")
    name = team.add_ticks(
        [series.at(9_000, 15_000)], instrument="EUR_USD", source="made up", extend=True
    ).fingerprint
    pinned = team.add(bars, source="made up").fingerprint
    colleague = MarketStore(str(team.root), sqlite_url, cache=tmp_path / "cache-b", options=s3)
    assert same(colleague.ticks("EUR_USD"), series)
    assert colleague.bars("EUR_USD", "M1", fingerprint=pinned).content_digest() == pinned
    kept = colleague.bars("EUR_USD", "M1", fingerprint=name)
    assert kept.content_digest() == bars_from_ticks(series, "M1").content_digest()
    assert colleague.verify(name).files > 3
    assert not colleague.add_ticks([series], instrument="EUR_USD", source="again").is_new
    assert not (tmp_path / "s3:").exists()


def test_a_damaged_copy_is_fetched_anew(team: MarketStore, tmp_path: Path) -> None:
    series = walk(2_000)
    team.add_ticks([series], instrument="EUR_USD", source="made up", keep=())
    assert same(team.ticks("EUR_USD"), series)
    (copy,) = (tmp_path / "cache-a" / "files").rglob("*.parquet")
    copy.write_bytes(copy.read_bytes()[:-20])
    with pytest.raises(DamagedDatasetError):
        team.ticks("EUR_USD")
    assert same(team.ticks("EUR_USD"), series)


def test_garbage_of_a_bucket_is_collected(team: MarketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    team.add_ticks([walk(100)], instrument="EUR_USD", source="made up")

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("workbench.market.storage.catalogue.Catalogue.add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            team.add_ticks([walk(200, seed=5)], instrument="EUR_USD", source="cut off")
    assert team.collect_garbage() == 0
    assert team.collect_garbage(older_than_s=-10) > 0
    assert team.collect_garbage(older_than_s=-10) == 0
    assert len(team.ticks("EUR_USD")) == 100


def test_an_unknown_kind_of_url_is_refused(sqlite_url: str) -> None:
    with pytest.raises(BadInputError, match="expected a folder or a URL like s3://bucket/folder"):
        MarketStore("carrier-pigeon://loft", sqlite_url)


def test_bars_are_published_once_and_exactly(sqlite_market: MarketStore, postgresql_url: str) -> None:
    bars = bars_at([minutes(1).open_ns[0] + index * 40 * DAY for index in range(24)])  # over three years
    name = sqlite_market.add(bars, source="made up").fingerprint
    report = sqlite_market.publish("EUR_USD", "M1", to=postgresql_url)
    assert (report.table, report.rows, report.is_new, report.kind) == (
        "market.eur_usd_m1",
        24,
        True,
        "partitions",
    )
    again = sqlite_market.publish("EUR_USD", "M1", to=postgresql_url)
    assert not again.is_new
    assert "nothing changed" in str(again)
    with psycopg.connect(postgresql_url) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM time)::bigint, bid_open, ask_close FROM market.eur_usd_m1 ORDER BY 1"
        ).fetchall()
        children = connection.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'market.eur_usd_m1'::regclass"
        ).fetchone()
        published = connection.execute("SELECT name, fingerprint, rows FROM market.published").fetchall()
    assert [row[0] * 10**9 for row in rows] == bars.open_ns.tolist()
    assert [row[1] for row in rows] == [Decimal(item).scaleb(-5) for item in bars.bid_open.tolist()]
    assert [row[2] for row in rows] == [Decimal(item).scaleb(-5) for item in bars.ask_close.tolist()]
    assert children == (3,)
    assert published == [("eur_usd_m1", name, 24)]


def test_a_newer_version_takes_the_place_of_the_published_one(
    sqlite_market: MarketStore, postgresql_url: str
) -> None:
    series = walk(3_000, step_ms=1_200_000)
    sqlite_market.add_ticks([series.at(0, 2_000)], instrument="EUR_USD", source="made up")
    sqlite_market.publish("EUR_USD", "tick", to=postgresql_url)
    sqlite_market.add_ticks([series.at(2_000, 3_000)], instrument="EUR_USD", source="made up", extend=True)
    report = sqlite_market.publish("EUR_USD", "tick", to=postgresql_url)
    assert (report.rows, report.is_new) == (3_000, True)
    with psycopg.connect(postgresql_url) as connection:
        found = connection.execute("SELECT count(*), min(bid), max(ask) FROM market.eur_usd_tick").fetchone()
    low, high = (Decimal(int(item)).scaleb(-5) for item in (series.bid.min(), series.ask.max()))
    assert found == (3_000, low, high)


def test_publishing_is_whole_or_not_at_all(
    sqlite_market: MarketStore, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_market.add(minutes(10), source="made up")
    sqlite_market.publish("EUR_USD", "M1", to=postgresql_url)
    sqlite_market.add(minutes(20), source="made up")

    def interrupted(*args: object) -> Iterator[bytes]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "rows_as_csv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sqlite_market.publish("EUR_USD", "M1", to=postgresql_url)
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT count(*) FROM market.eur_usd_m1").fetchone() == (10,)


def test_with_timescale_tables_are_hypertables(sqlite_market: MarketStore, postgresql_url: str) -> None:
    """The extension itself is not at hand: a function of its name, and a view that says it is installed."""
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA fake")
        connection.execute(
            "CREATE VIEW fake.pg_available_extensions AS "
            "SELECT 'timescaledb'::name AS name, '2.15'::text AS installed_version"
        )
        connection.execute("CREATE TABLE fake.calls (relation text, time_column text, span interval)")
        connection.execute(
            "CREATE FUNCTION fake.create_hypertable(relation regclass, time_column name, "
            "chunk_time_interval interval, create_default_indexes boolean) RETURNS void LANGUAGE sql AS "
            "$$ INSERT INTO fake.calls VALUES (relation::text, time_column, chunk_time_interval) $$"
        )
        user = connection.execute("SELECT current_user").fetchone()
        assert user is not None
        connection.execute(
            f'ALTER ROLE "{user[0]}" IN DATABASE {connection.info.dbname} '
            "SET search_path = fake, pg_catalog, public"
        )
    sqlite_market.add_ticks([ticks_at([10**18, 10**18 + 1_000])], instrument="EUR_USD", source="made up")
    report = sqlite_market.publish("EUR_USD", "tick", to=postgresql_url)
    assert (report.kind, report.rows) == ("hypertable", 2)
    with psycopg.connect(postgresql_url) as connection:
        calls = connection.execute("SELECT relation, time_column, span::text FROM fake.calls").fetchall()
        count = connection.execute("SELECT count(*) FROM market.eur_usd_tick").fetchone()
    assert calls == [("market.eur_usd_tick", "time", "1 mon")]
    assert count == (2,)


def test_only_postgresql_is_published_to(sqlite_market: MarketStore) -> None:
    sqlite_market.add(minutes(10), source="made up")
    with pytest.raises(BadInputError, match="expected a URL like postgresql://user@host/name, found 'mysql'"):
        sqlite_market.publish("EUR_USD", "M1", to="mysql://somewhere/x")
    with pytest.raises(BadInputError, match="expected a name of small letters"):
        sqlite_market.publish("EUR_USD", "M1", to="postgresql://x", schema="a; drop")
