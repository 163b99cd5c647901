"""The form shows an instrument's costs, says what is wrong as it is written, and saves new dated versions."""

from datetime import date
from pathlib import Path

import pytest

from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory
from workbench.domain.cost_terms import FinancingMode
from workbench.kernel import cost_book, cost_form
from workbench.kernel.session import new_session


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("WORKBENCH_USER", "sarah")
    new_session()
    return tmp_path / "home"


def test_a_change_is_saved_as_a_new_dated_version_and_read_back(home: Path) -> None:
    book = retail_book("EUR_USD", "USD_JPY")
    form = cost_form(book)
    saved = form.run(
        instrument="USD_JPY",
        commission_ppm="35",
        financing_mode="POINTS",
        financing_long_ppm="-4,500,000",
        financing_weekdays="1 1 3 1 1 0 0",
        valid_from=date(2026, 3, 2),
        name="mine",
    )
    assert isinstance(saved, CostHistory)
    assert form.file == home / "cost_books" / "mine.json"
    read = cost_book("USD_JPY", file="mine.json")
    assert isinstance(read, CostHistory)
    assert list(read) == list(saved)
    old, new = read
    assert old == book
    assert (new.valid_from, new.parent) == (date(2026, 3, 2), book.version)
    item = new.of("USD_JPY")
    assert (item.commission_ppm, item.financing_long_ppm) == (35, -4_500_000)
    assert (item.financing_mode, item.financing_weekdays) == (FinancingMode.POINTS, (1, 1, 3, 1, 1, 0, 0))
    assert item.spread_points == book.of("USD_JPY").spread_points
    assert new.of("EUR_USD") == book.of("EUR_USD")
    assert "Saved: version" in form._said.value


def test_what_would_change_is_shown_before_it_is_saved() -> None:
    form = cost_form()
    assert "Nothing is changed yet." in form._said.value
    form._terms["spread_points"].value = "11"
    form._terms["margin_rate_ppm"].value = "50000"
    assert "This would change:" in form._said.value
    for part in ("margin_rate_ppm", "33,333", "50,000"):
        assert part in form._said.value.replace("33333", "33,333").replace("50000", "50,000")
    assert form.file is None


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("commission_ppm", "2.5", "Commission by value: expected a whole number, found"),
        ("commission_ppm", "-3", "commission_ppm: expected 0 to"),
        ("commission_per_lot", "7", "expected a commission by value or by lot, found both"),
        ("spread_points", "1 2 3", "Spread: expected one number, 24 or 168, found 3"),
        ("financing_weekdays", "1 1 3", "expected seven numbers of days"),
        ("margin_rate_ppm", "0", "margin_rate_ppm: expected 1 to"),
        ("slippage_points", "<b>", "&lt;b&gt;"),
    ],
)
def test_what_is_wrong_is_said_as_it_is_written_and_can_not_be_saved(
    home: Path, field: str, written: str, said: str
) -> None:
    form = cost_form()
    form._terms[field].value = written
    assert said in form._said.value
    assert form._button.disabled
    assert form.run(valid_from=date(2026, 3, 2)) is None
    assert "Not saved: " in form._said.value
    assert not (home / "cost_books").exists()


def test_no_version_is_lost() -> None:
    form = cost_form()
    first = form.costs.valid_from
    assert form.run(commission_ppm="30") is None
    assert f"expected another date than those of the books there are ({first})" in form._said.value
    assert form.run(valid_from=date(2027, 1, 4)) is not None
    assert form.run(commission_ppm="31", valid_from=date(2027, 2, 1)) is not None
    assert [item.of("EUR_USD").commission_ppm for item in cost_book(file="my_broker.json")] == [20, 30, 31]
    other = cost_form(retail_book("GBP_USD"))
    assert other.run(commission_ppm="9", valid_from=date(2027, 3, 1)) is None
    assert "my_broker.json is there already with other books" in other._said.value
    again = cost_form("my_broker.json")
    assert again._name.value == "my_broker"
    assert again.run(commission_ppm="32", valid_from=date(2027, 3, 1)) is not None
    assert again.run(valid_from=date(2027, 4, 1)) is None
    assert "nothing is changed" in again._said.value
    assert again.run(commission_ppm="33", valid_from=date(2027, 4, 1), name="../away") is None
    assert "expected a name of letters" in again._said.value


def test_an_instrument_is_added_with_retail_costs_to_start_from() -> None:
    form = cost_form()
    saved = form.run(instrument="XAU_USD", valid_from=date(2027, 1, 4))
    assert isinstance(saved, CostHistory)
    assert saved[-1].of("XAU_USD") == retail_book("XAU_USD").of("XAU_USD")
    assert form._instrument.options[:2] == (("EUR_USD", "EUR_USD"), ("XAU_USD", "XAU_USD"))


def test_every_term_is_labelled_for_who_can_not_see_it() -> None:
    for entry in cost_form()._terms.values():
        assert entry.description
        assert entry.tooltip.startswith(entry.description)
