"""TrueFX's ticks: ``EUR/USD,20090501 00:00:00.312,1.32262,1.32271`` in UTC."""

import re

from workbench.market.formats.grammar import TRUEFX, Field, Layout
from workbench.market.formats.heads import first_line

__all__ = ["recognise"]

_TICKS = re.compile(r"([A-Z]{3}/[A-Z]{3}),\d{8} \d\d:\d\d:\d\d(\.\d+)?,[^,]+,[^,]+$")


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layout, if the file's first line has it."""
    found = _TICKS.match(first_line(head))
    if found is None:
        return ()
    pair = found.group(1)
    return (
        Layout(
            format="truefx",
            kind="ticks",
            separator=",",
            fields=(Field.word(pair), Field.time(TRUEFX), Field.price("bid"), Field.price("ask")),
            why=f"lines like {pair},20090501 00:00:00.312,bid,ask",
            zone="UTC",
            zone_why="TrueFX writes UTC",
            symbol=pair.replace("/", ""),
        ),
    )
