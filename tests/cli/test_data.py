"""`workbench data`: every verb answers in a table and in JSON, and says in one sentence what is wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.domain.instruments import refresh_instruments
from workbench.market.checks import TickChecker


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("WORKBENCH_USER", "sarah")
    yield lambda *arguments: CliRunner().invoke(main, ["data", *map(str, arguments)])
    refresh_instruments(())


def quotes(path: Path, rows: int = 400) -> Path:
    """Ticks of a Monday morning, every 50th crossed."""
    lines = ["time,bid,ask"]
    for row in range(rows):
        bid = 110_000 + row % 7
        ask = bid - 2 if row % 50 == 49 else bid + 10
        lines.append(f"2026-03-02T08:{row // 60:02d}:{row % 60:02d}Z,{bid / 1e5:.5f},{ask / 1e5:.5f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ticks_go_the_whole_way_from_a_file_to_a_repaired_export(run, tmp_path):
    done = run("import", quotes(tmp_path / "ticks.csv"), "--json")
    assert done.exit_code == 0, done.output
    (imported,) = json.loads(done.stdout)
    assert (imported["kind"], imported["rows"]) == ("ticks", 400)
    checked = json.loads(run("check", imported["fingerprint"][:8], "--json").stdout)
    assert not checked["ok"]
    assert {item["name"]: item["count"] for item in checked["findings"]}["crossed"] == 8
    repaired = json.loads(run("repair", imported["fingerprint"][:8], "drop_crossed", "--json").stdout)
    assert (repaired["taken"], repaired["rows"], repaired["parent"]) == (8, 392, imported["fingerprint"])
    listed = json.loads(run("list", "--json").stdout)
    assert [(item["rows"], item["rule"]) for item in listed] == [(392, "drop_crossed"), (400, "")]
    assert "drop_crossed of" in run("list").output
    out = tmp_path / "out.csv"
    written = run("export", "EUR_USD", "tick", "--out", out, "-f", repaired["fingerprint"])
    assert written.exit_code == 0
    assert len(out.read_text().splitlines()) == 393
    (again,) = json.loads(run("import", out, "--json").stdout)
    assert again["fingerprint"] == repaired["fingerprint"]
    assert not again["is_new"]


def test_a_snapshot_names_the_same_rows_for_ever(run, tmp_path):
    run("import", quotes(tmp_path / "ticks.csv"))
    first = json.loads(run("snapshot", "EUR_USD", "tick", "--json").stdout)
    run("import", quotes(tmp_path / "more.csv", 200))
    again = json.loads(run("snapshot", "EUR_USD", "tick", "--version", first["fingerprint"], "--json").stdout)
    numbered = json.loads(run("snapshot", "EUR_USD", "tick", "--version", "1", "--json").stdout)
    newest = json.loads(run("snapshot", "EUR_USD", "tick", "--version", "-1", "--json").stdout)
    assert first == again == numbered
    assert newest["rows"] == 200
    assert "rows" in run("snapshot", "EUR_USD", "tick").output


def test_a_report_can_be_had_as_a_page(run, tmp_path):
    (imported,) = json.loads(run("import", quotes(tmp_path / "ticks.csv"), "--json").stdout)
    page = tmp_path / "report.html"
    assert run("check", imported["fingerprint"], "--html", page).exit_code == 0
    assert "<svg" in page.read_text()


def test_columns_of_any_table_can_be_named(run, tmp_path):
    path = tmp_path / "odd.txt"
    path.write_text("Stamp;Ask;Bid\n" + "".join(f"{1772438400 + i};1.1001;1.1000\n" for i in range(50)))
    done = run(
        "import",
        path,
        "--columns",
        "time=Stamp,bid=Bid,ask=1",
        "--time-format",
        "s",
        "--timezone",
        "UTC",
        "--json",
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["rows"] == 50


def test_a_brokers_records_go_before_those_shipped(run, tmp_path):
    record = {
        "name": "EUR_USD",
        "type": "CURRENCY",
        "pipLocation": -4,
        "displayPrecision": 5,
        "tradeUnitsPrecision": 0,
        "minimumTradeSize": "1",
        "marginRate": "0.02",
    }
    path = tmp_path / "records.json"
    path.write_text(
        json.dumps({"instruments": [record, {**record, "name": "USD_KRW", "displayPrecision": 2}]})
    )
    found = {item["id"]: item for item in json.loads(run("instruments", "--refresh", path, "--json").stdout)}
    assert found["EUR_USD"]["margin_rate_ppm"] == 20_000
    later = {item["id"]: item for item in json.loads(run("instruments", "--json").stdout)}
    assert later == found
    assert later["USD_KRW"]["digits"] == 2
    assert "T+1" in run("instruments").output
    run("import", quotes(tmp_path / "ticks.csv"))
    path.write_text(json.dumps([{**record, "displayPrecision": 4}]))
    refused = run("instruments", "--refresh", path)
    assert refused.exit_code == 1
    assert "the store has data with 5 decimals" in refused.stderr


def test_lists_of_formats_and_rules_need_no_store(run, tmp_path):
    assert "histdata" in run("import", "--formats").output
    assert "drop_spikes" in json.loads(run("repair", "--rules", "--json").stdout)
    assert not (tmp_path / "home" / "market").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("repair",), "expected a fingerprint and a rule"),
        (("repair", "abc", "mend"), "abc"),
        (
            ("export", "EUR_USD", "H1", "--from", "yesterday", "--out", "x.csv"),
            "expected a time as 2024-01-31",
        ),
        (("export", "EUR_USD", "H1", "--out", "x.csv"), "EUR_USD"),
        (("export", "EUR_USD", "H7", "--out", "x.csv"), "unknown timeframe 'H7'"),
        (("snapshot", "EUR_USD", "tick", "--version", "9"), "9"),
        (("download", "oanda", "-i", "EUR_USD", "--from", "2024-02-01", "--to", "2024-01-01"), "before"),
        (("download", "dukascopy", "-i", "EURUSD", "--from", "2024-01-01", "--to", "2024-01-02"), "EUR_USD"),
        (("instruments", "--refresh", "no-such.json"), "no-such.json"),
        (("import", "x.csv", "--columns", "time"), 'expected "time=Stamp'),
    ],
)
def test_what_is_wrong_is_one_sentence(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_ctrl_c_leaves_the_store_as_it_was(run, tmp_path, monkeypatch):
    def interrupted(checker, batch):
        raise KeyboardInterrupt

    path = quotes(tmp_path / "ticks.csv")
    with monkeypatch.context() as patch:
        patch.setattr(TickChecker, "add", interrupted)
        done = run("import", path)
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert json.loads(run("list", "--json").stdout) == []
    assert run("import", path).exit_code == 0


def test_a_database_that_can_not_be_used_is_one_sentence(run, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "workbench.db").write_bytes(bytes(range(256)) * 20)
    done = run("list")
    assert done.exit_code == 1
    assert (
        "expected a database that can be opened and written to, found: file is not a database" in done.output
    )
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    done = run("list")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "WORKBENCH_DATABASE_URL" in done.output


def test_a_storage_that_does_not_answer_is_one_sentence(run, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("WORKBENCH_MARKET_URL", "s3://bucket/market")
    done = run("import", quotes(tmp_path / "ticks.csv", 10))
    assert done.exit_code == 1
    assert "expected the storage of WORKBENCH_MARKET_URL to answer, found: " in done.output


def test_a_damaged_file_is_named(run, tmp_path):
    run("import", quotes(tmp_path / "ticks.csv"))
    assert "all as they were written" in run("verify", "--all").output
    (part, *_) = sorted((tmp_path / "home").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-40] + b"0" * 40)
    said = run("verify", "--all")
    assert said.exit_code == 1
    assert part.name[:12] in said.output
    assert "expected fingerprints" in run("verify").output


def test_what_an_import_left_behind_is_cleared_away(run, tmp_path):
    run("import", quotes(tmp_path / "ticks.csv"))
    (part, *_) = sorted(path for path in (tmp_path / "home").rglob("*.parquet") if ".cache" not in path.parts)
    left = part.with_name("f" * 64 + ".parquet")
    left.write_bytes(part.read_bytes())
    assert run("clean").output == "0 bytes freed\n"  # it may belong to an import that is under way
    freed = json.loads(run("clean", "--older-than", "0", "--json").stdout)["freed_bytes"]
    assert freed == part.stat().st_size
    assert not left.exists()
    assert "all as they were written" in run("verify", "--all").output
