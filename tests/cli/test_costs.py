"""`workbench costs`: a person sees, measures, edits and compares what trading costs."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory
from workbench.market.costs.files import read_costs, write_costs


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))

    def call(*arguments: object):
        return CliRunner().invoke(main, [str(item) for item in arguments])

    return call


@pytest.fixture
def book_file(tmp_path: Path) -> Path:
    return write_costs(retail_book("EUR_USD", "USD_JPY"), tmp_path / "home" / "cost_books" / "mine.json")


def test_a_book_is_shown_by_its_name_in_the_home_or_its_path(run, book_file):
    by_name, by_path = run("costs", "show", "mine.json"), run("costs", "show", book_file)
    assert by_name.exit_code == 0
    assert by_name.output == by_path.output
    assert "EUR_USD     13 to 49 points" in by_name.output
    hourly = run("costs", "show", "retail", "-i", "EUR_USD", "--hours").output
    assert "from 17:00  17  18" in hourly
    shown = json.loads(run("costs", "show", book_file, "--json").stdout)
    assert shown["version"] == retail_book("EUR_USD", "USD_JPY").version


def test_an_edit_writes_a_new_file_and_tells_what_changed(run, book_file, tmp_path):
    out = tmp_path / "new.json"
    done = run("costs", "edit", book_file, "EUR_USD", "commission_ppm=35", "spread_points=12", "--out", out)
    assert done.exit_code == 0, done.output
    assert "commission_ppm  20" in done.output
    assert read_costs(book_file) == retail_book("EUR_USD", "USD_JPY")
    new = read_costs(out)
    assert new.of("EUR_USD").spread_points == (12,) * 168
    assert new.parent == retail_book("EUR_USD", "USD_JPY").version
    told = json.loads(run("costs", "diff", book_file, out, "--json").stdout)
    assert [item["field"] for item in told] == ["spread_points", "commission_ppm"]
    assert "13 to 49 points" in run("costs", "diff", book_file, out).output


def test_instruments_are_added_and_removed(run, book_file, tmp_path):
    out = tmp_path / "new.json"
    assert run("costs", "edit", book_file, "GBP_USD", "--add", "--out", out).exit_code == 0
    assert sorted(read_costs(out).costs) == ["EUR_USD", "GBP_USD", "USD_JPY"]
    assert run("costs", "edit", out, "USD_JPY", "--remove", "--out", out).exit_code == 0
    assert sorted(read_costs(out).costs) == ["EUR_USD", "GBP_USD"]


def test_a_dated_edit_joins_the_history(run, tmp_path):
    book = retail_book("EUR_USD")
    file = write_costs(CostHistory([book]), tmp_path / "dated.json")
    done = run(
        *("costs", "edit", file, "EUR_USD", "margin_rate_ppm=50000"),
        *("--valid-from", "2020-01-01", "--out", file),
    )
    assert done.exit_code == 0, done.output
    history = read_costs(file)
    assert [item.valid_from for item in history] == [date(2018, 1, 1), date(2020, 1, 1)]
    assert "3.3333 %" in run("costs", "show", file, "--at", "2019-12-31").output
    assert "5 %" in run("costs", "show", file, "--at", "2020-01-01").output
    early = run("costs", "show", file, "--at", "2017-01-01")
    assert early.exit_code == 1
    assert "expected a day from 2018-01-01 on" in early.stderr


def test_spreads_are_measured_on_the_shipped_bars_only_when_these_were_quoted(run):
    run("data", "import", "--sample")
    done = run("costs", "estimate", "EUR_USD", "-t", "H1")
    assert done.exit_code == 1
    assert "a modelled spread can not be measured" in done.stderr


def test_measured_spreads_are_written_into_a_book(run, tmp_path):
    file = tmp_path / "quotes.csv"
    lines = ["time,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close"]
    for day in range(1, 29):  # February 2026
        for hour in range(24):
            ask = "1.10013,1.10013,1.10013,1.10013" if hour != 22 else "1.10030,1.10030,1.10030,1.10030"
            weekday = date(2026, 2, day).weekday()
            if (weekday, hour) >= (4, 22) and (weekday, hour) < (6, 22):
                continue
            lines.append(f"2026-02-{day:02} {hour:02}:00:00,1.10000,1.10000,1.10000,1.10000,{ask}")
    file.write_text("\n".join(lines) + "\n")
    assert run("data", "import", file, "--timezone", "UTC").exit_code == 0
    thin = run("costs", "estimate", "EUR_USD", "-t", "H1")
    assert thin.exit_code == 1
    assert "expected 30 quotes or more in each hour of the open week" in thin.stderr
    out = tmp_path / "measured.json"
    done = run(
        *("costs", "estimate", "EUR_USD", "-t", "H1", "--minimum", 6),
        *("--into", "retail", "--out", out, "--json"),
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["spread_points"][:3] == [30, 13, 13]
    assert read_costs(out).of("EUR_USD").spread_points[24:26] == (30, 13)
    half = run("costs", "estimate", "EUR_USD", "-t", "H1", "--out", out)
    assert "--into and --out belong together" in half.stderr


def test_a_book_is_exported_for_editing(run, tmp_path):
    out = tmp_path / "new" / "retail.json"
    assert run("costs", "export", "retail", "-i", "EUR_USD", "--out", out).exit_code == 0
    assert read_costs(out) == retail_book("EUR_USD")
    assert max(map(len, out.read_text().splitlines())) < 120


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1, column 2: expected JSON"),
        ("[]", "expected a cost book with broker"),
        ('{"broker": "x", "valid_from": "2018-01-01", "costs": {"EUR_USD": {"spread": 1}}}', "unknown field"),
    ],
)
def test_a_broken_file_is_one_sentence(run, tmp_path, text, said):
    file = tmp_path / "broken.json"
    file.write_text(text)
    done = run("costs", "show", file)
    assert done.exit_code == 1
    assert f"error: {file}" in done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "retail"), "a retail book needs instruments"),
        (("show", "nowhere.json"), "could not read it"),
        (("edit", "mine.json", "EUR_USD", "--out", "x.json"), "nothing to change"),
        (("edit", "mine.json", "EUR_USD", "commission=1", "--out", "x.json"), "did you mean commission_ppm"),
        (("edit", "mine.json", "GBP_USD", "commission_ppm=1", "--out", "x.json"), "has no costs for GBP_USD"),
        (("edit", "mine.json", "EUR_USD", "--valid-from", "soon", "--out", "x.json"), "expected a date"),
    ],
)
def test_a_wrong_call_says_what_to_do(run, book_file, arguments, said):
    done = run("costs", *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
