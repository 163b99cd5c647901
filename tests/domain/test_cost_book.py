"""Cost books: what is in them, how they are edited, compared, dated and kept."""

import json
import pickle
from datetime import UTC, date, datetime
from typing import Any

import pytest

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import (
    CostBook,
    FinancingMode,
    InstrumentCosts,
    retail_book,
    retail_costs,
    swap_weekdays,
)
from workbench.domain.cost_history import CostHistory, costs_from_json
from workbench.domain.cost_tables import spread_rows
from workbench.errors import BadInputError

BOOK = retail_book("EUR_USD", "USD_JPY")


def _in_force(*dates: str) -> CostHistory:
    return CostHistory([BOOK.replace(valid_from=date.fromisoformat(item)) for item in dates])


def test_a_book_written_before_there_were_other_costs_reads_the_same_and_keeps_its_version() -> None:
    costs = {
        "spread_points": [13] * 168,
        "commission_ppm": 20,
        "financing_long_ppm": -25_000,
        "financing_short_ppm": -5_000,
        "margin_rate_ppm": 33_333,
        "slippage_points": 0,
    }
    book = CostBook.from_json({"broker": "retail", "valid_from": "2017-01-01", "costs": {"EUR_USD": costs}})
    assert book.of("EUR_USD").financing_mode is FinancingMode.ANNUAL_365
    # made by the program as it was then
    assert book.version == "367f0a88d2ce95425311788b163812320163f04709eecbabe8e25ffdcb5df1a3"


def test_every_cost_survives_json_text_and_pickle() -> None:
    book = BOOK.with_costs(
        "EUR_USD",
        commission_ppm=0,
        commission_per_lot=3_500_000,
        commission_minimum=2_000_000,
        slippage_points=1,
        slippage_spread_ppm=250_000,
        financing_mode=FinancingMode.POINTS,
        financing_long_ppm=-5_450_000,
        financing_weekdays=swap_weekdays("WED"),
        conversion_markup_ppm=5_000,
    )
    for again in (
        CostBook.from_json(book.to_json()),
        CostBook.from_json(json.loads(book.to_text())),
        pickle.loads(pickle.dumps(book)),
    ):
        assert again == book
        assert again.version == book.version


def test_an_edited_book_is_another_one_that_names_its_parent_and_what_changed() -> None:
    edited = BOOK.with_costs("EUR_USD", commission_ppm=35)
    assert BOOK.of("EUR_USD").commission_ppm == 20
    assert (edited.parent, edited.note) == (BOOK.version, "EUR_USD commission_ppm: 20 -> 35")
    assert BOOK.with_costs("EUR_USD", commission_ppm=35, note="letter of 3 May").note == "letter of 3 May"
    assert edited.version != BOOK.version
    assert edited.with_costs("EUR_USD", commission_ppm=20).version == BOOK.version


def test_instruments_are_added_and_removed() -> None:
    more = BOOK.with_costs("GBP_USD", retail_costs("GBP_USD"))
    assert sorted(more.costs) == ["EUR_USD", "GBP_USD", "USD_JPY"]
    assert more.without("GBP_USD").version == BOOK.version
    with pytest.raises(BadInputError, match="has no costs for AUD_USD"):
        BOOK.without("AUD_USD")
    with pytest.raises(BadInputError, match="has no costs for AUD_USD"):
        BOOK.with_costs("AUD_USD", commission_ppm=1)
    with pytest.raises(BadInputError, match="unknown cost comission_ppm; costs are "):
        BOOK.with_costs("EUR_USD", comission_ppm=1)


def test_a_difference_is_told_by_instrument_and_cost() -> None:
    spreads = (99, *BOOK.of("EUR_USD").spread_points[1:])
    other = BOOK.with_costs("EUR_USD", spread_points=spreads, margin_rate_ppm=50_000).without("USD_JPY")
    found = BOOK.diff(other)
    assert [(item.instrument, item.field) for item in found] == [
        ("EUR_USD", "spread_points"),
        ("EUR_USD", "margin_rate_ppm"),
        ("USD_JPY", "costs"),
    ]
    text = BOOK.diff_text(other)
    assert "13 to 99 points, mean 16.3 (1 of 168 hours changed)" in text
    assert BOOK.diff_text(BOOK) == "no difference"
    dated = BOOK.diff(BOOK.replace(valid_from=date(2019, 1, 1)))
    assert [str(item) for item in dated] == ["valid_from: 2018-01-01 -> 2019-01-01"]


def test_a_person_may_write_one_spread_or_a_day_of_them() -> None:
    value = retail_costs("EUR_USD").to_json()
    flat = InstrumentCosts.from_json({**value, "spread_points": 13})
    assert flat.spread_points == (13,) * 168
    daily = InstrumentCosts.from_json({**value, "spread_points": [29, *[13] * 22, 49]})
    assert (daily.spread_points[24], daily.spread_points[167]) == (29, 49)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"comission_ppm": 1},
            "costs of EUR_USD: unknown field 'comission_ppm'; did you mean commission_ppm",
        ),
        ({"colour": 1}, "costs of EUR_USD: unknown field 'colour'; the fields are spread_points, "),
        ({"spread_points": [1, 2]}, "costs of EUR_USD: expected 168 spreads of 0 or more points.*found 2"),
        ({"spread_points": 1.3}, "costs of EUR_USD: .*found 1.3"),
        ({"spread_points": None}, "costs of EUR_USD: a field is of another kind"),
        ({"financing_mode": "DAILY"}, "financing_mode: expected one of ANNUAL_365, .*found 'DAILY'"),
        ({"financing_weekdays": [1, 1, 3]}, "financing_weekdays: expected seven"),
        ({"financing_weekdays": [1, 1, 3, 1, 1, 0, -1]}, "financing_weekdays: expected seven"),
        ({"commission_per_lot": 5}, "both commission_ppm 20 and commission_per_lot 5"),
        ({"margin_rate_ppm": 0}, "margin_rate_ppm: expected 1 to 1,000,000, found 0"),
        ({"commission_minimum": "2"}, "commission_minimum: expected whole .* found '2'"),
    ],
)
def test_a_wrong_file_says_where_and_what_to_write(changes: dict[str, Any], message: str) -> None:
    value = BOOK.to_json()
    value["costs"]["EUR_USD"] = {**value["costs"]["EUR_USD"], **changes}
    with pytest.raises(BadInputError, match=message):
        CostBook.from_json(value)


