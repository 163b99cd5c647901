"""MetaTrader's exports: bars of 4 and 5, ticks of 5; bid prices by the clock of the broker's server.

Most servers show New York's time plus seven hours, so that their midnight is 17:00 in New York; they
change their clocks on the days New York does. That is taken unless the weeks in the file say otherwise.
"""

import re

from workbench.market.formats.grammar import DOTTED_CLOCK, DOTTED_DATE, Field, Layout
from workbench.market.formats.heads import first_lines

__all__ = ["SERVER_CLOCK", "recognise"]

SERVER_CLOCK = "America/New_York+7h"

_BARS_4 = re.compile(r"\d{4}\.\d\d\.\d\d,\d\d:\d\d,[^,]+,[^,]+,[^,]+,[^,]+,[^,]+$")
_WHY = "MetaTrader servers usually show New York's time plus 7 hours"
_FIELDS = {
    "<DATE>": Field.time(DOTTED_DATE),
    "<TIME>": Field.time(DOTTED_CLOCK),
    "<OPEN>": Field.price("open"),
    "<HIGH>": Field.price("high"),
    "<LOW>": Field.price("low"),
    "<CLOSE>": Field.price("close"),
    "<SPREAD>": Field(kind=1, target="spread", decimals=0),
    "<BID>": Field.price_or_same("bid"),
    "<ASK>": Field.price_or_same("ask"),
}
_UNUSED = ("<TICKVOL>", "<VOL>", "<VOLUME>", "<LAST>", "<FLAGS>")


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layouts of MetaTrader that the file's first lines have."""
    first = next(iter(first_lines(head, 1)), "")
    if _BARS_4.match(first) and not name.upper().startswith("DAT_MT_"):
        prices = (Field.price(part) for part in ("open", "high", "low", "close"))
        return (
            Layout(
                format="mt4",
                kind="bars",
                separator=",",
                fields=(Field.time(DOTTED_DATE), Field.time(DOTTED_CLOCK), *prices, Field.skip()),
                why="lines like 2017.03.01,00:00,o,h,l,c,v",
                side="bid",
                zone=SERVER_CLOCK,
                zone_why=_WHY,
                zone_is_sure=False,
            ),
        )
    separator = "\t" if "\t" in first else ","
    headings = [item.strip().upper() for item in first.split(separator)]
    if headings[0] != "<DATE>" or len(set(headings)) != len(headings):
        return ()
    if any(item not in _FIELDS and item not in _UNUSED for item in headings):
        return ()
    fields = tuple(_FIELDS.get(item, Field.skip()) for item in headings)
    ticks = {"<BID>", "<ASK>"} <= set(headings)
    bars = {"<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>"} <= set(headings)
    if ticks == bars or (ticks and "<TIME>" not in headings):
        return ()
    return (
        Layout(
            format="mt5-ticks" if ticks else "mt5",
            kind="ticks" if ticks else "bars",
            separator=separator,
            fields=fields,
            why=f"the header {' '.join(headings)}",
            header=True,
            side="bid+ask" if ticks else "bid",
            zone=SERVER_CLOCK,
            zone_why=_WHY,
            zone_is_sure=False,
        ),
    )
