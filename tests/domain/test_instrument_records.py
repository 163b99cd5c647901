"""Instrument records: those shipped, a broker's, and what they must not be."""

import csv
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from workbench.domain.instrument_records import (
    instrument_from_json,
    instrument_from_oanda,
    instrument_to_json,
    instruments_from_file,
)
from workbench.domain.instruments import (
    INSTRUMENTS,
    UnknownInstrumentError,
    instrument,
    known_instruments,
    refresh_instruments,
)
from workbench.errors import BadInputError
from workbench.settings import load_settings

# the shape and the values of OANDA's v20 documentation and of real answers
EUR_USD: dict[str, Any] = {
    "name": "EUR_USD",
    "type": "CURRENCY",
    "displayName": "EUR/USD",
    "pipLocation": -4,
    "displayPrecision": 5,
    "tradeUnitsPrecision": 0,
    "minimumTradeSize": "1",
    "maximumTrailingStopDistance": "1.00000",
    "minimumTrailingStopDistance": "0.00050",
    "maximumPositionSize": "0",
    "maximumOrderUnits": "100000000",
    "marginRate": "0.05",
}


@pytest.fixture(autouse=True)
def shipped_after() -> Any:
    yield
    refresh_instruments(())


def test_a_brokers_record_becomes_an_instrument() -> None:
    found = instrument_from_oanda(EUR_USD)
    assert (found.id, found.digits, found.pip_exponent, found.margin_rate_ppm) == ("EUR_USD", 5, -4, 50_000)
    assert (found.unit_step, found.minimum_units, found.lot_units, found.settlement_days) == (
        1,
        1,
        100_000,
        2,
    )


def test_a_record_may_contradict_every_habit() -> None:
    found = instrument_from_oanda({**EUR_USD, "name": "USD_JPY", "displayPrecision": 2, "pipLocation": -2})
    assert (found.digits, found.points_per_pip) == (2, 1)
    assert found.to_points("145.25") == 14_525


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"displayPrecision": "5"}, "expected a whole number as displayPrecision, found '5'"),
        ({"displayPrecision": 9}, "expected prices with 0 to 6 decimals, found 9"),
        ({"marginRate": "much"}, "expected a number as marginRate, found 'much'"),
        ({"marginRate": "0"}, "expected a margin rate above 0"),
        ({"minimumTradeSize": "0.1", "tradeUnitsPrecision": 1}, "expected whole units"),
        ({"type": "CFD", "name": "SPX500_USD"}, "expected a currency pair or a metal, found type CFD"),
    ],
)
def test_a_record_that_cannot_be_held_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        instrument_from_oanda({**EUR_USD, **changes})


def test_a_record_without_a_field_names_it() -> None:
    record = {name: value for name, value in EUR_USD.items() if name != "marginRate"}
    with pytest.raises(BadInputError, match="without 'marginRate'"):
        instrument_from_oanda(record)


def test_every_record_shipped_survives_json() -> None:
    for record in INSTRUMENTS.values():
        assert instrument_from_json(json.loads(json.dumps(instrument_to_json(record)))) == record


def test_a_file_is_oandas_answer_or_a_list_and_leaves_other_products_out() -> None:
    index = {**EUR_USD, "name": "SPX500_USD", "type": "CFD", "displayPrecision": 1}
    own = instrument_to_json(INSTRUMENTS["GBP_USD"])
    assert [item.id for item in instruments_from_file({"instruments": [EUR_USD, index]})] == ["EUR_USD"]
    assert [item.id for item in instruments_from_file([EUR_USD, own])] == ["EUR_USD", "GBP_USD"]
    with pytest.raises(BadInputError, match="expected OANDA's answer"):
        instruments_from_file("EUR_USD")


def test_what_the_home_holds_goes_before_what_is_shipped(tmp_path: Path) -> None:
    (tmp_path / "instruments.json").write_text(
        json.dumps({"instruments": [{**EUR_USD, "marginRate": "0.02"}]})
    )
    load_settings(home=tmp_path)
    assert instrument("EUR_USD").margin_rate_ppm == 20_000
    assert known_instruments()["EUR_USD"].margin_rate_ppm == 20_000
    assert instrument("GBP_USD") == INSTRUMENTS["GBP_USD"]
    load_settings(home=tmp_path / "other")
    assert instrument("EUR_USD") == INSTRUMENTS["EUR_USD"]


def test_a_damaged_file_of_records_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "instruments.json").write_text("{")
    with pytest.raises(BadInputError, match=r"instruments\.json is damaged"):
        load_settings(home=tmp_path)


def test_an_unknown_instrument_says_where_records_come_from() -> None:
    with pytest.raises(UnknownInstrumentError, match=r"unknown instrument 'USD_XYZ'.*--refresh FILE"):
        instrument("USD_XYZ")


def test_the_records_shipped_agree_with_those_another_project_publishes() -> None:
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("WORKBENCH_SAMPLE_DATA", default)).resolve()
    path = folder / "spec" / "lean_fx_symbol_properties.csv"
    if not path.is_file():
        pytest.skip("no vendors' sample data; set WORKBENCH_SAMPLE_DATA to the folder with MANIFEST.tsv")
    with path.open(newline="") as lines:
        steps = {
            f"{row['symbol'][:3]}_{row['symbol'][3:]}": row
            for row in csv.DictReader(lines)
            if row["market"] == "oanda"
        }
    for name, record in INSTRUMENTS.items():
        assert Decimal(steps[name]["minimum_price_variation"]) == record.to_price(1), name
        assert steps[name]["quote_currency"] == record.quote
        assert Decimal(steps[name]["lot_size"]) == record.unit_step
