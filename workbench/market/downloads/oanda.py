"""OANDA v20's candle history: spans of less than 5,000 candles, and whether an answer is one of them."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.downloads.errors import DownloadRefusedError
from workbench.market.downloads.pieces import Piece

__all__ = ["BASE_URL", "TOKEN_VARIABLE", "pieces", "token_from_surroundings", "wrong_with"]

BASE_URL = "https://api-fxpractice.oanda.com"
TOKEN_VARIABLE = "WORKBENCH_OANDA_TOKEN"  # noqa: S105 - its name, not a token
_KEYRING_SERVICE = "forex-workbench"

_MOST_CANDLES = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = {"D1": "D", "W1": "W", "MN1": "M"}
_SECONDS = {
    **{f"S{count}": count for count in (5, 10, 15, 30)},
    **{f"M{count}": 60 * count for count in (1, 2, 4, 5, 10, 15, 30)},
    **{f"H{count}": 3_600 * count for count in (1, 2, 3, 4, 6, 8, 12)},
    "D": 86_400,
    "W": 604_800,
    "M": 2_592_000,
}
_SPANS = (21_600, 86_400, 3 * 86_400, 7 * 86_400, 28 * 86_400, 196 * 86_400, 1_960 * 86_400)


def pieces(instrument: Instrument, start: datetime, end: datetime, *, what: str) -> Iterator[Piece]:
    """The requests that together hold `[start, end)`; their borders do not depend on it, so files are reused.

    Raises
    ------
    BadInputError
        No such length of candles.
    """
    granularity = _NAMES.get(what, what)
    if granularity not in _SECONDS:
        raise BadInputError(f"oanda: unknown length {what!r}; expected one of {', '.join(_SECONDS)}")
    span = max(item for item in _SPANS if item // _SECONDS[granularity] < _MOST_CANDLES)
    number = int((start.astimezone(UTC) - _EPOCH).total_seconds()) // span
    while (first := _EPOCH + timedelta(seconds=number * span)) < end:
        last = first + timedelta(seconds=span)
        params = {
            "price": "BA",
            "granularity": granularity,
            "from": f"{first:%Y-%m-%dT%H:%M:%SZ}",
            "to": f"{last:%Y-%m-%dT%H:%M:%SZ}",
        }
        if granularity in ("D", "W", "M"):
            params |= {"dailyAlignment": "17", "alignmentTimezone": "America/New_York"}
        yield Piece(
            request=f"/v3/instruments/{instrument.id}/candles",
            params=params,
            relative=f"{instrument.id}/{granularity}/{first:%Y-%m-%dT%H%M%SZ}.json",
            start=first,
            end=last,
        )
        number += 1


def wrong_with(body: bytes, *, instrument: Instrument, what: str) -> str | None:
    """What is wrong with an answer, or None."""
    try:
        value = json.loads(body)
    except ValueError as error:
        return f"expected JSON ({error})"
    told = (value.get("instrument"), value.get("granularity")) if isinstance(value, dict) else ()
    if told != (instrument.id, _NAMES.get(what, what)) or not isinstance(value.get("candles"), list):
        return "expected candles of what was asked for"
    return None


def token_from_surroundings() -> str:
    """The token in the environment, or in the keyring where the package ``keyring`` is installed.

    Raises
    ------
    DownloadRefusedError
        There is none.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        with suppress(ImportError):  # the package is not required
            keyring = import_module("keyring")
            token = keyring.get_password(_KEYRING_SERVICE, "oanda") or ""
    if not token:
        raise DownloadRefusedError(
            f"oanda: no token; set {TOKEN_VARIABLE}, or keep one in the keyring as {_KEYRING_SERVICE} oanda"
        )
    return token
