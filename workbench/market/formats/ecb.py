"""The European Central Bank's reference rates, recognised so that nobody takes them for quotes."""

import re

from workbench.market.formats.heads import first_line

__all__ = ["recognise"]

_HEADER = re.compile(r"Date,\s*USD,\s*JPY,")


def recognise(head: bytes, name: str) -> str | None:
    """The format's name, if the file's header is the bank's."""
    return "ecb" if _HEADER.match(first_line(head)) else None
