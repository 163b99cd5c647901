"""The form imports what is chosen, shows the report, and says in a sentence what is wrong."""

from pathlib import Path

import pytest

from workbench.kernel import data_form
from workbench.kernel.session import new_session
from workbench.market import MarketStore, sample_files


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("WORKBENCH_USER", "sarah")
    new_session()
    return tmp_path


def test_a_file_is_imported_and_the_report_shown(home: Path) -> None:
    form = data_form(home)
    report = form.run(sample_files().eurusd_h1_2017, timezone="UTC", side="ask", modelled=True)
    assert report is not None
    assert report.dataset.rows == 6_225
    assert "Imported: dataset" in form._said.value
    assert "<svg" in form._said.value
    assert MarketStore(home / "home" / "market", f"sqlite:///{home / 'home' / 'workbench.db'}").datasets()
    assert not form._button.disabled
    again = form.run()
    assert again is not None
    assert not again.is_new
    assert "nothing changed" in form._said.value


def test_files_of_the_folder_are_offered_and_their_names_are_enough(home: Path) -> None:
    (home / "quotes").mkdir()
    lines = [f"2024-01-02T{hour:02d}:00:00Z,1.1,1.2,1.0,1.1,1.2,1.3,1.1,1.2" for hour in range(20)]
    head = "time,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close"
    (home / "quotes" / "mine.csv").write_text("\n".join([head, *lines]))
    (home / "notes.md").write_text("no quotes")
    form = data_form(home)
    assert form._path.options == ("quotes/mine.csv",)
    report = form.run("quotes/mine.csv")
    assert report is not None
    assert report.dataset.rows == 20


@pytest.mark.parametrize(
    ("path", "said"), [("", "choose one or paste its path"), ("nothing.csv", "no such file: ")]
)
def test_what_is_wrong_is_said_in_the_form(home: Path, path: str, said: str) -> None:
    form = data_form(home)
    assert form.run(path) is None
    assert "Not imported: " in form._said.value
    assert said in form._said.value


def test_a_file_that_is_no_table_is_said_without_a_traceback(home: Path) -> None:
    (home / "page.csv").write_text("<html>not found</html>\n")
    form = data_form(home)
    assert form.run("page.csv") is None
    assert "Not imported: " in form._said.value
    assert "Traceback" not in form._said.value
    assert "&lt;" in form._said.value or "<html>" not in form._said.value


def test_quotes_that_are_not_fit_for_use_do_not_come_in_green(home: Path) -> None:
    rows = [f"2024-01-02T08:00:{second:02d}Z,1.10010,1.10000" for second in range(20)]
    (home / "crossed.csv").write_text("\n".join(["time,bid,ask", *rows]) + "\n")
    form = data_form(home)
    report = form.run("crossed.csv")
    assert report is not None
    assert "It is not fit for use: 1 error" in form._said.value.split("</div>")[0]
