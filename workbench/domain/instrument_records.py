"""Instruments as brokers and files tell them: OANDA's record, and our own JSON."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal, DecimalException
from typing import Any

from workbench.domain.instruments import INSTRUMENTS, Instrument, InstrumentId
from workbench.domain.money import MICRO_DIGITS, scaled_to_whole
from workbench.errors import BadInputError

__all__ = ["instrument_from_json", "instrument_from_oanda", "instrument_to_json", "instruments_from_file"]

# the pairs that settle in one business day, by the market's convention
_ONE_DAY = frozenset({"USD_CAD", "USD_TRY", "USD_PHP", "USD_RUB", "USD_KZT", "USD_PKR"})
_WHOLE = (
    "digits",
    "pip_exponent",
    "unit_step",
    "minimum_units",
    "lot_units",
    "margin_rate_ppm",
    "settlement_days",
)


def instrument_from_oanda(record: Mapping[str, Any]) -> Instrument:
    """The instrument of an OANDA v20 record, as `GET /v3/accounts/ID/instruments` returns it.

    What OANDA does not tell (the size of a lot, days to settle) is taken from the record shipped, or
    100,000 units and the market's convention.

    Raises
    ------
    BadInputError
        A field is missing or no number, it is not a pair of currencies or metals, or its units or
        prices have decimals that the workbench cannot hold.
    """
    name = str(_field(record, "name"))
    kind = record.get("type", "CURRENCY")
    base, _, quote = name.partition("_")
    if kind not in ("CURRENCY", "METAL") or not (len(base) == len(quote) == 3):
        raise BadInputError(f"{name}: expected a currency pair or a metal, found type {kind}")
    digits = _whole(record, "displayPrecision", name)
    if not 0 <= digits <= MICRO_DIGITS:
        raise BadInputError(f"{name}: expected prices with 0 to {MICRO_DIGITS} decimals, found {digits}")
    precision = _whole(record, "tradeUnitsPrecision", name)
    minimum = scaled_to_whole(_decimal(record, "minimumTradeSize", name), digits=0)
    if precision != 0 or minimum is None:
        raise BadInputError(
            f"{name}: expected whole units, found tradeUnitsPrecision {precision} and "
            f"minimumTradeSize {record['minimumTradeSize']}; fractions of a unit are not supported"
        )
    margin = scaled_to_whole(_decimal(record, "marginRate", name), digits=6)
    if margin is None or margin <= 0:
        raise BadInputError(f"{name}: expected a margin rate above 0, found {record['marginRate']}")
    shipped = INSTRUMENTS.get(name)
    return Instrument(
        id=InstrumentId(name),
        base=base,
        quote=quote,
        digits=digits,
        pip_exponent=_whole(record, "pipLocation", name),
        minimum_units=minimum,
        lot_units=shipped.lot_units if shipped else 100_000,
        margin_rate_ppm=margin,
        settlement_days=1 if name in _ONE_DAY else 2,
    )


def instruments_from_file(value: Any) -> tuple[Instrument, ...]:
    """The instruments of a parsed JSON file: OANDA's answer, our own file, or a plain list of either.

    OANDA's other products (indices, bonds, commodities) are left out.

    Raises
    ------
    BadInputError
        It is none of these, or a record in it is not right.
    """
    records = value.get("instruments") if isinstance(value, Mapping) else value
    if not isinstance(records, list) or not all(isinstance(item, Mapping) for item in records):
        raise BadInputError(
            'expected OANDA\'s answer {"instruments": [...]} or a list of records, '
            f"found {type(value).__name__}"
        )
    return tuple(
        instrument_from_oanda(item) if "pipLocation" in item else instrument_from_json(item)
        for item in records
        if not ("pipLocation" in item and item.get("type") == "CFD")
    )


def instrument_to_json(instrument: Instrument) -> dict[str, Any]:
    """A plain value that `instrument_from_json` reads back; hours come with the workbench."""
    return {name: getattr(instrument, name) for name in ("id", "base", "quote", *_WHOLE)}


def instrument_from_json(value: Mapping[str, Any]) -> Instrument:
    """The instrument that `instrument_to_json` wrote.

    Raises
    ------
    BadInputError
        A field is missing, unknown or no whole number, or they do not fit each other.
    """
    known = {item.name for item in fields(Instrument)} - {"hours"}
    if extra := set(value) - known:
        raise BadInputError(f"unknown field {', '.join(sorted(extra))}; known: {', '.join(sorted(known))}")
    name = str(_field(value, "id"))
    needed = ("digits", "pip_exponent")
    numbers: dict[str, Any] = {
        item: _whole(value, item, name) for item in _WHOLE if item in value or item in needed
    }
    found = Instrument(
        id=InstrumentId(name), base=str(_field(value, "base")), quote=str(_field(value, "quote")), **numbers
    )
    if name != f"{found.base}_{found.quote}" or not 0 <= found.digits <= MICRO_DIGITS:
        raise BadInputError(
            f"{name}: expected a name BASE_QUOTE of its currencies and 0 to {MICRO_DIGITS} decimals, "
            f"found {found.base}, {found.quote} and {found.digits}"
        )
    return found


def _field(record: Mapping[str, Any], name: str) -> Any:
    if name not in record:
        raise BadInputError(f"instrument record without {name!r}; found {', '.join(map(str, record))}")
    return record[name]


def _whole(record: Mapping[str, Any], field: str, name: str) -> int:
    value = _field(record, field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInputError(f"{name}: expected a whole number as {field}, found {value!r}")
    return value


def _decimal(record: Mapping[str, Any], field: str, name: str) -> Decimal:
    try:
        return Decimal(str(_field(record, field)))
    except DecimalException:
        raise BadInputError(f"{name}: expected a number as {field}, found {record[field]!r}") from None
