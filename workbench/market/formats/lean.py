"""QuantConnect LEAN's zip files of quotes: ticks, seconds and minutes by the day, hours and days in one.

Each market has its own clock in LEAN's table of market hours: OANDA UTC, FXCM five hours behind it
without daylight saving. The market is read from the folder's or file's name, never guessed.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

from workbench.domain.calendar import to_ns
from workbench.errors import BadInputError
from workbench.market.formats.grammar import COMPACT_MINUTES, Field, Layout
from workbench.market.formats.heads import first_line

__all__ = ["date_in", "market_zone", "recognise"]

_DAY = re.compile(r"(?<!\d)((?:19|20)\d{6})(?=_)")
_SYMBOL = re.compile(r"(?<!\d)(?:19|20)\d{6}_([a-z]{6})_")
_SYMBOL_OF_ALL = re.compile(r"([a-z]{6})\.csv(?= |$)")
_TICKS = re.compile(r"\d{1,8},\d+(\.\d*)?,\d+(\.\d*)?$")
_BARS_OF_A_DAY = re.compile(r"\d{1,8}(,[\d.]+){10}$")
_BARS = re.compile(r"\d{8} \d\d:\d\d(,[\d.]+){10}$")
_ZONES = {"oanda": "UTC", "fxcm": "Etc/GMT+5"}
_DAY_NS = 86_400 * 10**9
_SIDES = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close"))
_PRICES = (
    *(Field.price(name) for name in _SIDES[:4]),
    Field.skip(),
    *(Field.price(name) for name in _SIDES[4:]),
    Field.skip(),
)


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layouts of LEAN that the file's first line and name have."""
    first = first_line(head)
    if _BARS.match(first):
        symbol = _SYMBOL_OF_ALL.match(name)
        return (
            Layout(
                format="lean",
                kind="bars",
                separator=",",
                fields=(Field.time(COMPACT_MINUTES), *_PRICES),
                why="lines like 20070101 21:00 and ten numbers, bid then ask",
                symbol=symbol.group(1).upper() if symbol else "",
            ),
        )
    if not _DAY.search(name):
        return ()
    symbol = _SYMBOL.search(name)
    letters = symbol.group(1).upper() if symbol else ""
    if _BARS_OF_A_DAY.match(first):
        return (
            Layout(
                format="lean",
                kind="bars",
                separator=",",
                fields=(Field.epoch("ms"), *_PRICES),
                why="the day in its name and lines of milliseconds and ten numbers, bid then ask",
                base_ns=date_in,
                span_ns=_DAY_NS,
                symbol=letters,
            ),
        )
    if _TICKS.match(first):
        return (
            Layout(
                format="lean-ticks",
                kind="ticks",
                separator=",",
                fields=(Field.epoch("ms"), Field.price("bid"), Field.price("ask")),
                why="the day in its name and lines of milliseconds, bid and ask",
                base_ns=date_in,
                span_ns=_DAY_NS,
                symbol=letters,
            ),
        )
    return ()


def date_in(name: str) -> int:
    """Nanoseconds of the midnight of the day in a file's name, as in ``20140505_quote.zip``.

    Raises
    ------
    BadInputError
        There is none, or it is no day.
    """
    found = _DAY.search(name)
    try:
        if found is not None:
            return to_ns(datetime.strptime(found.group(1), "%Y%m%d").replace(tzinfo=UTC))
    except ValueError:
        pass
    raise BadInputError(f"{name}: expected a day in the file's name, as in 20140505_quote.zip")


def market_zone(path: Path) -> tuple[str, str] | None:
    """The clock of the market that the path names, and why; None when it names none or both."""
    words = {word for part in path.parts for word in re.split(r"[^a-z]+", part.lower())}
    named = sorted(words & _ZONES.keys())
    if len(named) != 1:
        return None
    return _ZONES[named[0]], f"LEAN keeps {named[0]}'s quotes by this clock"
