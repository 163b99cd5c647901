"""HistData's files: ASCII M1 and ticks, and the M1 files for MetaTrader; bid bars, no zone told.

The vendor documents EST without daylight saving; files have been found in New York time with it. So
the zone is never taken from the format but found by `workbench.market.zones`.
"""

import re

from workbench.market.formats.grammar import COMPACT, COMPACT_MS, DOTTED_CLOCK, DOTTED_DATE, Field, Layout
from workbench.market.formats.heads import first_line

__all__ = ["recognise"]

_BARS = re.compile(r"\d{8} \d{6};[^;]+;[^;]+;[^;]+;[^;]+(;[^;]*)?$")
_TICKS = re.compile(r"\d{8} \d{9},[^,]+,[^,]+(,[^,]*)?$")
_META = re.compile(r"\d{4}\.\d\d\.\d\d,\d\d:\d\d,")
_NAME = re.compile(r"DAT_(?:ASCII|MT)_([A-Z]{6})_")
_PRICES = tuple(Field.price(name) for name in ("open", "high", "low", "close"))


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layouts of this vendor that the file's first line has."""
    first = first_line(head)
    named = _NAME.match(name.upper())
    symbol = named.group(1) if named else ""
    if _BARS.match(first):
        rest = tuple(Field.skip() for _ in range(first.count(";") - 4))
        return (
            Layout(
                format="histdata",
                kind="bars",
                separator=";",
                fields=(Field.time(COMPACT), *_PRICES, *rest),
                why="lines like 20170301 000000;o;h;l;c;v",
                side="bid",
                symbol=symbol,
            ),
        )
    if _TICKS.match(first):
        rest = tuple(Field.skip() for _ in range(first.count(",") - 2))
        return (
            Layout(
                format="histdata-ticks",
                kind="ticks",
                separator=",",
                fields=(Field.time(COMPACT_MS), Field.price("bid"), Field.price("ask"), *rest),
                why="lines like 20200101 170000065,bid,ask,v",
                symbol=symbol,
            ),
        )
    if _META.match(first) and name.upper().startswith("DAT_MT_"):
        rest = tuple(Field.skip() for _ in range(first.count(",") - 5))
        return (
            Layout(
                format="histdata-mt",
                kind="bars",
                separator=",",
                fields=(Field.time(DOTTED_DATE), Field.time(DOTTED_CLOCK), *_PRICES, *rest),
                why="a name like DAT_MT_EURUSD_M1_2017.csv and lines like 2017.03.01,00:00,o,h,l,c,v",
                side="bid",
                symbol=symbol,
            ),
        )
    return ()
