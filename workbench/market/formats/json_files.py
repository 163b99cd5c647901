"""Reading JSON with exact numbers and errors that name the line."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from workbench.errors import BadInputError
from workbench.market.errors import TruncatedFileError, UnknownFormatError
from workbench.market.formats.chunks import read_all

__all__ = ["load_json", "points_of"]

_MOST_BYTES = 1 << 30


def load_json(path: Path, *, progress: Callable[[int], None] | None = None) -> Any:
    """The value in a file; numbers with a point are Decimals.

    Raises
    ------
    UnknownFormatError, TruncatedFileError
        It is no JSON; the message names the line.
    """
    data = read_all(path, most=_MOST_BYTES, progress=progress)
    try:
        text = data.decode("utf-8")
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnknownFormatError(
            f"{path.name}, line {line}: expected UTF-8 text, found {error.reason}"
        ) from None
    except json.JSONDecodeError as error:
        line_text = (text.splitlines() or [""])[min(error.lineno, len(text.splitlines()) or 1) - 1]
        around = line_text[max(0, error.colno - 40) : error.colno + 40]
        kind = TruncatedFileError if error.pos >= len(text.rstrip()) else UnknownFormatError
        raise kind(
            f"{path.name}, line {error.lineno}: expected JSON, found {around!r} ({error.msg})"
        ) from None
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise UnknownFormatError(f"{path.name}: expected JSON, found what is none: {error}") from None


def points_of(value: Any, digits: int, place: str) -> int:
    """Whole points of a price that JSON gave as text or number.

    Raises
    ------
    BadInputError
        It is no price, or has more decimals than the instrument.
    """
    try:
        price = (
            Decimal(value) if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) else None
        )
        if price is not None and price.is_finite() and 0 < price < 10**9:
            scaled = price.scaleb(digits)
            if scaled == scaled.to_integral_value():
                return int(scaled)
            raise BadInputError(f"{place}: expected a price with at most {digits} decimals, found {value}")
    except InvalidOperation:
        pass
    raise BadInputError(f"{place}: expected a price, found {value!r}")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")
