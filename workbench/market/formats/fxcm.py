"""FXCM's CSV files: ticks and candles with times like ``01/04/2015 22:00:39.587``, month first, in UTC.

Candles that come as a bid file and an ask file are read by `workbench.market.formats.delimited` as a pair.
"""

import re

from workbench.market.formats.grammar import SLASHED, Field, Layout
from workbench.market.formats.heads import first_lines

__all__ = ["recognise"]

_STAMP = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d(:\d\d(\.\d+)?)?,")
_PARTS = ("Open", "High", "Low", "Close")
_CANDLES = ["DateTime", *(f"{side}{part}" for side in ("Bid", "Ask") for part in _PARTS)]


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layouts of FXCM that the file's first lines have."""
    lines = first_lines(head, 2)
    if len(lines) < 2 or not _STAMP.match(lines[1]):
        return ()
    headings = [item.strip() for item in lines[0].split(",")]
    if headings == ["DateTime", "Bid", "Ask"]:
        kind, prices = "ticks", tuple(Field.price(item.lower()) for item in headings[1:])
    elif headings[: len(_CANDLES)] == _CANDLES and headings[len(_CANDLES) :] in ([], ["Volume"]):
        prices = tuple(Field.price(f"{item[:3].lower()}_{item[3:].lower()}") for item in _CANDLES[1:])
        kind = "bars"
    else:
        return ()
    rest = tuple(Field.skip() for _ in headings[1 + len(prices) :])
    return (
        Layout(
            format="fxcm-ticks" if kind == "ticks" else "fxcm",
            kind=kind,
            separator=",",
            fields=(Field.time(SLASHED), *prices, *rest),
            why=f"the header {lines[0]} and times with the month first",
            header=True,
            zone="UTC",
            zone_why="FXCM writes UTC",
            zone_is_sure=False,
        ),
    )