def test_a_missing_cost_is_not_assumed() -> None:
    value = BOOK.to_json()
    del value["costs"]["EUR_USD"]["margin_rate_ppm"]
    with pytest.raises(BadInputError, match="costs of EUR_USD: the field margin_rate_ppm is missing"):
        CostBook.from_json(value)
    with pytest.raises(BadInputError, match="costs of EUR_USD: found 13"):
        CostBook.from_json({**value, "costs": {"EUR_USD": 13}})
    with pytest.raises(BadInputError, match="unknown field colour"):
        CostBook.from_json({**value, "colour": "red"})


def test_one_weekday_may_carry_the_weekend() -> None:
    # MetaTrader's swap_rollover3days: Wednesday for currency pairs, Friday for many others
    assert swap_weekdays() == (1, 1, 3, 1, 1, 0, 0)
    assert swap_weekdays("fri") == (1, 1, 1, 1, 3, 0, 0)
    with pytest.raises(BadInputError, match="expected one of MON, TUE, WED, THU, FRI, found 'Sunday'"):
        swap_weekdays("Sunday")


def test_people_see_a_line_an_instrument_and_the_spreads_of_every_hour() -> None:
    book = BOOK.with_costs(
        "EUR_USD",
        commission_minimum=2_000_000,
        financing_mode="POINTS",
        financing_long_ppm=-5_450_000,
        slippage_spread_ppm=500_000,
        note="<made up>",
    )
    text = str(book)
    assert f"costs of retail from 2018-01-01, version {book.version[:12]}, from {BOOK.version[:12]}" in text
    assert "0.2 bp, at least 2 an order" in text
    assert "-5.45 / -0.005 points a night" in text
    assert "50 % of the spread" in text
    html = book._repr_html_()
    assert html.count("<details>") == 2
    assert "<th>from 17:00</th><th>17</th><th>18</th>" in html
    first, *hours = spread_rows(book.of("EUR_USD"))[0]
    assert (first, hours[0], hours[23]) == ("Sun", "29", "49")  # Sunday 17:00 and Monday 16:00 New York


def test_a_book_holds_from_its_date_until_the_next_ones() -> None:
    history = _in_force("2019-03-04", "2018-01-01", "2020-01-01")
    assert [item.valid_from.year for item in history] == [2018, 2019, 2020]
    assert history.at(date(2019, 3, 3)).valid_from == date(2018, 1, 1)
    assert history.at(date(2019, 3, 4)).valid_from == date(2019, 3, 4)
    assert history.at(date(2026, 1, 1)).valid_from == date(2020, 1, 1)
    with pytest.raises(BadInputError, match="expected a day from 2018-01-01 on, found 2017-12-31"):
        history.at(date(2017, 12, 31))


def test_a_book_comes_into_force_when_its_fx_day_begins() -> None:
    (monday,) = _in_force("2019-03-04").starts_ns
    assert monday == to_ns(datetime(2019, 3, 3, 22, tzinfo=UTC))  # Sunday 17:00 New York, winter
    (summer,) = _in_force("2019-07-02").starts_ns
    assert summer == to_ns(datetime(2019, 7, 1, 21, tzinfo=UTC))


def test_a_history_is_kept_as_json_and_knows_its_version() -> None:
    history = _in_force("2018-01-01", "2019-01-01")
    again = costs_from_json(json.loads(history.to_text()))
    assert again == history
    assert isinstance(again, CostHistory)
    assert again.version == history.version
    assert pickle.loads(pickle.dumps(history)) == history
    assert _in_force("2018-01-01").version == BOOK.version
    assert history.version != _in_force("2018-01-01", "2019-01-02").version
    assert costs_from_json(BOOK.to_json()) == BOOK
    assert "2018-01-01, 2019-01-01" in repr(history)


def test_a_history_takes_one_book_a_date_of_one_broker() -> None:
    history = _in_force("2018-01-01", "2019-01-01")
    cheaper = BOOK.with_costs("EUR_USD", commission_ppm=1).replace(valid_from=date(2019, 1, 1))
    assert history.with_book(cheaper)[1].of("EUR_USD").commission_ppm == 1
    with pytest.raises(BadInputError, match="two cost books are valid from 2019-01-01"):
        CostHistory([*history, cheaper])
    with pytest.raises(BadInputError, match="expected the books of one broker, found other, retail"):
        CostHistory([BOOK, BOOK.replace(broker="other")])
    with pytest.raises(BadInputError, match="expected one or more cost books, found none"):
        CostHistory([])
    with pytest.raises(BadInputError, match="books: expected a list"):
        costs_from_json({"broker": "x", "books": {}})
